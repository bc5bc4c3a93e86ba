"""Deadlines that do not move when somebody sets the clock."""

from __future__ import annotations

import time
from typing import Any

from twisted.python import runtime


def use_monotonic_clock(reactor: Any) -> None:
    """Have a reactor measure time with a clock that nobody can set.

    Twisted's reactors use time.time(). Set forward, it ends every deadline at once; set back, none ends for
    as long. To be called before anything is scheduled. A reactor with a clock of its own, such as the one of
    a test, keeps it.

    Args:
        reactor: A provider of Twisted's IReactorTime.
    """
    if getattr(reactor, "seconds", None) is runtime.seconds:
        reactor.seconds = time.monotonic
