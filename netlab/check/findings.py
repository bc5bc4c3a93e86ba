"""What comes out of a check: a verdict for each case, the evidence for it, and the diagnosis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum


class Verdict(Enum):
    """What is said of one case: a closed vocabulary."""

    OK = "OK"
    """As it should be."""
    LOOSE = "LOOSE"
    """Not as it should be, but a tolerant peer takes it."""
    INFO = "INFO"
    """Nothing to be judged: it is told, or it could not be seen."""
    FAIL = "FAIL"
    """Something else came than what is required."""
    TIMEOUT = "TIMEOUT"
    """What is required did not come in time."""
    ERROR = "ERROR"
    """The checker's own trouble: nothing is said of the program."""

    @property
    def failed(self) -> bool:
        """Does the program not do what the case asks?"""
        return self in (Verdict.FAIL, Verdict.TIMEOUT)


class Level(Enum):
    """What a case is for."""

    CORE = "core"
    """What the guide asks for: grade and exit status count these."""
    ROBUST = "robust"
    """Good engineering: the next thing to learn."""


class Closing(Enum):
    """How a connection ended, as the checker saw it: a closed vocabulary."""

    CLEAN = "clean"
    """The program closed after the checker's FIN, with one of its own."""
    FIRST = "closed first"
    """The program sent its FIN before the checker did."""
    RESET = "reset"
    """The program, or its end, reset the connection."""
    OPEN = "left open"
    """The program did not close it in time."""
    OURS = "ended by the checker"
    """The checker ended it, without asking for more."""


@dataclass(frozen=True)
class Step:
    """One thing that was sent or came, for people: as it is shown in a report."""

    way: str
    """`>>` what the checker sent, `<<` what it received, `--` what happened."""
    title: str
    """What it is, in a few words; safe to print."""
    rows: Sequence[str] = ()
    """The fields' names over their bytes in hex (netlab.wire.fields), or other lines below the title."""


@dataclass(frozen=True)
class Finding:
    """What one case found."""

    id: str
    level: Level
    requirement: str
    """What is asked for, in one sentence."""
    guide: str
    """The place in the lab guide: a chapter's or an exercise's number."""
    clause: str
    """The rule in docs/protocol.md."""
    verdict: Verdict
    summary: str = ""
    """What was found, in one line."""
    closing: Closing | None = None
    """How the case's last connection ended; None where there was none."""
    steps: Sequence[Step] = ()
    """What was sent and what came, of the exchange that decided."""
    expected: str = ""
    """What should have come, for people."""
    stderr: Sequence[str] = ()
    """The last lines that the program wrote to standard error, safe to print; where netlab started it."""
    again: str = ""
    """The command that runs this case again."""
    seconds: float = 0.0


@dataclass(frozen=True)
class Diagnosis:
    """A mistake that predicts what was seen, where the right behaviour does not."""

    name: str
    """The mistake's stable name: `one-recv`."""
    title: str
    """The mistake in one line."""
    explanation: str
    """What happens because of it, in a few sentences."""
    code: str
    """The line of code that it usually is, and what it should be."""
    guide: str
    """Where in the guide to look."""
    ids: Sequence[str] = ()
    """The cases that it explains: the program has not passed them."""
    also: Sequence[str] = ()
    """Cases that were passed all the same, but in which it shows: by an exception on standard error."""
    ties: Sequence[Diagnosis] = ()
    """Other mistakes that predict the same: which of them it is cannot be told from outside."""


@dataclass(frozen=True)
class Report:
    """One checked program."""

    title: str
    """What was checked, for people: `tcpv3 127.0.0.1:5005`, `tcpv3 -- python3 server.py`."""
    variant: str
    side: str
    """`server` or `client`: what the program is."""
    findings: Sequence[Finding]
    diagnoses: Sequence[Diagnosis] = ()
    """Together they predict all that was seen."""
    unexplained: Sequence[str] = ()
    """The failed cases that no diagnosis explains."""
    notes: Sequence[str] = ()
    """What limits the judgement: what could not be seen, and what was not there (namespaces, limits)."""
    started: str = ""
    """When, in local time, ISO 8601."""
    seconds: float = 0.0
    trouble: str = ""
    """Why the program could not be judged at all; empty where it was."""
    versions: dict[str, str] = field(default_factory=dict)

    def of(self, level: Level) -> list[Finding]:
        """The findings of one level."""
        return [each for each in self.findings if each.level is level]

    @property
    def grade(self) -> tuple[int, int]:
        """How many core cases were passed, and how many were judged."""
        judged = [each for each in self.of(Level.CORE) if each.verdict not in (Verdict.INFO, Verdict.ERROR)]
        return sum(not each.verdict.failed for each in judged), len(judged)

    @property
    def passed(self) -> bool:
        """Did it do all that the guide asks for?"""
        return not self.trouble and not any(each.verdict.failed for each in self.of(Level.CORE))
