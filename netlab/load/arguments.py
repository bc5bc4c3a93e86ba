"""The command line of `netlab load`."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Callable

FORMATS = {
    "udp": "1: datagrams",
    "tcp": "2 or 3: text",
    "tcpv2": "4: fixed frames",
    "tcpv3": "5: variable frames",
}

CONNECTIONS, PIPELINE, SIZE, DURATION, ROUNDS = 64, 1, 32, 5.0, 3

TIMEOUT = {"udp": 1.0, "tcp": 5.0, "tcpv2": 5.0, "tcpv3": 5.0}
"""Seconds without an answer after which it is given up: TCP repeats what was lost, and needs some; a datagram
that has not come back in one second will not come any more.
"""

LATE = 100.0
"""Milliseconds from which an answer is called late: what people begin to feel as waiting."""

MAX_CONNECTIONS = 10_000
"""Linux gives away some 28,000 source ports to one address, and each may rest for a minute."""

MAX_PIPELINE = 1024
"""Messages outstanding on a connection: more only fill buffers."""

MAX_SIZE, MAX_DATAGRAM = 1 << 20, 65_507
"""Bytes of a text: what servers let in by default (docs/protocol.md, V4), and what UDP carries (U2)."""

MIN_DURATION, MAX_DURATION = 0.1, 3600.0
"""Seconds: shorter than the first is no measurement, and whoever forgets it is not to be loaded for ever."""

MAX_RATE = 1_000_000
"""Messages a second in all: more than this program can send one by one."""

MAX_OUTSTANDING = 256 << 20
"""Bytes that may be on their way at once, in all: they are in the system's memory, here and at the server."""

MAX_TARGETS, MAX_ROUNDS = 8, 20

DESCRIPTION = """Put a server of the laboratory under load, whoever wrote it: many connections, on each so
many messages at once, as fast as they are answered or at a fixed rate. Every answer is compared byte by byte.
What is measured: messages and bytes a second, how long answers take, and what went wrong."""

