"""The frame of fixed size, 29 bytes `!BLL20s`: version, order, size, text (docs/protocol.md, F1-F6)."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from netlab.wire import framing, printing, strangers, text
from netlab.wire.framing import FixedFormat, Printed, Remark

VERSION = 1
LAYOUT = struct.Struct("!BLL20s")
FRAME_LENGTH = LAYOUT.size
TEXT_LENGTH = 20
PADDING = b"-"


class Frame(NamedTuple):
    """One frame. Numbers are unsigned; on the wire they are in network byte order (F1)."""

    version: int
    order: int
    size: int
    """The text's length in characters as it was typed, before cutting and padding: above 20 it says that the
    text was cut (F3).
    """
    field: bytes
    """The 20 bytes of the text field, with their padding."""

    @property
    def text(self) -> str:
        """The text that arrived (F4): the field decoded, without an incomplete last character, then its first
        `size` characters.
        """
        return text.decode(self.field[: text.complete_length(self.field)])[: self.size]

    def pack(self) -> bytes:
        """The frame's 29 bytes."""
        return LAYOUT.pack(*self)

    def __str__(self) -> str:
        return self.line(0)

    def line(self, limit: int) -> str:
        """Return what is printed of it, with so many bytes of the text; 0 for all (P4)."""
        shown = text.shorten(text.encode(self.text), limit)
        return f"ver: {self.version}, order: {self.order}, size: {self.size} -> {shown}"


def frame(order: int, typed: str) -> Frame:
    """The frame for a text as it was typed: cut at byte 20, padded with dashes to 20 bytes (F2, F3).

    Raises ValueError for a text that has no UTF-8 (a lone surrogate).
    """
    return Frame(VERSION, order, len(typed), text.encode(typed)[:TEXT_LENGTH].ljust(TEXT_LENGTH, PADDING))


class _Format(FixedFormat[Frame]):
    def printed(self, run: bytes, limit: int = 0) -> Printed:
        frames: list[Any] = [*self.values(run)]
        return printing.frames(frames, Frame, limit)


FORMAT = _Format(LAYOUT, Frame, VERSION)


class Cutter(framing.Cutter[Frame]):
    """The state of one stream of these frames.

    Little-endian numbers break nothing here, since any are legal: they are named in a Remark before the first
    run (R8).
    """

    def __init__(self) -> None:
        super().__init__(FORMAT, strangers.TCPV2)

    def _greeted(self, data: bytes) -> list[Remark]:
        return [Remark(0, *strangers.LITTLE_ENDIAN)] if strangers.is_little_endian(data) else []


def cutter() -> Cutter:
    """The state of one stream of these frames."""
    return Cutter()
