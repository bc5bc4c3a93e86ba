"""Cut a byte stream into runs of whole frames, whatever pieces it arrives in (docs/protocol.md, S1-S5).

A *format* knows how one kind of frame stands in a row of bytes, and has no state. A *cutter* is the state of
one stream: it holds the beginning of a frame until the rest has come. What it hands out is a *run*: the
longest stretch of whole, valid frames at the front. A run knows its bytes and how many frames they are, and
decodes them only for whoever iterates it; so to echo a hundred frames is one write of one object.
"""

from __future__ import annotations

import re
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import starmap
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from netlab.wire import strangers
from netlab.wire.strangers import Stranger
from netlab.wire.violations import (
    SHOWN_BYTES,
    DeadlinePassed,
    Incomplete,
    Oversize,
    Truncated,
    Violation,
    WrongVersion,
)

F = TypeVar("F")


Cut: TypeAlias = "tuple[int, int, int, Violation | None]"
"""What a format sees in a row of bytes; a plain tuple, since one is made for each read:

end, how many bytes the whole, valid frames at the front are; frames, how many frames they are; need, how many
bytes from `end` on must be there before anything new can be said, 1 at least; violation, what is wrong with
the frame that begins at `end`, or None.
"""


Printed: TypeAlias = "tuple[list[str], list[int | None]]"
"""What is printed of a run's frames: what str() says of each; and the order of each, None where a frame has
none. A plain tuple, since one is made for each run.
"""


class Format(ABC, Generic[F]):
    """How one kind of frame stands in a row of bytes. Has no state."""

    @abstractmethod
    def cut(self, data: bytes, offset: int) -> Cut:
        """Find the run at the front of `data`, whose first byte stands at `offset` of the stream.

        Never raises.
        """

    @abstractmethod
    def ends(self, run: bytes) -> Iterator[int]:
        """Where each frame in a run's bytes ends."""

    @abstractmethod
    def decode(self, frame: bytes) -> F:
        """The frame whose bytes, all of them and no more, these are."""

    def decoded(self, run: bytes) -> Iterator[F]:
        """The frames of a run's bytes, one after the other."""
        start = 0
        for end in self.ends(run):
            yield self.decode(run[start:end])
            start = end

    def printed(self, run: bytes, limit: int = 0) -> Printed:
        """What is printed of a run's frames. limit: how many bytes of a text; 0 for all (P4)."""
        frames = list(self.decoded(run))
        return [str(each) for each in frames], [getattr(each, "order", None) for each in frames]


class Run(Generic[F]):
    """Whole, valid frames, one behind the other, as they came.

    data: their bytes. len(run): how many frames they are. Iterating decodes them, each time anew.
    """

    __slots__ = ("_count", "data", "format")

    def __init__(self, data: bytes, count: int, format: Format[F]) -> None:
        self.data = data
        self.format = format
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[F]:
        return self.format.decoded(self.data)

    def printed(self, limit: int = 0) -> Printed:
        """What is printed of them. limit: how many bytes of a text; 0 for all (P4)."""
        return self.format.printed(self.data, limit if limit < len(self.data) else 0)

    def split(self) -> Iterator[Run[F]]:
        """The same frames, each as a run of its own."""
        start = 0
        for end in self.format.ends(self.data):
            yield Run(self.data[start:end], 1, self.format)
            start = end

    def __repr__(self) -> str:
        return f"<Run of {self._count}: {self.data[:32].hex(' ')}{' ...' if len(self.data) > 32 else ''}>"


class Remark(NamedTuple):
    """What a cutter found out about its stream and says once: no frame, and nothing wrong."""

    offset: int
    """Where in the stream it was found, in bytes from 0."""
    text: str
    advice: str = ""
    """What to do about it, if anything."""


Item: TypeAlias = "Run[F] | Remark | Violation"


class StreamCutter(Protocol[F]):
    """What every cutter can do: Cutter below says what each means."""

    @property
    def offset(self) -> int: ...

    @property
    def pending(self) -> bool: ...

    @property
    def needed(self) -> int: ...

    def feed(self, data: bytes) -> list[Item[F]]: ...

    def finish(self) -> list[Item[F]]: ...

    def expire(self) -> list[Item[F]]: ...


