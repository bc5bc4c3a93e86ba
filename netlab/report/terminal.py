"""Writes for a terminal: breaks prose into lines, escapes what stands in them, and paints."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from typing import TextIO

from netlab.wire.text import printable

NARROWEST, WIDEST = 80, 120
"""Columns of a report, whatever the terminal has: fewer are too few for bytes, more too many for prose."""

BOLD, LABEL, PLAIN = "\x1b[1m", "\x1b[36m", "\x1b[0m"
GOOD, BAD, LATE, ODD = "\x1b[32m", "\x1b[1;31m", "\x1b[1;33m", "\x1b[1;35m"


def may_colour(stream: TextIO) -> bool:
    """May what is written to this stream have colours: is it a terminal that has some, and nobody who wants
    none (no-color.org)?
    """
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


class Writer:
    """Lines of at most `width` columns, 80 to 120."""

    def __init__(self, width: int, colour: bool) -> None:
        self.width = max(NARROWEST, min(width, WIDEST))
        self._colour = colour

    def paint(self, style: str, text: str) -> str:
        """The text in a style, where there may be colours."""
        return f"{style}{text}{PLAIN}" if self._colour else text

    def prose(self, text: str, indent: int = 2) -> Iterator[str]:
        """A text in lines. A newline in it is one that somebody else has sent, and is shown as such.

        At the margin stands only what we say: the second line is indented in any case.
        """
        first, others = " " * indent, " " * (indent or 2)
        lines = textwrap.wrap(
            printable(text),
            self.width,
            initial_indent=first,
            subsequent_indent=others,
            break_on_hyphens=False,
        )
        return iter(lines)
