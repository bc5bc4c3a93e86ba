"""A twistd command that only logs a line when the reactor runs: what any command costs to start."""

from __future__ import annotations

from typing import Any

from twisted.application.service import Service
from twisted.logger import Logger
from twisted.python import usage


class Options(usage.Options):
    """No options."""


class Empty(Service):
    """Says when the reactor runs; the line has the form of a server's that listens."""

    _log = Logger()

    def startService(self) -> None:
        from twisted.internet import reactor as _reactor

        reactor: Any = _reactor
        super().startService()
        reactor.callWhenRunning(self._log.info, "Listening on nothing:0")


def makeService(options: Options) -> Service:
    """The service of benchmark-empty."""
    return Empty()
