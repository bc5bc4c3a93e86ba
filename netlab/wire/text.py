"""UTF-8 text in chunks, its `ECHO: ` reply, what of a text may be printed (docs/protocol.md, T and P)."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import NamedTuple

from netlab.wire import strangers
from netlab.wire.framing import Cut, Format, Item, Printed, Remark, Run

REPLY_PREFIX = b"ECHO: "
"""What the text servers put before the bytes that they send back (T3)."""

PRINT_LIMIT = 65_536
"""Bytes of one message that are printed where no other limit is given (P4). A datagram, 65,507 bytes at most,
is printed whole; and to escape so many takes a few milliseconds, in which other clients wait.
"""


def decode(data: bytes) -> str:
    """UTF-8 as text; each byte that is no UTF-8 becomes one character of its own, U+DC80 to U+DCFF (T2)."""
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """Text as UTF-8; what decode() could not read comes out as the bytes that it was.

    Raises ValueError for any other lone surrogate: it has no bytes.
    """
    return text.encode("utf-8", "surrogateescape")


def complete_length(data: bytes) -> int:
    """How many of these bytes are not the beginning of a character whose rest is still to come: all but 3 at
    least.
    """
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte & 0b1100_0000 == 0b1000_0000:
            continue  # a continuation byte: what it belongs to stands further left
        begun = len(data) - back
        if byte >= 0b1100_0000 and _awaits_more(data[begun:]):
            return begun
        break
    return len(data)


def _awaits_more(tail: bytes) -> bool:
    """Are these bytes a true beginning of one character?

    The decoder knows the rules: it then keeps them and gives nothing yet. But it also keeps the first two
    bytes of a surrogate, which is no character.
    """
    return not b"\xed\xa0" <= tail < b"\xee" and _Decoder("replace").decode(tail) == ""


_Decoder = codecs.getincrementaldecoder("utf-8")

_UNPRINTABLE = (
    *range(0x20),  # C0: a terminal obeys these, DEL and C1
    *range(0x7F, 0xA0),
    *(0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)),  # bidirectional controls
    *(0x2028, 0x2029),  # line and paragraph separators: one message stays one line
    *range(0xD800, 0xE000),  # surrogates: the bytes that are not UTF-8
)
_NAMED = {0x09: r"\t", 0x0A: r"\n", 0x0D: r"\r"}


def _escape(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return _NAMED.get(code) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


_ESCAPES = {code: _escape(code) for code in _UNPRINTABLE}


def printable(text: str) -> str:
    """The text, safe on one line of a terminal or a log (P1).

    What is escaped is written as Python would: `\\x1b`, `\\u202e`.
    """
    # What Python calls printable holds none of these, and to ask is quick.
    return text if text.isprintable() else text.translate(_ESCAPES)


def shorten(data: bytes, limit: int = 0) -> str:
    """Return the bytes of a text as they are printed: escaped (P1), and no more of them than a limit (P4).

    Args:
        data: The text's bytes.
        limit: How many bytes of it are printed; 0 for all. A character that stands across the limit is left
            out, and how many bytes are left out is said.
    """
    if not 0 < limit < len(data):
        return printable(decode(data))
    length = complete_length(data[:limit])
    more = len(data) - length
    return f"{printable(decode(data[:length]))}... {more:,} more byte{'s' * (more != 1)}"


def writable(text: str, encoding: str) -> str:
    """The text with what an encoding lacks escaped in the same way, so that a console of that encoding can
    show it (P2).
    """
    return text.encode(encoding, "backslashreplace").decode(encoding)


class Message(NamedTuple):
    """What one read yielded: a message of the text variants."""

    data: bytes
    """The bytes as they came: what is echoed."""
    text: str
    """What of it can be printed now (T5): with the last read's unfinished character in front, without this
    one's at the end.
    """

    def __str__(self) -> str:
        return printable(self.text)

    def line(self, limit: int) -> str:
        """Return what is printed of it: as str(), but for so many bytes of the text; 0 for all (P4)."""
        return shorten(encode(self.text), limit)


class _Chunk(Format[Message]):
    """One read, whole by definition: there is no delimiter (T1).

    now: what of it can be printed now, where that is not just its own bytes.
    """

    def __init__(self, now: bytes | None = None) -> None:
        self._now = now

    def cut(self, data: bytes, offset: int) -> Cut:
        return len(data), 1, 1, None

    def ends(self, run: bytes) -> Iterator[int]:
        return iter((len(run),))

    def decode(self, frame: bytes) -> Message:
        return Message(frame, decode(self._shown(frame)))

    def printed(self, run: bytes, limit: int = 0) -> Printed:
        return [shorten(self._shown(run), limit)], [None]

    def _shown(self, frame: bytes) -> bytes:
        return frame if self._now is None else self._now


_WHOLE = _Chunk()
"""A read in which no character is split: nearly all are."""


def datagram(data: bytes) -> Run[Message]:
    """A datagram: one message, whole by definition (U1)."""
    return Run(data, 1, _WHOLE)


class Cutter:
    """The state of one text stream: each chunk is a message; only a character that is split over two chunks
    is held (T5), and the stream's first bytes, until they are known for something else than text or are too
    many (R8).

    Has the shape of framing.Cutter. Text has no violations, and nothing is ever pending: the echo goes out at
    once.
    """

    pending = False
    needed = 1
    violation = None

    def __init__(self) -> None:
        self.offset = 0
        self._begun = b""
        self._first: bytes | None = b""

    def feed(self, data: bytes) -> list[Item[Message]]:
        """Take what one read yielded; return it as a run of one message. A Remark, one at most, stands before
        the run that makes it certain.
        """
        if not data:
            return []
        self.offset += len(data)
        if self._first is None and data[-1] < 0x80 and not self._begun:  # the usual case
            return [Run(data, 1, _WHOLE)]
        remarks = () if self._first is None else self._recognised(self._first + data)
        seen = self._begun + data
        length = complete_length(seen)
        self._begun = seen[length:]
        return [*remarks, Run(data, 1, _Chunk(seen[:length]))]

    def _recognised(self, first: bytes) -> list[Remark]:
        """Look at the stream's first bytes, as far as they have come."""
        stranger = strangers.in_text(first)
        decided = stranger is not None or len(first) >= strangers.FIRST_BYTES
        self._first = None if decided else first
        return [Remark(0, *stranger)] if stranger else []

    def finish(self) -> list[Item[Message]]:
        """The stream has ended: the bytes of a character that was never completed are a last message of no
        bytes (T5).
        """
        begun, self._begun = self._begun, b""
        return [Run(b"", 1, _Chunk(begun))] if begun else []

    def expire(self) -> list[Item[Message]]:
        """Nothing waits, so no time is ever up."""
        return []


