"""netlab/load/messages.py: the stream is what netlab.wire would make message by message."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netlab.load.messages import ALPHABET, CYCLE, JOINED, KEPT, Frames, Messages, Texts, messages
from netlab.wire import fixed, orders, variable
from netlab.wire.framing import Run
from netlab.wire.text import REPLY_PREFIX
from netlab.wire.variable import Layout
from tests.wire import bounded

FORMATS = ("tcp", "tcpv2", "tcpv3")
SIZES = ((1, 1), (32, 32), (1, 40), (5000, 5000), (1, 9000))


def made(format: str, stream: Messages, first: int, count: int, layout: str = "guide") -> list[bytes]:
    """Messages as netlab.wire makes them, from a number on."""
    found = []
    for number in range(first, first + count):
        place = number % CYCLE
        text = stream._text[place : place + stream.sizes[place]].decode()
        order = (orders.FIRST + number) & orders.LAST
        if format == "tcpv2":
            found.append(fixed.frame(order, text).pack())
        elif format == "tcpv3":
            found.append(variable.frame(order, text).pack(Layout(layout)))
        else:
            found.append(text.encode())
    return found


class Streams(SynchronousTestCase):
    @given(
        st.sampled_from(FORMATS),
        st.sampled_from(SIZES),
        st.sampled_from(("guide", "scripts")),
        st.sampled_from((0, 250, 65_500, (1 << 24) - 3, (1 << 32) - 4)),
        st.data(),
    )
    @bounded
    def test_any_part_of_it(
        self, format: str, sizes: tuple[int, int], layout: str, first: int, data: st.DataObject
    ) -> None:
        stream = messages(format, sizes, layout)
        wanted = b"".join(made(format, stream, first, 12, layout))
        start = data.draw(st.integers(0, len(wanted)))
        end = data.draw(st.integers(start, len(wanted)))
        begin = stream.offset(first)
        self.assertEqual(stream.bytes_of(begin + start, begin + end), wanted[start:end])

    @given(st.sampled_from(FORMATS), st.sampled_from(SIZES), st.integers(0, 1 << 33))
    @bounded
    def test_where_messages_begin_and_end(self, format: str, sizes: tuple[int, int], first: int) -> None:
        stream = messages(format, sizes)
        lengths = [len(each) for each in made(format, stream, first, 5)]
        begin = stream.offset(first)
        for number, offset in enumerate(accumulate(lengths, initial=0)):
            self.assertEqual(stream.offset(first + number), begin + offset)
            self.assertEqual(stream.before(begin + offset), first + number)
            self.assertEqual(stream.before(begin + offset - 1), first + number - 1)

    def test_the_orders_go_on(self) -> None:
        stream = messages("tcpv3", (3, 3))
        assert isinstance(stream, Frames)
        data = stream.bytes_of(0, stream.offset(600))
        frames = variable.Cutter().feed(data)
        found = [frame.order for run in frames if isinstance(run, Run) for frame in run]
        self.assertEqual(found, list(range(1, 601)))

    def test_what_is_kept_is_bounded(self) -> None:
        stream = messages("tcpv3", (3000, 3000))
        for cycle in range(100):
            stream.piece(cycle * stream.cycle)
        self.assertLessEqual(len(stream._cycles) * stream.cycle, KEPT + JOINED)
        long = messages("tcpv3", (1 << 20, 1 << 20))
        long.bytes_of(0, 3 << 20)
        self.assertEqual(long._cycles, {})
        self.assertLess(len(long._text), 2 << 20)

    def test_sizes_are_spread_evenly(self) -> None:
        sizes = messages("tcp", (32, 512)).sizes
        self.assertEqual((min(sizes), max(sizes)), (32, 512))
        self.assertEqual(sum(sizes) // CYCLE, (32 + 512) // 2)
        self.assertNotEqual(sizes, sorted(sizes))

    def test_no_text_looks_like_a_reply(self) -> None:
        self.assertNotIn(REPLY_PREFIX[0], ALPHABET)

    def test_datagrams_differ_from_their_neighbours(self) -> None:
        stream = messages("udp", (32, 32))
        assert isinstance(stream, Texts)
        self.assertEqual(len({stream.datagram(number) for number in range(CYCLE)}), CYCLE)
        self.assertEqual(messages("udp", (0, 0)).sizes, [0] * CYCLE)
