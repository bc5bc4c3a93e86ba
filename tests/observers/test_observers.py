"""The log lines, and the counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from netlab.events import (
    ChunkReceived,
    ChunkSent,
    Closed,
    DatagramsDropped,
    Finished,
    Opened,
    Outcome,
    Peer,
    Remarked,
    RunHandled,
    TurnedAway,
    Unanswered,
    Violated,
)
from netlab.observers.lines import MAX_UNANSWERED, Lines
from netlab.observers.log import Log
from netlab.observers.stats import Stats
from netlab.wire import fixed, text, variable
from netlab.wire.framing import Remark, Run
from netlab.wire.orders import LAST, Orders
from netlab.wire.violations import WrongVersion
from tests.wire import bounded

PEER = Peer("tcp", "192.0.2.1:50001", "client-3")


def frames(*orders: int) -> Run[fixed.Frame]:
    (run,) = fixed.cutter().feed(b"".join(fixed.frame(order, "hello").pack() for order in orders))
    assert isinstance(run, Run)
    return run


@implementer(ILogObserver)
class Logged:
    """What is logged."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, event: LogEvent) -> None:
        self.lines.append(f"[{event['log_system']}] {formatEvent(event)}")


class LinesTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.log = Logged()
        globalLogPublisher.addObserver(self.log)
        self.addCleanup(globalLogPublisher.removeObserver, self.log)

    def says(self, event: object, *lines: str, quiet: bool = False, encoding: str = "utf-8") -> None:
        listener = Lines(Log(encoding), quiet).listens().get(type(event))
        if listener is not None:
            listener(event)
        self.assertEqual(self.log.lines, [f"[tcp 192.0.2.1:50001 client-3] {line}" for line in lines])

    def test_opened(self) -> None:
        self.says(Opened(PEER), "Accepted connection from 192.0.2.1:50001")

    def test_turned_away(self) -> None:
        self.says(TurnedAway(PEER, "too many"), "Refused connection from 192.0.2.1:50001: too many")

    def test_text(self) -> None:
        self.says(RunHandled(PEER, text.datagram(b"{hello}\n\x1b")), r"Received {hello}\n\x1b")

    def test_frames(self) -> None:
        self.says(
            RunHandled(PEER, frames(1, 2)),
            "Received ver: 1, order: 1, size: 5 -> hello",
            "Received ver: 1, order: 2, size: 5 -> hello",
        )

    def test_each_kind_of_note_once(self) -> None:
        self.says(
            RunHandled(PEER, frames(2, 2, 2)),
            "Received ver: 1, order: 2, size: 5 -> hello",
            "Note order-jump: order 2 where 1 was expected",
            "Received ver: 1, order: 2, size: 5 -> hello",
            "Note order-repeat: order 2 where 3 was expected",
            "Received ver: 1, order: 2, size: 5 -> hello",
        )

    def test_quiet(self) -> None:
        self.says(RunHandled(PEER, frames(1)), quiet=True)

    def test_no_echo_once_an_address_and_reason(self) -> None:
        lines = Lines(Log(), quiet=True)
        for why in ("why", "why", "another reason", "why"):
            lines.unanswered(Unanswered(PEER, why))
        self.assertEqual(
            self.log.lines,
            [f"[{PEER.bracket}] No echo to 192.0.2.1:50001: {why}" for why in ("why", "another reason")],
        )

    def test_addresses_without_an_echo_are_bounded(self) -> None:
        lines = Lines(Log())
        for number in range(MAX_UNANSWERED + 1):
            lines.unanswered(Unanswered(Peer("udp", f"192.0.2.1:{number}", "-"), "why"))
        lines.unanswered(Unanswered(Peer("udp", "192.0.2.1:0", "-"), "why"))
        self.assertEqual(len(self.log.lines), MAX_UNANSWERED + 2)

    def test_dropped_datagrams(self) -> None:
        Lines(Log(), quiet=True).datagrams_dropped(DatagramsDropped(1_234, 5_678))
        self.assertEqual(
            self.log.lines,
            [
                "[netlab-udp] Datagrams dropped by the kernel: 1,234 more, 5,678 in all; they came faster "
                "than they were read"
            ],
        )

    def test_a_long_message_is_shortened(self) -> None:
        lines = Lines(Log(), limit=10)
        for data in (b"0123456789", b"0123456789a", "123456789ñ".encode(), b"\xff" * 12):
            lines.run_handled(RunHandled(PEER, text.datagram(data)))
        self.assertEqual(
            [line.partition(" Received ")[2] for line in self.log.lines],
            [
                "0123456789",
                "0123456789... 1 more byte",
                "123456789... 2 more bytes",
                r"\xff" * 10 + "... 2 more bytes",
            ],
        )

    def test_as_many_bytes_are_printed_as_a_datagram_has(self) -> None:
        Lines(Log()).run_handled(RunHandled(PEER, text.datagram(b"x" * 65_507)))
        self.assertTrue(self.log.lines[0].endswith(" " + "x" * 65_507))

    def test_what_the_console_lacks(self) -> None:
        self.says(
            RunHandled(PEER, text.datagram("grüße €".encode())), r"Received grüße \u20ac", encoding="latin-1"
        )

    def test_a_violation(self) -> None:
        self.says(
            Violated(PEER, WrongVersion(29, b"GET / HTTP/1.1\r\nHost", "a detail", "an advice")),
            "Violation wrong-version from 192.0.2.1:50001 at byte 29 "
            "[47 45 54 20 2f 20 48 54 54 50 2f 31 2e 31 0d 0a]: a detail; an advice",
        )

    def test_a_layout(self) -> None:
        (_, remark, *_) = variable.Cutter().feed(variable.frame(1, "x").pack() + variable.frame(2, "").pack())
        assert isinstance(remark, Remark)
        self.says(
            Remarked(PEER, remark),
            "Recognized layout guide (version, order, size) by the frame at byte 10",
        )

    def test_finished(self) -> None:
        self.says(
            Finished(PEER, Outcome.IDLE, 1000, 20),
            "Closed connection from 192.0.2.1:50001 (idle): the client was silent for too long "
            "(--idle-timeout); 1,000 bytes received, 20 sent",
        )

    def test_every_outcome_has_its_words(self) -> None:
        for outcome in Outcome:
            Lines(Log()).finished(Finished(PEER, outcome, 0, 0))
        self.assertEqual(len(self.log.lines), len(Outcome))


