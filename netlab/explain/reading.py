"""Makes facts of what tshark says about a capture's packets: who talks to whom, in which format."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise
from typing import Any

from netlab import PORT
from netlab.explain.facts import (
    REBUILT,
    Capture,
    Conversation,
    Datagram,
    End,
    Exchange,
    Handled,
    Mark,
    Message,
    Packet,
    Segment,
    Session,
    Unreachable,
    frame_length,
)
from netlab.explain.statements import EXERCISES
from netlab.explain.telling import subjects
from netlab.wireshark.dissection import CannotRead, Dissection, Tree

FLAGS = {"FIN": 0x01, "SYN": 0x02, "RST": 0x04, "PSH": 0x08, "ACK": 0x10}

OURS = ("netlab", "netlab_v2", "netlab_v3", "netlab_streams")
"""The names of the dissector's branches."""

UNREACHABLE = {"icmp": ("icmp.type", 3), "icmpv6": ("icmpv6.type", 1)}
"""Which message of ICMP says that nobody was found."""

_HANDLED = re.compile(r"handled by (.+?)(?:, key fd=(\d+))?(?:;|$)")


def read(file: str, ports: Collection[int] = ()) -> Capture:
    """The facts of a capture file. ports: ports of the laboratory, beside 5005.

    Raises CannotRead. What is spoken on another port is only recognised by its bytes, and not by the first of
    them: then the file is read once more, with its port named. Only the ports of conversations that may be
    explained are named, so that their number is bounded.
    """
    capture = _Reader(file, ports).capture()
    explained = (each for exercise in (None, *EXERCISES) for each in subjects(capture, exercise))
    late = {
        each.server.port
        for each in explained
        if each.ours and each.server.port not in {PORT, *ports} and _has_unnamed_data(each)
    }
    return _Reader(file, {*ports, *late}).capture() if late else capture


def _has_unnamed_data(conversation: Session | Exchange) -> bool:
    if isinstance(conversation, Exchange):
        return len(conversation.messages) < len(conversation.datagrams)
    return _has_unnamed_segments(conversation)


def _has_unnamed_segments(session: Session) -> bool:
    named = {number for message in session.messages for number in message.packets}
    return any(each.data and not each.again and each.number not in named for each in session.segments)


