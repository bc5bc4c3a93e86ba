"""netlab/load/echoes.py: what comes back is compared byte by byte, in whatever pieces it comes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netlab.load.echoes import Frames, Replies, Surplus, Wrong, echoes
from netlab.load.messages import messages
from netlab.wire.text import REPLY_PREFIX
from tests.wire import bounded


class OfFrames(SynchronousTestCase):
    @given(
        st.sampled_from(("tcpv2", "tcpv3")),
        st.sampled_from(((20, 20), (0, 60), (4000, 6000))),
        st.lists(st.integers(1, 5000), min_size=1, max_size=30),
        st.integers(0, 600),
    )
    @bounded
    def test_in_any_pieces_and_counted(
        self, format: str, sizes: tuple[int, int], pieces: list[int], from_number: int
    ) -> None:
        stream = messages(format, sizes)
        compared = echoes(format, stream)
        compared.position = stream.offset(from_number)
        for length in pieces:
            start = compared.position
            sent = start + length
            self.assertEqual(compared.feed(stream.bytes_of(start, sent), sent), stream.before(sent))

    @given(st.integers(0, 9_000), st.integers(0, 40), st.integers(1, 255))
    @bounded
    def test_one_wrong_byte_anywhere(self, at: int, piece: int, change: int) -> None:
        stream = messages("tcpv3", (0, 60))
        compared = Frames(stream)
        compared.resume(200)  # the next cycle begins soon
        begin = compared.position
        whole = bytearray(stream.bytes_of(begin, begin + 10_000))
        whole[at] ^= change
        with self.assertRaises(Wrong) as caught:
            for start in range(0, 10_000, 400 + piece):
                compared.feed(bytes(whole[start : start + 400 + piece]), begin + 10_000)
        self.assertTrue(str(caught.exception).startswith(f"byte {begin + at:,} of the echoes: expected "))

    def test_more_than_was_sent(self) -> None:
        stream = messages("tcpv2", (5, 5))
        compared = Frames(stream)
        compared.feed(stream.bytes_of(0, 29), 29)
        for more in (stream.bytes_of(29, 58), b"x"):  # even if it is what would be sent next
            self.assertRaises(Surplus, compared.feed, more, 29)

    def test_the_same_once_more(self) -> None:
        stream = messages("tcpv2", (5, 5))
        compared = Frames(stream)
        compared.feed(stream.bytes_of(0, 29), 58)
        self.assertRaises(Wrong, compared.feed, stream.bytes_of(0, 29), 58)


def turns(*least: int) -> st.SearchStrategy[list[tuple[int, int, int]]]:
    """What client and server do in turn: bytes that are sent, read and answered, and received."""
    return st.lists(st.tuples(*(st.integers(each, 200) for each in least)), max_size=30)


class OfTexts(SynchronousTestCase):
    @given(st.sampled_from(((1, 1), (30, 30), (1, 90), (5000, 7000))), turns(0, 0, 0), st.integers(1, 9))
    @bounded
    def test_any_server_that_answers_each_read(
        self, sizes: tuple[int, int], doings: list[tuple[int, int, int]], last: int
    ) -> None:
        stream = messages("tcp", sizes)
        compared = Replies(stream)
        sent = read = 0
        answers = b""
        for more, reads, receives in doings:
            sent += more
            if text := stream.bytes_of(read, min(sent, read + reads)):
                answers += REPLY_PREFIX + text
                read += len(text)
            compared.feed(answers[:receives], sent)
            answers = answers[receives:]
        for start in range(0, len(answers), last):
            compared.feed(answers[start : start + last], sent)
        self.assertEqual(compared.position, read)
        self.assertEqual(compared.feed(b"", sent), stream.before(read))

    @given(st.integers(0, 400), st.integers(1, 255), st.integers(1, 60))
    @bounded
    def test_one_wrong_byte_anywhere(self, at: int, change: int, piece: int) -> None:
        stream = messages("tcp", (1, 90))
        whole = bytearray()
        for start in range(0, 600, 45):
            whole += REPLY_PREFIX + stream.bytes_of(start, start + 45)
        whole[at] ^= change
        compared = Replies(stream)
        with self.assertRaises((Wrong, Surplus)):
            for start in range(0, len(whole), piece):
                compared.feed(bytes(whole[start : start + piece]), 45 * 14)

    def test_no_prefix(self) -> None:
        stream = messages("tcp", (5, 5))
        with self.assertRaises(Wrong) as caught:
            Replies(stream).feed(stream.bytes_of(0, 5), 5)
        self.assertIn("byte 0 of the answers: expected 45 43 48 4f 3a 20, got ", str(caught.exception))

    def test_a_prefix_for_the_first_message_only(self) -> None:
        stream = messages("tcp", (5, 5))
        compared = Replies(stream)
        compared.feed(REPLY_PREFIX + stream.bytes_of(0, 5), 5)
        self.assertRaises(Wrong, compared.feed, stream.bytes_of(5, 10), 10)

    def test_a_prefix_that_comes_too_late(self) -> None:
        stream = messages("tcp", (5, 5))
        compared = Replies(stream)
        compared.feed(REPLY_PREFIX + stream.bytes_of(0, 5), 5)
        late = stream.bytes_of(5, 8) + REPLY_PREFIX + stream.bytes_of(8, 10)
        self.assertRaises(Wrong, compared.feed, late, 10)

    def test_it_goes_on_where_others_have_compared(self) -> None:
        stream = messages("tcp", (5, 5))
        compared = Replies(stream)
        compared.resume(3)
        self.assertEqual(compared.feed(REPLY_PREFIX + stream.bytes_of(15, 18), 20), 3)
        self.assertEqual(compared.feed(stream.bytes_of(18, 20), 20), 4)
        again = Replies(stream)
        again.resume(3)
        with self.assertRaises(Wrong) as caught:
            again.feed(stream.bytes_of(15, 20), 20)
        self.assertIn("byte 33 of the answers", str(caught.exception))

    def test_a_prefix_that_nothing_follows(self) -> None:
        stream = messages("tcp", (5, 5))
        text = stream.bytes_of(0, 5)
        self.assertRaises(Wrong, Replies(stream).feed, REPLY_PREFIX + REPLY_PREFIX + text, 5)
        compared = Replies(stream)
        compared.feed(REPLY_PREFIX, 5)
        self.assertRaises(Wrong, compared.feed, REPLY_PREFIX + text, 5)

    def test_more_than_was_sent(self) -> None:
        stream = messages("tcp", (5, 5))
        for more in (b"x", REPLY_PREFIX + b"x", stream.bytes_of(5, 10)):
            compared = Replies(stream)
            compared.feed(REPLY_PREFIX + stream.bytes_of(0, 5), 5)
            self.assertRaises(Surplus, compared.feed, more, 5)
