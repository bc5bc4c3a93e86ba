"""`netlab xray` at work on a real program: its pictures as they come, and what is to be found in them."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.support import PATIENCE, PLAIN, Program, script, until

Object = dict[str, Any]

PYTHON = sys.executable
PICTURES = "pictures"
"""The file with the pictures. In a pipe that the program writes to as well, its lines could cut theirs."""

XRAY = (script("netlab"), "xray")


class XrayTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        if sys.platform != "linux":
            raise SkipTest("only Linux tells what threads wait for")

    def run_xray(self, *arguments: str, into: str = "") -> Program:
        """netlab xray, which ends with the test. into: a file that it writes its pictures to."""
        program = Program(*(("sh", "-c", f'exec "$@" > {into}', "sh") if into else ()), *XRAY, *arguments)
        self.addCleanup(program.__exit__, None, None, None)
        self.addCleanup(lambda: self.assertNotIn("Traceback", program.output))
        self.addCleanup(lambda: program.process.poll() is None and program.signalled())
        return program

    def watch(self, *command: str) -> Watched:
        """A program under netlab xray --json."""
        watched = Watched(self.run_xray("--json", "--interval", "0.05", "--", *command, into=PICTURES))
        self.addCleanup(watched.end)
        return watched

    def watch_plain(self, name: str, *options: str) -> Watched:
        """A server of tests/plain, on a port that the system chooses."""
        return self.watch(PYTHON, str(PLAIN / f"{name}.py"), *(options or ("--port", "0")))

    def watch_code(self, code: str, *arguments: str) -> Watched:
        """A program of our own."""
        return self.watch(PYTHON, "-c", code, *arguments)


class Watched:
    """A program under netlab xray, which writes its pictures as JSON."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._clients: list[socket.socket] = []

    @property
    def port(self) -> int:
        """Where it listens, as it says itself."""
        return int(self.program.wait_for(r"Listening on \S+?:(\d+)")[0][1])

    def connect(self, say: bytes = b"") -> socket.socket:
        """A client of it, which ends with the test."""
        client = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        self._clients.append(client)
        client.sendall(say)
        return client

    def end(self) -> None:
        """End the program first: else it would complain of clients that have gone."""
        if self.program.process.poll() is None:
            self.program.signalled()
        for client in self._clients:
            client.close()

    @property
    def pictures(self) -> list[Object]:
        """All that came so far."""
        try:
            written = Path(self.program.folder, PICTURES).read_bytes()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in written.splitlines(keepends=True) if line.endswith(b"\n")]

    def wait_for(self, condition: Callable[[Object], Any], what: str) -> Object:
        """Wait for a picture of which this is true; return it."""
        found: list[Object] = []

        def came() -> bool:
            found[:] = self.pictures[-1:]
            return bool(found and condition(found[0]))

        try:
            until(came, what)
        except AssertionError as error:
            raise AssertionError(
                f"{error}: {json.dumps(found, indent=1)}\n{self.program.tail[-2000:]}"
            ) from None
        return found[0]


def threads(picture: Object) -> list[Object]:
    """The threads of all processes."""
    return [thread for process in picture["processes"] for thread in process["threads"]]


def waits_for(picture: Object, call: str) -> list[Any]:
    """Whom those threads wait for that are blocked in this call: the peers of connections, the addresses of
    listeners.
    """
    things = [thread["thing"] for thread in threads(picture) if thread["call"] == call]
    return sorted(_name(thing) for thing in things if thing)


def watches(of: Object) -> dict[str, list[str]]:
    """What a selector, or a thread in poll() or select(), watches there, and for which events."""
    return {_name(each["thing"]): each["events"] for each in of["watches"] or ()}


def _name(thing: Object) -> str:
    name: str = thing["remote"] or thing["local"] or thing["name"] or thing["kind"]
    return name


def forgotten(picture: Object) -> list[str]:
    """The sockets that nobody waits for."""
    return sorted(_name(each) for each in picture["sockets"] if each["forgotten"])


def one(picture: Object, kind: str) -> Object:
    """The only socket of a kind."""
    (found,) = (each for each in picture["sockets"] if each["kind"] == kind)
    return dict(found)


def name(of: socket.socket) -> str:
    """The address of a socket, as a picture has it."""
    ip, port = of.getsockname()[:2]
    return f"{ip}:{port}"


def names(of: Sequence[socket.socket]) -> list[str]:
    return sorted(map(name, of))


def lives(pid: int) -> bool:
    """Is there such a process, which has not ended?"""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
