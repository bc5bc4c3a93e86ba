"""Both handlers keep a client's items in order, settle them on the reactor's thread, bound what waits."""

from __future__ import annotations

import itertools
import os
import signal
import threading
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netlab.handlers.reactor import ReactorHandler, wake_on_signals
from netlab.handlers.threads import MAILBOX_READS, Exchange, ThreadHandler
from netlab.protocols.factory import READ_SIZE
from netlab.wire import fixed
from netlab.wire.framing import Run
from tests.support import until

FRAMES = b"".join(fixed.frame(order, str(order)).pack() for order in (1, 2, 3))


NUMBERS = itertools.count(1)
"""Whose thread is whose: a thread of an earlier test may need a moment to end."""


def run_of_three() -> Run[Any]:
    (run,) = fixed.cutter().feed(FRAMES)
    assert isinstance(run, Run)
    return run


class Session:
    """Notes what its handler does with it, and in which thread."""

    read_size = READ_SIZE

    def __init__(self) -> None:
        self.handled: list[tuple[Any, str]] = []
        self.settled: list[tuple[Any, bytes]] = []
        self.gates: set[object] = set()
        self.blocked = threading.Event()
        self.blocked.set()

    def handle(self, item: Any) -> bytes:
        self.blocked.wait(30)
        self.handled.append((item, threading.current_thread().name))
        return b"answer"

    def settle(self, item: Any, answer: bytes) -> None:
        self.settled.append((item, answer))

    def hold(self, gate: object) -> None:
        self.gates.add(gate)

    def release(self, gate: object) -> None:
        self.gates.discard(gate)


class Reactor:
    """Takes calls, from threads, too, and makes them when it is told to."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.woken = 0

    def callFromThread(self, call: Any) -> None:
        self.woken += 1
        self.calls.append(call)

    def callLater(self, delay: float, call: Any) -> None:
        self.calls.append(call)

    def turn(self) -> None:
        while self.calls:
            self.calls.pop(0)()


class Threads(SynchronousTestCase):
    def setUp(self) -> None:
        self.session, self.reactor = Session(), Reactor()
        self.exchange = Exchange(self.reactor)

    def handler(self, delay: float = 0.0) -> ThreadHandler:
        handler = ThreadHandler(self.session, next(NUMBERS), self.exchange, delay)
        self.addCleanup(self.reactor.turn)
        self.addCleanup(handler.close, "last")
        self.addCleanup(self.session.blocked.set)
        return handler

    def settled(self, count: int) -> None:
        def turned() -> bool:
            self.reactor.turn()
            return len(self.session.settled) >= count

        until(turned, f"{count} items are settled")

    def test_a_client_has_its_own_thread_and_its_order(self) -> None:
        handler = self.handler()
        for item in range(100):
            handler.submit(item)
        self.assertTrue(handler.busy)
        self.settled(100)
        self.assertFalse(handler.busy)
        self.assertEqual(self.session.handled, [(item, handler.name) for item in range(100)])
        self.assertEqual(self.session.settled, [(item, b"answer") for item in range(100)])

    def test_a_thread_is_woken_once_for_all_that_a_turn_has_brought(self) -> None:
        handler = self.handler()
        for item in range(3):
            handler.submit(item)
        self.assertEqual((len(self.reactor.calls), self.session.handled), (1, []), "not before the turn ends")
        self.settled(3)

    def test_the_reactor_is_woken_once_for_all_answers_that_wait(self) -> None:
        handlers = [self.handler() for _ in range(5)]
        for count, handler in enumerate(handlers, 1):
            handler.submit("item")
            self.reactor.calls.pop()()
            until(lambda count=count: len(self.exchange._answers) == count, "an answer waits")  # type: ignore[misc]
        self.assertEqual(self.reactor.woken, 1)
        self.settled(5)
        handlers[0].submit("another")
        self.settled(6)
        self.assertEqual(self.reactor.woken, 2)

    def test_a_full_mailbox_closes_the_gate_until_it_is_half_empty(self) -> None:
        handler = self.handler()
        self.session.blocked.clear()
        run = Run(b"x" * (MAILBOX_READS * READ_SIZE // 4), 1, fixed.FORMAT)
        for _ in range(4):
            handler.submit(run)
        self.assertEqual(self.session.gates, {handler})
        self.session.blocked.set()
        self.settled(4)
        self.assertEqual(self.session.gates, set())

    def test_tiny_messages_fill_it_too(self) -> None:
        handler = self.handler()
        self.session.blocked.clear()
        for _ in range(1000):
            handler.submit(Run(b"x", 1, fixed.FORMAT))
        self.assertEqual(self.session.gates, {handler})

    def test_with_a_delay_each_message_has_its_own(self) -> None:
        handler = self.handler(delay=0.001)
        handler.submit(run_of_three())
        self.settled(3)
        self.assertEqual(b"".join(item.data for item, _ in self.session.settled), FRAMES)
        until(lambda: self.reactor.turn() or not handler.busy, "all is settled")  # type: ignore[func-returns-value]

    def test_the_thread_ends_with_its_client_and_wastes_no_more_time(self) -> None:
        handler = self.handler(delay=3600)
        handler.submit(run_of_three())
        handler.close("gone")
        self.settled(4)
        until(
            lambda: all(thread.name != handler.name for thread in threading.enumerate()),
            "the thread has ended",
        )

    def test_threads_are_daemons(self) -> None:
        name = self.handler().name
        (thread,) = [thread for thread in threading.enumerate() if thread.name == name]
        self.assertTrue(thread.daemon)


class Turns:
    """A reactor whose turns are taken one by one."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def callLater(self, delay: float, call: Any) -> None:
        self.calls.append(call)

    def turn(self) -> None:
        self.calls.pop(0)()


