"""The service of every command: it listens, or says in one line why it cannot, and drains its clients."""

from __future__ import annotations

import errno
import signal
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred, succeed
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from netlab.events import describe
from netlab.observers.stats import Stats
from netlab.taps.machine import ipv4_addresses, raise_descriptor_limit

if TYPE_CHECKING:
    from netlab.observers.recorder import Recorder

_ADVICE = {
    errno.EADDRINUSE: "another program has this port: end it, or choose another one with --port",
    errno.EACCES: "ports below 1024 need a privileged user: choose another one with --port",
    errno.EADDRNOTAVAIL: "this machine does not have that address: see --interface",
}

_ANY_IPV4 = "0.0.0.0:"


class CannotServe(SystemExit, Exception):
    """A server cannot start; the argument is the one line that says why.

    As a SystemExit it ends the process with status 1 and that line, without a traceback. As an Exception it
    is noticed by twistd, which then removes its PID file and, as a daemon, tells the parent that waits.
    """


STOP_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
"""The names of those that stop a server; Windows lacks the last one."""


def stop_on_signals(reactor: Any) -> None:
    """Have SIGHUP stop the server as SIGTERM does, and have signals that follow the first one ignored.

    A terminal that is closed sends SIGHUP, perhaps twice. A command behind nohup ignores it, and goes on. A
    second Ctrl-C would stop Twisted's reactor again, which is an error in the log; the stop has a deadline.

    Args:
        reactor: It runs, and has its own signal handlers in place.
    """
    if not hasattr(reactor, "sigTerm") or threading.current_thread() is not threading.main_thread():
        return

    def hang_up(number: int, frame: Any) -> None:
        Logger("netlab").info("Received SIGHUP: the server stops, as for SIGTERM.")
        reactor.sigTerm(number, frame)

    first = threading.Lock()

    def stop_once(handler: Callable[[int, Any], Any], number: int, frame: Any) -> None:
        if first.acquire(blocking=False):  # one signal's handler may interrupt another's
            handler(number, frame)

    for name in STOP_SIGNALS:
        number = getattr(signal, name, None)
        handler = None if number is None else signal.getsignal(number)
        if name == "SIGHUP" and handler is signal.SIG_DFL:
            handler = hang_up
        if number is not None and callable(handler):
            signal.signal(number, partial(stop_once, handler))


class Server(Service):
    """A server of the laboratory.

    command: its twistd command. about: what it is set to, for its first line. listeners: where each port is
    to be, and what opens it: returns the port or a Deferred of it. drain: called when the ports are closed,
    ends what is still there. stats, stats_interval: what to count with, and how often to say it, in seconds,
    0 for never. recorder: what is to be closed when all is done.
    """

    _log = Logger()

    def __init__(
        self,
        command: str,
        about: str,
        listeners: Sequence[tuple[str, Callable[[], Any]]],
        reactor: Any,
        drain: Callable[[], Deferred[None]] = lambda: succeed(None),
        stats: Stats | None = None,
        stats_interval: float = 0.0,
        recorder: Recorder | None = None,
    ) -> None:
        self.command = command
        self.ports: list[IListeningPort] = []
        self._about = about
        self._listeners = listeners
        self._reactor = reactor
        self._drain = drain
        self._stats = stats
        self._stats_interval = stats_interval
        self._recorder = recorder
        self._teller = LoopingCall(self._tell_stats)
        self._teller.clock = reactor
        self._listened = False

    def privilegedStartService(self) -> None:
        """Open the ports. Raises CannotServe where that cannot be done."""
        super().privilegedStartService()
        self._listened = True
        self._say(f"{self.command}: {self._about}")
        raised = raise_descriptor_limit()
        if raised is not None:
            self._say("May open {1:,} descriptors now ({0:,} before)".format(*raised))
        for where, listen in self._listeners:
            failures: list[Failure] = []  # at once: no endpoint of Twisted's lets one wait for its port
            maybeDeferred(listen).addCallback(self._listening).addErrback(failures.append)
            if failures:
                raise CannotServe(self._cannot_listen(where, failures[0]))

    def startService(self) -> None:
        """Run."""
        if not self._listened:  # twist does not call privilegedStartService
            self.privilegedStartService()
        super().startService()
        if self._stats_interval > 0:
            self._teller.start(self._stats_interval, now=False)

    def stopService(self) -> Deferred[None]:
        """Close the ports, then the clients. Fires when all is done."""
        super().stopService()
        if self._teller.running:
            self._teller.stop()
        closing = [maybeDeferred(port.stopListening) for port in self.ports]
        self.ports = []
        closed = DeferredList(closing, consumeErrors=True)
        return closed.addCallback(lambda _: self._drain()).addCallback(self._drained)

    def _drained(self, _: None) -> None:
        if self._recorder is not None:
            self._recorder.close()

    def _listening(self, port: IListeningPort) -> None:
        self.ports.append(port)
        transport, address = describe(port.getHost())
        line = f"Listening on {address} ({transport})"
        if address.startswith(_ANY_IPV4):
            addresses = ", ".join(ipv4_addresses()) or "none but the loopback's, 127.0.0.1"
            line += f"; this machine's IPv4 addresses: {addresses}"
        # Not before the reactor runs: whoever reads it may stop the server, and until then a signal would
        # be a traceback.
        self._reactor.callWhenRunning(self._say, line)

    def _cannot_listen(self, where: str, failure: Failure) -> str:
        error: Any = failure.value
        cause = error.socketError if failure.check(CannotListenError) else error
        why = getattr(cause, "strerror", None) or str(cause)
        advice = _ADVICE.get(getattr(cause, "errno", None) or 0, "see --port, --interface and --listen")
        return f"{self.command}: cannot listen on {where}: {why}; {advice}"

    def _tell_stats(self) -> None:
        self._say(str(self._stats))

    def _say(self, line: str) -> None:
        self._log.info("{line}", line=line, log_system=self.command)
