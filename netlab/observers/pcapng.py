"""The blocks of a pcapng file: what Wireshark reads, with a comment on each packet.

As the format's specification says (draft-ietf-opsawg-pcapng); a writer of our own, since this is all of it
that recordings and captures need: one section, one interface, packets. All numbers are little-endian, as the
section's first block says, and each block is padded to 4 bytes.
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
_NAME, _DESCRIPTION, _RESOLUTION, _FILTER = 2, 3, 9, 11  # of an interface
_NANOSECONDS = b"\x09"

MAX_COMMENT = 0xFFFF
"""An option's length is a field of 16 bits: a comment that is longer, in bytes, is cut."""


def head(
    comment: str,
    application: str,
    interface: str,
    description: str,
    link_type: int = LINKTYPE_RAW,
    snap_length: int = 0,
    filter: str = "",
) -> bytes:
    """The beginning of a file: a section, and its one interface, whose packets have times in nanoseconds.

    comment, application: of the whole file. interface, description: the interface's name, and what it is.
    link_type: what its packets begin with. snap_length: what is kept of each, in bytes, 0 for all. filter:
    which of them were captured. What is empty is left out.
    """
    section = struct.pack("<LHHQ", _BYTE_ORDER_MAGIC, 1, 0, _UNKNOWN_LENGTH)
    section += _options((_COMMENT, _text(comment)), (_USER_APPLICATION, _text(application)))
    described = struct.pack("<HHL", link_type, 0, snap_length)
    described += _options(
        (_NAME, _text(interface)),
        (_DESCRIPTION, _text(description)),
        (_RESOLUTION, _NANOSECONDS),
        (_FILTER, b"\0" + _text(filter) if filter else b""),  # as a capture filter is written
    )
    return _block(_SECTION_HEADER, section) + _block(_INTERFACE, described)


def packet(nanoseconds: int, data: bytes, comment: str = "", true_length: int | None = None) -> bytes:
    """A packet. nanoseconds: when it was seen, since 1970. data: its bytes. true_length: how many they were,
    where not all are there.
    """
    length = len(data)
    stamp = nanoseconds >> 32, nanoseconds & 0xFFFFFFFF
    body = struct.pack("<LLLLL", 0, *stamp, length, length if true_length is None else true_length)
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
    written = (struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options if value)
    return b"".join(written) + struct.pack("<HH", _END, 0)


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<L", len(body) + 12)  # with the kind, and the length before and behind
    return struct.pack("<L", kind) + length + body + length


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
