"""Mistakes of TCP servers that no row of bytes shows: what is true of them is a fact of its own."""

from __future__ import annotations

from netlab.check.evidence import Fact
from netlab.check.models import Mistake

MISTAKES = (
    Mistake(
        "one-at-a-time",
        "one client is served after the other",
        "accept(), recv() and send() share one loop, so a second client waits until the first has gone, and "
        "the first may stay for hours.",
        "handle(conn)   ->   threading.Thread(target=handle, args=(conn,), daemon=True).start()",
        "threads",
        fact=Fact.WAITS,
    ),
    Mistake(
        "send-drops",
        "a non-blocking send() drops what does not fit",
        "send() on a socket that does not block takes what there is room for, and says how much that was; "
        "or it raises BlockingIOError and takes nothing. The rest has to be kept, and sent when the socket "
        "is writable.",
        "conn.send(data)   ->   n = conn.send(data); keep data[n:] and wait for EVENT_WRITE",
        "send",
        fact=Fact.LOSES,
    ),
    Mistake(
        "accept-uncaught",
        "an error in accept() ends the server",
        "When a process has used up its descriptors, accept() raises OSError: Too many open files. It "
        "passes as soon as a client leaves, if the server is still there.",
        "conn, addr = sock.accept()   ->   try: conn, addr = sock.accept() except OSError: wait a moment, "
        "go on",
        "threads",
        fact=Fact.EXHAUSTED,
    ),
    Mistake(
        "no-reuseaddr",
        "SO_REUSEADDR is not set",
        "Connections of the last run are remembered by the system for a minute. Without SO_REUSEADDR the "
        "port counts as taken until then: Address already in use.",
        "sock.bind(...)   ->   sock.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1) before bind()",
        "bind",
        fact=Fact.STUCK,
    ),
)
