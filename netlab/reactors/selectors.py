"""A Twisted reactor on the standard library's selectors: what a reactor is, in the words of the laboratory.

Open it beside the server of chapter 3 (tests/plain/server_tcpsel.py). There, a loop asks a selector which
sockets are ready and serves each; here, it is the same loop:

    selector.register(conn, EVENT_READ, client)         addReader(descriptor), addWriter(descriptor)
    selector.modify(conn, wanted_events, client)        the same, and removeReader, removeWriter
    for key, ready in selector.select():                doIteration()
        accept(server) or serve(key.data)               key.data.doRead(), key.data.doWrite()
    selector.unregister(conn)                           removeReader(), removeWriter()

What makes it a reactor is that it does not know whom it serves. A *descriptor* is anything that has a
fileno(), a doRead() and a doWrite(): a listening port, whose doRead() accepts; a connection, whose doRead()
receives and whose doWrite() sends; a pipe of a child process. Twisted brings them, this module has the loop.
"""

from __future__ import annotations

import socket
from selectors import EVENT_READ, EVENT_WRITE, SelectorKey
from typing import Any, Protocol

from twisted.internet.error import ConnectionFdescWentAway
from twisted.internet.interfaces import IReactorDaemonize, IReactorFDSet
from twisted.internet.main import installReactor
from twisted.internet.posixbase import PosixReactorBase
from twisted.python import log
from zope.interface import implementer

from netlab.reactors.files import Selector


class Watcher(Protocol):
    """Whoever wants to see what the selector does. Each key's data is a descriptor."""

    def registered(self, key: SelectorKey) -> None:
        """The selector watches one descriptor more."""

    def modified(self, key: SelectorKey, before: int) -> None:
        """The selector watches it for other events than before."""

    def unregistered(self, key: SelectorKey) -> None:
        """The selector watches it no more."""

    def ready(self, key: SelectorKey, events: int) -> None:
        """A select() has returned the key: it is about to be served."""

    def served(self) -> None:
        """It was."""


