"""The load generators: peers/load.c where there is a C compiler, else `netlab load`; both check each echo."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmarks.processes import PATIENCE, Failed
from benchmarks.scenarios import Scenario

HOST = "127.0.0.1"

NETLAB = {"udp": "udp", "text": "tcp", "tcpv2": "tcpv2", "tcpv3": "tcpv3"}
"""What netlab's commands call the formats."""

SHORTEST = 0.1
"""Seconds that `netlab load` loads at least."""


@dataclass(frozen=True)
class Loaded:
    """What a load generator says: all messages were echoed, and rightly. Times are in seconds."""

    messages: int
    seconds: float
    bytes: int
    p50: float
    """Of the time from a message to its echo; of connects, from the connect(); beside bulk, of the pings."""
    p99: float
    pings: int | None = None
    """How many of the messages were pings beside bulk."""


class Load(Protocol):
    """A load generator."""

    kinds: frozenset[str]
    """The kinds of scenario that it can do."""
    about: str

    def run(self, scenario: Scenario, port: int, seconds: float) -> Loaded:
        """Load a server of this machine. Raises Failed where an echo was wrong, missing or late."""
        ...

    def idle(self, scenario: Scenario, port: int, connections: int) -> AbstractContextManager[None]:
        """Hold connections open, each with one echo behind it. Raises Failed where that cannot be done."""
        ...


def _said(command: list[str], seconds: float) -> dict[str, Any]:
    """Run a load generator; return the object that it writes. Raises Failed."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds + PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Failed("the load did not come to an end") from None
    return _read(done.stdout, done.stderr)


def _read(written: str, complaint: str = "") -> dict[str, Any]:
    """The object that a load generator wrote. Raises Failed."""
    try:
        said = json.loads(written)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        first, *_ = (complaint or written).strip().splitlines() or ["nothing"]
        raise Failed(f"the load says: {first}")
    return said


def _checked(said: dict[str, Any]) -> Loaded:
    """What peers/load.c says, if it found nothing wrong. Raises Failed."""
    if said["errors"] or not said["messages"]:
        raise Failed(f"{said['errors']} errors, the first: {said['error'] or 'not one message came back'}")
    latency = said["latency_us"]
    return Loaded(
        messages=said["messages"],
        seconds=said["seconds"],
        bytes=said["bytes"],
        p50=latency["p50"] / 1e6,
        p99=latency["p99"] / 1e6,
        pings=said.get("pings"),
    )


class CLoad:
    """peers/load.c. program: where it was built."""

    kinds = frozenset({"echo", "connects", "idle", "fairness", "printing", "start-up"})
    about = "`benchmarks/peers/load.c`: one thread, epoll, every echo compared byte by byte"

    def __init__(self, program: Path) -> None:
        self._program = program

    def run(self, scenario: Scenario, port: int, seconds: float) -> Loaded:
        command = [*self._command(scenario, port, scenario.connections), "--seconds", f"{seconds:g}"]
        if scenario.kind == "connects":
            command.append("--connects")
        elif scenario.kind == "fairness":
            command += ["--pingpong-beside", str(scenario.connections)]
        return _checked(_said(command, seconds))

    @contextmanager
    def idle(self, scenario: Scenario, port: int, connections: int) -> Iterator[None]:
        """Hold connections open, each with one echo behind it. Raises Failed where that cannot be done."""
        command = [*self._command(scenario, port, connections), "--idle"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                _checked(_read(process.stdout.readline()))
                yield
            finally:
                process.stdin.close()
                process.wait(PATIENCE)

    def _command(self, scenario: Scenario, port: int, connections: int) -> list[str]:
        return [
            *(str(self._program), scenario.format, HOST, str(port)),
            *(
                "--connections",
                str(connections),
                "--pipeline",
                str(scenario.pipeline),
                "--size",
                scenario.size,
            ),
        ]


class NetlabLoad:
    """netlab's own, where there is no C compiler."""

    kinds = frozenset({"echo", "printing", "start-up"})
    about = "`netlab load`: one thread, every echo compared byte by byte"

    def run(self, scenario: Scenario, port: int, seconds: float) -> Loaded:
        command = [
            *(sys.executable, "-m", "netlab", "load", NETLAB[scenario.format], f"{HOST}:{port}", "--echo"),
            *("--connections", str(scenario.connections), "--pipeline", str(scenario.pipeline)),
            *("--size", scenario.size, "--duration", f"{max(seconds, SHORTEST):g}", "--json"),
        ]
        said = _said(command, seconds)["targets"][0]["rounds"][0]
        wrong = {word: count for word, count in said["errors"].items() if count}
        if wrong or not said["answered"]:
            raise Failed(
                f"errors: {wrong or 'not one message came back'} {said['first_errors'] or ''}".strip()
            )
        latency = said["latency"]
        return Loaded(said["answered"], said["seconds"], said["bytes"], latency["p50"], latency["p99"])

    def idle(self, scenario: Scenario, port: int, connections: int) -> AbstractContextManager[None]:
        raise Failed("netlab load holds no idle connections")
