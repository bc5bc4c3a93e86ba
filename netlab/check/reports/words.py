"""What all reports say in the same words: the outcome, the grade, the groups, how a connection closed."""

from __future__ import annotations

import re
from collections.abc import Iterable

from netlab.check.findings import Closing, Diagnosis, Finding, Level, Report, Verdict
from netlab.wire.text import printable

PASS, FAIL, NOT_JUDGED = "PASS", "FAIL", "NOT JUDGED"
"""The outcome of a report: a closed vocabulary."""

NEXT = "The next thing to learn"
"""What robust cases that were not passed are called: they cost nothing."""

PROTOCOL = "docs/protocol.md"
"""Where the rules are."""

FEW = 3
"""Cases that are named where it is enough to name some."""

WAYS = {">>": "sent by the checker", "<<": "came back", "--": "what happened"}
"""How each of a step's ways is read."""

CLOSINGS = {
    Closing.CLEAN: "the program answered the checker's FIN with one of its own",
    Closing.FIRST: "the program sent its FIN before the checker did",
    Closing.RESET: "the program, or its end, reset the connection",
    Closing.OPEN: "the program did not close it in time",
    Closing.OURS: "without asking for more",
}

_SURROGATE = re.compile("[\ud800-\udfff]")


def command(report: Report) -> str:
    """What was run, in short."""
    return f"netlab check{'-client' * (report.side == 'client')} {report.title}"


def outcome(report: Report) -> str:
    """What is said of the program as a whole. Where no case was judged, nothing is."""
    if report.trouble or not any(map(is_judged, report.findings)):
        return NOT_JUDGED
    return PASS if report.passed else FAIL


def is_judged(finding: Finding) -> bool:
    """Does the case say anything of the program?"""
    return finding.verdict not in (Verdict.INFO, Verdict.ERROR)


def score(findings: Iterable[Finding]) -> tuple[int, int]:
    """How many of these cases were passed, and how many were judged."""
    judged = [each for each in findings if is_judged(each)]
    return sum(not each.verdict.failed for each in judged), len(judged)


def percent(passed: int, judged: int) -> float | None:
    """A score in percent, with one decimal; 100 only where all is passed, None where nothing was judged."""
    if not judged:
        return None
    return min(round(100 * passed / judged, 1), 100.0 if passed == judged else 99.9)


def grade(report: Report) -> str:
    """`core 31 of 34; robust 12 of 15; FAIL`."""
    parts = [
        f"{level.value} {passed} of {judged}"
        for level in Level
        for passed, judged in [score(report.of(level))]
    ]
    errors = sum(each.verdict is Verdict.ERROR for each in report.findings)
    if errors:
        parts.append(f"{errors} {Verdict.ERROR.value}")
    return "; ".join([*parts, outcome(report)])


def failures(report: Report, level: Level) -> list[Finding]:
    """The cases of a level that were not passed."""
    return [each for each in report.of(level) if each.verdict.failed]


def with_verdict(report: Report, *verdicts: Verdict) -> list[Finding]:
    """The cases of which one of these was said."""
    return [each for each in report.findings if each.verdict in verdicts]


def group(id: str) -> str:
    """What a case belongs to: `v3/split` of `v3/split/2`."""
    return id.rpartition("/")[0] or id


def groups(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """The cases by what they belong to, in their sequence."""
    found: dict[str, list[Finding]] = {}
    for each in findings:
        found.setdefault(group(each.id), []).append(each)
    return found


def closed(closing: Closing) -> str:
    """How a connection ended: its word, and what that means."""
    return f"{closing.value}: {CLOSINGS[closing]}"


def place(guide: str, clause: str = "") -> str:
    """Where to look something up. clause: a rule, or several with blanks between."""
    rules = clause.split()
    parts = [f"lab guide {guide}"] if guide else []
    if rules:
        parts.append(f"rule{'s' * (len(rules) > 1)} {', '.join(rules)} in {PROTOCOL}")
    return "; ".join(parts)


def about(report: Report) -> str:
    """What was checked, when, and with what."""
    when = report.started[:19].replace("T", " ")  # without the time zone: it is this machine's
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    ran = f"{when}, {report.seconds:.1f} s" if when else ""
    return "; ".join(filter(None, (f"{report.variant} {report.side}", ran, versions)))


def also(diagnosis: Diagnosis) -> str:
    """Where a mistake shows besides, in few words; nothing where it does not."""
    if not diagnosis.also:
        return ""
    more = len(diagnosis.also) - FEW
    named = ", ".join(diagnosis.also[:FEW]) + (f" and {more} others" if more > 0 else "")
    return f"{named} (passed all the same)"


def cases(number: int) -> str:
    """A number of cases, in words."""
    return f"{number:,} case{'s' * (number != 1)}"


def whole(text: str) -> str:
    """The text without lone surrogates, which no file can hold: they are escaped as P1 says."""
    return _SURROGATE.sub(lambda found: printable(found[0]), text)
