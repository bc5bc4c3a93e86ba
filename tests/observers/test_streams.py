"""A conversation is followed: the messages are the codec's, and where each begins and ends is right."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netlab.observers.dialects import DATAGRAM, FIXED, TEXT, Dialect, variable_size
from netlab.observers.streams import REMEMBERED, Chunk, Found, Stream, Streams, datagram
from netlab.wire import text
from netlab.wire.variable import Layout, frame
from netlab.wire.vectors import VECTORS, Vector
from tests.wire import bounded, every_way, in_reads, read, reads, soup
from tests.wire.test_framing import MAX_SIZE, STREAMS

DIALECTS = {
    "text": TEXT,
    "fixed": FIXED,
    "auto": variable_size(None, MAX_SIZE),
    "guide": variable_size(Layout.GUIDE, MAX_SIZE),
    "scripts": variable_size(Layout.SCRIPTS, MAX_SIZE),
}

dialects = st.sampled_from(sorted(DIALECTS))


def follow(dialect: Dialect, pieces: list[bytes]) -> list[Chunk]:
    """The chunks of a stream that a client sends, and its FIN."""
    stream = Stream(dialect, answers=False)
    return [*(stream.feed(piece) for piece in pieces), stream.finish()]


def found_in(chunks: list[Chunk]) -> list[Found]:
    """All messages."""
    return [found for chunk in chunks for found in chunk.found]


class AnyStream(SynchronousTestCase):
    """Whatever comes, in whatever pieces."""

    @bounded
    @given(dialects, st.one_of(soup, STREAMS), reads)
    def test_the_messages_are_the_codecs(self, name: str, stream: bytes, sizes: list[int]) -> None:
        pieces = in_reads(stream, sizes)
        reading = read(DIALECTS[name].make_cutter(None), pieces)
        chunks = follow(DIALECTS[name], pieces)
        self.assertEqual([found.line for found in found_in(chunks)], [str(each) for each in reading.frames])
        violations = [chunk.violation for chunk in chunks if chunk.violation]
        self.assertEqual(violations, [reading.violation] if reading.violation else [])

    @bounded
    @given(dialects, st.one_of(soup, STREAMS), reads)
    def test_each_message_begins_and_ends_where_it_is_said(
        self, name: str, stream: bytes, sizes: list[int]
    ) -> None:
        pieces = in_reads(stream, sizes)
        starts = [0, *accumulate(map(len, pieces))]  # of each chunk, and of what would be the next
        at = 0
        for found in found_in(follow(DIALECTS[name], pieces)):
            self.assertEqual((found.start, found.data), (at, stream[at : found.end]))
            self.assertEqual(b"".join(data for _, data in found.fields), found.data)
            self.assertEqual(found.first, bisect_right(starts, at))
            at = found.end
            if found.data:
                self.assertEqual(found.last, bisect_right(starts, at - 1))
            self.assertEqual(
                found.cuts, tuple(start - found.start for start in starts if found.start < start < found.end)
            )

    @bounded
    @given(dialects, st.one_of(soup, STREAMS), reads)
    def test_what_is_left_over_is_counted(self, name: str, stream: bytes, sizes: list[int]) -> None:
        at, enough, is_broken = 0, 0, False
        for number, chunk in enumerate(follow(DIALECTS[name], in_reads(stream, sizes)), 1):
            if chunk.data:
                self.assertEqual(chunk.number, number)
            if chunk.found or chunk.violation:
                self.assertFalse(is_broken, "after a violation nothing is understood")
                self.assertTrue(chunk.end >= enough or not chunk.data, "more was needed, it was said")
            at = max([at, *(found.end for found in chunk.found)])
            is_broken = is_broken or chunk.violation is not None
            self.assertEqual(chunk.broken, is_broken)
            self.assertEqual(chunk.rest, 0 if is_broken or name == "text" else chunk.end - at)
            self.assertEqual(chunk.missing > 0, chunk.rest > 0)
            enough = chunk.end + chunk.missing
        self.assertEqual(chunk.rest, 0, "nothing is left over at the end")


class Vectors(SynchronousTestCase):
    """The golden table, whole, byte by byte and split at every point."""

    def holds(self, vector: Vector, pieces: list[bytes]) -> None:
        layout = None if vector.layout == "auto" else Layout(vector.layout)
        dialect = {"tcp": TEXT, "tcpv2": FIXED}.get(vector.variant) or variable_size(layout, vector.max_size)
        chunks = follow(dialect, pieces)
        lines = [found.line for found in found_in(chunks)]
        if vector.variant == "tcp":
            self.assertEqual("".join(lines), "".join(vector.messages))
            return
        self.assertEqual(tuple(lines), vector.messages)
        violation = next((chunk.violation for chunk in chunks if chunk.violation), None)
        if vector.end == "fin":
            self.assertEqual(violation and (violation.reason, violation.offset), _fault(vector))

    def test_give_the_messages_of_the_table(self) -> None:
        for vector in VECTORS:
            if vector.variant == "udp":
                (found,) = datagram(DATAGRAM, vector.stream).found
                self.assertEqual((found.data, (found.line,)), (vector.stream, vector.messages))
                continue
            ways = every_way(vector.stream) if len(vector.stream) < 200 else [[vector.stream]]
            for pieces in ways:
                self.holds(vector, pieces)


def _fault(vector: Vector) -> tuple[str, int] | None:
    return (vector.reason, vector.offset or 0) if vector.reason else None


class ManyPieces(SynchronousTestCase):
    """A message may come a byte at a time."""

    def test_no_more_than_the_first_bounds_are_remembered(self) -> None:
        stream: Any = Stream(variable_size(), answers=False)
        for byte in frame(1, "x" * 10_000).pack():
            chunk = stream.feed(bytes((byte,)))
            self.assertLessEqual(len(stream._cuts), REMEMBERED)
        (found,) = chunk.found
        self.assertEqual(found.cuts, tuple(range(1, REMEMBERED + 1)))
        self.assertEqual((found.first, found.last), (1, 10_009))
        (found,) = stream.feed(frame(2, "next").pack()).found
        self.assertEqual((found.first, found.last, found.cuts), (10_010, 10_010, ()))

    def test_a_layout_that_is_found_out_late_changes_no_bound(self) -> None:
        # Read as the scripts', the first frame is one of 14 bytes and order 1: it is waited for in vain (V7).
        stream = frame(14, "x").pack() + frame(15, "y").pack()
        pieces = [stream[:5], stream[5:12], stream[12:15], stream[15:]]
        *before, end = follow(variable_size(), pieces)
        self.assertEqual(found_in(before), [])
        self.assertEqual(
            [(found.first, found.last, found.cuts) for found in end.found], [(1, 2, (5,)), (2, 4, (2, 5))]
        )


class TwoDirections(SynchronousTestCase):
    def test_an_answer_is_read_in_the_layout_that_was_found_in_what_it_answers(self) -> None:
        streams = Streams(variable_size(), is_server=True)
        echo = frame(1, "hello").pack(Layout.SCRIPTS)
        (received,) = streams.receive(echo).found
        (sent,) = streams.send(echo).found
        self.assertEqual([name for name, _ in received.fields], ["version", "size", "order", "text"])
        self.assertEqual(sent, received)

    def test_a_layout_that_only_the_fin_has_shown_is_known_of_the_answer(self) -> None:
        streams = Streams(variable_size(), is_server=True)
        echo = frame(14, "x").pack()  # the scripts' would be longer, and have order 1
        self.assertEqual(streams.receive(echo).found, [])
        self.assertEqual(len(streams.received.finish().found), 1)
        self.assertEqual(len(streams.send(echo).found), 1)

    def test_only_a_text_servers_answers_have_a_prefix(self) -> None:
        reply = text.reply(b"hello")
        for is_server in True, False:
            streams = Streams(TEXT, is_server)
            (received,) = streams.receive(reply).found
            (sent,) = streams.send(reply).found
            names = [[name for name, _ in each.fields] for each in (received, sent)]
            self.assertEqual(sorted(names), [["prefix", "text"], ["text"]])
            self.assertEqual(len(names[is_server]), 2)

    def test_each_direction_counts_for_itself(self) -> None:
        streams = Streams(TEXT, is_server=True)
        streams.receive(b"one")
        self.assertEqual(streams.receive(b"two").number, 2)
        self.assertEqual((streams.send(b"three").number, streams.send(b"four").start), (1, 5))
