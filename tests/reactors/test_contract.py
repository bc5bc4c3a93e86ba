"""SelectorReactor keeps what Twisted asks of any reactor: see contract.py."""

from __future__ import annotations

import selectors

from netlab.reactors.selectors import SelectorReactor
from tests.reactors import contract

SYSTEM = selectors.DefaultSelector.__name__
DEVIATIONS = contract.FORGETFUL if SYSTEM in ("EpollSelector", "KqueueSelector") else {}
CASES = contract.cases(__name__, SelectorReactor, DEVIATIONS)
globals().update(CASES)


class Contract(contract.Contract):
    reactor = SelectorReactor
    cases = CASES
    deviations = DEVIATIONS
