"""What a capture holds: packets, TCP sessions, UDP exchanges and the laboratory's messages in them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import NamedTuple

from netlab.wire.fixed import FRAME_LENGTH
from netlab.wire.variable import HEADER_LENGTH

VARIANTS = {
    "udp": "UDP text",
    "tcp": "TCP text",
    "v2": "frames of 29 bytes (chapter 4)",
    "v3": "frames of variable size (chapter 5)",
}
"""The dissector's words for the variants, and how they are told."""

MADE_UP, REBUILT = "made up", "rebuilt by netlab"
"""How a recording's comments begin: where a packet is made up, and where a connection begins (W1)."""

REPEATS = ("spurious_retransmission", "fast_retransmission", "retransmission")
"""What Wireshark's analysis calls a repetition, the special kinds first: each is a retransmission, too."""

QUOTED = 40
"""Characters of a message that are quoted: enough to know it again."""


def counted(number: int, unit: str) -> str:
    """A number with its unit, in the plural where it is one."""
    return f"{number:,} {unit}{'s' * (number != 1)}"


def frame_length(variant: str, size: int) -> int:
    """How many bytes a frame has, by the size in its header (F1, V1)."""
    return FRAME_LENGTH if variant == "v2" else HEADER_LENGTH + size


class End(NamedTuple):
    """One end of a conversation."""

    ip: str
    port: int

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


class Mark(NamedTuple):
    """What the dissector remarks at a packet: a violation (R1), or a note (docs/wireshark.md)."""

    word: str
    sentence: str
    sender: str = ""
    """Whose bytes it is about, where it is not whoever sent the packet: `client` or `server`."""


class Handled(NamedTuple):
    """Who handled what a packet brought, as a recording's comment says (docs/protocol.md, W2)."""

    thread: str
    key: int | None
    """The descriptor's number of the selector's key."""


@dataclass(frozen=True)
class Packet:
    """A packet of any kind that is told of."""

    number: int
    at: float
    """Seconds since the first packet of the capture."""
    source: End
    destination: End
    comment: str = ""
    marks: tuple[Mark, ...] = ()
    handled: Handled | None = None
    cut: bool = False
    """Did the capture keep its beginning only (a snap length)?"""

    @property
    def made_up(self) -> bool:
        """Was it never sent like that? A recording holds what kernels do, too, and says so (W1)."""
        return self.comment.startswith((MADE_UP, REBUILT))


@dataclass(frozen=True)
class Segment(Packet):
    """A TCP segment. Sequence numbers as on the wire; places are bytes of the stream, from 0."""

    flags: frozenset[str] = frozenset()
    """Of SYN, FIN, RST, PSH and ACK."""
    sequence: int = 0
    acknowledgement: int = 0
    relative: int = 0
    """The sequence number, counted from the SYN's: what Wireshark shows."""
    relative_acknowledgement: int = 0
    mss: int = 0
    """The greatest segment that the sender takes, in bytes; 0 where it does not say."""
    data: bytes = b""
    length: int = 0
    """Bytes of data that it had on the wire."""
    analysis: frozenset[str] = frozenset()
    """What Wireshark's analysis of sequence numbers says: retransmission, zero_window, ..."""

    @property
    def place(self) -> int:
        """Where its first byte stands in the sender's stream."""
        return self.relative - 1

    @property
    def end(self) -> int:
        """Where the byte behind its last one stands."""
        return self.place + self.length

    @property
    def again(self) -> bool:
        """Is it a repetition, or no data at all, only a question whether the peer is still there?"""
        return not self.analysis.isdisjoint((*REPEATS, "keep_alive"))


@dataclass(frozen=True)
class Datagram(Packet):
    """A UDP datagram."""

    data: bytes = b""


@dataclass(frozen=True)
class Unreachable(Packet):
    """ICMP says that a datagram or a SYN found nobody. source and destination: those of what it is about."""


