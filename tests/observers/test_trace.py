"""The drawings of a stream: what each recv() returned, where messages begin and end in it, what is left."""

from __future__ import annotations

import io
import os
import re
from textwrap import dedent

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netlab.events import (
    ChunkReceived,
    ChunkSent,
    Closed,
    Discarding,
    Expired,
    HalfClosed,
    Observers,
    Opened,
    Outcome,
    Peer,
    PeerHalfClosed,
)
from netlab.observers.dialects import DATAGRAM, FIXED, TEXT, Dialect, variable_size
from netlab.observers.trace import MAX_LINE, MAX_MESSAGES, MAX_ROWS, Trace, may_colour
from netlab.wire import fixed, text
from netlab.wire.variable import Layout, frame
from tests.observers.test_streams import DIALECTS, dialects
from tests.wire import bounded, in_reads, reads, soup
from tests.wire.test_framing import STREAMS

PEER = Peer("tcp", "192.0.2.1:50001", "client-3")
SENDER = Peer("udp", "192.0.2.1:50002", "MainThread")

STYLE = re.compile(r"\x1b\[[0-9;]*m")


class Drawing:
    """A trace of one connection, or of datagrams, and the lines that it has drawn."""

    def __init__(self, dialect: Dialect, is_server: bool = True, colour: bool = False) -> None:
        self.lines: list[str] = []
        self.peer = SENDER if dialect is DATAGRAM else PEER
        self._observers = Observers([Trace(dialect, is_server, self._write, colour)])
        if dialect is not DATAGRAM:
            self._observers.happened(Opened, self.peer)

    def _write(self, peer: Peer, line: str) -> None:
        assert peer is self.peer
        self.lines.append(line)

    def received(self, *chunks: bytes) -> Drawing:
        for chunk in chunks:
            self._observers.happened(ChunkReceived, self.peer, chunk)
        return self

    def sent(self, *chunks: bytes) -> Drawing:
        for chunk in chunks:
            self._observers.happened(ChunkSent, self.peer, chunk)
        return self

    def told(self, kind: type) -> Drawing:
        """Something else about the peer."""
        self._observers.happened(kind, self.peer)
        return self

    def ended(self) -> Drawing:
        """The peer's FIN."""
        self._observers.happened(PeerHalfClosed, self.peer)
        return self


class TraceTestCase(SynchronousTestCase):
    maxDiff = None

    def shows(self, drawing: Drawing, expected: str) -> None:
        """The drawing is exactly this, spaces at the end of a line left out."""
        lines = [line.rstrip() for line in drawing.lines]
        self.assertEqual("\n".join(lines), dedent(expected).strip("\n"))


