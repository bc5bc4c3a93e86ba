"""Text comes through whole whatever it is split by, goes back unchanged, and is harmless in print."""

from __future__ import annotations

import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netlab.wire import text
from netlab.wire.framing import Run
from netlab.wire.text import REPLY_PREFIX, EchoMatcher, Message, complete_length, decode, encode, printable
from tests.wire import BEGINNINGS, bounded, characters, in_reads, read, reads

almost_text = st.one_of(
    st.binary(max_size=40),
    st.lists(
        st.one_of(
            st.text(max_size=3).map(str.encode), st.sampled_from(sorted(BEGINNINGS)), st.binary(max_size=1)
        )
    ).map(b"".join),
)
"""UTF-8, no UTF-8, and all that lies between."""

EVERYTHING = "".join(map(chr, range(0x110000)))
"""Every character, the surrogates too, in which decode() puts what is no UTF-8."""


def is_unsafe(character: str) -> bool:
    """Could it do anything to a terminal or a line, but be seen on it? As Unicode's own tables have it."""
    return (
        unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs")
        or unicodedata.bidirectional(character)
        in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        or character in "\u061c\u200e\u200f"  # the rest of Unicode's property Bidi_Control
    )


class Decoding(SynchronousTestCase):
    """Bytes are text, whatever they are (T2)."""

    @bounded
    @given(almost_text)
    def test_any_bytes_come_back_from_their_text(self, data: bytes) -> None:
        self.assertEqual(encode(decode(data)), data)

    @bounded
    @given(almost_text)
    def test_each_byte_that_is_no_utf8_is_a_character(self, data: bytes) -> None:
        found, begun = characters(data)
        self.assertEqual(decode(data), "".join(found) + "".join(chr(0xDC00 + byte) for byte in begun))

    def test_a_lone_surrogate_has_no_bytes(self) -> None:
        for lone in ("\ud800", "\udc7f", "\udfff"):
            self.assertRaises(ValueError, encode, lone)

    @bounded
    @given(almost_text)
    def test_only_a_character_that_is_still_to_come_is_left_out(self, data: bytes) -> None:
        _, begun = characters(data)
        self.assertEqual(complete_length(data), len(data) - len(begun))

    def test_every_beginning_of_a_character_is_known_for_one(self) -> None:
        self.assertEqual({complete_length(begun) for begun in BEGINNINGS}, {0})
        self.assertEqual({complete_length(b"\x80" + begun) for begun in BEGINNINGS}, {1})

    def test_nothing_else_is_taken_for_one(self) -> None:
        for first in range(0xC0, 0x100):
            for second in range(0x100):
                data = bytes((first, second))
                self.assertEqual(complete_length(data), len(data) - len(characters(data)[1]), data)


class Printing(SynchronousTestCase):
    """What a peer sent is harmless in print (P1, P2)."""

    def test_safe_characters_stay_as_they_are(self) -> None:
        safe = "".join(character for character in EVERYTHING if not is_unsafe(character))
        self.assertEqual(printable(safe), safe)

    def test_unsafe_characters_are_escaped_as_python_would(self) -> None:
        for character in filter(is_unsafe, EVERYTHING):
            escaped = printable(character)
            if "\udc80" <= character <= "\udcff":
                self.assertEqual(escaped, f"\\x{ord(character) - 0xDC00:02x}")
            else:
                self.assertEqual(escaped, repr(character)[1:-1])

    @bounded
    @given(st.text(st.characters(exclude_categories=())))
    def test_no_unsafe_character_gets_through(self, typed: str) -> None:
        shown = printable(typed)
        self.assertFalse(any(map(is_unsafe, shown)))
        self.assertEqual(printable(shown), shown)

    def test_what_the_console_lacks_is_escaped(self) -> None:
        self.assertEqual(text.writable("é€😀", "latin-1"), r"é\u20ac\U0001f600")
        self.assertEqual(text.writable("é€😀", "ascii"), r"\xe9\u20ac\U0001f600")
        self.assertEqual(text.writable("é€😀", "utf-8"), "é€😀")


