"""The two ways to the log, as events and straight, write the same text."""

from __future__ import annotations

import io
import os
import time
from types import SimpleNamespace
from typing import Any
from unittest import mock

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher, textFileLogObserver
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from netlab.events import Finished, Opened, Outcome, Peer, Remarked, RunHandled, Unanswered, Violated
from netlab.observers import log
from netlab.observers.lines import Lines
from netlab.observers.log import Log, go_straight
from netlab.observers.writer import Writer
from netlab.wire import fixed, text, variable
from netlab.wire.framing import Remark, Run
from netlab.wire.violations import WrongVersion
from tests.observers.test_observers import Logged

NOW = 1_700_000_000.75

ODD = (
    "{hello}",
    "%s",
    "\x1b[2J",
    "grüße €",
    "\udc80",
    "two\nlines",
    "a\n\nb\n",
    "\ttab",
    "\r",
    "",
    " ",
    "\u2028",
)
"""Lines that a way could treat in its own manner; most no peer can cause, since what it sends is escaped."""


class Console:
    """A stream of text: what a writer and Twisted's observer write to it."""

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        self.buffer = self.raw = io.BytesIO()

    def fileno(self) -> int:
        raise io.UnsupportedOperation


@implementer(ILogObserver)
class Dated:
    """An observer to whom all happens at one time."""

    def __init__(self, observer: ILogObserver, when: float) -> None:
        self._observer = observer
        self._when = when

    def __call__(self, event: LogEvent) -> None:
        self._observer({**event, "log_time": self._when})


class Two(SynchronousTestCase):
    """The same is logged in both ways."""

    def setUp(self) -> None:
        self.addCleanup(go_straight, None)

    def written(self, straight: bool, encoding: str, act: Any, when: float) -> str:
        """What is on the console when an act was done on a log."""
        console = Console(encoding)
        writer = Writer(console, str)
        observer = Dated(textFileLogObserver(writer), when)  # type: ignore[arg-type]
        self.patch(log, "time", SimpleNamespace(time=lambda: when))
        globalLogPublisher.addObserver(observer)
        try:
            go_straight(writer if straight else None)
            act(Log(encoding))
        finally:
            go_straight(None)
            globalLogPublisher.removeObserver(observer)
        writer.end()
        return console.raw.getvalue().decode(encoding)

    def same(self, act: Any, encoding: str = "utf-8", when: float = NOW) -> str:
        """Both ways write the same; return it."""
        events, straight = (self.written(way, encoding, act, when) for way in (False, True))
        self.assertEqual(straight, events)
        self.assertTrue(events)
        return events

    def test_odd_lines(self) -> None:
        def act(log: Log) -> None:
            for line in ODD:
                log.line("tcp 192.0.2.1:50001 client-3", line)
                log.line(f"trace {line}", "a line", warn=True)
            log.lines("selector", "Received ", ODD)
            log.lines("selector", "", ["one", "two"])

        for encoding in "utf-8", "latin-1", "ascii", "utf-16-le":
            self.same(act, encoding)

    def test_times(self) -> None:
        if not hasattr(time, "tzset"):
            self.skipTest("Windows has one time zone a process")
        self.addCleanup(time.tzset)
        summer = 1_711_846_800.0  # in Europe
        seen = set()
        for zone in "UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT,M3.2.0,M11.1.0", "NPT-5:45":
            with mock.patch.dict(os.environ, TZ=zone):
                time.tzset()
                for when in NOW, NOW + 0.2, NOW + 0.25, summer - 1, summer, 0.0:
                    self.patch(log, "_now", (-1, ""))  # a process has one time zone
                    seen.add(self.same(lambda log: log.line("-", "a line"), when=when))
        self.assertEqual(len(seen), 4 * 5)

    def test_the_time_goes_on(self) -> None:
        seen = {
            self.same(lambda log: log.line("-", "a line"), when=NOW + after)
            for after in (0, 0.2, 0.25, -3600)
        }
        self.assertEqual(len(seen), 3)

    def test_what_servers_log(self) -> None:
        peer = Peer("tcp", "192.0.2.1:50001", "client-3")
        datagrams = Peer("udp", "192.0.2.1:50002", "MainThread")
        frames = [
            fixed.frame(order, "grüße\n" if order == 1 else "hello") for order in (1, 2, 3, 3, 7, 7, 0, 1, 2)
        ]
        sized = [variable.frame(order, f"line {order}\u202e") for order in (1, 2, 2, 9, 10, 0)]
        runs: list[Any] = [
            *fixed.cutter().feed(b"".join(frame.pack() for frame in frames)),
            *variable.Cutter().feed(b"".join(frame.pack() for frame in sized)),
            *variable.Cutter().feed(b"".join(frame.pack(variable.Layout.SCRIPTS) for frame in sized)),
            *text.Cutter().feed(b"text\xff\x00"),
        ]
        self.assertEqual(sum(len(run) for run in runs if isinstance(run, Run)), 9 + 6 + 6 + 1)

        def act(log: Log) -> None:
            lines = Lines(log).listens()
            for about in peer, datagrams:
                for event in (
                    Opened(about),
                    *(
                        RunHandled(about, item) if isinstance(item, Run) else Remarked(about, item)
                        for item in runs
                    ),
                    Unanswered(about, "why"),
                    Violated(about, WrongVersion(29, b"GET / HTTP/1.1", "a detail", "an advice")),
                    Finished(about, Outcome.FINISHED, 1, 2),
                ):
                    lines[type(event)](event)

        written = self.same(act).splitlines()
        self.same(act, "ascii")
        self.assertEqual([type(item) for item in runs if isinstance(item, Remark)], [Remark, Remark])
        notes = [at for at, line in enumerate(written) if "Note order-" in line]
        self.assertEqual(
            [(written[at - 1].split("] ")[1], written[at].split("] ")[1]) for at in notes[:3]],
            [
                (
                    "Received ver: 1, order: 3, size: 5 -> hello",
                    "Note order-repeat: order 3 where 4 was expected",
                ),
                (
                    "Received ver: 1, order: 7, size: 5 -> hello",
                    "Note order-jump: order 7 where 4 was expected",
                ),
                (
                    "Received ver: 1, order: 0, size: 5 -> hello",
                    "Note order-zero: order 0 where 8 was expected",
                ),
            ],
        )


class Straight(SynchronousTestCase):
    def test_lines_make_no_events(self) -> None:
        logged = Logged()
        globalLogPublisher.addObserver(logged)
        self.addCleanup(globalLogPublisher.removeObserver, logged)
        console = Console("utf-8")
        writer = Writer(console, str)
        self.addCleanup(go_straight, None)
        go_straight(writer)
        Log().line("-", "one")
        self.assertEqual(logged.lines, [])
        go_straight(None)
        Log().line("-", "two")
        self.assertEqual(logged.lines, ["[-] two"])
        writer.end()
        self.assertEqual(console.raw.getvalue().count(b"\n"), 1)

    def test_failures_are_events_all_the_same(self) -> None:
        console = Console("utf-8")
        writer = Writer(console, str)
        self.addCleanup(go_straight, None)
        go_straight(writer)
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            Log().failure("-", "it failed")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
