"""What came instead is named where that is certain, and what belongs here is never called a stranger."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netlab.wire import fixed, framing, strangers, text, variable
from netlab.wire.framing import FixedFormat, Remark, Run, SizedFormat
from netlab.wire.strangers import ANSWER, BINARY, FIRST_BYTES, LITTLE_ENDIAN, OUTSIDERS, TEXT, Stranger
from netlab.wire.variable import Layout
from netlab.wire.violations import Oversize, Truncated, Violation, WrongLayout, WrongVersion
from tests.wire import Reading, bounded, ends, every_way, in_reads, read, reads, soup

REQUEST = "an HTTP request"
HANDSHAKE = "a TLS handshake"
PROXY = "a PROXY protocol header"
FIXED = "a stream of tcpv2, in frames of 29 bytes"
VARIABLE = "a stream of tcpv3, in frames of variable size"
NATIVE = "a struct with its machine's own alignment and byte order"

CLIENT_HELLO = bytes.fromhex(
    "16 0301 0200 01 0001fc 0303 4dbeefe26f2fba44f60333c2ee13f333fc62124c042f276d413f83c20c6bbff3"
    "20 1ed4dba86cf260169c71c0d279ecc3496b26244c"
)
"""The beginning of what OpenSSL sends to https://localhost."""

BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"GET / HTTP/1.1\r\nHost: localhost:5005\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n", REQUEST),
    (b"GET /favicon.ico?size=16 HTTP/1.0\r\n\r\n", REQUEST),
    (b"POST /upload HTTP/1.1\r\nContent-Length: 3\r\n\r\n\x01\x02\x03", REQUEST),
    (b"OPTIONS * HTTP/1.1\r\n\r\n", REQUEST),
    (b"CONNECT example.org:443 HTTP/1.1\r\n\r\n", REQUEST),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04\0\0\0\0\0", "an HTTP/2 request"),
    (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "an HTTP response"),
    (CLIENT_HELLO, HANDSHAKE),
    (bytes.fromhex("15 0303 0002 02 46"), "a TLS alert"),
    (b"SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13\r\n", "an SSH banner"),
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 5005\r\nhello", PROXY),
    (b"PROXY TCP6 2001:db8::1 2001:db8::2 56324 5005\r\n", PROXY),
    (b"PROXY UNKNOWN\r\n", PROXY),
    (bytes.fromhex("0d0a0d0a000d0a515549540a 21 11 000c c0000201 c0000202 dc04 138d") + b"hello", PROXY),
)
"""What no program of the laboratory sends, with its name."""

TEXTS = (
    "",
    "x",
    "hello",
    "grüße",
    "終わり",
    "a-b--",
    "10 letters",
    "19 characters, yes.",
    "20 characters, no, 21",
    "twenty-five characters...",
    "€€€€€€€",
    "a line of forty characters, and no fewer.",
    "🙂 and then a text that is longer than the field of a frame",
)
"""Texts as they are typed, many of which do not fit into 20 bytes, or into 20 characters. None has just 20:
such a frame is the same in tcpv2 and tcpv3.
"""

characters = st.characters(codec="utf-8", min_codepoint=0x20)
typed = st.text(max_size=40).filter(lambda text: len(text) != 20 and "\x01" not in text)
"""What people type. A byte 1 could be taken for the version of what looks like another frame."""

FOREIGN: framing.Format[Any] = SizedFormat(struct.Struct("!HB"), 0, 1_000, lambda *values: values)
POINTS: framing.Format[Any] = FixedFormat(struct.Struct("!100s"), lambda *values: values)

FRAMED: dict[str, Callable[[], framing.Cutter[Any]]] = {
    "fixed": fixed.cutter,
    "auto": variable.Cutter,
    "guide": lambda: variable.Cutter(Layout.GUIDE),
    "scripts": lambda: variable.Cutter(Layout.SCRIPTS),
}
"""The cutters of all servers that speak in frames."""


def name(cutter: framing.Cutter[Any]) -> str | None:
    """What the cutter has recognised."""
    return cutter.stranger and cutter.stranger.name


def broken(cutter: framing.Cutter[Any], *pieces: bytes, end: str = "fin") -> Violation:
    """The violation of a stream."""
    violation = read(cutter, pieces, end).violation
    assert violation is not None, pieces
    return violation


