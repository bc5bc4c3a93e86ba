"""Where pictures are shown: redrawn on a terminal, or written one after the other, as tables or JSON."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TextIO

from netlab.explain.xray import table
from netlab.explain.xray.json_ import as_json
from netlab.explain.xray.picture import Picture
from netlab.report.terminal import BOLD, PLAIN
from netlab.wire.text import printable, writable

SHARE = 4
"""What the program prints gets a fourth of the terminal's lines at least, where it prints so much."""

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l\x1b[?7l", "\x1b[?7h\x1b[?25h\x1b[?1049l"
"""The terminal's other screen, without a cursor and without wrapping; and back."""
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


class Screen:
    """Shows pictures one after the other."""

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left behind."""

    def show(self, picture: Picture, said: Sequence[str] = ()) -> None:
        """Show one. said: what the program printed, where it is kept."""
        raise NotImplementedError


class Written(Screen):
    """Writes each picture that differs from the one before it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last: Picture | None = None

    def show(self, picture: Picture, said: Sequence[str] = ()) -> None:
        if picture != self._last:
            self._last = picture
            self.write(picture)
            self._stream.flush()

    def write(self, picture: Picture) -> None:
        """Write one."""
        raise NotImplementedError


class Tables(Written):
    """As tables, an empty line between two."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._first = True

    def write(self, picture: Picture) -> None:
        if not self._first:
            self._stream.write("\n")
        self._first = False
        self._stream.write("".join(f"{line}\n" for line in _lines(picture, self._stream)))


class Objects(Written):
    """As JSON, one object on each line."""

    def write(self, picture: Picture) -> None:
        when = {"time": datetime.now().astimezone().isoformat(timespec="milliseconds")}
        self._stream.write(json.dumps({**when, **as_json(picture)}) + "\n")


class Redrawn(Screen):
    """On a terminal's other screen, always the last one, with what the program printed below it."""

    def __init__(self, stream: TextIO, title: str) -> None:
        self._stream = stream
        self._title = title
        self._picture = Picture()

    def __enter__(self) -> Redrawn:
        self._stream.write(_ENTER)
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.write(_LEAVE)
        for line in _lines(self._picture, self._stream):  # what was seen last stays to be read
            self._stream.write(f"{line}\n")
        self._stream.flush()

    def show(self, picture: Picture, said: Sequence[str] = ()) -> None:
        if picture.processes:
            self._picture = picture
        size = shutil.get_terminal_size()
        rows = [
            f"netlab xray  {datetime.now():%H:%M:%S}  {self._title}",
            *_lines(self._picture, self._stream),
        ]
        below = [f"  {writable(printable(line), self._stream.encoding)}" for line in said]
        below = ["it prints", *below] if below else []
        room = max(size.lines - len(rows), min(len(below), size.lines // SHARE))
        below = [*below[:1], *below[1:][-max(1, room - 1) :]] if below else []
        if len(rows) + len(below) > size.lines:
            cut = max(1, size.lines - len(below) - 1)
            rows = [*rows[:cut], f"... and {len(rows) - cut} lines for which this window is too low"]
        drawn = []
        for line in [*rows, *below][: size.lines]:
            line = line[: size.columns]
            drawn.append((line if line.startswith(" ") else f"{BOLD}{line}{PLAIN}") + _CLEAR_LINE)
        self._stream.write(_HOME + "\n".join(drawn) + _CLEAR_BELOW)
        self._stream.flush()


def _lines(picture: Picture, stream: TextIO) -> list[str]:
    return [writable(line, stream.encoding) for line in table.lines(picture)]


def screen(as_objects: bool, redrawn: bool, title: str) -> Screen:
    """Where to show them: on standard output."""
    if as_objects:
        return Objects(sys.stdout)
    return Redrawn(sys.stdout, title) if redrawn else Tables(sys.stdout)
