"""What can be observed of a server or a client, and how observers are told.

Two kinds of event, because they are born in two places. *Wire events* (Opened, TurnedAway, ChunkReceived,
ChunkSent, Expired, Discarding, HalfClosed, PeerHalfClosed, Closed) are told on the reactor's thread, in the
order in which things happen on the wire; a client tells no others. *Road events* (RunHandled, Remarked,
Violated, Finished) are told where the handler of a server's client runs, in the order of that client's
stream: the current thread is the answer to "which thread?". Where nobody listens, no event is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import lru_cache
from sys import intern
from typing import Any, NamedTuple, Protocol

from twisted.internet.interfaces import IAddress

from netlab.scopes import with_scope
from netlab.wire.framing import Remark, Run
from netlab.wire.text import printable
from netlab.wire.violations import Violation


class Outcome(Enum):
    """How a connection ended: a closed vocabulary (docs/protocol.md, C6)."""

    FINISHED = "finished"
    """The peer sent its FIN, got all that it was owed, and was closed."""
    RESET = "reset"
    """The connection was lost: the peer reset it, or the network did."""
    VIOLATION = "violation"
    """The peer broke the protocol."""
    STALLED = "stalled"
    """The peer did not read what it was owed in time."""
    IDLE = "idle"
    """The peer was silent for too long."""
    STOPPED = "stopped"
    """This side stopped."""
    FAILED = "failed"
    """The handler raised an exception: a fault of this side, with a traceback in the log."""


def address_text(host: str, port: int) -> str:
    """HOST:PORT, an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


Place = tuple[str, int]
"""An IP address and a port."""


def place(address: Any) -> Place | None:
    """Where an address of Twisted's is; None where it has no IP address."""
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    if host is None or port is None:
        return None
    if ":" in host:
        host = with_scope(host, getattr(address, "scopeID", 0))
    return host, port


@lru_cache(maxsize=16)
def _shared(place: Place | None) -> Place | None:
    """The same place as one object: all clients of a server have come to one."""
    return place


def describe(address: IAddress | None) -> tuple[str, str]:
    """An address of Twisted's as (transport, text): what stands in the brackets of a log line."""
    where = place(address)
    if where is not None:
        # A PROXY header names any host that it likes.
        return intern(getattr(address, "type", "TCP").lower()), printable(address_text(*where))
    name = getattr(address, "name", None) or b"-"
    return "unix", printable(
        name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else str(name)
    )


class Peer:
    """Whom an event is about. Compares by identity: one object a connection (with UDP, one a datagram that a
    server receives). Nothing of it changes.

    transport: tcp, udp or unix. address: where the peer is: HOST:PORT. thread: the name of the thread that
    serves it. remote: the address again, for programs; None where it has no IP address. local: where this
    side is. descriptor: the number of the connection's socket in this process.
    """

    __slots__ = ("address", "descriptor", "local", "remote", "thread", "transport")

    def __init__(
        self,
        transport: str,
        address: str,
        thread: str,
        remote: Place | None = None,
        local: Place | None = None,
        descriptor: int | None = None,
    ) -> None:
        self.transport = transport
        self.address = address
        self.thread = thread
        self.remote = remote
        self.local = local
        self.descriptor = descriptor

    @classmethod
    def of(cls, transport: Any, thread: str) -> Peer:
        """Whom a connection of Twisted's leads to."""
        remote = transport.getPeer()
        fileno = getattr(transport, "fileno", lambda: None)  # what is no socket, as in a test, has none
        return cls(*describe(remote), thread, place(remote), _shared(place(transport.getHost())), fileno())

    @property
    def bracket(self) -> str:
        """What stands in the brackets of each of its log lines."""
        return f"{self.transport} {self.address} {self.thread}"


class Opened(NamedTuple):
    """A connection was accepted, or made."""

    peer: Peer


class TurnedAway(NamedTuple):
    """A connection was accepted and closed at once, with the reason why."""

    peer: Peer
    why: str


class ChunkReceived(NamedTuple):
    """One recv() returned these bytes."""

    peer: Peer
    data: bytes


class ChunkSent(NamedTuple):
    """These bytes were handed to the transport."""

    peer: Peer
    data: bytes


class Expired(NamedTuple):
    """The time of the frame that the peer has begun is up (docs/protocol.md, R5)."""

    peer: Peer


class Discarding(NamedTuple):
    """What the peer sends from now on is read and thrown away (S5, C4)."""

    peer: Peer


class HalfClosed(NamedTuple):
    """This side will send no more: its FIN leaves behind all that it has sent."""

    peer: Peer


class PeerHalfClosed(NamedTuple):
    """The peer's FIN came: it will send no more, and may still read."""

    peer: Peer


class Closed(NamedTuple):
    """The connection is gone from the wire. Its handler may still be at work on what was received."""

    peer: Peer
    outcome: Outcome
    aborted: bool = False
    """Did this side drop it, with a reset?"""


class RunHandled(NamedTuple):
    """A run of messages was decoded, and its answer is about to leave."""

    peer: Peer
    run: Run[Any]


class Remarked(NamedTuple):
    """The cutter found something out about the stream."""

    peer: Peer
    remark: Remark


class Violated(NamedTuple):
    """The peer broke the protocol.

    What it sent before was handled; what it sends from now on is discarded.
    """

    peer: Peer
    violation: Violation


class Unanswered(NamedTuple):
    """A datagram gets no echo, and why (docs/protocol.md, U4)."""

    peer: Peer
    why: str


class DatagramsDropped(NamedTuple):
    """The kernel has dropped datagrams: they came faster than they were read (docs/protocol.md, U5)."""

    more: int
    """How many since the last such event."""
    total: int
    """How many since the port was opened."""


class Finished(NamedTuple):
    """The last event of a connection: it is closed, and all it sent was handled."""

    peer: Peer
    outcome: Outcome
    received: int
    """Bytes that came in all."""
    sent: int
    """Bytes that were handed to the transport in all."""


EACH = frozenset({ChunkReceived, ChunkSent, RunHandled})
"""What happens with each message, or at least with each read."""

Listener = Callable[[Any], None]


class Observer(Protocol):
    """Whoever wants to be told."""

    def listens(self) -> Mapping[type, Listener]:
        """What to call for each kind of event.

        Listeners must be quick, must not raise, and may be called in any thread.
        """


class Observers:
    """Who listens to what.

    to_each: does anybody listen to what happens with each message? Whoever has thousands looks there first.
    """

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self._listeners: dict[type, tuple[Listener, ...]] = {}
        for observer in observers:
            for kind, listener in observer.listens().items():
                self._listeners[kind] = (*self._listeners.get(kind, ()), listener)
        self.to_each = not EACH.isdisjoint(self._listeners)

    def happened(self, kind: type, *what: object) -> None:
        """An event of this kind, made of these values if anybody listens to it."""
        if kind in self._listeners:
            self.tell(kind(*what))

    def tell(self, event: object) -> None:
        """Tell everybody who listens to this kind of event."""
        for listener in self._listeners.get(type(event), ()):
            listener(event)
