"""The servers as targets: whatever a client sends, it gets its answers, and the end that it deserves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from twisted.internet import error
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock

from netlab.events import Closed, Finished, Observers, Opened, Outcome, Remarked, RunHandled, Violated
from netlab.handlers.reactor import ReactorHandler
from netlab.observers import dialects
from netlab.observers.dialects import Dialect
from netlab.observers.lines import Lines
from netlab.observers.rebuild import Rebuild
from netlab.observers.recorder import EVENTS
from netlab.observers.stats import Stats
from netlab.observers.trace import Trace
from netlab.protocols.factory import ServerFactory
from netlab.protocols.session import LINGER, Limits
from netlab.protocols.tcp import TextServerFactory
from netlab.protocols.tcpv2 import FixedServerFactory
from netlab.protocols.tcpv3 import VariableServerFactory
from netlab.protocols.udp import UDPServer
from tests.fuzzing.cases import Case, must
from tests.fuzzing.cutters import UNSAFE, Format, held, read
from tests.protocols.test_events import Port
from tests.protocols.test_session import LazyHandler, Transport
from tests.wire import Reading

TIMEOUT = 2.0
"""Seconds that a frame may take, on a clock that only the test turns."""

TICK = 0.25
"""Seconds by which it is turned at a time: less than between two sweeps of the deadlines."""

PATIENCE = 2 * (TIMEOUT + LINGER)
"""Seconds after which every deadline is over, one after the other."""

ADDRESS = IPv4Address("TCP", "192.0.2.1", 50001)

OUTCOMES = {
    "fin": Outcome.FINISHED,
    "deadline": Outcome.FINISHED,
    "reset": Outcome.RESET,
    "stop": Outcome.STOPPED,
    "idle": Outcome.IDLE,
}
"""How a connection can end, and the word for that where nothing was broken (C6). A client that reaches no
deadline, because it has begun nothing, sends its FIN then.
"""


class Connection(Transport):
    """A transport that does not mind being told twice that there is no producer: Twisted's own do not."""

    def unregisterProducer(self) -> None:
        if self.producer is not None:
            super().unregisterProducer()


class Everything:
    """An observer that remembers what is told, and has all observers of netlab's listen, too.

    said: all that they write.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.events: list[Any] = []
        self.said: list[str] = []
        self._rebuild = Rebuild(dialect, is_server=True)
        log: Any = self
        trace = Trace(dialect, True, lambda peer, line: self.line("trace", line))
        self.observers = Observers([self, Lines(log), Stats(), trace])

    def listens(self) -> Mapping[type, Callable[[Any], None]]:
        """All but the datagrams that got no answer."""
        return dict.fromkeys((*EVENTS, RunHandled, Remarked, Violated, Finished), self._happened)

    def _happened(self, event: Any) -> None:
        self.events.append(event)
        self.said += [comment for _, comment in self._rebuild.packets(event)]

    def line(self, bracket: str, line: str, warn: bool = False) -> None:
        """What observers call to write a line."""
        self.said.append(line)

    def lines(self, bracket: str, start: str, texts: Sequence[str]) -> None:
        """What they call to write several."""
        self.said += [start + text for text in texts]

    def told(self, kind: type) -> list[Any]:
        """The events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]


class SessionTarget:
    """The sessions of a server that echoes, with everybody who can observe it."""

    ends = tuple(OUTCOMES)

    def __init__(self, format: Format, make: Callable[..., ServerFactory[Any]], dialect: Dialect) -> None:
        self.name = f"session {format.name}"
        self.variant = format.variant
        self.format = format
        self.make = make
        self.dialect = dialect

    def check(self, case: Case) -> None:
        """Have a client send the stream, and end as the case has it."""
        Visit(self, case).check()


