"""Runs the blocks of a page one after the other, as a reader with two terminals does, in one folder.

The folder is empty but for links to the clone's own: .venv, netlab, tests and docs. The home is empty, too.
All of it happens in a network namespace, because the guide's port is used: there 5005 is nobody else's. And
most readers have no right to capture: `netlab capture` gets a network of its own then, in which no server is
but one that it starts.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SynchronousTestCase

from tests.docs import blocks
from tests.docs.blocks import ANYTHING, LEFT_OUT, Block, steps
from tests.support import LOOPBACK_UP, ROOT, Program, script, until

NAMESPACE = ("unshare", "--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child")
OWN_PROC = "--mount-proc"
"""So that /proc has that namespace's numbers: without it `netlab check` finds its programs more slowly."""

PATIENCE = 300
"""Seconds that a page may take: the longest needs 30, alone."""

TRIES = 5
"""How many times pieces are sent until the server reads them one by one: a busy machine reads two at once."""

LINKED = ("netlab", "tests", "docs")

MAY_CAPTURE = {"README.md", "docs/wireshark.md"}
"""Pages whose captures are of a server in the other terminal, for readers who have the right to capture."""

WITHOUT_RIGHT = "setpriv --bounding-set=-net_raw,-net_admin --inh-caps=-net_raw,-net_admin"

ANY = [
    (r"\b5000\d\b", r"\\d+"),  # a source port
    (r"client\\-\d", r"client-\\d+"),
    (r"fd=\d+", r"fd=\\d+"),
    (r"(?:\\ )+(\d+|fd)(?=\\ \\ (?:READ|events))", r" +(\\d+|fd)"),  # the column of these numbers
    (r"\d\\\.\d\d\\ ms", r"[\\d.]+ ms"),
    (r"\d+\\ packets", r"\\d+\\ packets"),  # the kernels acknowledge when they like
    (ANYTHING, ".*"),
]
"""What stands for any of its kind, in a line that was escaped for a pattern."""


def as_pattern(line: str) -> str:
    """A line of output as a pattern."""
    pattern = re.escape(line)
    for what, any in ANY:
        pattern = re.sub(what, any, pattern)
    return pattern + "$"


def as_whole(text: str) -> str:
    """A whole output as a pattern: `...` stands for any number of lines."""
    lines = ("(?:.*\n)*?" if line == LEFT_OUT else f"{as_pattern(line)[:-1]}\n" for line in text.splitlines())
    return "".join(lines)


@cache
def namespace() -> tuple[str, ...]:
    """What runs a command in a namespace of its own; empty where this user can have none."""
    if shutil.which("unshare") is not None:
        for words in (*NAMESPACE, OWN_PROC), NAMESPACE:
            if subprocess.run([*words, "true"], check=False, capture_output=True).returncode == 0:
                return words
    return ()


