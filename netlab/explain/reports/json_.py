"""An explanation as JSON: for scripts, and for whoever grades."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from netlab.explain.audit import Checked
from netlab.explain.facts import Capture, Exchange, Message, Session
from netlab.explain.reports import words
from netlab.explain.statements import KINDS, Statement
from netlab.explain.telling import candidates

FORMAT = 1
"""Goes up when a field changes its meaning or goes away; new ones may come at any time."""


def render(
    capture: Capture,
    subjects: Sequence[Session | Exchange],
    statements: Sequence[Statement],
    audit: Sequence[Checked] = (),
    exercise: str | None = None,
) -> str:
    """Write one object, ended by a newline. Times are seconds since the capture's first packet.

    Args:
        capture: The facts of the file.
        subjects: The conversations that are explained.
        statements: All statements about them.
        audit: The requirements of the exercise, with the result of each.
        exercise: The exercise that is answered; None for all.

    Returns:
        The JSON text.
    """
    whole = {
        "format": FORMAT,
        "file": capture.file,
        "packets": capture.count,
        "seconds": capture.seconds,
        "recording": capture.recorded,
        "cut_short": capture.cut_short,
        "more_packets": capture.more,
        "conversations_left_out": len(candidates(capture, exercise)) - len(subjects),
        "limits": list(words.limits(capture, subjects, exercise)),
        "conversations": [_conversation(each) for each in subjects],
        "statements": [_statement(each) for each in statements],
        "audit": [each._asdict() for each in audit],
    }
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def _conversation(conversation: Session | Exchange) -> dict[str, Any]:
    return {
        "name": conversation.name,
        "transport": "tcp" if isinstance(conversation, Session) else "udp",
        "client": list(conversation.client),
        "server": list(conversation.server),
        "variant": conversation.variant or None,
        "packets": [each.number for each in conversation.packets],
        "messages": [_message(each) for each in conversation.messages],
    }


def _message(message: Message) -> dict[str, Any]:
    return {
        "from": "client" if message.forth else "server",
        "packets": list(message.packets),
        "start": message.start,
        "bytes": message.data.hex(),
        "text": message.text,
        "order": message.order,
        "size": message.size,
        "thread": message.handled.thread if message.handled else None,
        "key": message.handled.key if message.handled else None,
        "echoes": [echo.number for echo in message.echoes],
    }


def _statement(statement: Statement) -> dict[str, Any]:
    question = KINDS[statement.kind]
    return {
        "kind": statement.kind,
        "question": question.word,
        "exercises": list(question.exercises),
        "where": statement.where,
        "about": statement.about,
        "text": statement.text,
        "packets": list(statement.packets),
        "lines": list(statement.lines),
    }
