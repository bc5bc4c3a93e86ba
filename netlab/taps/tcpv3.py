"""twistd netlab-tcpv3: frames of variable size over TCP; printed, and with --echo sent back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from netlab.observers.dialects import variable_size
from netlab.protocols.tcpv3 import VariableServerFactory
from netlab.taps.build import tcp_server
from netlab.taps.common import EchoOptions, HandlerOptions, one_of, size_in_bytes
from netlab.taps.server import Server
from netlab.wire.variable import MAX_SIZE, Layout


class Options(EchoOptions, HandlerOptions):
    """The options of netlab-tcpv3."""

    command = "netlab-tcpv3"
    longdesc = (
        "Chapter 5 of the guide: a TCP server with frames of variable size: version, order, size, "
        "then the text. Prints them; with --echo (5.3) it sends the identical frame back."
    )
    checks: ClassVar[dict[str, Callable[[Any], Any]]] = {
        "layout": one_of("auto", "guide", "scripts"),
        "max-size": size_in_bytes,
    }
    optParameters: ClassVar[list[Any]] = [
        [
            "layout",
            None,
            "auto",
            "The order of the header's fields: guide (version, order, size), scripts (version, size, order), "
            "or auto: found out for each connection.",
        ],
        ["max-size", None, MAX_SIZE, "The longest text let in, in bytes."],
    ]

    def about(self) -> list[str]:
        return [f"layout {self['layout']}", f"max size {self['max-size']:,} bytes", *super().about()]


def makeService(options: Options, reactor: Any = None) -> Server:
    """The service of netlab-tcpv3."""
    layout = None if options["layout"] == "auto" else Layout(options["layout"])
    return tcp_server(
        options,
        VariableServerFactory,
        variable_size(layout, options["max-size"]),
        reactor,
        echo=bool(options["echo"]),
        layout=layout,
        max_size=options["max-size"],
    )
