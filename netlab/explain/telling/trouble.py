"""What went wrong, or is odd, and the mistake that is likely behind it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from netlab.explain.facts import (
    REPEATS,
    Capture,
    End,
    Exchange,
    Mark,
    Message,
    Packet,
    Segment,
    Session,
    Unreachable,
    counted,
)
from netlab.explain.statements import Statement, statement
from netlab.wire import fields, strangers, variable
from netlab.wire.variable import Layout
from netlab.wire.violations import REASONS

ANALYSIS = {
    "retransmission": "is sent again: no acknowledgement came in time, because the segment or the "
    "acknowledgement was lost on the way, or found no room. TCP mends it; the program notices nothing but "
    "the delay",
    "fast_retransmission": "is sent again at once, since three acknowledgements in a row asked for it: a "
    "segment before was lost on the way",
    "spurious_retransmission": "is sent again although it had been acknowledged already: its sender had not "
    "seen that yet, or the network has doubled it",
    "out_of_order": "came before one that had been sent earlier: the receiver's kernel puts them in order "
    "again",
    "lost_segment": "comes behind bytes that are not in the capture: they were lost on the way, or the "
    "capture missed them",
    "ack_lost_segment": "acknowledges bytes that are not in the capture: the capture has missed a packet",
    "duplicate_ack": "acknowledges the same byte once more: what came was not the byte that it waits for, "
    "but a repetition, or something behind a gap",
    "zero_window": "says that its receiver has no room any more (window 0). Likely: the program does not "
    "read fast enough, or not at all, and the other side must wait",
    "window_full": "fills the last of the receiver's room. Likely: the other program does not read fast "
    "enough",
    "keep_alive": "brings nothing new: it asks whether the other side is still there, or has room again",
    "reused_ports": "begins a new session between the same two ports as one before: the client chose its own "
    "port with bind()",
}
"""What Wireshark's analysis remarks at a segment, as far as it tells a reader something."""

MISTAKES = {
    "wrong-version": "Likely: this is another format, or has no header at all; or the frame before it was "
    "not as long as it said.",
    "wrong-layout": "Likely: the header's two numbers are packed in the wrong order.",
    "oversize": "Likely: another byte order (`<` or `=` in struct's format instead of `!`), or size and "
    "order have changed places.",
    "truncated": "Likely: the sender closed before all was sent (send() instead of sendall()), or its size "
    "counts more than is there (characters for bytes, or the header with the text).",
    "deadline": "Likely: the sender's size is greater than what it sends, so that the receiver waits for "
    "ever.",
    "order-zero": "Likely: the orders are counted from 0; the first message has 1.",
    "order-repeat": "Likely: the order is not counted on after each message.",
    "order-jump": "Likely: a message was left out, or the order is counted on by two or more.",
    "other-layout": "Likely: size and order have changed places in the header.",
    "missing-echo": "Likely: the server takes several messages of one recv() for one, was not started to "
    "echo, or ended too early.",
    "wrong-echo": "Likely: the server builds the answer anew, with other fields, instead of sending back the "
    "bytes that it got.",
    "doubled-echo": "Likely: the server sends its answer twice.",
    "stray-echo": "Likely: the server answers something else than what it got.",
    "unfinished": "Likely: its sender sent less than it had announced.",
}
"""The mistake that is likely behind a word of the dissector's."""

NAMED = 6
"""Messages without an echo that are named; the others are counted."""

SHOWN_BYTES = 20
"""Bytes that are shown where a stream breaks: a header and the beginning of its text."""

NOTES = ("order-zero", "order-repeat", "order-jump")
"""The words about orders (O3)."""

INSIDE = "reset-inside"
"""The dissector's word for a reset in the middle of a message; it is told with the reset."""

NO_ECHO = {
    "udp": "Likely: the datagram or its echo was lost, or the server was gone by then.",
    "tcp": "Likely: the server has ended, or did not read it.",
    "v2": "Likely: the server takes what one recv() returns for one frame, or ended too early.",
    "v3": "Likely: the server takes what one recv() returns for one frame, or ended too early.",
}
"""Why echoes do not come, by the variant."""

SEE = "see frame"
"""How the dissector points to another packet."""

_QUIET = ("text-cut", "out-of-order", "lost", "missing-echo", INSIDE)
"""Words that say nothing here: they are told as encoding, or by Wireshark's own analysis."""


def tell(capture: Capture, subjects: Sequence[Session | Exchange]) -> Iterator[Statement]:
    """For each conversation: who was not there, what was sent again or lost, violations, notes."""
    unreachable = _by_ends(capture.unreachable)
    for each in subjects:
        if isinstance(each, Session):
            yield from _not_there(capture, each)
            yield from _reset(each)
            yield from _analysis(each)
        else:
            yield from _unreachable(capture, each, unreachable.get(frozenset((each.client, each.server)), ()))
        yield from _marks(each)
        yield from _missing_echoes(each)
        yield from _little_endian(each)


