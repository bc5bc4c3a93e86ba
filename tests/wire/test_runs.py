"""Runs are cut by strides and in tight loops: the same streams are accepted as by reading frame by frame."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netlab.wire import fixed, variable
from netlab.wire.framing import (
    LONG,
    MANY,
    SHORT,
    Cutter,
    FixedFormat,
    Held,
    SizedFormat,
    StreamCutter,
    as_tuple,
)
from netlab.wire.variable import Layout
from netlab.wire.violations import Oversize, Truncated, WrongLayout, WrongVersion
from tests.wire import Reading, bounded, in_reads, read

MAX_SIZE = 300
"""Bytes of a payload that these formats let in: some of what is drawn is above it."""


class Plain(NamedTuple):
    """A format as anybody would read it: one frame after the other, nothing cut together."""

    make: Callable[[], StreamCutter[Any]]
    header: struct.Struct
    size_at: int | None
    version: int | None

    def frames(self, stream: bytes) -> Iterator[bytes | tuple[str, int]]:
        """The bytes of each frame, and at the end what is wrong and where, if anything is."""
        at = 0
        while at < len(stream):
            if self.version is not None and stream[at] != self.version:
                yield WrongVersion.reason, at
                return
            size = 0
            if self.size_at is not None and len(stream) - at >= self.header.size:
                size = self.header.unpack_from(stream, at)[self.size_at]
                if size > MAX_SIZE:
                    yield Oversize.reason, at
                    return
            if len(stream) - at < self.header.size + size:
                yield Truncated.reason, at
                return
            yield stream[at : at + self.header.size + size]
            at += self.header.size + size

    def decoded(self, frame: bytes) -> tuple[Any, ...]:
        """The values of a frame, and its payload where it has one."""
        values = self.header.unpack_from(frame)
        return values if self.size_at is None else (*values, frame[self.header.size :])

    def packed(self, size: int, number: int) -> bytes:
        """A frame with a payload of this size."""
        values = [b"x" * (len(each)) if isinstance(each, bytes) else number % 200 for each in self.empty]
        if self.version is not None:
            values[0] = self.version
        if self.size_at is not None:
            values[self.size_at] = size
        return self.header.pack(*values) + (b"" if self.size_at is None else bytes([number % 256]) * size)

    @property
    def empty(self) -> tuple[Any, ...]:
        """The values of a frame of zeros."""
        return self.header.unpack(bytes(self.header.size))


def sized(layout: str, size_at: int, version: int | None) -> Plain:
    """A format with a header of one's own."""
    header = struct.Struct(layout)
    return Plain(
        lambda: Cutter(SizedFormat(header, size_at, MAX_SIZE, as_tuple, version)), header, size_at, version
    )


def variable_size(layout: Layout, size_at: int) -> Plain:
    """The laboratory's, its layout told."""
    return Plain(lambda: variable.Cutter(layout, MAX_SIZE), variable.HEADER, size_at, 1)


FORMATS = {
    "fixed": Plain(fixed.cutter, fixed.LAYOUT, None, 1),
    "fixed without a version": Plain(
        lambda: Cutter(FixedFormat(struct.Struct("!HB"), as_tuple)), struct.Struct("!HB"), None, None
    ),
    "guide": variable_size(Layout.GUIDE, 2),
    "scripts": variable_size(Layout.SCRIPTS, 1),
    "size first": sized("<HB", 0, None),
    "size behind a text": sized("!B4sxH2x", 2, 9),
    "size behind repeated values": sized("!3BH", 3, 7),
    "native, with padding": sized("@BL", 1, 3),
    "a byte": sized("B", 0, None),
}


@st.composite
def streams(draw: st.DrawFn) -> tuple[str, bytes]:
    """A format's name, and a stream of it: many frames, of one size or of several, and then damaged."""
    name = draw(st.sampled_from(sorted(FORMATS)))
    plain = FORMATS[name]
    most = 255 if name == "a byte" else MAX_SIZE + 1
    usual = min(most, draw(st.one_of(st.integers(0, 40), st.sampled_from((MAX_SIZE, MAX_SIZE + 1)))))
    count = draw(st.integers(0, 5 * MANY))
    sizes = [usual] * count
    for _ in range(draw(st.sampled_from((0, 0, 1, 3)))):
        if count:
            sizes[draw(st.integers(0, count - 1))] = draw(st.integers(0, most))
    stream = b"".join(plain.packed(size, number) for number, size in enumerate(sizes, 1))
    for _ in range(draw(st.sampled_from((0, 0, 1, 2)))):
        at = draw(st.integers(0, len(stream)))
        stream = stream[:at] + draw(st.binary(max_size=3)) + stream[at + draw(st.integers(0, 3)) :]
    return name, stream


