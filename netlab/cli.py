"""The `netlab` command: what is not a server. The servers are twistd's: `twistd -n netlab-tcp`."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from netlab import __version__
from netlab.check import arguments as check
from netlab.clients import arguments as clients
from netlab.explain import arguments as explain
from netlab.explain.xray import arguments as xray
from netlab.load import arguments as load
from netlab.wireshark import arguments as wireshark

DESCRIPTION = """The socket laboratory: clients, a judge of your own programs, packets in Wireshark.
Start a server in one terminal:

    twistd -n netlab-tcp

and talk to it in another:

    netlab client tcp"""

EPILOG = """The servers: twistd -n netlab-udp, netlab-tcp, netlab-tcpsel, netlab-tcpv2 or netlab-tcpv3.
--help after any command explains it."""

DIVIDED = (*check.COMMANDS, xray.COMMAND)
"""The commands that take a program behind `--`, besides what they take before it."""

SHELLS = ("bash", "zsh", "tcsh")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    whole = argparse.ArgumentParser(
        prog="netlab",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"netlab {__version__}")
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)
    clients.add(commands)
    check.add(commands)
    wireshark.add(commands)
    explain.add(commands)
    xray.add(commands)
    load.add(commands)
    completion = commands.add_parser(
        "completion",
        help="print a script that completes these commands in your shell",
        description='Complete netlab\'s commands with the Tab key: eval "$(netlab completion bash)" in '
        "~/.bashrc does it for each new shell.",
    )
    completion.add_argument("shell", choices=SHELLS)
    return whole


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status."""
    whole = parser()
    own, program = divided(sys.argv[1:] if argv is None else list(argv))
    options, unknown = whole.parse_known_args(own, argparse.Namespace(program=program))
    if unknown:  # told by the command that does not know it, with its own usage
        words = f"unrecognized arguments: {' '.join(unknown)}"
        if options.command in DIVIDED and not program and not unknown[0].startswith("-"):
            words += "; a program stands behind --, with all of its words"
        getattr(options, "parser", whole).error(words)
    if options.command == "completion":
        return complete(options.shell)
    try:
        # Not before it is wanted: --help is to be quick.
        status: int = import_module(options.run).run(options)
    except KeyboardInterrupt:  # before the command could see to it itself
        return 128 + signal.SIGINT
    return status


def divided(argv: list[str]) -> tuple[list[str], list[str]]:
    """The command line, and the program that stands behind `--` in it.

    argparse would take the program's words for its own optional arguments.
    """
    if "--" not in argv or argv[0] not in DIVIDED:
        return argv, []
    at = argv.index("--")
    return argv[:at], argv[at + 1 :]


def complete(shell: str) -> int:
    """Print a shell's completion script."""
    try:
        import shtab
    except ImportError:
        print("completion needs shtab: pip install 'netlab[client]'", file=sys.stderr)  # noqa: T201
        return 2
    print(shtab.complete(parser(), shell))  # noqa: T201
    return 0
