"""What was measured: runs, how they are kept in a file, and what is taken from several of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

VERSION = 1
"""Of the file's form."""

LEAST = frozenset({"cpu_us", "start_cpu_ms"})
"""Figures of which the least over the rounds counts: what else runs on the machine can only add to them. Of
all others it is the median.
"""


class NotOurs(Exception):
    """A file does not hold what was measured; the text is one line for people."""


@dataclass(frozen=True)
class Run:
    """One server in one scenario, once."""

    scenario: str
    server: str
    round: int
    failed: str | None = None
    """Why it is not counted."""
    figures: dict[str, float] = field(default_factory=dict)
    """messages, seconds, rate (a second), cpu_us (server CPU a message), p50_us, p99_us, mb_s; idle_bytes;
    start_ms, start_cpu_ms; lines, dropped, lines_rate.
    """


@dataclass(frozen=True)
class Results:
    """All runs, and under what circumstances they were made."""

    about: dict[str, Any]
    """command, date, machine and versions (facts by name), load, cores, rounds, seconds, quick, and
    left_out: why servers or scenarios are missing.
    """
    runs: list[Run]

    def of(self, scenario: str, server: str) -> list[Run]:
        """The runs that count."""
        return [
            run for run in self.runs if (run.scenario, run.server, run.failed) == (scenario, server, None)
        ]

    def figure(self, scenario: str, server: str, name: str) -> float | None:
        """A figure over all rounds; None where there is none."""
        found = [run.figures[name] for run in self.of(scenario, server) if name in run.figures]
        if not found:
            return None
        return min(found) if name in LEAST else median(found)

    def servers(self, scenario: str, names: Iterable[str]) -> list[str]:
        """Those of the servers that have figures in this scenario."""
        return [name for name in names if self.of(scenario, name)]

    @property
    def failed(self) -> list[Run]:
        """The runs that do not count."""
        return [run for run in self.runs if run.failed is not None]


def to_json(results: Results) -> str:
    """The file's text: a run a line."""
    about = json.dumps(results.about, indent=1, ensure_ascii=False)
    runs = ",\n".join(json.dumps(asdict(run), ensure_ascii=False) for run in results.runs)
    return f'{{"version": {VERSION},\n"about": {about},\n"runs": [\n{runs}\n]}}\n'


def from_json(text: str) -> Results:
    """What to_json() wrote. Raises NotOurs."""
    try:
        kept = json.loads(text)
        if kept["version"] != VERSION:
            raise NotOurs(
                f"these figures have the form {kept['version']}, and {VERSION} is wanted: measure anew"
            )
        return Results(kept["about"], [Run(**run) for run in kept["runs"]])
    except (ValueError, TypeError, KeyError):
        raise NotOurs("this is no file of `python -m benchmarks`") from None
