"""Processes that are measured: started on a core of their own, watched, and ended; what they use and what
they print.

Linux only: CPU time and memory of another process are read from the kernel.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from benchmarks.servers import PEERS, ROOT

PATIENCE = 20.0
"""Seconds within which a server must listen, and output must come to rest."""

LISTENS = re.compile(rb"Listening on \S*:(\d+)")

PRINTED = b"Received ver: "
"""What each message's line holds, whoever prints it (docs/protocol.md, L2)."""

DROPPED = re.compile(rb"\[writer\] (\d+) lines? dropped here")
"""What netlab's log says in the place of lines that nobody read in time (L10)."""

REST = 0.3
"""Seconds without a new byte after which output counts as complete."""

PIECE = 1 << 20
"""Bytes of output that are looked at at once."""


class Failed(Exception):
    """A run came to nothing, or is not to be counted; the text is one line that says why."""


class Cores:
    """Which core the server has and which the load: the first and the last of those that we may use."""

    def __init__(self) -> None:
        allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        several = len(allowed) > 1
        self.server: int | None = allowed[0] if several else None
        self.load: int | None = allowed[-1] if several else None

    @property
    def told(self) -> str:
        """What a reader must know about it."""
        if self.server is None:
            return "server and load share what cores there are: nothing could be pinned"
        return f"the server pinned to core {self.server}, the load to core {self.load}"

    def for_server(self) -> AbstractContextManager[None]:
        """What this thread starts in here runs on the server's core."""
        return self._on(self.server)

    def for_load(self) -> AbstractContextManager[None]:
        """What this thread starts in here runs on the load's core."""
        return self._on(self.load)

    @contextmanager
    def _on(self, core: int | None) -> Iterator[None]:
        if core is None:
            yield
            return
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {core})
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)


class Output:
    """What a process prints: how much, how many messages, how many lines it said it dropped; when it last
    grew.
    """

    def __init__(self) -> None:
        self.size = self.lines = self.dropped = 0
        self.grown = time.time()
        self.start = b""
        """Its first bytes: where it listens stands there."""
        self._line = b""  # the beginning of one

    def take(self, data: bytes) -> None:
        """Count a piece of it."""
        self.grown = time.time()
        self.size += len(data)
        if len(self.start) < PIECE:
            self.start += data
        whole, newline, rest = data.rpartition(b"\n")
        if not newline:
            self._line += data
            return
        whole = self._line + whole
        self._line = rest
        self.lines += whole.count(PRINTED)
        self.dropped += sum(int(found[1]) for found in DROPPED.finditer(whole))

    def look(self) -> None:
        """Take what has come. Where a thread does that there is nothing to do."""

    def settle(self) -> None:
        """Wait until it has come to rest. Raises Failed."""
        deadline = time.time() + PATIENCE
        self.look()
        while time.time() - self.grown < REST:
            if time.time() > deadline:
                raise Failed(f"its output did not come to rest within {PATIENCE:g} s")
            time.sleep(0.02)
            self.look()

    def close(self) -> None:
        """Let go of it."""


class FileOutput(Output):
    """Output that goes to a file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.target = path.open("wb")
        self._file = path.open("rb")

    def look(self) -> None:
        while data := self._file.read(PIECE):
            self.take(data)
            self.grown = os.fstat(self._file.fileno()).st_mtime  # it was written before it was looked at

    def close(self) -> None:
        self._file.close()


class PipeOutput(Output):
    """Output that goes to a pipe, which is read as it comes."""

    def __init__(self) -> None:
        super().__init__()
        reader, writer = os.pipe()
        self.target = os.fdopen(writer, "wb")
        self._file = os.fdopen(reader, "rb", buffering=0)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while data := self._file.read(PIECE):
            self.take(data)

    def close(self) -> None:
        self._thread.join(PATIENCE)
        self._file.close()


class Process:
    """A server in a fresh process. Leaving the context ends it."""

    def __init__(self, command: Sequence[str], cores: Cores, folder: Path, output: str = "file") -> None:
        places = [str(ROOT), str(PEERS / "empty"), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}
        self.output = PipeOutput() if output == "pipe" else FileOutput(folder / "output")
        self.started = time.time()
        target: BinaryIO = self.output.target
        try:
            with cores.for_server(), target:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=target,
                    stderr=subprocess.STDOUT,
                    cwd=folder,
                    env=environment,
                )
        except OSError as error:
            self.output.close()
            raise Failed(f"it cannot be started: {error}") from None
        self.pid = self._process.pid

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)
        self.output.close()

    def listening(self) -> int:
        """Wait until it says where it listens; return the port. Raises Failed."""
        deadline = self.started + PATIENCE
        while (found := LISTENS.search(self.output.start)) is None:
            if self._process.poll() is not None or time.time() > deadline:
                self.output.look()
                last = self.output.start.decode("utf-8", "backslashreplace").strip().rpartition("\n")[2]
                raise Failed(f"it does not listen: {last or 'it says nothing'}")
            time.sleep(0.001)
            self.output.look()
        return int(found[1])

    def seconds(self) -> float:
        """The CPU time that it has used, of all its threads, user and system: as /proc/PID/stat has it, but
        from the process's own clock, which counts nanoseconds where the file counts hundredths of a second.
        Raises Failed where it has ended.
        """
        try:
            return (
                time.clock_gettime_ns((~self.pid << 3) | 2) / 1e9
            )  # clock_getcpuclockid(3): CPUCLOCK_SCHED is 2
        except OSError:
            raise Failed("it has ended before it was measured") from None

    def memory(self) -> int:
        """Its resident memory in bytes. Raises Failed where it has ended."""
        try:
            fields = Path(f"/proc/{self.pid}/smaps_rollup").read_text("ascii")
        except OSError:
            raise Failed("its memory cannot be read") from None
        found = re.search(r"^Rss: +(\d+) kB$", fields, re.MULTILINE)
        if found is None:
            raise Failed("its memory cannot be read")
        return int(found[1]) * 1024
