"""Streams are cut into runs of frames, whatever pieces they come in, and less than one frame is held."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netlab.wire import fixed, text, variable
from netlab.wire.framing import Cut, Cutter, FixedFormat, Run, SizedFormat, StreamCutter
from netlab.wire.strangers import FIRST_BYTES
from netlab.wire.variable import Layout
from netlab.wire.violations import Truncated
from tests.wire import bounded, ends, in_reads, numbers, read, reads, soup, wrecked

MAX_SIZE = 30


class Note(NamedTuple):
    """A frame of a format that is not the laboratory's."""

    length: int
    kind: int
    payload: bytes


PAIRS: FixedFormat[tuple[int, int]] = FixedFormat(struct.Struct("<HB"), lambda *values: values)
NOTES: SizedFormat[Note] = SizedFormat(struct.Struct("!HB"), 0, MAX_SIZE, Note)
MARKED: SizedFormat[tuple[Any, ...]] = SizedFormat(
    struct.Struct("!BH"), 1, MAX_SIZE, lambda *values: values, version=7
)


def note(kind: int, payload: bytes) -> bytes:
    """The bytes of a note."""
    return len(payload).to_bytes(2, "big") + bytes([kind]) + payload


class Runs(SynchronousTestCase):
    """What a cutter hands out."""

    def test_a_frame_comes_with_its_last_byte(self) -> None:
        cutter = Cutter(NOTES)
        stream = note(9, b"hello")
        for byte in stream[:-1]:
            self.assertEqual(cutter.feed(bytes([byte])), [])
            self.assertTrue(cutter.pending)
        (run,) = cutter.feed(stream[-1:])
        assert isinstance(run, Run)
        self.assertEqual(list(run), [Note(5, 9, b"hello")])
        self.assertFalse(cutter.pending)

    def test_all_that_is_whole_is_one_run_with_the_bytes_as_they_came(self) -> None:
        stream = note(1, b"a") + note(2, b"") + note(3, b"bcd")
        (run,) = Cutter(NOTES).feed(stream + note(4, b"rest")[:-1])
        assert isinstance(run, Run)
        self.assertEqual(run.data, stream)
        self.assertEqual(len(run), 3)
        self.assertEqual(list(run), [Note(1, 1, b"a"), Note(0, 2, b""), Note(3, 3, b"bcd")])
        self.assertEqual(list(run), list(run), "decoded each time anew")

    def test_a_run_is_split_into_runs_of_one_frame(self) -> None:
        streams: tuple[tuple[StreamCutter[Any], list[bytes]], ...] = (
            (Cutter(NOTES), [note(1, b"a"), note(2, b""), note(3, b"bcd")]),
            (Cutter(PAIRS), [b"\1\0\2", b"\3\0\4"]),
        )
        for cutter, pieces in streams:
            (run,) = read(cutter, [b"".join(pieces)]).runs
            self.assertEqual([(part.data, len(part)) for part in run.split()], [(each, 1) for each in pieces])

    def test_a_run_shows_its_first_bytes(self) -> None:
        (short,) = read(Cutter(PAIRS), [b"\1\0\2"]).runs
        (long,) = read(Cutter(PAIRS), [bytes(33)]).runs
        self.assertEqual(repr(short), "<Run of 1: 01 00 02>")
        self.assertEqual(repr(long), f"<Run of 11: {'00 ' * 32}...>")

    def test_no_bytes_change_nothing(self) -> None:
        cutter = Cutter(NOTES)
        self.assertEqual(cutter.feed(b""), [])
        cutter.feed(b"\0")
        self.assertEqual(cutter.feed(b""), [])
        self.assertEqual((cutter.pending, cutter.offset), (True, 0))

    def test_the_offset_is_where_the_frame_that_is_awaited_begins(self) -> None:
        cutter = Cutter(NOTES)
        cutter.feed(note(1, b"abc") + note(2, b"d") + b"\0")
        self.assertEqual(cutter.offset, 10)

    def test_what_is_needed_next(self) -> None:
        """First a header, then the frame that it announces, from the place where it begins."""
        cutter = variable.Cutter(Layout.GUIDE)
        first, second = variable.frame(1, "hello").pack(), variable.frame(2, "again!").pack()
        needed = []
        for piece in first[:4], first[4:9], first[9:] + second[:1], second[1:9], second[9:]:
            cutter.feed(piece)
            needed.append((cutter.offset, cutter.needed))
        self.assertEqual(needed, [(0, 9), (0, 14), (14, 9), (14, 15), (29, 9)])
        self.assertEqual((fixed.cutter().needed, text.Cutter().needed), (1, 1))


