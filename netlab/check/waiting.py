"""How long the checker waits: every wait has a deadline, and all of them scale with --patience."""

from __future__ import annotations

import time
from collections.abc import Callable

ANSWER = 1.0
"""Seconds for an answer: a program that has nothing else to do needs a thousandth of it."""

CLOSE = 2.0
"""Seconds for a connection to be closed: what netlab's own servers linger (docs/protocol.md, C4)."""

PARTING = 0.25
"""Seconds for the same where nothing hangs on it: a hundred partings from a program that never closes are
not to take minutes.
"""

START = 5.0
"""Seconds for a program to listen, or to connect: an interpreter that is loaded from a cold disk."""

GAP = 0.03
"""Seconds between two pieces that are to be read one by one, where it cannot be seen when they were."""

READ = 2.0
"""Seconds for a piece to be read, where that can be seen: after that the next is sent all the same."""

STUCK = 0.2
"""Seconds in which a program takes nothing: it is thought to wait until its answers are read."""

QUIET = 0.05
"""Seconds without a byte after which no more is thought to come, once something wrong has come."""

BUSY = 10
"""How many times as long it is waited for a program that is seen to be at work."""


class Patience:
    """The checker's deadlines. factor: how many times longer than usual they are."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor
        self.at_work: Callable[[], bool] = lambda: False
        """Is the program at work now? While it is, an answer may still come: the machine may be busy."""

    def over(self, seconds: float) -> Callable[[], bool]:
        """A deadline: call it to hear whether it is over."""
        begun = time.monotonic()
        seconds *= self.factor
        last = seconds * BUSY

        def is_over() -> bool:
            nonlocal seconds
            passed = time.monotonic() - begun
            if passed < seconds:
                return False
            if passed < last and self.at_work():
                # All of the time anew: what it works for may be the beginning of an answer only.
                seconds = min(passed + seconds / BUSY, last)
                return False
            return True

        return is_over
