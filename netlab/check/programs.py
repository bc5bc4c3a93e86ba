"""Starts what is to be judged, keeps what it writes, sees when it is ready or at rest, and ends it whole."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from netlab import PORT, children, proc
from netlab.check import kernel
from netlab.check.output import Input, Output, last_line, raised

MEMORY = 4 << 30
"""Bytes that each process may have to write to: a thread reserves 8 MiB for its stack, and a class of 200
clients needs 200 of them. What is only mapped does not count, since runtimes map far more than they use.
"""

PROCESSOR = 120
"""Seconds of processor time for each process: a check needs a few, and an endless loop is to end."""

DESCRIPTORS = 1024
"""Open descriptors for each process: what most systems give, and room for a class of clients."""

POLITE = 0.2
"""Seconds between SIGTERM and SIGKILL: who handles SIGTERM has closed its sockets by then."""

KILLED = 5.0
"""Seconds after which it is given up to end processes that SIGKILL does not end: the kernel holds them."""

LOOK = 0.02
"""Seconds between two looks at a program. In so long a server at rest does nothing."""

RESTING = 0.05
"""The share of a processor below which a program is at rest: one that polls every millisecond uses less."""

BUSY = 10
"""How many times as long a program may take that is at work: a slow import, a machine with other work."""

AT_ONCE = 5.0
"""Seconds within which an end is called one at once."""

SETTLED = 0.5
"""Seconds that a program gets where the system does not tell what listens: to bind, or to fail at it."""

MARK = "NETLAB_CHECKED"
"""The environment variable that says which program a process belongs to."""

NAP = 0.005  # seconds between two looks for an end

UNIX = os.name == "posix"


class Limits(NamedTuple):
    """What each process of a program may use."""

    memory: int = MEMORY
    """Bytes that can be written to."""
    cpu: int = PROCESSOR
    """Seconds of processor time; then SIGXCPU ends it."""
    descriptors: int = DESCRIPTORS


USUAL = Limits()


class CannotStart(Exception):
    """The program cannot be started; the argument says why and what to do, in one line."""


class NotListening(Exception):
    """The program does not listen; the argument says why and what to do, in one line."""


class Program:
    """A program in a session of its own, so that it can be ended with all that it started.

    Leaving the context ends it. What leaves the session (a daemon) is still known by a mark in its
    environment, on Linux; a process that leaves the session and clears its environment is lost: only a PID
    namespace would hold it. If we are killed, a guard kills its process group.
    """

    def __init__(
        self,
        command: Sequence[str],
        limits: Limits = USUAL,
        stdin: bool = False,
        folder: Path | None = None,
    ) -> None:
        """stdin: it gets a pipe to read from, else nothing. folder: where it runs, and where a relative path
        of the command begins.
        """
        self.command = list(command)
        self.stdout = Output()
        self.stderr = Output()
        self.limits_apply = UNIX
        """Is it held to its limits? Not on Windows, and of memory on Linux only."""
        self._limits = limits
        self._stdin = stdin
        self._folder = folder
        self._mark = os.urandom(8).hex()
        self._process: subprocess.Popen[bytes] | None = None
        self._input: Input | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._begun = 0.0
        self._ended = False

    def __enter__(self) -> Program:
        found = _runnable(self.command, self._folder)
        command = _limited(self.command, self._limits) if UNIX else [found, *self.command[1:]]
        self._begun = time.monotonic()
        try:
            with _uninterrupted():
                self._start(command)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise CannotStart(f"cannot run {self.command[0]!r}: {why}") from None
        except BaseException:
            self.end()
            raise
        return self

    def _start(self, command: Sequence[str]) -> None:
        self._process = process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if self._stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=self._folder,
            env={**os.environ, **_ENVIRONMENT, MARK: self._mark},
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        assert process.stdout is not None
        assert process.stderr is not None
        self.stdout.begin(process.stdout)
        self.stderr.begin(process.stderr)
        if process.stdin is not None:
            self._input = Input(process.stdin)
        if UNIX:
            self._guard = children.guard(process.pid)

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def pids(self) -> list[int]:
        """Its living processes: those of its session, or, when nobody is there any more, those that left it.

        Where the system does not tell, its first process.
        """
        if self._process is None or self._ended:
            return []
        if not proc.known():
            return [self._process.pid] if self.alive else []
        return proc.processes(self._process.pid) or self._lost()

    @property
    def alive(self) -> bool:
        """Does its first process run?"""
        return self._process is not None and self.status is None

    @property
    def status(self) -> int | None:
        """The exit status of its first process, negative for the signal that ended it; None while it runs."""
        # It is reaped in end() only, which another thread may have called meanwhile.
        return None if self._process is None else children.status(self._process)

    def ended(self, seconds: float) -> bool:
        """Wait so long for the end of its first process."""
        return _until(lambda: not self.alive, seconds)

    def end(self) -> None:
        """End it, with all processes that it started."""
        process = self._process
        if process is None or self._ended:
            return
        if UNIX:
            self._signal(signal.SIGTERM)
            _until(lambda: not self._members(), POLITE)
            # Twice: who forks and ends all the time may be missed by one look.
            _until(lambda: not self._signal(signal.SIGKILL) and not self._signal(signal.SIGKILL), KILLED)
        else:
            with suppress(OSError, subprocess.TimeoutExpired):
                tree = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
                subprocess.run(tree, check=False, capture_output=True, timeout=KILLED)
            process.kill()
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(KILLED)
        self._ended = True
        self.end_input()
        self.stdout.finish()
        self.stderr.finish()

    def feed(self, text: str) -> bool:
        """Give it this to read from its standard input, without waiting. Returns False, and gives nothing,
        where 16 MiB wait to be read. Raises ValueError where it was started without.
        """
        if self._input is None:
            raise ValueError("it was started without an input")
        return self._input.feed(text.encode("utf-8", "surrogateescape"))

    def end_input(self) -> None:
        """Let its standard input end after what was fed."""
        if self._input is not None:
            self._input.end()

    def resting(self) -> bool | None:
        """Was nobody of it at work, in two looks and the time between? None where that cannot be known."""
        before = self.pids
        if not before:
            return None if self.alive else True
        spent = kernel.cpu_time(before)
        if kernel.at_work(before):
            return False
        began = time.monotonic()
        time.sleep(LOOK)
        after = self.pids
        since = kernel.cpu_time(after)
        if spent is None or since is None:
            return None if self.alive else True
        little = (time.monotonic() - began) * RESTING
        return before == after and not kernel.at_work(after) and abs(since - spent) <= little

    def listen(self, transport: str, port: int | None, seconds: float) -> tuple[str, int]:
        """Wait until it listens; return the IP address and the port to reach it at.

        transport: `tcp` or `udp`. port: the only one that counts; with None any does, the guide's before
        others. seconds: how long it may do nothing; while it is at work, ten times as long. Raises
        NotListening.
        """
        if not proc.known():
            return self._reached(transport, port or PORT, seconds)
        begun = looked = time.monotonic()
        idle = 0.0
        while idle < seconds and looked - begun < BUSY * seconds:
            pids = self._members()
            if found := _preferred(proc.listening(pids, transport), port):
                return _reachable(*found, transport)
            if not self.alive and not pids and not self._members():  # twice: a daemon may be on its way
                raise NotListening(self._why_ended(transport, port))
            time.sleep(LOOK)
            now = time.monotonic()
            if not kernel.at_work(pids):
                idle += now - looked
            looked = now
        raise NotListening(self._why_not(transport, port, seconds))

    def last_error(self, since: int = 0) -> str | None:
        """The last exception that it wrote a traceback of to standard error, since a mark: its name and the
        first line of its message, safe to print.
        """
        found = self.errors(since)
        return found[-1] if found else None

    def errors(self, since: int = 0) -> list[str]:
        """All of them, in order; of a chain of exceptions each."""
        return raised(self.stderr.since(since))

    def _members(self) -> list[int]:
        """All processes that could be found, wherever they have gone."""
        return list({*self.pids, *self._lost()})

    def _lost(self) -> list[int]:
        return kernel.marked(f"{MARK}={self._mark}")

    def _signal(self, number: int) -> bool:
        """Send a signal to all of it; is there anybody? By groups, so that nobody forks away meanwhile."""
        assert self._process is not None
        members = self._members()
        groups = {self._process.pid}
        for pid in members:
            with suppress(OSError):
                groups.add(os.getpgid(pid))
        for group in groups - {0, 1, os.getpgrp()}:  # these would be others
            with suppress(OSError):
                os.killpg(group, number)
        return bool(members)

    def _reached(self, transport: str, port: int, seconds: float) -> tuple[str, int]:
        """What listen() does where the system does not tell."""
        if transport == "udp":
            _until(lambda: bool(self.stdout.mark() or self.stderr.mark()) or not self.alive, SETTLED)
        elif not _until(lambda: _accepts(port) or not self.alive, seconds):
            raise NotListening(f"nothing listens on TCP port {port} within {seconds:g} s{self._said('; ')}")
        if self.ended(SETTLED):  # it may be another program that answers
            raise NotListening(self._why_ended(transport, port))
        return "127.0.0.1", port

    def _why_ended(self, transport: str, port: int | None) -> str:
        status = self.status or 0
        how = f"with status {status}" if status >= 0 else f"by {_signal_name(-status)}"
        if -status == getattr(signal, "SIGXCPU", None):
            how += f", after {self._limits.cpu} s of processor time"
        when = "at once " if time.monotonic() - self._begun < AT_ONCE else ""
        line = f"it ended {when}{how}: {self._said() or 'it wrote nothing'}"
        if re.search("Address already in use|WinError 10048", self.stderr.text + self.stdout.text):
            line += f": {_in_use(transport, port or PORT)}"
        return line

    def _why_not(self, transport: str, port: int | None, seconds: float) -> str:
        on = f" on port {port}" if port else ""
        line = f"it does not listen for {transport.upper()}{on} within {seconds:g} s"
        pids = self._members()
        other = {"tcp": "udp", "udp": "tcp"}[transport]
        if found := _preferred(proc.listening(pids, transport), None):
            return f"{line}; it listens on {transport.upper()} port {found[1]}: give that one"
        if found := _preferred(proc.listening(pids, other), None):
            return f"{line}; it listens on {other.upper()} port {found[1]}: check {other}?"
        if kernel.at_work(pids):
            line += ", and is still at work"
        return line + self._said("; the last that it wrote: ")

    def _said(self, before: str = "") -> str:
        """The last exception, or the last line that it wrote, behind these words; nothing if it is silent."""
        said = self.last_error() or last_line(self.stderr.text) or last_line(self.stdout.text)
        return before + said if said else ""


_ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",  # what was printed is there when it was printed
    "PYTHONIOENCODING": "utf-8",
    "PYTHONDONTWRITEBYTECODE": "1",  # nothing is left in a student's folder
    "PYTHON_COLORS": "0",
}


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold back the signals that end netlab while a process is started: it could not be ended yet."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    held: list[int] = []
    names = ("SIGINT", "SIGTERM", "SIGHUP")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = [signal.signal(number, lambda number, _: held.append(number)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
        for came in held:
            signal.raise_signal(came)


def _runnable(command: Sequence[str], folder: Path | None) -> str:
    """The path of the command. Raises CannotStart where it is none, before anything else is begun."""
    if not command:
        raise CannotStart("there is no command: give one after `--`")
    if folder is not None and not folder.is_dir():
        raise CannotStart(f"there is no folder {str(folder)!r}")
    name = command[0]
    at = os.path.join(folder or "", name) if os.path.dirname(name) else name
    found = shutil.which(at)
    if found is None:
        if os.path.dirname(name) and os.path.exists(at):
            with_what = f": python3 {name}?" if name.endswith(".py") else ""
            raise CannotStart(f"{name!r} cannot be run: it is no program{with_what}")
        raise CannotStart(f"there is no command {name!r}: check its name, or its path")
    with suppress(OSError), open(found, "rb") as file:
        beginning = file.read(512)
        if UNIX and not beginning.startswith(b"#!") and b"\0" not in beginning:
            # A shell would take it for a shell's script, and Python's `import` is a program of ImageMagick's.
            raise CannotStart(f"{name!r} does not say in a first line #!... what runs it: python3 {name}?")
    return found


def _limited(command: Sequence[str], limits: Limits) -> list[str]:
    """The command behind a shell that sets the limits and becomes it, since Python code between fork and exec
    may hang where there are threads. A limit that a system does not have is left out.
    """
    each = (
        "-c 0",
        f"-S -t {limits.cpu}",
        f"-H -t {limits.cpu + 1}",  # else SIGKILL ends it, and nobody knows why
        f"-d {limits.memory >> 10}",
        f"-n {limits.descriptors}",
    )
    script = "".join(f"ulimit {limit} 2>/dev/null || :; " for limit in each)
    return ["/bin/sh", "-c", script + 'exec "$@"', "netlab", *command]


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(NAP)
    return True


def _preferred(found: Sequence[kernel.Address], port: int | None) -> tuple[Collection[str], int] | None:
    """Of what listens: the IP addresses of the wanted port, or of the likeliest one."""
    ports = {each for _, each in found if port in (None, each)}
    if not ports:
        return None
    best = min(ports, key=lambda each: (each != PORT, each < 1024, each))
    return [ip for ip, each in found if each == best], best


def _reachable(ips: Collection[str], port: int, transport: str) -> tuple[str, int]:
    """The address to reach a program at that listens at these on one port."""
    if "127.0.0.1" in ips or "0.0.0.0" in ips:
        return "127.0.0.1", port
    if "::" in ips:
        return "127.0.0.1" if _takes_ipv4(port, transport) else "::1", port
    return min(ips, key=lambda ip: (":" in ip, ip)), port


def _takes_ipv4(port: int, transport: str) -> bool:
    """Does who listens on all of IPv6 have the port of IPv4, too? Then nobody else can."""
    kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), SETTLED).close()
    except OSError:
        return False
    return True


def _in_use(transport: str, port: int) -> str:
    if any(each == port for _, each in proc.listening(None, transport)):
        return f"another program has port {port}, end it first"
    if proc.known() and transport == "tcp":
        return "former connections still rest there, set SO_REUSEADDR before bind"
    return "another program has its port, or had it a moment ago"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