def _not_there(capture: Capture, session: Session) -> Iterator[Statement]:
    syns = session.syns
    if session.is_refused:
        yield statement(
            "refused",
            session,
            "refused",
            f"The connection was refused: on {session.server.ip} nobody listens on port "
            f"{session.server.port}, and its kernel answers the SYN with a reset (ConnectionRefusedError in "
            "the client). Likely: the server was not started yet, has ended, or listens on another port or "
            "address.",
            [*syns, *session.resets],
        )
    elif syns and session.syn_ack is None and not session.resets:
        yield statement(
            "unanswered",
            session,
            "SYN without an answer",
            f"Nobody answers {session.client} in the {capture.seconds - syns[0].at:.1f} s that the capture "
            f"goes on: {len(syns)} SYN, and no SYN, ACK. Likely: the server's backlog is full, since it "
            "accepts nobody; or a firewall drops them, or nobody has that address.",
            syns,
        )


def _reset(session: Session) -> Iterator[Statement]:
    if not session.resets or session.is_refused:
        return
    reset = session.resets[0]
    forth = session.from_client(reset)
    who, other = session.side(forth), session.side(not forth)
    yield statement(
        "reset",
        session,
        f"{who}'s reset",
        f"The {who} ends the session with a reset (RST): the {other}'s next recv() or send() fails "
        f"(ConnectionResetError). {_why(session, reset, who)}",
        session.resets,
    )


def _why(session: Session, reset: Segment, who: str) -> str:
    inside = next((mark for mark in reset.marks if mark.word == INSIDE), None)
    middle = ""
    if inside is not None:
        detail = inside.sentence.removeprefix(f"{INSIDE}: a reset ")
        middle = f"It {detail}. "
    closed = any(
        "FIN" in each.flags and each.number < reset.number and each.source == reset.source
        for each in session.segments
    )
    if closed:
        return (
            middle + "It had closed before, and its kernel answers so to data that nobody will read any more."
        )
    return (
        f"{middle}Likely: the {who}'s program closed its socket, or ended, while bytes waited that it had "
        "not read. (Or it asked for a reset: SO_LINGER with 0 seconds.)"
    )


def _by_ends(packets: Iterable[Unreachable]) -> dict[frozenset[End], list[Unreachable]]:
    """What ICMP says, by the two ends that each packet is about."""
    found: defaultdict[frozenset[End], list[Unreachable]] = defaultdict(list)
    for each in packets:
        found[frozenset((each.source, each.destination))].append(each)
    return found


def _unreachable(capture: Capture, exchange: Exchange, found: Sequence[Unreachable]) -> Iterator[Statement]:
    if found:
        whom = found[0].destination
        answered = any(
            each.source == whom and each.number < found[0].number
            for other in capture.exchanges
            for each in other.datagrams
        )
        likely = (
            "It has answered before, so its program has ended, or closed its socket."
            if answered
            else "Likely: the program there was not started yet, has ended, or has another port."
        )
        yield statement(
            "refused",
            exchange,
            f"unreachable {whom}",
            f"Nobody has port {whom.port} of {whom.ip} at this moment: the kernel there answers with ICMP "
            f"(port unreachable). {likely} The sender's program learns of it if it has called connect() "
            "(Linux).",
            found,
        )


def _analysis(session: Session) -> Iterator[Statement]:
    for segment in session.segments:
        words = [word for word in segment.analysis if word in ANALYSIS]
        repeats = [word for word in REPEATS if word in words]
        for word in sorted(words):
            if word in repeats[1:]:
                continue  # Wireshark calls each special kind a retransmission, too
            forth = session.from_client(segment)
            what = f"The {session.side(forth)}'s packet {segment.number}"
            if segment.length:
                what += f", Seq {segment.relative} to {segment.relative + segment.length - 1},"
            evidence = {segment.number}
            if word in REPEATS:
                evidence.add(session.alike(segment.number)[0].number)
            yield statement(
                "analysis", session, f"{word} at {segment.number}", f"{what} {ANALYSIS[word]}.", evidence
            )


def _marks(conversation: Session | Exchange) -> Iterator[Statement]:
    swapped = any(_is_little_endian(message) for message in conversation.messages)
    of_messages: defaultdict[int, Counter[Mark]] = defaultdict(Counter)
    for message in conversation.messages:
        of_messages[message.number].update(message.marks)
        for mark in message.marks:
            # The numbers are told of as they were meant; those of an echo are what it answers has.
            if mark.word not in _QUIET and not (
                mark.word in NOTES and (swapped or message.echo_of is not None)
            ):
                about = f"{mark.word} at {message.number}, {message.forth}, {message.start}"
                text = _told(mark, conversation.side(message.forth), message)
                yield statement("note", conversation, about, text, conversation.copies(message.packets))
    for packet in conversation.packets:
        for mark in Counter(packet.marks) - of_messages[packet.number]:
            who = mark.sender or conversation.side(conversation.from_client(packet))
            if mark.word in REASONS:
                yield _violation(conversation, packet, mark, who)
            elif mark.word not in _QUIET and not (mark.word == "unfinished" and SEE in mark.sentence):
                about = f"{mark.word} in the {who}'s stream: {mark.sentence}"
                yield statement("note", conversation, about, _told(mark, who), [packet])