class OddPieces(TraceTestCase):
    """A stream that arrives in odd pieces, as a teacher draws it on the board."""

    def test_of_variable_size(self) -> None:
        stream = frame(1, "hello").pack() + frame(2, "grüße").pack() + frame(3, "").pack()
        self.shows(
            Drawing(variable_size()).received(stream[:4], stream[4:12], stream[12:20], stream[20:]).ended(),
            """
            recv() 1 returned 4 bytes, 0 to 3 of the stream
                   0 [ 01 00 00 00
                       left over for the next recv(): 4 bytes of a frame; 5 more make its header whole
            recv() 2 returned 8 bytes, 4 to 11 of the stream
                   4   01 00 00 00 05 68 65 6c
                       left over for the next recv(): 12 bytes of a frame; 2 more make it whole
            recv() 3 returned 8 bytes, 12 to 19 of the stream
                  12   6c 6f ]
                       frame of 14 bytes, from recv() 1 to 3: ver: 1, order: 1, size: 5 -> hello
                         version  order        size         text
                         01       00 00 00|01  00 00 00 05  68 65 6c|6c 6f
                  14 [ 01 00 00 00 02 00
                       left over for the next recv(): 6 bytes of a frame; 3 more make its header whole
            recv() 4 returned 19 bytes, 20 to 38 of the stream
                  20   00 00 07 67 72 c3 bc c3 9f 65 ]
                       frame of 16 bytes, from recv() 3 and 4: ver: 1, order: 2, size: 7 -> grüße
                         version  order        size         text
                         01       00 00 00 02  00|00 00 07  67 72 c3 bc c3 9f 65
                  30 [ 01 00 00 00 03 00 00 00 00 ]
                       frame of 9 bytes: ver: 1, order: 3, size: 0 ->
                         version  order        size         text
                         01       00 00 00 03  00 00 00 00  (no bytes)
            recv() returned 0 bytes: the peer's FIN, the end of the stream
            """,
        )

    def test_of_fixed_size(self) -> None:
        stream = fixed.frame(1, "hello").pack() + fixed.frame(2, "bye").pack()
        self.shows(
            Drawing(FIXED).received(stream[:3], stream[3:31]).ended(),
            """
            recv() 1 returned 3 bytes, 0 to 2 of the stream
                   0 [ 01 00 00
                       left over for the next recv(): 3 bytes of a frame; 26 more make it whole
            recv() 2 returned 28 bytes, 3 to 30 of the stream
                   3   00 01 00 00 00 05 68 65 6c 6c 6f 2d 2d 2d 2d 2d
                  19   2d 2d 2d 2d 2d 2d 2d 2d 2d 2d ]
                       frame of 29 bytes, from recv() 1 and 2: ver: 1, order: 1, size: 5 -> hello
                         version  order        size         text
                         01       00 00|00 01  00 00 00 05  68 65 6c 6c 6f 2d 2d 2d 2d 2d 2d 2d 2d 2d 2d 2d 2d 2d 2d 2d
                  29 [ 01 00
                       left over for the next recv(): 2 bytes of a frame; 27 more make it whole
            recv() returned 0 bytes: the peer's FIN, the end of the stream
                       no frame: truncated: the connection was closed after 2 bytes of a frame that needs 29
            """,  # noqa: E501
        )

    def test_of_text_with_a_character_that_is_split(self) -> None:
        stream = "5 €!".encode()
        drawing = Drawing(TEXT).received(stream[:4]).sent(text.reply(stream[:4]))
        self.shows(
            drawing.received(stream[4:], b"\xe2").ended(),
            """
            recv() 1 returned 4 bytes, 0 to 3 of the stream
                   0 [ 35 20 e2 82 ]
                       message of 4 bytes: 5
                       its last 2 bytes begin a character: the rest is to come, and is printed with the next message
            send() 1: 10 bytes, 0 to 9 of what is sent
                   0 [ 45 43 48 4f 3a 20 35 20 e2 82 ]
                       message of 10 bytes: ECHO: 5
                         prefix             text
                         45 43 48 4f 3a 20  35 20 e2 82
                       its last 2 bytes begin a character: the rest is to come, and is printed with the next message
            recv() 2 returned 2 bytes, 4 to 5 of the stream
                   4 [ ac 21 ]
                       message of 2 bytes: €!
            recv() 3 returned 1 byte, 6 of the stream
                   6 [ e2 ]
                       message of 1 byte:
                       its last byte begins a character: the rest is to come, and is printed with the next message
            recv() returned 0 bytes: the peer's FIN, the end of the stream
                       message of 0 bytes: \\xe2
            """,  # noqa: E501
        )

    def test_of_a_layout_that_is_clear_only_at_the_end(self) -> None:
        stream = frame(14, "x").pack() + frame(15, "y").pack()
        drawing = Drawing(variable_size()).received(stream[:12], stream[12:]).ended()
        self.shows(
            drawing,
            """
            recv() 1 returned 12 bytes, 0 to 11 of the stream
                   0 [ 01 00 00 00 0e 00 00 00 01 78 01 00
                       left over for the next recv(): 12 bytes of a frame; 11 more make it whole
            recv() 2 returned 8 bytes, 12 to 19 of the stream
                  12   00 00 0f 00 00 00 01 79
                       left over for the next recv(): 20 bytes of a frame; 3 more make it whole
            recv() returned 0 bytes: the peer's FIN, the end of the stream
                       frame of 10 bytes: ver: 1, order: 14, size: 1 -> x
                         version  order        size         text
                         01       00 00 00 0e  00 00 00 01  78
                       frame of 10 bytes, from recv() 1 and 2: ver: 1, order: 15, size: 1 -> y
                         version  order        size         text
                         01       00|00 00 0f  00 00 00 01  79
            """,
        )


