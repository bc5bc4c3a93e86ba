"""The tests of the wire formats; here how they read a stream in pieces, and a UTF-8 decoder of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Generic, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from netlab.wire.framing import Remark, Run, StreamCutter
from netlab.wire.violations import Violation

F = TypeVar("F")

# Whatever Hypothesis wants to keep goes where the tests run: a relative path, so into trial's own folder.
set_hypothesis_home_dir(".hypothesis")

bounded = settings(
    max_examples=150, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
"""A property is tried on so many examples, however slow the machine is."""

reads = st.lists(st.integers(1, 40), min_size=1, max_size=6)
"""How many bytes each read yields, over and over."""

numbers = st.one_of(st.integers(0, 9), st.sampled_from((0xFFFFFFFF, 0xFFFFFFFE)), st.integers(0, 0xFFFFFFFF))
"""What may stand in a field of 4 bytes: mostly what matters."""

ends = st.sampled_from(("fin", "deadline"))
"""How a stream may end."""

soup = st.one_of(
    st.binary(max_size=80), st.lists(st.sampled_from(b"\0\0\0\1\1\2\5a"), max_size=80).map(bytes)
)
"""Bytes that are no stream of anything; half of them look like headers."""


@st.composite
def wrecked(draw: st.DrawFn, streams: st.SearchStrategy[bytes]) -> bytes:
    """Streams in which a few bytes were overwritten, left out or put in."""
    stream = draw(streams)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(stream)))
        stream = stream[:at] + draw(st.binary(max_size=2)) + stream[at + draw(st.integers(0, 2)) :]
    return stream


@dataclass
class Reading(Generic[F]):
    """What a cutter made of a stream."""

    runs: list[Run[F]]
    remarks: list[Remark]
    violation: Violation | None

    @property
    def data(self) -> bytes:
        """The bytes of all runs."""
        return b"".join(run.data for run in self.runs)

    @property
    def frames(self) -> list[F]:
        """The frames of all runs."""
        return [frame for run in self.runs for frame in run]

    @property
    def fault(self) -> tuple[str, int] | None:
        """What of a violation does not depend on the pieces (S2)."""
        return (self.violation.reason, self.violation.offset) if self.violation else None

    @property
    def hint(self) -> str | None:
        """The layout that the violation's advice names."""
        return _layout(r"uses? --layout (\w+)", self.violation.advice if self.violation else "")

    @property
    def decided(self) -> str | None:
        """The layout that a remark names."""
        return _layout(r"layout (\w+)", " ".join(remark.text for remark in self.remarks))


def _layout(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text)
    return found and found[1]


def read(
    cutter: StreamCutter[F],
    pieces: Iterable[bytes],
    end: str = "fin",
    after_each: Callable[[], None] = lambda: None,
) -> Reading[F]:
    """Feed a cutter a stream and end it. What holds for every stream is asserted on the way."""
    items = []
    for piece in pieces:
        items += cutter.feed(piece)
        after_each()
    items += cutter.finish() if end == "fin" else cutter.expire()
    violations = [item for item in items if isinstance(item, Violation)]
    reading = Reading(
        [item for item in items if isinstance(item, Run)],
        [item for item in items if isinstance(item, Remark)],
        violations[0] if violations else None,
    )
    assert len(violations) <= 1
    assert violations == items[len(items) - len(violations) :], "a violation is the last item"
    assert cutter.offset == len(reading.data)
    assert not cutter.pending, "nothing waits after the end"
    assert [len(run) for run in reading.runs] == [len(list(run)) for run in reading.runs]
    if violations:
        assert violations[0].offset == cutter.offset, "the offending frame follows the last valid one"
        assert [*cutter.feed(b"\1" * 64), *cutter.finish(), *cutter.expire()] == [], "S5"
    return reading


def in_reads(stream: bytes, sizes: Iterable[int]) -> list[bytes]:
    """The stream as reads of these sizes would yield it, over and over."""
    pieces, at = [], 0
    for size in cycle(sizes):
        if at >= len(stream):
            break
        pieces.append(stream[at : at + size])
        at += size
    return pieces


def every_way(stream: bytes) -> Iterator[list[bytes]]:
    """The stream whole, byte by byte, and in two pieces, split at every single point."""
    yield [stream]
    yield in_reads(stream, [1])
    for point in range(1, len(stream)):
        yield [stream[:point], stream[point:]]


BEGINNINGS = frozenset(
    chr(code).encode()[:length]
    for code in range(0x80, 0x110000, 0x40)  # the last six bits are in the last byte, which no beginning has
    if not 0xD800 <= code <= 0xDFFF
    for length in range(1, len(chr(code).encode()))
)
"""All beginnings of characters that are not whole."""


def characters(data: bytes) -> tuple[list[str], bytes]:
    """The characters of some bytes, one at a time, and the beginning of a character at their end.

    A byte that belongs to no character is one of its own.
    """
    found: list[str] = []
    at = 0
    while at < len(data) and data[at:] not in BEGINNINGS:
        length = next((n for n in (1, 2, 3, 4) if _is_character(data[at : at + n])), 0)
        found.append(data[at : at + length].decode() if length else chr(0xDC00 + data[at]))
        at += length or 1
    return found, data[at:]


def _is_character(data: bytes) -> bool:
    try:
        return len(data.decode()) == 1
    except UnicodeDecodeError:
        return False
