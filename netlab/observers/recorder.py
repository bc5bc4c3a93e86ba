"""Records what a program saw at its sockets in a pcapng file; no traffic waits for it."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from netlab import __version__
from netlab.events import (
    ChunkReceived,
    ChunkSent,
    Closed,
    Discarding,
    Expired,
    HalfClosed,
    Listener,
    Opened,
    PeerHalfClosed,
    TurnedAway,
)
from netlab.observers import pcapng
from netlab.observers.dialects import Dialect
from netlab.observers.rebuild import Rebuild
from netlab.observers.streams import in_bytes

MAX_WAITING = 64 << 20
"""Bytes that may wait to be written: some seconds of a disk that is busy, and no more of memory than that."""

AN_EVENT = 512
"""Bytes that an event is counted as, besides its data."""

LAST_WORDS = 0.75
"""Seconds, at the end, in which what waits is still written: a server promises to stop within two."""

LAST_EVENT = 0.25
"""Seconds in which the event that is being written then is completed, so that the file is whole."""

EVENTS = (
    Opened,
    TurnedAway,
    ChunkReceived,
    ChunkSent,
    Expired,
    Discarding,
    HalfClosed,
    PeerHalfClosed,
    Closed,
)

STANDARD_OUTPUT = "-"

COMMENT = (
    "Reconstructed, not captured: netlab has rebuilt these packets from what it saw at its own sockets. The "
    "bytes and their order are real; the segments' bounds, acknowledgements and handshakes are made up."
)


class CannotRecord(Exception):
    """There is no file to record in; the argument is the one line that says why and what to do."""


class Recorder:
    """Writes the events of the wire as packets. To be told on one thread.

    name: the file's path, or `-` for standard output, which is then the recording's alone: what is printed
    goes to standard error. program: whose sockets they are. dialect, is_server: what is spoken, and on which
    side. tell: takes a line that is for people, and whether it warns; may be called in the recorder's own
    thread. now: nanoseconds since 1970. Raises CannotRecord.
    """

    def __init__(
        self,
        name: str,
        program: str,
        dialect: Dialect,
        is_server: bool,
        tell: Callable[[str, bool], None],
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self._file = _standard_output() if name == STANDARD_OUTPUT else _opened(name)
        self._name = "standard output" if name == STANDARD_OUTPUT else name
        self._rebuild = Rebuild(dialect, is_server)
        self._tell = tell
        self._now = now
        self._is_regular = stat.S_ISREG(os.fstat(self._file).st_mode)
        self._written = 0
        self._count = 0
        self._changed = threading.Condition()
        self._waiting: deque[tuple[int, Any]] = deque()
        self._size = 0
        self._thread: threading.Thread | None = None
        self._closing = False
        self._ended = False
        try:
            self._write(pcapng.head(COMMENT, f"netlab {__version__}", program, "reconstructed, not captured"))
        except OSError as error:
            raise CannotRecord(f"cannot record in {self._name}: {error.strerror}") from None

    def listens(self) -> Mapping[type, Listener]:
        return dict.fromkeys(EVENTS, self.happened)

    def happened(self, event: Any) -> None:
        """Take an event; the recorder's thread writes it."""
        size = _size(event)
        with self._changed:
            if self._ended or self._closing:
                return
            if self._size + size > MAX_WAITING:
                self._end(f"{self._size >> 20} MiB wait to be written: the disk, or who reads, is too slow")
                return
            self._waiting.append((self._now(), event))
            self._size += size
            self._changed.notify()
            if self._thread is None:
                # Not before: when a server becomes a daemon, its threads are left behind.
                self._thread = threading.Thread(target=self._run, daemon=True, name="netlab recorder")
                self._thread.start()

    def close(self) -> None:
        """Write what waits, for LAST_WORDS at most, and say what was recorded."""
        with self._changed:
            if self._closing:
                return
            self._closing = True
            self._changed.notify()
        if self._thread is None:
            os.close(self._file)
        elif not self._ended:
            self._thread.join(LAST_WORDS)
        with self._changed:
            if self._ended:
                return
            self._ended = True
            self._waiting.clear()
        if self._thread is None or not self._thread.is_alive():
            self._tell(f"Recorded {self._count:,} packets in {self._name}{self._advice()}", False)
            return
        self._thread.join(LAST_EVENT)
        self._tell(
            f"{self._end_of_file()}: the program stops, and {in_bytes(self._size)} of what it saw are not "
            "written",
            True,
        )

    def _advice(self) -> str:
        return f"; look at them: wireshark {self._name}" if self._is_regular and self._count else ""

    def _run(self) -> None:
        try:
            while (taken := self._take()) is not None:
                at, event = taken
                packets = list(self._rebuild.packets(event))
                self._write(b"".join(pcapng.packet(at, *packet) for packet in packets))
                self._count += len(packets)
        except OSError as error:
            if self._is_regular:
                with contextlib.suppress(OSError):  # where the disk itself is gone
                    # A packet that is not whole would be a complaint.
                    os.ftruncate(self._file, self._written)
            gone = error.errno in (errno.EPIPE, errno.EINVAL)  # EINVAL: on Windows
            why = "nobody reads it any more" if gone and not self._is_regular else error.strerror
            self._end(str(why))
        except Exception as error:
            self._end(f"an error in netlab, {error!r}")
        finally:
            os.close(self._file)

    def _take(self) -> tuple[int, Any] | None:
        """The next event; None when there will be none."""
        with self._changed:
            while not self._waiting and not self._closing and not self._ended:
                self._changed.wait()
            if self._ended or not self._waiting:
                return None
            at, event = self._waiting.popleft()
            self._size -= _size(event)
            return at, event

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]
        self._written += len(data)

    def _end(self, why: str) -> None:
        """Record no more: said once."""
        with self._changed:  # a lock that may be taken twice
            if self._ended:
                return
            self._ended = True
            self._waiting.clear()
            self._changed.notify()
            self._tell(f"{self._end_of_file()}: {why}; all else goes on", True)

    def _end_of_file(self) -> str:
        return f"The recording in {self._name} ends here, after {self._count:,} packets"


def _size(event: Any) -> int:
    """Bytes that an event takes while it waits."""
    return AN_EVENT + len(getattr(event, "data", b""))


def _opened(name: str) -> int:
    # Not blocking: a named pipe that nobody reads would be waited for, for ever.
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        file = os.open(name, flags, 0o666)
    except OSError as error:
        why = "nobody reads this pipe" if error.errno == errno.ENXIO else error.strerror
        raise CannotRecord(f"cannot record in {name}: {why}; choose another file for --record") from None
    if hasattr(os, "O_NONBLOCK"):
        os.set_blocking(file, True)
    return file


def _standard_output() -> int:
    if sys.stdout is None:
        raise CannotRecord("cannot record: there is no standard output; give --record a file")
    if sys.stdout.isatty():
        raise CannotRecord(
            "cannot record on a terminal: pipe it, --record - | wireshark -k -i -, or give it a file"
        )
    sys.stdout.flush()
    file = os.dup(1)
    os.dup2(2, 1)
    return file
