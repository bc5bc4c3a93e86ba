"""Run the real `netlab client` in a process of its own, against servers of a few lines each."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.support import PATIENCE

NETLAB = [sys.executable, "-m", "netlab"]


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit status, and the lines of its standard output and standard error."""

    status: int
    out: list[str]
    err: list[str]

    def said(self, start: str) -> list[str]:
        """What follows this start, in the lines of standard output that have it."""
        return [line.removeprefix(start) for line in self.out if line.startswith(start)]


def run(*command: str, stdin: bytes = b"") -> Ended:
    """Run a command to its end, with this on its standard input."""
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=PATIENCE, check=False)
    return Ended(done.returncode, done.stdout.decode().splitlines(), done.stderr.decode().splitlines())


class Stub:
    """A server in a thread that treats one client, or its datagrams, as it is told.

    close: when `serve` has returned, close the connection? Otherwise it stays open until the test has ended.
    """

    def __init__(
        self,
        serve: Callable[[socket.socket], Any],
        kind: socket.SocketKind = socket.SOCK_STREAM,
        close: bool = True,
    ) -> None:
        self._serve, self._close = serve, close
        self._sockets = [socket.socket(socket.AF_INET, kind)]
        self._sockets[0].settimeout(PATIENCE)
        self._sockets[0].bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            self._sockets[0].listen()
        self.port: int = self._sockets[0].getsockname()[1]
        self._result: Any = None
        self._thread = threading.Thread(target=self._run, args=(kind,), daemon=True)
        self._thread.start()

    def _run(self, kind: socket.SocketKind) -> None:
        served = self._sockets[0]
        if kind is socket.SOCK_STREAM:
            try:
                served, _ = served.accept()
            except OSError:
                return  # no client came
            served.settimeout(PATIENCE)
            served.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets.append(served)
        try:
            self._result = self._serve(served)
        except OSError as error:
            self._result = error
        if self._close:
            served.close()

    def result(self) -> Any:
        """Wait until `serve` has returned; return what it did."""
        self._thread.join(PATIENCE)
        return self._result

    def end(self) -> None:
        """Close what is open."""
        for each in self._sockets:
            with contextlib.suppress(OSError):
                if each.type is socket.SOCK_DGRAM:
                    each.sendto(b"", each.getsockname())  # wakes the thread, which close() would not
                else:
                    each.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)
        for each in self._sockets:
            each.close()


class ClientTestCase(SynchronousTestCase):
    """For tests that run clients: what a client may never print is looked for after each."""

    def client(self, variant: str, port: int | str, *options: str, stdin: bytes = b"") -> Ended:
        """Run a client of 127.0.0.1 at a port, or of a target, to its end."""
        target = f"127.0.0.1:{port}" if isinstance(port, int) else port
        timeout = () if "--timeout" in options else ("--timeout", f"{PATIENCE:g}")
        ended = run(*NETLAB, "client", variant, target, *timeout, *options, stdin=stdin)
        for line in ended.out + ended.err:
            self.assertNotIn("Traceback", line, ended)
        return ended

    def stub(
        self,
        serve: Callable[[socket.socket], Any],
        kind: socket.SocketKind = socket.SOCK_STREAM,
        close: bool = True,
    ) -> Stub:
        """A stub that ends with the test."""
        stub = Stub(serve, kind, close)
        self.addCleanup(stub.end)
        return stub


def messages(*texts: str) -> list[str]:
    """The options that give these messages."""
    return [word for text in texts for word in ("-m", text)]
