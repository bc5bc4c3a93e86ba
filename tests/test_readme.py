"""README and docs do what they say: every command in them is run, with the text taken from the file.

The README's two setup commands are run by .ci/run in a fresh clone. All others are run here, in a network
namespace of the test's own, because they use the guide's port, and in an empty folder with an empty home.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.support import LOOPBACK_UP, ROOT, Program, script

README = ROOT / "README.md"
PAGES = (README, *[ROOT / "docs" / f"{name}.md" for name in ("wireshark", "check", "reliability")])
FENCED = re.compile(r"(?:<!-- ([^\n]*) -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARKS = re.compile(
    r"|server|the server says|the client says|it says|in pieces|needs tshark|setup: (run|test)|fails: \d"
    r"|not run: .+"
)
TRIES = 5
"""How many times pieces are sent until the server reads them one by one: a busy machine reads two at once."""

NAMESPACE = ("unshare", "--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child")


class Block(NamedTuple):
    """A fenced block of a page."""

    mark: str
    """The comment on the line before it."""
    language: str
    text: str

    @property
    def in_the_walk(self) -> bool:
        """Is it to be run here?"""
        return not re.match("setup|not run", self.mark)


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page, in their order. What needs a program that is not here is left out, with what it
    says.
    """
    left_out = False
    for found in FENCED.finditer(page.read_text("utf-8")):
        block = Block(found[1] or "", found[2], found[3])
        if block.mark != "it says":
            left_out = block.mark == "needs tshark" and shutil.which("tshark") is None
        if not left_out:
            yield block


ANY = [
    (r"\b5000\d\b", r"\\d+"),  # a source port
    (r"client\\-\d", r"client-\\d+"),
    (r"fd=\d+", r"fd=\\d+"),
    (r"(?:\\ )+(\d+|fd)(?=\\ \\ (?:READ|events))", r" +(\\d+|fd)"),  # the column of these numbers
    (r"\d\\\.\d\d\\ ms", r"[\\d.]+ ms"),
    (r"\d+\\ packets", r"\\d+\\ packets"),  # the kernels acknowledge when they like
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
    """Runs the blocks one after the other, as a reader with two terminals does, in one folder."""

    def __init__(self, case: SynchronousTestCase, folder: str) -> None:
        self.case = case
        self.folder = folder
        self.server: Program | None = None
        self.other: Program | None = None
        self.pieces: Block | None = None

    def shell(self, text: str, shell: str = "sh") -> Program:
        """Run a block, with the commands that belong to the tests' Python."""
        text = text.replace(".venv/bin/", f"{script('')}/")
        text = re.sub(r"bin/twistd -n\b", "bin/twistd -n --pidfile=", text)
        home = {"HOME": self.folder, "XDG_CONFIG_HOME": f"{self.folder}/.config"}
        return Program(shell, "-ec", f"cd {self.folder}\n{text}", env=home)

    def step(self, block: Block) -> None:
        if block.mark == "the server says":
            self.server_says([as_pattern(line) for line in block.text.splitlines()])
        elif block.mark == "it says":
            assert self.other is not None
            for line in block.text.splitlines():
                self.other.wait_for("^" + as_pattern(line))
        elif block.mark == "server":
            self.stop()
            self.server = self.shell("exec " + block.text)
            self.server.wait_for("Listening on 0.0.0.0:5005")
        else:
            self.run(block)

    def run(self, block: Block) -> None:
        self.pieces = block if block.mark == "in pieces" else None
        with self.shell(block.text, block.language) as program:
            self.other = program
            status = int(block.mark.removeprefix("fails: ")) if block.mark.startswith("fails") else 0
            self.case.assertEqual(program.ended(), status, block.text + program.output)

    def server_says(self, patterns: list[str]) -> None:
        assert self.server is not None
        server = self.server
        for _ in range(TRIES - 1):
            if self.pieces is None or all(server.matches(pattern) for pattern in patterns):
                break
            self.run(self.pieces)
        for pattern in patterns:
            server.wait_for(pattern)

    def stop(self) -> None:
        if self.server is not None:
            with self.server as server:
                server.signalled()
                self.case.assertNotIn("Traceback", server.output)


class Pages(SynchronousTestCase):
    def test_every_block_is_run_or_says_why_not(self) -> None:
        marks = [block.mark for page in PAGES for block in blocks(page)]
        self.assertEqual((marks.count("setup: run"), marks.count("setup: test")), (1, 1))
        for mark in marks:
            self.assertTrue(MARKS.fullmatch(mark), mark)

    def test_the_readme(self) -> None:
        self.walk(README)

    def test_what_is_said_of_wireshark(self) -> None:
        self.walk(ROOT / "docs" / "wireshark.md")

    def test_what_is_said_of_checking(self) -> None:
        self.walk(ROOT / "docs" / "check.md")

    def test_what_is_promised(self) -> None:
        self.walk(ROOT / "docs" / "reliability.md")

    def walk(self, page: Path) -> None:
        if not can_have_namespaces():
            raise SkipTest("no network namespace can be had here, for the guide's port")
        # This same module once more, inside a namespace, where port 5005 is nobody else's.
        inside = f"{LOOPBACK_UP}\nfrom tests.test_readme import walk; walk({str(page)!r})"
        done = subprocess.run(
            [*NAMESPACE, sys.executable, "-c", inside],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        count = sum(block.in_the_walk for block in blocks(page))
        self.assertEqual((done.returncode, done.stdout), (0, f"{count} blocks\n"), done.stderr)


def walk(page: str) -> None:
    """Run the blocks of a page that are no setup."""
    with TemporaryDirectory() as folder:
        walker, count = Walk(SynchronousTestCase(), folder), 0
        try:
            for block in blocks(Path(page)):
                if block.in_the_walk:
                    walker.step(block)
                    count += 1
        finally:
            walker.stop()
    print(f"{count} blocks")  # noqa: T201
