"""Names what came where another protocol is spoken: HTTP, TLS, another variant (docs/protocol.md, R8).

Two tables: what a stream may begin with, and how else its frames may be read; each entry has its name and
what to do. Pure functions of the bytes that are at hand; what is not certain is not named.
"""

from __future__ import annotations

import codecs
import re
import struct
from typing import NamedTuple

TCPV2 = "tcpv2"
"""A stream of frames of fixed size (F)."""
TCPV3 = "tcpv3"
"""A stream of frames of variable size (V)."""

FIRST_BYTES = 256
"""As much of a text stream is looked at: a request line with a long path in it, or any other greeting."""

LOOKED_AT = 65_536
"""As much of a broken stream of frames is looked at, in bytes: what one read yields."""

PLAUSIBLE = 65_535
"""The greatest number that is taken for an order or a size: a client of the laboratory counts no further.
What is plausible in one byte order is above this in the other, if it is not 0, which no order is.
"""

VERSION = 1
HEADER = struct.Struct("!BLL")
TEXT_LENGTH = 20


class Stranger(NamedTuple):
    """What was recognised."""

    name: str
    """As in `this is an HTTP request`."""
    advice: str
    """What to do about it."""


class Greeting(NamedTuple):
    """How a stream begins. What has matched matches whatever follows, and no two match the same bytes: so in
    whatever pieces a stream comes, it is given the same name.
    """

    pattern: bytes
    stranger: Stranger

    def matches(self, data: bytes) -> bool:
        """Does a stream begin like this that begins with these bytes?"""
        return re.match(self.pattern, data, re.DOTALL) is not None


def _greeting(pattern: bytes, name: str, advice: str) -> Greeting:
    return Greeting(pattern, Stranger(name, advice))


_BROWSER = "a browser or curl was pointed at this port"
_PROXY = "a PROXY protocol header", "a proxy sends its header here: --listen haproxy:tcp:5005 takes it"

OUTSIDERS = (
    _greeting(
        rb"(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|TRACE|CONNECT) [!-~]+ HTTP/1\.[01]",
        "an HTTP request",
        _BROWSER,
    ),
    _greeting(rb"PRI \* HTTP/2\.0\r\n", "an HTTP/2 request", _BROWSER),
    _greeting(rb"HTTP/1\.[01] \d{3}", "an HTTP response", "a web server is at the other end"),
    _greeting(
        rb"\x16\x03[\0-\x04]",
        "a TLS handshake",
        "https:// or another client with TLS was pointed at this port, which has none",
    ),
    _greeting(rb"\x15\x03[\0-\x04]", "a TLS alert", "the other end speaks TLS, and this one does not"),
    _greeting(rb"SSH-\d\.\d", "an SSH banner", "an SSH client or server is at the other end"),
    _greeting(rb"PROXY (?:TCP4|TCP6|UNKNOWN)[ \r]", *_PROXY),
    _greeting(rb"\r\n\r\n\0\r\nQUIT\n", *_PROXY),
)
"""What is no protocol of the laboratory: it is recognised on every port."""

BINARY = _greeting(
    # Two numbers below 2^24 behind the version, in network byte order; or in little-endian.
    rb"\x01(?:\0...\0...|...\0...\0)",
    "a binary frame",
    "netlab client tcpv2 and tcpv3 send such, netlab-tcpv2 and netlab-tcpv3 read them",
)
"""A frame where text is spoken. Of which variant it is may be seen later only, or never."""

ANSWER = _greeting(
    rb"ECHO: ",
    "an answer of a text server",
    "netlab-tcp and netlab-tcpsel answer so, and netlab client tcp reads it",
)
"""Text where frames are spoken, as the servers send it (T3)."""

TEXT = Stranger("text", "netlab client tcp sends it, netlab-tcp and netlab-tcpsel read it")

LITTLE_ENDIAN = Stranger(
    "a header with its numbers in little-endian", "begin its struct format with '!', for network byte order"
)

_NATIVE = Stranger(
    "a struct with its machine's own alignment and byte order",
    "begin its struct format with '!', for network byte order without padding",
)


class Reading(NamedTuple):
    """A way to read a row of frames."""

    stranger: Stranger
    header: struct.Struct
    """Of the version and two numbers. In little-endian the version has its padding, zeros, as its upper
    bytes.
    """
    size_at: int
    """Which of the header's values is the text's size."""
    is_fixed: bool
    """Is the text padded to 20 bytes, and its size counted in characters?"""


