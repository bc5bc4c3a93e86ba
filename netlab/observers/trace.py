"""Draws the stream as a teacher would: what each recv() returned, where frames begin and end in it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TextIO

from netlab.events import (
    ChunkReceived,
    ChunkSent,
    Closed,
    Discarding,
    Expired,
    Listener,
    Opened,
    Peer,
    PeerHalfClosed,
)
from netlab.observers.dialects import TEXT, Dialect
from netlab.observers.streams import Chunk, Found, Streams, datagram, in_bytes
from netlab.wire.fields import table
from netlab.wire.text import complete_length

ROW = 16
"""Bytes of a line, as in any dump."""

MAX_ROWS = 4
"""Lines of bytes of one message, or of the rest of a chunk: what is longer is counted."""

MAX_MESSAGES = 8
"""Messages of one chunk that are drawn: a run of a hundred is counted."""

MAX_LINE = 100
"""Characters of a message: its own line in the log has all."""

_UNDER = " " * 11
"""What stands in front of a line about the bytes above it."""

_BOLD, _MARK, _NAME, _WRONG, _PLAIN = "\x1b[1m", "\x1b[1;33m", "\x1b[36m", "\x1b[31m", "\x1b[0m"


class Trace:
    """Draws what it is told of the wire.

    dialect: what is spoken. is_server: which side is this? write: takes a peer and a line about it. colour:
    may the lines have some?
    """

    def __init__(
        self, dialect: Dialect, is_server: bool, write: Callable[[Peer, str], None], colour: bool = False
    ) -> None:
        self._dialect = dialect
        self._is_server = is_server
        self._write = write
        self._colour = colour
        self._streams: dict[Peer, Streams] = {}
        self._datagrams = {"recv": 0, "send": 0}

    def listens(self) -> Mapping[type, Listener]:
        return {
            Opened: self.opened,
            ChunkReceived: self.chunk_received,
            ChunkSent: self.chunk_sent,
            Expired: self.expired,
            Discarding: self.discarding,
            PeerHalfClosed: self.peer_half_closed,
            Closed: self.closed,
        }

    def opened(self, event: Opened) -> None:
        self._streams[event.peer] = Streams(self._dialect, self._is_server)

    def closed(self, event: Closed) -> None:
        self._streams.pop(event.peer, None)

    def chunk_received(self, event: ChunkReceived) -> None:
        streams = self._streams.get(event.peer)
        if streams is None:
            self._datagram("recv", event.peer, event.data)
            return
        chunk = streams.receive(event.data)
        self._draw(event.peer, f"recv() {chunk.number} returned", "the stream", chunk)

    def chunk_sent(self, event: ChunkSent) -> None:
        streams = self._streams.get(event.peer)
        if streams is None:
            self._datagram("send", event.peer, event.data)
            return
        chunk = streams.send(event.data)
        self._draw(event.peer, f"send() {chunk.number}:", "what is sent", chunk)

    def expired(self, event: Expired) -> None:
        self._head(event.peer, f"the time of the {self._dialect.unit} that has begun is up")
        self._body(event.peer, self._streams[event.peer].received.expire())

    def discarding(self, event: Discarding) -> None:
        self._streams[event.peer].received.discard()

    def peer_half_closed(self, event: PeerHalfClosed) -> None:
        chunk = self._streams[event.peer].received.finish()
        self._head(event.peer, "recv() returned 0 bytes: the peer's FIN, the end of the stream")
        self._body(event.peer, chunk)

    def _datagram(self, what: str, peer: Peer, data: bytes) -> None:
        self._datagrams[what] += 1
        start = f"{what}() {self._datagrams[what]}{' returned' if what == 'recv' else ':'}"
        self._head(peer, f"{start} a datagram of {in_bytes(len(data))}")
        self._body(peer, datagram(self._dialect, data))

    def _draw(self, peer: Peer, what: str, where: str, chunk: Chunk) -> None:
        length = len(chunk.data)
        last = f" to {chunk.end - 1:,}" * (length > 1)
        self._head(peer, f"{what} {in_bytes(length)}, {chunk.start:,}{last} of {where}")
        self._body(peer, chunk)

    def _head(self, peer: Peer, line: str) -> None:
        self._write(peer, self._paint(_BOLD, line))

    def _body(self, peer: Peer, chunk: Chunk) -> None:
        for line in self._lines(chunk):
            self._write(peer, line)

    def _lines(self, chunk: Chunk) -> Iterator[str]:
        at = chunk.start
        for found in chunk.found[:MAX_MESSAGES]:
            yield from self._rows(
                at, chunk.data[at - chunk.start : found.end - chunk.start], at == found.start, "]"
            )
            yield from self._found(found, chunk)
            at = max(at, found.end)
        if len(chunk.found) > MAX_MESSAGES:
            more, at = len(chunk.found) - MAX_MESSAGES, chunk.found[-1].end
            yield f"{_UNDER}{more:,} more {self._dialect.unit}s, as far as byte {at - 1:,}"
        rest = chunk.data[at - chunk.start :]
        if chunk.broken:
            yield from self._broken(at, rest, chunk)
        elif chunk.rest:
            yield from self._rows(at, rest, chunk.rest == chunk.end - at, "")
            yield f"{_UNDER}{self._left_over(chunk)}"

    def _rows(self, at: int, data: bytes, begins: bool, end: str) -> Iterator[str]:
        """Bytes in hex, in brackets where they begin and end a message; `at` is where they stand."""
        shown = data[: ROW * MAX_ROWS]
        for start in range(0, len(shown), ROW):
            row = shown[start : start + ROW]
            opening = self._mark("[") if begins and start == 0 else " "
            last = start + ROW >= len(data)
            closing = f" {self._mark(end)}" if end and last else ""
            yield f"{at + start:>8,} {opening} {row.hex(' ')}{closing}"
        if len(data) > len(shown):
            yield f"{_UNDER}... {len(data) - len(shown):,} more{f' {self._mark(end)}' if end else ''}"

    def _found(self, found: Found, chunk: Chunk) -> Iterator[str]:
        pieces = f", from recv() {found.first} to {found.last}" if found.cuts else ""
        if found.cuts and found.last - found.first == 1:
            pieces = f", from recv() {found.first} and {found.last}"
        what = f"{self._dialect.unit} of {in_bytes(len(found.data))}{pieces}"
        yield f"{_UNDER}{what}: {found.shortened(MAX_LINE)}"
        if len(found.fields) > 1:
            names, values = table(found.fields, found.cuts)
            yield f"{_UNDER}  {self._paint(_NAME, names)}"
            yield f"{_UNDER}  {values.replace('|', self._mark('|'))}"
        begun = len(found.data) - complete_length(found.data)
        if begun and self._dialect is TEXT:
            rest = "its last byte begins" if begun == 1 else f"its last {begun} bytes begin"
            yield f"{_UNDER}{rest} a character: the rest is to come, and is printed with the next message"

    def _left_over(self, chunk: Chunk) -> str:
        left = f"left over for the next recv(): {in_bytes(chunk.rest)} of a {self._dialect.unit}"
        what = "its header" if chunk.rest < self._dialect.header else "it"
        return f"{left}; {chunk.missing:,} more make {what} whole"

    def _broken(self, at: int, rest: bytes, chunk: Chunk) -> Iterator[str]:
        if rest:
            yield from self._rows(at, rest, False, "")
        if chunk.violation is not None:
            what = f"no {self._dialect.unit}: {chunk.violation.reason}: {chunk.violation.detail}"
            yield f"{_UNDER}{self._paint(_WRONG, what)}"
        elif rest:
            yield f"{_UNDER}discarded: nothing more is understood of this stream"

    def _mark(self, mark: str) -> str:
        return self._paint(_MARK, mark)

    def _paint(self, style: str, text: str) -> str:
        return f"{style}{text}{_PLAIN}" if self._colour else text


def may_colour(stream: TextIO | None) -> bool:
    """May lines on this stream have colours: is it a terminal that has some, and nobody who wants none
    (no-color.org)?
    """
    if stream is None or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty() and (sys.platform != "win32" or "WT_SESSION" in os.environ)