def remarks(stream: bytes, *, by: Callable[[], Any] = text.Cutter) -> list[Remark]:
    """What is remarked of it, in whatever pieces it comes the same."""
    (first, *others) = [read(by(), pieces).remarks for pieces in every_way(stream)]
    assert all(other == first for other in others), (first, others)
    return first


def tcpv2(*texts: str, layout: str = "!BLL20s") -> bytes:
    """What a client of the fixed size sends, from F1-F3 and not from the codec."""
    return b"".join(
        struct.pack(layout, 1, order, len(each), each.encode()[:20].ljust(20, b"-"))
        for order, each in enumerate(texts, 1)
    )


def tcpv3(*texts: str, layout: str = "!BLL", swapped: bool = False) -> bytes:
    """What a client of the variable size sends, from V1-V3 and not from the codec."""
    stream = b""
    for order, each in enumerate(texts, 1):
        payload = each.encode()
        numbers = (len(payload), order) if swapped else (order, len(payload))
        stream += struct.pack(layout, 1, *numbers) + payload
    return stream


class Outsiders(SynchronousTestCase):
    """HTTP, TLS, SSH and a proxy's header are named on every port."""

    def test_where_frames_are_spoken(self) -> None:
        for make in FRAMED.values():
            for stream, called in BEGINNINGS:
                cutter = make()
                violation = broken(cutter, stream)
                self.assertIsInstance(violation, WrongVersion)
                self.assertEqual((name(cutter), violation.offset, violation.head), (called, 0, stream[:16]))

    def test_where_text_is_spoken_in_any_pieces(self) -> None:
        for stream, called in BEGINNINGS:
            self.assertEqual([(each.offset, each.text) for each in remarks(stream)], [(0, called)])

    def test_in_a_format_of_your_own(self) -> None:
        for stream, called in BEGINNINGS:
            cutter: framing.Cutter[Any] = framing.Cutter(POINTS)
            self.assertIsInstance(broken(cutter, stream), Truncated)
            self.assertEqual(name(cutter), called)
        cutter = framing.Cutter(FOREIGN)
        self.assertIsInstance(broken(cutter, BEGINNINGS[0][0]), Oversize)
        self.assertEqual(name(cutter), REQUEST)
        cutter = framing.Cutter(FOREIGN)
        broken(cutter, b"just some text")
        self.assertIsNone(name(cutter), "in this format, text may stand where it likes")

    def test_in_the_midst_of_a_stream_nothing_is_called_so(self) -> None:
        for make in FRAMED.values():
            for stream, _ in BEGINNINGS:
                cutter = make()
                whole = tcpv3("this is a whole text", swapped=make is FRAMED["scripts"])
                self.assertEqual(broken(cutter, whole, stream).offset, 29)
                self.assertIsNone(name(cutter))

    def test_no_stream_has_two_names(self) -> None:
        for stream, called in BEGINNINGS:
            matching = [each.stranger.name for each in (*OUTSIDERS, BINARY, ANSWER) if each.matches(stream)]
            self.assertEqual(matching, [called])

    def test_every_entry_is_tried(self) -> None:
        names = {greeting.stranger.name for greeting in OUTSIDERS}
        self.assertEqual({called for _, called in BEGINNINGS}, names)

    def test_what_only_looks_like_them_is_text(self) -> None:
        for stream in (
            b"GET",
            b"GET up!",
            b"get / HTTP/1.1",
            b"GET / HTTP/2",
            b"PROXY server",
            b"SSH is better",
            b"HTTP/1.1 is a protocol",
            b"say: GET / HTTP/1.1",
        ):
            self.assertEqual(remarks(stream), [])
            cutter = fixed.cutter()
            broken(cutter, stream)
            self.assertEqual(name(cutter), "text")

    @bounded
    @given(st.sampled_from(BEGINNINGS), st.binary(), reads)
    def test_a_name_stays_whatever_follows(
        self, beginning: tuple[bytes, str], rest: bytes, sizes: list[int]
    ) -> None:
        stream = beginning[0] + rest
        self.assertEqual(
            [each.text for each in read(text.Cutter(), in_reads(stream, sizes)).remarks], [beginning[1]]
        )


