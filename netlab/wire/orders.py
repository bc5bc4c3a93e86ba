"""Order numbers: which comes next, and what is odd about one: only a note (docs/protocol.md, O1-O3)."""

from __future__ import annotations

FIRST = 1
LAST = 0xFFFFFFFF

ZERO = "order-zero"
REPEAT = "order-repeat"
JUMP = "order-jump"
NOTES = (ZERO, REPEAT, JUMP)
"""The closed vocabulary of notes (O3)."""


def following(order: int) -> int:
    """The order after this one: one more, and 0 after 4,294,967,295 (O2)."""
    return (order + 1) & LAST


class Orders:
    """The order numbers of one stream, one after the other."""

    __slots__ = ("expected", "previous")

    def __init__(self) -> None:
        self.expected = FIRST
        self.previous: int | None = None

    def note(self, order: int) -> str | None:
        """Take the next order number; return the word of its note, or None where it is the one that was
        expected (O3).
        """
        expected, previous = self.expected, self.previous
        self.expected, self.previous = following(order), order
        if order == expected:
            return None
        if order == 0:
            return ZERO
        return REPEAT if order == previous else JUMP

    def follow(self, orders: list[int | None]) -> bool:
        """Are these the next expected ones? Then take them: none has a note. Else take none.

        False, too, where 4,294,967,295 is among them: note() knows what comes after it.
        """
        end = self.expected + len(orders)
        if end > LAST or orders != list(range(self.expected, end)):
            return False
        if orders:
            self.expected, self.previous = end, end - 1
        return True
