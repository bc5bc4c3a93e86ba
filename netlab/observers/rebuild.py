"""Rebuilds, from what a program saw at its sockets, the packets that brought it, and says what is in each."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from netlab import PORT
from netlab.events import (
    ChunkReceived,
    ChunkSent,
    Closed,
    Discarding,
    Expired,
    HalfClosed,
    Opened,
    Outcome,
    Peer,
    PeerHalfClosed,
    Place,
    TurnedAway,
)
from netlab.observers import streams
from netlab.observers.dialects import Dialect
from netlab.observers.packets import Conversation, datagram
from netlab.observers.streams import Chunk, Streams, in_bytes
from netlab.scopes import socket_address

Packet = tuple[bytes, str]
"""A packet from its IP header on, and its comment."""

MAX_MESSAGES = 8
"""Messages of one chunk that a comment names: a run of a hundred is counted."""

MAX_LINE = 200
"""Characters of a message in a comment, which is to be read in one line."""

MADE_UP = ("192.0.2.1", PORT), ("192.0.2.2", 49_152)
"""This side's address and a peer's, where there are none: from the range for documentation (RFC 5737)."""

_KERNELS = "made up: what the kernels do by themselves, no program sees"


@dataclass
class _Connection:
    """What is known of a connection: its packets so far, and its streams."""

    packets: Conversation
    streams: Streams
    remarks: list[str] = field(default_factory=list)
    """What is to be said with the next packet that this side sends."""


class Rebuild:
    """Turns the events of the wire into packets. dialect: what is spoken. is_server: which side is this?"""

    def __init__(self, dialect: Dialect, is_server: bool) -> None:
        self._dialect = dialect
        self._is_server = is_server
        self._connections: dict[Peer, _Connection] = {}
        self._count = 0
        self._datagrams = {True: 0, False: 0}

    def packets(self, event: Any) -> Iterator[Packet]:
        """The packets of the next event; each but the handshake's after its connection's Opened."""
        if isinstance(event, Opened):
            yield from self._opened(event.peer)
        elif isinstance(event, TurnedAway):
            yield from self._opened(event.peer)
            yield from self._ended(event.peer, True, f"refused: {event.why}")
            del self._connections[event.peer]
        elif isinstance(event, ChunkReceived | ChunkSent):
            received = isinstance(event, ChunkReceived)
            carried = self._carried if event.peer in self._connections else self._datagram
            yield from carried(event.peer, event.data, received)
        elif isinstance(event, Expired):
            connection = self._connections[event.peer]
            connection.remarks += self._found(connection.streams.received.expire())
        elif isinstance(event, Discarding):
            self._connections[event.peer].streams.received.discard()
        elif isinstance(event, HalfClosed):
            what = ["this side sends no more", *self._connections[event.peer].remarks]
            yield from self._ended(event.peer, True, "; ".join(what))
        elif isinstance(event, PeerHalfClosed):
            chunk = self._connections[event.peer].streams.received.finish()
            what = ["recv() returned 0 bytes: the end of the stream", *self._found(chunk)]
            yield from self._ended(event.peer, False, "; ".join(what))
        elif isinstance(event, Closed):
            connection = self._connections.pop(event.peer)
            if event.aborted or event.outcome is Outcome.RESET:
                ours = f"this side drops the connection: {event.outcome.value}"
                comment = ours if event.aborted else "the peer, or the network, has reset the connection"
                for packet in connection.packets.reset(self._is_from_client(not event.aborted)):
                    yield packet, comment

    def _is_from_client(self, received: bool) -> bool:
        return received == self._is_server

    def _opened(self, peer: Peer) -> Iterator[Packet]:
        packets, remark = self._conversation(peer)
        self._connections[peer] = _Connection(packets, Streams(self._dialect, self._is_server))
        verb = "accept()" if self._is_server else "connect()"
        start = f"rebuilt by netlab, not captured: {verb} of connection {self._count}{self._handled(peer)}"
        for packet in packets.opened():
            yield packet, f"{start}{remark}"
            start, remark = _KERNELS, ""

    def _conversation(self, peer: Peer) -> tuple[Conversation, str]:
        """The connection that leads to a peer, and what must be said of it."""
        self._count += 1
        try:
            if peer.local is None or peer.remote is None:
                raise ValueError("a Unix socket has no address")
            return self._between(peer.local, peer.remote), ""
        except ValueError as error:  # or a proxy's header has named one that is none
            local, (host, port) = MADE_UP
            remote = host, port + self._count % (0x10000 - port)
            return self._between(local, remote), f"; the addresses are made up: {error}"

    def _between(self, local: Place, remote: Place) -> Conversation:
        client, server = (remote, local) if self._is_server else (local, remote)
        return Conversation(client, server, self._count)

    def _carried(self, peer: Peer, data: bytes, received: bool) -> Iterator[Packet]:
        connection = self._connections[peer]
        chunk = connection.streams.receive(data) if received else connection.streams.send(data)
        what = f"recv() {chunk.number}" if received else f"send() {chunk.number}"
        comment = self._comment(what, chunk, peer)
        count = -(-len(data) // connection.packets.mss)
        at = 0
        for packet, carries in connection.packets.segments(self._is_from_client(received), data):
            at += carries
            if not carries:
                yield packet, _KERNELS
            elif at == 1:
                yield packet, comment
            else:
                yield packet, f"{what}: segment {at} of {count}{self._handled(peer)}"

    def _datagram(self, peer: Peer, data: bytes, received: bool) -> Iterator[Packet]:
        self._datagrams[received] += 1
        if peer.local is None or peer.remote is None:
            return
        local, remote = _reached(peer.local, peer.remote), peer.remote
        what = f"{'recv' if received else 'send'}() {self._datagrams[received]}"
        packet = datagram(remote, local, data) if received else datagram(local, remote, data)
        yield packet, self._comment(what, streams.datagram(self._dialect, data), peer)

    def _ended(self, peer: Peer, ours: bool, comment: str) -> Iterator[Packet]:
        connection = self._connections[peer]
        for packet in connection.packets.finished(self._is_from_client(not ours)):
            yield packet, comment
            comment = _KERNELS

    def _comment(self, what: str, chunk: Chunk, peer: Peer) -> str:
        start = f"{what}: {in_bytes(len(chunk.data))}{self._handled(peer)}"
        return "; ".join([start, *self._found(chunk)])

    def _handled(self, peer: Peer) -> str:
        """Who handles it: a thread, or the one thread of all, for this key of its selector."""
        if not self._is_server:
            return ""
        key = f", key fd={peer.descriptor}" if peer.thread == threading.main_thread().name else ""
        return f"; handled by {peer.thread}{key}"

    def _found(self, chunk: Chunk) -> Iterator[str]:
        for found in chunk.found[:MAX_MESSAGES]:
            yield found.shortened(MAX_LINE)
        if len(chunk.found) > MAX_MESSAGES:
            yield f"{len(chunk.found) - MAX_MESSAGES:,} more {self._dialect.unit}s"
        if chunk.violation is not None:
            yield f"{chunk.violation.reason}: {chunk.violation.detail}"
        elif chunk.broken and chunk.data:
            yield "discarded"
        elif chunk.rest:
            yield f"{chunk.rest:,} bytes of a {self._dialect.unit} that is not whole"


def _reached(local: Place, remote: Place) -> Place:
    """Where this side is for a peer: a port that is open on all addresses has that of the way to the peer."""
    if local[0] not in ("0.0.0.0", "::", ""):
        return local
    family = socket.AF_INET6 if ":" in remote[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(socket_address(*remote))  # sends nothing
        except OSError:
            return local
        return probe.getsockname()[0], local[1]
