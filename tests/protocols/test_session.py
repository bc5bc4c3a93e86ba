"""A session's limits, gates, endings and deadlines, on fake transports and clocks."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import error
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netlab.events import (
    EACH,
    ChunkReceived,
    ChunkSent,
    Closed,
    Finished,
    Observers,
    Opened,
    Outcome,
    PeerHalfClosed,
    Remarked,
    RunHandled,
    TurnedAway,
    Violated,
    describe,
)
from netlab.handlers.reactor import ReactorHandler
from netlab.protocols.factory import LAST_WORDS, Refused
from netlab.protocols.session import LINGER, Limits, Session
from netlab.protocols.tcp import TextServerFactory
from netlab.protocols.tcpv3 import VariableServerFactory
from netlab.wire.framing import LONG, Run
from netlab.wire.variable import Layout, frame
from tests.wire import bounded, in_reads, reads

HELLO = frame(1, "hello").pack()
HALF = frame(2, "half").pack()[:-1]
KINDS = (
    Opened,
    ChunkReceived,
    ChunkSent,
    PeerHalfClosed,
    RunHandled,
    Remarked,
    Violated,
    Closed,
    Finished,
    TurnedAway,
)


class Transport(StringTransport):
    """A transport that notes how it is closed, and closes when it is told to."""

    aborted = False
    half_closed = False
    session: Any
    dataBuffer: bytes
    offset: int

    def abortConnection(self) -> None:
        self.aborted = True
        self.lose(error.ConnectionAborted())

    def loseWriteConnection(self) -> None:
        self.half_closed = True
        self.session.writeConnectionLost()

    def loseConnection(self) -> None:
        super().loseConnection()
        if self.producer is None:
            self.lose(error.ConnectionDone())

    def lose(self, why: Exception) -> None:
        session, self.session = self.session, None
        if session is not None:
            session.connectionLost(Failure(why))


class Told:
    """An observer that remembers."""

    def __init__(self, kinds: Collection[type] = KINDS) -> None:
        self.events: list[Any] = []
        self._kinds = kinds

    def listens(self) -> dict[type, Any]:
        return dict.fromkeys(self._kinds, self.events.append)

    @property
    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


class LazyHandler:
    """A handler that does nothing before it is told to."""

    name = "lazy"
    at_once = False

    def __init__(self, session: Any) -> None:
        self.session = session
        self.items: list[Any] = []
        self.hurried = False

    @property
    def busy(self) -> bool:
        return bool(self.items)

    def submit(self, item: Any) -> None:
        self.items.append(item)

    def hurry(self) -> None:
        self.hurried = True

    def close(self, last: Any) -> None:
        self.submit(last)

    def work(self) -> None:
        while self.items:
            item = self.items.pop(0)
            self.session.settle(item, self.session.handle(item))


class SessionTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.told = Told()

    def factory(self, lazy: bool = False, layout: Layout | None = Layout.GUIDE, **limits: float) -> Any:
        def make_handler(session: Session[Any]) -> Any:
            return LazyHandler(session) if lazy else ReactorHandler(session, self.clock)

        limited = Limits(**limits)  # type: ignore[arg-type]
        factory = VariableServerFactory(
            make_handler, self.clock, limited, Observers([self.told]), echo=True, layout=layout
        )
        factory.doStart()
        return factory

    def connect(self, factory: Any) -> tuple[Any, Transport]:
        session = factory.buildProtocol(None)
        transport = Transport(peerAddress=IPv4Address("TCP", "192.0.2.1", 50001))
        transport.session = session
        session.makeConnection(transport)
        return session, transport

    def pass_time(self, seconds: float) -> None:
        self.clock.pump([0.25] * int(seconds * 4))

    def outcome(self) -> Outcome:
        (finished,) = [event for event in self.told.events if isinstance(event, Finished)]
        self.assertIsInstance(finished.outcome, Outcome)
        return finished.outcome


class Events(SessionTestCase):
    def test_are_told_in_the_order_of_the_wire(self) -> None:
        session, transport = self.connect(self.factory(layout=None))
        session.dataReceived(HELLO)
        session.readConnectionLost()
        self.assertEqual(transport.value(), HELLO)
        self.assertEqual(
            self.told.kinds,
            [
                "Opened",
                "ChunkReceived",
                "Remarked",
                "RunHandled",
                "ChunkSent",
                "PeerHalfClosed",
                "Closed",
                "Finished",
            ],
        )
        self.assertEqual(self.told.events[0].peer.bracket, "tcp 192.0.2.1:50001 MainThread")
        self.assertEqual(
            self.told.events[-1], Finished(session.peer, Outcome.FINISHED, len(HELLO), len(HELLO))
        )

    def test_are_not_made_where_nobody_listens(self) -> None:
        observers = Observers()
        observers.happened(Opened, "too", "many", "values")  # to make it would be an error
        observers.tell(Opened(None))  # type: ignore[arg-type]

    def test_a_run_is_handled_before_what_follows_it(self) -> None:
        session, _ = self.connect(self.factory())
        session.dataReceived(HELLO + b"\x00")
        self.assertEqual(self.told.kinds[-3:], ["RunHandled", "ChunkSent", "Violated"])


class Endings(SessionTestCase):
    def test_no_ending_overtakes_an_answer(self) -> None:
        session, transport = self.connect(self.factory(lazy=True))
        session.dataReceived(HELLO)
        session.readConnectionLost()
        self.assertFalse(transport.disconnecting)
        session.handler.work()
        self.assertEqual(transport.value(), HELLO)
        self.assertTrue(transport.disconnecting)
        self.assertEqual(self.outcome(), Outcome.FINISHED)

    def test_a_violation_sends_what_is_owed_then_a_fin_and_discards(self) -> None:
        session, transport = self.connect(self.factory(lazy=True))
        session.dataReceived(HELLO + b"\x00garbage")
        session.dataReceived(HELLO)
        self.assertFalse(transport.half_closed)
        session.handler.work()
        self.assertEqual(transport.value(), HELLO)
        self.assertTrue(transport.half_closed)
        session.dataReceived(b"more")
        self.assertFalse(transport.disconnecting)
        session.readConnectionLost()
        self.assertTrue(transport.disconnecting)
        session.handler.work()
        self.assertEqual(self.outcome(), Outcome.VIOLATION)

    def test_it_discards_for_a_bounded_time(self) -> None:
        session, transport = self.connect(self.factory())
        session.dataReceived(b"\x00")
        self.pass_time(LINGER)
        self.assertFalse(transport.disconnecting)
        self.pass_time(2)
        self.assertTrue(transport.disconnecting)
        self.assertEqual(self.outcome(), Outcome.VIOLATION)

    def test_a_fin_behind_a_violation_that_waits_for_its_turn(self) -> None:
        session, transport = self.connect(self.factory(lazy=True))
        session.dataReceived(HELLO + b"\x00")
        session.readConnectionLost()
        session.handler.work()
        self.assertEqual(transport.value(), HELLO)
        session.handler.work()
        self.assertEqual(self.outcome(), Outcome.VIOLATION)

    def test_a_truncated_frame(self) -> None:
        session, transport = self.connect(self.factory())
        session.dataReceived(HELLO + HALF)
        session.readConnectionLost()
        (violated,) = [event.violation for event in self.told.events if isinstance(event, Violated)]
        self.assertEqual((violated.reason, violated.offset), ("truncated", len(HELLO)))
        self.assertTrue(transport.disconnecting)

    def test_what_came_before_a_reset_is_handled_and_half_a_frame_is_no_violation(self) -> None:
        session, transport = self.connect(self.factory(lazy=True))
        session.dataReceived(HELLO + HALF)
        transport.lose(error.ConnectionLost())
        self.assertEqual(self.told.kinds[-1], "Closed")
        session.handler.work()
        self.assertEqual(self.told.kinds[-2:], ["RunHandled", "Finished"])
        self.assertEqual(self.outcome(), Outcome.RESET)
        self.assertEqual(transport.value(), b"")

    def test_a_handler_that_raises_ends_its_client_only(self) -> None:
        factory = self.factory()
        session, transport = self.connect(factory)
        _, other = self.connect(factory)

        def respond(run: Run[Any]) -> bytes:
            raise ZeroDivisionError

        session.respond = respond
        session.dataReceived(HELLO)
        self.assertTrue(transport.aborted)
        self.assertFalse(other.aborted)
        self.assertEqual(self.outcome(), Outcome.FAILED)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class Unwatched(SessionTestCase):
    """Where nobody is told of each message, it takes a shorter way, and all comes to the same."""

    def setUp(self) -> None:
        super().setUp()
        self.told = Told(set(KINDS) - EACH)

    def test_it_is_answered_and_counted(self) -> None:
        session, transport = self.connect(self.factory())
        session.dataReceived(HELLO * 2)
        session.readConnectionLost()
        self.assertEqual(transport.value(), HELLO * 2)
        (finished,) = [event for event in self.told.events if isinstance(event, Finished)]
        self.assertEqual(
            (finished.outcome, finished.received, finished.sent),
            (Outcome.FINISHED, len(HELLO) * 2, len(HELLO) * 2),
        )

    def test_a_handler_that_raises_ends_its_client_and_answers_no_more(self) -> None:
        session, transport = self.connect(self.factory())
        asked = []

        def respond(run: Run[Any]) -> bytes:
            asked.append(run)
            if len(asked) == 1:
                raise ZeroDivisionError
            return b"too late"

        session.respond = respond
        long = frame(2, "x" * LONG).pack()
        session.dataReceived(long[:-1])
        session.dataReceived(long[-1:] + HELLO)  # two runs of one read
        session.dataReceived(HELLO)
        self.assertTrue(transport.aborted)
        self.assertEqual(transport.value(), b"")
        self.assertEqual(self.outcome(), Outcome.FAILED)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    @bounded
    @given(
        st.lists(st.sampled_from((HELLO, frame(2, "x" * 40).pack(), b"\1\0", b"\2", b"")), max_size=40),
        reads,
        st.booleans(),
    )
    def test_as_where_somebody_is(self, stream: list[bytes], sizes: list[int], half_closes: bool) -> None:
        ways = []
        for told in Told(), Told(set(KINDS) - EACH):
            self.told = told
            session, transport = self.connect(self.factory())
            for piece in in_reads(b"".join(stream), sizes):
                session.dataReceived(piece)
            if half_closes:
                session.readConnectionLost()
            elif transport.session is not None:
                transport.lose(error.ConnectionLost())
            self.pass_time(2 * LINGER)
            ends = [event[1:] for event in told.events if isinstance(event, Finished)]
            ways.append((transport.value(), transport.aborted, transport.half_closed, *ends))
        self.assertEqual(ways[0], ways[1])


class Backpressure(SessionTestCase):
    def test_reads_only_while_no_gate_is_closed(self) -> None:
        session, transport = self.connect(self.factory())
        session.pauseProducing()
        session.hold("another gate")
        self.assertEqual(transport.producerState, "paused")
        session.resumeProducing()
        self.assertEqual(transport.producerState, "paused")
        session.release("another gate")
        self.assertEqual(transport.producerState, "producing")

    def test_reads_on_to_discard_whatever_is_closed(self) -> None:
        session, transport = self.connect(self.factory(lazy=True))
        session.pauseProducing()
        session.dataReceived(b"\x00")
        self.assertEqual(transport.producerState, "producing")
        session.hold("another gate")
        self.assertEqual(transport.producerState, "producing")

    def test_does_not_resume_after_the_fin(self) -> None:
        session, transport = self.connect(self.factory(lazy=True))
        session.hold("gate")
        session.readConnectionLost()
        session.release("gate")
        self.assertEqual(transport.producerState, "paused")


class Deadlines(SessionTestCase):
    def test_a_frame_that_does_not_end(self) -> None:
        session, transport = self.connect(self.factory(frame_timeout=10))
        session.dataReceived(HALF)
        self.pass_time(9)
        self.assertFalse(transport.half_closed)
        self.pass_time(3)
        self.assertTrue(transport.half_closed)
        (violated,) = [event.violation for event in self.told.events if isinstance(event, Violated)]
        self.assertEqual(violated.reason, "deadline")

    def test_a_byte_now_and_then_does_not_save_it(self) -> None:
        session, transport = self.connect(self.factory(frame_timeout=10))
        for byte in HALF[:12]:
            session.dataReceived(bytes((byte,)))
            self.pass_time(1)
        self.assertTrue(transport.half_closed)

    def test_each_frame_has_its_own_time(self) -> None:
        session, transport = self.connect(self.factory(frame_timeout=10))
        for _ in range(5):
            session.dataReceived(HELLO[:4])
            self.pass_time(8)
            session.dataReceived(HELLO[4:])
        self.assertFalse(transport.half_closed)

    def test_time_in_which_nothing_was_read_does_not_count(self) -> None:
        session, transport = self.connect(self.factory(frame_timeout=10))
        session.dataReceived(HALF)
        session.hold("a handler that is behind")
        self.pass_time(60)
        session.release("a handler that is behind")
        self.pass_time(9)
        self.assertFalse(transport.half_closed)

    def test_an_undecided_layout_is_the_guides_when_the_time_is_up(self) -> None:
        session, transport = self.connect(self.factory(layout=None, frame_timeout=10))
        session.dataReceived(
            frame(5, "x").pack()
        )  # in the scripts' layout: order 1, and four bytes are missing
        self.assertEqual(transport.value(), b"")
        self.pass_time(12)
        self.assertEqual(transport.value(), frame(5, "x").pack())
        self.assertFalse(transport.half_closed)

    def test_a_peer_that_does_not_read(self) -> None:
        session, transport = self.connect(self.factory(stall_timeout=10))
        session.pauseProducing()
        self.pass_time(9)
        self.assertFalse(transport.aborted)
        self.pass_time(3)
        self.assertTrue(transport.aborted)
        self.assertEqual(self.outcome(), Outcome.STALLED)

    def queue(self, factory: Any, length: int) -> tuple[Any, Transport]:
        """A connection of which so many bytes wait to be sent."""
        session, transport = self.connect(factory)
        transport.dataBuffer, transport.offset = b"x" * length, 0
        session.pauseProducing()
        return session, transport

    def test_a_queue_that_is_refilled_to_the_same_length_is_progress(self) -> None:
        session, transport = self.queue(self.factory(stall_timeout=10), 100_000)
        for _ in range(60):
            self.pass_time(1)  # from one sweep to the next
            session.resumeProducing()
            session.pauseProducing()
        self.assertFalse(transport.aborted)
        self.pass_time(12)
        self.assertTrue(transport.aborted)
        self.assertEqual(self.outcome(), Outcome.STALLED)

    def test_a_queue_that_only_gets_shorter_is_progress(self) -> None:
        _, transport = self.queue(self.factory(stall_timeout=10), 100_000)
        self.is_ended_once_nothing_is_taken(transport)

    def is_ended_once_nothing_is_taken(self, transport: Any) -> None:
        """Take a byte at a time during several timeouts, and then none."""
        for _ in range(12):
            self.pass_time(5)
            transport.offset += 1
        self.assertFalse(transport.aborted)
        self.pass_time(12)
        self.assertTrue(transport.aborted)

    def test_a_queue_of_which_nothing_is_taken(self) -> None:
        _, transport = self.queue(self.factory(stall_timeout=10), 100_000)
        self.pass_time(9)
        self.assertFalse(transport.aborted)
        self.pass_time(3)
        self.assertTrue(transport.aborted)
        self.assertEqual(self.outcome(), Outcome.STALLED)

    def test_a_peer_that_takes_the_end_slowly(self) -> None:
        session, transport = self.queue(self.factory(stall_timeout=10), 100_000)
        transport.lose = lambda why: None  # type: ignore[method-assign]
        session.readConnectionLost()
        self.is_ended_once_nothing_is_taken(transport)

    def test_a_peer_that_does_not_take_the_end(self) -> None:
        session, transport = self.connect(self.factory(stall_timeout=10))
        transport.lose = lambda why: None  # type: ignore[method-assign]
        session.readConnectionLost()
        self.pass_time(12)
        self.assertTrue(transport.aborted)

    def test_a_peer_that_is_silent(self) -> None:
        session, transport = self.connect(self.factory(idle_timeout=10))
        self.pass_time(8)
        session.dataReceived(HELLO)
        self.pass_time(8)
        self.assertFalse(transport.disconnecting)
        self.pass_time(4)
        self.assertTrue(transport.disconnecting)
        self.assertEqual(self.outcome(), Outcome.IDLE)

    def test_who_is_sent_away_in_the_middle_of_a_frame_has_not_cut_it_off(self) -> None:
        session, transport = self.connect(self.factory(idle_timeout=10, frame_timeout=0))
        session.dataReceived(HALF)
        self.pass_time(12)
        self.assertTrue(transport.disconnecting)
        self.assertEqual(self.outcome(), Outcome.IDLE)
        self.assertNotIn("Violated", self.told.kinds)

    def test_nobody_is_silent_while_his_handler_is_at_work(self) -> None:
        session, transport = self.connect(self.factory(lazy=True, idle_timeout=10, frame_timeout=0))
        session.dataReceived(HELLO)
        self.pass_time(30)
        session.handler.work()
        self.pass_time(9)
        self.assertFalse(transport.disconnecting)

    def test_zero_means_never(self) -> None:
        session, transport = self.connect(self.factory(idle_timeout=0, frame_timeout=0, stall_timeout=0))
        session.dataReceived(HALF)
        session.pauseProducing()
        self.pass_time(1000)
        self.assertFalse(transport.aborted or transport.disconnecting or transport.half_closed)


class Factories(SessionTestCase):
    def test_let_in_no_more_than_they_may(self) -> None:
        factory = self.factory(max_clients=1)
        self.connect(factory)
        there = IPv4Address("TCP", "192.0.2.1", 50002)
        refused = factory.buildProtocol(there)
        self.assertIsInstance(refused, Refused)
        transport = StringTransport(peerAddress=there)
        refused.makeConnection(transport)
        self.assertTrue(transport.disconnecting)
        self.assertEqual(self.told.events[-1].peer.address, "192.0.2.1:50002")

    def test_let_in_nobody_for_whom_there_is_no_thread(self) -> None:
        factory = self.factory()

        def make_handler(session: Session[Any]) -> Any:
            raise RuntimeError("can't start new thread")

        factory.make_handler = make_handler
        refused = factory.buildProtocol(None)
        self.assertIsInstance(refused, Refused)
        refused.makeConnection(StringTransport())
        self.assertEqual(self.told.events[-1].why, "can't start new thread")

    def test_zero_is_any_number(self) -> None:
        factory = self.factory(max_clients=0)
        for _ in range(3):
            self.connect(factory)
        self.assertEqual(len(factory.sessions), 3)

    def test_drain_idle_clients_at_once(self) -> None:
        factory = self.factory()
        _, transport = self.connect(factory)
        drained = factory.drain()
        self.assertTrue(transport.disconnecting)
        self.successResultOf(drained)
        self.assertEqual(self.outcome(), Outcome.STOPPED)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)  # the sweep, until the port is closed

    def test_drain_pays_what_is_owed(self) -> None:
        factory = self.factory(lazy=True)
        session, transport = self.connect(factory)
        session.dataReceived(HELLO)
        drained = factory.drain()
        self.assertNoResult(drained)
        session.handler.work()
        self.assertEqual(transport.value(), HELLO)
        self.assertTrue(transport.half_closed)
        session.readConnectionLost()
        session.handler.work()
        self.successResultOf(drained)

    def test_drain_gives_up_in_time(self) -> None:
        factory = self.factory(lazy=True, drain_timeout=1)
        session, transport = self.connect(factory)
        session.dataReceived(HELLO)
        drained = factory.drain()
        self.pass_time(1)
        self.assertTrue(transport.aborted)
        self.assertNoResult(drained)
        self.pass_time(LAST_WORDS)
        self.successResultOf(drained)

    def test_drain_does_not_take_back_what_has_been_sent(self) -> None:
        factory = self.factory(lazy=True, drain_timeout=1)
        session, transport = self.connect(factory)
        session.dataReceived(HELLO)
        drained = factory.drain()
        session.handler.work()
        self.pass_time(1)
        self.assertFalse(transport.aborted)
        self.assertTrue(transport.disconnecting)
        session.handler.work()
        self.successResultOf(drained)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)  # the sweep, until the port is closed

    def test_drain_wakes_whom_a_violation_left_waiting(self) -> None:
        factory = self.factory(lazy=True)
        session, _ = self.connect(factory)
        session.dataReceived(HELLO + b"\x00")
        factory.drain()
        self.assertTrue(session.handler.hurried)

    def test_drain_with_nobody_there(self) -> None:
        self.successResultOf(self.factory().drain())

    def test_leave_no_timer_behind(self) -> None:
        factory = self.factory()
        _, transport = self.connect(factory)
        factory.doStop()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        transport.lose(error.ConnectionDone())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_sweep_as_often_as_the_shortest_deadline_needs(self) -> None:
        self.assertEqual(Limits().sweep_interval, 1)
        self.assertEqual(Limits(frame_timeout=2).sweep_interval, 0.2)
        self.assertEqual(Limits(idle_timeout=0.01).sweep_interval, 0.05)
        self.assertEqual(Limits(frame_timeout=0, stall_timeout=0).sweep_interval, 1)

    def test_the_text_servers_factory_makes_text_servers(self) -> None:
        factory = TextServerFactory(lambda session: ReactorHandler(session, self.clock), self.clock)
        session, transport = self.connect(factory)
        session.dataReceived(b"hello")
        self.assertEqual(transport.value(), b"ECHO: hello")


class Addresses(SynchronousTestCase):
    def test_as_text(self) -> None:
        self.assertEqual(describe(IPv4Address("TCP", "192.0.2.1", 5)), ("tcp", "192.0.2.1:5"))
        self.assertEqual(describe(IPv6Address("UDP", "::1", 5)), ("udp", "[::1]:5"))
        self.assertEqual(describe(IPv4Address("TCP", "\x1b[2J", 5)), ("tcp", r"\x1b[2J:5"))
        self.assertEqual(describe(UNIXAddress("/lab\x1b")), ("unix", r"/lab\x1b"))
        self.assertEqual(describe(UNIXAddress(None)), ("unix", "-"))
        self.assertEqual(describe(None), ("unix", "-"))
