"""A report as JSON, for programs: all that is known, under names that stay."""

from __future__ import annotations

import json
from typing import Any, TypedDict

from netlab.check.findings import Diagnosis, Finding, Level, Report, Step
from netlab.check.reports import words

VERSION = 1
"""Of the names and their meaning. Names may be added in the same version; none goes or changes meaning."""


class Score(TypedDict):
    """Of the cases of one level."""

    passed: int
    judged: int
    percent: float | None


class StepObject(TypedDict):
    """findings.Step"""

    way: str
    title: str
    rows: list[str]


class FindingObject(TypedDict):
    """findings.Finding; level, verdict and closing are the words of their vocabularies."""

    id: str
    level: str
    requirement: str
    guide: str
    clause: str
    verdict: str
    summary: str
    closing: str | None
    steps: list[StepObject]
    expected: str
    stderr: list[str]
    again: str
    seconds: float


class DiagnosisObject(TypedDict):
    """findings.Diagnosis"""

    name: str
    title: str
    explanation: str
    code: str
    guide: str
    ids: list[str]
    also: list[str]
    ties: list[DiagnosisObject]


class ReportObject(TypedDict):
    """findings.Report, with what follows from it: outcome (PASS, FAIL, NOT JUDGED), core and robust."""

    version: int
    title: str
    variant: str
    side: str
    outcome: str
    core: Score
    robust: Score
    findings: list[FindingObject]
    diagnoses: list[DiagnosisObject]
    unexplained: list[str]
    notes: list[str]
    started: str
    seconds: float
    trouble: str
    versions: dict[str, str]


def document(report: Report) -> ReportObject:
    """The report as what JSON has: objects, lists, texts and numbers."""
    return {
        "version": VERSION,
        "title": report.title,
        "variant": report.variant,
        "side": report.side,
        "outcome": words.outcome(report),
        "core": _score(report, Level.CORE),
        "robust": _score(report, Level.ROBUST),
        "findings": [_finding(each) for each in report.findings],
        "diagnoses": [_diagnosis(each) for each in report.diagnoses],
        "unexplained": list(report.unexplained),
        "notes": list(report.notes),
        "started": report.started,
        "seconds": round(report.seconds, 3),
        "trouble": report.trouble,
        "versions": dict(report.versions),
    }


def render(report: Report) -> str:
    """The same as text, in ASCII; what other programs could not take for text is escaped (P1)."""
    return json.dumps(_whole(document(report)), indent=2) + "\n"


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return words.whole(value)
    if isinstance(value, dict):
        return {_whole(key): _whole(each) for key, each in value.items()}
    return [_whole(each) for each in value] if isinstance(value, list) else value


def _score(report: Report, level: Level) -> Score:
    passed, judged = words.score(report.of(level))
    return {"passed": passed, "judged": judged, "percent": words.percent(passed, judged)}


def _finding(finding: Finding) -> FindingObject:
    return {
        "id": finding.id,
        "level": finding.level.value,
        "requirement": finding.requirement,
        "guide": finding.guide,
        "clause": finding.clause,
        "verdict": finding.verdict.value,
        "summary": finding.summary,
        "closing": finding.closing.value if finding.closing else None,
        "steps": [_step(each) for each in finding.steps],
        "expected": finding.expected,
        "stderr": list(finding.stderr),
        "again": finding.again,
        "seconds": round(finding.seconds, 3),
    }


def _step(step: Step) -> StepObject:
    return {"way": step.way, "title": step.title, "rows": list(step.rows)}


def _diagnosis(diagnosis: Diagnosis) -> DiagnosisObject:
    return {
        "name": diagnosis.name,
        "title": diagnosis.title,
        "explanation": diagnosis.explanation,
        "code": diagnosis.code,
        "guide": diagnosis.guide,
        "ids": list(diagnosis.ids),
        "also": list(diagnosis.also),
        "ties": [_diagnosis(each) for each in diagnosis.ties],
    }
