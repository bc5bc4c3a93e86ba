"""Runs `netlab load`: what is to be loaded, the rounds, the reports."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from netlab.load.arguments import settle
from netlab.load.targets import CANNOT, USAGE, CannotLoad, named, place, target
from netlab.report import files
from netlab.report.live import Line
from netlab.report.terminal import may_colour
from netlab.wire.text import writable

if TYPE_CHECKING:
    from netlab.load.compare import Outcome
    from netlab.load.engine import Stop

ANSWERED, ERRORS, INTERRUPTED = 0, 1, 130
"""Exit statuses, besides those of CannotLoad."""

SPARE = 40
"""Descriptors that are needed beside the connections."""

SELECTABLE = 500
"""Connections where there is only select(), as on Windows: it takes 512 sockets."""

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")

MISSING = "it needs {}: pip install 'netlab[load]'"


def run(options: argparse.Namespace) -> int:
    """Load; return the exit status."""
    settle(options)
    try:
        return _run(options)
    except CannotLoad as error:
        if error.status == USAGE:
            options.parser.error(str(error))
        return _fail(str(error), error.status)
    except files.CannotWrite as error:
        return _fail(str(error), ERRORS)


def _fail(what: str, status: int) -> int:
    _say(what)
    return status


def _say(what: str) -> None:
    sys.stderr.write(writable(f"netlab load: {what}\n", sys.stderr.encoding or "utf-8"))


def _run(options: argparse.Namespace) -> int:
    _see_libraries(options)
    # What counts latencies needs a library that only this command has.
    from netlab.load.compare import Entrant, contest
    from netlab.load.engine import Settings, Stop
    from netlab.load.reports import words

    written = [place(options.where)] if options.compare is None else [*map(target, options.compare)]
    _make_room(options.connections)
    settings = Settings(
        format=options.format,
        echo=options.echo,
        layout=options.layout,
        connections=options.connections,
        pipeline=options.pipeline,
        size=options.size,
        duration=options.duration,
        rate=options.rate,
        timeout=options.timeout,
        late=options.late / 1e3,
    )
    entrants = [Entrant(name, each) for name, each in zip(named(written), written, strict=True)]
    stop = Stop()
    with Line(sys.stderr) as line, _told(stop):
        outcome = contest(
            settings,
            entrants,
            options.rounds if options.compare else 1,
            stop,
            owned=options.owned,
            shown=lambda *moment: line.show(words.live(settings, len(entrants) > 1, *moment)),
        )
    return _report(options, outcome)


def _see_libraries(options: argparse.Namespace) -> None:
    """Raises CannotLoad where a library is missing, before any load is made."""
    if find_spec("hdrh") is None:
        raise CannotLoad(CANNOT, MISSING.format("hdrhistogram"))
    if options.html is not None and find_spec("pygal") is None:
        raise CannotLoad(CANNOT, "--html: " + MISSING.format("pygal"))


def _make_room(connections: int) -> None:
    """See that so many connections can be open. Raises CannotLoad where they cannot."""
    needed = connections + SPARE
    try:
        import resource
    except ImportError:
        if connections > SELECTABLE:
            raise CannotLoad(USAGE, f"--connections: {SELECTABLE} at most on this system") from None
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    except (OSError, ValueError):
        raise CannotLoad(
            USAGE,
            f"--connections {connections:,}: a process may have {hard:,} descriptors here, and {SPARE} are "
            "needed for other things: lower it, or raise the limit (ulimit -n)",
        ) from None


@contextmanager
def _told(stop: Stop) -> Iterator[None]:
    """While it is entered, signals only ask for the end, so that what was measured is shown."""
    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}

    def ask(*_: object) -> None:
        stop.asked += 1

    for number in numbers:
        if before[number] is not signal.SIG_IGN:  # nohup wants that
            signal.signal(number, ask)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, before[number])


def _report(options: argparse.Namespace, outcome: Outcome) -> int:
    """Print the report and write the others; return the exit status."""
    from netlab.load.reports import json_, terminal

    if not any(outcome.measurements):  # it was to end before it began
        return INTERRUPTED
    stream = sys.stderr if files.STDOUT in (options.html, options.json) else sys.stdout
    stream.write(
        terminal.render(
            outcome,
            shutil.get_terminal_size((100, 24)).columns,
            colour=may_colour(stream),
            encoding=stream.encoding or "utf-8",
        )
    )
    if options.html is not None:
        from netlab.load.reports import html

        files.write(options.html, html.render(outcome))
    if options.json is not None:
        files.write(options.json, json_.render(outcome))
    if outcome.interrupted:
        return INTERRUPTED
    if outcome.trouble:
        return CANNOT
    return ERRORS if outcome.errors else ANSWERED
