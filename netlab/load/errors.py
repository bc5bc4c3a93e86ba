"""What can go wrong under load: a closed vocabulary, counted by kind."""

from __future__ import annotations

from collections import Counter
from enum import Enum


class Kind(Enum):
    """A kind of error: its word, what is counted, and what it means."""

    REFUSED = "refused", "connections", "nobody listens there"
    NOT_CONNECTED = "not-connected", "connections", "no connection was made within --timeout"
    FAILED = "failed", "connections", "the system has given another error"
    RESET = "reset", "connections", "the server has reset the connection"
    CLOSED_EARLY = "closed-early", "connections", "the server has closed before all was answered"
    WRONG_ECHO = "wrong-echo", "answers", "what came back is not what was sent"
    SURPLUS = "surplus", "answers", "more came than was owed; does the server echo? Then say --echo"
    NO_ANSWER = (
        "no-answer",
        "messages",
        "sent, and not answered within --timeout, or before the connection ended",
    )
    NOT_SENT = "not-sent", "messages", "due, and not sent until the end"
    NOT_TAKEN = "not-taken", "connections", "the server has not read to the end within --timeout"
    LOST = "lost", "datagrams", "no echo came within --timeout"
    OVERDUE = "overdue", "datagrams", "an echo that came after it was given up"
    DOUBLED = "doubled", "datagrams", "an echo that came once more"

    def __init__(self, word: str, unit: str, meaning: str) -> None:
        self.word = word
        """Its word in reports and JSON."""
        self.unit = unit
        """What is counted."""
        self.meaning = meaning


class Errors:
    """The errors of a measurement: how many of each kind, and what was seen of the first one."""

    def __init__(self) -> None:
        self.counts: Counter[Kind] = Counter()
        self.first: dict[Kind, str] = {}

    def add(self, kind: Kind, seen: str = "", count: int = 1) -> None:
        """Count some of a kind. seen: what there was to be seen."""
        if count:
            self.counts[kind] += count
            if seen:
                self.first.setdefault(kind, seen)

    @property
    def total(self) -> int:
        return self.counts.total()
