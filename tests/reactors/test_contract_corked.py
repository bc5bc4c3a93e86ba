"""CorkedReactor keeps what Twisted asks of any reactor: see contract.py."""

from __future__ import annotations

import sys

from tests.reactors import contract
from tests.reactors.byhand import NO_EPOLL

if sys.platform == "linux":
    from netlab.reactors.corked import CorkedReactor

    CASES = contract.cases(__name__, CorkedReactor, contract.FORGETFUL)
    globals().update(CASES)

    class Contract(contract.Contract):
        reactor = CorkedReactor
        cases = CASES
        deviations = contract.FORGETFUL

else:
    Contract = contract.unavailable("Contract", NO_EPOLL)