class Violations(SynchronousTestCase):
    """What a cutter says of a stream that breaks."""

    def test_a_first_byte_is_judged_at_once(self) -> None:
        for before in (b"", b"\7\0\1x", b"\7\0\0\7\0\0"):
            reading = read(Cutter(MARKED), [before, b"\6"], "deadline")
            self.assertEqual(reading.fault, ("wrong-version", len(before)))

    def test_a_header_is_judged_without_its_payload(self) -> None:
        cutter = Cutter(NOTES)
        (violation,) = cutter.feed((MAX_SIZE + 1).to_bytes(2, "big") + b"\0")
        self.assertEqual(str(violation).split(":")[0], "oversize at byte 0 [00 1f 00]")
        self.assertFalse(cutter.pending)
        self.assertIs(cutter.violation, violation)

    def test_valid_frames_in_the_same_read_come_first(self) -> None:
        reading = read(Cutter(NOTES), [note(1, b"a") + b"\xff\xff\0" + note(2, b"b")])
        self.assertEqual((reading.frames, reading.fault), ([Note(1, 1, b"a")], ("oversize", 4)))

    def test_a_stream_may_end_between_two_frames_only(self) -> None:
        self.assertIsNone(read(Cutter(NOTES), [note(1, b"a")]).violation)
        self.assertIsNone(read(Cutter(NOTES), [], "deadline").violation)
        self.assertEqual(read(Cutter(NOTES), [note(1, b"a") + b"\0"]).fault, ("truncated", 4))
        self.assertEqual(read(Cutter(NOTES), [note(1, b"a") + b"\0"], "deadline").fault, ("deadline", 4))

    def test_what_is_missing_is_counted(self) -> None:
        violation = read(Cutter(NOTES), [note(1, b"hello")[:-1]]).violation
        self.assertIsInstance(violation, Truncated)
        self.assertIn("7 bytes of a frame that needs 8", str(violation))


class ForeignFormats(SynchronousTestCase):
    """Formats that are not the laboratory's: the receivers are for these, too."""

    @bounded
    @given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=MAX_SIZE))), reads)
    def test_sized_frames_are_the_same_in_any_pieces(
        self, notes: list[tuple[int, bytes]], sizes: list[int]
    ) -> None:
        stream = b"".join(note(*each) for each in notes)
        reading = read(Cutter(NOTES), in_reads(stream, sizes))
        self.assertEqual(reading.frames, [(len(payload), kind, payload) for kind, payload in notes])
        self.assertEqual((reading.data, reading.violation), (stream, None))

    @bounded
    @given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 255))), reads)
    def test_fixed_frames_are_the_same_in_any_pieces(
        self, pairs: list[tuple[int, int]], sizes: list[int]
    ) -> None:
        stream = b"".join(struct.pack("<HB", *pair) for pair in pairs)
        reading = read(Cutter(PAIRS), in_reads(stream, sizes))
        self.assertEqual((reading.frames, reading.data), (pairs, stream))


FIXED_FRAMES = st.builds(
    struct.pack,
    st.just("!BLL20s"),
    st.just(1),
    numbers,
    numbers,
    st.binary(min_size=20, max_size=20),
)
VARIABLE_FRAMES = st.builds(
    lambda order, payload, swapped: (
        struct.pack("!BLL", 1, *((len(payload), order) if swapped else (order, len(payload)))) + payload
    ),
    numbers,
    st.binary(max_size=MAX_SIZE),
    st.booleans(),
)
STREAMS = wrecked(st.lists(st.one_of(FIXED_FRAMES, VARIABLE_FRAMES), max_size=4).map(b"".join))