class OtherDrawings(TraceTestCase):
    def test_the_scripts_layout_names_its_fields_as_they_stand(self) -> None:
        self.shows(
            Drawing(variable_size()).received(frame(1, "hi").pack(Layout.SCRIPTS)),
            """
            recv() 1 returned 11 bytes, 0 to 10 of the stream
                   0 [ 01 00 00 00 02 00 00 00 01 68 69 ]
                       frame of 11 bytes: ver: 1, order: 1, size: 2 -> hi
                         version  size         order        text
                         01       00 00 00 02  00 00 00 01  68 69
            """,
        )

    def test_a_violation_and_what_is_discarded_after_it(self) -> None:
        self.shows(
            Drawing(variable_size()).received(frame(1, "").pack() + b"\2abc", b"more").ended(),
            """
            recv() 1 returned 13 bytes, 0 to 12 of the stream
                   0 [ 01 00 00 00 01 00 00 00 00 ]
                       frame of 9 bytes: ver: 1, order: 1, size: 0 ->
                         version  order        size         text
                         01       00 00 00 01  00 00 00 00  (no bytes)
                   9   02 61 62 63
                       no frame: wrong-version: a frame begins with the byte 0x02 where the version, 0x01, belongs
            recv() 2 returned 4 bytes, 13 to 16 of the stream
                  13   6d 6f 72 65
                       discarded: nothing more is understood of this stream
            recv() returned 0 bytes: the peer's FIN, the end of the stream
            """,  # noqa: E501
        )

    def test_datagrams(self) -> None:
        self.shows(
            Drawing(DATAGRAM).received(b"hello", b"caf\xc3").sent(b"hello").received(b""),
            """
            recv() 1 returned a datagram of 5 bytes
                   0 [ 68 65 6c 6c 6f ]
                       datagram of 5 bytes: hello
            recv() 2 returned a datagram of 4 bytes
                   0 [ 63 61 66 c3 ]
                       datagram of 4 bytes: caf\\xc3
            send() 1: a datagram of 5 bytes
                   0 [ 68 65 6c 6c 6f ]
                       datagram of 5 bytes: hello
            recv() 3 returned a datagram of 0 bytes
                       datagram of 0 bytes:
            """,
        )

    def test_a_client_draws_what_it_sent_before_what_came_back(self) -> None:
        drawing = Drawing(TEXT, is_server=False).sent(b"hi").received(b"ECHO: hi").ended()
        self.shows(
            drawing,
            """
            send() 1: 2 bytes, 0 to 1 of what is sent
                   0 [ 68 69 ]
                       message of 2 bytes: hi
            recv() 1 returned 8 bytes, 0 to 7 of the stream
                   0 [ 45 43 48 4f 3a 20 68 69 ]
                       message of 8 bytes: ECHO: hi
                         prefix             text
                         45 43 48 4f 3a 20  68 69
            recv() returned 0 bytes: the peer's FIN, the end of the stream
            """,
        )

    def test_many_frames_are_counted(self) -> None:
        frames = b"".join(frame(order, "x").pack() for order in range(1, 101))
        lines = Drawing(variable_size()).received(frames + b"\1").lines
        drawn = [line for line in lines if "order: " in line]
        self.assertEqual(len(drawn), MAX_MESSAGES)
        self.assertEqual(
            [line.strip() for line in lines[-3:]],
            [
                "92 more frames, as far as byte 999",
                "1,000 [ 01",
                "left over for the next recv(): 1 byte of a frame; 8 more make its header whole",
            ],
        )

    def test_a_large_frame_is_counted(self) -> None:
        self.shows(
            Drawing(variable_size()).received(frame(1, "x" * 3_000).pack()),
            f"""
            recv() 1 returned 3,009 bytes, 0 to 3,008 of the stream
                   0 [ 01 00 00 00 01 00 00 0b b8{" 78" * 7}
                  16  {" 78" * 16}
                  32  {" 78" * 16}
                  48  {" 78" * 16}
                       ... 2,945 more ]
                       frame of 3,009 bytes: ver: 1, order: 1, size: 3000 -> {"x" * (MAX_LINE - 32)}...
                         version  order        size         text
                         01       00 00 00 01  00 00 0b b8 {" 78" * 32} ... 2,968 more
            """,
        )

    def test_of_a_large_frame_in_many_pieces_each_piece_is_a_few_lines(self) -> None:
        stream = frame(1, "x" * (1 << 20)).pack()
        drawing = Drawing(variable_size()).received(*in_reads(stream, [1 << 16]))
        heads = [line for line in drawing.lines if line.startswith("recv()")]
        self.assertEqual(len(heads), 17)
        self.assertLessEqual(len(drawing.lines), 17 * (MAX_ROWS + 3) + 3)
        self.assertLess(max(map(len, drawing.lines)), 250)
        self.assertIn(
            "frame of 1,048,585 bytes, from recv() 1 to 17: ver: 1, order: 1, size: 1048576 -> xx",
            drawing.lines[-3],
        )

    def test_a_connection_that_is_closed_is_forgotten(self) -> None:
        trace = Trace(TEXT, True, lambda *_: None)
        for peer in PEER, Peer("tcp", "192.0.2.1:50002", "client-4"):
            trace.opened(Opened(peer))
            trace.closed(Closed(peer, Outcome.RESET))
        self.assertEqual(trace._streams, {})

    def test_what_is_not_drawn_is_not_listened_to(self) -> None:
        self.assertNotIn(HalfClosed, Trace(TEXT, True, lambda *_: None).listens())


