"""The command line of `netlab client`."""

from __future__ import annotations

import argparse
import math
import textwrap
from typing import NamedTuple

from netlab import PORT
from netlab.wire import orders

HOST = "127.0.0.1"
"""Where a server of the laboratory is, unless told otherwise: on this machine."""

TIMEOUT = 5.0
"""Seconds without progress after which an echo is called missing: long for a network, short for people."""

VARIANTS = {
    "udp": ("chapter 1: datagrams of text", "Each message is one UDP datagram."),
    "tcp": (
        "chapters 2 and 3: text over TCP",
        "Each message is sent once the one before is answered: the server sends back `ECHO: ` and the text. "
        "Works with netlab-tcp and netlab-tcpsel.",
    ),
    "tcpv2": (
        "chapter 4: binary frames of 29 bytes over TCP",
        "Each message is a frame !BLL20s: version, order, size, and 20 bytes of text. A longer text is cut.",
    ),
    "tcpv3": (
        "chapter 5: binary frames of any size over TCP",
        "Each message is a header !BLL and the text. Some labs' servers want size before order: "
        "--layout scripts.",
    ),
}


class Target(NamedTuple):
    """Where a server is."""

    host: str
    port: int


def target(written: str) -> Target:
    """HOST, HOST:PORT, [IPV6] or [IPV6]:PORT."""
    if written.startswith("["):
        host, closed, rest = written[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise argparse.ArgumentTypeError(f"{written!r}: an IPv6 address is written [::1] or [::1]:5005")
        number = rest[1:]
    elif written.count(":") > 1:
        raise argparse.ArgumentTypeError(f"{written!r}: write an IPv6 address in brackets: [::1]:5005")
    else:
        host, _, number = written.partition(":")
    return Target(host or HOST, port(number) if number else PORT)


def port(written: str) -> int:
    """A port number, from 1."""
    return _whole(written, 1, 65_535, "a port is a number from 1 to 65535")


def _order(written: str) -> int:
    return _whole(written, 0, orders.LAST, f"an order is a number from 0 to {orders.LAST}")


def _count(written: str) -> int:
    return _whole(written, 1, 1_000_000_000, "a number from 1 is wanted")


def _whole(written: str, least: int, most: int, else_: str) -> int:
    try:
        number = int(written)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"{written!r}: {else_}")
    return number


def _seconds(written: str) -> float:
    try:
        number = float(written)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{written!r}: a number of seconds is wanted, such as 5 or 0.5")
    return number


def _timeout(written: str) -> float:
    number = _seconds(written)
    if number == 0:
        raise argparse.ArgumentTypeError("0: it must be more than 0 seconds, since every wait has its end")
    return number


STATUSES = """exit status:
  0    all is fine
  1    an echo was missing or wrong, or the connection was lost, even right after it was made
  2    the command line is wrong, a message cannot be sent, or the --record file not be written
  3    could not connect
  130  Ctrl-C"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `client` and its four variants to the commands of `netlab`."""
    client = commands.add_parser(
        "client",
        help="talk to a server: udp, tcp, tcpv2 or tcpv3",
        description="Talk to a server of the laboratory, with messages typed at a prompt, given with -m, or "
        "piped in line by line.",
        epilog="netlab client tcpv3 --help explains one variant's options.",
    )
    variants = client.add_subparsers(dest="variant", metavar="VARIANT", required=True)
    for name, (help, description) in VARIANTS.items():
        _add_variant(variants, name, help, description)


def _add_variant(
    variants: argparse._SubParsersAction[argparse.ArgumentParser], name: str, help: str, description: str
) -> None:
    parser = variants.add_parser(
        name,
        help=help,
        description=textwrap.fill(description, 78),
        epilog=STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "target",
        nargs="?",
        type=target,
        metavar="HOST[:PORT]",
        default=Target(HOST, PORT),
        help=f"the server, {HOST}:{PORT} if left out; IPv6 in brackets: [::1]:5005",
    )
    parser.add_argument(
        "-m",
        "--message",
        action="append",
        metavar="TEXT",
        help="send this and end; repeatable. Without it: a prompt, or the lines of standard input where that "
        "is no terminal",
    )
    parser.add_argument(
        "-e",
        "--echo",
        action="store_true",
        help="changes nothing: the text servers always echo"
        if name == "tcp"
        else "expect every message back, compare it byte by byte, and tell the round-trip time; the server "
        "must run with --echo, too",
    )
    if name in ("tcpv2", "tcpv3"):
        parser.add_argument(
            "--start-order",
            type=_order,
            default=orders.FIRST,
            metavar="N",
            help="order of the first message (default %(default)s)",
        )
    if name == "tcpv3":
        parser.add_argument(
            "--layout",
            choices=("guide", "scripts"),
            default="guide",
            help="guide: version, order, size (the default); scripts: version, size, order",
        )
    parser.add_argument(
        "--local-port",
        type=port,
        metavar="PORT",
        help="the source port; without it the system chooses one",
    )
    parser.add_argument(
        "--timeout",
        type=_timeout,
        default=TIMEOUT,
        metavar="SECONDS",
        help="give up so long after the last progress (default %(default)g)",
    )
    parser.add_argument(
        "--interval", type=_seconds, default=0.0, metavar="SECONDS", help="wait between messages"
    )
    parser.add_argument(
        "--count", type=_count, default=1, metavar="N", help="send the list of -m so many times"
    )
    parser.add_argument(
        "--hex", action="store_true", help="show the bytes sent and received under the names of their fields"
    )
    parser.add_argument(
        "--trace",
        action="store_true",
        help="draw what each recv() returned and each send() sent: bytes, fields, messages' bounds",
    )
    parser.add_argument(
        "--record",
        metavar="FILE",
        help="write what the client sees to this pcapng file, as rebuilt packets with comments; - for a pipe",
    )
    parser.set_defaults(run="netlab.clients.run", echo=name == "tcp", parser=parser)
