"""The bytes of a message under the names of their fields, as a teacher writes them on the board."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from netlab.wire.fixed import Frame as FixedFrame
from netlab.wire.text import REPLY_PREFIX
from netlab.wire.variable import HEADER_LENGTH, Layout
from netlab.wire.variable import Frame as VariableFrame

Field = tuple[str, bytes]
"""A field's name and its bytes, as they stand on the wire."""

SHOWN = 32
"""Bytes of a field that are shown; of a longer one, the rest is counted: a table is to fit a terminal."""


def fixed(frame: FixedFrame) -> list[Field]:
    """The fields of a frame of 29 bytes (docs/protocol.md, F1)."""
    data = frame.pack()
    return [("version", data[:1]), ("order", data[1:5]), ("size", data[5:9]), ("text", data[9:])]


def variable(frame: VariableFrame, layout: Layout) -> list[Field]:
    """The fields of a frame of variable size, in the sequence of its layout (V1, V2)."""
    data = frame.pack(layout)
    names = layout.fields.split(", ")
    numbers = list(zip(names, (data[:1], data[1:5], data[5:HEADER_LENGTH]), strict=True))
    return [*numbers, ("text", data[HEADER_LENGTH:])]


def text(data: bytes) -> list[Field]:
    """A message of text, which has no fields (T1, U1)."""
    return [("text", data)]


def reply(data: bytes) -> list[Field]:
    """One answer of a text server: the prefix, and the text that it sends back (T3)."""
    if not data.startswith(REPLY_PREFIX):
        return text(data)
    return [("prefix", REPLY_PREFIX), ("text", data[len(REPLY_PREFIX) :])]


def table(fields: Iterable[Field], cuts: Collection[int] = ()) -> list[str]:
    """Two lines: the names, and under each the bytes of its field in hex.

    cuts: a bar stands in front of these bytes, which are counted from 0 over all fields.
    """
    names, bytes_, at = [], [], 0
    for name, data in fields:
        # Each byte brings what stands in front of it.
        shown = "".join(f"{'|' if at + i in cuts else ' '}{byte:02x}" for i, byte in enumerate(data[:SHOWN]))
        shown = shown or " (no bytes)"
        if len(data) > SHOWN:
            shown += f" ... {len(data) - SHOWN:,} more"
        width = max(len(name) + 1, len(shown))
        names.append(f" {name}".ljust(width))
        bytes_.append(shown.ljust(width))
        at += len(data)
    return [" ".join(line).rstrip()[1:] for line in (names, bytes_)]