class AnyBytes(TraceTestCase):
    @bounded
    @given(dialects, st.one_of(soup, STREAMS), reads)
    def test_what_the_peer_sent_is_escaped_and_colours_change_no_word(
        self, name: str, stream: bytes, sizes: list[int]
    ) -> None:
        pieces = in_reads(stream, sizes)
        plain, coloured = (
            Drawing(DIALECTS[name], colour=colour).received(*pieces).ended().lines for colour in (False, True)
        )
        self.assertNotRegex("".join(plain), r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
        self.assertEqual([STYLE.sub("", line) for line in coloured], plain)
        for line in coloured:
            styles = STYLE.findall(line)
            self.assertEqual(styles[1::2], ["\x1b[0m"] * (len(styles) // 2), "no colour leaves its line")
            self.assertEqual(len(styles) % 2, 0)

    @bounded
    @given(dialects, st.one_of(soup, STREAMS), reads)
    def test_every_byte_is_drawn_once_where_it_stands(
        self, name: str, stream: bytes, sizes: list[int]
    ) -> None:
        drawn = bytearray()
        for line in Drawing(DIALECTS[name]).received(*in_reads(stream, sizes)).lines:
            row = re.fullmatch(r" *([\d,]+) [\[ ] ((?:[0-9a-f]{2} ?)+)\]?", line)
            if row:
                self.assertEqual(int(row[1].replace(",", "")), len(drawn))
                drawn += bytes.fromhex(row[2])
        self.assertEqual(bytes(drawn), stream)


class Deadlines(TraceTestCase):
    def test_what_comes_after_one_is_no_frame(self) -> None:
        drawing = Drawing(variable_size()).received(frame(1, "hello").pack()[:11])
        drawing.told(Expired).told(Discarding).received(b"llo").ended()
        self.shows(
            drawing,
            """
            recv() 1 returned 11 bytes, 0 to 10 of the stream
                   0 [ 01 00 00 00 01 00 00 00 05 68 65
                       left over for the next recv(): 11 bytes of a frame; 3 more make it whole
            the time of the frame that has begun is up
                       no frame: deadline: its time was up after 11 bytes of a frame that needs 14
            recv() 2 returned 3 bytes, 11 to 13 of the stream
                  11   6c 6c 6f
                       discarded: nothing more is understood of this stream
            recv() returned 0 bytes: the peer's FIN, the end of the stream
            """,
        )

    def test_decide_for_a_layout(self) -> None:
        # In the scripts' layout this would be the first frame, of 5000 bytes.
        guide = frame(5000, "a").pack()
        begun = b"\1" + (5000).to_bytes(4, "big") + (1).to_bytes(4, "big") + b"a"
        self.assertEqual(guide, begun)
        drawing = Drawing(variable_size()).received(guide).told(Expired).received(frame(5001, "").pack())
        self.assertEqual(
            [line.strip() for line in drawing.lines if "frame of" in line],
            [
                "frame of 10 bytes: ver: 1, order: 5000, size: 1 -> a",
                "frame of 9 bytes: ver: 1, order: 5001, size: 0 ->",
            ],
        )

    def test_what_comes_while_the_server_stops_is_no_message(self) -> None:
        drawing = Drawing(TEXT).told(Discarding).received(b"hi").ended()
        self.shows(
            drawing,
            """
            recv() 1 returned 2 bytes, 0 to 1 of the stream
                   0   68 69
                       discarded: nothing more is understood of this stream
            recv() returned 0 bytes: the peer's FIN, the end of the stream
            """,
        )


class Colours(SynchronousTestCase):
    """Only on a terminal that has some, and where nobody has said no."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def setUp(self) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        self.environment = {**environment, "TERM": "xterm", "WT_SESSION": "1"}
        self.patch(os, "environ", self.environment)

    def test_on_a_terminal(self) -> None:
        self.assertTrue(may_colour(self.Terminal()))

    def test_not_in_a_pipe_or_a_file_or_nowhere(self) -> None:
        self.assertFalse(may_colour(io.StringIO()))
        self.assertFalse(may_colour(None))

    def test_not_where_nobody_wants_them(self) -> None:
        self.environment["NO_COLOR"] = "1"
        self.assertFalse(may_colour(self.Terminal()))
        self.environment["NO_COLOR"] = ""  # the convention: set, and not empty
        self.assertTrue(may_colour(self.Terminal()))

    def test_not_on_a_terminal_that_has_none(self) -> None:
        self.environment["TERM"] = "dumb"
        self.assertFalse(may_colour(self.Terminal()))
