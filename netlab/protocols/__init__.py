"""Messages meet a connection: the Twisted classes, one module a variant of the guide.

`udp`, `tcp`, `tcpsel`, `tcpv2` and `tcpv3` are all of one shape: server protocol, server factory, client
protocol, client factory. `receivers` turns a stream into frames, `session` is what every TCP server
connection does, `client` what every TCP client does.
"""
