"""The blocks of a pcapng file: what Wireshark reads, with a comment on each packet.

As the format's specification says (draft-ietf-opsawg-pcapng); a writer of our own, since this is all of it
that is needed: one section, one interface, packets. All numbers are little-endian, as the section's first
block says, and each block is padded to 4 bytes.
"""

from __future__ import annotations

import struct

LINKTYPE_RAW = 101
"""A packet begins with its IP header, version 4 or 6: there was no link below it."""

_SECTION_HEADER, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_UNKNOWN_LENGTH = 0xFFFFFFFFFFFFFFFF  # of the section: it is written as it grows

_END, _COMMENT = 0, 1
_USER_APPLICATION = 4  # of a section header
_NAME, _DESCRIPTION, _RESOLUTION = 2, 3, 9  # of an interface
_NANOSECONDS = b"\x09"

MAX_COMMENT = 0xFFFF
"""An option's length is a field of 16 bits: a comment that is longer, in bytes, is cut."""


def head(comment: str, application: str, interface: str, description: str) -> bytes:
    """The beginning of a file: a section, and its one interface, whose packets are LINKTYPE_RAW with times in
    nanoseconds. comment, application: of the whole file. interface, description: the interface's name, and
    what it is.
    """
    section = struct.pack("<LHHQ", _BYTE_ORDER_MAGIC, 1, 0, _UNKNOWN_LENGTH)
    section += _options((_COMMENT, _text(comment)), (_USER_APPLICATION, _text(application)))
    described = struct.pack("<HHL", LINKTYPE_RAW, 0, 0)  # no limit to a packet's length
    described += _options(
        (_NAME, _text(interface)), (_DESCRIPTION, _text(description)), (_RESOLUTION, _NANOSECONDS)
    )
    return _block(_SECTION_HEADER, section) + _block(_INTERFACE, described)


def packet(nanoseconds: int, data: bytes, comment: str = "") -> bytes:
    """A packet, whole. nanoseconds: when it was seen, since 1970. data: its bytes, from the IP header on."""
    length = len(data)
    body = struct.pack("<LLLLL", 0, nanoseconds >> 32, nanoseconds & 0xFFFFFFFF, length, length)
    body += _padded(data)
    if comment:
        body += _options((_COMMENT, _text(comment)))
    return _block(_PACKET, body)


def _text(text: str) -> bytes:
    """UTF-8, cut between two characters where it is too long."""
    data = text.encode("utf-8", "backslashreplace")
    if len(data) > MAX_COMMENT:
        data = data[:MAX_COMMENT].decode("utf-8", "ignore").encode()
    return data


def _options(*options: tuple[int, bytes]) -> bytes:
    written = (struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options)
    return b"".join(written) + struct.pack("<HH", _END, 0)


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<L", len(body) + 12)  # with the kind, and the length before and behind
    return struct.pack("<L", kind) + length + body + length


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
