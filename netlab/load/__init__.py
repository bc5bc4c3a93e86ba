"""`netlab load`: puts a server under load, checks every echo byte by byte, and measures.

It plays its own client with its own sockets: what netlab's servers do well is not what netlab's clients make
easy for them. `messages` makes what is sent and `echoes` holds what comes back against it; `streams` and
`datagrams` are one client each, `engine` runs them all and `latency` counts; `targets` and `program` say who
is loaded, `compare` does it in rounds, `reports` shows it.
"""
