"""What a capture tool streams becomes a pcapng file, packet by packet.

Every tool can stream pcap, only some can stream pcapng, and Wireshark prefers that: it has room for where and
how the packets were caught. On their way the packets are counted, and our own mark is taken out.
"""

from __future__ import annotations

import struct
from math import inf

HEADER = 24
"""The bytes that a pcap stream begins with."""

MAX_PACKET = 1 << 24
"""A packet is never longer, in bytes: what says so is no pcap. The tools cut packets at 256 KiB."""

_NANOSECONDS_IN = {
    0xA1B2C3D4: 1_000,
    0xA1B23C4D: 1,
}  # in the unit of the stamps, by the stream's magic number

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6  # kinds of blocks
_UNKNOWN_LENGTH = 0xFFFFFFFFFFFFFFFF  # of the section: it is written as it grows


class NotUnderstood(Exception):
    """What the tool wrote is no pcap stream."""


class Stream:
    """Packets on their way from a tool to a file, cut from pieces of any size."""

    def __init__(self, mark: bytes, tool: str, interface: str, filter: str) -> None:
        self.packets = 0
        """How many have passed, marks not counted."""
        self.silence = inf
        """Seconds between the last packet before the last mark, and that mark, by the kernel's clock."""
        self.marked = b""
        """What the last mark had behind its beginning, which all marks have."""
        self._mark = mark
        self._told = tool, interface, filter
        self._unit = 0
        self._last = -inf
        self._rest = b""

    def begin(self, header: bytes) -> bytes:
        """The beginning of the file, for that of the stream."""
        magic, _, _, _, _, snap_length, link_type = struct.unpack("=LHHlLLL", header)
        if magic not in _NANOSECONDS_IN:
            raise NotUnderstood(header.hex())
        self._unit = _NANOSECONDS_IN[magic]
        tool, interface, filter = self._told
        section = struct.pack("=LHHQ", 0x1A2B3C4D, 1, 0, _UNKNOWN_LENGTH)
        section += _options((4, f"netlab capture, with {tool}".encode()))
        described = struct.pack("=HHL", link_type & 0xFFFF, 0, snap_length)
        described += _options(
            (2, interface.encode("utf-8", "replace")), (9, b"\x09"), (11, b"\0" + filter.encode())
        )
        return _block(_SECTION, section) + _block(_INTERFACE, described)

    def feed(self, piece: bytes) -> bytes:
        """What is to be written, for what was read."""
        data = self._rest + piece
        blocks, at = [], 0
        while len(data) - at >= 16:
            seconds, fraction, length, true_length = struct.unpack_from("=LLLL", data, at)
            if length > MAX_PACKET:
                raise NotUnderstood(data[at : at + 16].hex())
            if len(data) - at < 16 + length:
                break
            packet = data[at + 16 : at + 16 + length]
            at += 16 + length
            when = seconds * 1_000_000_000 + fraction * self._unit
            if self._mark in packet:
                self.marked = packet.partition(self._mark)[2]
                self.silence = (when - self._last) / 1e9
            else:
                self.packets += 1
                self._last = when
                head = struct.pack("=LLLLL", 0, when >> 32, when & 0xFFFFFFFF, length, true_length)
                blocks.append(_block(_PACKET, head + packet))
        self._rest = data[at:]
        return b"".join(blocks)


def _options(*options: tuple[int, bytes]) -> bytes:
    written = (
        struct.pack("=HH", code, len(value)) + value + bytes(-len(value) % 4) for code, value in options
    )
    return b"".join(written) + bytes(4)


def _block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack("=L", len(body) + 12)  # with the kind, and the length before and behind
    return struct.pack("=L", kind) + length + body + length
