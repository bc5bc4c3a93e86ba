"""Tells what a capture shows: one module a question of the guide's, each from facts to statements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from netlab.explain.facts import Capture, Exchange, Session
from netlab.explain.statements import ALL, EXERCISES, KINDS, QUESTIONS, Statement
from netlab.explain.telling import echoes, encoding, ends, handling, ports, sessions, trouble

MODULES = (ports, sessions, handling, encoding, echoes, ends, trouble)

MAX_CONVERSATIONS = 200
"""Conversations that are explained: more than a class has clients. A session has some 25 statements, so that
a report has some 5,000, which are computed within seconds and can still be read.
"""


def tell(capture: Capture, exercise: str | None = None) -> list[Statement]:
    """All statements, or those that answer one exercise, in the order of the questions."""
    every = candidates(capture, exercise)
    explained = _selected(every)
    found = [
        _restricted(each) if each.where == ALL and len(explained) < len(every) else each
        for module in MODULES
        for each in module.tell(capture, explained)
        if exercise is None or exercise in KINDS[each.kind].exercises
    ]
    order = [question.word for question in QUESTIONS]
    return sorted(found, key=lambda each: order.index(KINDS[each.kind].word))


def subjects(capture: Capture, exercise: str | None = None) -> list[Session | Exchange]:
    """Select the conversations that are explained: the first MAX_CONVERSATIONS candidates.

    Recognized ones are selected before others, so that a flood of failed connections hides no session.

    Args:
        capture: The facts of a file.
        exercise: An exercise of EXERCISES, to take its conversations only.

    Returns:
        The selected conversations, in the order in which they begin.
    """
    return _selected(candidates(capture, exercise))


def candidates(capture: Capture, exercise: str | None = None) -> list[Session | Exchange]:
    """Find the conversations that can be explained: the laboratory's, or all sessions where there is none.

    Args:
        capture: The facts of a file.
        exercise: An exercise of EXERCISES, to take its conversations only, if there are any.

    Returns:
        All of them, in the order in which they begin.
    """
    ours = list(_ours(capture)) or [each for each in capture.conversations if isinstance(each, Session)]
    wanted = [each for each in ours if each.variant == EXERCISES.get(exercise or "")]
    return wanted or ours


def _selected(every: Sequence[Session | Exchange]) -> list[Session | Exchange]:
    """The first MAX_CONVERSATIONS candidates, recognized ones before others."""
    first = sorted(every, key=lambda each: not each.ours)[:MAX_CONVERSATIONS]
    return sorted(first, key=lambda each: each.packets[0].number)


def _restricted(together: Statement) -> Statement:
    """A statement about several conversations, for a report that leaves out others."""
    return replace(together, text=f"Among the conversations that are explained: {together.text}")


def _ours(capture: Capture) -> Iterator[Session | Exchange]:
    """What the dissector knows, what else goes to the same servers, and who was not let in there."""
    conversations = capture.conversations
    servers = {(type(each), each.server) for each in conversations if each.ours}
    machines = {server.ip for _, server in servers}
    for each in conversations:
        failed = isinstance(each, Session) and each.syn_ack is None and each.server.ip in machines
        if each.ours or failed or (type(each), each.server) in servers:
            yield each
