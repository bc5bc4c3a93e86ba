"""A server that is started for a round: finds its port, counts its processor time, ends all of it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from netlab import children, proc
from netlab.load.targets import CANNOT, CannotLoad
from netlab.wire.text import printable

PLACEHOLDER = "{port}"
"""What in a command becomes a port that is free."""

START = 10.0
"""Seconds for a server to listen: an interpreter that is loaded from a cold disk."""

POLITE = 3.0
"""Seconds between SIGTERM and SIGKILL: netlab's own servers take two at most to part with their clients."""

KILLED = 5.0
"""Seconds after which it is given up to end processes that SIGKILL does not end: the kernel holds them."""

NAP = 0.01
"""Seconds between two looks."""

MAX_OUTPUT = 64 << 20
"""Bytes of what it prints that are kept in a file, before the file is emptied: a server that prints each
message fills that in some seconds.
"""

READ = 1 << 16
"""Bytes of its output that are looked at."""


class Program:
    """A server in a session of its own. What it prints goes to a file: to read it would cost both of us time.

    Entering the context starts it and waits until it listens; leaving it ends it, with all of its session.
    """

    def __init__(
        self, command: Sequence[str], transport: str, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        """stopped: is it to end? Then it is not waited for any more, and `place` is none."""
        self._transport = transport
        self._stopped = stopped
        self._port = free_port(transport) if any(PLACEHOLDER in word for word in command) else None
        self._command = [word.replace(PLACEHOLDER, str(self._port)) for word in command]
        self._folder = TemporaryDirectory(prefix="netlab-load-", ignore_cleanup_errors=True)
        self._path = Path(self._folder.name, "output")
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self.place = ("127.0.0.1", 0)
        """Where it listens."""

    def __enter__(self) -> Program:
        try:
            self._start()
            self.place = self._wait_until_it_listens()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _start(self) -> None:
        see(self._command)
        with open(self._path, "ab") as output:  # so that it can be emptied while it is written to
            try:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise CannotLoad(
                    CANNOT, f"cannot run {printable(self._command[0])!r}: {error.strerror}"
                ) from None
        if os.name == "posix":
            self._guard = children.guard(self._process.pid)

    def _wait_until_it_listens(self) -> tuple[str, int]:
        deadline = time.monotonic() + START
        while not self._stopped():
            if (found := self._found()) is not None:
                return found
            if self._status() is not None:
                raise CannotLoad(CANNOT, f"{self._shown()} has ended: {self._said()}")
            if time.monotonic() > deadline:
                raise CannotLoad(
                    CANNOT,
                    f"{self._shown()} does not listen for {self._transport.upper()} within {START:g} s: "
                    f"{self._said()}",
                )
            time.sleep(NAP)
        return self.place

    def _found(self) -> tuple[str, int] | None:
        """Where it listens, if it does."""
        if proc.known():
            found = [
                (ip, port)
                for ip, port in proc.listening(self.pids(), self._transport)
                if self._port in (None, port)
            ]
            return _reachable(*min(found, key=lambda each: each[1])) if found else None
        port = self._port or self._printed_port()
        if port is None or (self._transport == "tcp" and not _accepts(port)):
            return None
        return "127.0.0.1", port

    def _printed_port(self) -> int | None:
        """The port in the first line that speaks of listening, where the system does not tell."""
        found = re.search(r"(?i)listen[^\n]*?[: ](\d{2,5})(?!\.?\d)", self._output())
        return int(found[1]) if found else None

    def pids(self) -> list[int]:
        """Its processes."""
        if self._process is None:
            return []
        return proc.processes(self._process.pid) or [self._process.pid]

    def tidy(self) -> None:
        """Empty the file of its output where that has become long."""
        with suppress(OSError):
            if os.path.getsize(self._path) > MAX_OUTPUT:
                os.truncate(self._path, 0)

    def trouble(self, seconds: float) -> str:
        """How it has ended, if it has, or does within so many seconds; else nothing."""
        deadline = time.monotonic() + seconds
        while self._status() is None and time.monotonic() < deadline:
            time.sleep(NAP)
        return "" if self._status() is None else f"{self._shown()} has ended: {self._said()}"

    def end(self) -> None:
        """End it, with SIGTERM first."""
        process = self._process
        if process is None:
            return
        for number, seconds in (("SIGTERM", POLITE), ("SIGKILL", KILLED)):
            deadline = time.monotonic() + seconds
            self._signal(getattr(signal, number, signal.SIGTERM))
            while self._lives() and time.monotonic() < deadline:
                time.sleep(NAP)
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(KILLED)
        self._process = None
        self._folder.cleanup()

    def _signal(self, number: int) -> None:
        assert self._process is not None
        with suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, number)
            else:
                self._process.kill()

    def _lives(self) -> bool:
        """Is anybody of its session there? It is not reaped before: its number stays its own."""
        assert self._process is not None
        if not proc.known():
            return self._process.poll() is None
        return bool(proc.processes(self._process.pid))

    def _status(self) -> int | None:
        """The exit status of its first process, negative for a signal; None while it runs."""
        assert self._process is not None
        return children.status(self._process)

    def _shown(self) -> str:
        return printable(" ".join(self._command))

    def _said(self) -> str:
        """How it has ended, and the last that it printed."""
        status = self._status()
        how = "" if status is None else f"status {status}" if status >= 0 else f"signal {-status}"
        lines = self._output().strip().splitlines()
        last = printable(lines[-1].strip()) if lines else "it has printed nothing"
        return f"{how}; {last}" if how else last

    def _output(self) -> str:
        with suppress(OSError), open(self._path, "rb") as file:
            file.seek(max(0, os.path.getsize(self._path) - READ))
            return file.read(READ).decode("utf-8", "backslashreplace")
        return ""


def see(command: Sequence[str]) -> None:
    """See that there is such a command. Raises CannotLoad."""
    name = command[0]
    if shutil.which(name) is None:
        exists = os.path.dirname(name) and os.path.exists(name)
        why = "cannot be run: it is no program" if exists else "is no command: check its name, or its path"
        hint = f"; python3 {name}?" if exists and name.endswith(".py") else ""
        raise CannotLoad(CANNOT, f"{printable(name)!r} {why}{hint}")


def free_port(transport: str) -> int:
    """A port that nobody has at the moment."""
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def owners(port: int, transport: str) -> list[int]:
    """The processes that wait for clients at a port of this machine's, as far as the system tells us."""
    inodes = {each.inode for each in proc.sockets(transport) if each.waits and each.local[1] == port}
    return [
        pid
        for pid in (proc.pids() if inodes else [])
        if any(proc.inode(target) in inodes for target in proc.descriptors(pid).values())
    ]


def processor(pids: Collection[int]) -> float | None:
    """The seconds of processor time that processes have used; None where that is not known."""
    ticks = proc.cpu_ticks(pids)
    return None if ticks is None else ticks / os.sysconf("SC_CLK_TCK")


def _reachable(ip: str, port: int) -> tuple[str, int]:
    """Where a program can be reached that listens there."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(ip, ip), port


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
