"""Prints lines in a thread of its own: a terminal or a pipe that takes nothing holds nobody up (clause L10).

A server can print 100 MB a second. A disk, or a program behind a pipe, takes that too, but not in every
millisecond: it needs the processors on which the server and its clients run. So whoever prints messages
(write_patiently) keeps to one half of the queue, and where that is full waits as long as the stream moves;
the other half is for those who cannot wait, such as Twisted in a signal's handler. Once the stream has stood
still for a moment, nobody waits for it until it has caught up: so a paused terminal costs the server that
moment once, and a reader that creeps costs it one each time that the queue has become full.
"""

from __future__ import annotations

import atexit
import os
import stat
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

MAX_WAITING = 4 << 20
"""Bytes that may wait to be read: some 40,000 lines."""

PATIENT = MAX_WAITING // 2
"""Bytes that may wait before those who can wait do."""

PIECE = 256 * 1024
"""Bytes that are written at once. A blocked write() does not tell how far it is, so this is what a stream has
to take within PATIENCE; and each write ends with a wait for Python's lock, 5 ms at worst, so that much less
would be slow."""

PATIENCE = 0.1
"""Seconds that one waits for a stream that takes nothing: more than a process waits for its turn on a busy
machine, and less than people notice."""

FILE_PATIENCE = 1.0
"""The same for a file: nobody can pause a disk, but it may be busy for a while, and then takes all."""

LAST_WORDS = 1.0
"""Seconds, at the end, in which what waits is still written: half of what a stop may take."""

REST = 0.005
"""Seconds from one write to the next, unless there is a whole piece to be written. A line that comes alone is
written at once; but where lines come thick, for each of them this thread and the server's would take turns,
which costs more than all else that is done for a line."""

AGAIN = 0.05
"""Seconds until the next try where a stream that does not block is full: soon enough for eyes."""

UNREAD = "nobody read them in time"


class Writer:
    """Stands in for a stream of text, such as sys.stdout: write() only puts lines into a queue.

    stream: what is written to; its own buffers are passed by, so that their locks are free when the program
    ends. dress: makes a sentence a line of the log, with its newline; must take no lock. What does not fit
    into the queue, or cannot be written, is dropped in whole lines, and a line in its place says how many.
    May be used by all threads; what a thread writes stays in order.
    """

    def __init__(self, stream: Any, dress: Callable[[str], str]) -> None:
        self.encoding = stream.encoding or "utf-8"
        self._stream = stream
        self._raw = getattr(stream.buffer, "raw", stream.buffer)  # python -u: the buffer is the raw layer
        self._patience = FILE_PATIENCE if _is_file(stream) else PATIENCE
        self._dress = dress
        # A signal's handler may log while its thread does: so a lock that may be taken twice, a bell that may
        # be rung while it is rung, and a condition that the writer's thread alone notifies.
        self._lock = threading.RLock()
        self._written = threading.Condition(self._lock)
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._asleep = False  # the writer's thread waits for the bell
        self._waiting: list[bytes] = []
        self._size = 0  # bytes of what waits and of what is being written
        self._pieces = 0  # how many the stream has taken: it moves
        self._stopped = False  # it took none while somebody waited, and has not caught up since
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
        self._put(self._encoded(text))
        return len(text)

    def write_patiently(self, text: str) -> None:
        """As write(); but where much waits already, wait for a stream that moves.

        Not for a signal's handler, which may have come upon somebody who writes.
        """
        data = self._encoded(text)
        if self._size + len(data) > PATIENT:
            self._wait_for_room(len(data))
        self._put(data)

    def _wait_for_room(self, size: int) -> None:
        with self._written:
            # What is longer than that finds room when nothing else waits.
            while self._size and self._size + size > PATIENT and not self._stopped:
                before = self._pieces
                self._written.wait(self._patience)
                if self._pieces == before:
                    self._stopped = True

    def _put(self, data: bytes) -> None:
        size = len(data)  # now: a signal's handler must not come between what `+=` reads and writes
        with self._lock:
            # A line that is longer than the queue finds room when nothing else waits.
            if self._full or (self._size and self._size + size > MAX_WAITING):
                lines = data.count(b"\n")
                self._full, self._why = True, UNREAD
                self._dropped += lines
                return
            self._waiting.append(data)
            self._size += size
            if self._thread is None:
                self._start()
            asleep, self._asleep = self._asleep, False
        if asleep:
            self._bell.put(None)

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
        if os.linesep != "\n":
            text = text.replace("\n", os.linesep)
        return text.encode(self.encoding, "backslashreplace")

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, daemon=True, name="writer")
        thread.start()
        self._thread = thread
        atexit.register(self.end)

    def _run(self) -> None:
        while True:
            data, told = self._take()
            self._done(data, self._write(data, not told), told)
            if self._size < PIECE and self._deadline is None:
                time.sleep(REST)

    def _due(self) -> bool:
        """Is there anything to be written?"""
        return bool(self._waiting or (self._dropped and not self._broken))

    def _take(self) -> tuple[bytes, int]:
        """What is to be written next, and of how many dropped lines it tells: 0 where it is the lines."""
        while True:
            with self._lock:
                if self._due():
                    self._writing = True
                    return self._lines() if self._full or not self._dropped else self._gap()
                self._asleep = True
            self._bell.get()

    def _lines(self) -> tuple[bytes, int]:
        """Return a piece of what waits: all of it at once would be in memory twice."""
        if self._size <= PIECE:
            data = b"".join(self._waiting)
            self._waiting.clear()
            return data, 0
        count = size = 0
        while size < PIECE and count < len(self._waiting):
            size += len(self._waiting[count])
            count += 1
        data = b"".join(self._waiting[:count])
        del self._waiting[:count]
        return data, 0

    def _gap(self) -> tuple[bytes, int]:
        told, self._dropped = self._dropped, 0
        sentence = f"{told:,} line{'s' * (told != 1)} dropped here: {self._why}"
        return b"\n" * self._torn + self._encoded(self._dress(sentence)), told

    def _write(self, data: bytes, counts: bool) -> int:
        """Write; return how many bytes of it could be written. counts: they have had room in the queue."""
        view, written = memoryview(data), 0
        try:
            while written < len(data):
                count = self._raw.write(view[written : written + PIECE])
                if count:
                    written += count
                    self._moved(count if counts else 0)
                else:
                    time.sleep(AGAIN)
        except (OSError, ValueError) as error:  # ValueError: somebody has closed it
            self._why = getattr(error, "strerror", None) or str(error)
        return written

    def _moved(self, count: int) -> None:
        with self._written:
            self._pieces += 1
            self._size -= count
            if self._size <= PATIENT - 2 * PIECE:  # so that nobody is woken for each piece
                self._stopped = False
                self._written.notify_all()

    def _done(self, data: bytes, written: int, told: int) -> None:
        with self._written:
            self._writing = False
            if written:
                self._torn = not data.endswith(b"\n", 0, written)
            self._broken = written < len(data)
            if self._broken:
                self._dropped += told or data.count(b"\n", written)
                self._dropped += sum(waiting.count(b"\n") for waiting in self._waiting)
                self._waiting.clear()
                self._size, self._stopped = 0, False
            if not self._waiting:
                self._full = False
                self._written.notify_all()  # before that _moved() says when there is room


def _is_file(stream: Any) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False
