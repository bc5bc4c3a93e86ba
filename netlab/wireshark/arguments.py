"""The command lines of `netlab wireshark` and `netlab capture`."""

from __future__ import annotations

import argparse
import textwrap

from netlab import PORT

INSTALLING = """exit status:
  0    all is fine; with where: netlab.lua is installed, in this version
  1    it did not work; with where: it is not installed, or in another version
  2    the command line is wrong
  3    there is no Wireshark here"""

CAPTURING = """examples:
  netlab capture                                    until Enter or Ctrl-C
  netlab capture -- netlab client tcpv3 -m hi       as long as the client runs
  netlab capture --stdout | wireshark -k -i -       to look on while it happens

exit status:
  0    all is fine; Enter, Ctrl-C or SIGTERM is how a capture without a COMMAND ends
  1    the capture failed
  2    the command line is wrong
  3    no tool is here that captures, or the right to capture is missing
  126  COMMAND cannot be run
  127  COMMAND was not found
  Otherwise COMMAND's own status is this one's, 128 and its number where a signal ended it."""

ACTIONS = {
    "install": ("teach your Wireshark the laboratory's frames", "Copy netlab.lua into"),
    "uninstall": ("take that back", "Remove netlab.lua from"),
    "where": ("tell whether it is there", "Tell whether netlab.lua is in"),
}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `wireshark` and `capture` to the commands of `netlab`."""
    _add_wireshark(commands)
    _add_capture(commands)


def _add_wireshark(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    wireshark = commands.add_parser(
        "wireshark",
        help="teach Wireshark the laboratory's frames: install, uninstall, where",
        description="Teach Wireshark the laboratory's frames: it then shows them by name, field by field.",
        epilog="netlab wireshark install --help explains one of them.",
    )
    actions = wireshark.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, (help, what) in ACTIONS.items():
        parser = actions.add_parser(
            name,
            help=help,
            description=textwrap.fill(
                f"{what} your personal folder of Wireshark's Lua plugins. No root is needed for it.", 78
            ),
            epilog=INSTALLING,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument(
            "--folder",
            metavar="DIR",
            help="the folder, where it is not the one that Wireshark names (Help > About > Folders: "
            "Personal Lua Plugins)",
        )
        parser.set_defaults(run="netlab.wireshark.folders", parser=parser)


def _add_capture(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "capture",
        usage="netlab capture [-h] [-w FILE | --stdout] [-i IFACE] [--port PORT] [-- COMMAND ...]",
        help="capture the laboratory's packets, for Wireshark",
        description=textwrap.fill(
            "Capture the laboratory's packets, with dumpcap, tshark or tcpdump, into a file for Wireshark. "
            "COMMAND is run while it captures, neither its first packet nor its last is missed. Where you "
            "have no right to capture, both get a network of their own, where none is needed (Linux).",
            78,
        ),
        epilog=CAPTURING,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "-w",
        "--write",
        dest="file",
        metavar="FILE",
        help="the file, in the pcapng format (netlab-DATE-TIME.pcapng)",
    )
    where.add_argument(
        "--stdout",
        action="store_true",
        help="write to standard output instead; what COMMAND prints then goes to standard error",
    )
    parser.add_argument(
        "-i",
        "--interface",
        metavar="IFACE",
        help="the network interface, by default the loopback: what stays on this machine. `any` is all of "
        "them (Linux)",
    )
    parser.add_argument(
        "--port",
        dest="ports",
        action="append",
        type=port,
        metavar="PORT",
        help=f"a TCP and UDP port, {PORT} by default; repeatable",
    )
    parser.add_argument(
        "program", nargs="*", metavar="COMMAND", help="what to run meanwhile, with its arguments, after --"
    )
    parser.set_defaults(run="netlab.wireshark.capture", parser=parser)


def port(written: str) -> int:
    """A port as it stands on a command line. Raises ArgumentTypeError."""
    try:
        number = int(written)
    except ValueError:
        number = 0
    if not 1 <= number <= 65_535:
        raise argparse.ArgumentTypeError(f"{written!r}: a port is a number from 1 to 65535")
    return number
