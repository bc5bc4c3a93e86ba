"""What is asked of every server that prints: its traffic waits for nobody who reads that (L10)."""

from __future__ import annotations

from netlab.check.cases import ROBUST, case
from netlab.check.cases.connections import FEWER, flood
from netlab.check.connection import Connection, DatagramSocket
from netlab.check.findings import Verdict
from netlab.check.judged import Judged
from netlab.check.server import Server

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
    client = server.client()
    try:
        fill(server, client)
        other = server.client()
        server.talk(other, "is", "anybody", "there?")  # who prints behind an answer gives one all the same
        other.part()
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
