"""What is asked of every server that prints: its traffic waits for nobody who reads that (L10)."""

from __future__ import annotations

from netlab.check.cases import ROBUST, case
from netlab.check.cases.connections import FEWER, flood
from netlab.check.connection import Connection, DatagramSocket
from netlab.check.findings import Verdict
from netlab.check.judged import Judged
from netlab.check.server import Message, Server

DATAGRAMS = 200
"""Datagrams of LONG bytes, all of which are printed: far more than a pipe holds (Linux: 64 KiB)."""

LONG = 1_400


@case(
    "udp tcp v2 v3",
    "print/1",
    ROBUST,
    "L10",
    "A terminal that is paused, or a pipe that nobody reads, keeps nobody from being served.",
    started=True,
    echoed=True,
)
def nobody_reads(server: Server) -> None:
    assert server.program is not None
    server.serves("at the beginning")
    server.program.stdout.pause()
    server.program.stderr.pause()
    client = server.datagrams() if server.variant == "udp" else server.connect()
    try:
        fill(server, client)
        talk(server)
    except Judged as judged:
        if judged.verdict is not Verdict.TIMEOUT:
            raise
    else:
        return
    finally:
        server.program.stdout.resume()
        server.program.stderr.resume()
    client.settle()
    server.rested()  # its queue of datagrams is full until then
    server.serves("when its output was read again")
    server.evidence.exchanges.clear()  # what it owes to print() is not told from what it owes to a mistake
    raise Judged(
        Verdict.LOOSE,
        "nobody was served while nobody read what it prints: print() waits until somebody does",
        "traffic goes on: one thread prints, from a queue that has a bound",
    )


def fill(server: Server, client: Connection | DatagramSocket) -> None:
    """Have it print more than a pipe holds."""
    if isinstance(client, Connection):
        client.pour(flood(server)[:FEWER])
        client.leave()
    else:
        client.exchange.known = False
        client.send(*[b"printed %04d" % number * (LONG // 12) for number in range(DATAGRAMS)])
        client.settle()


def talk(server: Server) -> None:
    """Another client, and three messages in turn: who prints behind an answer gives one all the same."""
    client = server.datagrams() if server.variant == "udp" else server.connect()
    messages: list[Message] = []
    for order, text in enumerate(("is", "anybody", "there?"), 1):
        messages.append(server.message(text, order))
        client.send(messages[-1].data)
        server.hear(client, *messages)
    if isinstance(client, Connection):
        client.leave()
