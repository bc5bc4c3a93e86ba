"""Reads recordings in two ways: with the few lines of pcapng, IP, TCP and UDP below, and with tshark."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.wireshark import reading

Place = tuple[str, int]

TCP, UDP = 6, 17

CHECKSUMS = [word for name in ("tcp", "ip", "udp") for word in ("-o", f"{name}.check_checksum:TRUE")]
"""Options with which tshark looks at every checksum; its own default is to believe them."""


def folded(data: bytes) -> int:
    """The sum of all 16-bit words, each carry added again: 0xFFFF over what contains its right checksum."""
    total: int = sum(word for (word,) in struct.iter_unpack("!H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


class Packet(NamedTuple):
    """A packet of a recording. Its checksums and lengths were right."""

    at: int
    """Nanoseconds since 1970."""
    comment: str
    protocol: int
    source: Place
    destination: Place
    flags: str
    """Of SYN, FIN, RST, PSH and ACK the first letters, in this order."""
    sequence: int
    acknowledged: int
    window: int
    options: bytes
    data: bytes


def dissect(packet: bytes, at: int = 0, comment: str = "") -> Packet:
    """Take a packet apart, from its IP header on; raise AssertionError where a length or a checksum is not
    right.
    """
    if packet[0] >> 4 == 4:
        assert packet[0] == 0x45
        assert struct.unpack_from("!H", packet, 2)[0] == len(packet)
        assert folded(packet[:20]) == 0xFFFF, "the header's checksum"
        protocol, addresses, segment = packet[9], packet[12:20], packet[20:]
    else:
        assert packet[0] >> 4 == 6
        assert struct.unpack_from("!H", packet, 4)[0] == len(packet) - 40
        protocol, addresses, segment = packet[6], packet[8:40], packet[40:]
    pseudo = addresses + struct.pack("!LL", len(segment), protocol)
    assert folded(pseudo + segment) == 0xFFFF, "the segment's checksum"
    half = len(addresses) // 2
    source, destination = (str(ip_address(each)) for each in (addresses[:half], addresses[half:]))
    ports = struct.unpack_from("!HH", segment)
    ends = (source, ports[0]), (destination, ports[1])
    if protocol == UDP:
        assert struct.unpack_from("!H", segment, 4)[0] == len(segment)
        assert segment[6:8] != b"\0\0", "0 says that there is no checksum"
        return Packet(at, comment, protocol, *ends, "", 0, 0, 0, b"", segment[8:])
    assert protocol == TCP
    sequence, acknowledged, length, bits, window = struct.unpack_from("!LLBBH", segment, 4)
    flags = "".join(name for name, bit in zip("SFRPA", (2, 1, 4, 8, 16), strict=True) if bits & bit)
    start = length >> 2
    return Packet(
        at,
        comment,
        protocol,
        *ends,
        flags,
        sequence,
        acknowledged,
        window,
        segment[20:start],
        segment[start:],
    )


@dataclass
class Conversation:
    """A TCP connection of a recording: who connected to whom, and what each has sent."""

    client: Place
    server: Place
    packets: list[Packet] = field(default_factory=list)

    def _carried(self, source: Place) -> bytes:
        data, next_ = bytearray(), None
        for packet in self.packets:
            if packet.source == source:
                assert next_ is None or packet.sequence == next_, f"out of sequence: {packet}"
                data += packet.data
                taken = len(packet.data) + ("S" in packet.flags) + ("F" in packet.flags)
                next_ = (packet.sequence + taken) & 0xFFFFFFFF
        return bytes(data)

    @property
    def sent(self) -> bytes:
        """The client's bytes."""
        return self._carried(self.client)

    @property
    def received(self) -> bytes:
        """The server's bytes."""
        return self._carried(self.server)

    @property
    def comments(self) -> list[str]:
        """Of the packets that say more than that they are made up, in order."""
        return [each.comment for each in self.packets if not each.comment.startswith("made up")]

    @property
    def flags(self) -> list[str]:
        """Of each packet that carries no data."""
        return [each.flags for each in self.packets if not each.data]


