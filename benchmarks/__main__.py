"""The one command, python -m benchmarks: measures all in turns, and writes the figures and the page."""

from __future__ import annotations

import argparse
import math
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.campaign import FULL, QUICK, run
from benchmarks.goals import GOALS
from benchmarks.page import PICTURES, page, pictures
from benchmarks.plots import unavailable
from benchmarks.results import NotOurs, Results, from_json, to_json
from benchmarks.scenarios import BY_NAME, Scenario
from benchmarks.servers import SERVERS, CannotBuild
from netlab.report.files import CannotWrite, write

MAX_ROUNDS, MAX_SECONDS = 100, 60.0
"""A whole night, at most."""

OUT = "build/benchmarks"
FIGURES = f"{PICTURES}/figures.json"

EPILOG = """exit status: 0    all was measured, or the page was made again 1    a run failed: a server did not
  listen, or an echo was wrong, missing or late; the others are on the page 2    the command line is wrong 3
  nothing can be measured or written: this is not Linux, a library or compiler is missing, the file of
  --from holds no figures, the folder cannot be written 130  Ctrl-C; nothing is written
  """


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    words = sys.argv[1:] if words is None else words
    parser = _parser()
    options = parser.parse_args(words)
    scenarios = [BY_NAME[name] for name in options.only or BY_NAME]
    servers = options.servers or list(SERVERS)
    if not any({*scenario.servers} & {*servers} for scenario in scenarios):
        parser.error("there is nothing to measure: none of these servers is in one of these scenarios")
    try:
        Path(options.out, PICTURES).mkdir(
            parents=True, exist_ok=True
        )  # not to find out after all is measured
        results = (
            _read(options.again)
            if options.again is not None
            else _measured(options, scenarios, servers, words)
        )
        if options.again is None or options.json is not None:
            _write(Path(options.json or Path(options.out, FIGURES)), to_json(results))
        for goal in GOALS:
            if (value := goal.value(results)) is not None:
                print(goal.line(value))
        _write_page(results, Path(options.out))
    except (CannotBuild, CannotWrite, NotOurs, OSError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130
    return 1 if results.failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure netlab's servers and their peers side by side, and write a page about it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--quick", action="store_true", help="a short round: it shows that all works, no more"
    )
    parser.add_argument(
        "--rounds",
        type=_number(int, 1, MAX_ROUNDS),
        metavar="N",
        help=f"how often each is measured ({FULL.rounds}; quick: {QUICK.rounds})",
    )
    parser.add_argument(
        "--seconds",
        type=_number(float, 0.05, MAX_SECONDS),
        metavar="S",
        help=f"for how long each time ({FULL.seconds:g}; quick: {QUICK.seconds:g})",
    )
    parser.add_argument(
        "--only", nargs="+", choices=list(BY_NAME), metavar="SCENARIO", help=f"of: {', '.join(BY_NAME)}"
    )
    parser.add_argument(
        "--servers", nargs="+", choices=list(SERVERS), metavar="SERVER", help=f"of: {', '.join(SERVERS)}"
    )
    parser.add_argument(
        "--load",
        choices=("c", "netlab"),
        help="the load generator: peers/load.c, which is compiled, or `netlab load` (c if that can be had)",
    )
    parser.add_argument(
        "--out",
        default=OUT,
        metavar="FOLDER",
        help="where performance.md and its folder are written (%(default)s)",
    )
    parser.add_argument("--json", metavar="FILE", help=f"where the figures are written (FOLDER/{FIGURES})")
    parser.add_argument(
        "--from", dest="again", metavar="FILE", help="measure nothing: make the page again from these figures"
    )
    return parser


def _number(kind: Callable[[str], Any], least: float, most: float) -> Callable[[str], Any]:
    def read(written: str) -> Any:
        try:
            number = kind(written)
        except ValueError:
            number = math.nan
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{written!r}: a number from {least:g} to {most:g} is wanted")
        return number

    return read


def _read(path: str) -> Results:
    try:
        return from_json(Path(path).read_text("utf-8"))
    except (NotOurs, UnicodeError) as error:
        raise NotOurs(f"{path}: {error}") from None


def _measured(
    options: argparse.Namespace, scenarios: Sequence[Scenario], servers: Sequence[str], words: Sequence[str]
) -> Results:
    if not sys.platform.startswith("linux"):
        raise CannotBuild("Linux is needed: what a server uses is read from its kernel")
    amount = QUICK if options.quick else FULL
    amount = replace(
        amount, rounds=options.rounds or amount.rounds, seconds=options.seconds or amount.seconds
    )
    command = shlex.join(["python", "-m", "benchmarks", *words])
    return run(scenarios, servers, amount, command, _say, options.load)


def _write_page(results: Results, folder: Path) -> None:
    """The page with its pictures, or without, where they cannot be drawn."""
    drawn: dict[str, str] = {}
    if (why := unavailable()) is None:
        drawn = pictures(results)
    else:
        _say(f"left out: the plots: {why}")
    for name, text in drawn.items():
        _write(folder / PICTURES / name, text)
    _write(folder / "performance.md", page(results, drawn))


def _say(line: str) -> None:
    print(line, flush=True)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(str(path), text)
    print(f"wrote {path}")


if __name__ == "__main__":
    sys.exit(main())
