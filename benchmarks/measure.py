"""One run: a fresh server, a warm-up, the load, and what the server used meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.loads import Load, Loaded
from benchmarks.processes import Cores, Failed, Process
from benchmarks.results import Run
from benchmarks.scenarios import Scenario
from benchmarks.servers import command

Figures = dict[str, float]

SPARE = 100
"""Descriptors that a server has beside its connections."""


@dataclass(frozen=True)
class Bench:
    """What every run needs."""

    cores: Cores
    load: Load
    built: Mapping[str, Path]
    """Where the programs are that were compiled, by their names."""
    seconds: float
    """How long messages are sent."""
    warm_up: float
    """How long before that."""
    idle_connections: int
    """How many connections are held idle, at most."""


def measure(bench: Bench, scenario: Scenario, server: str, round: int) -> Run:
    """Measure once. What goes wrong is in the run."""
    with TemporaryDirectory() as folder:
        try:
            start = command(server, scenario, bench.built)
            with Process(start, bench.cores, Path(folder), scenario.output) as process:
                return Run(
                    scenario.name, server, round, figures=KINDS[scenario.kind](bench, scenario, process)
                )
        except Failed as error:
            return Run(scenario.name, server, round, failed=str(error))


def _figures(loaded: Loaded, cpu: float) -> Figures:
    return {
        "messages": loaded.messages,
        "seconds": loaded.seconds,
        "rate": loaded.messages / loaded.seconds,
        "mb_s": loaded.bytes / loaded.seconds / 1e6,
        "cpu_us": cpu / loaded.messages * 1e6,
        "p50_us": loaded.p50 * 1e6,
        "p99_us": loaded.p99 * 1e6,
        **({} if loaded.pings is None else {"pings": loaded.pings}),
    }


def _echo(bench: Bench, scenario: Scenario, process: Process) -> Figures:
    port = process.listening()
    bench.load.run(scenario, port, bench.warm_up)
    before = process.seconds()
    loaded = bench.load.run(scenario, port, bench.seconds)
    return _figures(loaded, process.seconds() - before)


def _fairness(bench: Bench, scenario: Scenario, process: Process) -> Figures:
    """As an echo; p50_us and p99_us are those of the pings."""
    figures = _echo(bench, scenario, process)
    if not figures["pings"]:
        raise Failed("not one ping came back beside the streams")
    return {**figures, "mean_us": figures["seconds"] / figures["pings"] * 1e6}


def _printing(bench: Bench, scenario: Scenario, process: Process) -> Figures:
    """The messages' CPU time is what was used until their last line is out; missing lines are counted."""
    output = process.output
    port = process.listening()
    bench.load.run(scenario, port, bench.warm_up)
    output.settle()
    before, lines, dropped = process.seconds(), output.lines, output.dropped
    loaded = bench.load.run(scenario, port, bench.seconds)
    ended = time.time()
    output.settle()
    figures = _figures(loaded, process.seconds() - before)
    lines, dropped = output.lines - lines, output.dropped - dropped
    if lines > loaded.messages:
        raise Failed(f"it printed {lines:,} lines for {loaded.messages:,} messages")
    took = loaded.seconds + max(0.0, output.grown - ended)
    return {
        **figures,
        "lines": lines,
        "dropped": dropped,
        "missing": 1 - lines / loaded.messages,
        "lines_rate": lines / took,
    }


def _idle(bench: Bench, scenario: Scenario, process: Process) -> Figures:
    """What each of many idle connections adds to the server's memory. The kernel's own is not in it."""
    port = process.listening()
    connections = min(bench.idle_connections, _descriptors() - SPARE)
    if connections < 1:
        raise Failed("too few descriptors may be open here: see ulimit -n")
    with bench.load.idle(scenario, port, 1):
        before = process.memory()
        with bench.load.idle(scenario, port, connections):
            return {"connections": connections, "idle_bytes": (process.memory() - before) / connections}


def _descriptors() -> int:
    """How many a process may open, at most: servers and load raise their limit to this by themselves, or
    inherit it from us.
    """
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most if most != resource.RLIM_INFINITY else 1 << 20


def _start_up(bench: Bench, scenario: Scenario, process: Process) -> Figures:
    process.listening()
    return {"start_ms": (time.time() - process.started) * 1e3, "start_cpu_ms": process.seconds() * 1e3}


KINDS: dict[str, Callable[[Bench, Scenario, Process], Figures]] = {
    "echo": _echo,
    "connects": _echo,
    "fairness": _fairness,
    "printing": _printing,
    "idle": _idle,
    "start-up": _start_up,
}
"""How each kind of scenario is measured. Each function raises Failed for what is not to be counted."""
