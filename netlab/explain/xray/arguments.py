"""The command line of `netlab xray`."""

from __future__ import annotations

import argparse
import textwrap

COMMAND = "xray"

INTERVAL, TIMEOUT = 0.5, 30.0
MIN_INTERVAL, MAX_INTERVAL = 0.05, 3600.0

EPILOG = """examples:
  netlab xray -- python3 serverTCP.py                  as long as the server runs
  netlab xray 4711                                     one that runs already
  netlab xray --until-clients 2 -- python3 server.py   one picture, when two have come
  netlab xray --json -- python3 server.py | jq         one JSON object a picture

On a terminal the picture is redrawn, with the program's last lines below it. Elsewhere it is written anew
whenever it has changed, and what the program prints goes to standard error.

exit status:
  0    all is fine; Ctrl-C or SIGTERM is how it ends (COMMAND is ended, too)
  1    there is no such process; or what was waited for has not come within --timeout, or COMMAND had ended
  2    the command line is wrong
  3    this is not Linux, or there is no right to look into the process
  126  COMMAND cannot be run
  127  COMMAND was not found
  130  Ctrl-C came before the one picture
  Otherwise COMMAND's own status is this one's, 128 and its number where a signal ended it."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `xray` to the commands of `netlab`."""
    parser = commands.add_parser(
        COMMAND,
        usage="netlab xray [-h] [--interval SECONDS | --once | --until-clients N]\n"
        "                   [--timeout SECONDS] [--json] (PID | -- COMMAND ...)",
        help="show what each thread of a running program waits for",
        description=textwrap.fill(
            "Show which thread of a program is blocked in which system call, and on whose connection; which "
            "descriptors its selector watches; and which connections nobody waits for. The program needs "
            "no change and is never stopped. netlab starts COMMAND, which needs no rights, or looks at the "
            "process PID, which needs the same user and kernel.yama.ptrace_scope 0, or root. Linux.",
            78,
        ),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("pid", nargs="?", type=_pid, metavar="PID", help="the number of a process")
    when = parser.add_mutually_exclusive_group()
    when.add_argument(
        "--interval",
        type=_interval,
        default=INTERVAL,
        metavar="SECONDS",
        help=f"the time between two pictures ({INTERVAL})",
    )
    when.add_argument(
        "--once",
        action="store_true",
        help="one picture only: of a COMMAND as soon as it listens or has another socket",
    )
    when.add_argument(
        "--until-clients",
        type=_count,
        metavar="N",
        help="one picture only, as soon as N connections have come, accepted or not",
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=TIMEOUT,
        metavar="SECONDS",
        help=f"how long these two wait, at most ({TIMEOUT:g})",
    )
    parser.add_argument("--json", action="store_true", help="write one JSON object a picture, each on a line")
    parser.set_defaults(run="netlab.explain.xray.run", parser=parser)


def _pid(written: str) -> int:
    if not written.isdecimal() or int(written) == 0:
        what = "is no number of a process; a program stands behind --, with all of its words"
        raise argparse.ArgumentTypeError(f"{written!r} {what}")
    return int(written)


def _count(written: str) -> int:
    if not written.isdecimal() or int(written) == 0:
        raise argparse.ArgumentTypeError(f"{written!r} is no number of clients")
    return int(written)


def _seconds(written: str) -> float:
    try:
        seconds = float(written)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= MAX_INTERVAL:
        raise argparse.ArgumentTypeError(f"{written!r}: seconds are a number from 0 to {MAX_INTERVAL:g}")
    return seconds


def _interval(written: str) -> float:
    return max(MIN_INTERVAL, _seconds(written))
