"""Builds a command's server from its options: who is told, who runs the messages, where it listens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from io import StringIO
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.logger import Logger, LogLevel, textFileLogObserver

from netlab.clock import use_monotonic_clock
from netlab.events import Observer, Observers, Peer
from netlab.observers.dialects import Dialect
from netlab.observers.lines import Lines
from netlab.observers.log import Log, go_straight
from netlab.observers.stats import Stats
from netlab.observers.writer import Writer
from netlab.protocols.factory import ServerFactory
from netlab.taps.common import CommonOptions, TCPOptions
from netlab.taps.machine import share_memory
from netlab.taps.server import CannotServe, Server, stop_on_signals

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
    use_monotonic_clock(reactor)
    reactor.callWhenRunning(stop_on_signals, reactor)
    _free_console(options, reactor)
    recorder = _recorder(options, dialect) if options["record"] is not None else None
    log = Log(options.encoding)
    listening: list[Observer] = [*first]
    if recorder is not None:
        listening.append(recorder)
    if options["trace"]:
        listening.append(_trace(options, dialect, log))
    threaded = options.get("handler") == "threads"
    listening.append(Lines(log, options["quiet"], options["print-limit"], threaded))
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
    if observer is textFileLogObserver and not _is_elsewhere(options.parent):
        # Not before Twisted has begun to write what was logged until then, and not when it has ended.
        reactor.callWhenRunning(go_straight, writer)
        reactor.addSystemEventTrigger("after", "shutdown", go_straight, None)
    reactor.addSystemEventTrigger("after", "shutdown", writer.end)


def _is_elsewhere(runner: Mapping[str, Any]) -> bool:
    """Do lines of the log go elsewhere than to the console, or nowhere? runner: its options."""
    level = runner.get("logLevel", LogLevel.info)
    return bool(runner.get("logger") or runner.get("syslog") or level > LogLevel.info)


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
        _listeners(options, factory, reactor),
        reactor,
        factory.drain,
        observed.stats,
        options["stats"],
        observed.recorder,
    )


def _handlers(kind: str, delay: float, reactor: Any, stopping: threading.Event) -> Callable[[Any], Any]:
    if kind == "threads":
        from netlab.handlers.threads import Exchange, ThreadHandler

        share_memory()
        exchange = Exchange(reactor)
        return lambda session: ThreadHandler(session, session.number, exchange, delay)
    from netlab.handlers.reactor import ReactorHandler, wake_on_signals

    if delay:
        reactor.callWhenRunning(wake_on_signals, stopping)
    return lambda session: ReactorHandler(session, reactor, delay, stopping)


def _listeners(options: TCPOptions, factory: Any, reactor: Any) -> list[tuple[str, Callable[[], Any]]]:
    """Where to listen, and what does."""
    if options.endpoints:
        from twisted.internet.endpoints import serverFromString

        return [
            (each, partial(serverFromString(reactor, each).listen, factory)) for each in options.endpoints
        ]
    listen = partial(reactor.listenTCP, options["port"], factory, BACKLOG, options["interface"])
    return [(options.where, listen)]
