"""What is printed of a run at once is what each of its messages says of itself."""

from __future__ import annotations

import struct
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netlab.wire import fixed, text, variable
from netlab.wire.framing import FixedFormat, Printed, Run, as_tuple
from netlab.wire.variable import Layout
from tests.wire import BEGINNINGS, bounded, numbers

UNSAFE = (
    "\n",
    "\x1b[2J",
    "\x7f",
    "\x85",
    "\u202e",
    "\u2028",
    "\0",
    "ñ",
    "€",
    "\U0001f600",
    "%s",
    "{0}",
    "\\x1b",
)
"""What is escaped, and what looks as if it had been or might be obeyed."""

texts = st.one_of(
    st.text(st.characters(codec="ascii", min_codepoint=0x20, max_codepoint=0x7E), max_size=25),
    st.lists(st.one_of(st.text(max_size=3), st.sampled_from(UNSAFE)), max_size=6).map("".join),
).map(str.encode)
"""UTF-8, half of it with nothing to escape: a whole run of such is the usual one."""

payloads = st.one_of(
    texts,
    st.binary(max_size=25),
    st.tuples(texts, st.sampled_from(sorted(BEGINNINGS))).map(b"".join),  # cut in the midst of a character
)

fields = st.tuples(payloads, st.sampled_from((b"-", b"\0", b" "))).map(
    lambda parts: parts[0][:20].ljust(20, parts[1])
)

sizes = st.one_of(st.integers(0, 21), numbers)


def said(frames: list[fixed.Frame] | list[variable.Frame]) -> Printed:
    """What each says of itself."""
    return [str(frame) for frame in frames], [frame.order for frame in frames]


class Numbered(NamedTuple):
    """A frame of somebody's own that has an order."""

    order: int
    colour: int


class Fixed(SynchronousTestCase):
    def check(self, frames: list[fixed.Frame]) -> None:
        data = b"".join(frame.pack() for frame in frames)
        self.assertEqual(fixed.FORMAT.printed(data), said(frames))

    @bounded
    @given(st.lists(st.builds(fixed.Frame, st.just(1), numbers, sizes, fields), min_size=1, max_size=5))
    def test_any_frames(self, frames: list[fixed.Frame]) -> None:
        self.check(frames)

    @bounded
    @given(numbers, sizes, fields)
    def test_one_field_among_plain_ones(self, order: int, size: int, field: bytes) -> None:
        plain = fixed.frame(order, "hello")
        self.check([plain, fixed.Frame(1, order, size, field), plain])

    def test_any_one_character(self) -> None:
        for code in (*range(0x200), 0x202E, 0x2028, 0x10FFFF):
            self.check([fixed.frame(1, "plain"), fixed.frame(2, f"a{chr(code)}b")])

    def test_what_stands_behind_the_size_is_not_printed_and_spoils_nothing(self) -> None:
        self.check([fixed.Frame(1, 1, 2, b"hi" + b"\xff\0\n" * 6)])

    def test_a_line_in_words(self) -> None:
        self.assertEqual(
            fixed.FORMAT.printed(fixed.frame(7, "¿qué?\n").pack()),
            ([r"ver: 1, order: 7, size: 6 -> ¿qué?\n"], [7]),
        )


class Variable(SynchronousTestCase):
    def check(self, layout: Layout, frames: list[tuple[int, bytes]]) -> None:
        made = [variable.Frame(1, order, len(payload), payload) for order, payload in frames]
        data = b"".join(frame.pack(layout) for frame in made)
        self.assertEqual(variable.format(layout).printed(data), said(made))

    @bounded
    @given(st.sampled_from(Layout), st.lists(st.tuples(numbers, payloads), min_size=1, max_size=5))
    def test_any_frames(self, layout: Layout, frames: list[tuple[int, bytes]]) -> None:
        self.check(layout, frames)

    @bounded
    @given(st.sampled_from(Layout), numbers, payloads)
    def test_one_payload_among_plain_ones(self, layout: Layout, order: int, payload: bytes) -> None:
        self.check(layout, [(order, b""), (order, payload), (order, b"hello")])


