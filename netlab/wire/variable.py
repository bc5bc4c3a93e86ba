"""The frame of variable size: a header `!BLL`, then the text; in both layouts (docs/protocol.md, V1-V8).

The guide puts order before size, the scripts that some labs hand out size before order. A frame whose two
numbers are equal reads the same either way; so every stream begins with a prelude in which the layouts agree,
and the first header in which they differ is where the layout is decided, and remembered: if the stream breaks
later, it tells whether the other layout was meant.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

from netlab.wire import framing, orders, printing, strangers, text
from netlab.wire.framing import Cut, Format, Item, Printed, Remark, SizedFormat
from netlab.wire.violations import Incomplete, Oversize, Violation, WrongLayout

VERSION = 1
HEADER = struct.Struct("!BLL")
HEADER_LENGTH = HEADER.size
MAX_SIZE = 1 << 20
"""The longest payload let in by default, in bytes: 1 MiB, a thousand times a long line, and the default of
python-websockets.
"""


class Layout(Enum):
    """Which of the header's two numbers comes first (V2)."""

    GUIDE = "guide"
    SCRIPTS = "scripts"

    @property
    def other(self) -> Layout:
        return Layout.SCRIPTS if self is Layout.GUIDE else Layout.GUIDE

    @property
    def fields(self) -> str:
        """The header's fields, in the order in which they are sent."""
        return "version, order, size" if self is Layout.GUIDE else "version, size, order"

    def order_and_size(self, first: int, second: int) -> tuple[int, int]:
        """What the header's first and second number mean; the other way round, too, since the two meanings
        only change places.
        """
        return (first, second) if self is Layout.GUIDE else (second, first)


class Frame(NamedTuple):
    """One frame, whatever its layout was.

    Numbers are unsigned; on the wire they are in network byte order (V1).
    """

    version: int
    order: int
    size: int
    """The payload's length in bytes."""
    payload: bytes

    @property
    def text(self) -> str:
        """The payload as text; a byte that is no UTF-8 is a character of its own."""
        return text.decode(self.payload)

    def pack(self, layout: Layout = Layout.GUIDE) -> bytes:
        """The frame's bytes."""
        return HEADER.pack(self.version, *layout.order_and_size(self.order, self.size)) + self.payload

    def __str__(self) -> str:
        return self.line(0)

    def line(self, limit: int) -> str:
        """Return what is printed of it, with so many bytes of the payload; 0 for all (P4)."""
        shown = text.shorten(self.payload, limit)
        return f"ver: {self.version}, order: {self.order}, size: {self.size} -> {shown}"


def frame(order: int, typed: str) -> Frame:
    """The frame for a text as it was typed (V3).

    Raises ValueError for a text that has no UTF-8 (a lone surrogate).
    """
    payload = text.encode(typed)
    return Frame(VERSION, order, len(payload), payload)


def _swapped(version: int, size: int, order: int, payload: bytes) -> Frame:
    return Frame(version, order, size, payload)


class _Format(SizedFormat[Frame]):
    def printed(self, run: bytes, limit: int = 0) -> Printed:
        frames: list[Any] = [*self.values(run)]
        return printing.frames(frames, Frame, limit)


class _SwappedFormat(SizedFormat[Frame]):
    def printed(self, run: bytes, limit: int = 0) -> Printed:
        frames = [(v, order, size, text) for v, size, order, text in self.values(run)]
        return printing.frames(frames, Frame, limit)


@lru_cache
def format(layout: Layout, max_size: int = MAX_SIZE) -> SizedFormat[Frame]:
    """How these frames stand in a row of bytes; max_size: the longest payload let in, in bytes (V4)."""
    if layout is Layout.GUIDE:
        return _Format(HEADER, 2, max_size, Frame, VERSION)
    return _SwappedFormat(HEADER, 1, max_size, _swapped, VERSION)


@dataclass(frozen=True)
class _Fork:
    """The first header of a stream whose two readings differ: its numbers, its place, and the order that was
    expected there.
    """

    offset: int
    first: int
    second: int
    expected: int

    def speaks_for(self, layout: Layout) -> bool:
        """Is the order the expected one in this layout, and neither that nor 0 in the other (V6)?"""
        order, other_order = layout.order_and_size(self.first, self.second)
        return order == self.expected and other_order not in (self.expected, 0)


