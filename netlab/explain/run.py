"""Runs `netlab explain`: reads the capture, tells what it shows, writes the reports that are wanted."""

from __future__ import annotations

import argparse
import shutil
import sys

from netlab.explain.audit import audit, guessed
from netlab.explain.facts import Capture
from netlab.explain.reading import read
from netlab.explain.reports import html, json_, terminal, words
from netlab.explain.statements import EXERCISES
from netlab.explain.telling import subjects, tell
from netlab.report import files
from netlab.report.terminal import may_colour
from netlab.wire.text import printable, writable
from netlab.wireshark.dissection import CannotRead

EXPLAINED, LACKING, UNREADABLE = 0, 1, 2
"""Exit statuses, besides those of CannotRead."""


def run(options: argparse.Namespace) -> int:
    """Explain a capture; return the exit status."""
    try:
        capture = read(options.file, options.ports)
        if not subjects(capture):
            raise CannotRead(UNREADABLE, words.NOTHING)
        exercise = options.exercise or (guessed(capture) if options.audit else None)
        if options.audit and exercise is None:
            raise CannotRead(UNREADABLE, f"say which exercise it is for: --exercise {', '.join(EXERCISES)}")
    except CannotRead as error:
        return _fail(f"{printable(options.file)}: {error}", error.status)
    except KeyboardInterrupt:
        return 130
    try:
        return _report(options, capture, exercise)
    except files.CannotWrite as error:
        return _fail(str(error), LACKING)


def _fail(what: str, status: int) -> int:
    sys.stderr.write(writable(f"netlab explain: {what}\n", sys.stderr.encoding or "utf-8"))
    return status


def _report(options: argparse.Namespace, capture: Capture, exercise: str | None) -> int:
    told = subjects(capture, exercise)
    statements = tell(capture, exercise)
    checked = audit(capture, exercise) if options.audit and exercise is not None else []
    if options.html is not None:
        files.write(options.html, html.render(capture, told, statements, exercise=exercise, audit=checked))
    if options.json is not None:
        files.write(options.json, json_.render(capture, told, statements, checked, exercise))
    if options.html is None and options.json is None:
        width, encoding = shutil.get_terminal_size((100, 24)).columns, sys.stdout.encoding or "utf-8"
        colour = may_colour(sys.stdout)
        if options.audit and exercise is not None:
            text = terminal.audited(capture, exercise, checked, width, colour=colour, encoding=encoding)
        else:
            text = terminal.render(
                capture,
                told,
                statements,
                width,
                exercise=exercise,
                colour=colour,
                all=options.all,
                encoding=encoding,
            )
        sys.stdout.write(text)
    elif options.html not in (None, files.STDOUT):
        sys.stderr.write(
            writable(
                f"netlab explain: {printable(options.html)}: {len(statements):,} statements; open it in a "
                "browser\n",
                sys.stderr.encoding or "utf-8",
            )
        )
    return LACKING if any(each.needed and not each.met for each in checked) else EXPLAINED
