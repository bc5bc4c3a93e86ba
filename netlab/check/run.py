"""Runs `netlab check` and `netlab check-client`: what is to be judged, the cases, the report."""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial

from netlab import __version__
from netlab.check import cases, classroom
from netlab.check.arguments import VARIANTS, settle
from netlab.check.battery import Battery
from netlab.check.cases import Case
from netlab.check.client import PLACEHOLDER, Client
from netlab.check.client_battery import ClientBattery
from netlab.check.findings import Diagnosis, Finding, Report
from netlab.check.isolation import isolated
from netlab.check.judged import Judged
from netlab.check.programs import CannotStart, NotListening, Program
from netlab.check.reports import gradescope, html, json_, junit, terminal, words
from netlab.check.reports.progress import Progress
from netlab.check.server import Server
from netlab.check.waiting import Patience
from netlab.report import files
from netlab.report.terminal import may_colour

PASSED, FAILED, NOT_JUDGED = 0, 1, 3


def run(options: argparse.Namespace) -> int:
    """Check; return the exit status."""
    settle(options)
    try:
        chosen = cases.chosen(prefix(options), options.only, options.skip)
    except ValueError as error:
        options.parser.error(str(error))
    if options.list:
        return tell_cases(chosen)
    if options.folder is not None:
        return classroom.run(options)
    with ended_by_signals():
        report = judge(options, chosen)
    return shown(options, report)


def prefix(options: argparse.Namespace) -> str:
    """What the ids of the cases begin with."""
    variant = VARIANTS[options.variant]
    return f"client-{variant}" if options.side == "client" else variant


