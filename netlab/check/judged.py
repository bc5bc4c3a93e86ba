"""How a case says that something is not as it should be."""

from __future__ import annotations

from netlab.check.evidence import Exchange
from netlab.check.findings import Verdict


class Judged(Exception):
    """Ends a case with a verdict. summary: what was found, in one line; expected: what should have come.

    exchange: where it was seen; the last of the case, where it is not said.
    """

    def __init__(
        self, verdict: Verdict, summary: str, expected: str = "", exchange: Exchange | None = None
    ) -> None:
        super().__init__(summary)
        self.verdict = verdict
        self.summary = summary
        self.expected = expected
        self.exchange = exchange


def fail(summary: str, expected: str = "", exchange: Exchange | None = None) -> Judged:
    """Something else came than what is required."""
    return Judged(Verdict.FAIL, summary, expected, exchange)


def timeout(summary: str, expected: str = "", exchange: Exchange | None = None) -> Judged:
    """What is required did not come in time."""
    return Judged(Verdict.TIMEOUT, summary, expected, exchange)


def unseen(summary: str) -> Judged:
    """It could not be seen whether it is so."""
    return Judged(Verdict.INFO, summary)