_FIXED = Stranger(
    "a stream of tcpv2, in frames of 29 bytes",
    "netlab client tcpv2 sends it, netlab-tcpv2 reads it; a frame of tcpv3 has all its text, and no padding",
)
_VARIABLE = Stranger(
    "a stream of tcpv3, in frames of variable size",
    "netlab client tcpv3 sends it, netlab-tcpv3 reads it; a frame of tcpv2 is padded to 29 bytes",
)
_NATIVES = tuple(
    Reading(_NATIVE, struct.Struct(layout), size_at, is_fixed)
    for layout in ("<QQQ", "<LLL")  # where a long has 8 bytes, and where it has 4, as on Windows
    for size_at, is_fixed in ((2, True), (2, False), (1, False))
)

READINGS: dict[str, tuple[Reading, ...]] = {
    TCPV2: (Reading(_VARIABLE, HEADER, 2, False), Reading(_VARIABLE, HEADER, 1, False), *_NATIVES),
    TCPV3: (Reading(_FIXED, HEADER, 2, True), *_NATIVES),
}
"""How frames may be meant that are no good in what is spoken here, in both layouts of the header (V2)."""


def in_text(first: bytes) -> Stranger | None:
    """What the first bytes of a text stream are: of more than FIRST_BYTES the rest is not looked at.

    Once it is not None it stays what it is, whatever comes behind them.
    """
    return _greeted(first[:FIRST_BYTES], (*OUTSIDERS, BINARY))


def in_frames(data: bytes, at: int, is_first: bool, speaks: str | None) -> Stranger | None:
    """What the bytes are where a stream of frames breaks.

    data: all that are at hand, from the beginning of a frame; data[at:] begins with the one that is none.
    is_first: is that the stream's first? speaks: TCPV2, TCPV3, or None for a format that is not the
    laboratory's.
    """
    data = data[:LOOKED_AT]
    if is_first and (stranger := _greeted(data, OUTSIDERS)):
        return stranger
    if speaks is None or at >= len(data):
        return None
    if is_first and (stranger := _greeted(data, (ANSWER,)) or (TEXT if _is_text(data) else None)):
        return stranger
    if speaks == TCPV3 and is_little_endian(data[at:]):
        return LITTLE_ENDIAN  # in tcpv2 any number is legal, so it is never what is wrong
    return next((reading.stranger for reading in READINGS[speaks] if _reads(reading, data)), None)


def is_little_endian(frame: bytes) -> bool:
    """Was the header of this frame meant in little-endian?

    So it was if both its numbers are plausible that way, and so in network byte order neither is. One is to
    fill but its lowest byte, as the order of a first message does: read as it came, that is 2^24 at least.
    """
    if len(frame) < HEADER.size or frame[0] != VERSION:
        return False
    meant: tuple[int, int] = struct.unpack_from("<LL", frame, 1)
    return 0 < min(meant) <= 0xFF and max(meant) <= PLAUSIBLE


def _greeted(data: bytes, greetings: tuple[Greeting, ...]) -> Stranger | None:
    return next((greeting.stranger for greeting in greetings if greeting.matches(data)), None)


def _is_text(data: bytes) -> bool:
    """Is it UTF-8 that a person can read? Of the last character the rest may be still to come. A single byte
    may be anything.
    """
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return False
    return len(text.strip()) > 1 and all(each.isprintable() or each in "\t\r\n" for each in text)


def _reads(reading: Reading, data: bytes) -> bool:
    """Are these whole frames whose orders follow one another, and behind them at most the beginning of
    one?
    """
    at, expected = 0, None
    while len(data) - at >= reading.header.size:
        values = reading.header.unpack_from(data, at)
        order, size = values[3 - reading.size_at], values[reading.size_at]
        is_plausible = 0 < order <= PLAUSIBLE and size <= PLAUSIBLE
        if values[0] != VERSION or not is_plausible or expected not in (None, order):
            return False
        begin = at + reading.header.size
        end = begin + (TEXT_LENGTH if reading.is_fixed else size)
        if end > len(data):
            break
        if reading.is_fixed and not _is_padded(data[begin:end], size):
            return False
        at, expected = end, order + 1
    return at > 0 and data[at : at + 1] in (b"", bytes((VERSION,)))


def _is_padded(field: bytes, size: int) -> bool:
    """Is there nothing but padding behind so many characters (F2-F4)?"""
    return not field.decode("utf-8", "ignore")[size:].strip("-")