class _Reader:
    """Reads one file once."""

    def __init__(self, file: str, ports: Collection[int]) -> None:
        self._dissection = Dissection(file, ports)
        self._ports = {PORT, *ports}
        self._capture = Capture(file)
        self._sessions: dict[str, Session] = {}
        self._exchanges: dict[str, Exchange] = {}
        self._trees: dict[int, list[Tree]] = {}

    def capture(self) -> Capture:
        capture = self._capture
        for layers in self._dissection:
            capture.count += 1
            self._take(layers)
        if not capture.count:
            raise CannotRead(2, "there is no packet in it: was the capture stopped before the client ran?")
        capture.cut_short, capture.more = self._dissection.cut_short, self._dissection.more
        for session in capture.sessions:
            self._find_messages(session)
            _pair(session)
        clients = Counter(exchange.client for exchange in capture.exchanges)
        for exchange in capture.exchanges:
            exchange.shared = clients[exchange.client] > 1
            self._find_datagrams(exchange)
            _pair(exchange)
        return capture

    def _take(self, layers: Tree) -> None:
        frame = layers.branch("frame") or Tree()
        self._capture.seconds = _seconds(frame)
        ip = next(reversed(layers.branches("ip", "ipv6")), None)
        if ip is None:
            return
        comment = (layers.branch("pkt_comment") or Tree()).text("frame.comment")
        if REBUILT in comment:
            self._capture.recorded = True
        for name, (kind, value) in UNREACHABLE.items():
            told = layers.branch(name)
            if told is not None:
                if told.number(kind, -1) == value:
                    self._take_unreachable(frame, told, comment)
                return
        if tcp := layers.branch("tcp"):
            self._take_segment(frame, ip, tcp, layers, comment)
        elif udp := layers.branch("udp"):
            self._take_datagram(frame, ip, udp, layers, comment)

    def _take_segment(self, frame: Tree, ip: Tree, tcp: Tree, layers: Tree, comment: str) -> None:
        bits = tcp.number("tcp.flags")
        segment = Segment(
            frame.number("frame.number"),
            _seconds(frame),
            *_ends(ip, tcp, "tcp"),
            comment,
            tuple(_marks(layers)),
            None if bits & FLAGS["SYN"] else _handled(comment),  # who accepts it is not who serves it
            frame.number("frame.cap_len") < frame.number("frame.len"),
            frozenset(name for name, bit in FLAGS.items() if bits & bit),
            tcp.number("tcp.seq_raw"),
            tcp.number("tcp.ack_raw"),
            tcp.number("tcp.seq"),
            tcp.number("tcp.ack"),
            _mss(tcp) if bits & FLAGS["SYN"] else 0,
            _bytes(tcp.text("tcp.payload")),
            tcp.number("tcp.len"),
            frozenset(_analysis(tcp)),
        )
        stream = tcp.text("tcp.stream")
        session = self._sessions.get(stream)
        if session is None:
            client = self._client_of(segment)
            server = segment.destination if client == segment.source else segment.source
            session = self._sessions[stream] = Session(len(self._sessions) + 1, client, server)
            self._capture.sessions.append(session)
        session.segments.append(segment)
        self._remember(session, segment, layers)

    def _take_datagram(self, frame: Tree, ip: Tree, udp: Tree, layers: Tree, comment: str) -> None:
        datagram = Datagram(
            frame.number("frame.number"),
            _seconds(frame),
            *_ends(ip, udp, "udp"),
            comment,
            tuple(_marks(layers)),
            _handled(comment),
            frame.number("frame.cap_len") < frame.number("frame.len"),
            _bytes(udp.text("udp.payload")),
        )
        stream = udp.text("udp.stream")
        exchange = self._exchanges.get(stream)
        if exchange is None:
            backwards = datagram.source.port in self._ports and datagram.destination.port not in self._ports
            ends = (datagram.source, datagram.destination)
            exchange = Exchange(len(self._exchanges) + 1, *(reversed(ends) if backwards else ends))
            self._exchanges[stream] = exchange
            self._capture.exchanges.append(exchange)
        exchange.datagrams.append(datagram)
        self._remember(exchange, datagram, layers)

    def _take_unreachable(self, frame: Tree, told: Tree, comment: str) -> None:
        ip = told.branch("ip") or told.branch("ipv6")
        for transport in "udp", "tcp":
            inner = told.branch(transport)
            if ip is not None and inner is not None:
                ends = _ends(ip, inner, transport)
                number = frame.number("frame.number")
                self._capture.unreachable.append(Unreachable(number, _seconds(frame), *ends, comment))

    def _client_of(self, first: Segment) -> End:
        """Who connected to whom: the SYN says it, or else the ports must."""
        if "SYN" in first.flags:
            return first.destination if "ACK" in first.flags else first.source
        known = [end for end in (first.source, first.destination) if end.port in self._ports]
        server = known[0] if known else min(first.source, first.destination, key=lambda end: end.port)
        return first.destination if first.source == server else first.source

    def _remember(self, conversation: Conversation, packet: Packet, layers: Tree) -> None:
        trees = layers.branches(*OURS)
        if trees:
            self._trees[packet.number] = trees
        for tree in trees:
            conversation.variant = tree.text("netlab.variant") or conversation.variant
            if isinstance(conversation, Session):
                conversation.layout = tree.text("netlab.v3.decided") or conversation.layout

    def _find_messages(self, session: Session) -> None:
        known = set[tuple[bool, int]]()
        make = _text if session.variant == "tcp" else _framed
        for segment in session.segments:
            for tree in self._trees.get(segment.number, ()):
                if tree.all("netlab.message"):
                    message = make(session, segment, tree)
                    if (message.forth, message.start) not in known:  # or it is sent again
                        known.add((message.forth, message.start))
                        session.messages.append(message)

    def _find_datagrams(self, exchange: Exchange) -> None:
        for datagram in exchange.datagrams:
            for tree in self._trees.get(datagram.number, ()):
                if tree.all("netlab.message"):
                    forth = exchange.from_client(datagram)
                    exchange.messages.append(_message("udp", forth, datagram, tree, data=datagram.data))


def _text(session: Session, segment: Segment, tree: Tree) -> Message:
    return _message(
        "tcp",
        session.from_client(segment),
        segment,
        tree,
        data=segment.data,
        start=segment.place,
        prefixed=bool(tree.all("netlab.prefix")),
    )


