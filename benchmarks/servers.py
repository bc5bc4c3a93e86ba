"""The servers that are measured, how each is started, and what must be there for it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scenarios import Scenario

ROOT = Path(__file__).resolve().parent.parent
PEERS = Path(__file__).resolve().parent / "peers"

REACTOR = "corked"
"""The reactor of netlab's own that its servers are measured on."""

BUILD_PATIENCE = 120.0
"""Seconds for a compiler: Go compiles its standard library the first time."""

COMMANDS = {"udp": "netlab-udp", "text": "netlab-tcp", "tcpv2": "netlab-tcpv2", "tcpv3": "netlab-tcpv3"}
ALWAYS_ECHOES = ("text",)
HAS_CLIENTS = ("text", "tcpv2", "tcpv3")


class CannotBuild(Exception):
    """A program cannot be built here; the text is one line for people."""


@dataclass(frozen=True)
class Server:
    """One server. title and about: in a word or two, and in a line of Markdown."""

    name: str
    title: str
    about: str
    command: Callable[[Scenario], list[str]]
    """Its command line for a scenario."""
    needs: str | None = None
    """A module without which there is no such server here."""
    compiled: bool = False
    """Is it one of PROGRAMS? Its command line begins with its name in the place of its path."""


@dataclass(frozen=True)
class Program:
    """What is compiled: from which source, and with what."""

    source: str
    compiler: tuple[str, ...]
    """The command line in front of `-o PROGRAM SOURCE`."""


PROGRAMS = {
    "c": Program("server.c", ("cc", "-O2")),
    "go": Program("server.go", ("go", "build")),
    "load": Program("load.c", ("cc", "-O2")),
}


def build(name: str, folder: Path) -> Path:
    """Compile a program into the folder. Raises CannotBuild."""
    program = PROGRAMS[name]
    if shutil.which(program.compiler[0]) is None:
        raise CannotBuild(f"{program.source} cannot be compiled: there is no {program.compiler[0]} here")
    target = folder / name
    command = [*program.compiler, "-o", str(target), str(PEERS / program.source)]
    # Go keeps what it compiled before below the home folder; where there is none, in ours.
    places = {} if "HOME" in os.environ else {"GOCACHE": str(folder / "cache")}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=BUILD_PATIENCE,
            check=False,
            env={**os.environ, **places},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotBuild(f"{program.source} cannot be compiled: {error}") from None
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[0]
        raise CannotBuild(f"{program.source} cannot be compiled: {why}")
    return target


def twistd() -> str:
    """The path of twistd beside the Python that runs this."""
    return str(Path(sysconfig.get_path("scripts"), "twistd"))


def _netlab(handler: str, reactor: str) -> Callable[[Scenario], list[str]]:
    def command(scenario: Scenario) -> list[str]:
        options = ["--port=0", "--interface=127.0.0.1"]
        if scenario.kind != "printing":
            options.append("--quiet")
        if scenario.format not in ALWAYS_ECHOES:
            options.append("--echo")
        if scenario.format in HAS_CLIENTS:
            options += [f"--handler={handler}", "--max-clients=0"]
        return [twistd(), "-n", "--pidfile=", f"--reactor={reactor}", COMMANDS[scenario.format], *options]

    return command


def _peer(module: str, *options: str) -> Callable[[Scenario], list[str]]:
    return lambda scenario: [sys.executable, "-m", f"benchmarks.peers.{module}", scenario.format, *options]


def _printing(scenario: Scenario) -> list[str]:
    program = ROOT / "tests" / "plain" / f"server_{scenario.format}.py"
    return [sys.executable, str(program), "--host=127.0.0.1", "--port=0", "--echo"]


def _built(name: str) -> Callable[[Scenario], list[str]]:
    return lambda scenario: [name, scenario.format]


SERVERS = {
    server.name: server
    for server in (
        Server(
            "netlab",
            "netlab, selector",
            f"netlab with one thread for all, on its own reactor (`--handler=reactor --reactor={REACTOR}`)",
            _netlab("reactor", REACTOR),
        ),
        Server(
            "netlab-threads",
            "netlab, threads",
            f"netlab with a thread for each client (`--handler=threads --reactor={REACTOR}`)",
            _netlab("threads", REACTOR),
        ),
        Server(
            "netlab-epoll",
            "netlab on epoll",
            "netlab with one thread, on Twisted's own reactor (`--handler=reactor --reactor=epoll`)",
            _netlab("reactor", "epoll"),
        ),
        Server(
            "receivers",
            "netlab's receivers",
            "a protocol of one's own: a subclass of netlab's receivers that calls `sendFrame` for each frame",
            _peer("receivers", f"--reactor={REACTOR}"),
        ),
        Server(
            "twisted",
            "stock Twisted",
            "Twisted as it comes: a `Protocol` on the epoll reactor, a `write` for each frame",
            _peer("stock_twisted"),
        ),
        Server(
            "plain-selector",
            "plain selector",
            "plain sockets, one thread and a selector (as `tests/plain/server_tcpsel.py`, without printing)",
            _peer("plain_selector"),
        ),
        Server(
            "plain-threads",
            "plain threads",
            "plain sockets and a thread for each client (as `tests/plain/server_tcp*.py`, without printing)",
            _peer("plain_threads"),
        ),
        Server(
            "plain-printing",
            "plain threads, printing",
            "`tests/plain/server_tcpv2.py`: plain sockets and a thread for each client; prints each message",
            _printing,
        ),
        Server(
            "uvloop",
            "uvloop",
            "an `asyncio.Protocol` on uvloop's event loop, a `write` for each frame",
            _peer("asyncio_protocol", "--uvloop"),
            "uvloop",
        ),
        Server(
            "asyncio",
            "asyncio Protocol",
            "the same `asyncio.Protocol` on the standard library's event loop",
            _peer("asyncio_protocol"),
        ),
        Server(
            "streams",
            "asyncio streams",
            "asyncio's streams: `readexactly`, `write` and `drain` for each frame",
            _peer("asyncio_streams"),
        ),
        Server("go", "Go", "Go: a goroutine for each client, `bufio`", _built("go"), compiled=True),
        Server(
            "c",
            "C",
            "C: one thread and epoll, whole runs of frames; the limit of what a core does",
            _built("c"),
            compiled=True,
        ),
        Server(
            "netlab-command",
            "twistd -n netlab-tcpv3",
            "netlab's server as a student starts it",
            lambda _: [twistd(), "-n", "--pidfile=", "netlab-tcpv3", "--port=0", "--interface=127.0.0.1"],
        ),
        Server(
            "empty-command",
            "twistd -n benchmark-empty",
            "a twistd command that does nothing but say that it runs",
            lambda _: [twistd(), "-n", "--pidfile=", "benchmark-empty"],
        ),
    )
}


def unavailable(name: str) -> str | None:
    """Why this Python has no such server; None where it has."""
    module = SERVERS[name].needs
    if module is None or importlib.util.find_spec(module) is not None:
        return None
    return f'there is no {module} here: pip install -e ".[benchmarks]"'


def command(name: str, scenario: Scenario, built: Mapping[str, Path]) -> list[str]:
    """The command line that starts a server."""
    first, *rest = SERVERS[name].command(scenario)
    return [str(built.get(first, first)), *rest]
