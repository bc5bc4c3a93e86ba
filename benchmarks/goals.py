"""What netlab is to reach: the table of goals, each compared with what was measured in one run."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.results import Results
from benchmarks.scenarios import BY_NAME
from benchmarks.servers import SERVERS


@dataclass(frozen=True)
class Goal:
    """One figure of one server in one scenario, or how it compares with a peer's of the same run.

    at_least and reach are bounds: the one is asked for, the other aimed at.
    """

    scenario: str
    server: str
    figure: str
    at_least: float | None
    reach: float | None
    against: str | None = None
    """The peer whose figure is divided by ours: how many times as much it needs. Of start_ms, the one from
    whose it is subtracted.
    """

    @property
    def what(self) -> str:
        """Which figure it is, in words."""
        who = SERVERS[self.server].title
        if self.figure == "start_ms":
            return "start-up over an empty command"
        if self.figure == "cpu_us":
            assert self.against is not None
            return f"{BY_NAME[self.scenario].title}: {who} against {SERVERS[self.against].title}"
        return f"{BY_NAME[self.scenario].title}: {who}, {NAMES[self.figure]}"

    def value(self, results: Results) -> float | None:
        """What was reached; None where it was not measured."""
        own = results.figure(self.scenario, self.server, self.figure)
        if self.against is None or own is None:
            return own
        other = results.figure(self.scenario, self.against, self.figure)
        if other is None:
            return None
        return own - other if self.figure == "start_ms" else other / own

    def met(self, value: float, bound: float) -> bool:
        """Is it as good as this bound, or better?"""
        return value >= bound if self.figure in MORE_IS_BETTER else value <= bound

    def line(self, value: float) -> str:
        """It and what was reached, in a line for a terminal."""
        bounds = [
            f"{word} {self.verdict(value, bound)}"
            for word, bound in (("at least", self.at_least), ("reach for", self.reach))
            if bound is not None
        ]
        return f"{self.what}: {self.shown(value)} ({'; '.join(bounds)})"

    def verdict(self, value: float, bound: float) -> str:
        """A bound, and whether it was reached."""
        return f"{self.shown(bound)}: {'yes' if self.met(value, bound) else 'no'}"

    def shown(self, value: float) -> str:
        """A value or bound with its unit."""
        return FORMS[self.figure](value)


MORE_IS_BETTER = frozenset({"cpu_us", "lines_rate"})
"""cpu_us: as a ratio to a peer's."""

NAMES = {
    "p50_us": "the median of the pings",
    "idle_bytes": "memory of each",
    "lines_rate": "lines a second",
}

FORMS = {
    "cpu_us": lambda value: f"{value:.2f} x",
    "p50_us": lambda value: f"{value / 1e3:.2f} ms",
    "idle_bytes": lambda value: f"{value:,.0f} B",
    "lines_rate": lambda value: f"{value:,.0f}",
    "start_ms": lambda value: f"{value:.1f} ms",
}


def _times(
    scenario: str, against: str, at_least: float | None, reach: float | None, server: str = "netlab"
) -> Goal:
    return Goal(scenario, server, "cpu_us", at_least, reach, against)


GOALS = (
    *(
        goal
        for scenario in ("v2-64x1", "v3-64x1", "text-64x1")
        for goal in (_times(scenario, "twisted", 2.0, None), _times(scenario, "go", 0.9, 1.0))
    ),
    _times("v2-64x64", "twisted", 6.0, None),
    _times("v2-64x64", "go", 0.95, 1.0),
    _times("v3-64x64", "twisted", 5.5, None),
    _times("v3-64x64", "go", None, 1.0),
    _times("v3-mixed", "twisted", 3.5, None),
    _times("v3-mixed", "go", None, 0.7),
    _times("v2-64x64", "twisted", 1.5, 2.5, "receivers"),
    _times("v3-64x64", "twisted", 1.5, 2.5, "receivers"),
    _times("bulk", "twisted", 2.5, None),
    _times("bulk", "go", 1.0, 1.3),
    Goal("fairness", "netlab", "p50_us", 1000.0, 400.0),
    _times("connects", "go", 1.25, None),
    _times("connects", "uvloop", None, 1.0),
    _times("udp", "twisted", 1.25, None),
    _times("udp", "go", None, 0.9),
    Goal("idle", "netlab", "idle_bytes", 1200.0, 850.0),
    _times("printing-file", "plain-printing", 8.0, None, "netlab-threads"),
    _times("printing-file", "plain-printing", 8.0, None),
    Goal("printing-file", "netlab-threads", "lines_rate", None, 500_000.0),
    Goal("printing-file", "netlab", "lines_rate", None, 500_000.0),
    _times("v2-64x64", "plain-threads", 10.0, None, "netlab-threads"),
    _times("v2-64x1", "plain-threads", 1.0, None, "netlab-threads"),
    Goal("start-up", "netlab-command", "start_ms", 30.0, 10.0, "empty-command"),
)
"""The goals of the project's seventh issue. How many times as much CPU a peer needs for a message is the
measure.
"""