class Visit:
    """One client of a server, from its first byte to its last."""

    def __init__(self, target: SessionTarget, case: Case) -> None:
        self._target = target
        self._case = case
        self._clock = Clock()
        self._seen = Everything(target.dialect)
        limits = Limits(frame_timeout=TIMEOUT, idle_timeout=TIMEOUT / 4 if case.end == "idle" else 0)
        self._factory = target.make(self._handler, self._clock, limits, self._seen.observers)
        self._factory.doStart()
        self._session: Any = self._factory.buildProtocol(ADDRESS)
        self._transport: Any = Connection(peerAddress=ADDRESS)
        self._transport.session = self._session
        self._session.makeConnection(self._transport)
        self._expected = self._read(case.end)

    def _handler(self, session: Any) -> Any:
        return LazyHandler(session) if self._case.lag else ReactorHandler(session, self._clock)

    @property
    def _is_over(self) -> bool:
        return self._transport.session is None

    def check(self) -> None:
        """Come, send, end; compare what was seen with what a cutter makes of the same stream."""
        for number, piece in enumerate(self._case.pieces, 1):
            self._session.dataReceived(piece)
            must(held(self._session.cutter) <= self._target.format.holds, "no more is held than may be (S4)")
            if self._case.lag and number % self._case.lag == 0:
                self._work()
        getattr(self, f"_{self._case.end}")()
        self._leave()
        self._check_answers()
        self._check_events()
        self._check_end()
        self._check_rest()

    def _read(self, end: str) -> Reading[Any]:
        """What a cutter makes of the same reads, and of an end."""
        return read(self._target.format, self._case.pieces, end)

    # How it ends.

    def _fin(self) -> None:
        self._session.readConnectionLost()

    def _deadline(self) -> None:
        self._work()
        self._pass_time()
        self._work()
        self._pass_time()
        must(self._is_over or not self._expected.violation, "nobody lingers after a violation (C4)")

    def _reset(self) -> None:
        self._transport.lose(error.ConnectionLost())

    def _stop(self) -> None:
        self._factory.drain()

    def _idle(self) -> None:
        self._work()
        self._pass_time()

    def _leave(self) -> None:
        """Whatever the server waits for, it gets."""
        self._work()
        if not self._is_over:
            self._session.readConnectionLost()
            self._work()
        self._pass_time()
        self._work()

    def _work(self) -> None:
        if self._case.lag:
            self._session.handler.work()

    def _pass_time(self) -> None:
        self._clock.pump([TICK] * int(PATIENCE / TICK))

    # What must have come of it.

    def _check_answers(self) -> None:
        prefix = b"ECHO: " if self._target.variant == "tcp" else b""  # (T3)
        owed = b"".join(prefix + run.data for run in self._expected.runs if run.data)
        sent = self._transport.value()
        must(owed.startswith(sent), f"{sent.hex()} was sent, and {owed.hex()} was owed")
        must(sent == owed or self._case.end == "reset", f"{sent.hex()} was sent of {owed.hex()}")

    def _check_events(self) -> None:
        told, expected = self._seen.told, self._expected
        handled = b"".join(event.run.data for event in told(RunHandled))
        remarks = [event.remark for event in told(Remarked)]
        # Where this side ends it, or a reset does, what is seen to be whole only then may still be handled.
        last = self._read("fin")
        must(handled in (expected.data, last.data), "what was accepted was handled, once and in order (C1)")
        must(remarks in (expected.remarks, last.remarks), f"remarked: {remarks}")
        violations = [event.violation for event in told(Violated)]
        must(violations == ([expected.violation] if expected.violation else []), f"refused: {violations}")
        for line in self._seen.said:
            must(not UNSAFE.search(line), f"what is written is one line that can be printed (P1): {line!r}")

    def _check_end(self) -> None:
        told, events = self._seen.told, self._seen.events
        must(len(told(Opened)) == len(told(Closed)) == 1, "it is opened and closed once")
        must(isinstance(events[0], Opened), "Opened is the first that is told")
        (finished,) = told(Finished)
        must(finished is events[-1], "Finished is the last that is told")
        must(finished.received == len(self._case.stream), "the bytes that came are counted")
        must(finished.sent == len(self._transport.value()), "the bytes that left are counted")
        outcome = OUTCOMES[self._case.end] if self._expected.violation is None else Outcome.VIOLATION
        must(finished.outcome is outcome, f"it has ended as {outcome}, and is told as {finished.outcome}")

    def _check_rest(self) -> None:
        must(self._is_over, "the connection is gone")
        must(not self._factory.sessions, "no session is left")
        self._factory.doStop()
        must(not self._clock.getDelayedCalls(), "no timer is left")


class DatagramTarget:
    """The UDP server: a stream is one datagram."""

    name = "session udp"
    variant = "udp"
    ends = ("fin",)

    def check(self, case: Case) -> None:
        """Send the datagram, and have it back."""
        seen = Everything(dialects.DATAGRAM)
        server = UDPServer(True, seen.observers)
        server.transport = port = Port()
        server.startProtocol()
        server.datagramReceived(case.stream, ("192.0.2.1", 50001))
        must(port.written == [(case.stream, ("192.0.2.1", 50001))], "the same datagram goes back (U3)")
        (handled,) = seen.told(RunHandled)
        must(handled.run.data == case.stream, "a datagram is a message (U1)")
        for line in seen.said:
            must(not UNSAFE.search(line), f"what is written is one line that can be printed (P1): {line!r}")


def session(format: Format) -> SessionTarget:
    """The sessions of the server that reads this format."""
    if format.variant == "tcp":
        return SessionTarget(format, TextServerFactory, dialects.TEXT)
    if format.variant == "tcpv2":
        return SessionTarget(format, partial(FixedServerFactory, echo=True), dialects.FIXED)
    make = partial(VariableServerFactory, echo=True, **format.settings)
    return SessionTarget(format, make, dialects.variable_size(*format.settings.values()))
