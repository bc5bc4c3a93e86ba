"""Rebuilt packets: the IP, TCP and UDP headers that carry given bytes (RFC 791, 8200, 9293, 768).

For recordings: what a socket saw has no headers. These are right in all that Wireshark follows, sequence and
acknowledgement numbers, lengths, checksums; where one segment ends and the next begins, when it was
acknowledged, and the windows are made up.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address

Address = tuple[str, int]
"""An IP address, and a port."""

_TCP, _UDP = 6, 17
_HOPS = 64
_DONT_FRAGMENT = 0x4000

_FIN, _SYN, _RST, _PSH, _ACK = 0x01, 0x02, 0x04, 0x08, 0x10

_MTU = 1500
"""Bytes of a packet, as on an Ethernet: what a large read is cut to."""
_WINDOW = 0xFFFF
_WINDOW_SCALE = 7
"""Eight megabytes, so that no window is ever full."""
_ACK_EVERY = 1 << 16
"""Bytes after which the other side acknowledges, at the latest: no more than one read brings."""


class Network:
    """Two addresses that send packets to each other. Both are IPv4, or both IPv6; an IPv4 address that is
    written as an IPv6 one (::ffff:192.0.2.1) is IPv4. Raises ValueError where that is not so.
    """

    def __init__(self, one: str, other: str) -> None:
        both = [ip_address(each.partition("%")[0]) for each in (one, other)]
        mapped = [each.ipv4_mapped if isinstance(each, IPv6Address) else each for each in both]
        self._one, self._other = (each.packed for each in (mapped if all(mapped) else both) if each)
        if len(self._one) != len(self._other):
            raise ValueError(f"{one} and {other} are not of one kind")
        self.is_ipv6 = len(self._one) > 4

    def packet(self, forth: bool, protocol: int, segment: bytes, checksum_at: int) -> bytes:
        """The packet of a segment or datagram, with both checksums. forth: from the first to the second.
        checksum_at: where the segment's own is, still 0.
        """
        ends = self._one + self._other if forth else self._other + self._one
        total = checksum(ends + struct.pack("!LL", len(segment), protocol) + segment)
        if protocol == _UDP:
            total = total or 0xFFFF  # 0 would mean that there is none
        segment = segment[:checksum_at] + struct.pack("!H", total) + segment[checksum_at + 2 :]
        if self.is_ipv6:
            return struct.pack("!LHBB", 6 << 28, len(segment), protocol, _HOPS) + ends + segment
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, _DONT_FRAGMENT, _HOPS, protocol, 0)
        return header[:10] + struct.pack("!H", checksum(header + ends)) + ends + segment


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071): the complement of the sum of all 16-bit words, in ones' complement.

    Such a sum is the remainder of division by 65,535, and Python divides a long number at once.
    """
    return 0xFFFF - (int.from_bytes(data + bytes(len(data) % 2), "big") % 0xFFFF or 0xFFFF)


def datagram(source: Address, destination: Address, data: bytes) -> bytes:
    """A UDP datagram, as a packet."""
    header = struct.pack("!HHHH", source[1], destination[1], 8 + len(data), 0)
    return Network(source[0], destination[0]).packet(True, _UDP, header + data, 6)


class Conversation:
    """A TCP connection, rebuilt: each method returns the packets that do it.

    client, server: who connects, and to whom. number: of this conversation, from 0; no two have the same
    initial sequence numbers. Raises ValueError for what is no address or no port.
    """

    def __init__(self, client: Address, server: Address, number: int = 0) -> None:
        self._network = Network(client[0], server[0])
        for _, port in (client, server):
            if not 0 <= port <= 0xFFFF:
                raise ValueError(f"{port} is no port")
        self._ports = {True: (client[1], server[1]), False: (server[1], client[1])}
        first = (number + 1) * 1_000_000  # round numbers, which show that they are made up
        self._next = {True: first & 0xFFFFFFFF, False: (first + 500_000) & 0xFFFFFFFF}
        self.mss = _MTU - 20 - (40 if self._network.is_ipv6 else 20)

    def opened(self) -> list[bytes]:
        """The handshake: SYN, SYN and ACK, ACK."""
        options = struct.pack("!BBHBBBB", 2, 4, self.mss, 1, 3, 3, _WINDOW_SCALE)
        return [
            self._segment(True, _SYN, options=options),
            self._segment(False, _SYN | _ACK, options=options),
            self._segment(True, _ACK),
        ]

    def data(self, from_client: bool, data: bytes) -> list[bytes]:
        """These bytes, in as many segments as they need, and their acknowledgements."""
        return [packet for packet, _ in self.segments(from_client, data)]

    def segments(self, from_client: bool, data: bytes) -> Iterator[tuple[bytes, bool]]:
        """The same, each with whether it carries some of the bytes; the others acknowledge."""
        for start in range(0, len(data), self.mss):
            end = start + self.mss
            is_last = end >= len(data)
            flags = _ACK | (_PSH if is_last else 0)
            yield self._segment(from_client, flags, data[start:end]), True
            if is_last or start // _ACK_EVERY != end // _ACK_EVERY:
                yield self._segment(not from_client, _ACK), False

    def finished(self, from_client: bool) -> list[bytes]:
        """FIN, and its acknowledgement."""
        return [self._segment(from_client, _FIN | _ACK), self._segment(not from_client, _ACK)]

    def reset(self, from_client: bool) -> list[bytes]:
        """RST: the connection is gone."""
        return [self._segment(from_client, _RST | _ACK)]

    def _segment(self, from_client: bool, flags: int, data: bytes = b"", options: bytes = b"") -> bytes:
        sequence = self._next[from_client]
        acknowledged = self._next[not from_client] if flags & _ACK else 0
        length = (20 + len(options)) // 4
        header = struct.pack(
            "!HHLLBBHHH", *self._ports[from_client], sequence, acknowledged, length << 4, flags, _WINDOW, 0, 0
        )
        taken = len(data) + bool(flags & (_SYN | _FIN))  # each of these takes a number, too
        self._next[from_client] = (sequence + taken) & 0xFFFFFFFF
        return self._network.packet(from_client, _TCP, header + options + data, 16)