class Streams(SynchronousTestCase):
    """Each read is a message; a character that is split waits for its rest, in print only (T1, T5)."""

    def messages(self, *pieces: bytes) -> list[Message]:
        """The messages of a stream that is read in these pieces."""
        return read(text.Cutter(), pieces).frames

    def test_each_read_is_a_message_at_once(self) -> None:
        cutter = text.Cutter()
        for piece in (b"one", b"two\nthree", b"\0"):
            (run,) = cutter.feed(piece)
            assert isinstance(run, Run)
            self.assertEqual(list(run), [Message(piece, piece.decode())])
            self.assertFalse(cutter.pending)
        self.assertEqual(cutter.feed(b""), [])

    def test_a_split_character_is_echoed_in_pieces_and_printed_in_one(self) -> None:
        self.assertEqual(self.messages(b"caf\xc3", b"\xa9!"), [(b"caf\xc3", "caf"), (b"\xa9!", "é!")])

    def test_what_never_becomes_a_character_is_printed_at_the_end(self) -> None:
        self.assertEqual(
            self.messages(b"\xf0\x9f", b"\x98"),
            [(b"\xf0\x9f", ""), (b"\x98", ""), (b"", "\udcf0\udc9f\udc98")],
        )

    def test_no_time_is_ever_up(self) -> None:
        cutter = text.Cutter()
        cutter.feed(b"\xc3")
        self.assertEqual(cutter.expire(), [])
        self.assertEqual(len(cutter.finish()), 1)

    @bounded
    @given(almost_text, reads)
    def test_the_print_of_all_pieces_is_the_print_of_the_whole(self, data: bytes, sizes: list[int]) -> None:
        messages = self.messages(*in_reads(data, sizes))
        self.assertEqual("".join(message.text for message in messages), decode(data))
        self.assertEqual("".join(map(str, messages)), printable(decode(data)))
        self.assertEqual(b"".join(message.data for message in messages), data)

    def test_one_read_is_whole_by_definition(self) -> None:
        self.assertEqual(text._Chunk().cut(b"hi", 7), (2, 1, 1, None))

    @bounded
    @given(almost_text)
    def test_a_datagram_is_one_message(self, data: bytes) -> None:
        run = text.datagram(data)
        self.assertEqual((run.data, len(run), list(run)), (data, 1, [Message(data, decode(data))]))


class Answers(SynchronousTestCase):
    """`ECHO: ` and the same bytes (T3)."""

    def test_the_answer_is_the_prefix_and_the_bytes(self) -> None:
        self.assertEqual(text.reply(b"caf\xc3"), b"ECHO: caf\xc3")

    def test_no_bytes_have_no_answer(self) -> None:
        self.assertEqual(text.reply(b""), b"")


confusing = st.lists(
    st.sampled_from((b"ECHO: ", b"ECHO:", b"ECH", b"E", b"C", b":", b" ", b"x", "é".encode())),
    min_size=1,
    max_size=12,
).map(b"".join)
"""Texts that look like answers."""


def answer_to(sent: bytes, sizes: list[int]) -> bytes:
    """What a server answers that reads the text in pieces of these sizes."""
    return b"".join(b"ECHO: " + piece for piece in in_reads(sent, sizes))


def is_answer(sent: bytes, answer: bytes) -> bool:
    """Could a server have answered this? A prefix must stand before the text, and may before each byte."""
    each = [re.escape(sent[at : at + 1]) for at in range(len(sent))]
    return re.fullmatch(b"ECHO: " + b"(?:ECHO: )?".join(each), answer) is not None


def matched(sent: bytes, *pieces: bytes) -> EchoMatcher:
    """A matcher that got an answer in these pieces."""
    matcher = EchoMatcher(sent)
    for piece in pieces:
        matcher.feed(piece)
    return matcher