def tell_cases(chosen: list[Case]) -> int:
    """List the cases."""
    width = max((len(case.id) for case in chosen), default=0)
    for case in chosen:
        sys.stdout.write(f"{case.id:{width}}  {case.level.value:6}  {case.requirement}\n")
    return PASSED


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Have SIGTERM and SIGHUP end this as Ctrl-C does, so that the program that is checked is ended, too."""

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    numbers = [signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
        numbers.append(signal.SIGHUP)
    before = [signal.signal(number, leave) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def judge(options: argparse.Namespace, chosen: list[Case]) -> Report:
    """Put the program to these cases."""
    begun, started = time.monotonic(), datetime.now().astimezone().isoformat(timespec="seconds")
    notes: list[str] = []
    findings: list[Finding] = []
    battery: Battery | None = None
    trouble = ""
    try:
        if options.program:
            notes += prepared(options)
        battery = _battery(options)
        findings += told(battery, chosen)
    except (CannotStart, NotListening) as error:
        trouble = str(error)
    finally:
        if battery is not None:
            battery.end()
    diagnoses, unexplained = ([], []) if battery is None or trouble else explained(battery)
    return Report(
        title(options),
        options.variant,
        options.side,
        findings,
        diagnoses,
        unexplained,
        [*notes, *limits_of(options, len(chosen))],
        started,
        time.monotonic() - begun,
        trouble,
        {"netlab": __version__, "Python": platform.python_version(), "system": platform.platform(terse=True)},
    )


def told(battery: Battery, chosen: list[Case]) -> Iterator[Finding]:
    """The findings, with a line that shows how far it has come."""
    with Progress(sys.stderr) as progress:
        for number, case in enumerate(chosen, 1):
            progress.case(number, len(chosen), case.id)
            yield battery.judge(case)


def explained(battery: Battery) -> tuple[list[Diagnosis], list[str]]:
    """What is wrong, and the failed cases that this does not explain. Of many mistakes it takes seconds."""
    with Progress(sys.stderr) as progress:
        progress.say("looking for what explains this")
        return battery.diagnosed()


def prepared(options: argparse.Namespace) -> list[str]:
    """See that the program can be run, and go where its port is free; return what is to be noted."""
    word = options.program[0]
    if shutil.which(word) is None:
        if os.path.dirname(word) and os.path.exists(word):
            raise CannotStart(f"{word!r} cannot be run: it is no program (python3 {word} may be meant)")
        raise CannotStart(f"there is no command {word!r}: check its name, or its path")
    why = isolated()
    if not why:
        return []
    return [f"{why}: the program shares this machine's ports, and one check at a time can use a port"]


def _battery(options: argparse.Namespace) -> Battery:
    """What puts the program to the cases. Raises CannotStart where nobody is there."""
    if options.side == "client":
        return ClientBattery(_client(options), again=partial(again, options))
    return Battery(_server(options), fresh=not options.keep, again=partial(again, options))


def _client(options: argparse.Namespace) -> Client:
    patience = Patience(options.patience)
    variant = VARIANTS[options.variant]
    port = options.port
    if port is None and any(PLACEHOLDER in word for word in options.program):
        port = 0
    client = Client(variant, options.echo, options.layout, patience, port=port)
    client.start = lambda limits: Program(client.command(options.program), limits, True).__enter__()
    return client


def _server(options: argparse.Namespace) -> Server:
    patience = Patience(options.patience)
    variant = VARIANTS[options.variant]
    server = Server(variant, ("", 0), options.echo, options.layout, patience, options.port)
    if options.program:
        server.start = lambda limits: Program(options.program, limits).__enter__()
        return server
    server.address = resolved(options)
    if variant != "udp":
        try:
            server.connect().drop()
        except Judged as judged:
            raise CannotStart(f"{judged.summary}: start the server, or check the address") from None
    return server


def resolved(options: argparse.Namespace) -> tuple[str, int]:
    """HOST:PORT as an address. Raises CannotStart for a name that nobody knows."""
    host, port = options.address
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise CannotStart(f"{host}: no such host ({getattr(error, 'strerror', None) or error})") from None
    found.sort(key=lambda each: each[0] is not socket.AF_INET)
    return found[0][4][:2]  # type: ignore[return-value]


def title(options: argparse.Namespace) -> str:
    """What is checked."""
    flags = [options.variant, *(["--echo"] if options.echo else [])]
    if options.layout != "guide":
        flags += ["--layout", options.layout]
    target = ["--", *options.program] if options.program else [options.where]
    return shlex.join([*flags, *target])


def again(options: argparse.Namespace, id: str) -> str:
    """The command that runs one case again."""
    command = "netlab check" if options.side == "server" else "netlab check-client"
    patience = f" --patience {options.patience:g}" if options.patience != 1 else ""
    port = f" --port {options.port}" if options.port else ""
    flags, dashes, target = title(options).partition(" -- ")
    if not dashes:
        flags, _, target = title(options).rpartition(" ")
    return f"{command} {flags}{patience}{port} --only {id}{dashes or ' '}{target}"


def limits_of(options: argparse.Namespace, count: int) -> list[str]:
    """What limits the judgement. count: of the cases that were chosen."""
    notes = []
    if options.only or options.skip:
        every = len(cases.chosen(prefix(options)))
        notes.append(f"chosen (--only, --skip): {count} of {every} cases; the others were not run")
    if options.side == "server" and not options.program:
        notes.append(
            "netlab has not started this server: what it prints, and what it leaves open, was not seen"
        )
        if not options.echo and options.variant != "tcp":
            notes.append(
                "without --echo nothing comes back: only that it lives, and how it closes, was judged"
            )
    if sys.platform == "win32" and options.program:
        notes.append("on Windows programs run without limits of memory, processor time and descriptors")
    return notes


def shown(options: argparse.Namespace, report: Report) -> int:
    """Print the report, write the others that are wanted; return the exit status."""
    wanted = (
        (options.json, json_.render),
        (options.junit, junit.render),
        (options.html, html.render),
        (options.gradescope, gradescope.render),
    )
    to_stdout = [path for path, _ in wanted if path == "-"]
    try:
        for path, render in wanted:
            if path is not None:
                files.write(path, render(report))
    except files.CannotWrite as error:
        sys.stderr.write(f"netlab check: {error}\n")
        return NOT_JUDGED
    stream = sys.stderr if to_stdout else sys.stdout
    stream.write(
        terminal.render(
            report,
            shutil.get_terminal_size((100, 24)).columns,
            colour=may_colour(stream),
            verbose=options.verbose,
            encoding=stream.encoding or "utf-8",
        )
    )
    return {words.PASS: PASSED, words.FAIL: FAILED, words.NOT_JUDGED: NOT_JUDGED}[words.outcome(report)]
