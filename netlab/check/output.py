"""What a program writes and reads, through pipes that never keep it waiting, nor us; and its tracebacks."""

from __future__ import annotations

import os
import queue
import re
import select
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import IO

from netlab.wire.text import printable

KEPT = 256 << 10
"""Bytes of an output that are kept of its beginning, and of its end: more than anybody reads."""

MAX_FED = 16 << 20
"""Bytes of input that may wait for a program that does not read them: more than any case sends."""

CHUNK = 1 << 16  # bytes: what a pipe holds
TAKEN = 1 << 20  # bytes that are read at one go while others wait
SHOWN = 200  # characters of a line that is quoted
LOOK = 0.02  # seconds between two looks whether something still goes on
HELD = 0.5  # seconds after which nobody waits any more for a pipe that a lost process holds

UNIX = os.name == "posix"


class Output:
    """What a program writes into one pipe: kept in bounds, and drained until paused, so that it never blocks.

    A position in it is the number of bytes before it. All that was written before a method is called is
    known to it (on Windows: all but the last moment's).
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._head = bytearray()
        self._tail = bytearray()
        self._count = 0
        self._pipe: IO[bytes] | None = None
        self._over = False  # nothing will come any more, or nobody wants it
        self._paused = False
        self._thread: threading.Thread | None = None

    def begin(self, pipe: IO[bytes]) -> None:
        """Drain this unbuffered pipe from now on, and close it at its end."""
        self._pipe = pipe
        if UNIX:
            os.set_blocking(pipe.fileno(), False)
        self._thread = threading.Thread(target=self._drain, args=(pipe,), daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Take what is there, and drain no more, even if somebody still has the pipe."""
        self.resume()
        with self._changed:
            self._take()
            self._over = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(2 * HELD)

    def pause(self) -> None:
        """Drain no more, as a terminal that is paused: soon the pipe is full, and whoever writes waits."""
        with self._changed:
            self._take()
            self._paused = True

    def resume(self) -> None:
        """Drain again."""
        with self._changed:
            self._paused = False
            self._changed.notify_all()

    @property
    def text(self) -> str:
        """All of it; of a long one the beginning and the end, with a line between that says what is missing.

        What is no UTF-8 is written as Python would: `\\xff`. It may hold anything that a program writes:
        netlab.wire.text.printable makes it safe to print.
        """
        return self.since(0)

    def mark(self) -> int:
        """The position after all that was written until now."""
        with self._changed:
            self._take()
            return self._count

    def since(self, mark: int) -> str:
        """What was written since a mark."""
        with self._changed:
            self._take()
            return self._kept(mark).decode("utf-8", "backslashreplace")

    def wait_for(
        self, needle: str, seconds: float, since: int = 0, going_on: Callable[[], bool] = lambda: True
    ) -> bool:
        """Wait until this text was written since a mark: so many seconds, as long as the pipe is open, and as
        long as going_on().
        """
        wanted = needle.encode()
        deadline = time.monotonic() + seconds
        while True:
            waiting = time.monotonic() < deadline and not self._over and going_on()
            with self._changed:
                self._take()
                if wanted in self._kept(since):
                    return True
                seen = self._count
                since = max(since, seen - len(wanted) + 1)
                if not waiting:
                    return False
                left = max(0.0, deadline - time.monotonic())
                self._changed.wait_for(lambda: self._count > seen or self._over, min(left, LOOK))  # noqa: B023

    def _drain(self, pipe: IO[bytes]) -> None:
        if UNIX:
            poll = select.poll()
            poll.register(pipe, select.POLLIN)
            while not self._over:
                poll.poll(1000 * HELD)
                with self._changed:
                    self._changed.wait_for(self._wanted)
                    self._take()
        while not self._over:
            piece = os.read(pipe.fileno(), CHUNK)
            with self._changed:
                self._add(piece)
                self._changed.wait_for(self._wanted)
        with self._changed:
            self._pipe = None
        pipe.close()

    def _wanted(self) -> bool:
        return self._over or not self._paused

    def _take(self) -> None:
        """Take what waits in the pipe, a bounded part of it."""
        end = self._count + TAKEN
        if not UNIX or self._paused:
            return
        while self._pipe is not None and not self._over and self._count < end:
            try:
                self._add(os.read(self._pipe.fileno(), CHUNK))
            except BlockingIOError:
                return
            except OSError:
                self._over = True

    def _add(self, piece: bytes) -> None:
        room = KEPT - len(self._head)
        self._head += piece[:room]
        self._tail += piece[room:]
        self._count += len(piece)
        if len(self._tail) > 2 * KEPT:
            del self._tail[:-KEPT]
        self._over = self._over or not piece
        self._changed.notify_all()

    def _kept(self, position: int) -> bytes:
        """What is kept from a position on, with a line instead of what is not."""
        tail = self._tail[-KEPT:]
        begins = self._count - len(tail)
        missing = begins - max(position, len(self._head))
        gap = f"\n[{missing} bytes left out]\n".encode() if missing > 0 else b""
        return bytes(self._head[position:] + gap + tail[max(0, position - begins) :])


