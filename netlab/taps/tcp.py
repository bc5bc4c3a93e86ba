"""twistd netlab-tcp: text over TCP, a thread for each client; printed, and echoed behind `ECHO: `."""

from __future__ import annotations

from typing import Any

from netlab.observers.dialects import TEXT
from netlab.protocols.tcp import TextServerFactory
from netlab.taps.build import tcp_server
from netlab.taps.common import HandlerOptions
from netlab.taps.server import Server


class Options(HandlerOptions):
    """The options of netlab-tcp."""

    command = "netlab-tcp"
    longdesc = (
        "Chapter 2 of the guide: a TCP text server with a thread for each client. What one read yields is "
        "one message: it is printed, and answered with 'ECHO: ' and the same bytes."
    )


def makeService(options: Options, reactor: Any = None) -> Server:
    """The service of netlab-tcp."""
    return tcp_server(options, TextServerFactory, TEXT, reactor)
