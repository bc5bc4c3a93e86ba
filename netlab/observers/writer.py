"""Prints lines in a thread of its own: whoever logs never waits for a terminal or a pipe (clause L10)."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

MAX_WAITING = 4 << 20
"""Bytes that may wait to be read: some 40,000 lines, far more than a reader that is only slow leaves."""

LAST_WORDS = 1.0
"""Seconds, at the end, in which what waits is still written: half of what a stop may take."""

AGAIN = 0.05
"""Seconds until the next try where a stream that does not block is full: soon enough for eyes."""

UNREAD = "nobody read them in time"


class Writer:
    """Stands in for a stream of text, such as sys.stdout: write() only puts lines into a queue.

    stream: what is written to; its own buffers are passed by, so that their locks are free when the program
    ends. dress: makes a sentence a line of the log, with its newline; must take no lock. What does not fit
    into the queue, or cannot be written, is dropped in whole lines, and a line in its place says how many.
    May be used by all threads.
    """

    def __init__(self, stream: Any, dress: Callable[[str], str]) -> None:
        self.encoding = stream.encoding or "utf-8"
        self._stream = stream
        self._raw = getattr(stream.buffer, "raw", stream.buffer)  # python -u: the buffer is the raw layer
        self._dress = dress
        # A signal's handler may log while its thread does: so a lock that may be taken twice, a bell that may
        # be rung while it is rung, and a condition that the writer's thread alone notifies.
        self._written = threading.Condition(threading.RLock())
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._waiting: list[bytes] = []
        self._size = 0  # bytes of what waits and of what is being written
        self._writing = False
        self._full = False  # what was dropped comes after what waits, else before it
        self._dropped = 0  # lines that nobody was told of
        self._why = UNREAD
        self._broken = False  # the last try failed: the next line is the time for another one
        self._torn = False  # what was written ends inside a line
        self._deadline: float | None = None
        self._thread: threading.Thread | None = None

    def write(self, text: str) -> int:
        """Have a text printed: whole lines. Never waits, never raises for what the stream does."""
        data = self._encoded(text)
        size, lines = len(data), data.count(b"\n")
        with self._written:
            # A line that is longer than the queue finds room when nothing else waits.
            if self._full or (self._size and self._size + size > MAX_WAITING):
                self._full, self._why = True, UNREAD
                self._dropped += lines
                return len(text)
            is_first = not self._waiting
            self._waiting.append(data)
            self._size += size
            self._start()
        if is_first:
            self._bell.put(None)
        return len(text)

    def flush(self) -> None:
        """Does nothing before end(); then it waits until all is written, for what is left of LAST_WORDS."""
        with self._written:
            if self._deadline is not None:
                left = max(0.0, self._deadline - time.monotonic())
                self._written.wait_for(lambda: not (self._writing or self._due()), left)

    def end(self) -> None:
        """The program is about to end: from now on, LAST_WORDS seconds in all are for waiting."""
        with self._written:
            if self._deadline is None:
                self._deadline = time.monotonic() + LAST_WORDS
        self.flush()

    def isatty(self) -> bool:
        """Is the stream a terminal?"""
        return bool(self._stream.isatty())

    def fileno(self) -> int:
        """The stream's descriptor."""
        return int(self._stream.fileno())

    def _encoded(self, text: str) -> bytes:
        return text.replace("\n", os.linesep).encode(self.encoding, "backslashreplace")

    def _start(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._run, daemon=True, name="writer")
            thread.start()
            self._thread = thread
            atexit.register(self.end)

    def _run(self) -> None:
        while True:
            data, told = self._take()
            self._done(data, self._write(data), told)

    def _due(self) -> bool:
        """Is there anything to be written?"""
        return bool(self._waiting or (self._dropped and not self._broken))

    def _take(self) -> tuple[bytes, int]:
        """What is to be written next, and of how many dropped lines it tells: 0 where it is the lines."""
        while True:
            with self._written:
                if self._due():
                    self._writing = True
                    return self._lines() if self._full or not self._dropped else self._gap()
            self._bell.get()

    def _lines(self) -> tuple[bytes, int]:
        data = b"".join(self._waiting)
        self._waiting.clear()
        return data, 0

    def _gap(self) -> tuple[bytes, int]:
        told, self._dropped = self._dropped, 0
        sentence = f"{told:,} line{'s' * (told != 1)} dropped here: {self._why}"
        return b"\n" * self._torn + self._encoded(self._dress(sentence)), told

    def _write(self, data: bytes) -> int:
        """Write; return how many bytes of it could be written."""
        view, written = memoryview(data), 0
        try:
            while written < len(data):
                count = self._raw.write(view[written:])
                if not count:
                    time.sleep(AGAIN)
                written += count or 0
        except (OSError, ValueError) as error:  # ValueError: somebody has closed it
            self._why = getattr(error, "strerror", None) or str(error)
        return written

    def _done(self, data: bytes, written: int, told: int) -> None:
        with self._written:
            self._writing = False
            if written:
                self._torn = not data.endswith(b"\n", 0, written)
            self._broken = written < len(data)
            if self._broken:
                self._dropped += told or data.count(b"\n", written)
                self._dropped += self._lines()[0].count(b"\n")
            if not self._waiting:
                self._full = False
            self._size = sum(map(len, self._waiting))
            self._written.notify_all()