class TheReactor(SynchronousTestCase):
    def setUp(self) -> None:
        self.session, self.reactor = Session(), Turns()

    def handler(self, delay: float = 0.0, stopping: threading.Event | None = None) -> ReactorHandler:
        return ReactorHandler(self.session, self.reactor, delay, stopping)  # type: ignore[arg-type]

    def test_treats_an_item_at_once_on_its_thread(self) -> None:
        handler = self.handler()
        handler.submit("item")
        self.assertFalse(handler.busy)
        self.assertEqual(self.session.handled, [("item", "MainThread")])
        self.assertEqual(self.session.settled, [("item", b"answer")])

    def test_with_a_delay_each_message_has_its_own_turn_and_reading_pauses(self) -> None:
        handler = self.handler(delay=0.001)
        handler.submit(run_of_three())
        handler.submit("fin")
        self.assertEqual(self.session.gates, {handler})
        for turn in range(1, 5):
            self.assertTrue(handler.busy)
            self.reactor.turn()
            self.assertEqual(len(self.session.settled), turn)
        self.assertFalse(handler.busy)
        self.assertEqual(self.session.gates, set())
        self.assertEqual(self.session.settled[-1][0], "fin")

    def test_the_last_item_overtakes_nothing(self) -> None:
        handler = self.handler(delay=3600)
        handler.submit(run_of_three())
        handler.close("gone")
        for _ in range(4):
            self.reactor.turn()
        self.assertEqual(self.session.settled[-1][0], "gone")
        self.assertEqual(len(self.session.settled), 4)

    def test_a_signal_ends_a_sleep_and_is_heard_by_whom_it_was_meant_for(self) -> None:
        heard: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            self.addCleanup(signal.signal, number, signal.getsignal(number))
        signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        stopping = threading.Event()
        wake_on_signals(stopping)
        handler = self.handler(delay=3600, stopping=stopping)
        handler.submit(run_of_three())
        timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM))
        timer.start()
        self.reactor.turn()
        timer.join()
        self.assertEqual(heard, [signal.SIGTERM])
        self.assertEqual(len(self.session.settled), 1)
        self.assertEqual(signal.getsignal(signal.SIGINT), signal.SIG_IGN)
