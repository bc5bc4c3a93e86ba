"""The ladder of a conversation: which packet went which way, when, and what it carried. Nothing is drawn."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from netlab.explain.facts import (
    REPEATS,
    Capture,
    Conversation,
    Datagram,
    End,
    Exchange,
    Message,
    Packet,
    Segment,
    Session,
    Unreachable,
    counted,
)
from netlab.wire import fixed, variable
from netlab.wire.text import REPLY_PREFIX, decode, encode, printable
from netlab.wire.violations import REASONS

MAX_ROWS = 200
"""Packets that a ladder shows: five to ten printed pages. Of more, the middle is left out and counted."""

MAX_PARTS = 6
"""Messages of one segment that are shown; a large segment holds a thousand small frames."""

MAX_TEXT = 300
"""Characters of a message that are kept for a ladder: more than any row has room for."""

PAUSE = 0.05
"""Seconds after which it is said that time went by: kernels hold an acknowledgement back for less (40 ms), so
that a program waited, or a person.
"""

_MAX_NAMED = 3
"""Other conversations that are named where their packets lie between two of a ladder's."""

_ORDER = ("FIN", "SYN", "RST", "PSH", "ACK")
"""The flags as Wireshark lists them."""

_BESIDES = (
    *("out_of_order", "lost_segment", "ack_lost_segment", "duplicate_ack"),
    *("zero_window", "window_full", "keep_alive", "reused_ports"),
)
"""What is noted of Wireshark's analysis: one word for a repetition, and each of the others."""


@dataclass(frozen=True)
class Part:
    """What a packet carries of one message, or of what is none."""

    kind: str
    """`request` (the client's), `echo`, `answer` (the server's, to nothing that was seen), or `rest`: bytes
    that are no whole message.
    """
    text: str
    """As it is printed (docs/protocol.md, P1); of a message in several segments, with its last one."""
    fields: tuple[tuple[str, int], ...] = ()
    """A frame's numbers with their names, in their sequence on the wire."""
    prefix: str = ""
    """What a text server puts in front."""
    padding: int = 0
    """Bytes that fill the text field up (F2)."""
    place: str = ""
    """Which of the message's bytes these are, where they are not all."""
    begins: bool = True
    """Is the message's first byte among them?"""
    ends: bool = True
    """Is its last?"""
    echo_of: int | None = None
    """The packet of the message that it answers."""

    @property
    def said(self) -> str:
        """What it says, as far as it does."""
        return (self.prefix + self.text or "(empty)") if self.ends else ""

    @property
    def answers(self) -> str:
        """What it is the echo of."""
        return f"echo of {self.echo_of}" if self.echo_of is not None else ""

    @property
    def words(self) -> str:
        """What it is, in a line."""
        told = [f"{name} {value}" for name, value in self.fields if name != "version"]
        told += [self.place] if self.place else []
        return ": ".join(filter(None, (", ".join(told), self.said)))


@dataclass(frozen=True)
class Note:
    """What is remarkable about a packet."""

    text: str
    wrong: bool = False
    """Is it a violation, or the end of what the other side said?"""


@dataclass(frozen=True)
class Arrow:
    """A packet."""

    number: int
    at: float
    """Seconds since the first packet of the capture."""
    forth: bool
    """Does it go from the client to the server?"""
    client: int
    """Which of the ladder's clients sent it, or gets it; from 0."""
    flags: str
    """A segment's flags, or what it is instead."""
    numbers: str = ""
    """Its sequence number, what it acknowledges, its length: as Wireshark shows them."""
    parts: tuple[Part, ...] = ()
    more: int = 0
    """Parts beyond MAX_PARTS."""
    notes: tuple[Note, ...] = ()
    again: bool = False
    """Is it sent once more?"""
    broken: bool = False
    """Does it say that nothing goes on: a reset, or ICMP's that nobody is there?"""
    made_up: bool = False
    """Does a recording hold it only so that there is a whole session (docs/protocol.md, W1)?"""
    handled: str = ""
    """Which thread of the server handled it, and for which key."""

    @property
    def label(self) -> str:
        """What stands at the arrow."""
        return f"{self.flags} {self.numbers}".rstrip()

    @property
    def words(self) -> str:
        """All of it in a line."""
        way = "client to server" if self.forth else "server to client"
        told = [
            f"packet {self.number} at {self.at:.6f} s, {way}: {self.label}",
            *(f"{part.words} ({part.answers})" if part.answers else part.words for part in self.parts),
            self.counted,
            *(note.text for note in self.notes),
            f"handled by {self.handled}" if self.handled else "",
            "made up" if self.made_up else "",
        ]
        return "; ".join(filter(None, told))

    @property
    def counted(self) -> str:
        """What is said of the parts that are not shown."""
        return f"and {self.more:,} more messages" if self.more > 1 else "and 1 more message" * self.more


