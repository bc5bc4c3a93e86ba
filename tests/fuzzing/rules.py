"""What must come of a stream that is there as a whole: the rules of docs/protocol.md once more, by hand."""

from __future__ import annotations

from typing import NamedTuple

HEADER = 9
"""Bytes of a header: the version and two numbers (V1)."""
FIXED = 29
"""Bytes of a frame of fixed size (F1)."""


class Verdict(NamedTuple):
    """What does not depend on the pieces of a stream (S2)."""

    frames: list[bytes]
    """The bytes of each valid frame."""
    reason: str | None = None
    """The word of its violation, which begins where the valid frames end."""
    hint: str | None = None
    """The layout that was probably meant (R6)."""
    decided: str | None = None
    """The layout that was found out (V6)."""


def incomplete(end: str) -> str:
    """The word for a frame that has begun and will not end."""
    return "truncated" if end == "fin" else "deadline"


def fixed(stream: bytes, end: str) -> Verdict:
    """Frames of 29 bytes that begin with the version (F1, R2)."""
    frames: list[bytes] = []
    for at in range(0, len(stream), FIXED):
        frame = stream[at : at + FIXED]
        if frame[0] != 1:
            return Verdict(frames, "wrong-version")
        if len(frame) < FIXED:
            return Verdict(frames, incomplete(end))
        frames.append(frame)
    return Verdict(frames)


class _Fork(NamedTuple):
    """The first header whose two readings differ: its place and numbers, and the order that is due there."""

    at: int
    first: int
    second: int
    due: int


def variable(stream: bytes, end: str, layout: str | None, limit: int) -> Verdict:
    """Frames with a header, in a layout that was told or is to be found out (V1-V7, R2-R6)."""
    frames: list[bytes] = []
    at, due = 0, 1
    fork: _Fork | None = None
    decided: str | None = None

    def broken(reason: str) -> Verdict:
        meant = _meant(fork, layout, limit, at if reason == "oversize" else None)
        if meant is not None and reason in ("wrong-version", "oversize"):
            reason = "wrong-layout"
        return Verdict(frames, reason, meant, decided)

    while at < len(stream):
        if stream[at] != 1:
            return broken("wrong-version")
        if at + HEADER > len(stream):
            return broken(incomplete(end))
        first = int.from_bytes(stream[at + 1 : at + 5], "big")
        second = int.from_bytes(stream[at + 5 : at + 9], "big")
        if fork is None and first != second:
            fork = _Fork(at, first, second, due)
            if layout is None:
                comes_whole = first <= limit and at + HEADER + first <= len(stream)
                is_scripts = comes_whole and second == due and first not in (due, 0)
                layout = decided = "scripts" if is_scripts else "guide"
        order, size = (second, first) if layout == "scripts" else (first, second)
        if size > limit:
            return broken("oversize")
        if at + HEADER + size > len(stream):
            return broken(incomplete(end))
        frames.append(stream[at : at + HEADER + size])
        at, due = at + HEADER + size, (order + 1) % 2**32
    return Verdict(frames, decided=decided)


def _meant(fork: _Fork | None, layout: str | None, limit: int, oversize_at: int | None) -> str | None:
    """The other layout, where the first header that tells them apart makes sense in it and not here (R6)."""
    if fork is None:
        return None
    here, there = (fork.second, fork.first) if layout == "scripts" else (fork.first, fork.second)
    size_there = here
    over_here_only = oversize_at == fork.at and here != 0
    makes_sense = (there == fork.due or over_here_only) and here != fork.due and size_there <= limit
    return ("guide" if layout == "scripts" else "scripts") if makes_sense else None
