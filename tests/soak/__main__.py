"""`python -m tests.soak`: soaks our servers one after the other, and says on one screen what came of it."""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.soak.run import Report, Server, soak

VARIETIES = (
    ("netlab-udp", "--echo"),
    ("netlab-tcp",),
    ("netlab-tcp", "--handler", "reactor"),
    ("netlab-tcpsel",),
    ("netlab-tcpv2", "--echo"),
    ("netlab-tcpv2", "--echo", "--handler", "reactor"),
    ("netlab-tcpv3", "--echo"),
    ("netlab-tcpv3", "--echo", "--handler", "reactor"),
)
"""All our servers, with each handler."""

RESERVED = 64
"""Descriptors that a process needs beside those of its connections."""

SHOWN = 5
"""Faults of one server that are shown, so that all fits a screen."""

MEGA = 1_000_000


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    commands = sorted({command for command, *_ in VARIETIES})
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of traffic, shared by the servers (60)")
    parser.add_argument("--seed", type=int, help="of all choices; another one each time if left out")
    parser.add_argument("--clients", type=int, default=200, help="at once (200)")
    parser.add_argument("server", nargs="*", help=f"all if left out: {', '.join(commands)}")
    given = parser.parse_args(words)
    if given.seconds <= 0 or given.clients < 1:
        parser.error("--seconds and --clients must be greater than 0")
    for unknown in set(given.server) - set(commands):
        parser.error(f"there is no server {unknown!r}, only {', '.join(commands)}")
    if not Path("/proc/self/fd").exists():
        parser.error("this system does not tell what a process has, in /proc: it needs Linux")
    if given.seed is None:
        given.seed = random.SystemRandom().randrange(1_000_000)
    return given


def servers(commands: Sequence[str], seed: int) -> list[Server]:
    """What to soak: every other one is --quiet, and with the next seed the others are."""
    return [
        Server(command, tuple(options), quiet=(number + seed) % 2 == 1)
        for number, (command, *options) in enumerate(VARIETIES)
        if command in commands or not commands
    ]


def allowed(clients: int) -> int:
    """How many of so many connections this process may have at once."""
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return clients if soft == resource.RLIM_INFINITY else max(1, min(clients, soft - RESERVED))


HEADING = f"{'':46}clients messages MB sent received  MB of memory    fds threads"


def row(report: Report) -> str:
    """A line of the table. Memory, descriptors and threads are those of each time that nobody was there."""
    counts = f"{sum(report.kinds.values()):7,} {report.messages:8,} "
    traffic = f"{report.sent / MEGA:7.1f} {report.received / MEGA:8.1f}"
    memory = " ".join(f"{each.memory / MEGA:.0f}" for each in report.vitals)
    descriptors = " ".join(str(each.descriptors) for each in report.vitals)
    threads = " ".join(str(each.threads) for each in report.vitals)
    return f"{report.server!s:46}{counts}{traffic}  {memory:12} {descriptors:>8} {threads}"


def totals(reports: Sequence[Report]) -> list[str]:
    """What the table does not say."""
    kinds = sum((report.kinds for report in reports), Counter[str]())
    broken = sum((report.broken for report in reports), Counter[str]())
    lines = [f"clients that {_counts(kinds)}", f"violations in the logs: {_counts(broken) or 'none'}"]
    if excused := sum(report.excused for report in reports):
        lines.append(f"{excused:,} clients missed something while this machine was too busy to judge it")
    if dropped := sum(report.dropped for report in reports):
        lines.append(f"{dropped:,} lines of logs were dropped: what those say was not compared")
    return lines


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{word} {count:,}" for word, count in counter.most_common())


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)  # noqa: T201


def main() -> int:
    """Run; return 0 where all is well."""
    given = arguments()
    seats = allowed(given.clients)
    say(f"Soak: seed {given.seed}, {given.seconds:g} s of traffic, {seats} clients at once. To repeat it:")
    words = ["python -m tests.soak", f"--seed {given.seed} --seconds {given.seconds:g} --clients {seats}"]
    say(" ".join([*words, *given.server]))
    if seats < given.clients:
        say(f"No {given.clients} clients: ulimit -n lets this process have no more descriptors")
    say(HEADING)
    chosen = servers(given.server, given.seed)
    reports = []
    for server in chosen:
        report = soak(server, given.seed, seats, given.seconds / len(chosen))
        reports.append(report)
        say(row(report))
        for fault in report.faults[:SHOWN]:
            say(f"    {fault}")
    for line in totals(reports):
        say(line)
    faults = sum(len(report.faults) for report in reports)
    say(f"FAILED: {faults} faults" if faults else "passed")
    return 1 if faults else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped")
