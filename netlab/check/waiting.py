"""How long the checker waits: every wait has a deadline, and all of them scale with --patience."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from netlab.check import kernel

if TYPE_CHECKING:
    from netlab.check.programs import Program

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

WHOLE = 40.0
"""Seconds for all of one connection, whatever goes on there: ten times what ten megabytes need when each
message is printed. Who takes longer is too slow, and its check is to end.
"""

GAP = 0.03
"""Seconds between two pieces that are to be read one by one, where it cannot be seen when they were."""

READ = 2.0
"""Seconds for a piece to be read, where that can be seen: after that the next is sent all the same."""

STUCK = 0.2
"""Seconds in which a program takes nothing: it is thought to wait until its answers are read."""

QUIET = 0.05
"""Seconds without a byte after which no more is thought to come, once something wrong has come."""

BUSY = 10
"""How many times as long it is waited, at most, for a program that is seen to be at work."""

LEAST = 2.0
"""Seconds of processor time that such a program is granted in any case, if it is not over before: it may have
much to print before its answer.
"""


class Patience:
    """The checker's deadlines. factor: how many times longer than usual they are."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor
        self.at_work: Callable[[], bool] = lambda: False
        """Is the program at work now? While it is, an answer may still come: the machine may be busy."""
        self.spent: Callable[[], float | None] = lambda: None
        """Seconds of processor time that the program has used, where that is known: one that has had as much
        more as the deadline grants, and is still at work, works for nothing.
        """

    def watch(self, program: Program) -> None:
        """Wait for this one from now on."""
        self.at_work = lambda: program.resting() is False
        self.spent = lambda: kernel.cpu_time(program.pids)

    def over(self, seconds: float) -> Callable[[], bool]:
        """A deadline: call it to hear whether it is over."""
        begun = time.monotonic()
        spent: float | None = None
        seconds *= self.factor
        last, granted = seconds * BUSY, max(seconds, LEAST)

        def has_had_its_share() -> bool:
            nonlocal spent
            now = self.spent()
            spent = now if spent is None else spent  # from the first look on: most deadlines need none
            return spent is not None and now is not None and now - spent > granted

        def is_over() -> bool:
            nonlocal seconds
            passed = time.monotonic() - begun
            if passed < seconds:
                return False
            if passed < last and self.at_work() and not has_had_its_share():
                # All of the time anew: what it works for may be the beginning of an answer only.
                seconds = min(passed + seconds / BUSY, last)
                return False
            return True

        return is_over
