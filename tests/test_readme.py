"""The README does what it says: every command in it is run, with the text taken from the file.

The two setup commands are run by .ci/run in a fresh clone. All others are run here, in a network namespace of
the test's own, because they use the guide's port.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.support import ROOT, Program, script

README = ROOT / "README.md"
FENCED = re.compile(r"(?:<!-- ([^\n]*) -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARKS = re.compile(r"|server|the server says|the client says|setup: (run|test)|fails: \d|not run: .+")

NAMESPACE = ("unshare", "--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child")
LOOPBACK_UP = """
import fcntl, socket, struct
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
fcntl.ioctl(socket.socket(), SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
"""


class Block(NamedTuple):
    """A fenced block of the README."""

    mark: str
    """The comment on the line before it."""
    language: str
    text: str

    @property
    def in_the_walk(self) -> bool:
        """Is it to be run here?"""
        return not re.match("setup|not run", self.mark)


def blocks() -> Iterator[Block]:
    for found in FENCED.finditer(README.read_text("utf-8")):
        yield Block(found[1] or "", found[2], found[3])


ANY = [
    (r"\b5000\d\b", r"\\d+"),  # a source port
    (r"client\\-\d", r"client-\\d+"),
    (r"fd=\d+", r"fd=\\d+"),
    (r"(?:\\ )+(\d+|fd)(?=\\ \\ (?:READ|events))", r" +(\\d+|fd)"),  # the column of these numbers
    (r"\d\\\.\d\d\\ ms", r"[\\d.]+ ms"),
]
"""What stands for any of its kind, in a line that was escaped for a pattern."""


def as_pattern(line: str) -> str:
    """A line of output as a pattern."""
    pattern = re.escape(line)
    for what, any in ANY:
        pattern = re.sub(what, any, pattern)
    return pattern + "$"


def can_have_namespaces() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*NAMESPACE, "true"], check=False, capture_output=True).returncode == 0


class Walk:
    """Runs the blocks one after the other, as a reader with two terminals does."""

    def __init__(self, case: SynchronousTestCase) -> None:
        self.case = case
        self.server: Program | None = None
        self.client: Program | None = None

    def shell(self, text: str, shell: str = "sh") -> Program:
        """Run a block in the folder of the clone, with the commands that belong to the tests' Python."""
        text = text.replace(".venv/bin/twistd -n", f"{script('twistd')} -n --pidfile=")
        text = text.replace(".venv/bin/netlab", script("netlab"))
        return Program(shell, "-ec", f"cd {ROOT}\n{text}")

    def step(self, block: Block) -> None:
        if block.mark == "the server says":
            assert self.server is not None
            for line in block.text.splitlines():
                self.server.wait_for(as_pattern(line))
        elif block.mark == "the client says":
            assert self.client is not None
            for line in block.text.splitlines():
                self.client.wait_for("^" + as_pattern(line))
        elif block.mark == "server":
            self.stop()
            self.server = self.shell("exec " + block.text)
            self.server.wait_for("Listening on 0.0.0.0:5005")
        else:
            with self.shell(block.text, block.language) as program:
                self.client = program
                status = int(block.mark.removeprefix("fails: ") or 0)
                self.case.assertEqual(program.ended(), status, block.text + program.output)

    def stop(self) -> None:
        if self.server is not None:
            with self.server as server:
                server.signalled()
                self.case.assertNotIn("Traceback", server.output)


class Readme(SynchronousTestCase):
    def test_every_block_is_run_or_says_why_not(self) -> None:
        marks = [block.mark for block in blocks()]
        self.assertEqual((marks.count("setup: run"), marks.count("setup: test")), (1, 1))
        for mark in marks:
            self.assertTrue(MARKS.fullmatch(mark), mark)

    def test_the_first_look(self) -> None:
        if not can_have_namespaces():
            raise SkipTest("no network namespace can be had here, for the guide's port")
        # These same tests once more, inside a namespace, where port 5005 is nobody else's.
        done = subprocess.run(
            [*NAMESPACE, sys.executable, "-c", f"{LOOPBACK_UP}\nfrom tests.test_readme import walk; walk()"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        count = sum(block.in_the_walk for block in blocks())
        self.assertEqual((done.returncode, done.stdout), (0, f"{count} blocks\n"), done.stderr)


def walk() -> None:
    """Run the blocks of the README that are no setup."""
    walker, count = Walk(SynchronousTestCase()), 0
    try:
        for block in blocks():
            if block.in_the_walk:
                walker.step(block)
                count += 1
    finally:
        walker.stop()
    print(f"{count} blocks")  # noqa: T201
