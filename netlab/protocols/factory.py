"""Makes the sessions of a TCP server, knows them all, and looks after their deadlines and their end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime, ISSLTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import LoopingCall

from netlab import events
from netlab.events import Observers, Outcome, Peer
from netlab.protocols.session import Handler, Limits, Session

F = TypeVar("F")

READ_SIZE = 65_536
"""Bytes that are read from a client at once, as in Twisted."""

TURN_SIZE = 256 * 1024
"""Bytes that are read from all clients together in one turn of the reactor, where each message is observed:
to escape and print so many takes 30 ms at worst. Every client is served once a turn, so that a new one waits
for two or three of them."""

MIN_READ_SIZE = 2_048
"""Bytes that are read from a client at once however many there are: with less, the calls cost more than the
messages."""

LAST_WORDS = 0.25
"""Seconds that handlers get, once the last connections were dropped at the stop, to say so in the log."""


class Refused(Protocol):
    """One client too many: closed as soon as it is there (C8). why: in words; observers: who is told."""

    def __init__(self, why: str, observers: Observers) -> None:
        self._why = why
        self._observers = observers

    def connectionMade(self) -> None:
        """Twisted calls this when the connection is there."""
        transport: Any = self.transport
        self._observers.happened(events.TurnedAway, Peer.of(transport, "-"), self._why)
        if ISSLTransport.providedBy(transport):
            transport.abortConnection()  # an orderly end of TLS could be waited for, for ever
        else:
            transport.loseConnection()


class ServerFactory(Factory, Generic[F]):
    """Makes the sessions of a TCP server, knows them all, and looks after their deadlines.

    make_handler: called with each session, makes the handler that runs its messages (netlab/handlers). clock:
    for the deadlines. observers: who is told what happens.
    """

    noisy = False  # Twisted's own lines of starting and stopping say less than ours
    session: ClassVar[Callable[..., Session[Any]]]

    def __init__(
        self,
        make_handler: Callable[[Any], Handler],
        clock: IReactorTime,
        limits: Limits | None = None,
        observers: Observers | None = None,
    ) -> None:
        self.make_handler = make_handler
        self.limits = limits or Limits()
        self.observers = observers or Observers()
        self.sessions: set[Session[F]] = set()
        self.read_size = READ_SIZE
        """Bytes that are read from each client at once."""
        self._at_work: set[Session[F]] = set()  # whose connection is gone, and whose handler is not done
        self._accepted = 0
        self._clock = clock
        self._sweeper = LoopingCall(self._sweep)
        self._sweeper.clock = clock
        self._drained: Deferred[None] | None = None
        self._deadline: IDelayedCall | None = None

    def startFactory(self) -> None:
        """Twisted calls this when the first port begins to listen."""
        self._sweeper.start(self.limits.sweep_interval, now=False)

    def stopFactory(self) -> None:
        """Twisted calls this when the last port has closed; the deadlines run on as long as there are
        clients.
        """
        self._rest()

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """Make the protocol of a new connection."""
        most = self.limits.max_clients
        if 0 < most <= len(self.sessions):
            why = f"{most:,} clients are connected, and --max-clients lets in no more"
            return Refused(why, self.observers)
        try:
            session = self.session(self, self._accepted + 1)
        except RuntimeError as failure:  # the system has no more threads to give
            return Refused(str(failure), self.observers)
        self._accepted += 1
        return session

    def session_made(self, session: Session[F]) -> None:
        """A session has its connection."""
        self.sessions.add(session)
        if self.observers.to_each:  # else a read costs so little that nobody waits for it
            self._share_turn()

    def session_lost(self, session: Session[F]) -> None:
        """A session's connection is gone; its handler may still be at work."""
        self.sessions.discard(session)
        if self.observers.to_each:  # else a read costs so little that nobody waits for it
            self._share_turn()
        self._at_work.add(session)
        self._rest()

    def _share_turn(self) -> None:
        share = TURN_SIZE // max(1, len(self.sessions))
        self.read_size = min(READ_SIZE, max(MIN_READ_SIZE, share))

    def session_done(self, session: Session[F]) -> None:
        """A session's handler has done its last."""
        self._at_work.discard(session)
        self._rest()

    def drain(self) -> Deferred[None]:
        """End all sessions: they get what they are owed, `drain_timeout` seconds at most, and then are
        dropped (C7).

        The Deferred fires when the last connection is gone and the last message handled, or the time is up.
        """
        drained = self._drained = Deferred()
        if self.limits.drain_timeout > 0:
            self._deadline = self._clock.callLater(self.limits.drain_timeout, self._give_up)
        for session in list(self.sessions):
            session.stop()
        self._rest()
        return drained

    def _give_up(self) -> None:
        self._deadline = self._clock.callLater(LAST_WORDS, self._leave)
        for session in list(self.sessions):
            session.abort(Outcome.STOPPED)
        self._rest()

    def _leave(self) -> None:
        self._deadline = None
        self._at_work.clear()  # a handler that never returns does not delay the stop
        self._rest()

    def _rest(self) -> None:
        """Where nothing is left to do, do nothing more."""
        if self.sessions or self._at_work:
            return
        if self.numPorts == 0 and self._sweeper.running:
            self._sweeper.stop()
        if self._drained is not None:
            drained, self._drained = self._drained, None
            if self._deadline is not None:
                self._deadline.cancel()
            drained.callback(None)

    def _sweep(self) -> None:
        now = self._clock.seconds()
        for session in list(self.sessions):
            session.sweep(now)
