"""Runs a client: the socket, the reactor, Ctrl-C, and the exit status."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError, ConnectionLost
from twisted.internet.protocol import Factory
from twisted.internet.threads import blockingCallFromThread
from twisted.python.failure import Failure

from netlab.clients.connect import CannotConnect, connect, explain, resolve
from netlab.clients.sources import LineTooLong, Source, source
from netlab.clients.talk import Status, Talk
from netlab.clients.variants import Connected, Datagrams, connected, dialect
from netlab.clock import use_monotonic_clock
from netlab.events import Observer, Observers, address_text
from netlab.observers.recorder import CannotRecord, Recorder
from netlab.observers.trace import Trace, may_colour
from netlab.protocols.udp import MAX_DATAGRAM
from netlab.wire.text import writable

LAST_WORDS = 1.0
"""Seconds that a prompt gets, at the end, to leave the terminal as it was."""

ENDINGS = {"SIGINT": "Interrupted", "SIGTERM": "Terminated", "SIGHUP": "Hung up"}
"""The signals that end a client, and what it says then. Its status is 128 and the signal's number."""

T = TypeVar("T")


def run(options: argparse.Namespace) -> int:
    """Be a client; return the exit status."""
    if options.count > 1 and options.message is None:
        options.parser.error("--count repeats what -m gives: there is none")
    if options.target.host.isdecimal():  # not in the parser: it would take an unknown option's value for it
        host = options.target.host
        options.parser.error(f"argument HOST[:PORT]: {host!r}: a port alone is written :{host}")
    messages = source(options.message, options.count)
    try:
        return int(_Run(options, messages).run())
    except CannotRecord as error:
        complain(str(error))
        return Status.USAGE
    finally:
        messages.restore()


