"""What every TCP server connection does: backpressure, half-close, deadlines (docs/protocol.md, C).

Everything of one client travels one road in order: runs, remarks, a violation, and last how its stream ended.
A session puts each of these items to its handler (netlab/handlers), which decides who runs them and calls two
methods back: handle() wherever it runs, then settle() on the reactor's thread. So no ending overtakes an
answer, and the protocol classes do not know who runs them.

Two parties can stop the reading: a peer that does not read what it is owed, and a handler that is behind.
Each closes a gate of its own; bytes are read only while no gate is closed.
"""

from __future__ import annotations

import sys
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar
from typing import Protocol as TypingProtocol

from twisted.internet import error
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IPushProducer,
    ISSLTransport,
    ITCPTransport,
)
from twisted.internet.protocol import connectionDone as _connection_done
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure
from zope.interface import alsoProvides, implementer

from netlab import events
from netlab.events import Outcome, Peer, describe
from netlab.protocols.receivers import FrameReceiver
from netlab.protocols.resets import unwrap
from netlab.wire.framing import Item, Remark, Run
from netlab.wire.violations import Violation

if TYPE_CHECKING:
    from netlab.protocols.factory import ServerFactory

_log = Logger()

F = TypeVar("F")

LINGER = 2.0
"""Seconds in which input is still discarded after the FIN that ends a connection. Closing with unread input
makes the kernel send a reset, which can eat the last echoes; nginx's lingering_close does the same, for 5 s
between reads."""

SWEEPS = 10
"""How many times a deadline is looked at before it is over: it fires at most a fifth too late."""
SWEEP_MIN, SWEEP_MAX = 0.05, 1.0
"""Bounds of the time between two sweeps, in seconds: too rare to cost anything, often enough for people."""


class Limits(NamedTuple):
    """What a server lets its clients do. Seconds; 0 means never."""

    max_clients: int = 2_000
    """Connections at once: each may cost a thread and a descriptor. Apache and nginx begin with hundreds."""
    idle_timeout: float = 0.0
    """Without a byte from the client. Off: a student looks at Wireshark for twenty minutes."""
    frame_timeout: float = 30.0
    """From the beginning of a frame to its end: no person types inside a frame."""
    stall_timeout: float = 60.0
    """In which a client reads nothing of what it is owed: nginx's send_timeout."""
    drain_timeout: float = 1.0
    """In which clients get what they are owed when the server stops: it promises to end within two."""

    @property
    def sweep_interval(self) -> float:
        """Seconds between two looks at the deadlines."""
        timeouts = [t for t in (self.idle_timeout, self.frame_timeout, self.stall_timeout) if t > 0]
        return min(SWEEP_MAX, max(SWEEP_MIN, min(timeouts, default=SWEEP_MAX * SWEEPS) / SWEEPS))


_OPEN: frozenset[object] = frozenset()  # no gate is closed
_NOTHING_YET = (0, 0, 0)


class Ending(Enum):
    """The last items on a client's road."""

    FIN = "the client sent its FIN"
    STOP = "this side stops"
    LOST = "the connection is gone"


class Handler(TypingProtocol):
    """Who runs the messages of one client."""

    @property
    def name(self) -> str:
        """The name of the thread that does it."""

    @property
    def at_once(self) -> bool:
        """Does submit() treat each item before it returns?"""

    @property
    def busy(self) -> bool:
        """Is there anything on the road that was not settled yet?"""

    def submit(self, item: Any) -> None:
        """Put an item on the road: session.handle(item), and then, on the reactor's thread,
        session.settle(item, answer).
        """

    def hurry(self) -> None:
        """Sleep no more between messages: the server stops, or the client has left."""

    def close(self, last: Any) -> None:
        """Put the last item on the road, and be gone after it."""


