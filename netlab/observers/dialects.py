"""How each variant's messages stand in its streams: what an observer needs to find and name them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from netlab.wire import fields, fixed, text, variable
from netlab.wire.fields import Field
from netlab.wire.framing import StreamCutter
from netlab.wire.variable import HEADER_LENGTH, MAX_SIZE, Layout


@dataclass(frozen=True)
class Dialect:
    """One variant, seen from outside."""

    unit: str
    """What a message is called: frame, message."""
    make_cutter: Callable[[Layout | None], StreamCutter[Any]]
    """Makes the state of a stream. Given the layout that was found out in the other direction, if any."""
    fields: Callable[[Any, StreamCutter[Any], bool], list[Field]]
    """The fields of a message, of the cutter that found it, and whether the stream is the server's."""
    header: int = 0
    """How many bytes must be there before a message's length is known."""


def _text_fields(message: text.Message, _: StreamCutter[Any], answers: bool) -> list[Field]:
    return fields.reply(message.data) if answers else fields.text(message.data)


DATAGRAM = Dialect("datagram", lambda _: text.Cutter(), lambda message, *_: fields.text(message.data))
"""Chapter 1. What is a stream elsewhere is one datagram here."""

TEXT = Dialect("message", lambda _: text.Cutter(), _text_fields)
"""Chapters 2 and 3."""

FIXED = Dialect("frame", lambda _: fixed.cutter(), lambda frame, *_: fields.fixed(frame))
"""Chapter 4."""


def variable_size(layout: Layout | None = None, max_size: int = MAX_SIZE) -> Dialect:
    """Chapter 5. layout: None to find it out (V6). max_size: the longest payload let in, in bytes (V4)."""

    def make_cutter(found: Layout | None) -> variable.Cutter:
        return variable.Cutter(layout or found, max_size)

    def frame_fields(frame: variable.Frame, cutter: Any, _: bool) -> list[Field]:
        return fields.variable(frame, cutter.layout or Layout.GUIDE)  # None: both are the same

    return Dialect("frame", make_cutter, frame_fields, HEADER_LENGTH)