@dataclass
class Message:
    """A message of the laboratory: a frame, a datagram, or what one segment of text holds."""

    variant: str
    forth: bool
    """Did the client send it?"""
    number: int
    """The packet with which it is whole."""
    packets: tuple[int, ...]
    """All packets that carry a part of it."""
    text: str
    """As it is printed (docs/protocol.md, P1)."""
    data: bytes
    """Its bytes, as far as they are in the capture."""
    start: int = 0
    """Where its first byte stands in the stream."""
    cuts: tuple[int, ...] = ()
    """Where in its bytes a new segment begins."""
    order: int | None = None
    size: int | None = None
    layout: str = ""
    prefixed: bool = False
    """Is it a text server's answer, with `ECHO: ` in front?"""
    marks: tuple[Mark, ...] = ()
    handled: Handled | None = None
    echo_of: int | None = None
    """The packet of the message that it answers."""
    echoes: list[Message] = field(default_factory=list)
    """The answers that it got."""

    def has(self, word: str) -> bool:
        """Does the dissector remark this?"""
        return any(mark.word == word for mark in self.marks)

    @property
    def length(self) -> int:
        """Its bytes on the wire, of which some may be missing in the capture."""
        return len(self.data) if self.size is None else frame_length(self.variant, self.size)

    @property
    def named(self) -> str:
        """How it is told of in a sentence."""
        return self.quoted if self.order is None else f"order {self.order}"

    @property
    def quoted(self) -> str:
        """Its text, or the beginning of it."""
        if not self.text:
            return "(empty)"
        return f"`{self.text}`" if len(self.text) <= QUOTED else f"`{self.text[: QUOTED - 1]}\u2026`"


@dataclass
class Conversation:
    """What goes to and fro between two ends."""

    number: int
    """From 1, in the order in which they begin, those of TCP and of UDP by themselves."""
    client: End
    server: End
    variant: str = ""
    """udp, tcp, v2 or v3; empty where it is not the laboratory's, or nothing was said."""
    messages: list[Message] = field(default_factory=list)

    @property
    def ours(self) -> bool:
        """Has the dissector recognised it?"""
        return self.variant != ""

    def from_client(self, packet: Packet) -> bool:
        """Did the client send this packet?"""
        return packet.source == self.client

    def side(self, forth: bool) -> str:
        """Who sends in this direction, in a word."""
        return "client" if forth else "server"


@dataclass
class Exchange(Conversation):
    """A client's UDP socket and the server: there is no connection, only datagrams."""

    datagrams: list[Datagram] = field(default_factory=list)
    shared: bool = False
    """Does the same socket talk to another server, too?"""

    @property
    def packets(self) -> list[Datagram]:
        """All its packets."""
        return self.datagrams

    def copies(self, packets: Iterable[int]) -> set[int]:
        """These packets: nobody repeats a datagram."""
        return set(packets)

    @property
    def name(self) -> str:
        """How it is told of."""
        return f"client {self.client}" + (f" with {self.server}" if self.shared else "")


