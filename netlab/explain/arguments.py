"""The command line of `netlab explain`."""

from __future__ import annotations

import argparse
import textwrap

from netlab import PORT
from netlab.wireshark.arguments import port

EXERCISES = ("1.2", "2.2", "3.2", "4.2", "4.3", "5.2", "5.3")
"""The guide's exercises that ask to explain a capture."""

DESCRIPTION = """Explain a capture of the laboratory, made with any tool, of any program, on any port:
where the ports come from, how sessions begin and end, how the messages are encoded and fell into
segments, what came back, and what went wrong. Each answer names the packets that show
it. tshark reads the capture."""

EPILOG = """examples:
  netlab explain lab.pcapng                          all that is in it, and the ladder of each session
  netlab explain lab.pcapng --exercise 2.2           what the guide's exercise asks
  netlab explain lab.pcapng --exercise 4.3 --audit   does it hold what the exercise needs?
  netlab explain lab.pcapng --html lab.html          one page with the ladders, to read and to print

exit status:
  0    explained; with --audit: all that the exercise needs is there
  1    with --audit: something is missing; or tshark gave up; or the file that is wanted cannot be written
  2    the command line is wrong, or the file cannot be read, or is no capture, or holds nothing to explain
  3    there is no tshark here"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `explain` to the commands of `netlab`."""
    parser = commands.add_parser(
        "explain",
        help="explain a capture: each answer with the packets that show it, and a ladder",
        description=textwrap.fill(DESCRIPTION, 78),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="FILE", help="a capture: pcapng, pcap, or what else Wireshark reads")
    parser.add_argument("--exercise", choices=EXERCISES, help="answer what this exercise of the guide asks")
    parser.add_argument(
        "--audit",
        action="store_true",
        help="tell whether the capture holds what the exercise needs, what is missing, and how to get it",
    )
    parser.add_argument("--html", metavar="OUT", help="write one page, with the ladders as pictures")
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="OUT", help="write all as JSON, to standard output or a file"
    )
    parser.add_argument("--all", action="store_true", help="show long lists whole")
    parser.add_argument(
        "--port",
        dest="ports",
        action="append",
        type=port,
        default=[],
        metavar="PORT",
        help=f"a port of the laboratory's, beside {PORT}; repeatable. It is needed only where the bytes "
        "alone do not tell",
    )
    parser.set_defaults(run="netlab.explain.run", parser=parser)