class Lines(SynchronousTestCase):
    """What is said."""

    def test_a_violation_says_what_came_and_what_to_do(self) -> None:
        self.assertEqual(
            str(broken(fixed.cutter(), b"GET / HTTP/1.1\r\n\r\n")),
            "wrong-version at byte 0 [47 45 54 20 2f 20 48 54 54 50 2f 31 2e 31 0d 0a]: a frame begins with "
            "the byte 0x47 where the version, 0x01, belongs: this is an HTTP request; a browser or curl was "
            "pointed at this port",
        )

    def test_the_advice_of_r6_stays(self) -> None:
        """The fields of both variants come in the same sequence, so both are right."""
        cutter = variable.Cutter(Layout.SCRIPTS)
        violation = broken(cutter, tcpv2("hello"))
        self.assertIsInstance(violation, WrongLayout)
        self.assertIn(f": this is {FIXED}; netlab client tcpv2 sends it", str(violation))
        self.assertIn("--layout guide", violation.advice)

    def test_where_nothing_is_named_r6_says_all(self) -> None:
        violation = broken(variable.Cutter(Layout.GUIDE), tcpv3("hello", swapped=True))
        self.assertIsInstance(violation, WrongLayout)
        self.assertTrue(violation.advice.startswith("read as version, size, order, "), violation.advice)

    def test_what_is_not_certain_has_the_common_advice(self) -> None:
        for make in FRAMED.values():
            for stream in (
                b"\2",
                b"G",
                b"\2\0\0\0\1\0\0\0\5hello",
                b"\xff\xfb\x01",
                b"caf\xe9 au lait",
                b"   \n",
            ):
                cutter = make()
                self.assertIn("; check that the peer speaks this format", str(broken(cutter, stream)))
                self.assertIsNone(name(cutter))

    def test_a_proxy_is_told_where_to_go(self) -> None:
        self.assertIn("--listen haproxy:tcp:5005", broken(fixed.cutter(), b"PROXY UNKNOWN\r\n").advice)
        (remark,) = remarks(b"PROXY UNKNOWN\r\n")
        self.assertIn("--listen haproxy:tcp:5005", remark.advice)


class Text(SynchronousTestCase):
    """Text where frames are spoken, and frames where text is."""

    def test_text_is_named(self) -> None:
        for make in FRAMED.values():
            for stream in ("hi", "Hello?", "grüße", "two\r\nlines\n", "\ta tab", "終わり"):
                cutter = make()
                broken(cutter, stream.encode())
                self.assertEqual(cutter.stranger, TEXT)

    def test_its_last_character_may_be_still_to_come(self) -> None:
        cutter = fixed.cutter()
        broken(cutter, "grüß".encode()[:-1])
        self.assertEqual(cutter.stranger, TEXT)

    def test_an_answer_of_a_text_server_is_named(self) -> None:
        for make in FRAMED.values():
            for stream in (b"ECHO: hello", b"ECHO: " + tcpv2("hello"), b"ECHO: " + tcpv3("hello")):
                cutter = make()
                broken(cutter, stream)
                self.assertEqual(cutter.stranger, ANSWER.stranger)
        self.assertEqual(remarks(b"ECHO: hello"), [], "where text is spoken it belongs there")

    def test_a_frame_is_named_in_any_pieces(self) -> None:
        for stream in (
            *[tcpv2(each) for each in TEXTS],
            *[tcpv3(each) for each in TEXTS],
            *[tcpv3(each, swapped=True) for each in TEXTS],
            *[tcpv3(each, layout="<BLL") for each in TEXTS],
            *[tcpv2(each, layout="<BLL20s") for each in TEXTS],
            *[tcpv2(each, layout="<B7xQQ20s") for each in TEXTS],
            *[tcpv2(each, layout="<B3xLL20s") for each in TEXTS],
        ):
            self.assertEqual(remarks(stream), [Remark(0, *BINARY.stranger)])

    def test_it_is_said_before_the_message(self) -> None:
        self.assertEqual([type(item) for item in text.Cutter().feed(tcpv2("hello"))], [Remark, Run])

    def test_no_more_than_the_first_bytes_are_looked_at(self) -> None:
        for length, found in ((FIRST_BYTES, [REQUEST]), (FIRST_BYTES + 1, [])):
            line = b"GET /".ljust(length - 9, b"x") + b" HTTP/1.1\r\n"
            for sizes in ([len(line)], [1], [100], [FIRST_BYTES], [FIRST_BYTES - 1]):
                cutter = text.Cutter()
                self.assertEqual([each.text for each in read(cutter, in_reads(line, sizes)).remarks], found)
                self.assertIsNone(cutter._first)
            self.assertEqual(len(read(fixed.cutter(), [line]).fault or ()), 2)
            cutter_of_frames = fixed.cutter()
            broken(cutter_of_frames, line)
            self.assertEqual(name(cutter_of_frames), REQUEST, "where it breaks all are")

    @bounded
    @given(st.text(characters), reads)
    def test_what_is_typed_is_never_called_anything(self, typed: str, sizes: list[int]) -> None:
        self.assertEqual(read(text.Cutter(), in_reads(typed.encode(), sizes)).remarks, [])


