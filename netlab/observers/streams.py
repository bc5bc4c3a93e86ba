"""Follows a conversation: which messages begin and end in which recv(), and what is left over in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from netlab.observers.dialects import Dialect
from netlab.wire import text
from netlab.wire.fields import Field
from netlab.wire.framing import Item, Run
from netlab.wire.violations import Violation

REMEMBERED = 64
"""Of a message that comes in many pieces, so many of their bounds are known: it may come a byte at a time."""


@dataclass(frozen=True)
class Found:
    """A message that has become whole."""

    start: int
    """Where it begins in the stream, in bytes from 0."""
    data: bytes
    """Its bytes."""
    message: Any
    """What they say: a frame, or a text message."""
    name_fields: Callable[[Any], list[Field]] = field(compare=False, repr=False)
    """Puts a message's bytes under the names of their fields."""
    first: int
    """The number of the chunk in which it began."""
    last: int
    """The number of the chunk in which it ended: of a variable layout, this may be found out later (V7)."""
    cuts: tuple[int, ...]
    """Where, in its bytes, one chunk ended and the next began: the first of these."""

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.start + len(self.data)

    @property
    def fields(self) -> list[Field]:
        """Its bytes under the names of their fields."""
        return self.name_fields(self.message)

    @property
    def line(self) -> str:
        """What is printed of it, escaped."""
        return str(self.message)

    def shortened(self, most: int) -> str:
        """Return its line, with so many characters at most.

        A long message is not escaped whole: that many characters take four times as many bytes at most.
        """
        line = self.message.line(4 * most)
        return line if len(line) <= most else f"{line[:most]}..."


@dataclass(frozen=True)
class Chunk:
    """What one recv() returned, or one write() sent, and what stands in it."""

    number: int
    """From 1, for each direction."""
    start: int
    """Where it begins in the stream, in bytes from 0."""
    data: bytes
    found: list[Found]
    """The messages that have become whole with it."""
    violation: Violation | None
    """What was found in it that is no message: the last that is understood of the stream (S5)."""
    broken: bool
    """Is nothing more understood, since a violation in this chunk or before, or since this side stops?"""
    rest: int
    """Bytes of a message that has begun and not ended, from this chunk and those before."""
    missing: int
    """How many more it needs at least, 0 without such a message."""

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.start + len(self.data)


def in_bytes(count: int) -> str:
    """A number of bytes, in words."""
    return f"{count:,} byte{'s' * (count != 1)}"


def datagram(dialect: Dialect, data: bytes) -> Chunk:
    """A datagram is one message, whole, always: nothing goes before it, and nothing is left over (U1)."""
    (message,) = text.datagram(data)
    found = Found(0, data, message, lambda found: dialect.fields(found, text.Cutter(), False), 1, 1, ())
    return Chunk(1, 0, data, [found], None, False, 0, 0)


class Stream:
    """One direction. dialect: of its messages. answers: is it what the server sends?"""

    def __init__(self, dialect: Dialect, answers: bool, layout: Any = None) -> None:
        self.cutter: Any = dialect.make_cutter(layout)
        self._dialect = dialect
        self._answers = answers
        self._length = 0
        self._chunks = 0
        self._at = 0  # where the next message begins
        self._first = 1  # in which chunk
        self._cuts: list[int] = []
        self._discarding = False

    def feed(self, data: bytes) -> Chunk:
        """Take the next chunk."""
        self._chunks += 1
        start = self._length
        if start > self._at and len(self._cuts) < REMEMBERED:
            self._cuts.append(start)
        self._length += len(data)
        items = [] if self._discarding else self.cutter.feed(data)
        return self._chunk(start, data, items)

    def finish(self) -> Chunk:
        """The FIN: some messages become whole, and some violations certain, only with it."""
        return self._chunk(self._length, b"", [] if self._discarding else self.cutter.finish())

    def expire(self) -> Chunk:
        """The time of the message that has begun is up."""
        return self._chunk(self._length, b"", self.cutter.expire())

    def discard(self) -> None:
        """From now on nothing more is understood."""
        self._discarding = True

    def _chunk(self, start: int, data: bytes, items: list[Item[Any]]) -> Chunk:
        found: list[Found] = []
        violation = None
        for item in items:
            if isinstance(item, Run):
                found += (self._found(piece) for piece in item.split())
            elif isinstance(item, Violation):
                violation = item
        broken = self._discarding or self.cutter.violation is not None
        rest = self._length - self._at if self.cutter.pending and not broken else 0
        missing = self.cutter.needed - (self._length - self.cutter.offset) if rest else 0
        return Chunk(self._chunks, start, data, found, violation, broken, rest, missing)

    def _found(self, piece: Run[Any]) -> Found:
        start, (message,) = self._at, piece
        end = self._at = start + len(piece.data)
        cuts = tuple(cut - start for cut in self._cuts if start < cut < end)
        passed = sum(cut <= end for cut in self._cuts)
        is_late = self._cuts[-1:] >= [end]  # it ended in an earlier chunk than this one
        last = self._first + len(cuts) if is_late else self._chunks
        found = Found(start, piece.data, message, self._fields, self._first, last, cuts)
        # The next one begins in this chunk, or, where nothing is left of it, in the next one; or, where this
        # one was late, in an earlier one, too.
        is_behind = passed == len(self._cuts)
        self._first = self._chunks + (end == self._length) if is_behind else self._first + passed
        self._cuts = self._cuts[passed:]
        return found

    def _fields(self, message: Any) -> list[Field]:
        return self._dialect.fields(message, self.cutter, self._answers)


class Streams:
    """Both directions of a conversation, as one side sees them. dialect: what is spoken. is_server: which
    side is it?
    """

    def __init__(self, dialect: Dialect, is_server: bool) -> None:
        self.received = Stream(dialect, answers=not is_server)
        self._dialect = dialect
        self._is_server = is_server
        self._sent: Stream | None = None

    def receive(self, data: bytes) -> Chunk:
        """What one recv() returned."""
        return self.received.feed(data)

    def send(self, data: bytes) -> Chunk:
        """What one write() sends."""
        if self._sent is None:  # not before: an echo has the layout that was found in what it echoes (V8)
            layout = getattr(self.received.cutter, "layout", None)
            self._sent = Stream(self._dialect, self._is_server, layout)
        return self._sent.feed(data)
