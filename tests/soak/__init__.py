"""A soak: hundreds of clients at once, good and bad, at our real servers, over real sockets and from a seed.

`python -m tests.soak --help` says how to run it. What the clients say is in speech, how they behave in
conducts and datagrams, what the server's log says of them in log, and what is asked of a server in run.
"""