class FixedOnVariable(SynchronousTestCase):
    """A client of tcpv2 at a server of tcpv3."""

    def assert_named(self, make: Callable[[], framing.Cutter[Any]], stream: bytes, end: str = "fin") -> None:
        cutter = make()
        broken(cutter, stream, end=end)
        self.assertEqual(name(cutter), FIXED, stream)

    def test_one_message(self) -> None:
        for told in ("auto", "guide", "scripts"):
            for each in TEXTS:
                for end in ("fin", "deadline"):
                    self.assert_named(FRAMED[told], tcpv2(each), end)

    def test_many(self) -> None:
        for told in ("auto", "guide", "scripts"):
            for each in TEXTS:
                self.assert_named(FRAMED[told], tcpv2(each, "another", each, "and a last one"))
                self.assert_named(FRAMED[told], tcpv2(each, "another")[:-3])

    @bounded
    @given(st.lists(typed, min_size=1, max_size=4), ends)
    def test_any_texts(self, texts: list[str], end: str) -> None:
        self.assert_named(variable.Cutter, tcpv2(*texts), end)

    def test_texts_of_20_characters_belong_to_both(self) -> None:
        cutter = variable.Cutter()
        whole = tcpv2("exactly 20 character", "and again twenty ...")
        self.assertEqual(read(cutter, [whole]).data, whole)
        self.assertIsNone(name(cutter))
        self.assert_named(variable.Cutter, tcpv2("exactly 20 character", "no"))

    def test_other_breaks_are_not_called_so(self) -> None:
        hello = struct.pack("!BLL", 1, 1, 5) + b"hello"
        for stream in (
            hello + b"-",
            hello + b"-" * 14,
            hello + b"-" * 16,
            hello + b"-" * 14 + b"x",
            tcpv2("hello") + b"\2",
            tcpv2("hello") + struct.pack("!BLL20s", 1, 7, 5, b"hello" + b"-" * 15),
            tcpv2("hello") + struct.pack("!BLL20s", 2, 2, 5, b"hello" + b"-" * 15),
            struct.pack("!BLL20s", 1, 1, 6, b"hello\x01" + b"-" * 13 + b"x"),
            struct.pack("!BLL20s", 1, 1, 1_000_000, b"x" * 20),
            struct.pack("!BLL20s", 1, 1, 5, b"hell" + b"\x01" * 16),
            struct.pack("!BLL", 1, 1, 30) + b"x" * 19,
            struct.pack("!BLL", 1, 1, 30) + b"x" * 21,
        ):
            cutter = variable.Cutter()
            broken(cutter, stream)
            self.assertIsNone(name(cutter), stream)


class VariableOnFixed(SynchronousTestCase):
    """A client of tcpv3 at a server of tcpv2."""

    def test_one_message(self) -> None:
        for each in TEXTS:
            for swapped in (False, True):
                for end in ("fin", "deadline"):
                    cutter = fixed.cutter()
                    broken(cutter, tcpv3(each, swapped=swapped), end=end)
                    self.assertEqual(name(cutter), VARIABLE, each)

    def test_many(self) -> None:
        for texts, offset in (
            (("hello", "bye"), 0),
            (("hello", "good-bye"), 29),
            (("hello", "world", "bye"), 29),
            (("twenty-five characters...", "bye"), 29),
        ):
            for swapped in (False, True):
                cutter = fixed.cutter()
                self.assertEqual(broken(cutter, tcpv3(*texts, swapped=swapped)).offset, offset)
                self.assertEqual(name(cutter), VARIABLE, texts)

    @bounded
    @given(st.lists(typed, min_size=1, max_size=6), st.booleans(), ends)
    def test_any_texts_are_called_that_or_nothing(self, texts: list[str], swapped: bool, end: str) -> None:
        cutter = fixed.cutter()
        read(cutter, [tcpv3(*texts, swapped=swapped)], end)
        self.assertIn(name(cutter), (VARIABLE, None))

    def test_other_breaks_are_not_called_so(self) -> None:
        for stream in (
            b"\1",
            tcpv2("hello")[:-1],
            tcpv2("hello")[:13],
            tcpv2("hello")[:15],
            tcpv2("hello", "")[:-18],
            tcpv2("hello", layout="<BLL20s")[:-1],
            tcpv2("hello") + b"\2",
            tcpv2("exactly 20 character") + b"\2",
            tcpv2("exactly 20 character", "twice")[:-1],
            tcpv3("hello") + tcpv3("hello"),
            tcpv3("hello") + b"\2",
        ):
            cutter = fixed.cutter()
            broken(cutter, stream)
            self.assertIsNone(name(cutter), stream)


