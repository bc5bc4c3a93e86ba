"""UDP: a datagram is one message of UTF-8 text (docs/protocol.md, U1-U5)."""

from __future__ import annotations

import socket
import threading
from collections import deque
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

from netlab import events
from netlab.events import Observers, Peer, Place, address_text, place
from netlab.wire import text

MAX_DATAGRAM = 65_535
"""What is read of a datagram, in bytes: more than the 65,507 that UDP over IPv4 can carry.

Twisted's 8,192 would cut it in silence.
"""

PRIVILEGED_PORTS = 1024
"""Ports below this belong to services, many of which answer anything: an echo to one of them may go round for
ever (U4).
"""

_log = Logger()


class UDPServer(DatagramProtocol):
    """Takes datagrams from anybody. echo: sends them back. observers: who is told what happens."""

    noisy = False

    def __init__(self, echo: bool = False, observers: Observers | None = None) -> None:
        self.echo = echo
        self.observers = observers or Observers()
        self._place: tuple[Place | None, int | None] = (None, None)
        self._port = 0
        self._told = self.observers.to_each

    def startProtocol(self) -> None:
        """Twisted calls this when the port is open."""
        self._place = here, _ = _place(self.transport)
        self._port = here[1] if here is not None else 0

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Twisted calls this with each datagram, whole, and its sender."""
        if self._told:
            peer = _peer(addr[:2], self._place)
            self.observers.happened(events.ChunkReceived, peer, datagram)
            self.observers.happened(events.RunHandled, peer, text.datagram(datagram))
        else:
            peer = None
        if self.echo:
            self._answer(datagram, addr, peer)

    def _answer(self, datagram: bytes, addr: tuple[str, int], peer: Peer | None) -> None:
        """Send the datagram back, the same bytes and never more; but not where that could go round for ever
        (U3, U4).
        """
        port = addr[1]
        why = self._loop(addr) if port < PRIVILEGED_PORTS or port == self._port else None
        if why is None:
            try:
                self.transport.write(datagram, addr)  # type: ignore[union-attr]
            except OSError as error:  # no route, or a firewall says no: one peer's trouble, not the server's
                why = f"it cannot be sent: {error.strerror or error}"
        if why is not None:
            peer = peer or _peer(addr[:2], self._place)
            self.observers.happened(events.Unanswered, peer, why)
        elif peer is not None:
            self.observers.happened(events.ChunkSent, peer, datagram)

    def _loop(self, addr: tuple[str, int]) -> str | None:
        """Why an echo to this port, which is a service's or has our own number, might go round for ever."""
        host, port = addr
        if port < PRIVILEGED_PORTS:
            return f"port {port} is below {PRIVILEGED_PORTS}: a service there might answer, for ever"
        return "it came from this server's own address and port" if _is_ours(host) else None


def _place(transport: Any) -> tuple[Place | None, int]:
    """Where a port is, and its descriptor."""
    return place(transport.getHost()), transport.fileno()


def _peer(remote: Place, place: tuple[Place | None, int | None]) -> Peer:
    return Peer("udp", address_text(*remote), threading.current_thread().name, remote, *place)


def _is_ours(host: str) -> bool:
    """Is it an address of this machine? Only such a one can be bound."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True


class UDPClient(DatagramProtocol):
    """Sends to one server, and matches echoes by their bytes, the oldest first (E4).

    host, port: the server; host is an IP address. The socket is not connected, so that an ICMP error does not
    end it (#5377). observers: who is told what happens.
    """

    noisy = False

    def __init__(self, host: str, port: int, observers: Observers | None = None) -> None:
        self.observers = observers or Observers()
        self._server = (host, port)
        self._peer: Peer | None = None
        self._awaited: deque[tuple[bytes, Deferred[bytes]]] = deque()

    def startProtocol(self) -> None:
        """Twisted calls this when the port is open."""
        self._peer = _peer(self._server, _place(self.transport))

    def send(self, typed: str, echo: bool = True) -> Deferred[bytes]:
        """Send a text as one datagram. Fires with its echo, at once where none is expected.

        UDP loses datagrams and tells nobody: set a deadline to it, Deferred.addTimeout. Raises ValueError for
        a text that has no UTF-8, MessageLengthError for one that no datagram can carry.
        """
        datagram = text.encode(typed)
        assert self.transport is not None
        self.transport.write(datagram, self._server)
        self.observers.happened(events.ChunkSent, self._peer, datagram)
        answer: Deferred[bytes] = Deferred(self._forget)
        if echo:
            self._awaited.append((datagram, answer))
        else:
            answer.callback(datagram)
        return answer

    def _forget(self, answer: Deferred[bytes]) -> None:
        self._awaited = deque(each for each in self._awaited if each[1] is not answer)

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Twisted calls this with each datagram; only the server's count."""
        if tuple(addr[:2]) != self._server:
            return
        self.observers.happened(events.ChunkReceived, self._peer, datagram)
        for each in self._awaited:
            if each[0] == datagram:
                self._awaited.remove(each)
                each[1].callback(datagram)
                return
        self.unexpectedReceived(datagram)

    def unexpectedReceived(self, datagram: bytes) -> None:
        """A datagram came that nobody waits for: no echo, a second one, or one too late.

        Override where that matters.
        """
