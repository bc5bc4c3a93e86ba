"""twistd netlab-tcpsel: text over TCP, a selector and one thread for all; on the wire as netlab-tcp.

It runs on the reactor of netlab/reactors, unless another one was named, and shows its selector's keys.
"""

from __future__ import annotations

import selectors
from typing import Any, ClassVar

from twisted.internet.interfaces import IReactorFDSet

from netlab.events import Observer
from netlab.observers.dialects import TEXT
from netlab.observers.glances import Glances
from netlab.observers.keys import Keys
from netlab.observers.log import Log
from netlab.protocols.tcp import TextServerFactory
from netlab.taps.build import tcp_server
from netlab.taps.common import TCPOptions
from netlab.taps.server import Server


class Options(TCPOptions):
    """The options of netlab-tcpsel."""

    command = "netlab-tcpsel"
    longdesc = (
        "Chapter 3 of the guide: the TCP text server again, with a selector: one thread serves all clients, "
        "and the log shows the selector's keys. Compare it with netlab-tcp --delay 1."
    )
    optFlags: ClassVar[list[Any]] = [["keys", None, "Show the whole table of keys whenever it changes."]]
    selector = "a selector"
    """What selects, in words: makeService() knows."""

    def install_reactor(self) -> None:
        """On the one whose selector can be seen at work."""
        from netlab.reactors.selectors import install

        install()

    def about(self) -> list[str]:
        return [f"one thread for all clients, on {self.selector}", *super().about()]


def makeService(options: Options, reactor: Any = None) -> Server:
    """The service of netlab-tcpsel."""
    if reactor is None:
        from twisted.internet import reactor
    options.selector, observers = _watch(
        reactor, Keys(Log(options.encoding), options["quiet"], options["keys"])
    )
    return tcp_server(options, TextServerFactory, TEXT, reactor, handler="reactor", first=observers)


def _watch(reactor: Any, keys: Keys) -> tuple[str, list[Observer]]:
    """Have the keys of this reactor shown; return what it selects with, in words, and who must be told."""
    from netlab.reactors.selectors import SelectorReactor

    if isinstance(reactor, SelectorReactor):
        reactor.watcher = keys
        return f"selectors.{selectors.DefaultSelector.__name__}", [keys]
    name = f"reactor {type(reactor).__name__}"
    if not IReactorFDSet.providedBy(reactor):
        return f"{name}: it does not tell what it watches, so no keys are shown", []
    return f"{name}: what it watches is shown after each event", [keys, Glances(keys, reactor)]