class Kept(Log):
    """A log that keeps its lines."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[str] = []

    def line(self, bracket: str, line: str, warn: bool = False) -> None:
        self.kept.append(line)


class Notes(SynchronousTestCase):
    """A run's notes are found at once where there are none; that changes nothing."""

    def expected(self, orders: list[int]) -> list[str]:
        """The lines of one client, message by message."""
        stream, said, lines = Orders(), set(), []
        for order in orders:
            lines.append(f"Received ver: 1, order: {order}, size: 5 -> hello")
            due = stream.expected
            word = stream.note(order)
            if word is not None and word not in said:
                said.add(word)
                lines.append(f"Note {word}: order {order} where {due} was expected")
        return lines

    def check(self, *runs: list[int]) -> None:
        log = Kept()
        lines = Lines(log)
        for run in runs:
            lines.run_handled(RunHandled(PEER, frames(*run)))
        self.assertEqual(log.kept, self.expected([order for run in runs for order in run]))

    @bounded
    @given(
        st.sampled_from((0, 1, 1, 1, 2, LAST - 2)),
        st.lists(st.tuples(st.sampled_from((1, 1, 1, 1, 1, 1, 0, 2)), st.booleans()), max_size=12),
    )
    def test_are_where_they_were(self, first: int, steps: list[tuple[int, bool]]) -> None:
        runs = [[first]]
        for step, ends in steps:
            order = (runs[-1][-1] + step) % 2**32
            runs += [[order]] if ends else []
            runs[-1] += [] if ends else [order]
        self.check(*runs)

    def test_behind_their_messages(self) -> None:
        self.check([1, 2, 3], [4, 4, 4, 5], [6, 9, 0], [1, 2], [2, 7, 0])

    def test_of_a_client_are_its_own(self) -> None:
        log = Kept()
        lines = Lines(log)
        for peer in PEER, Peer("tcp", "192.0.2.1:50002", "client-4"):
            lines.run_handled(RunHandled(peer, frames(1, 2)))
        self.assertEqual(log.kept, self.expected([1, 2]) * 2)

    def test_are_forgotten_with_the_client(self) -> None:
        log = Kept()
        lines = Lines(log)
        for _ in range(2):
            lines.run_handled(RunHandled(PEER, frames(1)))
            lines.finished(Finished(PEER, Outcome.FINISHED, 0, 0))
        self.assertEqual([line for line in log.kept if "Note" in line], [])


class DatagramLines(LinesTestCase):
    def test_name_the_sender(self) -> None:
        peer = Peer("udp", "192.0.2.1:50001", "MainThread")
        Lines(Log()).run_handled(RunHandled(peer, text.datagram(b"hello")))
        Lines(Log()).unanswered(Unanswered(peer, "why"))
        self.assertEqual(
            self.log.lines,
            [
                "[udp 192.0.2.1:50001 MainThread] Message from 192.0.2.1:50001 -> hello",
                "[udp 192.0.2.1:50001 MainThread] No echo to 192.0.2.1:50001: why",
            ],
        )


class Counts(SynchronousTestCase):
    def test_are_what_happened(self) -> None:
        stats = Stats()
        violation = WrongVersion(0, b"", "", "")
        for event in (
            Opened(PEER),
            Opened(PEER),
            ChunkReceived(PEER, b"12345"),
            RunHandled(PEER, frames(1, 2, 3)),
            ChunkSent(PEER, b"123"),
            Violated(PEER, violation),
            Closed(PEER, Outcome.VIOLATION),
        ):
            stats.listens()[type(event)](event)
        self.assertEqual(
            str(stats),
            "Stats: clients 1, messages 3, bytes received 5, bytes sent 3, violations: wrong-version 1",
        )
