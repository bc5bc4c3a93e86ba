"""What every TCP client connection does: send, match echoes to what was sent, half-close."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.protocol import connectionDone as _connection_done
from twisted.python.failure import Failure

from netlab import events
from netlab.events import Observers, Outcome, Peer
from netlab.protocols.receivers import FrameReceiver
from netlab.wire import orders
from netlab.wire.violations import Violation

F = TypeVar("F")


class EchoMissing(Exception):
    """The connection ended before the echo came (docs/protocol.md, E3)."""


class WrongEcho(Exception):
    """What came back is not what was sent (E2): args are the two, sent and received."""


class Client(FrameReceiver[F]):
    """A connection to a server of the laboratory.

    observers: who is told what happens on the wire; to be set before the connection is there.
    """

    observers: Observers = Observers()
    peer: Peer

    def __init__(self) -> None:
        super().__init__()
        self._is_closed = False
        self._is_half_closed = False
        self._ended: Failure | None = None
        self._waiting: list[Deferred[None]] = []

    def connectionMade(self) -> None:
        """Twisted calls this when the connection is there."""
        super().connectionMade()
        self.peer = Peer.of(self.transport, threading.current_thread().name)
        self.observers.happened(events.Opened, self.peer)

    def dataReceived(self, data: bytes) -> None:
        """What one recv() returned."""
        self.observers.happened(events.ChunkReceived, self.peer, data)
        super().dataReceived(data)

    def sendData(self, data: bytes) -> None:
        """Send bytes, behind all that was sent before."""
        self.observers.happened(events.ChunkSent, self.peer, data)
        self.transport.write(data)

    def finish(self) -> Deferred[None]:
        """Half-close: send no more, and wait for the server's last bytes.

        Fires when the connection is gone, however it ended.
        """
        transport: Any = self.transport
        transport.loseWriteConnection()
        self._half_closed()
        return self.when_closed()

    def _half_closed(self) -> None:
        if not self._is_half_closed:
            self._is_half_closed = True
            self.observers.happened(events.HalfClosed, self.peer)

    def when_closed(self) -> Deferred[None]:
        """Fires when the connection is gone. Set a deadline to it: Deferred.addTimeout."""
        if self._is_closed:
            return succeed(None)
        waiting: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        return waiting

    def frameViolated(self, violation: Violation) -> None:
        """The server broke the protocol: nothing that is still awaited can come."""
        self._end(Failure(violation))
        transport: Any = self.transport
        transport.abortConnection()

    def connectionLost(self, reason: Failure = _connection_done) -> None:
        """Twisted calls this when the connection is gone."""
        clean = reason.check(ConnectionDone) is not None
        if clean:
            if not getattr(self.transport, "disconnecting", False):
                self.observers.happened(events.PeerHalfClosed, self.peer)
            self._half_closed()  # who gets a FIN and has no more to say closes, too
        super().connectionLost(reason)
        aborted = reason.check(ConnectionAborted) is not None
        outcome = Outcome.FINISHED if clean else Outcome.STOPPED if aborted else Outcome.RESET
        self.observers.happened(events.Closed, self.peer, outcome, aborted)
        self._end(Failure(EchoMissing(reason.getErrorMessage())))
        self._is_closed = True
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)

    def _end(self, failure: Failure) -> None:
        self._ended = self._ended or failure
        self.echoesFailed(self._ended)

    def echoesFailed(self, failure: Failure) -> None:
        """No echo will come any more. Override to tell whoever waits for one."""


class Numbered(Protocol):
    """A frame with an order."""

    @property
    def order(self) -> int: ...


N = TypeVar("N", bound=Numbered)


@dataclass(frozen=True)
class Awaited(Generic[N]):
    """A frame that was sent and whose echo was not seen yet."""

    frame: N
    echo: Deferred[N]


class NumberedClient(Client[N]):
    """A client whose messages bear an order: their echoes may come in any sequence (docs/protocol.md, E1-E3).

    echo: does the server send every frame back? start_order: the first message's order.
    """

    def __init__(self, echo: bool = True, start_order: int = orders.FIRST) -> None:
        super().__init__()
        self._echo = echo
        self._next = start_order
        self._awaited: dict[int, Awaited[N]] = {}

    def makeFrame(self, order: int, text: str) -> N:
        """The frame for a text. Override."""
        raise NotImplementedError

    def packFrame(self, frame: N) -> bytes:
        """The frame's bytes. Override."""
        raise NotImplementedError

    def send(self, text: str) -> Deferred[N]:
        """Send a text as the next message.

        Fires with its echo; at once, with the frame that was sent, where no echo is expected. Fails with
        WrongEcho, with EchoMissing where the connection ends first, with a Violation where the server sends
        what is no frame. Set a deadline to it: Deferred.addTimeout. Raises ValueError for a text that has no
        UTF-8.
        """
        if self._ended is not None:
            return fail(self._ended)
        frame = self.makeFrame(self._next, text)
        self._next = orders.following(self._next)
        self.sendData(self.packFrame(frame))
        if not self._echo:
            return succeed(frame)

        def forget(_: Deferred[N]) -> None:
            self._awaited.pop(frame.order, None)

        echo: Deferred[N] = Deferred(forget)
        self._awaited[frame.order] = Awaited(frame, echo)
        return echo

    def frameReceived(self, frame: N) -> None:
        awaited = self._awaited.pop(frame.order, None)
        if awaited is None:
            self.unexpectedReceived(frame)
        elif frame == awaited.frame:
            awaited.echo.callback(frame)
        else:
            awaited.echo.errback(Failure(WrongEcho(awaited.frame, frame)))

    def unexpectedReceived(self, frame: N) -> None:
        """A frame came that nobody waits for: the echo of none, a second one, or one too late.

        Override where that matters.
        """

    def echoesFailed(self, failure: Failure) -> None:
        awaited, self._awaited = self._awaited, {}
        for each in awaited.values():
            each.echo.errback(failure)
