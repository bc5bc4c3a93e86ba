"""The words of an explanation that all its reports use: what is in a file, what limits what is said of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby

from netlab.explain.facts import VARIANTS, Capture, Exchange, Session, counted
from netlab.explain.statements import ALL, EXERCISES, KINDS, TROUBLE, Question, Statement
from netlab.explain.telling import candidates, handling
from netlab.wireshark.dissection import MAX_PACKETS

NOTHING = (
    "there is no TCP session in it, and no datagram of the laboratory: was the right interface captured "
    "(the loopback, for what stays on this machine), and both directions?"
)
"""What is said of a file that holds nothing to explain."""


def head(capture: Capture, exercise: str | None = None) -> str:
    """Describe the content of the file in one line, with the number of all candidates.

    Args:
        capture: The facts of the file.
        exercise: The exercise that is answered; None for all.

    Returns:
        The line.
    """
    every = candidates(capture, exercise)
    sessions = [each for each in every if isinstance(each, Session)]
    exchanges = [each for each in every if isinstance(each, Exchange)]
    parts = [
        counted_in(len(sessions), "TCP session"),
        counted_in(len(exchanges), "UDP client"),
        *(VARIANTS[variant] for variant in capture.variants),
    ]
    made = "a recording by netlab" if capture.recorded else "a capture"
    found = ", ".join(filter(None, parts))
    packets = counted_in(capture.count, "packet")
    read = f"the first {packets} of {made}" if capture.more else f"{made} of {packets}"
    return f"{read} in {capture.seconds:.3f} s: {found}"


def counted_in(number: int, unit: str) -> str:
    """A number with its unit; nothing for none."""
    return counted(number, unit) if number else ""


def limits(
    capture: Capture, subjects: Sequence[Session | Exchange], exercise: str | None = None
) -> Iterator[str]:
    """What its reader has to know of the file. exercise: whose questions are answered."""
    if exercise is not None and all(each.variant != EXERCISES[exercise] for each in subjects):
        yield (
            f"Nothing in it is of exercise {exercise}, which is about {VARIANTS[EXERCISES[exercise]]}; so "
            "its questions are answered of what there is."
        )
    if capture.recorded:
        yield (
            "It is a recording, rebuilt from what netlab saw at its sockets: the bytes, their order, the "
            "addresses and who closed are real, the times are those of the server's calls; handshakes and "
            "acknowledgements are made up, and not told of. Its packets have numbers of their own: match "
            "them with those of a capture by ports and texts."
        )
    if capture.cut_short:
        yield "The file ends inside a packet, which is left out: was the capture killed?"
    yield from unread(capture)
    every = candidates(capture, exercise)
    yield from _unexplained(capture, subjects, every, exercise)
    if any(packet.cut for each in subjects for packet in each.packets):
        yield "Of some packets only the beginning was captured (a snap length): the rest is not told of."
    others = len(capture.conversations) - len(every)
    if others > 0:
        yield f"Not told of: {counted_in(others, 'other conversation')}."
    if subjects and not any(each.ours for each in subjects):
        yield (
            "Nothing in it was recognised as the laboratory's: only the sessions are explained. Was it "
            "another port than 5005? Then say which: --port."
        )


def unread(capture: Capture) -> Iterator[str]:
    """Name the limit on packets, where the file has more.

    Args:
        capture: The facts of the file.

    Returns:
        One sentence, or none.
    """
    if capture.more:
        yield (
            f"Only its first {MAX_PACKETS:,} packets are read, and all that is said here is about these: "
            "capture less, or cut it with editcap."
        )


def _unexplained(
    capture: Capture,
    subjects: Sequence[Session | Exchange],
    every: Sequence[Session | Exchange],
    exercise: str | None,
) -> Iterator[str]:
    """The limit on conversations, where there are more, and a way to those that are left out."""
    if len(subjects) == len(every):
        return
    numbers = {(type(each), each.number) for each in subjects}
    left_out = next(each for each in every if (type(each), each.number) not in numbers)
    narrower = (
        "--exercise takes those of one exercise only. "
        if exercise is None and len(capture.variants) > 1
        else ""
    )
    yield (
        f"Only {len(subjects):,} of {len(every):,} conversations are explained: the first ones, recognized "
        f"ones before others. {narrower}To explain another one, save its packets to a file of their own: in "
        f"Wireshark, apply a display filter such as {_display_filter(left_out)}, then choose File > Export "
        "Specified Packets."
    )


def _display_filter(conversation: Session | Exchange) -> str:
    """Wireshark's filter for the client of a conversation."""
    network = "ipv6" if ":" in conversation.client.ip else "ip"
    transport = "tcp" if isinstance(conversation, Session) else "udp"
    client = conversation.client
    return f"{network}.addr == {client.ip} && {transport}.port == {client.port}"


def title(conversation: Session | Exchange) -> str:
    """A conversation as a heading."""
    variant = f", {VARIANTS[conversation.variant]}" if conversation.ours else ""
    name = conversation.name if isinstance(conversation, Session) else "client"
    return f"{name}: {conversation.client} -> {conversation.server}{variant}"


def counts(conversation: Session | Exchange) -> tuple[int, int, int]:
    """How many messages the client sent, how many of them got an answer, and how many came back in all."""
    sent = [message for message in conversation.messages if message.forth]
    answered = sum(bool(message.echoes) for message in sent)
    return len(sent), answered, len(conversation.messages) - len(sent)


def troubled(statements: Sequence[Statement]) -> set[str]:
    """The names of the conversations in which something went wrong."""
    return {each.where for each in statements if KINDS[each.kind].word == TROUBLE}


def chosen(
    subjects: Sequence[Session | Exchange], statements: Sequence[Statement], most: int
) -> list[Session | Exchange]:
    """The conversations to be drawn, where not all can be: first those in which something went wrong."""
    wrong = troubled(statements)
    kept = {each.name for each in sorted(subjects, key=lambda each: each.name not in wrong)[:most]}
    return [each for each in subjects if each.name in kept]


def by_question(statements: Sequence[Statement]) -> Iterator[tuple[Question, list[Statement]]]:
    """The statements in groups, each with the question that they answer."""
    for question, found in groupby(statements, key=lambda each: KINDS[each.kind]):
        yield question, list(found)


def by_place(statements: Sequence[Statement]) -> Iterator[tuple[str, list[Statement]]]:
    """The answers to one question in groups, one for each conversation; last what is about several."""
    places: defaultdict[str, list[Statement]] = defaultdict(list)
    for each in statements:
        places[each.where].append(each)
    for where in sorted(places, key=lambda where: where == ALL):
        yield where, places[where]


def place(where: str, subjects: Sequence[Session | Exchange]) -> str:
    """The heading of such a group."""
    if where == ALL:
        return "all together"
    return next((title(each) for each in subjects if each.name == where), where)


def lacks_threads(capture: Capture, subjects: Sequence[Session | Exchange], exercise: str | None) -> bool:
    """Is it asked which thread or key handled what, and no comment tells it?"""
    asked = exercise in ("2.2", "3.2") or (
        exercise is None and any(each.variant == "tcp" for each in subjects)
    )
    return asked and not handling.is_told(candidates(capture, exercise))