def _framed(session: Session, segment: Segment, tree: Tree) -> Message:
    # With one side's packet, frames of the other's may show that came before their turn.
    forth, variant = tree.text("netlab.sender") == "client", tree.text("netlab.variant")
    start, size = tree.number("netlab.start"), tree.number(f"netlab.{variant}.size")
    end = start + frame_length(variant, size)
    carriers = list(session.between(forth, start, end)) or [segment]
    return _message(
        variant,
        forth,
        segment,
        tree,
        packets=tuple(each.number for each in carriers),
        data=session.bytes(forth, start, end),
        start=start,
        cuts=tuple(after.place - start for _, after in pairwise(carriers)),
        order=tree.number(f"netlab.{variant}.order"),
        size=size,
        layout=tree.text("netlab.v3.layout"),
    )


def _message(
    variant: str, forth: bool, packet: Packet, tree: Tree, packets: tuple[int, ...] = (), **more: Any
) -> Message:
    """What the dissector shows in this branch of a packet. packets: all that carry it, if several do."""
    return Message(
        variant,
        forth,
        packet.number,
        packets or (packet.number,),
        tree.text("netlab.message"),
        marks=tuple(_remarks(tree)),
        handled=packet.handled,
        echo_of=tree.number("netlab.echo_of") or None,
        **more,
    )


def _pair(conversation: Conversation) -> None:
    """Tell each message of the client's which answers it got."""
    asked: dict[int, list[Message]] = {}
    for message in conversation.messages:
        if message.forth:
            asked.setdefault(message.number, []).append(message)
        elif message.echo_of is not None:
            candidates = asked.get(message.echo_of, [])
            if message.order is not None:
                candidates = [each for each in candidates if each.order == message.order] or candidates
            unanswered = [each for each in candidates if not each.echoes]
            for each in unanswered[:1] or candidates[:1]:
                each.echoes.append(message)


def _seconds(frame: Tree) -> float:
    try:
        return float(frame.text("frame.time_relative"))
    except ValueError:
        return 0.0


def _ends(ip: Tree, transport: Tree, name: str) -> tuple[End, End]:
    version = "ip" if ip.all("ip.src") else "ipv6"
    return (
        End(ip.text(f"{version}.src"), transport.number(f"{name}.srcport")),
        End(ip.text(f"{version}.dst"), transport.number(f"{name}.dstport")),
    )


def _bytes(written: str) -> bytes:
    try:
        return bytes.fromhex(written.replace(":", ""))
    except ValueError:
        return b""


def _handled(comment: str) -> Handled | None:
    found = _HANDLED.search(comment)
    return Handled(found[1], int(found[2]) if found[2] else None) if found else None


def _walk(tree: Tree) -> Iterator[tuple[str, str]]:
    """All names with their texts, at any depth."""
    for name, value in tree:
        if isinstance(value, Tree):
            yield name, ""
            yield from _walk(value)
        else:
            yield name, str(value)


def _mss(tcp: Tree) -> int:
    """The option of a SYN; how deep it stands is another thing in each version of Wireshark."""
    found = (value for name, value in _walk(tcp) if name == "tcp.options.mss_val" and value.isdigit())
    return next(map(int, found), 0)


def _analysis(tcp: Tree) -> Iterator[str]:
    for branch in tcp.branches("tcp.analysis"):
        for flags in branch.branches("tcp.analysis.flags"):
            for name, _ in _walk(flags):
                if name.startswith("tcp.analysis."):
                    yield name.removeprefix("tcp.analysis.")


def _marks(layers: Tree) -> Iterator[Mark]:
    """What the dissector remarks at a packet."""
    for tree in layers.branches(*OURS):
        yield from _remarks(tree)


def _remarks(tree: Tree) -> Iterator[Mark]:
    """What it remarks in one of its branches, each with its sentence."""
    words, sender = list[str](), tree.text("netlab.sender")
    for name, value in _walk(tree):
        if name in ("netlab.note", "netlab.reason"):
            words.append(value)
        elif name == "_ws.expert.message":
            yield from (Mark(word, value, sender) for word in _take(words, value))


def _take(words: list[str], sentence: str) -> Iterable[str]:
    for word in words:
        if sentence.startswith(word):
            words.remove(word)
            return [word]
    return []
