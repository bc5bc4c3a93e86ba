"""Draws messages byte by byte, most of the golden vectors: the fields' names, the bytes, what they mean.

Sixteen bytes stand in a row, as in Wireshark. Above each is its place in the message, from 0; below it what
it says. A picture is readable in light and dark, on paper, and without colours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from netlab import PORT
from netlab.observers.packets import datagram
from netlab.report.page import Html, tag
from netlab.wire import fields, fixed, variable
from netlab.wire.fields import Field
from netlab.wire.variable import HEADER_LENGTH, Layout
from netlab.wire.vectors import VECTORS

ROW = 16
CELL = 48
"""The width of a byte, in pixels: its field's name and length fit above a field of one byte."""

MARGIN = 10
CAPTION = 20
NAMES, PLACES, BYTES, MEANINGS, GAP = 28, 12, 26, 18, 8
"""The heights of a row's parts, from above, and of the space below it."""

CONTINUED = 16
"""The height of the names in a row in which no field begins."""

PORTS = ("source", "destination")
"""Names of fields that are ports. With that word they would be longer than two bytes are wide."""

STYLE = """
.frame text { font: 12px system-ui, sans-serif; fill: #1c2129; text-anchor: middle; }
.frame .caption, .frame .name { text-anchor: start; }
.frame .name, .frame .caption { font-weight: 600; }
.frame .name { font-size: 11px; }
.frame .soft { font-size: 10.5px; font-weight: 400; fill: #5a6472; }
.frame .byte, .frame .place { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
.frame .byte { font-size: 14px; }
.frame .place { font-size: 9px; fill: #5a6472; }
.frame .ground { fill: #ffffff; }
.frame .cell { stroke: #aab2be; stroke-width: 1; }
.frame .edge { stroke: #1c2129; stroke-width: 2; }
.frame .number { fill: #dbe7fb; }
.frame .text { fill: #e6f4e4; }
.frame .prefix { fill: #fdebc8; }
.frame .padding { fill: #eef0f3; }
@media screen and (prefers-color-scheme: dark) {
  .frame text { fill: #e4e8ee; }
  .frame .soft, .frame .place { fill: #a3adba; }
  .frame .ground { fill: #14171c; }
  .frame .cell { stroke: #5a6472; }
  .frame .edge { stroke: #e4e8ee; }
  .frame .number { fill: #1f3a63; }
  .frame .text { fill: #1f4a2c; }
  .frame .prefix { fill: #5a4312; }
  .frame .padding { fill: #2a3038; }
}
"""
"""The look of all these pictures. Their ground is their own, so that they can be on any page."""


@dataclass(frozen=True)
class Message:
    """One message of a picture."""

    caption: str
    fields: Sequence[Field]
    size: str = ""
    """What its size counts."""
    said: int = 0
    """How many bytes of its text field are text; what is behind them is padding."""

    @property
    def begins(self) -> list[int]:
        """The places where its fields begin, and last its own length."""
        return [0, *accumulate(len(data) for _, data in self.fields)]

    @property
    def length(self) -> int:
        return self.begins[-1]

    def begins_in(self, first: int) -> bool:
        """Does a field begin in the row whose first byte has this place?"""
        return any(first <= begin < first + ROW for begin in self.begins[:-1])


@dataclass(frozen=True)
class Picture:
    """Messages below each other."""

    title: str
    messages: Sequence[Message]

    def svg(self) -> str:
        """The picture as a file."""
        return self.drawn(style=STYLE) + "\n"

    def drawn(self, style: str = "") -> Html:
        """The picture as an element; the page's own style, or this one, holds STYLE."""
        parts: list[Html] = []
        at = MARGIN
        for message in self.messages:
            parts.append(_text(MARGIN, at + 12, message.caption, "caption"))
            at += CAPTION
            for first in range(0, message.length, ROW):
                names = NAMES if first == 0 or message.begins_in(first) else CONTINUED
                parts += _row(message, first, at, at + names + PLACES)
                at += names + PLACES + BYTES + MEANINGS + GAP
        width, height = self.width, at + MARGIN - GAP
        ground = tag("rect", class_="ground", width=str(width), height=str(height), rx="6")
        return tag(
            "svg",
            tag("title", self.title),
            tag("style", Html(style)) if style else "",
            ground,
            *parts,
            xmlns="http://www.w3.org/2000/svg",
            class_="frame",
            viewBox=f"0 0 {width} {height}",
            width=str(width),
            height=str(height),
            role="img",
            aria_label=self.alternative,
        )

    @property
    def width(self) -> int:
        """In pixels."""
        return 2 * MARGIN + CELL * min(ROW, max(message.length for message in self.messages))

    @property
    def alternative(self) -> str:
        """The picture in words."""
        told = "; ".join(
            f"{message.caption}: "
            + ", ".join(f"{name} {data.hex(' ')} ({_length(data)})" for name, data in message.fields)
            for message in self.messages
        )
        return f"{self.title}: {told}"