class _Prelude(Format[Frame]):
    """Reads frames as long as both layouts agree on them, and stops at the fork, the first header on which
    they do not.
    """

    def __init__(self, layout: Layout | None, max_size: int) -> None:
        self._format = format(layout or Layout.GUIDE, max_size)
        self._forced = layout
        self._expected = orders.FIRST
        self.fork: _Fork | None = None
        self.layout: Layout | None = None

    def cut(self, data: bytes, offset: int) -> Cut:
        at = count = 0
        while len(data) - at >= HEADER_LENGTH and data[at] == VERSION:
            _, first, second = HEADER.unpack_from(data, at)
            if first != second:
                self.fork = _Fork(offset + at, first, second, self._expected)
                return at, count, self._decide(len(data) - at), None
            if first > self._format.max_size:
                break
            end = at + HEADER_LENGTH + first
            if end > len(data):
                return at, count, end - at, None
            at, count, self._expected = end, count + 1, orders.following(first)
        # Less than a header, or a header that is wrong in both layouts: the plain format says which.
        _, _, need, violation = self._format.cut(data[at:], offset + at)
        return at, count, need, violation

    def _decide(self, available: int) -> int:
        """Decide for a layout, if that can be done with so many bytes from the fork on; return how many it
        takes (V6).
        """
        assert self.fork is not None
        need = HEADER_LENGTH
        if self._forced is not None:
            self.layout = self._forced
        elif self.fork.first > self._format.max_size or not self.fork.speaks_for(Layout.SCRIPTS):
            self.layout = Layout.GUIDE
        else:
            need += self.fork.first
            if available >= need:
                self.layout = Layout.SCRIPTS
        return need

    def ends(self, run: bytes) -> Iterator[int]:
        return self._format.ends(run)

    def decode(self, frame: bytes) -> Frame:
        return self._format.decode(frame)

    def decoded(self, run: bytes) -> Iterator[Frame]:
        return self._format.decoded(run)

    def printed(self, run: bytes, limit: int = 0) -> Printed:
        return self._format.printed(run, limit)


class Cutter(framing.Cutter[Frame]):
    """The state of one stream of these frames.

    layout: the layout to read, or None to find it out (V6). max_size: the longest payload let in, in bytes
    (V4). What is found out is said once, as a Remark before the first run that it decides.
    """

    def __init__(self, layout: Layout | None = None, max_size: int = MAX_SIZE) -> None:
        self._prelude = _Prelude(layout, max_size)
        super().__init__(self._prelude, strangers.TCPV3)
        self.layout = layout
        self._max_size = max_size

    def _concluded(self, items: list[Item[Frame]]) -> list[Item[Frame]]:
        if self.format is self._prelude and self._prelude.layout is not None:
            items += self._settle(self._prelude.layout)
        return items

    def _incomplete(self, kind: type[Incomplete], what: str, advice: str) -> list[Item[Frame]]:
        items: list[Item[Frame]] = []
        if self.format is self._prelude and self._prelude.fork is not None:
            items += self._settle(
                Layout.GUIDE
            )  # the frame is not whole in the scripts' layout, and will not become so
        return items + super()._incomplete(kind, what, advice)

    def _settle(self, layout: Layout) -> list[Item[Frame]]:
        """From the fork on read this layout."""
        held, self._held = self._held.joined() if self._held else b"", None
        items: list[Item[Frame]] = []
        if self.layout is None:
            items.append(Remark(self.offset, f"layout {layout.value} ({layout.fields})"))
        self.layout = layout
        self.format = format(layout, self._max_size)
        return items + self.feed(held)

    def _violated(self, violation: Violation) -> Violation:
        return super()._violated(self._explained(violation))

    def _explained(self, violation: Violation) -> Violation:
        """The violation, with the other layout named where it would have made sense (R6)."""
        fork, layout = self._prelude.fork, self.layout
        if fork is None or layout is None:
            return violation
        order, size = layout.other.order_and_size(fork.first, fork.second)
        # The other layout's size is this one's order. Where that is the expected order, the layout is not
        # what is mistaken.
        oversize_here = isinstance(violation, Oversize) and violation.offset == fork.offset
        implied = order == fork.expected or (oversize_here and size > 0)
        if not implied or size == fork.expected or size > self._max_size:
            return violation
        hint = (
            f"read as {layout.other.fields}, the frame at byte {fork.offset} has order {order} and size "
            f"{size}: the other side seems to use --layout {layout.other.value}, here it is {layout.value}"
        )
        kind = type(violation) if isinstance(violation, Incomplete) else WrongLayout
        advice = hint if kind is WrongLayout and self.stranger is None else f"{violation.advice}; {hint}"
        return kind(violation.offset, violation.head, violation.detail, advice)