def in_a_namespace(page: Path, *, telling: bool = False) -> subprocess.CompletedProcess[str]:
    """Walk a page in a namespace of its own. What it prints ends with how many steps it took.

    telling: print each step as it is taken, and what it printed.
    """
    inside = f"{LOOPBACK_UP}\nfrom tests.docs.walk import walk; walk({str(page)!r}, telling={telling})"
    return subprocess.run(
        [*namespace(), sys.executable, "-c", inside],
        cwd=ROOT,
        stdout=None if telling else subprocess.PIPE,
        stderr=None if telling else subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def walk(page: str, *, telling: bool = False) -> None:
    """Take the steps of a page, here."""
    told: Callable[..., None] = print if telling else lambda *_: None
    with TemporaryDirectory() as folder:
        walker, count = Walk(Path(folder), may_capture=blocks.name(Path(page)) in MAY_CAPTURE), 0
        try:
            for block in steps(Path(page)):
                told(f"--- {block.mark or block.language}\n{block.text}")
                began = time.monotonic()
                walker.step(block)
                told(f"{walker.said(block)}\n--- done in {time.monotonic() - began:.1f} s\n")
                count += 1
        finally:
            walker.stop()
    print(f"{count} steps")  # noqa: T201


def listening() -> int:
    """How many sockets wait for clients in this network namespace: of TCP and of UDP."""
    tables = {"tcp": " 0A ", "tcp6": " 0A ", "udp": " 07 ", "udp6": " 07 "}
    return sum(
        table.read_text().count(state)
        for kind, state in tables.items()
        if (table := Path("/proc/self/net") / kind).exists()
    )


def end(program: Program) -> None:
    """End a program and what it has started."""
    with suppress(ProcessLookupError):
        os.killpg(program.process.pid, signal.SIGKILL)
    program.__exit__(None, None, None)


class Walk:
    """Where a reader is."""

    def __init__(self, folder: Path, *, may_capture: bool) -> None:
        self.case = SynchronousTestCase()
        self.folder = folder
        self.may_capture = may_capture or shutil.which("setpriv") is None
        self.server: Program | None = None
        self.beside: list[Program] = []
        self.it: Program | None = None
        """What was run last."""
        self.pieces: Block | None = None
        self.ours = False
        """Is the server netlab's, which never prints a traceback?"""
        for name in LINKED:
            (folder / name).symlink_to(ROOT / name)
        (folder / ".venv").symlink_to(Path(script("")).parent)

    def start(self, block: Block, before: str = "") -> Program:
        """Start a block, with the commands that belong to the tests' Python."""
        text = f"{before}{block.text}"
        if block.language == "python":
            text = f"exec python3 -c {shlex.quote(text)}"
        # One server's number must not be in the next one's way.
        text = re.sub(r"\btwistd -n\b", "twistd -n --pidfile=", text)
        if not self.may_capture:
            text = re.sub(r"^(?=\S*netlab capture\b)", f"{WITHOUT_RIGHT} ", text, flags=re.MULTILINE)
        shell = "bash" if block.language == "bash" else "sh"
        typed = block.marked("typed: ")
        return Program(
            *("setsid", shell, "-ec", f"cd '{self.folder}'\n{text}"),
            stdin=None if typed is None else "".join(f"{line}\n" for line in typed.split(" / ")).encode(),
            env={
                "HOME": str(self.folder),
                "XDG_CONFIG_HOME": str(self.folder / ".config"),
                "PATH": f"{script('')}:{os.environ['PATH']}",
            },
        )

    def step(self, block: Block) -> None:
        """Take the next step."""
        name = block.marked("saved as ")
        if name is not None:
            (self.folder / name).write_text(block.text, "utf-8")
        elif block.is_output:
            self.compare(block)
        elif block.marked("server") is not None:
            self.serve(block).wait_for("Listening on ")
        elif block.marked("silent server") is not None:
            self.serve(block)
            until(lambda: listening() > 0, f"nothing listens: {block.text}")
        elif block.marked("beside") is not None:
            self.it = self.start(block)
            self.beside.append(self.it)
        else:
            self.run(block)

    def serve(self, block: Block) -> Program:
        """Have a server take the last one's place."""
        self.stop()
        self.ours = "netlab-" in block.text
        self.server = self.start(block, "exec ")
        return self.server

    def run(self, block: Block) -> None:
        self.pieces = block if block.marked("in pieces") is not None else None
        with self.start(block) as program:
            self.it = program
            status = int(block.marked("fails: ") or 0)
            self.case.assertEqual(program.ended(), status, block.text + program.output)

    def compare(self, block: Block) -> None:
        """Hold what was printed against what the page says."""
        lines = block.text.splitlines()
        if block.marked("the server says") is not None:
            self.server_says([as_pattern(line) for line in lines if line != LEFT_OUT])
            return
        assert self.it is not None, "it says: nothing was run before"
        if block.marked("it says exactly") is not None:
            self.it.ended()
            said = self.it.output + "\n"
            self.case.assertTrue(
                re.fullmatch(as_whole(block.text), said), f"{block.text}--- but it said\n{said}"
            )
            return
        for line in lines:
            if line != LEFT_OUT:
                self.it.wait_for("^" + as_pattern(line))

    def server_says(self, patterns: list[str]) -> None:
        assert self.server is not None, "the server says: none was started"
        server = self.server
        for _ in range(TRIES - 1):
            if self.pieces is None or all(server.matches(pattern) for pattern in patterns):
                break
            self.run(self.pieces)
        for pattern in patterns:
            server.wait_for(pattern)

    def said(self, block: Block) -> str:
        """What a step made somebody say."""
        if block.is_output or block.marked("saved as ") is not None:
            return ""
        if "server" in block.mark:
            return self.server.tail if self.server is not None else ""
        return self.it.tail if self.it is not None else ""

    def stop(self) -> None:
        """End what still runs."""
        for program in self.beside:
            end(program)
        self.beside.clear()
        server, self.server = self.server, None
        if server is not None:
            try:
                server.signalled()
                if self.ours:
                    self.case.assertNotIn("Traceback", server.output)
            finally:
                end(server)
