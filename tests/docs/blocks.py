"""Reads the fenced blocks of the README and of docs, and the marks that say what becomes of each.

A mark is a comment on the line before a block: GitHub and Sphinx show none. `python -m tests.docs` counts the
blocks by them, tests.docs.walk runs them.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support import ROOT

COMMANDS = {"sh", "bash", "python", "powershell"}
"""Languages of blocks that are commands: each is run, or says why it is not."""

DIRECTIVE = "{"
"""What the language of a block begins with that is Sphinx's, and nothing that a reader sees."""

FENCE = re.compile(r"^ *(?:```|~~~)", re.MULTILINE)
FENCED = re.compile(r"(?:^<!-- ([^\n]*) -->\n)?^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

LEFT_OUT = "..."
"""A line that stands for any number of lines."""

ANYTHING = "…"
"""What stands for anything inside a line."""

ON_COMMANDS = re.compile(
    r"|server|silent server|beside|in pieces|needs \S+|fails: \d+|typed: .*|setup: (?:run|test)|not run: .+"
)
ON_OTHERS = re.compile(
    r"it says|it says exactly|the server says|from \S+|from \S+ to \S+|saved as \S+|not compared: .+"
)


class Block(NamedTuple):
    """A fenced block of a page."""

    mark: str
    """What the comment on the line before it says; `; ` stands between several marks."""
    language: str
    text: str

    @property
    def marks(self) -> list[str]:
        """Each of its marks. A reason is the rest of its line."""
        return [self.mark] if self.mark.startswith("not ") else self.mark.split("; ")

    def marked(self, beginning: str) -> str | None:
        """What stands behind the beginning of one of its marks; None where none begins so."""
        found = (mark.removeprefix(beginning) for mark in self.marks if mark.startswith(beginning))
        return next(found, None)

    @property
    def is_command(self) -> bool:
        return self.language in COMMANDS and self.marked("from ") is None and self.marked("saved as ") is None

    @property
    def is_output(self) -> bool:
        """Is it what the commands before it printed?"""
        return self.marked("it says") is not None or self.marked("the server says") is not None

    @property
    def why_not_run(self) -> str | None:
        """The reason why nothing runs it, where there is one."""
        return self.marked("not run: ")

    @property
    def in_the_walk(self) -> bool:
        """Is it a step for tests.docs.walk?"""
        kept = ("setup: ", "not run: ", "from ", "not compared: ")
        return all(self.marked(beginning) is None for beginning in kept)

    @property
    def missing(self) -> str | None:
        """The program that it needs, where this machine does not have it."""
        name = self.marked("needs ")
        return name if name is not None and shutil.which(name) is None else None

    @property
    def mistake(self) -> str | None:
        """What is wrong with its marks."""
        known = ON_COMMANDS if self.is_command else ON_OTHERS
        if self.language == "powershell" and self.why_not_run is None:
            return "PowerShell cannot be run here: not run: PowerShell, on Windows"
        for mark in self.marks:
            if not known.fullmatch(mark):
                return f"{mark!r} is no mark for a block of {self.language or 'no language'}"
        return None


def pages() -> list[Path]:
    """The README and all pages of docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def name(page: Path) -> str:
    """The path of a page as people write it."""
    return page.relative_to(ROOT).as_posix() if page.is_relative_to(ROOT) else page.name


def blocks(text: str) -> list[Block]:
    """The blocks of a page's text, in their order. Raises ValueError where one cannot be found."""
    found = [Block(match[1] or "", match[2], match[3]) for match in FENCED.finditer(text)]
    if len(FENCE.findall(text)) != 2 * len(found):
        raise ValueError("a block does not begin with ``` and end with ``` at the beginning of a line")
    return [block for block in found if not block.language.startswith(DIRECTIVE)]


def of(page: Path) -> list[Block]:
    """The blocks of a page."""
    return blocks(page.read_text("utf-8"))


def steps(page: Path) -> Iterator[Block]:
    """The blocks that are to be walked on this machine, in their order. What needs a program that is not here
    is left out, with what it says.
    """
    left_out = False
    for block in of(page):
        if block.is_command:
            left_out = block.missing is not None
        if block.in_the_walk and not (left_out and (block.is_command or block.is_output)):
            yield block


def mistakes(page: Path) -> list[str]:
    """What is wrong with a page that can be seen without running anything."""
    try:
        found = blocks(page.read_text("utf-8"))
    except ValueError as error:
        return [f"{name(page)}: {error}"]
    wrong = [(block, block.mistake or differs(block)) for block in found]
    return [f"{name(page)}: {what}, in\n{block.text}" for block, what in wrong if what is not None]


def lacking(lines: list[str], file: Path) -> str | None:
    """The first of the lines that does not stand in the file behind the ones before it, blanks at both ends
    aside. `...` leaves out any number of the file's lines; empty lines do not count.
    """
    rest = iter([line.strip() for line in file.read_text("utf-8").splitlines()])
    for line in map(str.strip, lines):
        if line and line != LEFT_OUT and line not in rest:  # `in` goes on where it found the last one
            return line
    return None


def differs(block: Block) -> str | None:
    """What a block that is taken from files says and they do not; None where it says nothing of the kind.

    from FILE: each of its lines, in that order. from OLD to NEW, a diff: those without a plus stand in OLD,
    those without a minus in NEW; its lines that begin with @@, --- or +++ stand nowhere.
    """
    source = block.marked("from ")
    if source is None:
        return None
    old, _, new = source.partition(" to ")
    lines = block.text.splitlines()
    sides = [(old, lines)]
    if new:
        body = [line for line in lines if not line.startswith(("@@", "---", "+++"))]
        sides = [
            (file, [line[1:] for line in body if line[:1] != sign]) for file, sign in ((old, "+"), (new, "-"))
        ]
    for file, own in sides:
        path = ROOT / file
        if not path.is_file():
            return f"there is no file {file}"
        if (line := lacking(own, path)) is not None:
            return f"not in {file}, at least not here: {line}"
    return None
