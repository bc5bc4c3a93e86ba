"""twistd netlab-tcpsel: text over TCP, a selector and one thread for all; on the wire as netlab-tcp."""

from __future__ import annotations

from typing import Any

from netlab.protocols.tcp import TextServerFactory
from netlab.taps.common import TCPOptions, tcp_server
from netlab.taps.server import Server


class Options(TCPOptions):
    """The options of netlab-tcpsel."""

    command = "netlab-tcpsel"
    longdesc = (
        "Chapter 3 of the guide: the TCP text server again, with a selector: one thread serves all clients. "
        "Compare it with netlab-tcp --delay 1."
    )

    def about(self) -> list[str]:
        return ["one thread and a selector for all clients", *super().about()]


def makeService(options: Options, reactor: Any = None) -> Server:
    """The service of netlab-tcpsel."""
    return tcp_server(options, TextServerFactory, reactor, handler="reactor")
