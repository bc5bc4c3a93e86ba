"""A line on a terminal that is rewritten in its place, to show how far something has come."""

from __future__ import annotations

import os
from types import TracebackType
from typing import TextIO, TypeVar

from netlab.wire.text import printable, writable

L = TypeVar("L", bound="Line")

COLUMNS = 80
"""Of a terminal that does not say how many it has."""


class Line:
    """One line; nothing where the stream is no terminal.

    Used as a context, it clears the line at the end, so that what is printed next begins on a clean one.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream if stream is not None and stream.isatty() else None
        self._shown = 0  # columns that are to be cleared

    def __enter__(self: L) -> L:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def show(self, text: str) -> None:
        """Show this instead of what was there; as much of it as fits."""
        self._rewrite(printable(text))

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
            self._stream, self._shown = None, 0  # the terminal has gone: what is shown goes on


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or COLUMNS
    except (OSError, ValueError):
        return COLUMNS