class ByteOrder(SynchronousTestCase):
    """Numbers in little-endian, and structs that nobody told their layout."""

    def test_little_endian_where_size_counts(self) -> None:
        for told in ("auto", "guide", "scripts"):
            for swapped in (False, True):
                for each in TEXTS[1:]:
                    cutter = FRAMED[told]()
                    stream = tcpv3(each, layout="<BLL", swapped=swapped)
                    self.assertIsInstance(broken(cutter, stream), Oversize)
                    self.assertEqual(cutter.stranger, LITTLE_ENDIAN, "its header is enough")
                    cutter = FRAMED[told]()
                    broken(cutter, stream[:9])
                    self.assertEqual(cutter.stranger, LITTLE_ENDIAN, "its header is enough")

    def test_behind_an_empty_message(self) -> None:
        cutter = variable.Cutter()
        self.assertEqual(broken(cutter, tcpv3("", "hello", layout="<BLL")).offset, 9)
        self.assertEqual(cutter.stranger, LITTLE_ENDIAN)

    def test_where_the_limit_lets_it_in(self) -> None:
        cutter = variable.Cutter()
        self.assertIsInstance(broken(cutter, tcpv3("x" * 256, layout="<BLL")), Truncated)
        self.assertEqual(cutter.stranger, LITTLE_ENDIAN)

    def test_a_frame_that_is_just_too_long_is_not_called_so(self) -> None:
        for order, size in ((1, 2**31), (1, 2**24), (0, 2**24), (2**24, 2**24 + 1)):
            cutter = variable.Cutter(Layout.GUIDE)
            self.assertIsInstance(broken(cutter, struct.pack("!BLL", 1, order, size)), Oversize)
            self.assertIsNone(name(cutter), (order, size))
        cutter = variable.Cutter()
        broken(cutter, struct.pack("!BLL", 1, 65_536, 1 << 21))
        self.assertIsNone(name(cutter), "neither is what one counts to in a laboratory")

    def test_little_endian_where_nothing_counts_is_remarked_once(self) -> None:
        for stream in (tcpv2("hello", layout="<BLL20s"), tcpv2("hello", "x", layout="<BLL20s")):
            self.assertEqual(remarks(stream, by=fixed.cutter), [Remark(0, *LITTLE_ENDIAN)])
            self.assertIsNone(read(fixed.cutter(), [stream]).violation)
        items = fixed.cutter().feed(tcpv2("hello", layout="<BLL20s"))
        self.assertEqual([type(item) for item in items], [Remark, Run], "before the message")
        for stream in (tcpv2("hello"), tcpv2("", layout="<BLL20s"), tcpv2("hello", layout="<BLL20s")[:-1]):
            self.assertEqual(remarks(stream, by=fixed.cutter), [])
        later = tcpv2("hello") + tcpv2("hello", layout="<BLL20s")
        self.assertEqual(remarks(later, by=fixed.cutter), [])

    def test_native_structs(self) -> None:
        """Of Unix, where a long has 8 bytes, and of Windows, where it has 4."""
        for texts in (("hello!",), ("hello!", "good-bye"), ("twenty-five characters...",)):
            for long in ("<B7xQQ", "<B3xLL"):
                for make in FRAMED.values():
                    for stream in (
                        tcpv2(*texts, layout=f"{long}20s"),
                        tcpv3(*texts, layout=long),
                        tcpv3(*texts, layout=long, swapped=True),
                    ):
                        cutter = make()
                        broken(cutter, stream)
                        self.assertEqual(name(cutter), NATIVE, (stream, make))


