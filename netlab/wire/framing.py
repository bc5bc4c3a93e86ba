"""Cut a byte stream into runs of whole frames, whatever pieces it arrives in (docs/protocol.md, S1-S5).

A *format* knows how one kind of frame stands in a row of bytes, and has no state. A *cutter* is the state of
one stream: it holds the beginning of a frame until the rest has come. What it hands out is a *run*: the
longest stretch of whole, valid frames at the front. A run knows its bytes and how many frames they are, and
decodes them only for whoever iterates it; so to echo a hundred frames is one write of one object.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, Protocol, TypeAlias, TypeVar

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


class Cut(NamedTuple):
    """What a format sees in a row of bytes."""

    end: int
    """How many bytes the whole, valid frames at the front are."""
    frames: int
    """How many frames they are."""
    need: int
    """How many bytes from `end` on must be there before anything new can be said; 1 at least."""
    violation: Violation | None = None
    """What is wrong with the frame that begins at `end`."""


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


class Run(Generic[F]):
    """Whole, valid frames, one behind the other, as they came.

    data: their bytes. len(run): how many frames they are. Iterating decodes them, each time anew.
    """

    __slots__ = ("_count", "_format", "data")

    def __init__(self, data: bytes, count: int, format: Format[F]) -> None:
        self.data = data
        self._count = count
        self._format = format

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[F]:
        return (self._format.decode(piece) for piece in self._pieces())

    def split(self) -> Iterator[Run[F]]:
        """The same frames, each as a run of its own."""
        return (Run(piece, 1, self._format) for piece in self._pieces())

    def _pieces(self) -> Iterator[bytes]:
        start = 0
        for end in self._format.ends(self.data):
            yield self.data[start:end]
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
        self._held = bytearray()
        self._need = 1

    @property
    def pending(self) -> bool:
        """Has a frame begun that has not ended?"""
        return bool(self._held)

    @property
    def needed(self) -> int:
        """How many bytes from `offset` on must be there before anything new can be said; 1 at least."""
        return self._need

    def feed(self, data: bytes) -> list[Item[F]]:
        """Take the next bytes of the stream; return what has become whole with them, in order."""
        if self.violation is not None or not data:
            return []
        if self._held:
            # A bytearray, so that a frame that comes a byte at a time costs its length and no more, in time
            # and in memory.
            self._held += data
            if len(self._held) < self._need:
                return []
            data = bytes(self._held)
            self._held.clear()
        return self._cut(data)

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

    def _cut(self, data: bytes) -> list[Item[F]]:
        items: list[Item[F]] = []
        cut = self.format.cut(data, self.offset)
        if cut.end:
            items.append(Run(data[: cut.end], cut.frames, self.format))
            self.offset += cut.end
        if cut.violation is None:
            self._held += data[cut.end :]
            self._need = cut.need
        else:
            items.append(self._violated(self._named(cut.violation, data, cut.end)))
        return items

    def _incomplete(self, kind: type[Incomplete], what: str, advice: str) -> list[Item[F]]:
        if not self._held:
            return []
        held = bytes(self._held)
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
        self._held.clear()
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


class FixedFormat(Format[F]):
    """Frames of one length.

    layout: the struct of a frame. make: builds a frame from the struct's values. version: what the first byte
    must be, if any.
    """

    def __init__(self, layout: struct.Struct, make: Callable[..., F], version: int | None = None) -> None:
        self._layout = layout
        self._make = make
        self._version = version

    def cut(self, data: bytes, offset: int) -> Cut:
        length = self._layout.size
        count = len(data) // length
        if self._version is not None:
            # One slice has the first byte of every frame that has begun: whole frames, and the one that is
            # judged early (S3).
            begun = data[::length]
            right = len(begun) - len(begun.lstrip(bytes((self._version,))))
            if right < len(begun):
                end = right * length
                return Cut(end, right, length, wrong_version(data, end, offset, self._version))
        return Cut(count * length, count, length)

    def ends(self, run: bytes) -> Iterator[int]:
        return iter(range(self._layout.size, len(run) + 1, self._layout.size))

    def decode(self, frame: bytes) -> F:
        return self._make(*self._layout.unpack(frame))


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
        self._size_at = size_at
        self.max_size = max_size
        self._make = make
        self._version = version

    def cut(self, data: bytes, offset: int) -> Cut:
        at = count = 0
        header_length, total = self.header.size, len(data)
        while at < total:
            if self._version is not None and data[at] != self._version:
                return Cut(at, count, header_length, wrong_version(data, at, offset, self._version))
            if total - at < header_length:
                break
            size = self.header.unpack_from(data, at)[self._size_at]
            if size > self.max_size:
                return Cut(at, count, header_length, oversize(data, at, offset, size, self.max_size))
            end = at + header_length + size
            if end > total:
                return Cut(at, count, end - at)
            at, count = end, count + 1
        return Cut(at, count, header_length)

    def ends(self, run: bytes) -> Iterator[int]:
        at = 0
        while at < len(run):
            at += self.header.size + self.header.unpack_from(run, at)[self._size_at]
            yield at

    def decode(self, frame: bytes) -> F:
        return self._make(*self.header.unpack_from(frame), frame[self.header.size :])


def oversize(data: bytes, at: int, offset: int, size: int, max_size: int) -> Oversize:
    """The violation of a header at data[at:] that announces too much (R3); data[0] is at `offset`."""
    return Oversize(
        offset + at,
        data[at : at + SHOWN_BYTES],
        f"a header announces {size:,} bytes, and the limit is {max_size:,}",
        "check the byte order and the order of the fields, or raise the server's --max-size",
    )