class _Run:
    def __init__(self, options: argparse.Namespace, messages: Source) -> None:
        from twisted.internet import reactor

        self._reactor: Any = reactor
        use_monotonic_clock(reactor)
        self._options = options
        self._messages = messages
        self._threads: list[threading.Thread] = []
        self._stopped = False
        self._status: int = Status.FAULT
        self._layout: str = getattr(options, "layout", "guide")
        self._recorder: Recorder | None = None
        self._observers = Observers(self._observe())
        self._talk = Talk(
            self._say,
            self._complain,
            self._reactor,
            time.perf_counter,
            options.echo,
            options.timeout,
            options.interval,
            options.hex,
            messages.asks,
            lock_step=not messages.shows,
        )

    def _observe(self) -> Iterator[Observer]:
        """Who is told what happens, as the options want it."""
        spoken = dialect(self._options.variant, self._layout)
        if self._options.record is not None:
            program = f"netlab client {self._options.variant}"
            self._recorder = Recorder(self._options.record, program, spoken, False, self._tell)
            yield self._recorder
        if self._options.trace:
            yield Trace(spoken, False, lambda _, line: self._say(line), may_colour(sys.stdout))

    def run(self) -> int:
        self._reactor.callWhenRunning(self._begin)
        self._reactor.run()
        self._messages.close()
        if self._recorder is not None:
            self._recorder.close()
        for thread in self._threads:
            thread.join(LAST_WORDS)
        if any(thread.is_alive() for thread in self._threads):
            # Nothing ends a thread that waits for a line: leave without it.
            self._messages.restore()
            for stream in sys.stdout, sys.stderr:
                _flush(stream)
            os._exit(self._status)
        return self._status

    def _begin(self) -> None:
        for number in filter(None, (getattr(signal, name, None) for name in ENDINGS)):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as in a shell's background job
                signal.signal(number, lambda number, _: self._reactor.callFromThread(self._signalled, number))
        begun: Deferred[None] = Deferred.fromCoroutine(self._main())
        begun.addErrback(self._broken)

    async def _main(self) -> None:
        try:
            if self._options.variant == "udp":
                await self._open()
            else:
                await self._connect()
        except CannotConnect as error:
            self._complain(str(error))
            self._stop(Status.NOT_CONNECTED)
            return
        if not self._talk.done.called:
            self._in_thread(self._read).addErrback(self._broken)
        self._stop(await self._talk.done)

    async def _connect(self) -> None:
        options = self._options
        made, address = await self._in_thread(
            lambda: connect(options.target, options.local_port, options.timeout)
        )
        self._talk.connected()
        link = connected(
            self._talk,
            options.variant,
            getattr(options, "start_order", 1),
            self._layout,
            self._observers,
        )
        with made:  # Twisted takes a copy
            try:
                self._say_connected(address, made.getsockname())
                self._reactor.adoptStreamConnection(made.fileno(), made.family, _Once(link))
            except OSError:  # it was reset in the meantime, and has no peer any more
                self._talk.lost(Failure(ConnectionLost()))

    def _say_connected(self, address: tuple[str, int], own: tuple[Any, ...]) -> None:
        self._say(
            f"Connected to {address_text(*address)} from {address_text(*own[:2])}: "
            f"{self._source_port(own[1])}"
        )

    async def _open(self) -> None:
        options = self._options
        found = await self._in_thread(lambda: resolve(options.target, socket.SOCK_DGRAM))
        # Nobody says whether a datagram has arrived, so that only one address can be tried. Where a name has
        # both kinds, as localhost has, IPv4 is it: there the servers listen unless told otherwise.
        family, address = min(found, key=lambda each: each[0] != socket.AF_INET)
        link = Datagrams(self._talk, *address, self._observers)
        interface = "::" if family == socket.AF_INET6 else ""
        try:
            port = self._reactor.listenUDP(options.local_port or 0, link, interface, MAX_DATAGRAM)
        except CannotListenError as error:
            cause: Any = error.socketError
            raise CannotConnect(explain(cause, address, options.local_port)) from None
        self._say(f"To {address_text(*address)}: datagrams, from {self._source_port(port.getHost().port)}")

    def _source_port(self, port: int) -> str:
        who = "the one asked for" if self._options.local_port else "chosen by the kernel"
        return f"source port {port}, {who}"

    def _read(self) -> None:
        """In a thread of its own, since what is read may never come."""
        try:
            for text in self._messages:
                taken: bool = blockingCallFromThread(self._reactor, self._offer, text)
                if not taken:
                    return
        except KeyboardInterrupt:
            self._reactor.callFromThread(self._signalled, signal.SIGINT)
        except LineTooLong as error:
            self._reactor.callFromThread(self._talk.refuse, str(error))
            self._reactor.callFromThread(self._talk.end)
        else:
            self._reactor.callFromThread(self._talk.end)

    def _offer(self, text: str) -> Any:
        return Deferred.fromCoroutine(self._talk.offer(text))

    def _say(self, line: str) -> None:
        self._messages.show(lambda: say(line))

    def _complain(self, line: str) -> None:
        self._messages.show(lambda: complain(line))

    def _tell(self, line: str, warn: bool) -> None:
        (self._complain if warn else self._say)(line)

    def _in_thread(self, act: Callable[[], T]) -> Deferred[T]:
        """Not in the reactor's pool: at the end it would be waited for."""
        result: Deferred[T] = Deferred()

        def work() -> None:
            try:
                outcome: Any = act()
            except BaseException:
                self._reactor.callFromThread(result.errback, Failure())
            else:
                self._reactor.callFromThread(result.callback, outcome)

        thread = threading.Thread(target=work, daemon=True, name="netlab client")
        self._threads.append(thread)
        thread.start()
        return result

    def _signalled(self, number: int) -> None:
        if not self._stopped:
            status = 128 + number
            self._complain(ENDINGS[signal.Signals(number).name])
            self._talk.conclude(status)
            self._stop(status)

    def _broken(self, failure: Failure) -> None:
        """A fault of ours."""
        self._complain(f"An error in netlab: {failure.getTraceback()}")
        self._stop(Status.FAULT)

    def _stop(self, status: int) -> None:
        if not self._stopped:
            self._stopped = True
            self._status = int(status)
            self._reactor.stop()


class _Once(Factory):
    """Makes the one protocol that was made already."""

    noisy = False

    def __init__(self, link: Connected) -> None:
        self._link = link

    def buildProtocol(self, addr: object) -> Connected:
        return self._link


def say(line: str) -> None:
    """Write a line to standard output."""
    _write(sys.stdout, line)


def complain(line: str) -> None:
    """Write a line to standard error, behind what was said before."""
    _flush(sys.stdout)
    _write(sys.stderr, line)


def _write(stream: Any, line: str) -> None:
    try:
        stream.write(writable(line, stream.encoding or "utf-8") + "\n")
        stream.flush()
    except OSError:
        _silence(stream)


def _flush(stream: Any) -> None:
    try:
        stream.flush()
    except OSError:
        _silence(stream)


def _silence(stream: Any) -> None:
    """Nobody reads it any more (| head): what is still to be written goes nowhere, and the talk goes on."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
