"""Run `netlab check` in a process of its own, and read its report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from tests.support import ROOT

DEADLINE = 600.0
"""Seconds for all cases, on a machine that is busy with other tests."""

WRONG = ROOT / "tests" / "plain" / "wrong"


class Judgement(NamedTuple):
    """What it printed, and its report."""

    status: int
    output: str
    errors: str
    report: dict[str, Any]

    @property
    def failed(self) -> set[str]:
        """The ids of the cases that were not passed."""
        return {
            each["id"] for each in self.report["findings"] if each["verdict"] in ("FAIL", "TIMEOUT", "ERROR")
        }

    @property
    def diagnoses(self) -> set[str]:
        return {each["name"] for each in self.report["diagnoses"]}

    def why(self) -> str:
        """All that failed, for the message of an assertion."""
        return "\n".join(
            f"{each['id']} {each['verdict']}: {each['summary']} {each['stderr'][-1:]}"
            for each in self.report["findings"]
            if each["verdict"] != "OK"
        )


def judge(
    *arguments: str, command: str = "check", folder: str | Path = ROOT, env: dict[str, str] | None = None
) -> Judgement:
    """Run it with these arguments."""
    with TemporaryDirectory() as place:
        path = Path(place) / "report.json"
        own, program = divided(arguments)
        done = subprocess.run(
            [sys.executable, "-m", "netlab", command, *own, "--json", str(path), *program],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        report = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return Judgement(done.returncode, done.stdout, done.stderr, report)


def skipping(ids: Iterable[str]) -> list[str]:
    """The options that leave these cases out."""
    return [word for id in ids for word in ("--skip", id)]


def isolation_is_possible() -> bool:
    """Can a check have a network of its own here?"""
    probe = "import sys; from netlab.check.isolation import isolated; sys.exit(bool(isolated()))"
    return subprocess.run([sys.executable, "-c", probe], cwd=ROOT, check=False, timeout=60).returncode == 0


def divided(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The arguments before `--`, and all from there on."""
    words = list(arguments)
    at = words.index("--") if "--" in words else len(words)
    return words[:at], words[at:]