class Input:
    """Writes into a pipe in a thread of its own: whoever feeds it never waits."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pieces: queue.SimpleQueue[bytes] = queue.SimpleQueue()  # an empty one is the end
        self._fed = 0  # each counted by one thread only
        self._written = 0
        threading.Thread(target=self._write, args=(pipe,), daemon=True).start()

    def feed(self, piece: bytes) -> bool:
        """Have it written; False, and nothing is, where too much waits already."""
        if self._fed - self._written + len(piece) > MAX_FED:
            return False
        if piece:
            self._fed += len(piece)
            self._pieces.put(piece)
        return True

    def end(self) -> None:
        """Close the pipe when all is written."""
        self._pieces.put(b"")

    def _write(self, pipe: IO[bytes]) -> None:
        with suppress(OSError), pipe:  # nobody has to read it
            while piece := self._pieces.get():
                rest = memoryview(piece)
                while rest:
                    rest = rest[os.write(pipe.fileno(), rest) :]
                self._written += len(piece)


_LIBRARY = re.compile(
    r'  File "(?:<frozen |.*/lib/python[\d.]+/|.*\\Lib\\)'
)  # a frame of Python's own, or of what was installed
_TRACEBACK = re.compile(
    r'.*Traceback \(most recent call last\):$|  File ".*", line \d+$'
)  # or a SyntaxError's
_RAISED = re.compile(r"[^\W\d][\w.<>]*(?:: .*|:?$)")
_GROUPED = re.compile(r"^ +[|+](?: |-[-+ 0-9]*$)")  # the margin of an exception group


def raised(text: str) -> list[str]:
    """The exceptions whose tracebacks a text holds: name and first line of the message, safe to print."""
    found = []
    inside = False
    for line in text.splitlines():
        line = _GROUPED.sub("", line)
        if _TRACEBACK.match(line):
            inside = True
        elif inside and not line.startswith(" "):
            inside = False
            if _RAISED.match(line):
                found.append(quoted(line))
    return found


def complaint(text: str, most: int) -> list[str]:
    """The last lines that are not blank, shortened and safe to print. A traceback is shown without the frames
    of libraries, if there are others: the mistake is in these.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    own = list(_without_library(lines))
    if any(line.startswith('  File "') for line in own):
        lines = own
    return [quoted(line) for line in lines[-most:]]


def _without_library(lines: Iterable[str]) -> Iterator[str]:
    skipped = False
    for line in lines:
        skipped = bool(_LIBRARY.match(line)) or (skipped and line.startswith("    "))
        if not skipped:
            yield line


def last_line(text: str) -> str:
    """The last line that is not blank, shortened and safe to print; nothing where there is none."""
    return quoted(next((line.strip() for line in reversed(text.splitlines()) if line.strip()), ""))


def quoted(line: str) -> str:
    """A line of a program's, shortened and safe to print."""
    return printable(line if len(line) <= SHOWN else line[:SHOWN] + "...")
