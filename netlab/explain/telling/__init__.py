"""Tells what a capture shows: one module a question of the guide's, each from facts to statements."""

from __future__ import annotations

from collections.abc import Iterator

from netlab.explain.facts import Capture, Exchange, Session
from netlab.explain.statements import EXERCISES, KINDS, QUESTIONS, Statement
from netlab.explain.telling import echoes, encoding, ends, handling, ports, sessions, trouble

MODULES = (ports, sessions, handling, encoding, echoes, ends, trouble)


def tell(capture: Capture, exercise: str | None = None) -> list[Statement]:
    """All statements, or those that answer one exercise, in the order of the questions."""
    found = [
        each
        for module in MODULES
        for each in module.tell(capture, subjects(capture, exercise))
        if exercise is None or exercise in KINDS[each.kind].exercises
    ]
    order = [question.word for question in QUESTIONS]
    return sorted(found, key=lambda each: order.index(KINDS[each.kind].word))


def subjects(capture: Capture, exercise: str | None = None) -> list[Session | Exchange]:
    """The conversations that are told of: the laboratory's, or all where none is; of these, those of one
    exercise, if there are any.
    """
    ours = list(_ours(capture)) or [each for each in capture.conversations if isinstance(each, Session)]
    wanted = [each for each in ours if each.variant == EXERCISES.get(exercise or "")]
    return wanted or ours


def _ours(capture: Capture) -> Iterator[Session | Exchange]:
    """What the dissector knows, what else goes to the same servers, and who was not let in there."""
    servers = {(type(each), each.server) for each in capture.conversations if each.ours}
    machines = {server.ip for _, server in servers}
    for each in capture.conversations:
        failed = isinstance(each, Session) and each.syn_ack is None and each.server.ip in machines
        if each.ours or failed or (type(each), each.server) in servers:
            yield each
