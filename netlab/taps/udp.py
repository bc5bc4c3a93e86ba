"""twistd netlab-udp: a datagram is one message; printed, and with --echo sent back."""

from __future__ import annotations

from typing import Any

from netlab.observers.dialects import DATAGRAM
from netlab.protocols.udp import MAX_DATAGRAM, UDPServer
from netlab.taps.build import watch
from netlab.taps.common import EchoOptions
from netlab.taps.server import Server


class Options(EchoOptions):
    """The options of netlab-udp."""

    command = "netlab-udp"
    longdesc = (
        "Chapter 1 of the guide: a UDP server. Prints every datagram with its sender's address and port; "
        "with --echo it sends the datagram back."
    )


def makeService(options: Options, reactor: Any = None) -> Server:
    """The service of netlab-udp."""
    if reactor is None:
        from twisted.internet import reactor
    observed = watch(options, DATAGRAM, reactor)
    protocol = UDPServer(options["echo"], observed.observers, reactor)

    def listen() -> Any:
        return reactor.listenUDP(options["port"], protocol, options["interface"], MAX_DATAGRAM)

    about = "; ".join(["a datagram is one message", *options.about()])
    return Server(
        options.command,
        about,
        [(options.where, listen)],
        reactor,
        stats=observed.stats,
        stats_interval=options["stats"],
        recorder=observed.recorder,
    )
