"""How a session is closed: by whom first, and what comes after that (2.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netlab.explain.facts import Capture, Exchange, Segment, Session, counted
from netlab.explain.statements import Statement, statement


def tell(capture: Capture, subjects: Sequence[Session | Exchange]) -> Iterator[Statement]:
    """For each session: its FINs, and what was sent between them."""
    for session in subjects:
        if isinstance(session, Session):
            yield from _fins(session, capture.recorded)


def _fins(session: Session, recorded: bool) -> Iterator[Statement]:
    fins: dict[bool, Segment] = {}
    for segment in session.segments:
        if "FIN" in segment.flags and not segment.again:
            fins.setdefault(session.from_client(segment), segment)
    if not fins:
        return
    forth, first = next(iter(fins.items()))
    for way, fin in fins.items():
        who, other = session.side(way), session.side(not way)
        evidence = [fin]
        if fin is not first:
            text = f"The {who} closes, too, with its FIN, Seq={fin.relative} ({fin.sequence})"
            if not recorded and session.acknowledging(first, first.length + 1) is fin:
                text += f", which acknowledges the {other}'s in the same packet"
        elif _has_seen_all(session, fin, way):
            text = f"The {who} closes first, with its FIN, Seq={fin.relative} ({fin.sequence})"
            text += ": it is the one that stays in TIME_WAIT"
        else:
            text = f"The {who} closes, with its FIN"
        acknowledging = None if recorded else session.acknowledging(fin, fin.length + 1)
        if acknowledging is not None:
            evidence.append(acknowledging)
            text += (
                f". Packet {acknowledging.number} acknowledges it: "
                f"Ack={acknowledging.relative_acknowledgement}, one more for the FIN"
            )
        yield statement(
            "fin", session, f"{who}'s FIN", f"{text}.", session.copies(each.number for each in evidence)
        )
    after = [each for each in session.carrying(not forth) if each.number > first.number and not each.again]
    if after:
        who, other = session.side(forth), session.side(not forth)
        yield statement(
            "after-fin",
            session,
            f"{other} after the {who}'s FIN",
            f"After the {who}'s FIN the {other} still sends "
            f"{counted(sum(each.length for each in after), 'byte')}: the other direction is open "
            "(half-close), and nothing is lost.",
            session.copies(each.number for each in (first, *after)),
        )


def _has_seen_all(session: Session, fin: Segment, forth: bool) -> bool:
    """Does the capture hold all that the other side had sent until then, so that no FIN of it is missing?"""
    others = [each for each in session.segments if session.from_client(each) is not forth]
    seen = max((each.relative + each.length + ("SYN" in each.flags) for each in others), default=0)
    return not others or fin.relative_acknowledgement <= seen
