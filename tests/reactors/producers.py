"""Producers: what writes as much as a transport is told to take, and remembers what it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.interfaces import IPullProducer, IPushProducer
from zope.interface import implementer

from tests.reactors.byhand import MUCH, Doing


class Producer:
    """Produces pieces, one for each write."""

    streaming: bool

    def __init__(self, transport: Any, pieces: Iterable[bytes]) -> None:
        self.transport = transport
        self.pieces = list(pieces)
        self.calls: list[str] = []
        self.written = 0
        self.when_resumed: Callable[[], Any] = lambda: None
        self.at_its_end: Callable[[], Any] = lambda: None

    def start(self) -> None:
        """Begin to produce."""
        self.transport.registerProducer(self, self.streaming)

    def write(self) -> None:
        """Write the next piece."""
        piece = self.pieces.pop(0)
        self.written += len(piece)
        self.transport.write(piece)

    def finish(self) -> None:
        """It was the last."""
        self.transport.unregisterProducer()
        self.at_its_end()

    def resumeProducing(self) -> None:
        """Called by the transport when it has nothing left to send."""
        self.calls.append("resume")
        self.when_resumed()
        self.produce()

    def produce(self) -> None:
        """Write as much as should be."""
        raise NotImplementedError

    def stopProducing(self) -> None:
        """Called by the transport at the connection's end."""
        self.calls.append("stop")


def starting(producer: Producer) -> Doing:
    """Begin to produce when bytes come."""
    return lambda protocol, data: producer.start()


@implementer(IPushProducer)
class Pushing(Producer):
    """Writes until it is paused."""

    streaming = True
    paused = False

    def start(self) -> None:
        """Begin to produce."""
        super().start()
        self.produce()

    def resumeProducing(self) -> None:
        """See Producer."""
        self.paused = False
        super().resumeProducing()

    def produce(self) -> None:
        """See Producer."""
        while self.pieces and not self.paused:
            self.write()
        if not self.pieces:
            self.finish()

    def pauseProducing(self) -> None:
        """Called by the transport when enough waits."""
        self.paused = True
        self.calls.append("pause")


@implementer(IPullProducer)
class Pulling(Producer):
    """Writes once each time."""

    streaming = False

    def produce(self) -> None:
        """See Producer."""
        if self.pieces:
            self.write()
        else:
            self.finish()


PIECE = 4096
PIECES = [MUCH[start : start + PIECE] for start in range(0, len(MUCH), PIECE)]
