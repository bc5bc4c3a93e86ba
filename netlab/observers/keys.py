"""The selector's keys in the log: whose each is, when it was registered, what woke the server (clauses L).

Keys watches a netlab.reactors.selectors.SelectorReactor at its work, and completes from the events of the
wire what it sees there. Where another reactor runs, nobody tells it: netlab/observers/glances.py does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from selectors import EVENT_READ, EVENT_WRITE, SelectorKey
from typing import Any, TypeVar, cast

from twisted.internet.interfaces import IListeningPort, ITCPTransport
from twisted.protocols.policies import ProtocolWrapper

from netlab.events import (
    ChunkReceived,
    ChunkSent,
    Closed,
    Listener,
    Opened,
    Outcome,
    Peer,
    PeerHalfClosed,
    describe,
)
from netlab.observers.log import Log

BRACKET = "selector"
"""What stands in the brackets of each line (L5)."""

A = TypeVar("A", bound=Callable[..., None])


def _harmless(act: A) -> A:
    """Whatever goes wrong in a method of Keys ends the show, with one traceback, and never the server."""

    @wraps(act)
    def guarded(self: Keys, *arguments: Any) -> None:
        if self.broken:
            return
        try:
            act(self, *arguments)
        except Exception:
            self.broken = True
            self.log.failure(BRACKET, "The keys cannot be shown any more; the server goes on")

    return cast(A, guarded)


@dataclass
class _Shown:
    """A key that is in the log, in words: taken at its registration, since a closed socket has no peer."""

    key: SelectorKey
    fileobj: str
    who: str


@dataclass
class _Ready:
    """A Ready line of which the end is not known yet, and the lines that have to wait for it."""

    of: _Shown
    events: int
    behind: list[str] = field(default_factory=list)


class Keys:
    """Writes the selector's log lines: an observer of the wire, and the reactor's watcher.

    On the reactor's thread only. log: where they go. quiet: only what was registered and unregistered. table:
    all keys, whenever that changed.
    """

    def __init__(self, log: Log, quiet: bool = False, table: bool = False) -> None:
        self.log = log
        self.broken = False
        self._quiet = quiet
        self._with_table = table
        # Of what is there, and no longer: keys until they are unregistered, peers until they are closed.
        self._shown: dict[Any, _Shown] = {}  # by descriptor
        self._descriptors: dict[Peer, Any] = {}
        self._peers: dict[Any, Peer] = {}
        # Of what is being served.
        self._serving: Any = None
        self._newest: Any = None  # the connection that was accepted last
        self._ready: _Ready | None = None
        self._changed = False
        self._owed: tuple[Any, int] | None = None  # to whom an answer is being sent, and how many bytes

    # What the selector does: the reactor calls these.

    @_harmless
    def registered(self, key: SelectorKey) -> None:
        """There is one key more."""
        words = _in_words(key.data)
        if words is None:
            return  # the reactor's own, or a pipe
        shown = self._shown[key.data] = _Shown(key, *words)
        self._name(shown, self._peers.get(key.data))
        self._newest = key.data
        self._line(
            f"Registered SelectorKey(fileobj={shown.fileobj}, fd={key.fd}, events={_names(key.events)}, "
            f"data={shown.who}){self._reason(key, 0)}"
        )
        self._change()

    @_harmless
    def modified(self, key: SelectorKey, before: int) -> None:
        """A key has other events than before."""
        shown = self._shown.get(key.data)
        if shown is None:
            return
        shown.key = key
        reason = self._reason(key, before)
        if not self._quiet:
            self._line(
                f"Modified key fd={key.fd}, {shown.who}: "
                f"events {_names(before)} -> {_names(key.events)}{reason}"
            )
        self._change()

    @_harmless
    def unregistered(self, key: SelectorKey) -> None:
        """There is one key less."""
        shown = self._shown.pop(key.data, None)
        if shown is None:
            return
        if self._owed is not None and self._owed[0] is key.data:
            self._owed = None
        self._line(f"Unregistered key fd={key.fd}, {shown.who}")
        self._change()

    @_harmless
    def ready(self, key: SelectorKey, events: int) -> None:
        """A select() has returned this key, and it is about to be served."""
        self._read()  # should the last one's served() never have come
        self._serving = key.data
        shown = self._shown.get(key.data)
        if shown is None or self._quiet:
            return
        if events & EVENT_READ and not IListeningPort.providedBy(key.data):
            self._ready = _Ready(shown, events)  # what there is to read, the wire will tell
        else:
            self._tell_ready(shown, events, "accept" if events & EVENT_READ else "")

    @_harmless
    def served(self) -> None:
        """It was served: what is not known of it now will not be known."""
        self._read()
        self._serving = self._newest = None
        if self._changed:
            self._table()

    @_harmless
    def show(self, keys: Iterable[SelectorKey]) -> None:
        """These are all keys now: write what is new about that, for a reactor that does not tell itself."""
        now = {key.data: key for key in keys}
        self._serving = self  # nobody is: the table is to be written once, behind it all
        for shown in list(self._shown.values()):
            if shown.key.data not in now:
                self.unregistered(shown.key)
        for key in sorted(now.values(), key=lambda key: key.fd):
            known = self._shown.get(key.data)
            if known is None:
                self.registered(key)
            elif known.key.events != key.events:
                self.modified(key, known.key.events)
        self.served()

    # What happens on the wire.

    def listens(self) -> Mapping[type, Listener]:
        return {
            Opened: self.opened,
            ChunkReceived: self.chunk_received,
            ChunkSent: self.chunk_sent,
            PeerHalfClosed: self.peer_half_closed,
            Closed: self.closed,
        }

    @_harmless
    def opened(self, event: Opened) -> None:
        """A peer has a connection: the one just accepted, or, behind a proxy, the one that is served."""
        of_port = IListeningPort.providedBy(self._serving)
        descriptor = self._newest if of_port else self._serving
        if ITCPTransport.providedBy(descriptor):
            self._descriptors[event.peer] = descriptor
            self._peers[descriptor] = event.peer
            shown = self._shown.get(descriptor)
            if shown is not None:
                self._name(shown, event.peer)

    @_harmless
    def chunk_received(self, event: ChunkReceived) -> None:
        if self._is_read(event.peer):
            length = len(event.data)
            # TLS, or a proxy's header, has had its share of what was read: how much is not known here.
            wrapped = _is_wrapped(self._serving)
            self._read("read" if wrapped else f"read of {length:,} byte{'s' * (length != 1)}")

    @_harmless
    def peer_half_closed(self, event: PeerHalfClosed) -> None:
        if self._is_read(event.peer):
            self._read("end of stream (the client's FIN)")

    @_harmless
    def chunk_sent(self, event: ChunkSent) -> None:
        descriptor = self._descriptors.get(event.peer)
        if descriptor is not None:
            self._owed = descriptor, len(event.data)

    @_harmless
    def closed(self, event: Closed) -> None:
        if self._is_read(event.peer):
            lost = event.outcome is Outcome.RESET
            self._read("lost (the client or the network reset the connection)" if lost else "end of stream")
        self._peers.pop(self._descriptors.pop(event.peer, None), None)

    def _is_read(self, peer: Peer) -> bool:
        """Is this the peer of whom a Ready line waits to be completed?"""
        return self._ready is not None and self._peers.get(self._ready.of.key.data) is peer

    def _read(self, what: str = "") -> None:
        """Complete the Ready line with what was read, and write what waited for it."""
        if self._ready is None:
            return
        ready, self._ready = self._ready, None
        self._tell_ready(ready.of, ready.events, what)
        for line in ready.behind:
            self._line(line)

    def _tell_ready(self, shown: _Shown, events: int, what: str) -> None:
        found = [what] if what else []
        if events & EVENT_WRITE:
            found.append("writable")
            if getattr(shown.key.data, "disconnecting", False):
                found.append("to be closed when all is sent")
        start = f"Ready {_names(events)}: key fd={shown.key.fd}, {shown.who}"
        self._line(": ".join((start, *([", ".join(found)] if found else []))))

    def _name(self, shown: _Shown, peer: Peer | None) -> None:
        """Behind a proxy the client is somebody else than who is connected."""
        if peer is not None and shown.who != f"client {peer.address}":
            shown.who = f"client {peer.address} (through {shown.who.removeprefix('client ')})"

    def _reason(self, key: SelectorKey, before: int) -> str:
        """Why a key has other events now, as far as that is known."""
        reasons = []
        owed = self._owed[1] if self._owed is not None and self._owed[0] is key.data else 0
        if key.events & ~before & EVENT_WRITE:
            if owed:
                reasons.append(f"an answer of {owed:,} bytes waits to be sent")
            elif key.data in self._peers and not _is_wrapped(key.data):
                reasons.append("to be closed")  # the one other thing for which Twisted waits to write
        if before & ~key.events & EVENT_WRITE:
            reasons.append("all was sent")
            if owed:
                self._owed = None
        if before & ~key.events & EVENT_READ:
            reasons.append("not read from now")
        if before and key.events & ~before & EVENT_READ:
            reasons.append("read from again")
        return f" ({'; '.join(reasons)})" if reasons else ""

    def _change(self) -> None:
        """The table is another one: write it at once, but while something is served, not before all of that
        is done.
        """
        self._changed = True
        if self._serving is None:
            self._table()

    def _table(self) -> None:
        self._changed = False
        if not self._with_table:
            return
        shown = sorted(self._shown.values(), key=lambda shown: shown.key.fd)
        rows = [
            ("fd", "events", "fileobj", "data"),
            *((str(each.key.fd), _names(each.key.events), each.fileobj, each.who) for each in shown),
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for number, *cells in rows:
            aligned = (cell.ljust(width) for cell, width in zip(cells, widths[1:], strict=True))
            self._line(f"  {number.rjust(widths[0])}  {'  '.join(aligned).rstrip()}")

    def _line(self, line: str) -> None:
        if self._ready is not None:
            self._ready.behind.append(line)
            return
        self.log.line(BRACKET, line)


def _names(events: int) -> str:
    """READ, WRITE or READ|WRITE."""
    names = {EVENT_READ: "READ", EVENT_WRITE: "WRITE"}
    return "|".join(name for event, name in names.items() if events & event)


def _in_words(descriptor: Any) -> tuple[str, str] | None:
    """A descriptor's socket, and who it is; None for what is neither a port nor a connection."""
    if IListeningPort.providedBy(descriptor):
        here = describe(descriptor.getHost())[1]
        return f"<listening socket {here}>", f"port {here}"
    if ITCPTransport.providedBy(descriptor):  # a Unix socket claims to be TCP
        here, there = describe(descriptor.getHost())[1], describe(descriptor.getPeer())[1]
        return f"<socket {here} to {there}>", f"client {there}"
    return None


def _is_wrapped(connection: Any) -> bool:
    """Is there a protocol between this connection and the server's own: TLS, or a proxy's?"""
    return isinstance(getattr(connection, "protocol", None), ProtocolWrapper)
