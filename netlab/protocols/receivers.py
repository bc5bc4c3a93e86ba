"""Turn a byte stream into frames: IntNStringReceiver for headers that carry more than a length.

Subclass FixedFrameReceiver or SizedFrameReceiver with a struct format of your own, and override
frameReceived.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Any, ClassVar, Generic, TypeVar

from twisted.internet import error
from twisted.internet.interfaces import ITransport
from twisted.internet.protocol import Protocol
from twisted.internet.protocol import connectionDone as _connection_done
from twisted.python.failure import Failure

from netlab.protocols.resets import tell_resets
from netlab.wire.framing import Cutter, FixedFormat, Item, Remark, Run, SizedFormat, StreamCutter, as_tuple
from netlab.wire.violations import Violation

F = TypeVar("F")


class FrameReceiver(Protocol, Generic[F]):
    """A connection whose bytes are frames, in whatever pieces they come (docs/protocol.md, S1-S5)."""

    transport: ITransport

    def __init__(self) -> None:
        self.cutter: StreamCutter[F] = self.makeCutter()

    def makeCutter(self) -> StreamCutter[F]:
        """Make the state of this connection's incoming stream. Override."""
        raise NotImplementedError

    def connectionMade(self) -> None:
        """Twisted calls this when the connection is there."""
        tell_resets(self.transport)

    def dataReceived(self, data: bytes) -> None:
        """Twisted calls this with what one recv() returned, between 1 and 65,536 bytes."""
        self.itemsReceived(self.cutter.feed(data))

    def connectionLost(self, reason: Failure = _connection_done) -> None:
        """Twisted calls this when the connection is gone; a frame that a FIN cut off becomes a violation
        (R4).
        """
        if isinstance(reason.value, error.ConnectionDone):
            self.itemsReceived(self.cutter.finish())

    def itemsReceived(self, items: list[Item[F]]) -> None:
        """What has become whole, in the order of the stream."""
        for item in items:
            if isinstance(item, Run):
                self.runReceived(item)
            elif isinstance(item, Violation):
                self.frameViolated(item)
            else:
                self.remarkReceived(item)

    def runReceived(self, run: Run[F]) -> None:
        """A run of whole frames came. Override to treat them together: run.data are their bytes."""
        received = self.frameReceived
        for frame in run:
            received(frame)

    def frameReceived(self, frame: F) -> None:
        """A whole frame came. Override."""

    def remarkReceived(self, remark: Remark) -> None:
        """The cutter found something out about the stream. Override where that is of interest."""

    def frameViolated(self, violation: Violation) -> None:
        """The stream holds something that is no frame: nothing more will be received.

        Override; here: close.
        """
        self.transport.loseConnection()


@lru_cache
def _fixed(layout: str, make: Callable[..., Any], version: int | None) -> FixedFormat[Any]:
    """The format of a class: all its connections share it."""
    return FixedFormat(struct.Struct(layout), make, version)


@lru_cache
def _sized(
    header: str, size_at: int, max_size: int, make: Callable[..., Any], version: int | None
) -> SizedFormat[Any]:
    """The format of a class: all its connections share it."""
    return SizedFormat(struct.Struct(header), size_at, max_size, make, version)


class _Packing(FrameReceiver[F]):
    """Packs what it sends as a struct says that each subclass has."""

    FORMAT: ClassVar[str]
    _pack: ClassVar[Callable[..., bytes]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        layout = getattr(cls, "FORMAT", None)  # its own, or that of what it is mixed with
        if layout is not None:
            cls._pack = struct.Struct(layout).pack


class FixedFrameReceiver(_Packing[F]):
    """Frames of one length.

    FORMAT: the struct format of a frame, with its byte order. FRAME: what a frame becomes: called with the
    struct's values, a tuple of them if left out. VERSION: what the first byte must be, None for anything.
    """

    FRAME: ClassVar[Callable[..., Any]] = as_tuple
    VERSION: ClassVar[int | None] = None

    def makeCutter(self) -> StreamCutter[F]:
        return Cutter(_fixed(self.FORMAT, type(self).FRAME, self.VERSION))

    def sendFrame(self, *values: Any) -> None:
        """Send a frame of these values. Raises struct.error for values that do not fit."""
        self.transport.write(self._pack(*values))


class SizedFrameReceiver(_Packing[F]):
    """Frames with a header of fixed length that says, among other things, how many bytes of payload follow
    it.

    FORMAT: the struct format of the header, with its byte order. SIZE_FIELD: which of its values is the
    payload's length in bytes, from 0. MAX_LENGTH: the longest payload let in, in bytes; a longer one is a
    violation before a byte of it is read. FRAME: what a frame becomes: called with the header's values and
    the payload, a tuple of them if left out. VERSION: as above.
    """

    SIZE_FIELD: ClassVar[int] = 0
    MAX_LENGTH: ClassVar[int] = 99_999  # as in Twisted's IntNStringReceiver
    FRAME: ClassVar[Callable[..., Any]] = as_tuple
    VERSION: ClassVar[int | None] = None

    def makeCutter(self) -> StreamCutter[F]:
        return Cutter(_sized(self.FORMAT, self.SIZE_FIELD, self.MAX_LENGTH, type(self).FRAME, self.VERSION))

    def sendFrame(self, *values: Any, payload: bytes) -> None:
        """Send a frame: the header's values without the size, which is filled in, and the payload.

        Raises ValueError for a payload over MAX_LENGTH, struct.error for values that do not fit.
        """
        if len(payload) > self.MAX_LENGTH:
            raise ValueError(f"a payload of {len(payload):,} bytes is over MAX_LENGTH, {self.MAX_LENGTH:,}")
        size, at = len(payload), self.SIZE_FIELD
        if at == len(values):  # the usual place, and sooner done
            header = self._pack(*values, size)
        else:
            header = self._pack(*values[:at], size, *values[at:])
        self.transport.write(header + payload)