def reply(data: bytes) -> bytes:
    """The text servers' answer to what one read yielded (T3)."""
    return REPLY_PREFIX + data if data else b""


_IN_TEXT = len(REPLY_PREFIX) + 1


class EchoMatcher:
    """Holds the answer to one text against what was sent, as it comes in (T4).

    A server may have read the text in several pieces, and answers each piece with its own prefix. So the
    answer is right when it can be cut into pieces, each a prefix and some text, so that the texts joined are
    what was sent. No piece is empty, since no message is (T6). Where the text itself holds something like a
    prefix, there is more than one way to read a byte: all are followed.
    """

    def __init__(self, sent: bytes) -> None:
        self._sent = sent
        # A way of reading so far: how many bytes of the text it has matched, how many of its piece's prefix;
        # _IN_TEXT once the piece has text.
        self._ways = {(0, 0)}

    @property
    def whole(self) -> bool:
        """Has the whole text come back?"""
        return (len(self._sent), _IN_TEXT) in self._ways

    @property
    def wrong(self) -> bool:
        """Is there no way left to read what came as an answer to what was sent?"""
        return not self._ways

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the answer."""
        at = 0
        while at < len(data) and self._ways:
            prefix = data.find(REPLY_PREFIX[:1], at)
            stretch = (prefix if prefix >= 0 else len(data)) - at
            matched, progress = next(iter(self._ways))
            if stretch and len(self._ways) == 1 and progress >= len(REPLY_PREFIX):
                # No prefix begins in this stretch, so there is one way to read it: compare it at once.
                same = data[at : at + stretch] == self._sent[matched : matched + stretch]
                self._ways = {(matched + stretch, _IN_TEXT)} if same else set()
                at += stretch
                continue
            self._ways = {further for way in self._ways for further in self._read(way, data[at])}
            at += 1

    def _read(self, way: tuple[int, int], byte: int) -> Iterator[tuple[int, int]]:
        matched, progress = way
        if progress < len(REPLY_PREFIX):
            if byte == REPLY_PREFIX[progress]:
                yield matched, progress + 1
            return
        if matched < len(self._sent) and byte == self._sent[matched]:
            yield matched + 1, _IN_TEXT
        if byte == REPLY_PREFIX[0] and progress == _IN_TEXT:
            yield matched, 1
