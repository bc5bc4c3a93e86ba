"""Frames of variable size are found in any pieces, and their layout is found out by the rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netlab.wire import variable
from netlab.wire.framing import Run
from netlab.wire.text import printable
from netlab.wire.variable import MAX_SIZE, Cutter, Frame, Layout
from netlab.wire.violations import Oversize
from tests.wire import bounded, ends, in_reads, numbers, read, reads, soup, wrecked

LIMIT = 12
"""The --max-size of most of these tests, in bytes."""

layouts = st.sampled_from(Layout)
told = st.sampled_from((None, *Layout))
payloads = st.one_of(
    st.binary(max_size=LIMIT), st.text(max_size=LIMIT).map(lambda text: text.encode()[:LIMIT])
)
"""UTF-8, no UTF-8, and cut in the midst of a character."""


def packed(layout: Layout, order: int, payload: bytes, size: int | None = None) -> bytes:
    """The bytes of a frame, from V1 and V2 and not from the codec."""
    fields = [order, len(payload) if size is None else size]
    if layout is Layout.SCRIPTS:
        fields.reverse()
    return b"\1" + b"".join(field.to_bytes(4, "big") for field in fields) + payload


@st.composite
def conversations(draw: st.DrawFn) -> bytes:
    """What a client sends whose orders are mostly as they should be, and its sizes too."""
    layout, order = draw(layouts), draw(st.sampled_from((1, 1, 1, 0, 2, 5, 0xFFFFFFFF)))
    stream = b""
    for payload in draw(st.lists(payloads, max_size=5)):
        announced = draw(st.sampled_from((*[len(payload)] * 8, 1, LIMIT, LIMIT + 1, 0xFFFFFFFF)))
        stream += packed(layout, order, payload, announced)
        order = draw(st.sampled_from((*[(order + 1) % 2**32] * 8, order, order + 2, 0))) % 2**32
    return stream


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """Small numbers in both fields, and sometimes as much payload as one of them says."""
    stream = b""
    for _ in range(draw(st.integers(0, 4))):
        first, second = draw(st.integers(0, 5)), draw(st.integers(0, 5))
        stream += packed(Layout.GUIDE, first, draw(st.sampled_from((b"x" * first, b"x" * second))), second)
    return stream


any_bytes = st.one_of(soup, wrecked(conversations()), wrecked(headers()))


class Expected(NamedTuple):
    """What must come of a stream."""

    frames: Sequence[tuple[int, int, int, bytes]]
    data: bytes
    fault: tuple[str, int] | None
    hint: str | None
    remark: tuple[int, str | None] | None
    """Where the layout was found out, and which it is."""


def expected(stream: bytes, end: str, layout: str | None) -> Expected:
    """The rules V1-V7 and R2-R6 once more, for a stream that is there as a whole."""
    frames: list[tuple[int, int, int, bytes]] = []
    at, due = 0, 1
    fork: tuple[int, int, int, int] | None = None
    remark: tuple[int, str | None] | None = None

    def broken(reason: str) -> Expected:
        hint = None
        if fork is not None:
            where, first, second, due_there = fork
            here, there = (second, first) if layout == "scripts" else (first, second)  # the two orders
            size_there = here
            over_here_only = reason == "oversize" and where == at and here != 0
            if (there == due_there or over_here_only) and here != due_there and size_there <= LIMIT:
                hint = "guide" if layout == "scripts" else "scripts"
        if hint and reason in ("wrong-version", "oversize"):
            reason = "wrong-layout"
        return Expected(frames, stream[:at], (reason, at), hint, remark)

    while at < len(stream):
        if stream[at] != 1:
            return broken("wrong-version")
        if at + 9 > len(stream):
            return broken("truncated" if end == "fin" else "deadline")
        first = int.from_bytes(stream[at + 1 : at + 5], "big")
        second = int.from_bytes(stream[at + 5 : at + 9], "big")
        if fork is None and first != second:
            fork = (at, first, second, due)
            if layout is None:
                whole = first <= LIMIT and at + 9 + first <= len(stream)
                layout = "scripts" if whole and second == due and first not in (due, 0) else "guide"
                remark = (at, layout)
        order, size = (second, first) if layout == "scripts" else (first, second)
        if size > LIMIT:
            return broken("oversize")
        if at + 9 + size > len(stream):
            return broken("truncated" if end == "fin" else "deadline")
        frames.append((1, order, size, stream[at + 9 : at + 9 + size]))
        at += 9 + size
        due = (order + 1) % 2**32
    return Expected(frames, stream[:at], None, None, remark)


class AnyStream(SynchronousTestCase):
    """Any bytes, in any pieces, in any layout, give what the rules say, no more and no less."""

    @bounded
    @given(any_bytes, reads, ends, told)
    def test_is_read_by_the_rules(
        self, stream: bytes, sizes: list[int], end: str, layout: Layout | None
    ) -> None:
        reading = read(Cutter(layout, LIMIT), in_reads(stream, sizes), end)
        remark = (reading.remarks[0].offset, reading.decided) if reading.remarks else None
        self.assertEqual(
            Expected(reading.frames, reading.data, reading.fault, reading.hint, remark),
            expected(stream, end, layout and layout.value),
        )

    @bounded
    @given(layouts, st.lists(payloads), reads)
    def test_of_valid_frames_gives_these_frames(
        self, layout: Layout, texts: list[bytes], sizes: list[int]
    ) -> None:
        self.assert_found(Cutter(layout), layout, texts, sizes)

    @bounded
    @given(layouts, st.lists(payloads), reads)
    def test_of_valid_frames_gives_these_frames_when_the_layout_is_found_out(
        self, layout: Layout, texts: list[bytes], sizes: list[int]
    ) -> None:
        if layout is Layout.SCRIPTS:
            texts = [each or b"-" for each in texts]  # an empty one could be the guide's order 0 (V6)
        cutter = Cutter()
        self.assert_found(cutter, layout, texts, sizes)
        self.assertIn(cutter.layout, (None, layout))

    def assert_found(self, cutter: Cutter, layout: Layout, texts: list[bytes], sizes: list[int]) -> None:
        """The cutter finds all frames of a stream of these texts."""
        stream = b"".join(packed(layout, order, payload) for order, payload in enumerate(texts, 1))
        reading = read(cutter, in_reads(stream, sizes))
        self.assertEqual(reading.frames, [(1, n, len(each), each) for n, each in enumerate(texts, 1)])
        self.assertEqual((reading.data, reading.violation), (stream, None))
        self.assertEqual(b"".join(frame.pack(layout) for frame in reading.frames), stream)


class Deciding(SynchronousTestCase):
    """When the layout is known (V6, V7): the table of vectors has which it is."""

    def decided(self, cutter: Cutter, stream: bytes) -> Any:
        """Feed it byte by byte; return what came with the last byte, having seen that nothing came before."""
        for byte in stream[:-1]:
            self.assertEqual(cutter.feed(bytes([byte])), [])
            self.assertIsNone(cutter.layout)
        return cutter.feed(stream[-1:])

    def test_guide_is_known_at_the_header(self) -> None:
        cutter = Cutter()
        (remark,) = self.decided(cutter, packed(Layout.GUIDE, 1, b"", size=5))
        self.assertEqual((remark.offset, cutter.layout, cutter.pending), (0, Layout.GUIDE, True))

    def test_scripts_is_known_when_its_frame_is_whole(self) -> None:
        cutter = Cutter()
        remark, run = self.decided(cutter, packed(Layout.SCRIPTS, 1, b"hello"))
        self.assertEqual((remark.offset, list(run)), (0, [(1, 1, 5, b"hello")]))

    def test_a_frame_of_scripts_that_is_too_long_is_not_waited_for(self) -> None:
        cutter = Cutter(max_size=4)
        (remark,) = self.decided(cutter, packed(Layout.SCRIPTS, 1, b"", size=5))
        self.assertEqual((remark.offset, cutter.layout), (0, Layout.GUIDE))

    def test_it_is_said_once_and_before_the_first_frame_that_it_decides(self) -> None:
        stream = b"".join(
            packed(Layout.SCRIPTS, n, b"x" * size) for n, size in ((1, 1), (2, 2), (3, 5), (4, 1))
        )
        items = Cutter().feed(stream)
        self.assertEqual([len(item) if isinstance(item, Run) else item.offset for item in items], [2, 21, 2])

    def test_who_was_told_the_layout_says_nothing(self) -> None:
        for layout in Layout:
            self.assertEqual(read(Cutter(layout), [packed(layout, 1, b"hello")]).remarks, [])

    def test_the_layout_can_be_asked_for(self) -> None:
        cutter = Cutter()
        cutter.feed(packed(Layout.GUIDE, 1, b"x"))
        self.assertIsNone(cutter.layout, "both readings agree")
        cutter.feed(packed(Layout.SCRIPTS, 2, b"x"))
        self.assertIs(cutter.layout, Layout.SCRIPTS)


class Undecided(SynchronousTestCase):
    """Frames that read the same in both layouts, before it is known which one is spoken."""

    def test_are_a_run_like_any_other(self) -> None:
        frames = [variable.frame(1, "a"), variable.frame(2, "bc")]
        (run,) = Cutter().feed(b"".join(each.pack() for each in frames))
        assert isinstance(run, Run)
        self.assertEqual(list(run), frames)
        self.assertEqual([piece.data for piece in run.split()], [each.pack() for each in frames])
        self.assertEqual(run.format.decode(frames[0].pack()), frames[0])
        self.assertEqual(run.printed(), ([str(each) for each in frames], [1, 2]))


class Limits(SynchronousTestCase):
    """A payload that is too long is not waited for (V4)."""

    def test_too_much_is_refused_at_the_ninth_byte(self) -> None:
        for layout in Layout:
            for size in (MAX_SIZE + 1, 2**31, 2**32 - 1):
                cutter = Cutter(layout)
                header = packed(layout, 1, b"", size)
                for byte in header[:8]:
                    self.assertEqual(cutter.feed(bytes([byte])), [])
                (violation,) = cutter.feed(header[8:])
                self.assertIsInstance(violation, Oversize)
                self.assertIn(f"{size:,} bytes", str(violation))
                self.assertFalse(cutter.pending)

    def test_the_limit_itself_is_let_in(self) -> None:
        for layout in Layout:
            frame = packed(layout, 1, b"x" * LIMIT)
            self.assertEqual(read(Cutter(layout, LIMIT), [frame]).data, frame)
            self.assertEqual(read(Cutter(layout, LIMIT - 1), [frame]).fault, ("oversize", 0))

    def test_a_payload_of_1_mib_is_let_in_unless_told_otherwise(self) -> None:
        stream = packed(Layout.SCRIPTS, 1, bytes(1 << 20))
        self.assertEqual(read(Cutter(), in_reads(stream, [1_460])).data, stream)


class Frames(SynchronousTestCase):
    """A frame, from the text as it was typed to its print."""

    def test_size_counts_bytes(self) -> None:
        self.assertEqual(variable.frame(7, "hé"), (1, 7, 3, b"h\xc3\xa9"))
        self.assertEqual(variable.frame(7, ""), (1, 7, 0, b""))

    def test_the_layouts_differ_in_which_number_comes_first(self) -> None:
        frame = variable.frame(7, "hé")
        self.assertEqual(frame.pack(), bytes.fromhex("01 00000007 00000003 68c3a9"))
        self.assertEqual(frame.pack(Layout.SCRIPTS), bytes.fromhex("01 00000003 00000007 68c3a9"))

    def test_a_text_without_utf8_is_no_frame(self) -> None:
        self.assertRaises(ValueError, variable.frame, 1, "\ud800")

    @bounded
    @given(layouts, numbers, st.text())
    def test_what_was_typed_arrives(self, layout: Layout, order: int, typed: str) -> None:
        frame = variable.frame(order, typed)
        (got,) = read(Cutter(layout), [frame.pack(layout)]).frames
        self.assertEqual((got, got.text), (frame, typed))

    @bounded
    @given(numbers, payloads)
    def test_the_print_is_one_safe_line(self, order: int, payload: bytes) -> None:
        frame = Frame(1, order, len(payload), payload)
        self.assertEqual(
            str(frame), f"ver: 1, order: {order}, size: {len(payload)} -> {printable(frame.text)}"
        )
        self.assertEqual(str(frame), printable(str(frame)))