def _missing_echoes(conversation: Session | Exchange) -> Iterator[Statement]:
    lacking = [message for message in conversation.messages if message.has("missing-echo")]
    if lacking:
        names = ", ".join(message.named for message in lacking[:NAMED])
        more = f" and {len(lacking) - NAMED:,} more" if len(lacking) > NAMED else ""
        what = f"{'the message' if len(lacking) == 1 else f'{len(lacking):,} messages'} {names}{more}"
        if conversation.variant == "tcp":
            count = sum(len(message.data) for message in lacking)
            what = f"{count:,} bytes of text in {counted(len(lacking), 'segment')}"
        answered = sum(bool(message.echoes) for message in conversation.messages)
        yield statement(
            "missing-echo",
            conversation,
            "echoes that did not come",
            f"No echo came of {what} (missing-echo); {answered:,} got one. "
            f"{NO_ECHO.get(conversation.variant, '')}".rstrip(),
            conversation.copies(number for message in lacking for number in message.packets),
        )


def _told(mark: Mark, who: str, message: Message | None = None) -> str:
    """The dissector's sentence, with whose message it is about, and with what is likely behind it."""
    detail = mark.sentence.removeprefix(f"{mark.word}: ").rstrip(".?")
    about = "" if message is None else f"The {who}'s message {message.named}: "
    text = f"{about}{detail if about else detail[:1].upper() + detail[1:]} ({mark.word})."
    return f"{text} {MISTAKES.get(mark.word, '')}".rstrip()


def _violation(conversation: Session | Exchange, packet: Packet, mark: Mark, who: str) -> Statement:
    """Where a stream of frames breaks: the bytes there, and what they are (R8), or what is likely."""
    forth, likely, data, carriers = who == "client", MISTAKES.get(mark.word, ""), b"", set[int]()
    layout = ""
    if isinstance(conversation, Session):
        layout = conversation.layout
        frames = [each for each in conversation.messages if each.forth is forth]
        start = max((each.start + len(each.data) for each in frames), default=0)
        data = conversation.bytes(forth, start, start + strangers.LOOKED_AT)
        carriers = {each.number for each in conversation.between(forth, start, start + SHOWN_BYTES)}
        speaks = {"v2": strangers.TCPV2, "v3": strangers.TCPV3}.get(conversation.variant)
        stranger = strangers.in_frames(data, 0, start == 0, speaks) if data else None
        if stranger is not None:
            likely = f"This is {stranger.name}: {stranger.advice}."
    place, _, detail = mark.sentence.rstrip(".?").partition("]: ")
    text = f"A violation in the {who}'s stream, {place.partition(' [')[0]}: {detail.partition('; ')[0]}."
    read = data[:SHOWN_BYTES].decode("ascii", "replace")
    if mark.word == "wrong-version" and read.strip().isprintable() and "\ufffd" not in read:
        text += f" The bytes read `{read.strip()}`."
    return statement(
        "violation",
        conversation,
        f"{mark.word} in the {who}'s stream",
        f"{text} {likely}".rstrip(),
        conversation.copies({packet.number, *carriers}),
        _header(data[:SHOWN_BYTES], layout),
    )


def _header(data: bytes, layout: str) -> list[str]:
    """Bytes that are no frame, under the names of the fields that stood there."""
    if not data:
        return []
    if len(data) < variable.HEADER_LENGTH or data[:1] != b"\1":
        return fields.table([("bytes", data)])
    names = Layout(layout or Layout.GUIDE.value).fields.split(", ")
    parts = data[:1], data[1:5], data[5 : variable.HEADER_LENGTH]
    return fields.table([*zip(names, parts, strict=True), ("text", data[variable.HEADER_LENGTH :])])


def _little_endian(conversation: Session | Exchange) -> Iterator[Statement]:
    for message in filter(_is_little_endian, conversation.messages):
        yield statement(
            "little-endian",
            conversation,
            f"frame at {message.start}",
            "The first frame's numbers make sense only the other way round, least significant byte first: "
            f"order {message.order} would be {int.from_bytes(message.data[1:5], 'little')}. Likely: `<` or "
            "`=` in struct's format instead of `!`.",
            conversation.copies(message.packets),
        )


def _is_little_endian(message: Message) -> bool:
    """Of v2 any number is legal, so that nothing breaks (R8)."""
    is_first = message.variant == "v2" and message.start == 0 and message.forth
    return is_first and strangers.is_little_endian(message.data)