@implementer(IHalfCloseableProtocol, IPushProducer)
class Session(FrameReceiver[F], Generic[F]):
    """One client of a TCP server.

    A variant says how its stream is cut (makeCutter) and what it is answered (respond).
    """

    factory: ServerFactory[F]
    peer: Peer

    def __init__(self, factory: ServerFactory[F], number: int) -> None:
        self.factory = factory
        self.number = number
        super().__init__()
        self.handler = factory.make_handler(self)
        self.received = 0
        self.sent = 0
        self._told = factory.observers.to_each
        self._is_short = self.handler.at_once and not self._told
        self._opened = False
        self._outcome: Outcome | None = None
        self._failure: Failure | None = None
        self._gates: frozenset[object] = _OPEN
        self._discarding = False  # nothing more will be understood: read, and throw away
        self._read_closed = False
        self._write_closed = False
        self._flushing = False  # all that is still to be sent has been handed over
        self._closing = False
        self._aborted = False
        self._lost = False
        self._marks = _NOTHING_YET
        self._since: dict[str, float] | None = None  # how long each thing has lasted that has a deadline
        self._unread: tuple[int, int | None] | None = None

    _resumes = 0
    """How often all that was to be sent was sent."""
    _reader: Any = None
    """The connection under TLS or a proxy's header, where messages are observed."""

    @property
    def read_size(self) -> int:
        """Bytes that are read from the client at once."""
        return self.factory.read_size

    def respond(self, run: Run[F]) -> bytes:
        """The answer to a run, b"" for none. Pure: it runs wherever the handler runs. Override."""
        raise NotImplementedError

    # Where bytes come in: the reactor's thread.

    def connectionMade(self) -> None:
        """Twisted calls this when the connection is there."""
        super().connectionMade()
        self.factory.session_made(self)
        transport: Any = self.transport
        wrapped = isinstance(self.transport, ProtocolWrapper) and not ISSLTransport.providedBy(transport)
        if wrapped:
            # haproxy: hides the half-close of the protocol that it wraps, and answers getPeer() with the
            # proxy's address until the first bytes have come (#12501). TLS has no half-close, and knows its
            # peer.
            alsoProvides(transport, IHalfCloseableProtocol)
            transport.readConnectionLost = self.readConnectionLost
            transport.writeConnectionLost = self.writeConnectionLost
        else:
            self._open()
        transport.registerProducer(self, True)
        kind = self.peer.transport if self._opened else describe(transport.getPeer())[0]
        if kind == "tcp" and ITCPTransport.providedBy(transport):
            # An answer is not to wait for the acknowledgement of the one before. (A Unix socket claims to
            # be TCP.)
            transport.setTcpNoDelay(True)

    def _open(self) -> None:
        """Take the client in. Late behind a proxy, so that its address is the client's."""
        self._opened = True
        self.peer = Peer.of(self.transport, self.handler.name)
        self._tell(events.Opened, self.peer)

    def dataReceived(self, data: bytes) -> None:
        """What one recv() returned."""
        if not self._opened:
            self._open()
        self.received += len(data)
        if self._told:
            if self._reader is None:
                self._reader = unwrap(self.transport)
            self._reader.bufferSize = self.factory.read_size
            self._tell(events.ChunkReceived, self.peer, data)
        if self._discarding:
            return
        for item in self.cutter.feed(data):
            if self._is_short and type(item) is Run:
                self._answer(item)
            else:
                self.itemsReceived([item])

    def _answer(self, run: Run[F]) -> None:
        """The whole road of a run, where its handler is the reactor and nobody looks on."""
        try:
            answer = self.respond(run)
        except Exception:
            self._is_short = False  # from here on, by way of handle(), which answers no more
            self._failure = Failure()
            self._fail(self._failure)
            return
        if answer and not self._closing:
            self.sent += len(answer)
            self.transport.write(answer)

    def itemsReceived(self, items: list[Item[F]]) -> None:
        """Put them on the road; a violation is the last."""
        for item in items:
            if isinstance(item, Violation):
                self._outcome = Outcome.VIOLATION
                self._discard()
            self.handler.submit(item)

    def readConnectionLost(self) -> None:
        """The peer's FIN. What it has sent is answered all the same (C2)."""
        if self._read_closed or self._lost:
            return
        if not self._opened:
            self._open()
        self._read_closed = True
        self._tell(events.PeerHalfClosed, self.peer)
        if self._discarding:
            if self._write_closed:
                self.transport.loseConnection()
            return
        self.itemsReceived(self.cutter.finish())
        self.handler.submit(Ending.FIN)

    def writeConnectionLost(self) -> None:
        """Our FIN has left, behind all that was owed (C4)."""
        self._write_closed = True
        if self._read_closed:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = _connection_done) -> None:
        """The connection is gone.

        What it brought is still handled, and only then is the client's handler done.
        """
        if not self._opened:
            self._open()
        self._lost = True
        clean = isinstance(reason.value, error.ConnectionDone)
        if not (self._read_closed or self._discarding):
            # A reset inside a frame is no truncation (R4), but what came whole before it counts.
            rest = self.cutter.finish()
            theirs = clean and not self._closing  # where this side has closed, nobody cut a frame off
            self.itemsReceived(rest if theirs else [item for item in rest if not isinstance(item, Violation)])
        outcome = self._outcome or (Outcome.FINISHED if clean else Outcome.RESET)
        self._outcome = outcome
        self._tell(events.Closed, self.peer, outcome, self._aborted)
        self.factory.session_lost(self)
        self.handler.close(Ending.LOST)

    # Where messages are handled: wherever the handler runs.

    def handle(self, item: Item[F] | Ending) -> bytes:
        """Treat one item of the road; return what is to be sent for it.

        Never raises: settle() deals with what went wrong.
        """
        try:
            if self._failure is not None and item is not Ending.LOST:
                return b""
            if type(item) is not Run:
                self._remark(item)
                return b""
            answer = self.respond(item)
            if self._told:
                self._tell(events.RunHandled, self.peer, item)
            return answer
        except Exception:
            self._failure = Failure()
            return b""

    def _remark(self, item: Item[F] | Ending) -> None:
        """Treat an item that nothing is sent for."""
        if isinstance(item, Violation):
            self._tell(events.Violated, self.peer, item)
        elif isinstance(item, Remark):
            self._tell(events.Remarked, self.peer, item)
        elif item is Ending.LOST:
            self._tell(events.Finished, self.peer, self._outcome, self.received, self.sent)

    # Where answers go out: the reactor's thread again.

    def settle(self, item: Item[F] | Ending, answer: bytes) -> None:
        """An item was handled: send its answer, and take the step that it asks for."""
        if self._failure is None and type(item) is Run:  # nearly always
            if answer:
                self.send(answer)
            return
        if item is Ending.LOST:
            self.factory.session_done(self)
        if self._failure is not None:
            self._fail(self._failure)
        if self._lost:
            return
        if isinstance(item, Violation):
            self._close_lingering()
        elif item is Ending.FIN:
            self._outcome = self._outcome or Outcome.FINISHED
            self._close()
        elif item is Ending.STOP:
            self._close_lingering()

    def send(self, data: bytes) -> None:
        """Send bytes, behind all that was sent before."""
        if self._lost or self._closing:
            return
        self.sent += len(data)
        if self._told:
            self._tell(events.ChunkSent, self.peer, data)
        self.transport.write(data)

    def _fail(self, failure: Failure) -> None:
        if self._outcome is not Outcome.FAILED:
            _log.failure(
                "The handler of {peer} failed; its connection is closed",
                failure,
                peer=self.peer.address,
                log_system=self.peer.bracket,
            )
            self._outcome = Outcome.FAILED
            self._abort()

    # Backpressure.

    def hold(self, gate: object) -> None:
        """Close a gate: read nothing more from the peer until it is released."""
        if not self._gates and not self._discarding:
            self._pause_reading()
        self._gates |= {gate}

    def release(self, gate: object) -> None:
        """Open a gate again."""
        self._gates -= {gate}
        if not self._gates:
            self._resume_reading()

    def pauseProducing(self) -> None:
        """Twisted calls this when more than 64 KiB wait to be sent: the peer does not read."""
        self.hold(self)

    def resumeProducing(self) -> None:
        """Twisted calls this when all has been sent."""
        self._resumes += 1
        self.release(self)

    def stopProducing(self) -> None:
        """Twisted calls this when the connection is gone."""

    def _pause_reading(self) -> None:
        transport: Any = self.transport
        transport.pauseProducing()

    def _resume_reading(self) -> None:
        if not (self._read_closed or self._closing or self._lost):
            transport: Any = self.transport
            transport.resumeProducing()

    def _discard(self) -> None:
        """Read on, so that the peer gets rid of its input, and throw it away."""
        if not self._discarding:
            self._tell(events.Discarding, self.peer)
        self._discarding = True
        self._resume_reading()

    # Endings.

    def stop(self) -> None:
        """This side stops: give the client what it is owed, then close (C7)."""
        if self._closing or self._lost:
            return
        self._outcome = self._outcome or Outcome.STOPPED
        if not self._opened or not (self.handler.busy or self._gates):
            self._close()
            return
        self.handler.hurry()
        if not self._discarding:
            self._discard()
            self.handler.submit(Ending.STOP)

    def abort(self, outcome: Outcome) -> None:
        """Drop the connection at once, whatever has not been sent yet."""
        self._outcome = self._outcome or outcome
        self._abort()

    def _abort(self) -> None:
        transport: Any = self.transport
        if self._write_closed:
            transport.loseConnection()  # all has been sent: a reset could only take it away again
        elif not self._lost:
            self._aborted = True
            transport.abortConnection()

    def _flush(self) -> None:
        """Nothing more will be sent; the stall deadline watches over what was not yet."""
        if self._opened and not self._flushing:
            self._tell(events.HalfClosed, self.peer)
        self._flushing = True

    def _close(self) -> None:
        """Close once all has been sent."""
        self._closing = True
        self._flush()
        transport: Any = self.transport
        transport.unregisterProducer()
        transport.loseConnection()

    def _close_lingering(self) -> None:
        """Send all, then our FIN; discard what the peer still sends until its FIN, LINGER at most (C4)."""
        transport: Any = self.transport
        if self._read_closed or ISSLTransport.providedBy(transport):
            self._close()
            return
        self._flush()
        self._discard()
        transport.unregisterProducer()
        transport.loseWriteConnection()

    # Deadlines.

    def sweep(self, now: float) -> None:
        """Look whether a deadline is over; `now` in seconds of the factory's clock."""
        if self._lost:
            return
        limits = self.factory.limits
        begun = (self.received, self.cutter.offset, self.sent)
        if begun[1] != self._marks[1]:
            self._over("frame", False, 0, now)  # the frame that is pending now is another one than before
        # What a deadline waits for is only waited for while the peer could give it: not with a gate closed,
        # and nobody is called silent while his handler is at work.
        reading = self._opened and not (self._gates or self._discarding or self._read_closed or self._closing)
        silent = reading and begun == self._marks and not self.handler.busy
        if begun != self._marks:
            self._marks = begun
        if self._over("stall", self._is_stuck(), limits.stall_timeout, now):
            self.abort(Outcome.STALLED)
        elif self._over("linger", self._write_closed, LINGER, now):
            self.transport.loseConnection()
        elif not self._opened and self._over("frame", True, limits.frame_timeout, now):
            self.abort(Outcome.IDLE)  # a proxy that never said for whom it speaks
        elif self._opened and self._over("frame", reading and self.cutter.pending, limits.frame_timeout, now):
            self._tell(events.Expired, self.peer)
            self.itemsReceived(self.cutter.expire())
        elif self._over("idle", silent, limits.idle_timeout, now):
            self._outcome = Outcome.IDLE
            self._close()

    def _over(self, what: str, lasts: bool, timeout: float, now: float) -> bool:
        """Has something lasted for its timeout, as seen by the sweeps? In seconds; 0 means never."""
        if not lasts or timeout <= 0:
            if self._since:
                self._since.pop(what, None)
            return False
        if self._since is None:  # most connections never need it
            self._since = {}
        return now - self._since.setdefault(what, now) >= timeout

    def _is_stuck(self) -> bool:
        """Return whether something waits to be sent, and the peer has taken nothing since the last look.

        One look is not enough to tell: a queue that is filled as fast as it is emptied has the same length
        each time. What changes whenever the peer takes something is how often the queue was emptied, together
        with what is left of it.
        """
        if not (self in self._gates or (self._flushing and not self._write_closed)):
            self._unread = None
            return False
        before, self._unread = self._unread, (self._resumes, unacknowledged(self.transport))
        return before is None or before == self._unread

    def _tell(self, kind: type, *what: object) -> None:
        self.factory.observers.happened(kind, *what)


def unacknowledged(transport: Any) -> int | None:
    """Return how many bytes wait to be taken by the peer: in the transport, and in the kernel.

    What is written while the transport still sends is not counted until its turn comes, so that the number
    only falls while a producer is paused.

    Returns:
        Bytes; None where the transport has no socket, as in a test. Where the kernel does not tell what it
        holds (Windows, macOS), the transport's bytes alone.
    """
    transport = unwrap(transport)
    try:
        unsent: int = len(transport.dataBuffer) - transport.offset
    except AttributeError:
        return None
    return unsent + _in_kernel(transport)


def _in_kernel(transport: Any) -> int:
    """Return how many bytes the kernel holds that the peer has not acknowledged; 0 where it does not say."""
    try:
        from fcntl import ioctl
        from termios import TIOCOUTQ

        return int.from_bytes(ioctl(transport.getHandle().fileno(), TIOCOUTQ, bytes(4)), sys.byteorder)
    except (ImportError, AttributeError, OSError, ValueError):
        return 0
