"""The messages that a client sends, as one endless stream of bytes that is made before it is needed.

The sizes of the messages come round every 256 messages, and so do their texts; the orders of frames go on
(docs/protocol.md, O2). So where a message begins is a matter of arithmetic, and the bytes of 256 messages at
once are joined from parts that never change: a few nanoseconds a message.
"""

from __future__ import annotations

import random
import struct
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from netlab.wire import fixed, orders, variable
from netlab.wire.variable import Layout

CYCLE = 256
"""Messages after which sizes and texts come round: as many as the last byte of an order counts."""

JOINED = 1 << 20
"""Bytes of a cycle up to which it is made whole. Longer messages are sent from their header and a text that
all share: to copy them would cost more than to handle the parts.
"""

KEPT = 32 << 20
"""Bytes of cycles that are kept: clients that are at the same place of their streams use the same."""

SEED = 5005
"""Sizes and texts are drawn, but always the same ones: two measurements are of the same messages."""

ALPHABET = b"abcdefghijklmnopqrstuvwxyz012345"
"""What texts are made of. Without the E of `ECHO: `, an answer can be read in one way only."""

SMALL = 4096
"""Bytes that are copied rather than referred to: to make a reference takes as long."""

_HIGH = (1 << 24) - 1  # an order without its last byte

Piece = tuple[bytes, int, int]
"""Some bytes, and from where to where they are the stream's."""


class Messages:
    """The stream of one format, and the arithmetic of its messages, which are numbered from 0.

    sizes: the bytes of the texts, from and to.
    """

    def __init__(self, sizes: tuple[int, int]) -> None:
        self.sizes = _drawn(*sizes)
        self._text = _letters(max(self.sizes) + CYCLE)
        """A window for each message: the text of message n begins at its place in the cycle."""
        self._set_lengths([self._header_length + size for size in self.sizes])
        self._whole = self.cycle <= JOINED
        self._cycles: dict[int, bytes] = {}

    _header_length = 0

    def _set_lengths(self, lengths: Sequence[int]) -> None:
        self._starts = [0, *accumulate(lengths)]
        self.cycle = self._starts[-1]
        """Bytes of 256 messages."""
        self._length = lengths[0] if len(set(lengths)) == 1 else 0

    def offset(self, number: int) -> int:
        """Where the message with this number begins, in bytes from the stream's beginning."""
        if self._length:
            return number * self._length
        cycles, rest = divmod(number, CYCLE)
        return cycles * self.cycle + self._starts[rest]

    def before(self, position: int) -> int:
        """How many messages end there, or before that position."""
        if self._length:
            return position // self._length
        cycles, rest = divmod(position, self.cycle)
        return cycles * CYCLE + bisect_right(self._starts, rest) - 1

    def message(self, number: int) -> bytes:
        """The bytes of one message."""
        if self._whole:
            cycle, place = divmod(number, CYCLE)
            joined = self._cycles.get(cycle) or self._keep(cycle)
            return joined[self._starts[place] : self._starts[place + 1]]
        return self.bytes_of(self.offset(number), self.offset(number + 1))

    def piece(self, position: int) -> Piece:
        """Bytes that begin at this position: as many as there are in one place."""
        if self._whole:
            cycle, start = divmod(position, self.cycle)
            joined = self._cycles.get(cycle) or self._keep(cycle)
            return joined, start, self.cycle
        number = self.before(position)
        inside = position - self.offset(number)
        if inside < self._header_length:
            return self._header(number), inside, self._header_length
        place = number % CYCLE
        return self._text, place + inside - self._header_length, place + self.sizes[place]

    def slices(self, start: int, end: int) -> list[bytes | memoryview]:
        """The bytes from one position to another, in as many pieces as they are in."""
        found: list[bytes | memoryview] = []
        while start < end:
            data, begin, stop = self.piece(start)
            stop = min(stop, begin + end - start)
            found.append(data[begin:stop] if stop - begin <= SMALL else memoryview(data)[begin:stop])
            start += stop - begin
        return found

    def bytes_of(self, start: int, end: int) -> bytes:
        """The same as one; for what is only looked at."""
        return b"".join(self.slices(start, end))

    def _keep(self, cycle: int) -> bytes:
        while len(self._cycles) * self.cycle > KEPT:
            del self._cycles[next(iter(self._cycles))]
        joined = self._cycles[cycle] = self._join(cycle)
        return joined

    def _join(self, cycle: int) -> bytes:
        """The bytes of the messages from 256 * cycle on."""
        raise NotImplementedError

    def _header(self, number: int) -> bytes:
        return b""

    def _payload(self, place: int) -> bytes:
        return self._text[place : place + self.sizes[place]]


