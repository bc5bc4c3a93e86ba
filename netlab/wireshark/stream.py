"""What a capture tool streams becomes a pcapng file, packet by packet.

Every tool can stream pcap, only some can stream pcapng, and Wireshark prefers that: it has room for where and
how the packets were caught. On their way the packets are counted, and our own mark is taken out.
"""

from __future__ import annotations

import struct
from math import inf

from netlab.observers import pcapng

HEADER = 24
"""The bytes that a pcap stream begins with."""

MAX_PACKET = 1 << 24
"""A packet is never longer, in bytes: what says so is no pcap. The tools cut packets at 256 KiB."""

_NANOSECONDS_IN = {
    0xA1B2C3D4: 1_000,
    0xA1B23C4D: 1,
}  # in the unit of the stamps, by the stream's magic number


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
        application = f"netlab capture, with {tool}"
        return pcapng.head("", application, interface, "", link_type & 0xFFFF, snap_length, filter)

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
                blocks.append(pcapng.packet(when, packet, true_length=true_length))
        self._rest = data[at:]
        return b"".join(blocks)
