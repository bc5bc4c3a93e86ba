"""How TCP sessions are created, and how data is carried, pushed and acknowledged in them (2.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netlab.explain.facts import Capture, Exchange, Message, Segment, Session, counted
from netlab.explain.statements import Statement, numbers, statement
from netlab.wire.text import decode, printable

SHOWN = 40
"""Characters of a segment's data that are shown: enough to know it again."""

DELAYED = 0.02
"""Seconds after which an acknowledgement counts as delayed: kernels wait for 40 ms, and some for 200."""

SHOWN_FRAMES = 6
"""Frames of a segment that are named; the others are counted."""


def tell(capture: Capture, subjects: Sequence[Session | Exchange]) -> Iterator[Statement]:
    """For each session: the handshake packet by packet, the four-tuple, each segment with data and the packet
    that acknowledges it; for all to one server: what tells them apart.

    Of a recording, what was made up in it is not told (docs/protocol.md, W1).
    """
    sessions = [each for each in subjects if isinstance(each, Session)]
    for session in sessions:
        if not capture.recorded:
            yield from _handshake(session)
        yield from _four_tuple(session)
        yield from _data(session, capture.recorded)
    yield from _apart(sessions)


def _handshake(session: Session) -> Iterator[Statement]:
    syn, answer, third = session.syn, session.syn_ack, session.third
    if syn is not None:
        yield statement(
            "syn",
            session,
            "SYN",
            f"SYN: {session.client} asks {session.server} for a session. It counts its bytes from "
            f"{_seq(syn)}. "
            f"{_takes(syn)}".rstrip(),
            session.syns,
        )
    if answer is not None:
        yield statement(
            "syn-ack",
            session,
            "SYN, ACK",
            f"SYN, ACK: the server agrees. It counts its bytes from {_seq(answer)}, and acknowledges the "
            "client's SYN "
            f"with {_ack(answer)}, one more than that one's Seq. {_takes(answer)}".rstrip(),
            session.copies([answer.number]),
        )
    if answer is not None and third is not None:
        data = f"; it brings the first {counted(third.length, 'byte')} along" if third.length else ""
        yield statement(
            "established",
            session,
            "ACK",
            f"ACK (packet {third.number}): the client acknowledges the server's SYN: {_seq(third)}, "
            f"{_ack(third)}{data}. The session is established.",
            session.copies([answer.number, third.number]),
        )


def _four_tuple(session: Session) -> Iterator[Statement]:
    if session.syn is not None:
        yield statement(
            "four-tuple",
            session,
            "four-tuple",
            f"Its four-tuple: client {session.client.ip} port {session.client.port}, server "
            f"{session.server.ip} port {session.server.port}.",
            session.syns,
        )


def _takes(segment: Segment) -> str:
    return f"It takes segments of up to {segment.mss} bytes (MSS)." if segment.mss else ""


def _data(session: Session, recorded: bool) -> Iterator[Statement]:
    inside: dict[int, list[Message]] = {}
    for message in session.messages:
        for number in message.packets:
            inside.setdefault(number, []).append(message)
    told = set[int]()
    for segment in session.segments:
        if not segment.length or segment.again or segment.number in told:
            continue
        told |= session.copies([segment.number])
        who = session.side(session.from_client(segment))
        what = _named(inside.get(segment.number, [])) or shown(segment.data)
        sent = f"The {who} sends {counted(segment.length, 'byte')} ({what})"
        if recorded:
            made = segment.comment.partition(":")[0]
            yield statement(
                "sent",
                session,
                f"{who} {segment.place}",
                f"{sent}: the server's {made} on this socket.",
                [segment],
            )
            continue
        pushed = "with PSH" if "PSH" in segment.flags else "without PSH"
        again = sorted(session.copies([segment.number]) - {segment.number})
        repeated = f" It is sent again in packet {numbers(again)}." if again else ""
        yield statement(
            "sent",
            session,
            f"{who} {segment.place}",
            f"{sent}: {_seq(segment)}, {_ack(segment)}, {pushed}.{repeated}",
            session.copies([segment.number]),
        )
        yield from _acknowledged(session, segment, who)


def _seq(segment: Segment) -> str:
    """Where a segment begins, as Wireshark shows it and as it is."""
    return f"Seq={segment.relative} ({segment.sequence})"


def _ack(segment: Segment) -> str:
    return f"Ack={segment.relative_acknowledgement} ({segment.acknowledgement})"


def _acknowledged(session: Session, segment: Segment, who: str) -> Iterator[Statement]:
    answer = session.acknowledging(segment, segment.length)
    other = session.side(not session.from_client(segment))
    if answer is None:
        return
    after = answer.at - segment.at
    way = f"alone, {1000 * after:.0f} ms later" if after >= DELAYED else "alone"
    if answer.length:
        way = f"together with {counted(answer.length, 'byte')} of its own"
    elif "FIN" in answer.flags:
        way = f"together with the {other}'s FIN"
    end = segment.relative + segment.length
    besides = ""
    if answer.relative_acknowledgement > end:
        fin = any(
            "FIN" in each.flags
            and each.source == segment.source
            and each.end + 2 == answer.relative_acknowledgement
            for each in session.segments
        )
        besides = (
            "; that is one more for the FIN"
            if fin
            else "; that is more, since one Ack stands for all before it"
        )
    yield statement(
        "acknowledged",
        session,
        f"{who} {segment.place}",
        f"Packet {answer.number}: the {other} acknowledges the {who}'s Seq {segment.relative} to {end - 1} "
        f"with {_ack(answer)}, {way}{besides}.",
        {*session.copies([segment.number]), answer.number},
    )


def _apart(sessions: Sequence[Session]) -> Iterator[Statement]:
    begun = [each for each in sessions if each.syns]
    for server in dict.fromkeys(each.server for each in begun):
        several = [each for each in begun if each.server == server]
        if len(several) > 1:
            clients = ", ".join(f"{each.client} (session {each.number})" for each in several)
            yield statement(
                "sessions-differ",
                None,
                f"sessions with {server}",
                f"{len(several)} sessions go to {server}. The client's half of the four-tuple tells them "
                f"apart: {clients}.",
                [syn for each in several for syn in each.syns],
            )


def _named(messages: Sequence[Message]) -> str:
    """What a segment carries, where it is frames."""
    if not messages or messages[0].order is None:
        return ""
    orders = ", ".join(str(each.order) for each in messages[:SHOWN_FRAMES])
    more = f" and {len(messages) - SHOWN_FRAMES:,} more" if len(messages) > SHOWN_FRAMES else ""
    part = "a part of " if len(messages) == 1 and len(messages[0].packets) > 1 else ""
    return f"{part}{'the frame' if len(messages) == 1 else 'frames'} of order {orders}{more}"


def shown(data: bytes) -> str:
    """The beginning of some data, as a text that is safe to print."""
    text = printable(decode(data[: 4 * SHOWN]))
    return f"`{text}`" if len(text) <= SHOWN else f"`{text[:SHOWN]}\u2026`"