@dataclass(frozen=True)
class Gap:
    """What lies between two packets."""

    pause: float = 0.0
    """Seconds, where they are worth to be told."""
    others: str = ""
    """Whose packets were captured between."""
    left_out: str = ""
    """Which packets of the ladder are not shown."""

    @property
    def words(self) -> str:
        """The gap in a line."""
        later = f"{self.pause:.{1 if self.pause >= 1 else 3}f} s later" if self.pause else ""
        return "; ".join(filter(None, (self.left_out, self.others, later)))


@dataclass(frozen=True)
class Ladder:
    """The packets of a conversation, or of two that went on at once with the same server."""

    names: tuple[str, ...]
    """Of its conversations."""
    clients: tuple[End, ...]
    server: End
    rows: tuple[Arrow | Gap, ...]

    @property
    def title(self) -> str:
        """Whose ladder it is."""
        return " and ".join(self.names)

    @property
    def arrows(self) -> list[Arrow]:
        """The rows that are packets."""
        return [row for row in self.rows if isinstance(row, Arrow)]


def ladders(
    capture: Capture,
    conversations: Sequence[Session | Exchange],
    most: int = MAX_ROWS,
    *,
    together: bool = False,
) -> list[Ladder]:
    """A ladder for each of these conversations, in the order in which they begin.

    most: packets that each shows. together: may two that went on at once, and no third with them, share one
    with the server in its middle? It shows how the server serves both.
    """
    around = _Around(capture)
    begun = sorted(conversations, key=lambda each: each.packets[0].number)
    groups = _at_once(begun) if together else [[each] for each in begun]
    return [_ladder(around, group, most) for group in groups]


def ladder(capture: Capture, conversation: Session | Exchange, most: int = MAX_ROWS) -> Ladder:
    """The ladder of one conversation of a capture."""
    return ladders(capture, [conversation], most)[0]


class _Around:
    """What a capture holds beside a conversation."""

    def __init__(self, capture: Capture) -> None:
        ends: defaultdict[frozenset[End], list[Session | Exchange]] = defaultdict(list)
        named: dict[int, str] = {}
        for each in capture.conversations:
            named |= dict.fromkeys((packet.number for packet in each.packets), each.name)
            ends[frozenset((each.client, each.server))].append(each)
        self._unreachable: defaultdict[int, list[Unreachable]] = defaultdict(list)
        for packet in capture.unreachable:
            same = ends[frozenset((packet.source, packet.destination))]
            begun = bisect_left(same, packet.number, key=lambda each: each.packets[0].number)
            if begun:
                about = same[begun - 1]
                self._unreachable[id(about)].append(packet)
                named[packet.number] = about.name
        self._named = sorted(named.items())

    def unreachable(self, conversation: Conversation) -> list[Unreachable]:
        """What ICMP says about a conversation."""
        return self._unreachable[id(conversation)]

    def between(self, first: int, last: int) -> str:
        """Whose packets these are, from the first number to the last."""
        start = bisect_left(self._named, (first, ""))
        end = bisect_left(self._named, (last + 1, ""))
        names = list(dict.fromkeys(name for _, name in self._named[start:end])) or ["something else"]
        named = " and ".join(names)
        if len(names) > _MAX_NAMED:
            named = f"{', '.join(names[:_MAX_NAMED])} and {len(names) - _MAX_NAMED} more"
        run = f"packet {first}" if first == last else f"packets {first} to {last}"
        return f"{run}: {named}"