class Recording:
    """A recording as it stands in a file, or came through a pipe. Raises AssertionError where it is none."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        blocks = list(_blocks(data))
        (section, header), (interface, described) = blocks[:2]
        assert (section, interface) == (0x0A0D0D0A, 1)
        assert struct.unpack_from("<LHH", header) == (0x1A2B3C4D, 1, 0)
        assert struct.unpack_from("<H", described) == (101,), "packets without a link"
        options = _options(header[16:])
        self.comment, self.application = options[1].decode(), options[4].decode()
        options = _options(described[8:])
        self.interface, self.description = options[2].decode(), options[3].decode()
        assert options[9] == b"\x09", "nanoseconds"
        self.packets = [_packet(kind, body) for kind, body in blocks[2:]]

    @cached_property
    def conversations(self) -> list[Conversation]:
        """The TCP connections, in the order in which they were made."""
        found: dict[frozenset[Place], Conversation] = {}
        for packet in self.packets:
            if packet.protocol == TCP:
                ends = frozenset((packet.source, packet.destination))
                if packet.flags == "S":
                    found[ends] = Conversation(packet.source, packet.destination)
                found[ends].packets.append(packet)
        return list(found.values())

    @property
    def comments(self) -> list[str]:
        """Of all packets that say more than that they are made up, in order."""
        return [each.comment for each in self.packets if not each.comment.startswith("made up")]


def recording(path: str | Path) -> Recording:
    """The recording in a file."""
    return Recording(Path(path).read_bytes())


def _blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        kind, length = struct.unpack_from("<LL", data, at)
        assert length % 4 == 0
        assert data[at + length - 4 : at + length] == struct.pack("<L", length), "a block is not whole"
        yield kind, data[at + 8 : at + length - 4]
        at += length


def _options(data: bytes) -> dict[int, bytes]:
    found, at = {}, 0
    while at < len(data):
        code, length = struct.unpack_from("<HH", data, at)
        if code == 0:
            assert at + 4 == len(data), "nothing comes after the last option"
            break
        found[code] = data[at + 4 : at + 4 + length]
        at += 4 + length + -length % 4
    return found


def _packet(kind: int, body: bytes) -> Packet:
    interface, high, low, length, original = struct.unpack_from("<LLLLL", body)
    assert (kind, interface, length) == (6, 0, original)
    end = 20 + length
    options = _options(body[end + -length % 4 :])
    return dissect(body[20:end], high << 32 | low, options.get(1, b"").decode())


def tshark(path: str | Path, *options: str) -> str:
    """What tshark, with nobody's settings, says of a recording; it must have no complaint about the file."""
    with TemporaryDirectory() as empty:
        return reading.tshark("-r", str(Path(path).absolute()), *options, folder=empty, dissector=None)


def fields(path: str | Path, *names: str, options: tuple[str, ...] = ()) -> list[list[str]]:
    """These fields of each packet, as tshark sees them."""
    wanted = [word for name in names for word in ("-e", name)]
    said = tshark(path, "-T", "fields", "-E", "separator=/t", *wanted, *options)
    return [line.split("\t") for line in said.splitlines()]


class Analysis(NamedTuple):
    """What Wireshark makes of a recording."""

    warnings: list[str]
    """What its experts warn of, checksums included, as `count group protocol what`. Not what they say of the
    payload: a port that the system chose may be some other protocol's.
    """
    conversations: list[str]
    """Its TCP conversations, as `client <-> server`."""
    followed: list[tuple[bytes, bytes]]
    """What Follow TCP Stream shows of each: the client's bytes, and the server's."""


def analysis(path: str | Path, streams: int = 0) -> Analysis:
    """Have a recording analysed. streams: how many are followed, from the first on."""
    asked = ["conv,tcp", "expert,warn", *(f"follow,tcp,raw,{number}" for number in range(streams))]
    said = tshark(path, "-q", *CHECKSUMS, *(word for each in asked for word in ("-z", each)))
    followed = {}
    for found in re.finditer(
        r"^Filter: tcp\.stream eq (\d+)\nNode 0.*\nNode 1.*\n([0-9a-f\t\n]*)=", said, re.M
    ):
        sides = bytearray(), bytearray()
        for line in found[2].splitlines():
            sides[line.startswith("\t")].extend(bytes.fromhex(line))
        followed[int(found[1])] = bytes(sides[0]), bytes(sides[1])
    lines = [" ".join(line.split()) for line in said.splitlines()]
    return Analysis(
        [line for line in lines if re.match(r"\d+ \w+ (TCP|UDP|IPv4|IPv6) ", line)],
        [" ".join(line.split()[:3]) for line in lines if re.match(r"\S+:\d+ <-> ", line)],
        [followed[number] for number in range(streams)],
    )