CUTTERS: dict[str, tuple[Callable[[], StreamCutter[Any]], int]] = {
    "notes": (lambda: Cutter(NOTES), 3 + MAX_SIZE),
    "marked": (lambda: Cutter(MARKED), 3 + MAX_SIZE),
    "pairs": (lambda: Cutter(PAIRS), 3),
    "fixed": (fixed.cutter, 29),
    "auto": (lambda: variable.Cutter(None, MAX_SIZE), 9 + MAX_SIZE),
    "guide": (lambda: variable.Cutter(Layout.GUIDE, MAX_SIZE), 9 + MAX_SIZE),
    "scripts": (lambda: variable.Cutter(Layout.SCRIPTS, MAX_SIZE), 9 + MAX_SIZE),
    "text": (text.Cutter, 4 + FIRST_BYTES),
}
"""All cutters, and the longest frame of each, in bytes: of text, a character, and what is looked at (R8)."""

cutters = st.sampled_from(sorted(CUTTERS))


def held(cutter: Any) -> int:
    """How many bytes a cutter keeps."""
    if isinstance(cutter, text.Cutter):
        return len(cutter._begun) + len(cutter._first or b"")
    return len(cutter._held or b"")


class AnyBytes(SynchronousTestCase):
    """Whatever a peer sends gives frames and at most one violation, and never an exception."""

    @bounded
    @given(cutters, st.one_of(soup, STREAMS), reads, ends)
    def test_bytes_alone_decide(self, name: str, stream: bytes, sizes: list[int], end: str) -> None:
        make, _ = CUTTERS[name]
        whole, pieces = read(make(), [stream], end), read(make(), in_reads(stream, sizes), end)
        self.assertEqual(pieces.data, whole.data)
        self.assertEqual("".join(map(str, pieces.frames)), "".join(map(str, whole.frames)))
        self.assertEqual(pieces.fault, whole.fault)
        self.assertEqual(pieces.hint, whole.hint)
        self.assertEqual(pieces.remarks, whole.remarks)
        if name != "text":
            self.assertEqual(pieces.frames, whole.frames)

    @bounded
    @given(cutters, st.one_of(soup, STREAMS), reads)
    def test_less_than_one_frame_is_held(self, name: str, stream: bytes, sizes: list[int]) -> None:
        make, longest = CUTTERS[name]
        cutter = make()
        read(cutter, in_reads(stream, sizes), after_each=lambda: self.assertLess(held(cutter), longest))


class Counting(SizedFormat[Any]):
    """Counts the bytes that it looks at."""

    looked_at = 0

    def cut(self, data: bytes, offset: int) -> Cut:
        self.looked_at += len(data)
        return super().cut(data, offset)


class LongFrames(SynchronousTestCase):
    """A long frame in small pieces costs its length, and no more."""

    def assert_linear(self, piece: int) -> None:
        """Read a frame of 1 MiB in pieces of this size."""
        size = 1 << 20
        format = Counting(struct.Struct("!BLL"), 2, size, lambda *values: values, 1)
        cutter = Cutter(format)
        frame = struct.pack("!BLL", 1, 1, size) + bytes(size)
        most = 0
        for at in range(0, len(frame), piece):
            items = cutter.feed(frame[at : at + piece])
            most = max(most, held(cutter))
        self.assertEqual([len(item) for item in items if isinstance(item, Run)], [1])
        self.assertLess(most, len(frame))
        self.assertLessEqual(format.looked_at, len(frame) + piece + 10, "its header, and then all of it")
        self.assertEqual(held(cutter), 0)

    def test_byte_by_byte(self) -> None:
        self.assert_linear(1)

    def test_segment_by_segment(self) -> None:
        self.assert_linear(1_460)
