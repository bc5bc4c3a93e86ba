"""twistd netlab-tcpv2: frames of 29 bytes over TCP; printed, and with --echo sent back."""

from __future__ import annotations

from typing import Any

from netlab.observers.dialects import FIXED
from netlab.protocols.tcpv2 import FixedServerFactory
from netlab.taps.build import tcp_server
from netlab.taps.common import EchoOptions, HandlerOptions
from netlab.taps.server import Server


class Options(EchoOptions, HandlerOptions):
    """The options of netlab-tcpv2."""

    command = "netlab-tcpv2"
    longdesc = (
        "Chapter 4 of the guide: a TCP server with frames of fixed size, 29 bytes: version, order, size, "
        "text. Prints them; with --echo (4.3) it sends the identical frame back."
    )


def makeService(options: Options, reactor: Any = None) -> Server:
    """The service of netlab-tcpv2."""
    return tcp_server(options, FixedServerFactory, FIXED, reactor, echo=bool(options["echo"]))
