"""A report, read back from its JSON: what another process of netlab has judged."""

from __future__ import annotations

import json
from typing import Any

from netlab.check.findings import Closing, Diagnosis, Finding, Level, Report, Step, Verdict


def loaded(text: str) -> Report:
    """The report that json_.render() has written. Raises ValueError for anything else."""
    try:
        return _report(json.loads(text))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"this is no report: {error}") from None


def _report(found: dict[str, Any]) -> Report:
    return Report(
        title=found["title"],
        variant=found["variant"],
        side=found["side"],
        findings=[_finding(each) for each in found["findings"]],
        diagnoses=[_diagnosis(each) for each in found["diagnoses"]],
        unexplained=found["unexplained"],
        notes=found["notes"],
        started=found["started"],
        seconds=found["seconds"],
        trouble=found["trouble"],
        versions=found["versions"],
    )


def _finding(found: dict[str, Any]) -> Finding:
    return Finding(
        **{
            **found,
            "level": Level(found["level"]),
            "verdict": Verdict(found["verdict"]),
            "closing": Closing(found["closing"]) if found["closing"] else None,
            "steps": [Step(**each) for each in found["steps"]],
        }
    )


def _diagnosis(found: dict[str, Any]) -> Diagnosis:
    return Diagnosis(**{**found, "ties": [_diagnosis(each) for each in found["ties"]]})
