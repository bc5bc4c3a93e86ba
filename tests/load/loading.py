"""Run `netlab load` in a process of its own, read its report, and give it servers to load."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from tests.support import PATIENCE, PLAIN, ROOT, Program

NETLAB = (sys.executable, "-m", "netlab", "load")

FEW = ("--connections", "4", "--duration", "0.3")
"""A load that is over soon."""

KINDS = {
    *("refused", "not-connected", "failed", "reset", "closed-early", "wrong-echo", "surplus"),
    *("no-answer", "not-sent", "not-taken", "lost", "overdue", "doubled"),
}


class Loaded(NamedTuple):
    """How it ended, what it printed, and its report."""

    status: int
    output: str
    errors: str
    report: dict[str, Any]

    @property
    def said(self) -> str:
        """What it printed, however that was broken into lines."""
        return " ".join(self.output.split())

    @property
    def rounds(self) -> list[dict[str, Any]]:
        """All measurements."""
        return [each for target in self.report["targets"] for each in target["rounds"]]

    @property
    def only(self) -> dict[str, Any]:
        """The one measurement that there is."""
        (found,) = self.rounds
        return found

    @property
    def wrong(self) -> dict[str, int]:
        """The errors that there were, by their kinds."""
        return {kind: count for each in self.rounds for kind, count in each["errors"].items() if count}


def load(*arguments: str) -> Loaded:
    """Run it with these arguments."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "report.json")
        done = subprocess.run(
            [*NETLAB, *arguments, "--json", str(path)],
            cwd=ROOT,
            capture_output=True,
            encoding="utf-8",
            timeout=4 * PATIENCE,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        report = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return Loaded(done.returncode, done.stdout, done.stderr, report)


Serve = Callable[[socket.socket], None]
"""Serves one connection, which is closed afterwards."""


@contextmanager
def answering(serve: Serve) -> Iterator[str]:
    """A TCP server with a thread for each client; gives its HOST:PORT."""

    def run(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(PATIENCE)
            serve(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(target=run, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        server.settimeout(PATIENCE)
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
    thread.join(PATIENCE)


@contextmanager
def datagrams(answer: Callable[[bytes], list[bytes]]) -> Iterator[str]:
    """A UDP server that sends these back for each that it gets; gives its HOST:PORT."""

    def serve() -> None:
        while True:
            data, client = server.recvfrom(1 << 16)
            if data == END:
                return
            for each in answer(data):
                server.sendto(each, client)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(PATIENCE)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(END, server.getsockname())
            thread.join(PATIENCE)


END = b"THE END"
"""The datagram that ends the server above: no message of a load looks so."""


@contextmanager
def plain(name: str, *options: str) -> Iterator[str]:
    """One of the plain servers of tests/plain; gives its HOST:PORT."""
    command = (sys.executable, str(PLAIN / f"{name}.py"), "--port", "0", "--host", "127.0.0.1", *options)
    with Program(*command) as program:
        port = program.wait_for(r"Listening on .*:(\d+)$")[0][1]
        yield f"127.0.0.1:{port}"
