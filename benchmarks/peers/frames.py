"""What peers that are called with bytes share: find the whole frames, check each, write each back by itself.

The formats are those of docs/protocol.md: text (T), tcpv2 (F) and tcpv3 (V, the layout of the guide). A
function takes the bytes that have not been answered and what sends; it returns those that begin a frame not
yet whole, and raises Violation for what is no frame, with the frames before it sent.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

FIXED = struct.Struct("!BLL20s")
HEADER = struct.Struct("!BLL")
VERSION = 1
MAX_SIZE = 1024 * 1024
MAX_DATAGRAM = 65_535
FORMATS = ("udp", "text", "tcpv2", "tcpv3")
PREFIX = b"ECHO: "

Send = Callable[[bytes], object]
Echo = Callable[[bytes, Send], bytes]


class Violation(Exception):
    """The stream holds something that is no frame."""


def echo_text(data: bytes, send: Send) -> bytes:
    """Answer what one read yielded."""
    send(PREFIX + data)
    return b""


def echo_fixed(data: bytes, send: Send) -> bytes:
    """Answer frames of 29 bytes."""
    at, last = 0, len(data) - FIXED.size
    while at <= last:
        version, _order, _size, _text = FIXED.unpack_from(data, at)
        if version != VERSION:
            raise Violation
        send(data[at : at + FIXED.size])
        at += FIXED.size
    if data[at : at + 1] not in (b"", b"\x01"):
        raise Violation
    return data[at:]


def echo_variable(data: bytes, send: Send) -> bytes:
    """Answer frames of a header and as many bytes as it says."""
    at, last = 0, len(data) - HEADER.size
    while at <= last:
        version, _order, size = HEADER.unpack_from(data, at)
        if version != VERSION or size > MAX_SIZE:
            raise Violation
        end = at + HEADER.size + size
        if end > len(data):
            return data[at:]
        send(data[at:end])
        at = end
    if data[at : at + 1] not in (b"", b"\x01"):
        raise Violation
    return data[at:]


ECHO: dict[str, Echo] = {"text": echo_text, "tcpv2": echo_fixed, "tcpv3": echo_variable}


def say_where(port: int) -> None:
    """Print the one line that a peer prints."""
    print(f"Listening on 127.0.0.1:{port}", flush=True)