class Texts(Messages):
    """Texts behind each other, without a delimiter (docs/protocol.md, T1); the datagrams of UDP, too (U1)."""

    def __init__(self, sizes: tuple[int, int]) -> None:
        super().__init__(sizes)
        self._joined = b"".join(map(self._payload, range(CYCLE))) if self._whole else b""

    def datagram(self, number: int) -> bytes:
        """The text of one message."""
        return self._payload(number % CYCLE)

    def _join(self, cycle: int) -> bytes:
        return self._joined


class Frames(Messages):
    """Frames with an order in their header, which counts from 1 (O1, O2)."""

    def __init__(self, sizes: tuple[int, int], layout: Layout) -> None:
        """layout: which of the two numbers in the header comes first (V2); fixed frames have the guide's."""
        self._layout = layout
        super().__init__(sizes)
        if self._whole:
            self._prepare()

    def _prepare(self) -> None:
        """Cut each frame where the first three bytes of its order are: they are what changes from cycle to
        cycle. The last frame of a cycle, whose order ends with 0, has those of the next one.
        """
        before, after = zip(*map(self._around, range(CYCLE)), strict=True)
        self._parts = [before[0], *(a + b for a, b in zip(after, before[1:], strict=False))]
        self._last = after[-1]

    def _around(self, place: int) -> tuple[bytes, bytes]:
        order = orders.FIRST + place
        header, text = self._header(place), self._payload(place)
        at = 1 if self._layout is Layout.GUIDE else 1 + 4  # behind the version, and the size
        return header[:at], struct.pack("!L", order)[3:] + header[at + 4 :] + text

    def _join(self, cycle: int) -> bytes:
        high, following = ((each & _HIGH).to_bytes(3, "big") for each in (cycle, cycle + 1))
        return b"".join((high.join(self._parts), following, self._last))


class FixedFrames(Frames):
    """Frames of 29 bytes (docs/protocol.md, F)."""

    _header_length = fixed.FRAME_LENGTH - fixed.TEXT_LENGTH

    def __init__(self, sizes: tuple[int, int]) -> None:
        super().__init__(sizes, Layout.GUIDE)

    def _set_lengths(self, lengths: Sequence[int]) -> None:
        super()._set_lengths([fixed.FRAME_LENGTH] * len(lengths))

    def _header(self, number: int) -> bytes:
        return self._frame(number)[: self._header_length]

    def _payload(self, place: int) -> bytes:
        return self._frame(place)[self._header_length :]

    def _frame(self, number: int) -> bytes:
        order = (orders.FIRST + number) & orders.LAST
        return fixed.frame(order, super()._payload(number % CYCLE).decode("ascii")).pack()


class VariableFrames(Frames):
    """Frames with a header of 9 bytes and a text of any size, in either layout (docs/protocol.md, V)."""

    _header_length = variable.HEADER_LENGTH

    def _header(self, number: int) -> bytes:
        order = (orders.FIRST + number) & orders.LAST
        numbers = self._layout.order_and_size(order, self.sizes[number % CYCLE])
        return variable.HEADER.pack(variable.VERSION, *numbers)


def messages(format: str, sizes: tuple[int, int], layout: str = "guide") -> Messages:
    """What a client sends. format: udp, tcp, tcpv2 or tcpv3; layout: of a tcpv3 header."""
    if format == "tcpv2":
        return FixedFrames(sizes)
    if format == "tcpv3":
        return VariableFrames(sizes, Layout(layout))
    return Texts(sizes)


def _drawn(low: int, high: int) -> list[int]:
    """A size for each message of a cycle: evenly from low to high, in an order that looks drawn."""
    sizes = [low + round((high - low) * place / (CYCLE - 1)) for place in range(CYCLE)]
    random.Random(SEED).shuffle(sizes)
    return sizes


def _letters(count: int) -> bytes:
    table = bytes(ALPHABET[byte % len(ALPHABET)] for byte in range(256))
    return random.Random(SEED).randbytes(count).translate(table)
