"""What a peer can get wrong on the wire, each with its stable reason word (docs/protocol.md, R1-R8).

    Violation
    |-- WrongVersion       wrong-version   a frame begins with a byte that is not the version
    |-- WrongLayout        wrong-layout    the stream breaks as read, and makes sense in the other layout
    |-- Oversize           oversize        a header announces more than the limit
    `-- Incomplete                         a frame began and did not end:
        |-- Truncated      truncated         the peer's FIN came inside it
        `-- DeadlinePassed deadline          its time was up

The receiving side returns violations; it never raises them. They are exceptions all the same, so that a
client's Deferred can fail with one.
"""

from __future__ import annotations

from typing import ClassVar

SHOWN_BYTES = 16
"""How many bytes of an offending frame a violation keeps: one line of a hex dump, and every header of the
laboratory.
"""


class Violation(Exception):
    """One thing that a peer got wrong, at one place of its stream.

    offset: where the offending frame's first byte stands in the stream, in bytes from 0. head: the frame's
    first bytes, SHOWN_BYTES at most, as far as they have come. detail: what is wrong, in a few words, with
    the numbers, and what it is that came, where that is certain (R8). Of what the peer sent it holds numbers
    only, never text. advice: what the peer's author should do.
    """

    reason: ClassVar[str]

    def __init__(self, offset: int, head: bytes, detail: str, advice: str) -> None:
        self.offset = offset
        self.head = bytes(head[:SHOWN_BYTES])
        self.detail = detail
        self.advice = advice
        super().__init__(offset, self.head, detail, advice)

    def __str__(self) -> str:
        return f"{self.reason} at byte {self.offset} [{self.head.hex(' ')}]: {self.detail}; {self.advice}"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, Violation) and other.args == self.args

    def __hash__(self) -> int:
        return hash((type(self), self.args))


class WrongVersion(Violation):
    """A frame's first byte is not the version (R2)."""

    reason = "wrong-version"


class WrongLayout(Violation):
    """The stream breaks in the layout in which it is read, and makes sense in the other (R6)."""

    reason = "wrong-layout"


class Oversize(Violation):
    """A header announces a payload over the limit; not a byte of it was waited for (R3)."""

    reason = "oversize"


class Incomplete(Violation):
    """A frame began and did not end."""


class Truncated(Incomplete):
    """The peer's FIN came inside a frame (R4)."""

    reason = "truncated"


class DeadlinePassed(Incomplete):
    """A frame was begun and not ended in time (R5)."""

    reason = "deadline"


KINDS: tuple[type[Violation], ...] = (WrongVersion, WrongLayout, Oversize, Truncated, DeadlinePassed)

REASONS: tuple[str, ...] = tuple(kind.reason for kind in KINDS)
"""The closed vocabulary of reason words (R1)."""
