"""The command lines of `netlab check` and `netlab check-client`."""

from __future__ import annotations

import argparse
import re
import textwrap

from netlab import PORT

VARIANTS = {"udp": "udp", "tcp": "tcp", "tcpv2": "v2", "tcpv3": "v3"}
"""The commands' words for the variants, and the words in the cases' ids."""

COMMANDS = {"check": "server", "check-client": "client"}
"""The commands, and whom each judges."""

CHAPTERS = {
    "udp": "1: datagrams",
    "tcp": "2 or 3: text",
    "tcpv2": "4: fixed frames",
    "tcpv3": "5: variable frames",
}

TARGETS = {
    "server": "(HOST:PORT | -- PROGRAM ... | --class DIR [-- PATTERN ...])",
    "client": "(-- PROGRAM ... | --class DIR [-- PATTERN ...])",
}

DESCRIPTIONS = {
    "server": """Judge a server of the laboratory, whoever wrote it and in what language: does it do what the
guide asks for (core), and what would bring it down (robust)? Where all that was seen fits a common mistake,
it is named. PROGRAM is started afresh for each case, in a network of its own where that can be had, with
limits, and ended.""",
    "client": """Judge a client of the laboratory: netlab plays the server, types messages into the program,
looks at the bytes that come, and answers as a network would: in pieces, late, wrongly, not at all.""",
}

PORTS = {
    "server": "the port that PROGRAM listens on, if it listens on several, or where that cannot be found out",
    "client": f"the port at which PROGRAM looks for its server ({PORT}); {{port}} in its command becomes it",
}

SERVERS = """examples:
  netlab check tcpv3 --echo 127.0.0.1:5005                   a server that runs already
  netlab check tcpv3 --echo -- python3 serverTCPv3.py        netlab starts it, and sees more
  netlab check tcpv3 --echo --only v3/split -- python3 s.py  some of the cases
  netlab check tcpv3 --echo --class submissions              every program in a folder
"""

CLIENTS = """examples:
  netlab check-client tcpv3 --echo -- python3 clientTCPv3.py
  netlab check-client udp --class submissions
"""

EXAMPLES = {"server": SERVERS, "client": CLIENTS}