LONG = 16_384
"""Bytes of a frame that is put together by itself: to copy it twice would cost more than a second run."""

SHORT = 4_096
"""Bytes of a piece that is not kept as it came: each object costs some fifty bytes, and a slice of a read may
be all that is wanted of it.
"""


class Held:
    """The beginning of a frame, kept in the pieces in which it came; short ones are put together."""

    __slots__ = ("_length", "_pieces")

    def __init__(self, data: bytes) -> None:
        self._pieces: list[bytes | bytearray] = []
        self._length = 0
        self.append(data)

    def __len__(self) -> int:
        return self._length

    def append(self, data: bytes) -> None:
        """Keep the next piece. Bytes that come one at a time cost their number, in time and in memory."""
        self._length += len(data)
        if len(data) >= SHORT:
            self._pieces.append(data)
        elif self._pieces and isinstance(self._pieces[-1], bytearray):
            self._pieces[-1] += data
        else:
            self._pieces.append(bytearray(data))

    def joined(self, rest: bytes | memoryview = b"") -> bytes:
        """All of it, and what follows it."""
        return b"".join((*self._pieces, rest))


class Cutter(Generic[F]):
    """The state of one stream: takes its bytes in any pieces, gives runs, and at most one violation, which is
    the last.

    speaks: what frames of this format are called (netlab/wire/strangers.py), None for a format of your own.

    offset: where in the stream the first byte stands that is in no run yet, in bytes from 0.
    violation: what was wrong, or None. From then on all bytes are discarded.
    stranger: what came instead of frames, where that is certain. Unlike all else, it depends on the pieces:
    on how much had come when the violation was found (S3, R8).

    It holds at most the beginning of one frame: never more than the format lets a frame be.
    """

    def __init__(self, format: Format[F], speaks: str | None = None) -> None:
        self.format = format
        self.offset = 0
        self.violation: Violation | None = None
        self.stranger: Stranger | None = None
        self._speaks = speaks
        self._held: Held | None = None
        self._need = 1

    @property
    def pending(self) -> bool:
        """Has a frame begun that has not ended?"""
        return self._held is not None

    @property
    def needed(self) -> int:
        """How many bytes from `offset` on must be there before anything new can be said; 1 at least."""
        return self._need

    def feed(self, data: bytes) -> list[Item[F]]:
        """Take the next bytes of the stream; return what has become whole with them, in order."""
        if self._held is not None:
            missing = self._need - len(self._held)
            if len(data) < missing:
                self._held.append(data)
                return []
            held, self._held = self._held, None
            if self._need >= LONG:
                # What a long frame lacks is put to it, and nothing else: so its bytes are copied once.
                return self.feed(held.joined(memoryview(data)[:missing])) + self.feed(data[missing:])
            data = held.joined(data)
        elif self.violation is not None or not data:
            return []
        begun = self.offset
        end, frames, self._need, violation = self.format.cut(data, begun)
        if end == len(data) and begun:  # the usual case: a read ends where a frame does
            self.offset = begun + end
            return [Run(data, frames, self.format)]
        items: list[Item[F]] = []
        if end:
            items = [*(() if begun else self._greeted(data)), Run(data[:end], frames, self.format)]
            self.offset = begun + end
        if violation is None:
            self._held = Held(data[end:]) if end < len(data) else None
        else:
            items.append(self._violated(self._named(violation, data, end)))
        return self._concluded(items)

    def finish(self) -> list[Item[F]]:
        """The stream has ended (the peer's FIN): a frame that is not whole never will be (R4)."""
        return self._incomplete(
            Truncated, "the connection was closed", "close only after the last byte of a frame"
        )

    def expire(self) -> list[Item[F]]:
        """The time for the frame that has begun is up (R5)."""
        return self._incomplete(
            DeadlinePassed, "its time was up", "send all the bytes that the frame announces"
        )

    def _concluded(self, items: list[Item[F]]) -> list[Item[F]]:
        """What was cut, and what follows from it."""
        return items

    def _greeted(self, data: bytes) -> list[Remark]:
        """What is to be said of the stream before its first run, which these bytes begin with."""
        return []

    def _incomplete(self, kind: type[Incomplete], what: str, advice: str) -> list[Item[F]]:
        if self._held is None:
            return []
        held = self._held.joined()
        detail = f"{what} after {len(held):,} bytes of a frame that needs {self._need:,}"
        return [self._violated(self._named(kind(self.offset, held, detail, advice), held, 0))]

    def _named(self, violation: Violation, data: bytes, at: int) -> Violation:
        """The violation, with the name of what came instead, where that is certain (R8).

        data: all that is at hand; data[at:] is the frame that is none.
        """
        self.stranger = strangers.in_frames(data, at, violation.offset == 0, self._speaks)
        if self.stranger is None:
            return violation
        name, advice = self.stranger
        return type(violation)(
            violation.offset, violation.head, f"{violation.detail}: this is {name}", advice
        )

    def _violated(self, violation: Violation) -> Violation:
        self.violation = violation
        self._held = None
        return violation


