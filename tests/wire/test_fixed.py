"""Frames of fixed size are found in any pieces, and their text is what arrived of it."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netlab.wire import fixed
from netlab.wire.fixed import Frame
from netlab.wire.text import printable
from tests.wire import (
    BEGINNINGS,
    bounded,
    characters,
    ends,
    every_way,
    in_reads,
    numbers,
    read,
    reads,
    soup,
    wrecked,
)

fields = st.one_of(
    st.binary(min_size=20, max_size=20),
    st.lists(
        st.one_of(st.text(max_size=4).map(str.encode), st.sampled_from(sorted(BEGINNINGS)), st.just(b"-\xff"))
    ).map(lambda parts: b"".join(parts)[:20].ljust(20, b"-")),
)
"""The 20 bytes of a text field: UTF-8, no UTF-8, and cut in the midst of a character."""

frames = st.builds(lambda *numbers_and_field: (1, *numbers_and_field), numbers, numbers, fields)
"""Valid frames, as plain tuples."""


def packed(*frames: tuple[int, int, int, bytes]) -> bytes:
    """The bytes of frames, from F1 and not from the codec."""
    return b"".join(
        bytes([version]) + order.to_bytes(4, "big") + size.to_bytes(4, "big") + field
        for version, order, size, field in frames
    )


class Texts(SynchronousTestCase):
    """From the text as it was typed to the text that arrived (F2-F5)."""

    @bounded
    @given(fields, st.one_of(st.integers(0, 25), numbers))
    def test_the_text_is_the_first_characters_of_the_field_without_an_incomplete_last_one(
        self, field: bytes, size: int
    ) -> None:
        found, _ = characters(field)
        self.assertEqual(Frame(1, 1, size, field).text, "".join(found[:size]))

    def test_a_short_text_is_padded(self) -> None:
        self.assertEqual(fixed.frame(7, "hélló"), (1, 7, 5, "hélló".encode() + b"-------------"))
        self.assertEqual(fixed.frame(7, ""), (1, 7, 0, b"-" * 20))

    def test_a_long_text_is_cut_and_its_size_says_so(self) -> None:
        self.assertEqual(fixed.frame(7, "x" * 25), (1, 7, 25, b"x" * 20))
        self.assertEqual(fixed.frame(7, "€" * 7), (1, 7, 7, b"\xe2\x82\xac" * 6 + b"\xe2\x82"))

    def test_a_text_without_utf8_is_no_frame(self) -> None:
        self.assertRaises(ValueError, fixed.frame, 1, "\ud800")

    @bounded
    @given(numbers, st.text(max_size=25))
    def test_what_was_typed_arrives_as_far_as_it_fits(self, order: int, typed: str) -> None:
        frame = fixed.frame(order, typed)
        (got,) = read(fixed.cutter(), [frame.pack()]).frames
        self.assertEqual((got, got.order, got.size), (frame, order, len(typed)))
        fits = max(n for n in range(len(typed) + 1) if len(typed[:n].encode()) <= 20)
        self.assertEqual(got.text, typed[:fits])

    @bounded
    @given(frames)
    def test_the_print_is_one_safe_line(self, frame: tuple[int, int, int, bytes]) -> None:
        line = str(Frame(*frame))
        self.assertEqual(
            line, f"ver: 1, order: {frame[1]}, size: {frame[2]} -> {printable(Frame(*frame).text)}"
        )
        self.assertEqual(line, printable(line))


def expected(stream: bytes, end: str) -> tuple[int, tuple[str, int] | None]:
    """How many bytes of a stream are valid frames, and what is wrong with the next (R2, R4, R5)."""
    at = 0
    while at < len(stream):
        if stream[at] != 1:
            return at, ("wrong-version", at)
        if at + 29 > len(stream):
            return at, ("truncated" if end == "fin" else "deadline", at)
        at += 29
    return at, None


class Streams(SynchronousTestCase):
    """Frames are found in any pieces (S2, F1)."""

    @bounded
    @given(st.lists(frames, max_size=6), reads)
    def test_valid_frames_come_out_as_they_went_in(
        self, sent: list[tuple[int, int, int, bytes]], sizes: list[int]
    ) -> None:
        stream = packed(*sent)
        reading = read(fixed.cutter(), in_reads(stream, sizes))
        self.assertEqual((reading.frames, reading.data, reading.violation), (sent, stream, None))
        self.assertEqual(b"".join(frame.pack() for frame in reading.frames), stream)

    @bounded
    @given(
        st.one_of(soup, wrecked(st.lists(frames, max_size=4).map(lambda sent: packed(*sent)))), reads, ends
    )
    def test_any_bytes_are_valid_frames_and_at_most_one_violation(
        self, stream: bytes, sizes: list[int], end: str
    ) -> None:
        valid, fault = expected(stream, end)
        reading = read(fixed.cutter(), in_reads(stream, sizes), end)
        self.assertEqual((reading.data, reading.fault), (stream[:valid], fault))
        self.assertEqual(reading.frames, list(struct.iter_unpack("!BLL20s", stream[:valid])))

    def test_a_hundred_frames_in_one_read_are_one_run(self) -> None:
        stream = packed(*[(1, order, 5, b"hello---------------") for order in range(1, 101)])
        (run,) = read(fixed.cutter(), [stream]).runs
        self.assertEqual([frame.order for frame in run], list(range(1, 101)))

    def test_a_wrong_version_is_known_at_its_byte(self) -> None:
        stream = packed((1, 1, 0, b"-" * 20), (1, 2, 0, b"-" * 20)) + b"G"
        for pieces in every_way(stream):
            cutter = fixed.cutter()
            for piece in pieces:
                self.assertIsNone(cutter.violation)
                cutter.feed(piece)
            self.assertEqual(str(cutter.violation).split(":")[0], "wrong-version at byte 58 [47]")