EPILOG = """examples:
  netlab load tcp 127.0.0.1:5005                       64 connections, one message at a time on each
  netlab load tcpv3 127.0.0.1:5005 --echo --pipeline 16 --size 32-512
  netlab load tcp 127.0.0.1:5005 --rate 2000           a fixed rate: a server that pauses cannot hide it
  netlab load tcp 127.0.0.1:5005 --html load.html      one page with plots
  netlab load tcp --compare "python3 serverTCP.py" "python3 serverTCPsel.py"
                                                       threads against a selector, in turns

What is compared is HOST:PORT or the command of a server, NAME=... to call it so. A command is started for
each round and ended; its port is found, or {port} in the command becomes one that is free. What it prints
goes to a file that is thrown away.

exit status:
  0    every message that was sent was answered, and rightly (without --echo: was taken)
  1    there were errors: the table counts them by kind; or the report cannot be written
  2    the command line is wrong, or the target is not on this machine
  3    it could not begin: nobody listens, a program cannot be started, or a library is missing
  130  Ctrl-C; what was measured until then is shown"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `load` and its four formats to the commands of `netlab`."""
    parser = commands.add_parser(
        "load",
        usage="netlab load FORMAT [options] (HOST:PORT | --compare TARGET ...)",
        help="put a server under load, check every echo, and measure; or compare several",
        description=textwrap.fill(DESCRIPTION, 78),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    formats = parser.add_subparsers(dest="format", metavar="FORMAT", required=True)
    for format in FORMATS:
        _add_format(formats, format)


def _add_format(formats: argparse._SubParsersAction[argparse.ArgumentParser], format: str) -> None:
    parser = formats.add_parser(
        format,
        prog=f"netlab load {format}",
        usage=f"netlab load {format} [options] (HOST:PORT | --compare TARGET ...)",
        help=f"a server of chapter {FORMATS[format]}",
        description=textwrap.fill(DESCRIPTION, 78),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("where", nargs="?", metavar="HOST:PORT", help="where the server listens")
    parser.add_argument(
        "-e",
        "--echo",
        action="store_true",
        help="the server sends messages back: with text always, so this changes nothing"
        if format == "tcp"
        else "the server sends messages back; without it only the sending is measured",
    )
    if format == "tcpv3":
        parser.add_argument(
            "--layout",
            choices=("guide", "scripts"),
            default="guide",
            help="the header's fields: version, order, size (guide) or version, size, order (scripts)",
        )
    _add_amounts(parser, format)
    _add_comparison(parser)
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="OUT", help="write all as JSON, to standard output or a file"
    )
    parser.add_argument("--html", metavar="OUT", help="write one page with plots")
    parser.add_argument(
        "--i-own-this-host",
        dest="owned",
        action="store_true",
        help="load a server on another machine, which is yours, or whose owner has agreed",
    )
    parser.set_defaults(run="netlab.load.run", parser=parser, layout="guide")


def _add_amounts(parser: argparse.ArgumentParser, format: str) -> None:
    """How much load, and for how long."""
    parser.add_argument(
        "--connections",
        type=_whole(1, MAX_CONNECTIONS),
        default=CONNECTIONS,
        metavar="N",
        help="how many clients there are at once (%(default)s)",
    )
    parser.add_argument(
        "--pipeline",
        type=_whole(1, MAX_PIPELINE),
        default=PIPELINE,
        metavar="N",
        help="how many messages each client has on their way at once (%(default)s)",
    )
    most = MAX_DATAGRAM if format == "udp" else MAX_SIZE
    parser.add_argument(
        "--size",
        type=_sizes(1 if format == "tcp" else 0, most),
        default=str(SIZE),
        metavar="N[-M]",
        help=f"bytes of a message's text, or from N to M of them, evenly ({SIZE})"
        + ("; frames have 29 bytes in any case, and a longer text is cut" if format == "tcpv2" else ""),
    )
    parser.add_argument(
        "--duration",
        type=_number(MIN_DURATION, MAX_DURATION),
        default=DURATION,
        metavar="SECONDS",
        help="how long messages are sent (%(default)g)",
    )
    parser.add_argument(
        "--rate",
        type=_number(0.1, MAX_RATE),
        metavar="N",
        help="so many messages a second in all, whether or not the server keeps up; latency then counts from "
        "the moment when a message was due",
    )
    parser.add_argument(
        "--timeout",
        type=_number(0.05, 60),
        default=TIMEOUT[format],
        metavar="SECONDS",
        help="give up when nothing has come for so long (%(default)g)",
    )
    parser.add_argument(
        "--late",
        type=_number(0.001, 60_000),
        default=LATE,
        metavar="MS",
        help="count the messages that took more milliseconds than this, or were never answered (%(default)g)",
    )


def _add_comparison(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--compare",
        nargs="+",
        metavar="TARGET",
        help=f"two or more, {MAX_TARGETS} at most, in turns: HOST:PORT, or a server's command in quotes",
    )
    parser.add_argument(
        "--rounds",
        type=_whole(1, MAX_ROUNDS),
        metavar="N",
        help=f"with --compare: how many times each is loaded ({ROUNDS}); medians are compared",
    )


def settle(options: argparse.Namespace) -> None:
    """See that it was said what is to be loaded, and that it is within bounds; set what follows from it."""
    error = options.parser.error
    options.echo = options.echo or options.format == "tcp"
    if options.compare is None:
        if options.where is None:
            error("say what is to be loaded: HOST:PORT, or --compare and several")
        if options.rounds is not None:
            error("--rounds belongs to --compare")
    elif options.where is not None:
        error(f"--compare names all that is to be loaded: {options.where!r} stands outside of it")
    elif not 2 <= len(options.compare) <= MAX_TARGETS:
        error(
            f"--compare takes 2 to {MAX_TARGETS} targets; a command is one of them when it stands in quotes"
        )
    options.rounds = options.rounds or ROUNDS
    if options.echo:
        outstanding = options.connections * options.pipeline * max(options.size[1], 29)
        if outstanding > MAX_OUTSTANDING:
            error(
                f"{options.connections:,} connections with {options.pipeline:,} messages of "
                f"{options.size[1]:,} bytes on each are {outstanding >> 20:,} MiB on their way at once, and "
                f"{MAX_OUTSTANDING >> 20} are the limit: lower --connections, --pipeline or --size"
            )


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(written: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", written) or not least <= int(written) <= most:
            raise argparse.ArgumentTypeError(
                f"{written!r}: a whole number from {least} to {most:,} is wanted"
            )
        return int(written)

    return read


def _number(least: float, most: float) -> Callable[[str], float]:
    def read(written: str) -> float:
        try:
            number = float(written)
        except ValueError:
            number = -1.0
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{written!r}: a number from {least:g} to {most:,.0f} is wanted")
        return number

    return read


def _sizes(least: int, most: int) -> Callable[[str], tuple[int, int]]:
    def read(written: str) -> tuple[int, int]:
        found = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", written)
        low, high = (int(found[1]), int(found[2] or found[1])) if found else (-1, -1)
        if not least <= low <= high <= most:
            raise argparse.ArgumentTypeError(
                f"{written!r}: bytes are a number from {least} to {most:,}, or two, such as 32-512"
            )
        return low, high

    return read