class Limits(SynchronousTestCase):
    """Long messages are shortened (P4)."""

    @bounded
    @given(payloads, st.integers(0, 30))
    def test_shortened_text(self, data: bytes, limit: int) -> None:
        line = text.shorten(data, limit)
        self.assertEqual(line, text.printable(line))
        if not limit or len(data) <= limit:
            self.assertEqual(line, text.printable(text.decode(data)))
            return
        shown, _, count = line.rpartition("... ")
        more = int(count.split()[0])
        self.assertEqual(shown, text.printable(text.decode(data[: len(data) - more])))
        self.assertLessEqual(len(data) - more, limit)
        self.assertGreater(len(data) - more, limit - 4)

    def test_how_many_more(self) -> None:
        self.assertEqual(text.shorten(b"x" * (1 << 20), 65_536), "x" * 65_536 + "... 983,040 more bytes")
        self.assertEqual(text.shorten(b"abc", 2), "ab... 1 more byte")

    def test_no_character_is_cut(self) -> None:
        self.assertEqual(text.shorten("añb".encode(), 2), "a... 3 more bytes")

    def test_only_the_long_frames_of_a_run(self) -> None:
        made = [
            variable.Frame(1, order, len(body), body) for order, body in ((1, b"short"), (2, b"long" * 9))
        ]
        for layout in Layout:
            data = b"".join(frame.pack(layout) for frame in made)
            self.assertEqual(
                variable.format(layout).printed(data, 10),
                (
                    [
                        "ver: 1, order: 1, size: 5 -> short",
                        "ver: 1, order: 2, size: 36 -> longlonglo... 26 more bytes",
                    ],
                    [1, 2],
                ),
            )

    def test_a_run_through_the_cutter(self) -> None:
        for layout in (Layout.GUIDE, None):
            (*_, run) = variable.Cutter(layout).feed(variable.frame(1, "x" * 20).pack())
            assert isinstance(run, Run)
            self.assertEqual(run.printed(5)[0], ["ver: 1, order: 1, size: 20 -> xxxxx... 15 more bytes"])
            self.assertEqual(run.printed(20)[0], [f"ver: 1, order: 1, size: 20 -> {'x' * 20}"])

    def test_fixed_frames(self) -> None:
        data = fixed.frame(1, "hello").pack()
        self.assertEqual(
            fixed.FORMAT.printed(data, 4)[0], ["ver: 1, order: 1, size: 5 -> hell... 1 more byte"]
        )
        self.assertEqual(fixed.FORMAT.printed(data, 5)[0], ["ver: 1, order: 1, size: 5 -> hello"])

    def test_text(self) -> None:
        run = text.datagram(b"hello")
        self.assertEqual(run.printed(4)[0], ["hell... 1 more byte"])
        (message,) = run
        self.assertEqual((message.line(4), message.line(0)), ("hell... 1 more byte", "hello"))


class Any(SynchronousTestCase):
    """Runs of whatever format."""

    def test_text_has_no_orders(self) -> None:
        self.assertEqual(text.datagram(b"hi\xff").printed(), ([r"hi\xff"], [None]))

    @bounded
    @given(st.lists(st.tuples(numbers, texts), min_size=1, max_size=5))
    def test_frames(self, frames: list[tuple[int, bytes]]) -> None:
        data = b"".join(variable.Frame(1, order, len(body), body).pack() for order, body in frames)
        (*_, run) = variable.Cutter(Layout.GUIDE).feed(data)
        assert isinstance(run, Run)
        self.assertEqual(run.printed(), said(list(run)))

    def test_of_a_format_of_ones_own(self) -> None:
        layout = struct.Struct("!HB")
        data = layout.pack(7, 1) + layout.pack(8, 2)
        self.assertEqual(FixedFormat(layout, as_tuple).printed(data), (["(7, 1)", "(8, 2)"], [None, None]))
        self.assertEqual(FixedFormat(layout, Numbered).printed(data)[1], [7, 8])