def _at_once(begun: Sequence[Session | Exchange]) -> list[list[Session | Exchange]]:
    """Conversations with one server that went on at once, if they are two; each of the others by itself."""
    groups: list[list[Session | Exchange]] = []
    current: dict[tuple[type, End], tuple[list[Session | Exchange], int]] = {}
    for each in begun:
        whose = (type(each), each.server)
        group, last = current.get(whose, ([], 0))
        if each.packets[0].number > last:
            group = []
            groups.append(group)
        group.append(each)
        current[whose] = group, max(last, each.packets[-1].number)
    return [part for group in groups for part in ([group] if len(group) == 2 else [[one] for one in group])]


def _ladder(around: _Around, group: Sequence[Session | Exchange], most: int) -> Ladder:
    arrows = sorted(
        (
            arrow
            for client, each in enumerate(group)
            for arrow in (
                *_arrows(each, client),
                *(_unreached(each, client, packet) for packet in around.unreachable(each)),
            )
        ),
        key=lambda arrow: arrow.number,
    )
    kept = _kept(arrows, most)
    return Ladder(
        tuple(each.name for each in group),
        tuple(each.client for each in group),
        group[0].server,
        tuple(_rows(around, arrows, kept)),
    )


def _kept(arrows: Sequence[Arrow], most: int) -> list[int]:
    """The places of those that are shown: of too many, the beginning, the end, and between them what is
    remarkable.
    """
    if len(arrows) <= most:
        return list(range(len(arrows)))
    beginning, end = most * 2 // 3, len(arrows) - most // 6
    middle, room = range(beginning, end), most - beginning - most // 6
    remarkable = [at for at in middle if arrows[at].notes or arrows[at].broken][:room]
    others = sorted({*middle} - {*remarkable})[: room - len(remarkable)]
    return sorted([*range(beginning), *remarkable, *others, *range(end, len(arrows))])


def _rows(around: _Around, arrows: Sequence[Arrow], kept: Sequence[int]) -> Iterator[Arrow | Gap]:
    for place, at in enumerate(kept):
        if place:
            gap = _gap(around, arrows[kept[place - 1] : at + 1])
            if gap.words:
                yield gap
        yield arrows[at]


def _gap(around: _Around, arrows: Sequence[Arrow]) -> Gap:
    """What lies between the first and the last of these; those between are not shown."""
    first, last, inner = arrows[0], arrows[-1], arrows[1:-1]
    pause = last.at - first.at
    pause = pause if pause >= PAUSE else 0.0
    if inner:
        if len(inner) == 1:
            return Gap(pause, left_out=f"1 more packet, {inner[0].number}")
        run = f"{inner[0].number} to {inner[-1].number}"
        return Gap(pause, left_out=f"{len(inner):,} more packets, {run}")
    between = range(first.number + 1, last.number)
    return Gap(pause, around.between(between[0], between[-1]) if between else "")


def _arrows(conversation: Session | Exchange, client: int) -> Iterator[Arrow]:
    carried = _carried(conversation)
    for packet in conversation.packets:
        parts = carried.get(packet.number, [])
        forth = conversation.from_client(packet)
        flags, numbers_, notes, again = "UDP", "", [], False
        if isinstance(packet, Segment) and isinstance(conversation, Session):
            flags, numbers_ = _flags(packet), _numbers(packet)
            notes = list(_analysed(conversation, packet))
            again = packet.again
        elif isinstance(packet, Datagram):
            numbers_ = f"Len={len(packet.data)}"
        yield Arrow(
            packet.number,
            packet.at,
            forth,
            client,
            flags,
            numbers_,
            tuple(parts[:MAX_PARTS]),
            max(0, len(parts) - MAX_PARTS),
            (*notes, *_marked(packet, notes)),
            again,
            "RST" in flags,
            packet.made_up,
            _handled(packet),
        )


def _unreached(conversation: Conversation, client: int, packet: Unreachable) -> Arrow:
    return Arrow(
        packet.number,
        packet.at,
        not conversation.from_client(packet),  # it answers the packet that it is about
        client,
        "ICMP unreachable",
        notes=(Note("nobody received it", True),),
        broken=True,
    )


def _flags(segment: Segment) -> str:
    return ", ".join(flag for flag in _ORDER if flag in segment.flags) or "no flag"


def _numbers(segment: Segment) -> str:
    told = [f"Seq={segment.relative}"]
    if "ACK" in segment.flags:
        told.append(f"Ack={segment.relative_acknowledgement}")
    if segment.length:
        told.append(f"Len={segment.length}")
    return " ".join(told)


