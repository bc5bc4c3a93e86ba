"""The line on a terminal that shows how far a check has come."""

from __future__ import annotations

import os
from types import TracebackType
from typing import TextIO

from netlab.wire.text import printable, writable

COLUMNS = 80
"""Of a terminal that does not say how many it has."""


class Progress:
    """`12 of 34 v3/split/2 ...`, rewritten in its place; nothing where the stream is no terminal.

    Used as a context, it clears the line at the end, so that what is printed next begins on a clean one.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream if stream is not None and stream.isatty() else None
        self._shown = 0  # columns that are to be cleared

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def show(self, number: int, total: int, id: str) -> None:
        """The case with this number, from 1, has begun."""
        self._rewrite(f"{number} of {total} {printable(id)} ...")

    def say(self, what: str) -> None:
        """Something else than a case has begun."""
        self._rewrite(f"{what} ...")

    def clear(self) -> None:
        """Leave no trace of it: before anything else is printed, and at the end."""
        if self._shown:
            self._rewrite("")

    def _rewrite(self, line: str) -> None:
        if self._stream is None:
            return
        # A line that reaches the last column would be wrapped, and could not be rewritten.
        line = writable(line, self._stream.encoding or "utf-8")[: _columns(self._stream) - 1]
        try:
            self._stream.write(f"\r{line.ljust(self._shown)}\r{line}")
            self._stream.flush()
            self._shown = len(line)
        except (OSError, ValueError):
            self._stream, self._shown = None, 0  # the terminal has gone: the check goes on


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or COLUMNS
    except (OSError, ValueError):
        return COLUMNS
