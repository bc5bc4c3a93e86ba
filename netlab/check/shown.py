"""What was sent and what came back, as named fields over their bytes: for the report of a failure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netlab.check.evidence import Evidence, Exchange
from netlab.check.findings import Closing, Step
from netlab.check.formats import FRAME_LENGTH, HEADER_LENGTH
from netlab.wire import fields
from netlab.wire.text import decode, printable

SHOWN_FRAMES = 4
"""Frames, or datagrams, of one direction that are drawn; the others are counted."""

SHOWN_TEXT = 60
"""Characters of a text that are shown."""

SHOWN_LINES = 6
"""Typed lines that are shown."""


def steps(variant: str, layout: str, evidence: Evidence, seen: Exchange | None) -> list[Step]:
    """The exchange that decided; the others of the case are counted."""
    if seen is None:
        return []
    others = sum(each is not seen and each.used for each in evidence.exchanges)
    found: list[Step] = []
    if others:
        found.append(Step("--", f"beside {others:,} other connection{'s' * (others > 1)} of this case"))
    return found + _exchange(variant, layout, seen)


def _exchange(variant: str, layout: str, exchange: Exchange) -> list[Step]:
    reply = "reply" if variant == "tcp" else variant
    if exchange.typed is None:
        found = [*_ours(variant, layout, exchange), *_theirs(reply, layout, exchange)]
    else:
        rows = [printable(line[:SHOWN_TEXT]) for line in exchange.typed[:SHOWN_LINES]]
        if len(exchange.typed) > SHOWN_LINES:
            rows.append(f"and {len(exchange.typed) - SHOWN_LINES:,} more")
        typed = Step("--", "typed, then the end of the input" if exchange.input_ended else "typed", rows)
        found = [typed, *_theirs(variant, layout, exchange), *_ours(reply, layout, exchange)]
    if exchange.closing in (Closing.FIRST, Closing.CLEAN):
        found.append(Step("<<", "the program's FIN"))
    elif exchange.closing is Closing.RESET:
        found.append(Step("<<", "a reset"))
    return found


def _ours(variant: str, layout: str, exchange: Exchange) -> Iterator[Step]:
    if exchange.sent or exchange.typed is None:
        yield from _way(">>", variant, layout, exchange.sent, exchange.datagrams)
    if exchange.finished:
        yield Step("--", "the checker's FIN")
    if exchange.reset:
        yield Step("--", "the checker's reset")


def _theirs(variant: str, layout: str, exchange: Exchange) -> Iterator[Step]:
    if exchange.received:
        parts = exchange.received if exchange.datagrams else [exchange.stream]
        yield from _way("<<", variant, layout, parts, exchange.datagrams)
    else:
        yield Step("<<", "nothing")


def _way(way: str, variant: str, layout: str, pieces: Sequence[bytes], datagrams: bool) -> Iterator[Step]:
    if datagrams:
        for piece in pieces[:SHOWN_FRAMES]:
            yield Step(way, f"a datagram of {len(piece):,} bytes", _drawn([[("text", piece)]], ()))
        if len(pieces) > SHOWN_FRAMES:
            yield Step(way, f"{len(pieces) - SHOWN_FRAMES:,} more datagrams")
        return
    data = b"".join(pieces)
    cuts: list[int] = []
    for piece in pieces[:-1]:
        cuts.append((cuts[-1] if cuts else 0) + len(piece))
    title = f"{len(data):,} bytes"
    if len(pieces) > 1:
        title += f" in {len(pieces)} segments (| is where one ends)"
    frames = list(messages(variant, layout, data))
    rows = _drawn(frames[:SHOWN_FRAMES], cuts)
    if len(frames) > SHOWN_FRAMES:
        rows.append(f"and {len(frames) - SHOWN_FRAMES:,} more")
    yield Step(way, title, rows)


def _drawn(frames: Sequence[Sequence[fields.Field]], cuts: Sequence[int]) -> list[str]:
    rows: list[str] = []
    at = 0
    for frame in frames:
        length = sum(len(data) for _, data in frame)
        rows += fields.table(frame, [cut - at for cut in cuts if at <= cut < at + length])
        name, data = frame[-1]
        text = printable(decode(data))
        if text and name == "text":
            rows.append(f"= {text[:SHOWN_TEXT]}{' ...' if len(text) > SHOWN_TEXT else ''}")
        at += length
    return rows


def messages(variant: str, layout: str, data: bytes) -> Iterator[list[fields.Field]]:
    """The stream's messages as named fields; the last may be incomplete, or none at all."""
    if variant == "reply":
        yield fields.reply(data)
    elif variant == "udp" or variant == "tcp":
        yield fields.text(data)
    else:
        while data:
            length = FRAME_LENGTH
            if variant == "v3":
                at = 5 if layout == "guide" else 1
                size = int.from_bytes(data[at : at + 4], "big") if len(data) >= HEADER_LENGTH else 0
                length = HEADER_LENGTH + size
            yield _named(layout if variant == "v3" else "guide", data[:length])
            data = data[length:]


def _named(layout: str, frame: bytes) -> list[fields.Field]:
    names = ("version", "order", "size") if layout == "guide" else ("version", "size", "order")
    found = list(zip(names, (frame[:1], frame[1:5], frame[5:HEADER_LENGTH]), strict=True))
    return [(name, data) for name, data in [*found, ("text", frame[HEADER_LENGTH:])] if data]