class Matching(SynchronousTestCase):
    """A client knows when its text has come back, in however many pieces (T4)."""

    def test_the_answer_is_whole_with_its_last_byte(self) -> None:
        matcher = EchoMatcher(b"hi")
        for byte in b"ECHO: h":
            matcher.feed(bytes([byte]))
            self.assertFalse(matcher.whole or matcher.wrong)
        matcher.feed(b"i")
        self.assertTrue(matcher.whole)

    def test_an_answer_may_be_several_pieces(self) -> None:
        self.assertTrue(matched(b"hello", b"ECHO: heECHO: ll", b"ECHO: o").whole)

    def test_a_wrong_answer_is_known_at_its_first_wrong_byte(self) -> None:
        for right, wrong in (
            (b"", b"h"),
            (b"ECHO:", b"h"),
            (b"ECHO: hell", b"x"),
            (b"ECHO: hello", b"!"),
            (b"ECHO: heECH", b"X"),
            (b"ECHO: ", b"E"),
        ):
            self.assertFalse(matched(b"hello", right).wrong, right)
            self.assertTrue(matched(b"hello", right, wrong).wrong, right + wrong)

    def test_a_piece_without_text_is_wrong(self) -> None:
        self.assertTrue(matched(b"ab", b"ECHO: aECHO: ECHO: b").wrong)
        self.assertFalse(matched(b"ab", b"ECHO: abECHO: ").whole)

    def test_after_a_wrong_byte_nothing_is_whole(self) -> None:
        matcher = matched(b"hi", b"ECHO: ho", b"ECHO: hi")
        self.assertEqual((matcher.wrong, matcher.whole), (True, False))

    @bounded
    @given(confusing, reads, reads)
    def test_every_right_answer_is_whole_at_its_end_and_never_wrong(
        self, sent: bytes, server: list[int], client: list[int]
    ) -> None:
        matcher = EchoMatcher(sent)
        for piece in in_reads(answer_to(sent, server), client):
            matcher.feed(piece)
            self.assertFalse(matcher.wrong)
        self.assertTrue(matcher.whole)

    @bounded
    @given(confusing, reads, reads, st.data())
    def test_an_answer_with_a_wrong_byte_is_never_whole(
        self, sent: bytes, server: list[int], client: list[int], data: st.DataObject
    ) -> None:
        # Two right answers of one length are made of the same bytes, so they never differ in one alone.
        answer = bytearray(answer_to(sent, server))
        at = data.draw(st.integers(0, len(answer) - 1))
        answer[at] ^= data.draw(st.integers(1, 255))
        self.assertFalse(matched(sent, *in_reads(bytes(answer), client)).whole)

    @bounded
    @given(confusing, reads, reads, st.data())
    def test_what_a_server_could_have_answered_is_whole_and_nothing_else(
        self, sent: bytes, server: list[int], client: list[int], data: st.DataObject
    ) -> None:
        answer = answer_to(sent, server)
        behind_prefixes = [found.end() for found in re.finditer(REPLY_PREFIX, answer)]
        start = data.draw(st.one_of(st.sampled_from(behind_prefixes), st.integers(0, len(answer))))
        stop = data.draw(st.one_of(st.just(start), st.integers(0, len(answer))))
        answer = answer[:start] + data.draw(st.one_of(st.just(REPLY_PREFIX), confusing)) + answer[stop:]
        self.assertEqual(matched(sent, *in_reads(answer, client)).whole, is_answer(sent, answer))

    def test_a_long_text_of_many_beginnings_is_followed_in_two_ways_at_most(self) -> None:
        matcher = EchoMatcher(b"E" * 10_000)
        for piece in in_reads(answer_to(b"E" * 10_000, [1_460]), [1_000]):
            matcher.feed(piece)
            self.assertLessEqual(len(matcher._ways), 2)
        self.assertTrue(matcher.whole)