def wrong_version(data: bytes, at: int, offset: int, version: int) -> WrongVersion:
    """The violation of a frame at data[at:] that does not begin with the version byte (R2); data[0] is at
    `offset`.
    """
    found = data[at]
    return WrongVersion(
        offset + at,
        data[at : at + SHOWN_BYTES],
        f"a frame begins with the byte 0x{found:02x} where the version, 0x{version:02x}, belongs",
        "check that the peer speaks this format, and that its frame before this one was as long as it said",
    )


def as_tuple(*values: Any) -> tuple[Any, ...]:
    """A frame that is just its values."""
    return values


class FixedFormat(Format[F]):
    """Frames of one length.

    layout: the struct of a frame. make: builds a frame from the struct's values. version: what the first byte
    must be, if any.
    """

    def __init__(self, layout: struct.Struct, make: Callable[..., F], version: int | None = None) -> None:
        self._layout = layout
        self._length = layout.size
        self._make = make
        self._version = version
        self._mark = b"" if version is None else bytes((version,))

    def cut(self, data: bytes, offset: int) -> Cut:
        length, version = self._length, self._version
        if len(data) == length and (data[0] == version or version is None):
            return length, 1, length, None
        count = len(data) // length
        if version is not None:
            # One slice has the first byte of every frame that has begun: whole frames, and the one that is
            # judged early (S3).
            begun = data[::length]
            if begun.strip(self._mark):
                right = len(begun) - len(begun.lstrip(self._mark))
                end = right * length
                return end, right, length, wrong_version(data, end, offset, version)
        return count * length, count, length, None

    def ends(self, run: bytes) -> Iterator[int]:
        return iter(range(self._layout.size, len(run) + 1, self._layout.size))

    def decode(self, frame: bytes) -> F:
        return self._make(*self._layout.unpack(frame))

    def decoded(self, run: bytes) -> Iterator[F]:
        values: Iterator[Any] = self.values(run)
        return values if self._make is as_tuple else starmap(self._make, values)

    def values(self, run: bytes) -> Iterator[tuple[Any, ...]]:
        """The values of each frame of a run's bytes."""
        return self._layout.iter_unpack(run)


MANY = 12
"""So many frames of one length are sooner checked by strides than one by one."""