@implementer(IReactorFDSet, IReactorDaemonize)
class SelectorReactor(PosixReactorBase):
    """Runs any Twisted application on selectors.DefaultSelector: epoll, kqueue, poll or select."""

    def __init__(self) -> None:
        self.watcher: Watcher | None = None
        self._selector = Selector()
        self._keys: dict[Any, SelectorKey] = {}  # by descriptor: a closed one no longer knows its number
        super().__init__()

    # The loop. Twisted's base class calls this again and again, and between two calls does what is due now.

    def doIteration(self, delay: float | None) -> None:
        """Wait for events, `delay` seconds at most (None: as long as it takes), and serve who is ready."""
        for key, events in self._selector.select(delay):
            # With the descriptor's name in the log's brackets, and never an exception out of it.
            log.callWithLogger(key.data, self._serve, key, events)

    def _serve(self, key: SelectorKey, events: int) -> None:
        if self._keys.get(key.data) is None:
            return  # whoever was served before it has closed it
        if self.watcher is not None:
            self.watcher.ready(key, events)
        try:
            if events & EVENT_READ:
                self._act(key.data, EVENT_READ, "doRead")
            if events & EVENT_WRITE:
                self._act(key.data, EVENT_WRITE, "doWrite")
        finally:  # a connectionLost() of the application's may raise
            if self.watcher is not None:
                self.watcher.served()

    def _act(self, descriptor: Any, event: int, act: str) -> None:
        """Let it read or write. What it returns is why its connection is over, None where it is not."""
        if not self._events(descriptor) & event:
            return  # it does not wait for that any more
        why: BaseException | None
        try:
            if descriptor.fileno() == -1:
                self._unregister(self._keys[descriptor])  # a modify() would fail: the system has forgotten it
                why = ConnectionFdescWentAway("File descriptor lost")
            else:
                why = getattr(descriptor, act)()
        except BaseException as failure:  # an error of the application's ends its connection, not the loop
            log.err()
            why = failure
        if why:
            # Unwatch it, and tell it: connectionLost(), or readConnectionLost() at a half-close.
            self._disconnectSelectable(descriptor, why, event == EVENT_READ)

    # Who is watched, and for what.

    def addReader(self, descriptor: Any) -> None:
        """Call its doRead() when there is something to read."""
        self._watch(descriptor, self._events(descriptor) | EVENT_READ)

    def addWriter(self, descriptor: Any) -> None:
        """Call its doWrite() when it can be written to."""
        self._watch(descriptor, self._events(descriptor) | EVENT_WRITE)

    def removeReader(self, descriptor: Any) -> None:
        """Call its doRead() no more."""
        self._watch(descriptor, self._events(descriptor) & ~EVENT_READ)

    def removeWriter(self, descriptor: Any) -> None:
        """Call its doWrite() no more."""
        self._watch(descriptor, self._events(descriptor) & ~EVENT_WRITE)

    def _events(self, descriptor: Any) -> int:
        """What the selector watches it for: EVENT_READ, EVENT_WRITE, both or nothing."""
        key = self._keys.get(descriptor)
        return 0 if key is None else key.events

    def _watch(self, descriptor: Any, events: int) -> None:
        """Have the selector watch it for these events and no others."""
        before = self._keys.get(descriptor)
        if before is None and events:
            self._register(descriptor, events)
        elif before is not None and not events:
            self._unregister(before)
        elif before is not None and events != before.events:
            key = self._keys[descriptor] = self._selector.modify(before.fileobj, events, descriptor)
            if self.watcher is not None:
                self.watcher.modified(key, before.events)

    def _register(self, descriptor: Any, events: int) -> None:
        stale = self._selector.get_map().get(descriptor.fileno())
        if stale is not None:
            self._unregister(stale)  # closed behind our back, and its number was given away again
        key = self._keys[descriptor] = self._selector.register(_file_object(descriptor), events, descriptor)
        if self.watcher is not None:
            self.watcher.registered(key)

    def _unregister(self, key: SelectorKey) -> None:
        del self._keys[key.data]
        self._selector.unregister(key.fileobj)
        if self.watcher is not None:
            self.watcher.unregistered(key)

    def keys(self) -> list[SelectorKey]:
        """The selector's table, in the order of the descriptors' numbers."""
        return sorted(self._keys.values(), key=lambda key: key.fd)

    def getReaders(self) -> list[Any]:
        """Whoever waits to read."""
        return [key.data for key in self._keys.values() if key.events & EVENT_READ]

    def getWriters(self) -> list[Any]:
        """Whoever waits to write."""
        return [key.data for key in self._keys.values() if key.events & EVENT_WRITE]

    def removeAll(self) -> list[Any]:
        """Watch nobody any more; return who was watched, without what the reactor needs for itself."""
        removed: list[Any] = self._removeAll(self.getReaders(), self.getWriters())
        return removed

    # A daemon. twistd forks, and a child inherits no kqueue: it is made anew there, like any selector.

    def beforeDaemonize(self) -> None:
        """Twisted calls this before a child takes over."""
        self._selector.close()

    def afterDaemonize(self) -> None:
        """Twisted calls this in the child."""
        self._selector = Selector()
        for descriptor, key in self._keys.items():
            self._keys[descriptor] = self._selector.register(key.fileobj, key.events, descriptor)


def _file_object(descriptor: Any) -> Any:
    """What to register for a descriptor: its socket where it has one; its key then looks as in any program.

    Otherwise the descriptor: since it has a fileno(), it is a file object to a selector.
    """
    its_socket = getattr(descriptor, "socket", None)
    return its_socket if isinstance(its_socket, socket.socket) else descriptor


def install() -> None:
    """Make it the reactor of this process: twistd calls this for --reactor=selectors.

    Raises ReactorAlreadyInstalledError where there is one already.
    """
    installReactor(SelectorReactor())
