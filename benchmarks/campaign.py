"""All runs of one command: what can be built is built, then all is measured in random order, round by
round.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.loads import CLoad, Load, NetlabLoad
from benchmarks.machine import machine, versions
from benchmarks.measure import Bench, measure
from benchmarks.processes import Cores
from benchmarks.results import Results, Run
from benchmarks.scenarios import Scenario
from benchmarks.servers import SERVERS, CannotBuild, build, unavailable

BESIDE = 0.35
"""Seconds that a run takes beside its load, about: most of it is the server's start."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Amount:
    """How much is measured."""

    rounds: int
    seconds: float
    """How long messages are sent in each run."""
    warm_up: float
    """How long before that."""
    idle_connections: int
    repeat: bool
    """Are scenarios that are measured several times a round measured so?"""


FULL = Amount(rounds=5, seconds=1.0, warm_up=0.2, idle_connections=5000, repeat=True)
QUICK = Amount(rounds=1, seconds=0.2, warm_up=0.05, idle_connections=200, repeat=False)
"""It shows that all works; its figures say little."""


def run(
    scenarios: Sequence[Scenario],
    servers: Sequence[str],
    amount: Amount,
    command: str,
    say: Say,
    load: str | None = None,
) -> Results:
    """Measure. servers: their names. command: as it was typed. say: is told what goes on. load: `c` or
    `netlab`, the first that is there if None. Raises CannotBuild where the load is to be `c` and there is
    no compiler.
    """
    left_out: dict[str, str] = {}
    begun = time.monotonic()
    with TemporaryDirectory() as folder:
        built = _built(servers, Path(folder), left_out)
        generator = _load(Path(folder), load)
        cores = Cores()
        bench = Bench(cores, generator, built, amount.seconds, amount.warm_up, amount.idle_connections)
        tasks = _tasks(scenarios, servers, generator, amount, left_out)
        for what, why in left_out.items():
            say(f"left out: {what}: {why}")
        say(f"{len(tasks) * amount.rounds} runs, about {_minutes(tasks, amount):.0f} min; {cores.told}")
        with cores.for_load():
            runs = _all(bench, tasks, amount.rounds, say)
    about = {
        "command": command,
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "machine": machine(),
        "versions": versions(),
        "load": generator.about,
        "cores": cores.told,
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "amount": {"rounds": amount.rounds, "seconds": amount.seconds, "warm_up": amount.warm_up},
        "quick": not amount.repeat,
        "left_out": left_out,
    }
    return Results(about, runs)


def _built(servers: Sequence[str], folder: Path, left_out: dict[str, str]) -> dict[str, Path]:
    """The programs of these servers that can be compiled; why others are missing goes into left_out."""
    built = {}
    for name in servers:
        why = unavailable(name)
        if why is None and SERVERS[name].compiled:
            try:
                built[name] = build(name, folder)
            except CannotBuild as error:
                why = str(error)
        if why is not None:
            left_out[name] = why
    return built


def _load(folder: Path, wanted: str | None) -> Load:
    if wanted == "netlab":
        return NetlabLoad()
    try:
        return CLoad(build("load", folder))
    except CannotBuild:
        if wanted is not None:
            raise
        return NetlabLoad()


def _tasks(
    scenarios: Sequence[Scenario],
    servers: Sequence[str],
    load: Load,
    amount: Amount,
    left_out: dict[str, str],
) -> list[tuple[Scenario, str]]:
    """Each scenario with each of its servers, as often as it is measured in a round."""
    tasks = []
    for scenario in scenarios:
        if scenario.kind in load.kinds:
            names = [name for name in scenario.servers if name in servers and name not in left_out]
            tasks += [(scenario, name) for name in names] * (scenario.times if amount.repeat else 1)
        else:
            left_out[scenario.name] = "netlab load cannot do it, and peers/load.c needs a C compiler"
    return tasks


def _minutes(tasks: Sequence[tuple[Scenario, str]], amount: Amount) -> float:
    seconds = sum(BESIDE + (amount.seconds + amount.warm_up) * (task.kind != "start-up") for task, _ in tasks)
    return amount.rounds * seconds / 60


def _all(bench: Bench, tasks: Sequence[tuple[Scenario, str]], rounds: int, say: Say) -> list[Run]:
    """All tasks in every round, each time in another order, so that what else the machine does hits all
    alike.
    """
    runs: list[Run] = []
    for number in range(1, rounds + 1):
        for scenario, server in random.sample(tasks, len(tasks)):
            runs.append(measure(bench, scenario, server, number))
            say(f"{len(runs)}/{len(tasks) * rounds} {told(runs[-1])}")
    return runs


def told(run: Run) -> str:
    """A run in a line."""
    if run.failed is not None:
        return f"{run.scenario}, {run.server}: FAILED: {run.failed}"
    shown = {
        "rate": "{:,.0f}/s",
        "mb_s": "{:,.1f} MB/s",
        "p50_us": "p50 {:,.0f} us",
        "cpu_us": "{:.3f} us CPU each",
        "lines_rate": "{:,.0f} lines/s",
        "idle_bytes": "{:,.0f} B each",
        "start_ms": "{:.1f} ms",
    }
    figures = [form.format(run.figures[name]) for name, form in shown.items() if name in run.figures]
    return f"{run.scenario}, {run.server}: {', '.join(figures)}"
