"""How long a capture lasts: as long as a command runs, or until somebody ends it."""

from __future__ import annotations

import os
import queue
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from netlab import namespace
from netlab.wireshark.sniffer import CannotCapture

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
"""They end a capture. While a command runs, they are for the command, and the capture ends when that does."""


class NoCommand(CannotCapture):
    """The command cannot be run."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class UntilTold:
    """Until somebody ends it: with Enter, or with a signal from the moment that the context is entered."""

    def __init__(self) -> None:
        self._told: queue.SimpleQueue[None] = queue.SimpleQueue()  # may be filled in a signal handler
        self._signals = _signals(lambda number, _: self.tell())

    def __enter__(self) -> UntilTold:
        self._signals.__enter__()
        return self

    def __exit__(self, *_: Any) -> None:
        self._signals.__exit__(None, None, None)

    def tell(self) -> None:
        """It is to end."""
        self._told.put(None)

    def wait(self) -> int:
        """Wait for the end; return the exit status."""
        if in_foreground(0):
            threading.Thread(target=self._enter, daemon=True).start()
        while True:
            with suppress(queue.Empty):
                self._told.get(timeout=1)  # on Windows nothing notices Ctrl-C while it waits
                return 0

    def _enter(self) -> None:
        with suppress(OSError):
            os.read(0, 1)
        self.tell()


class Command:
    """As long as a command runs. Signals are for it, from the moment that the context is entered."""

    def __init__(self, program: list[str], stdout: IO[Any] | None) -> None:
        self._program = program
        self._stdout = stdout
        self._child: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self._signals = _signals(self._pass_on)

    def __enter__(self) -> Command:
        self._signals.__enter__()
        return self

    def __exit__(self, *_: Any) -> None:
        self._signals.__exit__(None, None, None)

    def tell(self) -> None:
        """The capture has ended: that is not the command's business."""

    def wait(self) -> int:
        """Run it; return its exit status as a shell does. Raises NoCommand."""
        try:
            self._child = child = subprocess.Popen(
                self._program,
                stdout=self._stdout,
                preexec_fn=namespace.end_with_parent if sys.platform == "linux" else None,
            )
        except OSError as error:
            status = 127 if isinstance(error, FileNotFoundError) else 126
            raise NoCommand(status, f"cannot run {self._program[0]!r}: {error.strerror}") from None
        for number in self._early:
            child.send_signal(number)
        status = child.wait()
        return status if status >= 0 else 128 - status

    def _pass_on(self, number: int, _: object) -> None:
        if os.name != "posix":
            return  # it has the console that we have
        if self._child is None:
            self._early.append(number)
        elif not (number == signal.SIGINT and _has_the_keyboard()):
            self._child.send_signal(number)


def watch_reader(descriptor: int, when_gone: Callable[[], None]) -> None:
    """Tell when nobody reads a pipe any more, even while nothing is written, where the system tells."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(descriptor, 0)  # errors are always told

        def wait() -> None:
            poll.poll()
            when_gone()

        threading.Thread(target=wait, daemon=True).start()


def in_foreground(descriptor: int) -> bool:
    """Is this a terminal that we may read from? One in the background would be stopped."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except (OSError, AttributeError):
        return os.name != "posix" and os.isatty(descriptor)


def _has_the_keyboard() -> bool:
    """Does Ctrl-C reach all of us at once?"""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        return False
    try:
        return in_foreground(terminal)
    finally:
        os.close(terminal)


@contextmanager
def _signals(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Handle them so, but for those that are ignored: nohup wants that."""
    numbers = [number for name in SIGNALS if (number := getattr(signal, name, None)) is not None]
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        for number in numbers:
            if before[number] is not signal.SIG_IGN:
                signal.signal(number, handler)
        yield
    finally:
        for number in numbers:
            signal.signal(number, before[number])
