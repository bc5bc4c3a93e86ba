"""Builds a command's server from its options: who is told, who runs the messages, where it listens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from io import StringIO
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint, serverFromString
from twisted.logger import Logger, textFileLogObserver

from netlab.events import Observer, Observers, Peer
from netlab.observers.dialects import Dialect
from netlab.observers.lines import Lines
from netlab.observers.log import Log
from netlab.observers.stats import Stats
from netlab.observers.writer import Writer
from netlab.protocols.factory import ServerFactory
from netlab.taps.common import CommonOptions, TCPOptions
from netlab.taps.machine import share_memory
from netlab.taps.server import CannotServe, Server

if TYPE_CHECKING:
    from netlab.observers.recorder import Recorder

BACKLOG = 511
"""Connections that may wait to be accepted: a whole class that connects at once. nginx's and Redis's default;
Twisted's is 50.
"""


class Watch(NamedTuple):
    """Who is told what happens, and who of them the service must know."""

    observers: Observers
    stats: Stats | None
    recorder: Recorder | None


def watch(options: CommonOptions, dialect: Dialect, reactor: Any, first: Sequence[Observer] = ()) -> Watch:
    """Who listens, as the options want it. dialect: what is spoken. first: who else does, and is told before
    them. Raises CannotServe where there is no file to record in.
    """
    _free_console(options, reactor)
    recorder = _recorder(options, dialect) if options["record"] is not None else None
    log = Log(options.encoding)
    listening: list[Observer] = [*first]
    if recorder is not None:
        listening.append(recorder)
    if options["trace"]:
        listening.append(_trace(options, dialect, log))
    listening.append(Lines(log, options["quiet"]))
    stats = Stats() if options["stats"] else None
    if stats is not None:
        listening.append(stats)
    return Watch(Observers(listening), stats, recorder)


def _free_console(options: CommonOptions, reactor: Any) -> None:
    """Let nobody wait for the console: as a command, where the log goes to one (L10)."""
    if options.parent is None or not hasattr(options.console, "buffer"):
        return
    observer = options.parent.get("fileLogObserverFactory", textFileLogObserver)  # twist's may be JSON's
    writer = options.console = Writer(options.console, partial(_log_line, observer))
    reactor.addSystemEventTrigger("after", "shutdown", writer.end)


def _log_line(observer: Callable[[StringIO], Any], sentence: str) -> str:
    """A sentence of the writer's as the line that this kind of log has."""
    text = StringIO()
    Logger(observer=observer(text)).warn("{line}", line=sentence, log_system="writer")
    return text.getvalue()


def _trace(options: CommonOptions, dialect: Dialect, log: Log) -> Observer:
    from netlab.observers.trace import Trace, may_colour

    def write(peer: Peer, line: str) -> None:
        log.line(f"trace {peer.transport} {peer.address}", line)

    return Trace(dialect, True, write, may_colour(options.console))


def _recorder(options: CommonOptions, dialect: Dialect) -> Recorder:
    from netlab.observers.recorder import CannotRecord, Recorder

    log = Log(options.encoding)
    try:
        return Recorder(options["record"], options.command, dialect, True, partial(log.line, "record"))
    except CannotRecord as error:
        raise CannotServe(f"{options.command}: {error}") from None


def tcp_server(
    options: TCPOptions,
    make_factory: Callable[..., ServerFactory[Any]],
    dialect: Dialect,
    reactor: Any = None,
    handler: str | None = None,
    first: Sequence[Observer] = (),
    **settings: Any,
) -> Server:
    """The service of a TCP command.

    make_factory: the variant's server factory, called with what all have and with `settings`. dialect: what
    it speaks. handler: who runs the messages, if it is no option of the command. first: observers of this
    command's own.
    """
    if reactor is None:
        from twisted.internet import reactor
    observed = watch(options, dialect, reactor, first)
    stopping = threading.Event()
    factory = make_factory(
        _handlers(handler or options["handler"], options["delay"], reactor, stopping),
        reactor,
        options.limits,
        observed.observers,
        **settings,
    )
    return Server(
        options.command,
        "; ".join(options.about()),
        [(name, partial(endpoint.listen, factory)) for name, endpoint in _endpoints(options, reactor)],
        reactor,
        factory.drain,
        observed.stats,
        options["stats"],
        observed.recorder,
    )


def _handlers(kind: str, delay: float, reactor: Any, stopping: threading.Event) -> Callable[[Any], Any]:
    if kind == "threads":
        from netlab.handlers.threads import ThreadHandler

        share_memory()
        return lambda session: ThreadHandler(session, session.number, reactor, delay)
    from netlab.handlers.reactor import ReactorHandler, wake_on_signals

    if delay:
        reactor.callWhenRunning(wake_on_signals, stopping)
    return lambda session: ReactorHandler(session, reactor, delay, stopping)


def _endpoints(options: TCPOptions, reactor: Any) -> list[tuple[str, Any]]:
    if options.endpoints:
        return [(endpoint, serverFromString(reactor, endpoint)) for endpoint in options.endpoints]
    kind = TCP6ServerEndpoint if ":" in options["interface"] else TCP4ServerEndpoint
    return [(options.where, kind(reactor, options["port"], BACKLOG, options["interface"]))]