def _row(message: Message, first: int, top: int, y: int) -> Iterator[Html]:
    """What a row shows: the fields' names, each byte's place, the bytes, and what they mean.

    first: the place of its first byte; top, y: where its names and its bytes are, in pixels.
    """
    for begin, (name, data) in zip(message.begins, message.fields, strict=False):
        left, right = max(begin, first), min(begin + len(data), first + ROW)
        if left >= right:
            continue
        x = [MARGIN + (place - first) * CELL for place in range(left, right + 1)]
        if left == begin:
            yield _text(x[0] + 1, top + 11, name, "name")
            yield _text(x[0] + 1, top + 23, _length(data), "name soft")
        else:
            yield _text(x[0] + 1, top + 11, f"{name}, continued", "name soft")
        for place, at in zip(range(left, right), x, strict=False):
            kind = _kind(message, name, place - begin)
            yield _text(at + CELL // 2, y - 3, str(place), "place")
            yield tag("rect", class_=f"cell {kind}", x=str(at), y=str(y), width=str(CELL), height=str(BYTES))
            yield _text(at + CELL // 2, y + 18, f"{data[place - begin]:02x}", "byte")
        if left == begin:
            yield _edge(x[0], y)
        if right == begin + len(data):
            yield _edge(x[-1], y)
        for start, end, meaning in _meanings(message, name, data):
            start, end = max(start + begin, left), min(end + begin, right)
            if start < end:
                yield _text((x[start - left] + x[end - left]) // 2, y + BYTES + 14, meaning, "meaning")


def _edge(x: int, y: int) -> Html:
    """Where a field begins or ends."""
    return tag("line", class_="edge", x1=str(x), x2=str(x), y1=str(y - 2), y2=str(y + BYTES + 2))


def _kind(message: Message, name: str, place: int) -> str:
    if name in ("text", "prefix"):
        return "padding" if name == "text" and message.said and place >= message.said else name
    return "number"


def _meanings(message: Message, name: str, data: bytes) -> Iterator[tuple[int, int, str]]:
    """What stands below which of a field's bytes: a number, or each of a text's characters."""
    if name in ("text", "prefix"):
        at = 0
        for character in data.decode():
            length = len(character.encode())
            yield at, at + length, "␣" if character == " " else character
            at += length
    elif name != "checksum":
        number = str(int.from_bytes(data, "big"))
        if name in PORTS:
            number = f"port {number}"
        elif name in ("size", "length"):
            number = f"{number} {message.size}"
        yield 0, len(data), number


def _length(data: bytes) -> str:
    return f"{len(data)} byte" if len(data) == 1 else f"{len(data)} bytes"


def _text(x: int, y: int, text: str, kind: str) -> Html:
    return tag("text", text, x=str(x), y=str(y), class_=kind)


EXAMPLES = {vector.name: vector for vector in VECTORS}

IP_HEADER = 20
"""Bytes in front of the datagram's own."""


def _datagram(caption: str, data: bytes) -> Message:
    """The datagram of the second client of exercise 1.2, with its header."""
    host = "127.0.0.1"
    whole = datagram((host, 50002), (host, PORT), data)[IP_HEADER:]
    names = (*PORTS, "length", "checksum")
    header = [(name, whole[2 * at : 2 * at + 2]) for at, name in enumerate(names)]
    return Message(caption, [*header, *fields.text(whole[8:])], "bytes")


def _fixed(caption: str, name: str) -> Message:
    frame = fixed.FORMAT.decode(EXAMPLES[name].stream)
    return Message(caption, fields.fixed(frame), "characters", len(frame.text.encode()))


def _variable(caption: str, name: str, layout: Layout) -> Message:
    format = variable.format(layout)
    stream = EXAMPLES[name].stream
    frame = format.decode(stream[: next(format.ends(stream))])
    return Message(caption, fields.variable(frame, layout), "bytes")


PICTURES = {
    "frame-udp": Picture(
        "A datagram of text, with its header of 8 bytes",
        [_datagram("to the server; in the echo the two ports have changed places", "grüße".encode())],
    ),
    "frame-tcp": Picture(
        "A message of text over TCP, and its answer",
        [
            Message("the client sends", fields.text(EXAMPLES["text-without-newline"].stream)),
            Message("the server answers", fields.reply(EXAMPLES["text-without-newline"].echo)),
        ],
    ),
    "frame-v2": Picture(
        f"A frame of fixed size, {fixed.FRAME_LENGTH} bytes {fixed.LAYOUT.format}",
        [_fixed("!BLL20s", "fixed-size-in-characters")],
    ),
    "frame-v3": Picture(
        f"A frame of variable size, a header of {HEADER_LENGTH} bytes and the text",
        [_variable("!BLL and the text", "variable-size-in-bytes", Layout.GUIDE)],
    ),
    "frame-v3-scripts": Picture(
        "The same with size before order, as in some labs' scripts",
        [_variable("!BLL and the text, --layout scripts", "variable-scripts", Layout.SCRIPTS)],
    ),
}
"""The five formats."""