def _analysed(session: Session, segment: Segment) -> Iterator[Note]:
    word = next((word for word in REPEATS if word in segment.analysis), None)
    if word is not None:
        first = session.alike(segment.number)[0].number
        of = f" (first: packet {first})" if first < segment.number else ""
        yield Note(f"{word.replace('_', ' ')}{of}")
    for word in _BESIDES:
        if word in segment.analysis:
            yield Note(word.replace("_", " "))


def _marked(packet: Packet, notes: Sequence[Note]) -> Iterator[Note]:
    """What the dissector remarks, if Wireshark's own analysis has not said so already."""
    said = {note.text for note in notes}
    for word in dict.fromkeys(mark.word for mark in packet.marks):
        if word.replace("-", " ") not in said and not (word == "lost" and said):
            yield Note(word, word in REASONS)


def _handled(packet: Packet) -> str:
    if packet.handled is None:
        return ""
    thread = printable(packet.handled.thread)
    return thread if packet.handled.key is None else f"{thread}, key fd={packet.handled.key}"


def _carried(conversation: Session | Exchange) -> dict[int, list[Part]]:
    """What each packet carries, in the sequence of its bytes."""
    found: defaultdict[int, list[Part]] = defaultdict(list)
    reached: dict[int, int] = {}
    for message in conversation.messages:
        places = [0, *message.cuts, message.length]
        for at, number in enumerate(message.packets):
            found[number].append(_part(message, places[at], places[at + 1], len(message.packets)))
            reached[number] = message.start + places[at + 1]
    if isinstance(conversation, Session):
        for forth in (True, False):
            for segment in conversation.carrying(forth):
                rest = segment.end - max(reached.get(segment.number, 0), segment.place)
                if rest > 0:
                    found[segment.number].append(_rest(segment.data[-rest:]))
        for segment in conversation.segments:
            if segment.data and segment.number not in found:
                copies = (each.number for each in conversation.alike(segment.number))
                first = next((number for number in copies if number in found), None)
                found[segment.number] += [_rest(segment.data)] if first is None else found[first]
    else:
        for datagram in conversation.datagrams:
            if datagram.number not in found and datagram.data:
                found[datagram.number].append(_rest(datagram.data))
    return found


_FIELD_ENDS = (1, 5, variable.HEADER_LENGTH)
"""Where the numbers of a header end (F1, V1)."""


def _part(message: Message, start: int, end: int, pieces: int) -> Part:
    length = message.length
    is_last = end == length
    kind = "request" if message.forth else "answer"
    if not message.forth and (message.echo_of is not None or message.prefixed):
        kind = "echo"
    # Of a frame in several segments, each shows the numbers whose last byte it brings.
    ends = zip(_fields(message), _FIELD_ENDS, strict=False)
    fields = tuple(field for field, last in ends if start < last <= end)
    return Part(
        kind,
        _short(message.text) if is_last else "",
        fields,
        REPLY_PREFIX.decode() if message.prefixed else "",
        _padding(message) if is_last else 0,
        _place(start, end, length) if pieces > 1 else "",
        start == 0,
        is_last,
        message.echo_of,
    )


def _place(start: int, end: int, length: int) -> str:
    """Which bytes of a message these are; how many it has, its header says."""
    known = end >= variable.HEADER_LENGTH
    return f"bytes {start} to {end - 1} of {length if known else 'a frame'}"


def _fields(message: Message) -> tuple[tuple[str, int], ...]:
    if message.order is None or message.size is None:
        return ()
    order, size = ("order", message.order), ("size", message.size)
    return (("version", fixed.VERSION), *((size, order) if message.layout == "scripts" else (order, size)))


def _padding(message: Message) -> int:
    if message.variant != "v2" or len(message.data) != fixed.FRAME_LENGTH:
        return 0
    frame = fixed.Frame(*fixed.LAYOUT.unpack(message.data))
    filling = frame.field[len(encode(frame.text)) :]
    return len(filling) if not filling.strip(fixed.PADDING) else 0


def _rest(data: bytes) -> Part:
    return Part("rest", _short(printable(decode(data[: 4 * MAX_TEXT]))), place=counted(len(data), "byte"))


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}\u2026"