STATUS = """
exit status:
  0    all core cases were passed (robust ones are shown, and do not count)
  1    a core case was not passed
  2    the command line is wrong
  3    it could not be judged: nobody listens, or the program cannot be started"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `check` and `check-client` to the commands of `netlab`."""
    for command, side in COMMANDS.items():
        parser = commands.add_parser(
            command,
            usage=f"netlab {command} VARIANT [options] {TARGETS[side]}",
            help=f"judge a {side} of the laboratory, anybody's, and name its likely mistake",
            description=textwrap.fill(DESCRIPTIONS[side], 78),
            epilog=EXAMPLES[side] + STATUS,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        variants = parser.add_subparsers(dest="variant", metavar="VARIANT", required=True)
        for variant in VARIANTS:
            _add_variant(variants, command, side, variant)


def _add_variant(
    variants: argparse._SubParsersAction[argparse.ArgumentParser], command: str, side: str, variant: str
) -> None:
    parser = variants.add_parser(
        variant,
        prog=f"netlab {command} {variant}",
        usage=f"netlab {command} {variant} [options] {TARGETS[side]}",
        help=f"a {side} of chapter {CHAPTERS[variant]}",
        description=textwrap.fill(DESCRIPTIONS[side], 78),
        epilog=EXAMPLES[side] + STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(
        run="netlab.check.run", parser=parser, side=side, where=None, keep=False, echo=False, layout="guide"
    )
    if side == "server":
        parser.add_argument("where", nargs="?", metavar="HOST:PORT", help="where a server listens already")
        parser.add_argument(
            "--keep",
            action="store_true",
            help="start PROGRAM once, not afresh for each case; again when it has ended",
        )
    does = f"the {side} " + (
        "sends messages back" if side == "server" else "waits for echoes, and prints them"
    )
    if variant == "tcp":
        does += ": with text always, so this changes nothing"
    parser.add_argument("-e", "--echo", action="store_true", help=does)
    if variant == "tcpv3":
        parser.add_argument(
            "--layout",
            choices=("guide", "scripts"),
            default="guide",
            help="the header's fields: version, order, size (guide) or version, size, order (scripts)",
        )
    _add_common(parser, PORTS[side])


def _add_common(parser: argparse.ArgumentParser, port: str) -> None:
    parser.add_argument(
        "--port",
        type=_port,
        metavar="PORT",
        help=port,
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="ID",
        help="only these cases: an id, or its beginning; repeatable",
    )
    parser.add_argument(
        "--skip", action="append", default=[], metavar="ID", help="not these cases; repeatable"
    )
    parser.add_argument("--list", action="store_true", help="list the cases, and what each asks for")
    parser.add_argument(
        "--patience",
        type=_factor,
        default=1.0,
        metavar="FACTOR",
        help="multiply all deadlines, for a slow program or a far server (1)",
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="a line for each case that was passed, too"
    )
    parser.add_argument("--json", metavar="FILE", help="write the report as JSON, too; - for standard output")
    parser.add_argument("--junit", metavar="FILE", help="write it as JUnit XML, for CI")
    parser.add_argument("--html", metavar="FILE", help="write it as one HTML page")
    parser.add_argument("--gradescope", metavar="FILE", help="write Gradescope's results.json")
    parser.add_argument(
        "--class",
        dest="folder",
        metavar="DIR",
        help="check every program in this folder: PROGRAM is then a pattern, {} each file (python3 {})",
    )
    parser.add_argument(
        "--output", metavar="DIR", help="where the reports of a class go (netlab-check-results)"
    )
    parser.add_argument("--jobs", type=_number, metavar="N", help="submissions checked side by side")


def settle(options: argparse.Namespace) -> None:
    """See that what is to be checked was said, and once."""
    error = options.parser.error
    if options.list:
        return
    if options.where is not None and options.where.isdecimal():
        error(
            f"{options.where!r} is no HOST:PORT: for that port of this machine say 127.0.0.1:{options.where}"
        )
    if options.where is not None and not re.fullmatch(r"(\[[^]]*\]|[^:/\s]*):\d+", options.where):
        error(
            f"{options.where!r} is no HOST:PORT; a program stands behind --: netlab check ... -- "
            f"{options.where}"
        )
    if options.folder is not None and options.where is not None:
        error("--class checks programs: HOST:PORT belongs to one server")
    if options.where is not None and options.program:
        error("either HOST:PORT, or -- PROGRAM: one of them is checked")
    if not (options.where or options.program or options.folder):
        what = "HOST:PORT, -- PROGRAM" if options.side == "server" else "-- PROGRAM"
        error(f"say what is to be checked: {what} or --class DIR")
    if options.where is not None:
        host, _, port = options.where.rpartition(":")
        if not 0 < int(port) < 65_536:
            error(f"{options.where}: a port is a number from 1 to 65535")
        options.address = (host.strip("[]") or "127.0.0.1", int(port))


def _port(written: str) -> int:
    if not written.isdecimal() or not 0 < int(written) < 65_536:
        raise argparse.ArgumentTypeError(f"{written!r}: a port is a number from 1 to 65535")
    return int(written)


def _number(written: str) -> int:
    if not written.isdecimal() or int(written) < 1:
        raise argparse.ArgumentTypeError(f"{written!r}: a whole number is wanted, 1 or more")
    return int(written)


def _factor(written: str) -> float:
    try:
        number = float(written)
    except ValueError:
        number = 0.0
    if not 0.1 <= number <= 100:
        raise argparse.ArgumentTypeError(f"{written!r}: a number from 0.1 to 100 is wanted")
    return number