pieces = st.lists(st.one_of(st.integers(1, 60), st.integers(200, 3000)), min_size=1, max_size=5)


class Accepted(SynchronousTestCase):
    """What is cut in runs, against what is read frame by frame."""

    @bounded
    @given(streams(), pieces)
    def test_are_the_same_streams(self, drawn: tuple[str, bytes], sizes: list[int]) -> None:
        name, stream = drawn
        plain = FORMATS[name]
        found = [*plain.frames(stream)]
        frames = [each for each in found if isinstance(each, bytes)]
        fault = found[-1] if len(found) > len(frames) else None
        reading: Reading[Any] = read(plain.make(), in_reads(stream, sizes))
        self.assertEqual([piece.data for run in reading.runs for piece in run.split()], frames)
        if isinstance(reading.violation, WrongLayout):  # what else it would be, read in the other layout (R6)
            self.assertEqual(reading.violation.offset, fault and fault[1])
        else:
            self.assertEqual(reading.fault, fault)
        if name not in ("fixed", "guide", "scripts"):  # whose frames are more than their values
            self.assertEqual(reading.frames, [plain.decoded(frame) for frame in frames])

    @bounded
    @given(streams(), pieces)
    def test_iterating_a_run_is_decoding_each_of_its_frames(
        self, drawn: tuple[str, bytes], sizes: list[int]
    ) -> None:
        name, stream = drawn
        for run in read(FORMATS[name].make(), in_reads(stream, sizes)).runs:
            self.assertEqual(list(run), [run.format.decode(piece.data) for piece in run.split()])

    def test_one_frame_among_many_is_the_odd_one(self) -> None:
        for name, plain in FORMATS.items():
            frames = [plain.packed(5, number) for number in range(MANY + 2)]
            for odd in (0, 1, MANY, MANY + 1):
                for at in range(len(frames[odd])):
                    changed = bytearray(frames[odd])
                    changed[at] ^= 0x01
                    stream = b"".join((*frames[:odd], changed, *frames[odd + 1 :]))
                    expected = [frame for frame in plain.frames(stream) if isinstance(frame, bytes)]
                    found = read(plain.make(), [stream]).data
                    self.assertEqual(found, b"".join(expected), (name, odd, at))

    def test_many_that_are_all_too_long_are_not_let_in(self) -> None:
        plain = FORMATS["size first"]
        stream = b"".join(plain.packed(MAX_SIZE + 1, number) for number in range(2 * MANY))
        reading = read(plain.make(), [stream])
        self.assertEqual((reading.data, reading.fault), (b"", (Oversize.reason, 0)))


class LongFrames(SynchronousTestCase):
    """A long frame is put together by itself, whatever it came in."""

    def test_what_follows_it_is_a_run_of_its_own(self) -> None:
        cutter = variable.Cutter(Layout.GUIDE)
        long, short = variable.frame(1, "a" * LONG).pack(), variable.frame(2, "b").pack()
        self.assertEqual(cutter.feed(long[:100]), [])
        runs: list[Any] = cutter.feed(long[100:] + short)
        self.assertEqual([run.data for run in runs], [long, short])

    def test_with_a_violation_behind_it(self) -> None:
        cutter = variable.Cutter(Layout.GUIDE)
        long = variable.frame(1, "a" * LONG).pack()
        cutter.feed(long[:-1])
        run, violation = cutter.feed(long[-1:] + b"\xff")
        self.assertEqual(run.data, long)  # type: ignore[union-attr]
        self.assertEqual((violation.reason, violation.offset), (WrongVersion.reason, len(long)))  # type: ignore[union-attr]

    @bounded
    @given(
        st.lists(st.one_of(st.integers(1, 40), st.integers(SHORT - 2, 3 * SHORT)), min_size=1, max_size=30)
    )
    def test_pieces_are_kept_in_their_order(self, sizes: list[int]) -> None:
        data = [bytes([number % 256]) * size for number, size in enumerate(sizes)]
        held = Held(data[0])
        for piece in data[1:]:
            held.append(piece)
        self.assertEqual(len(held), sum(sizes))
        self.assertEqual(held.joined(b"rest"), b"".join(data) + b"rest")

    def test_tiny_pieces_cost_their_length(self) -> None:
        held = Held(b"x")
        for _ in range(10_000):
            held.append(b"y")
        self.assertEqual(len(held._pieces), 1)


class Headers(SynchronousTestCase):
    def test_a_header_without_that_value_is_told(self) -> None:
        with self.assertRaisesRegex(ValueError, "!BL has no such value"):
            SizedFormat(struct.Struct("!BL"), 2, MAX_SIZE, as_tuple)
