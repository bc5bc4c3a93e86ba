"""A report as Gradescope's results.json (gradescope-autograders.readthedocs.io/en/latest/specs)."""

from __future__ import annotations

import json
from typing import Any

from netlab.check.findings import Finding, Level, Report
from netlab.check.reports import terminal, words
from netlab.wire.text import printable

MAX_SCORE = 100.0
"""Points of a program that passes all core cases, unless told otherwise."""

WIDTH = 100
"""Columns of a test's output: Gradescope shows it in a box that is narrower than most terminals."""


def document(report: Report, max_score: float | None = MAX_SCORE) -> dict[str, Any]:
    """What Gradescope reads. max_score: points for all core cases together; None: one point for each.

    The score is the core grade. Robust cases are worth no points, and their status says what came of them; a
    case that says nothing of the program has neither points nor a status. The total stands beside the tests,
    and overrides their sum: rounding costs nobody a point.
    """
    passed, judged = words.score(report.of(Level.CORE))
    most = float(judged) if max_score is None else max_score
    each = most / judged if judged else 0.0
    return {
        "score": round(most * passed / judged, 2) if judged and not report.trouble else 0.0,
        "execution_time": round(report.seconds, 3),
        "output": _said(report),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "tests": [_test(finding, round(each, 2)) for finding in report.findings],
    }


def render(report: Report, max_score: float | None = MAX_SCORE) -> str:
    """The same as text, in ASCII."""
    return json.dumps(document(report, max_score), indent=2) + "\n"


def _test(finding: Finding, points: float) -> dict[str, Any]:
    test: dict[str, Any] = {
        "number": finding.id,
        "name": printable(f"{finding.verdict.value}: {finding.requirement}"),
        "output": terminal.evidence(finding, WIDTH),
        "visibility": "visible",
        "tags": [finding.level.value],
    }
    if words.is_judged(finding):
        points = points if finding.level is Level.CORE else 0.0
        test["status"] = "failed" if finding.verdict.failed else "passed"
        test["score"] = 0.0 if finding.verdict.failed else points
        test["max_score"] = points
    return test


def _said(report: Report) -> str:
    """What stands above the tests: the grade, and what to change first."""
    parts = [words.grade(report)]
    if report.trouble:
        parts.append(f"The program could not be judged: {printable(report.trouble)}")
    parts += (terminal.diagnosed(each, WIDTH) for each in report.diagnoses)
    parts += map(printable, report.notes)
    return "\n\n".join(parts)
