"""Start the real twistd in a process of its own, read its log, and talk to it over real sockets.

The environment chooses what these tests run on: NETLAB_TEST_RUNNER is twistd or twist, NETLAB_TEST_REACTOR
any name that their --reactor takes.
"""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent
PLAIN = ROOT / "tests" / "plain"
RUNNER = os.environ.get("NETLAB_TEST_RUNNER", "twistd")
REACTOR = os.environ.get("NETLAB_TEST_REACTOR")

PATIENCE = 30.0
"""Seconds that a test waits for what should come at once: what a busy machine may need."""


def script(name: str) -> str:
    """The path of a command that was installed with the Python that runs the tests."""
    return str(Path(sysconfig.get_path("scripts")) / name)


def until(condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Wait for something that makes no sound."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {patience:g} s")
        time.sleep(0.01)


LOOPBACK_UP = """
import fcntl, socket, struct
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
fcntl.ioctl(socket.socket(), SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
"""
"""Python code that a new network namespace needs first: its loopback is down."""


THEN_RUN = f"{LOOPBACK_UP}\nimport os, sys; os.execvp(sys.argv[1], sys.argv[1:])"
AS_ANYBODY = () if os.geteuid() == 0 else ("--user", "--map-current-user", "--keep-caps")
ALONE = ("unshare", *AS_ANYBODY, "--net", sys.executable, "-c", THEN_RUN)
"""What a command is put behind to be run in a network of its own, with the right to capture there."""


IGNORE_HANGUP = "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); " + (
    "os.execvp(sys.argv[1], sys.argv[1:])"
)
IGNORING_HANGUP = (sys.executable, "-c", IGNORE_HANGUP)
"""What a command is put behind to ignore SIGHUP from its start, as behind nohup."""


class Program:
    """A program in a process of its own. `lines` grows with what it prints; leaving the context ends it."""

    def __init__(self, *command: str, stdin: bytes | None = None, env: dict[str, str] | None = None) -> None:
        self._folder = TemporaryDirectory()
        self.folder = self._folder.name
        self.lines: list[str] = []
        self.kept: int | None = None
        """Bytes that are kept of each line; None for all."""
        self._silent = False  # it has closed its output: no line will come any more
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._folder.name,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", **(env or {})},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if stdin is not None:
            assert self.process.stdin is not None
            self.process.stdin.write(stdin)
            self.process.stdin.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line[: self.kept].decode("utf-8", "backslashreplace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._silent = True
            self._changed.notify_all()

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._folder.cleanup()

    @property
    def output(self) -> str:
        """All that it printed so far."""
        return "\n".join(self.lines)

    @property
    def tail(self) -> str:
        """The last of it: as much as a person reads."""
        return "\n".join(self.lines[-40:])

    def wait_for(self, pattern: str, count: int = 1) -> list[re.Match[str]]:
        """Wait until so many lines match; return their matches."""
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while len(found := self.matches(pattern)) < count:
                if self._silent or not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    raise AssertionError(f"{len(found)} of {count} lines match {pattern!r} in:\n{self.tail}")
        return found

    def matches(self, pattern: str) -> list[re.Match[str]]:
        """The matches of the lines that match."""
        return [found for line in list(self.lines) if (found := re.search(pattern, line))]

    def ended(self) -> int:
        """Wait until it has ended; return its exit status, negative for the signal that ended it."""
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status

    def signalled(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal and wait until it has ended."""
        self.process.send_signal(number)
        return self.ended()

    def memory(self) -> int:
        """Its resident memory in bytes."""
        fields = Path(f"/proc/{self.process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")

    def threads(self) -> int:
        """How many threads it has."""
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def descriptors(self) -> int:
        """How many descriptors it has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def runner(reactor: str | None = "") -> list[str]:
    """Return the beginning of a command line.

    Args:
        reactor: Its name; "" for the one that the environment chooses, None for the one that a user gets.
    """
    options = {"twistd": ["--nodaemon", "--pidfile="], "twist": ["--log-format=text"]}[RUNNER]
    reactor = REACTOR if reactor == "" else reactor
    return [script(RUNNER), *options, *([f"--reactor={reactor}"] if reactor else [])]


def is_chosen(reactor: str | None) -> bool:
    """Return whether a test that names its reactor is to be run: not for one that the system has not got, or
    where the environment has chosen another.
    """
    needs = {"epoll": "epoll", "poll": "poll"}.get(reactor or "", "select")
    return REACTOR in (None, reactor) and hasattr(select, needs)


class Served(Program):
    """A server of netlab's that listens."""

    port: int

    def connect(self, timeout: float = PATIENCE) -> socket.socket:
        """A connection to it."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


@contextmanager
def serving(
    command: str,
    *options: str,
    env: dict[str, str] | None = None,
    before: Sequence[str] = (),
    reactor: str | None = "",
) -> Iterator[Served]:
    """A server of netlab's on a port that the system chose; `before` is what runs it."""
    where = () if "--listen" in options else ("--port", "0")
    with Served(*before, *runner(reactor), command, *where, *options, env=env) as server:
        assert isinstance(server, Served)
        server.port = int(server.wait_for(r"Listening on \S+?:(\d+) |Listening on (\S+)")[0][1] or 0)
        yield server


def receive(connection: socket.socket, length: int) -> bytes:
    """Exactly so many bytes, fewer only where the stream ends before."""
    data = bytearray()
    while len(data) < length and (piece := connection.recv(min(length - len(data), 1 << 20))):
        data += piece
    return bytes(data)


def receive_all(connection: socket.socket) -> bytes:
    """All bytes until the peer's FIN."""
    data = bytearray()
    while piece := connection.recv(1 << 20):
        data += piece
    return bytes(data)


def reset(connection: socket.socket) -> None:
    """Close with a reset instead of a FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def plain(name: str, *options: str, stdin: bytes | None = None) -> Program:
    """One of the plain-socket programs of tests/plain."""
    return Program(sys.executable, str(PLAIN / f"{name}.py"), *options, stdin=stdin)


class ServerTestCase(SynchronousTestCase):
    """For tests that start servers: what a server may never print is looked for after each."""

    def serve(
        self,
        command: str,
        *options: str,
        env: dict[str, str] | None = None,
        before: Sequence[str] = (),
        reactor: str | None = "",
    ) -> Served:
        """Start a server that ends with the test."""
        context = serving(command, *options, env=env, before=before, reactor=reactor)
        server = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        self.addCleanup(lambda: self.assertNotIn("Traceback", server.output))
        return server

    def say_hello(self, client: socket.socket) -> None:
        """Have a text server answer this client."""
        client.sendall(b"hello")
        self.assertEqual(receive(client, 11), b"ECHO: hello")

    def say_hello_at(self, path: str) -> None:
        """Have a text server at a Unix socket answer a client."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(path)
            self.say_hello(client)

    def unix_path(self) -> str:
        """Where a Unix socket can be: not in trial's folder, since its path may have some 100 bytes only."""
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return os.path.join(folder.name, "lab")