class Ours(SynchronousTestCase):
    """What belongs here is never called a stranger."""

    @bounded
    @given(st.lists(st.text(max_size=40), max_size=5), reads)
    def test_frames_of_fixed_size(self, texts: list[str], sizes: list[int]) -> None:
        cutter = fixed.cutter()
        reading = read(cutter, in_reads(tcpv2(*texts), sizes))
        self.assertEqual((reading.violation, reading.remarks, cutter.stranger), (None, [], None))

    @bounded
    @given(st.lists(st.text(min_size=1, max_size=40), max_size=5), st.booleans(), reads)
    def test_frames_of_variable_size(self, texts: list[str], swapped: bool, sizes: list[int]) -> None:
        cutter = variable.Cutter()
        reading = read(cutter, in_reads(tcpv3(*texts, swapped=swapped), sizes))
        self.assertEqual((reading.violation, cutter.stranger), (None, None))
        self.assertEqual([each.advice for each in reading.remarks if each.advice], [])

    @bounded
    @given(st.lists(st.text(characters, max_size=40), min_size=1, max_size=5), st.data())
    def test_nor_what_of_it_is_cut_off(self, texts: list[str], data: st.DataObject) -> None:
        """But for what is whole as the other: of a frame of tcpv2 just the text without its padding has come,
        or as much as the order says (in the layout of scripts); of one of tcpv3 just 20 bytes of text.
        """
        for make, stream in ((fixed.cutter, tcpv2(*texts)), (variable.Cutter, tcpv3(*texts))):
            stream = stream[: data.draw(st.integers(0, len(stream)))]
            cutter: framing.Cutter[Any] = make()
            reading: Reading[Any] = read(cutter, [stream])
            rest = stream[len(reading.data) :]
            first, second = int.from_bytes(rest[1:5], "big"), int.from_bytes(rest[5:9], "big")
            if make is fixed.cutter:
                is_whole = len(rest) - 9 in (second, first if second else None)
            else:
                is_whole = len(rest) == 29 and second > 20
            self.assertEqual(name(cutter) is not None, len(rest) >= 9 and is_whole, rest)


class AnyBytes(SynchronousTestCase):
    """Whatever the bytes are, nothing is raised, and what else is found does not depend on the pieces."""

    @bounded
    @given(soup, st.integers(0, 90), st.booleans(), st.sampled_from((None, strangers.TCPV2, strangers.TCPV3)))
    def test_never_raises(self, data: bytes, at: int, is_first: bool, speaks: str | None) -> None:
        for found in (strangers.in_frames(data, at, is_first, speaks), strangers.in_text(data)):
            self.assertTrue(found is None or isinstance(found, Stranger))

    @bounded
    @given(
        st.sampled_from(sorted(FRAMED)),
        st.one_of(
            st.sampled_from([stream for stream, _ in BEGINNINGS]),
            st.builds(
                tcpv2, typed, typed, layout=st.sampled_from(("!BLL20s", "<BLL20s", "<B7xQQ20s", "<B3xLL20s"))
            ),
            st.builds(tcpv3, typed, typed, layout=st.sampled_from(("!BLL", "<BLL", "<B7xQQ", "<B3xLL"))),
        ),
        reads,
        ends,
    )
    def test_the_word_and_the_place_are_the_same_in_any_pieces(
        self, framed: str, stream: bytes, sizes: list[int], end: str
    ) -> None:
        """The name is not: it can only be made of what has come (S3)."""
        make = FRAMED[framed]
        whole, pieces = read(make(), [stream], end), read(make(), in_reads(stream, sizes), end)
        self.assertEqual(
            (pieces.data, pieces.fault, pieces.hint, pieces.remarks),
            (whole.data, whole.fault, whole.hint, whole.remarks),
        )

    def test_a_long_stream_is_looked_at_in_part(self) -> None:
        for before, called in ((3_000, None), (300, FIXED)):
            texts = ["exactly 20 character"] * before
            cutter = variable.Cutter()
            self.assertEqual(broken(cutter, tcpv2(*texts, "hello")).offset, 29 * before + 14)
            self.assertEqual(name(cutter), called)

    def test_the_shapes_are_those_of_the_codecs(self) -> None:
        self.assertEqual(strangers.HEADER.format, variable.HEADER.format)
        self.assertEqual(fixed.LAYOUT.size, strangers.HEADER.size + strangers.TEXT_LENGTH)
        self.assertEqual({fixed.VERSION, variable.VERSION}, {strangers.VERSION})
        self.assertTrue(re.fullmatch(ANSWER.pattern, text.REPLY_PREFIX, re.DOTALL))
