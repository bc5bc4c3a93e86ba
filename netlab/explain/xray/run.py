"""Runs `netlab xray`: starts the program or finds the process, watches it, and ends what it has started."""

from __future__ import annotations

import argparse
import os
import queue
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from netlab import proc
from netlab.explain.xray.look import DENIED, look
from netlab.explain.xray.program import CannotStart, Program
from netlab.explain.xray.screens import Screen, screen
from netlab.explain.xray.watching import Watcher
from netlab.wire.text import printable
from netlab.wireshark.attendance import watch_reader

FAILED, CANNOT = 1, 3  # exit statuses

SLICE = 0.1
"""Seconds after which it is looked whether the program has ended, while nobody looks at its threads."""

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")

YAMA = "/proc/sys/kernel/yama/ptrace_scope"


class CannotLook(Exception):
    """There is nothing to see; the argument says why and what to do."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def run(options: argparse.Namespace) -> int:
    """Watch; return the exit status."""
    if bool(options.program) == (options.pid is not None):
        options.parser.error("give the number of a process, or a program and its arguments behind --")
    if sys.platform != "linux" or not os.path.exists("/proc/self/task"):
        say("error: this needs Linux and its /proc; nothing else tells what a thread waits for")
        return CANNOT
    options.once = options.once or options.until_clients is not None
    try:
        with _told() as told:
            return _watch_program(options, told) if options.program else _watch_process(options, told)
    except (CannotLook, CannotStart) as error:
        say(f"error: {error}")
        return error.status
    except BrokenPipeError:  # who read it has seen enough
        with suppress(OSError), open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        return 0


def say(line: str) -> None:
    """Write a line to standard error: standard output is for pictures."""
    sys.stderr.write(f"netlab xray: {printable(line)}\n")
    sys.stderr.flush()


Told = Callable[[float], bool]
"""Wait so many seconds for somebody to end it; has somebody?"""


def _watch_program(options: argparse.Namespace, told: Told) -> int:
    live = not (options.once or options.json) and sys.stdout.isatty()
    keep = live and sys.stderr.isatty()  # else they would be written over each other
    with Program(options.program, keep) as program:
        watcher = Watcher(program.roots)
        with screen(options.json, live, "Ctrl-C ends it, and the program") as shown:
            if options.once:
                status = _once(options, told, watcher, shown, program.over)
                if status is not None:
                    return status
            elif _live(options, told, watcher, shown, program.over, program.lines):
                return 0
        assert program.status is not None
        program.end()  # all that it printed is there then
        for line in program.lines:
            sys.stderr.write(f"{printable(line)}\n")
        say(f"{options.program[0]} has ended, with status {program.status}")
        return program.status or (FAILED if options.once else 0)


def _watch_process(options: argparse.Namespace, told: Told) -> int:
    pid: int = options.pid
    _check_process(pid)
    live = not (options.once or options.json) and sys.stdout.isatty()

    def over() -> bool:
        return not proc.lives(pid)

    watcher = Watcher(lambda: [pid])
    with screen(options.json, live, "Ctrl-C ends it, and not the process") as shown:
        if options.once:
            status = _once(options, told, watcher, shown, over)
        else:
            status = 0 if _live(options, told, watcher, shown, over, ()) else None
    if status is None:
        say(f"process {pid} has ended")
        return FAILED if options.once else 0
    return status


def _check_process(pid: int) -> None:
    """Can it be looked at? Say what is missing. Raises CannotLook."""
    if not proc.lives(pid):
        raise CannotLook(FAILED, f"there is no process {pid}")
    seen = look(pid)
    if seen.closed:
        why = f"no right to look into process {pid}, which is {_owner(pid)}'s"
        raise CannotLook(CANNOT, f"{why}: {_remedy(pid)}")
    if seen.silent == DENIED:
        why = "what its threads wait for cannot be told exactly"
        say(f"no right to read the system calls of process {pid}{_yama()}: {why}; {_remedy(pid)}")


def _remedy(pid: int) -> str:
    root = f"look as root (sudo {shlex.quote(sys.argv[0])} xray {pid}), or " if os.geteuid() != 0 else ""
    return f"{root}let netlab start it: netlab xray -- COMMAND needs no rights"


def _owner(pid: int) -> str:
    import pwd

    try:
        user = os.stat(f"/proc/{pid}").st_uid
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
    except OSError:
        return "somebody else"


def _yama() -> str:
    with suppress(OSError), open(YAMA, encoding="ascii") as file:
        scope = file.read().strip()
        return f" (kernel.yama.ptrace_scope is {scope})" if scope != "0" else ""
    return ""


def _once(
    options: argparse.Namespace, told: Told, watcher: Watcher, shown: Screen, over: Callable[[], bool]
) -> int | None:
    """Show one picture, when there is something to see; return the exit status, None where it had ended."""
    deadline = time.monotonic() + options.timeout
    wanted = options.until_clients
    while True:
        picture = watcher.steady()
        if wanted is not None:
            met = picture.clients() >= wanted
        else:
            met = options.pid is not None or picture.has_sockets()
        if met:
            shown.show(picture)
            return 0
        if over():
            return None
        if time.monotonic() > deadline:
            shown.show(picture)
            what = f"{picture.clients()} of {wanted} clients" if wanted is not None else "no socket"
            say(f"{what} within {options.timeout:g} s; this is how it stands")
            return FAILED
        if told(max(SLICE, watcher.rest)):
            return 128 + signal.SIGINT


def _live(
    options: argparse.Namespace,
    told: Told,
    watcher: Watcher,
    shown: Screen,
    over: Callable[[], bool],
    said: Sequence[str],
) -> bool:
    """Show what is to be seen until it is over, or somebody ends it; has somebody?"""
    while True:
        picture = watcher.steady()
        if picture.processes:
            shown.show(picture, list(said))
        until = time.monotonic() + max(options.interval, watcher.rest)
        while True:
            if over():
                return False
            if told(min(SLICE, max(0.0, until - time.monotonic()))):
                return True
            if time.monotonic() >= until:
                break


@contextmanager
def _told() -> Iterator[Told]:
    """While it is entered, signals end nothing but the watching; and so does a pipe that nobody reads."""
    told: queue.SimpleQueue[None] = queue.SimpleQueue()  # may be filled in a signal handler
    numbers = [getattr(signal, name) for name in SIGNALS]
    before = {number: signal.getsignal(number) for number in numbers}

    def wait(seconds: float) -> bool:
        try:
            told.get(timeout=seconds)
        except queue.Empty:
            return False
        return True

    with ExitStack() as stack:
        for number in numbers:
            if before[number] is not signal.SIG_IGN:  # nohup wants that
                signal.signal(number, lambda *_: told.put(None))
                stack.callback(signal.signal, number, before[number])
        if not sys.stdout.isatty():
            watch_reader(sys.stdout.fileno(), lambda: told.put(None))
        yield wait