@dataclass
class Session(Conversation):
    """A TCP connection, as far as it is in the capture."""

    segments: list[Segment] = field(default_factory=list)
    layout: str = ""

    @property
    def packets(self) -> list[Segment]:
        """All its packets."""
        return self.segments

    @property
    def name(self) -> str:
        """How it is told of."""
        return f"session {self.number}"

    @cached_property
    def syns(self) -> list[Segment]:
        """The client's SYN, and its repetitions."""
        return [each for each in self.segments if each.flags == {"SYN"}]

    @property
    def syn(self) -> Segment | None:
        """The client's first packet."""
        return next(iter(self.syns), None)

    @cached_property
    def syn_ack(self) -> Segment | None:
        """The server's answer to it."""
        return next((each for each in self.segments if {"SYN", "ACK"} <= each.flags), None)

    @cached_property
    def third(self) -> Segment | None:
        """The client's first packet after that: it completes the handshake."""
        if self.syn_ack is None:
            return None
        wanted = self.syn_ack.sequence + 1 & 0xFFFFFFFF
        return next(
            (
                each
                for each in self.segments
                if self.from_client(each)
                and each.number > self.syn_ack.number
                and each.acknowledgement == wanted
                and not each.flags & {"SYN", "RST"}
            ),
            None,
        )

    def carrying(self, forth: bool) -> list[Segment]:
        """The segments of one direction that bring data for the first time, by their place."""
        return self._carriers[forth]

    def acknowledging(self, segment: Segment, taken: int) -> Segment | None:
        """The first packet of the other side that acknowledges so many numbers from the segment's on: its
        bytes, and one for a FIN.
        """
        others = self._acknowledgements[not self.from_client(segment)]
        at = bisect_left(others, segment.number, key=lambda each: each.number)
        wanted = segment.relative + taken
        return next((each for each in others[at:] if each.relative_acknowledgement >= wanted), None)

    @cached_property
    def _acknowledgements(self) -> dict[bool, list[Segment]]:
        found: dict[bool, list[Segment]] = {True: [], False: []}
        for each in self.segments:
            if "ACK" in each.flags:
                found[self.from_client(each)].append(each)
        return found

    def copies(self, packets: Iterable[int]) -> set[int]:
        """These packets, and all that repeat what they carry."""
        return {each.number for number in packets for each in self._alike[number]}

    def alike(self, packet: int) -> list[Segment]:
        """Find the segments that bring the same as a packet, itself included.

        Args:
            packet: The number of a packet of this session.

        Returns:
            The segments, in the order of the capture.
        """
        return self._alike[packet]

    @cached_property
    def _alike(self) -> dict[int, list[Segment]]:
        """To each packet's number, all that bring the same."""
        found: dict[tuple[bool, int, int], list[Segment]] = {}
        for each in self.segments:
            found.setdefault(self._kind(each), []).append(each)
        return {each.number: alike for alike in found.values() for each in alike}

    def _kind(self, segment: Segment) -> tuple[bool, int, int]:
        """What a segment brings: the same, if it is sent again. One that brings nothing is alone."""
        ends = len(segment.flags & {"SYN", "FIN", "RST"})
        brings = 0 if segment.length else 1 if ends else -segment.number
        return self.from_client(segment), segment.sequence, brings

    @cached_property
    def resets(self) -> list[Segment]:
        """The resets, of both sides."""
        return [each for each in self.segments if "RST" in each.flags]

    @property
    def is_refused(self) -> bool:
        """Was the client's SYN answered by a reset?"""
        return bool(self.resets) and self.syn_ack is None and not self.from_client(self.resets[0])

    @cached_property
    def _carriers(self) -> dict[bool, list[Segment]]:
        found: dict[bool, list[Segment]] = {True: [], False: []}
        for forth, segments in found.items():
            data = [each for each in self.segments if each.data and self.from_client(each) is forth]
            covered = -1
            for each in sorted(data, key=lambda each: (each.place, each.number)):
                if each.end > covered:
                    segments.append(each)
                    covered = each.end
        return found

    @cached_property
    def _places(self) -> dict[bool, list[int]]:
        return {forth: [each.place for each in carriers] for forth, carriers in self._carriers.items()}

    def between(self, forth: bool, start: int, end: int) -> Iterator[Segment]:
        """The segments that bring the bytes from start to before end of a stream."""
        carriers = self._carriers[forth]
        for at in range(max(0, bisect_right(self._places[forth], start) - 1), len(carriers)):
            each = carriers[at]
            if each.place >= end:
                break
            if each.end > start:
                yield each

    def bytes(self, forth: bool, start: int, end: int) -> bytes:
        """These bytes of a stream, as far as they are in the capture."""
        data = bytearray()
        for each in self.between(forth, start, end):
            begun = start + len(data)
            if each.place > begun:
                break  # a segment is missing in front of it
            data += each.data[begun - each.place : end - each.place]
        return bytes(data)


@dataclass
class Capture:
    """All that is told of a file."""

    file: str
    sessions: list[Session] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    unreachable: list[Unreachable] = field(default_factory=list)
    count: int = 0
    """Packets in all."""
    seconds: float = 0.0
    """From the first packet to the last."""
    recorded: bool = False
    """Is it a recording of netlab's own, rebuilt (W1)?"""
    cut_short: bool = False
    """Does the file end inside a packet?"""
    more: bool = False
    """Were there more packets than are read?"""

    @property
    def conversations(self) -> list[Session | Exchange]:
        """All, in the order in which they begin."""
        return sorted(chain(self.sessions, self.exchanges), key=lambda each: each.packets[0].number)

    @property
    def variants(self) -> list[str]:
        """Which variants are spoken in it."""
        spoken = {each.variant for each in self.conversations}
        return [variant for variant in VARIANTS if variant in spoken]
