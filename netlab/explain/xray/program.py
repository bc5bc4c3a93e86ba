"""The program that is watched: starts it, keeps or passes on what it prints, ends all of it."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import IO

from netlab import proc
from netlab.explain.xray.look import children, processes
from netlab.namespace import end_with_parent

POLITE = 3.0
"""Seconds between SIGTERM and SIGKILL: netlab's own servers take two at most to part with their clients."""

KILLED = 5.0
"""Seconds after which it is given up to end processes that SIGKILL does not end: the kernel holds them."""

NAP = 0.01  # seconds between two looks for an end

KEPT_LINES = 200
"""Lines of what it prints that are kept: a traceback and what came before it."""

MAX_LINE = 1000
"""Characters of a line that are kept."""

CHUNK = 1 << 16
_ADOPT_ORPHANS = 36  # of prctl


class CannotStart(Exception):
    """The program cannot be started; the argument says why and what to do, in one line."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Program:
    """A program in a session of its own. Leaving the context ends it, and all that descends from it.

    Its descendants stay ours even when they become daemons: orphans are adopted. So what is to be watched is
    what descends from this very process, and the right to watch it is a parent's.
    """

    def __init__(self, command: Sequence[str], keep: bool) -> None:
        """keep: keep the last lines that it prints; else they go to standard error. Raises CannotStart."""
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        """The last of what it printed; the line that is last may not be whole."""
        self.status: int | None = None
        """The exit status of its first process, as a shell tells it; None while it runs."""
        self._ours = int(os.readlink("/proc/self"))  # /proc may be that of another PID namespace
        self._output: IO[bytes] | None = None
        self._reader: threading.Thread | None = None
        _check(command)
        _adopt_orphans()
        try:
            self._process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE if keep else sys.stderr,
                stderr=subprocess.STDOUT if keep else sys.stderr,
                bufsize=0,
                env={"PYTHONUNBUFFERED": "1", **os.environ},  # what was printed is to be seen when it was
                start_new_session=True,
                preexec_fn=end_with_parent,
            )
        except OSError as error:
            raise CannotStart(
                126, f"{command[0]!r} cannot be run: {error.strerror}{_hint(command[0])}"
            ) from None
        if keep:
            assert self._process.stdout is not None
            self._output = self._process.stdout
            self._reader = threading.Thread(target=self._read, daemon=True)
            self._reader.start()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def roots(self) -> list[int]:
        """Its first processes: those whose parent we are."""
        return children(self._ours)

    def over(self) -> bool:
        """Has all of it ended?"""
        self._reap()
        return self.status is not None and not processes(self.roots())

    def end(self, hurry: bool = False) -> None:
        """End it, with SIGTERM first unless there is no time."""
        begun = time.monotonic()
        self._signal(signal.SIGKILL if hurry else signal.SIGTERM)
        while not self.over():
            passed = time.monotonic() - begun
            if passed > POLITE + KILLED:
                break
            if hurry or passed > POLITE:
                self._signal(signal.SIGKILL)
            time.sleep(NAP)
        if self._reader is not None:
            self._reader.join(1)  # what was printed is in the pipe

    def _signal(self, number: int) -> None:
        """Send a signal to all of it: by groups, so that nobody forks away meanwhile."""
        groups = set()
        for pid in processes(self.roots()):
            with suppress(OSError):
                groups.add(os.getpgid(_here(pid)))
        for group in groups - {0, 1, os.getpgrp()}:
            with suppress(OSError):
                os.killpg(group, number)

    def _reap(self) -> None:
        """Let go of those that have ended: the first process, and orphans that we have adopted."""
        if self.status is None and (status := self._process.poll()) is not None:
            self.status = status if status >= 0 else 128 - status
        for pid in self.roots():
            here = _here(pid)
            if here != self._process.pid and not proc.lives(pid):
                with suppress(OSError):
                    os.waitpid(here, os.WNOHANG)

    def _read(self) -> None:
        """Keep the last lines; in a thread of its own, so that the program never waits for us."""
        assert self._output is not None
        last = b""
        with suppress(OSError, ValueError):
            while data := os.read(self._output.fileno(), CHUNK):
                *whole, rest = (last + data).split(b"\n")
                if last:
                    self.lines.pop()
                last = rest[:MAX_LINE]
                for line in [*whole, *([last] if last else [])]:
                    self.lines.append(line[:MAX_LINE].decode("utf-8", "surrogateescape").rstrip("\r"))


def _check(command: Sequence[str]) -> None:
    """Before anything is begun. Raises CannotStart."""
    name = command[0]
    if shutil.which(name) is None:
        if os.path.dirname(name) and os.path.exists(name):
            raise CannotStart(126, f"{name!r} cannot be run: it is no program{_hint(name)}")
        raise CannotStart(127, f"there is no command {name!r}: check its name, or its path{_hint(name)}")


def _hint(name: str) -> str:
    return f"; python3 {name}?" if name.endswith(".py") and os.path.isfile(name) else ""


def _here(pid: int) -> int:
    """The number by which we know a process that /proc knows by this one: in a PID namespace of our own that
    has kept the /proc of another, they differ.
    """
    ours, its = _numbers("self"), _numbers(f"{pid}")
    return its[len(ours) - 1] if 0 < len(ours) <= len(its) else pid


def _numbers(pid: str) -> list[int]:
    """The numbers of a process, in the namespace of /proc and in each further one that it is in."""
    for line in proc.read(f"{pid}/status").splitlines():
        if line.startswith(b"NSpid:"):
            return [int(number) for number in line.split()[1:]]
    return []


def _adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends. Where that is not to be had, daemons are
    lost sight of.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_ADOPT_ORPHANS, ctypes.c_ulong(1), *map(ctypes.c_ulong, (0, 0, 0)))
