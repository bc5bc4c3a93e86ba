"""Messages meet a connection: the Twisted classes, one module a variant of the guide.

`udp`, `tcp` (both text servers: who runs it is the handler's matter), `tcpv2` and `tcpv3` are all of one
shape: server protocol, server factory, client protocol, client factory. Under them, `receivers` turns a
stream into frames, `session` is what every TCP server connection does, `factory` what their server does, and
`client` what every TCP client does.
"""