class SizedFormat(Format[F]):
    """A header of fixed length with the payload's length in it, then the payload.

    header: the struct of the header. size_at: which of its values is the payload's length in bytes. max_size:
    the longest payload that is let in, in bytes. make: builds a frame from the header's values and the
    payload. version: what the first byte must be, if any.
    """

    def __init__(
        self,
        header: struct.Struct,
        size_at: int,
        max_size: int,
        make: Callable[..., F],
        version: int | None = None,
    ) -> None:
        self.header = header
        self._header_length = header.size
        self._size_at = size_at
        self.max_size = max_size
        self._make = make
        self._version = version
        start, code = _value(header, size_at)
        self._size = struct.Struct(f"{_order(header)}{start}x{code}")
        fixed_bytes = range(start, self._size.size)  # where a run of equal sizes has equal bytes
        self._strides = (*reversed(fixed_bytes), *(() if version is None else (0,)))

    def cut(self, data: bytes, offset: int) -> Cut:
        version, max_size, size_of = self._version, self.max_size, self._size.unpack_from
        header_length, total = self._header_length, len(data)
        at = count = 0
        if total >= MANY * header_length:
            at, count = self._equals(data)
        elif total >= header_length and (data[0] == version or version is None):
            (size,) = size_of(data)
            if header_length + size == total and size <= max_size:  # one frame, as most reads bring
                return total, 1, header_length, None
        last = total - header_length
        while at <= last and (data[at] == version or version is None):
            (size,) = size_of(data, at)
            end = at + header_length + size
            if size > max_size:
                return at, count, header_length, oversize(data, at, offset, size, max_size)
            if end > total:
                return at, count, end - at, None
            at, count = end, count + 1
        if at == total or data[at] == version or version is None:
            return at, count, header_length, None
        return at, count, header_length, wrong_version(data, at, offset, version)

    def _equals(self, data: bytes) -> tuple[int, int]:
        """How many bytes the frames at the front are that are all as long as the first, and how many frames;
        0 where they are so few that it is not worth the look.

        A slice with a stride has the same byte of each of them.
        """
        (size,) = self._size.unpack_from(data)
        length = self._header_length + size
        count = len(data) // length
        if count < MANY or size > self.max_size or (self._version is not None and data[0] != self._version):
            return 0, 0
        end = count * length
        for at in self._strides:  # the size's lowest byte first: there sizes differ
            if data[at:end:length] != data[at : at + 1] * count:
                return 0, 0
        return end, count

    def ends(self, run: bytes) -> Iterator[int]:
        at = 0
        while at < len(run):
            at += self.header.size + self.header.unpack_from(run, at)[self._size_at]
            yield at

    def decode(self, frame: bytes) -> F:
        return self._make(*self.header.unpack_from(frame), frame[self._header_length :])

    def decoded(self, run: bytes) -> Iterator[F]:
        values: Iterator[Any] = self.values(run)
        return values if self._make is as_tuple else starmap(self._make, values)

    def values(self, run: bytes) -> Iterator[tuple[Any, ...]]:
        """The header's values and the payload of each frame of a run's bytes."""
        if len(run) >= MANY * self._header_length and self._equals(run)[0] == len(run):
            (size,) = self._size.unpack_from(run)
            return _with_payload(self.header.format, size).iter_unpack(run)
        return self._one_by_one(run)

    def _one_by_one(self, run: bytes) -> Iterator[tuple[Any, ...]]:
        unpack, length, size_at = self.header.unpack_from, self._header_length, self._size_at
        at, end = 0, len(run)
        while at < end:
            values = unpack(run, at)
            start = at + length
            at = start + values[size_at]
            yield (*values, run[start:at])


@lru_cache(maxsize=64)
def _with_payload(header: str, size: int) -> struct.Struct:
    """A frame with a payload of this length."""
    return struct.Struct(f"{header}{size}s")


def _order(layout: struct.Struct) -> str:
    """The character of a struct's format that says its byte order, if there is one."""
    first = layout.format[:1]
    return first if first in "@=<>!" else ""


def _value(layout: struct.Struct, index: int) -> tuple[int, str]:
    """Where a value of a struct begins, in bytes, and its code in the format."""
    order, before = _order(layout), ""
    for repeat, code in re.findall(r"(\d*)([a-zA-Z?])", layout.format):
        values = 0 if code == "x" else 1 if code in "sp" else int(repeat or 1)
        if index < values:
            before += f"{index}{code}" if code not in "sp" else ""
            return struct.calcsize(f"{order}{before}{code}") - struct.calcsize(f"{order}{code}"), code
        before, index = f"{before}{repeat}{code}", index - values
    raise ValueError(f"{layout.format} has no such value")


def oversize(data: bytes, at: int, offset: int, size: int, max_size: int) -> Oversize:
    """The violation of a header at data[at:] that announces too much (R3); data[0] is at `offset`."""
    return Oversize(
        offset + at,
        data[at : at + SHOWN_BYTES],
        f"a header announces {size:,} bytes, and the limit is {max_size:,}",
        "check the byte order and the order of the fields, or raise the server's --max-size",
    )
