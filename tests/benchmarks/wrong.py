"""A peer with a fault, python -m tests.benchmarks.wrong FAULT FORMAT: right until its twentieth answer."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.peers import frames, plain_selector, plain_threads
from benchmarks.peers.frames import Echo, Send, Violation

FIRST = 20
"""Which answer is the first wrong one."""


def another(answer: bytes) -> list[bytes]:
    return [answer[:-1] + b"?"]


def nothing(answer: bytes) -> list[bytes]:
    return []


def doubled(answer: bytes) -> list[bytes]:
    return [answer, answer]


def shortened(answer: bytes) -> list[bytes]:
    return [answer[:-1]]


def ended(answer: bytes) -> list[bytes]:
    raise Violation


FAULTS: dict[str, Callable[[bytes], list[bytes]]] = {
    fault.__name__: fault for fault in (another, nothing, doubled, shortened, ended)
}


class Wrong:
    """Counts the answers of all clients, and spoils one."""

    def __init__(self, fault: Callable[[bytes], list[bytes]]) -> None:
        self.fault = fault
        self.count = 0

    def answers(self, answer: bytes) -> list[bytes]:
        """What is sent in the place of an answer."""
        self.count += 1
        return self.fault(answer) if self.count == FIRST else [answer]

    def echo(self, echo: Echo) -> Echo:
        """An echo that is spoiled."""

        def wrong(data: bytes, send: Send) -> bytes:
            def spoiled(answer: bytes) -> None:
                for each in self.answers(answer):
                    send(each)

            return echo(data, spoiled)

        return wrong


def main(fault: str, format: str) -> None:
    """Serve for ever."""
    wrong = Wrong(FAULTS[fault])
    sys.argv = ["wrong", format]
    if format == "udp":

        class Socket(socket.socket):
            def sendto(self, data: Any, peer: Any) -> int:  # type: ignore[override]
                return sum(super(Socket, self).sendto(each, peer) for each in wrong.answers(data))

        socket.socket = Socket  # type: ignore[misc]
        plain_threads.main()
    frames.ECHO.update({name: wrong.echo(echo) for name, echo in frames.ECHO.items()})
    plain_selector.main()


if __name__ == "__main__":
    main(*sys.argv[1:])
