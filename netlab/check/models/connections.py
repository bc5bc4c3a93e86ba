"""Mistakes of TCP servers that no row of bytes shows: what is true of them is a fact of its own."""

from __future__ import annotations

from netlab.check.evidence import Fact
from netlab.check.models import Mistake

MIXED = Mistake(
    "mixed-up",
    "what one client is owed goes to another",
    "The socket, the address or the bytes of a client are kept in a variable that all clients share, or "
    "only the first one's are kept: whoever comes later overwrites it, or gets nothing. Each client needs "
    "its own.",
    "global conn (or addr, or buffer)   ->   hand it to the function that serves the client, as an argument",
    "threads",
    fact=Fact.MIXES,
)

MISTAKES = (
    MIXED,
    Mistake(
        "impatient",
        "a client that says nothing for a moment is closed",
        "A person needs seconds to type a word. A deadline of a second or less, or a socket that does not "
        "block and is closed when nothing is there yet, sends him away.",
        "conn.settimeout(0.5)   ->   conn.settimeout(None), or minutes",
        "loop",
        fact=Fact.IMPATIENT,
    ),
    Mistake(
        "small-backlog",
        "the queue of connections that wait to be accepted is short",
        "listen(n) lets n connections wait. When more come at once, the system drops the others' packets, "
        "and they try again after a second, after three, after seven.",
        "sock.listen(1)   ->   sock.listen()   (or 128)",
        "bind",
        fact=Fact.FULL,
    ),
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
