"""Checks a whole class: every program in a folder, side by side where each can have a network of its own."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from netlab.check.findings import Report
from netlab.check.reports import gradescope, html, klass
from netlab.check.reports.progress import Progress
from netlab.check.reports.reading import loaded
from netlab.report import files
from netlab.wire.text import printable

OUTPUT = "netlab-check-results"

SUBMISSION = 900.0
"""Seconds that one submission may take, times --patience: all cases, if each of them times out."""

MOST_JOBS = 8
"""Submissions side by side: with more, they would wait for each other, and deadlines pass."""

PROBE = "import sys; from netlab.check.isolation import isolated; sys.exit(bool(isolated()))"


class Submission(NamedTuple):
    """What one student handed in."""

    name: str
    path: Path | None
    """The program; None where none was found."""
    why: str = ""
    """Why none was."""


def run(options: argparse.Namespace) -> int:
    """Check them all; return the exit status."""
    folder = Path(options.folder)
    try:
        found = submissions(folder, options.side)
    except OSError as error:
        return _wrong(f"cannot read {options.folder}: {error.strerror}")
    if not found:
        return _wrong(
            f"there is nothing to be checked in {options.folder}: no program, and no folder with one"
        )
    output = Path(options.output or OUTPUT)
    try:
        output.mkdir(parents=True, exist_ok=True)
        reports = _checked(options, found, output)
        pages = _written(options, reports, output)
        files.write(str(output / "class.csv"), klass.table(reports))
        files.write(str(output / "class.html"), klass.render(reports, pages, _title(options)))
    except (OSError, files.CannotWrite) as error:
        return _wrong(f"cannot write the reports: {error}")
    for row in klass.rows(reports):
        percent = "" if row.percent is None else f"{row.percent:3.0f} %"
        grade = f"core {row.core_passed:3} of {row.core_judged:3} {percent:>5}"
        what = row.trouble or row.diagnoses or row.failed
        print(f"{row.outcome:10} {grade}  {printable(row.name)}  {printable(what)}".rstrip())  # noqa: T201
    print(f"{len(reports)} submissions; {output / 'class.html'} and class.csv have the table")  # noqa: T201
    return 0


def submissions(folder: Path, side: str) -> list[Submission]:
    """What is in a folder: programs, and folders with a program in them. Hidden ones are left out."""
    found = []
    for each in sorted(folder.iterdir()):
        if each.name.startswith((".", "__")):
            continue
        if each.is_dir():
            found.append(_in_folder(each, side))
        elif each.suffix == ".py" or os.access(each, os.X_OK):
            found.append(Submission(each.name, each))
    return found


def _in_folder(folder: Path, side: str) -> Submission:
    programs = sorted(each for each in folder.rglob("*.py") if not each.name.startswith((".", "__")))
    named = [each for each in programs if side in each.name.lower()]
    if len(named or programs) == 1:
        return Submission(folder.name, (named or programs)[0])
    if not programs:
        return Submission(folder.name, None, "there is no Python program in it")
    names = ", ".join(each.name for each in (named or programs)[:4])
    return Submission(folder.name, None, f"which program is meant? {names}: one may be called {side}.py")


def _checked(options: argparse.Namespace, found: Sequence[Submission], output: Path) -> dict[str, Report]:
    alone = subprocess.run([sys.executable, "-c", PROBE], check=False, timeout=60).returncode == 0
    jobs = min(options.jobs or os.cpu_count() or 1, MOST_JOBS) if alone else 1
    if not alone:
        _tell("no networks of their own can be had here: one submission is checked after the other")
    names = files.names([each.name for each in found], "")
    reports: dict[str, Report] = {}
    pool = ThreadPoolExecutor(jobs)
    children: set[subprocess.Popen[bytes]] = set()
    try:
        results = [pool.submit(_check, options, each, output / names[each.name], children) for each in found]
        with Progress(sys.stderr) as progress:
            for number, (each, result) in enumerate(zip(found, results, strict=True), 1):
                progress.case(number, len(found), each.name)
                reports[each.name] = result.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in list(children):
            with suppress(OSError):
                child.send_signal(signal.SIGTERM)  # it then ends the program that it has started
    return reports


def _check(
    options: argparse.Namespace,
    submission: Submission,
    output: Path,
    children: set[subprocess.Popen[bytes]],
) -> Report:
    """Have a process of its own check one submission."""

    def trouble(why: str) -> Report:
        return Report(submission.name, options.variant, options.side, [], trouble=why)

    if submission.path is None:
        return trouble(submission.why)
    output.mkdir(exist_ok=True)
    report = output / "report.json"
    with suppress(FileNotFoundError):
        report.unlink()
    child = subprocess.Popen(
        [*_command(options), "--json", str(report.resolve()), "--", *_program(options, submission.path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=submission.path.resolve().parent,
    )
    children.add(child)
    try:
        _, said = child.communicate(timeout=SUBMISSION * options.patience)
        return loaded(report.read_text("utf-8"))
    except subprocess.TimeoutExpired:
        child.terminate()
        child.communicate()
        return trouble(f"it was not judged within {SUBMISSION * options.patience:g} s")
    except (OSError, ValueError):
        return trouble(f"the checker itself failed: {said.decode(errors='replace').strip()[-200:]}")
    finally:
        children.discard(child)


def _command(options: argparse.Namespace) -> list[str]:
    command = [sys.executable, "-m", "netlab", "check" if options.side == "server" else "check-client"]
    command += [options.variant, "--patience", str(options.patience)]
    command += ["--layout", options.layout] if options.layout != "guide" else []
    command += ["--echo"] * options.echo + ["--keep"] * options.keep
    for each in options.only:
        command += ["--only", each]
    for each in options.skip:
        command += ["--skip", each]
    return command + (["--port", str(options.port)] if options.port else [])


def _program(options: argparse.Namespace, path: Path) -> list[str]:
    """How a submission is started."""
    pattern = options.program
    if not pattern:
        python = shutil.which("python3") or sys.executable
        pattern = [python, "{}"] if path.suffix == ".py" else ["{}"]
    return [word.replace("{}", str(path.resolve())) for word in pattern]


def _written(options: argparse.Namespace, reports: dict[str, Report], output: Path) -> dict[str, str]:
    """Write each submission's own reports; return where its page is, seen from the table's."""
    names = files.names(reports, "")
    pages = {}
    for name, report in reports.items():
        folder = output / names[name]
        folder.mkdir(exist_ok=True)
        files.write(str(folder / "report.html"), html.render(report))
        files.write(str(folder / "results.json"), gradescope.render(report))
        pages[name] = f"{names[name]}/report.html"
    return pages


def _title(options: argparse.Namespace) -> str:
    folder = printable(Path(options.folder).resolve().name)
    return f"{options.variant}{' --echo' if options.echo else ''}: {folder}"


def _tell(line: str) -> None:
    sys.stderr.write(f"netlab check: {line}\n")


def _wrong(line: str) -> int:
    _tell(line)
    return 3
