"""The reactor runs all clients' messages: one selector and one thread, so each may have to wait for all.

Without a delay an item is treated at once, where its bytes came in. With one, this handler does what must
never be done on a reactor: it sleeps. That is the lesson: with --delay 1 and two clients, each waits for the
other.
"""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime

from netlab.handlers import Attended
from netlab.wire.framing import Run


class ReactorHandler:
    """Runs the messages of one client on the reactor's thread, the one that makes it.

    delay: seconds to sleep before each answer, as a slow program would; stopping: ends every sleep, once it
    is set.
    """

    __slots__ = ("_clock", "_delay", "_queue", "_session", "_stopping", "name")

    def __init__(
        self,
        session: Attended,
        clock: IReactorTime,
        delay: float = 0.0,
        stopping: threading.Event | None = None,
    ) -> None:
        self.name = threading.current_thread().name
        self._session = session
        self._clock = clock
        self._delay = delay
        self._stopping = stopping or threading.Event()
        self._queue: deque[Any] | None = None  # most never wait, and an empty deque has 600 bytes

    @property
    def at_once(self) -> bool:
        """Is an item treated as soon as it is submitted?"""
        return not self._delay

    @property
    def busy(self) -> bool:
        """Is there anything that was submitted and not settled?"""
        return bool(self._queue)

    def submit(self, item: Any) -> None:
        """Treat the item now; with a delay, in a turn of the reactor of its own, so that the answer before it
        leaves first.
        """
        if not (self._delay or self._queue):
            self._session.settle(item, self._session.handle(item))
            return
        if not self._queue:
            self._queue = deque()
            self._session.hold(self)  # so that what waits here is at most what one read brought
            self._clock.callLater(0, self._next)
        self._queue.extend(item.split() if isinstance(item, Run) else (item,))

    def hurry(self) -> None:
        """Sleep no more between messages."""
        self._delay = 0.0

    def close(self, last: Any) -> None:
        """Treat the last item after all others."""
        self.hurry()
        self.submit(last)

    def _next(self) -> None:
        assert self._queue
        item = self._queue[0]
        if isinstance(item, Run) and self._delay:
            self._stopping.wait(self._delay)
        self._session.settle(item, self._session.handle(item))
        self._queue.popleft()  # only now: what settle() submits goes behind it
        if self._queue:
            self._clock.callLater(0, self._next)
        else:
            self._session.release(self)


def wake_on_signals(stopping: threading.Event) -> None:
    """Let Ctrl-C and SIGTERM end a sleep of this thread: a reactor that sleeps would only hear of them
    afterwards.

    To be called when the reactor runs, so that its own signal handlers are there: they are called as before.
    """
    for number in filter(None, (getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP"))):
        before = signal.getsignal(number)
        if callable(before):
            signal.signal(number, _waking(stopping, before))


def _waking(stopping: threading.Event, before: Callable[[int, Any], Any]) -> Callable[[int, Any], Any]:
    def wake(number: int, frame: Any) -> Any:
        stopping.set()
        return before(number, frame)

    return wake
