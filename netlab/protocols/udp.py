"""UDP: a datagram is one message of UTF-8 text (docs/protocol.md, U1-U7)."""

from __future__ import annotations

import socket
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import LoopingCall

from netlab import events
from netlab.events import Observers, Peer, Place, address_text, place
from netlab.protocols.loops import BURST, LOOK_EVERY, PRIVILEGED_PORTS, RATE, LoopGuard
from netlab.scopes import socket_address, with_scope
from netlab.wire import text

MAX_DATAGRAM = 65_535
"""What is read of a datagram, in bytes: more than the 65,507 that UDP over IPv4 can carry.

Twisted's 8,192 would cut it in silence.
"""

DROP_CHECK_INTERVAL = 1.0
"""Seconds between two looks at how many datagrams the kernel has dropped."""

_SO_MEMINFO, _DROPS = 55, 8  # Linux: asm-generic/socket.h, and the place of the drops in what it returns


class UDPServer(DatagramProtocol):
    """Takes datagrams from anybody.

    Args:
        echo: Whether to send them back.
        observers: They are notified of each datagram.
        clock: Schedules the looks at dropped datagrams; without one they are not counted.
    """

    noisy = False

    def __init__(
        self, echo: bool = False, observers: Observers | None = None, clock: IReactorTime | None = None
    ) -> None:
        self.echo = echo
        self.observers = observers or Observers()
        self.dropped = 0
        """Datagrams that the kernel has dropped since the port was opened (U5)."""
        self._place: tuple[Place | None, int | None] = (None, None)
        self._port = 0
        self._told = self.observers.to_each
        self._guard = LoopGuard()
        self._until_look = LOOK_EVERY
        self._own_socket: socket.socket | None = None
        self._drop_check = LoopingCall(self._check_drops)
        if clock is not None:
            self._drop_check.clock = clock
        self._counts_drops = clock is not None

    def startProtocol(self) -> None:
        """Twisted calls this when the port is open."""
        keep_scopes(self.transport)
        self._place = here, _ = _place(self.transport)
        self._port = here[1] if here is not None else 0
        opened = getattr(self.transport, "socket", None)
        if self._counts_drops and isinstance(opened, socket.socket):
            self._own_socket = opened.dup()  # Twisted's own is closed before stopProtocol()
            self._drop_check.start(DROP_CHECK_INTERVAL, now=False)

    def stopProtocol(self) -> None:
        """Twisted calls this when the port is closed."""
        if self._own_socket is not None:
            self._drop_check.stop()
            self._check_drops()
            self._own_socket.close()
            self._own_socket = None

    def _check_drops(self) -> None:
        """Report what the kernel has dropped since the last look.

        It counts the drops of each socket. SO_RXQ_OVFL would tell with the next datagram only, and would have
        to be asked for with each.
        """
        assert self._own_socket is not None
        more = (_drops(self._own_socket) - self.dropped) & 0xFFFF_FFFF  # the kernel counts in 32 bits
        if more:
            self.dropped += more
            self.observers.happened(events.DatagramsDropped, more, self.dropped)

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
        self._until_look -= 1
        why = None
        if port < PRIVILEGED_PORTS or port == self._port or self._until_look <= 0:
            why = self._find_loop(datagram, addr)
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

    def _find_loop(self, datagram: bytes, addr: tuple[str, int]) -> str | None:
        """Return why this echo might go round forever, None where it may be sent (U4, U6)."""
        host, port = addr
        if port < PRIVILEGED_PORTS:
            return f"port {port} is below {PRIVILEGED_PORTS}: a service there might answer, again and again"
        if port == self._port:
            if _is_ours(host):
                return "it came from this server's own address and port"
            if not self._guard.take_token():
                return (
                    f"its port has this server's number, {port}: two servers that echo would answer each "
                    f"other forever, so all such senders get {BURST} echoes, and {RATE:g} more a second"
                )
        if self._until_look <= 0:
            self._until_look = LOOK_EVERY
            if self._guard.comes_back(datagram, addr):
                return "it sends the same bytes again and again, as a server would that echoes what it gets"
        return None


def _place(transport: Any) -> tuple[Place | None, int]:
    """Where a port is, and its descriptor."""
    return place(transport.getHost()), transport.fileno()


def _peer(remote: Place, place: tuple[Place | None, int | None]) -> Peer:
    return Peer("udp", address_text(*remote), threading.current_thread().name, remote, *place)


def _is_ours(host: str) -> bool:
    """Is it an address of this machine? Only such a one can be bound."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(socket_address(host, 0))
        except OSError:
            return False
    return True


class _ScopedSocket(socket.socket):
    """An IPv6 socket that takes and returns link-local addresses with their interface: fe80::1%eth0."""

    def recvfrom(self, *arguments: Any) -> tuple[bytes, Any]:
        """Receive a datagram; return it with its sender's address."""
        data, address = super().recvfrom(*arguments)
        host, port, flow, scope = address
        return (data, (with_scope(host, scope), port, flow, scope)) if scope else (data, address)

    def sendto(self, data: Any, *arguments: Any) -> int:
        """Send a datagram to the address that is the last argument."""
        *flags, address = arguments
        send: Callable[..., int] = super().sendto
        return send(data, *flags, socket_address(*address[:2]))


def keep_scopes(transport: Any) -> None:
    """Have a UDP port of Twisted's keep the interface of link-local senders, which it cuts off (#6826).

    To be called in startProtocol(), before the reactor watches the socket.
    """
    opened = getattr(transport, "socket", None)
    if isinstance(opened, socket.socket) and opened.family == socket.AF_INET6:
        transport.socket = _ScopedSocket(fileno=opened.detach())
        transport.socket.setblocking(False)
        transport.fileno = transport.socket.fileno


def _drops(opened: socket.socket) -> int:
    """Return the kernel's count of the datagrams that it has dropped at a socket; 0 where it does not say."""
    if sys.platform != "linux":
        return 0
    try:
        counters = opened.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * (_DROPS + 1))
    except OSError:  # older than Linux 4.12
        return 0
    dropped: int = struct.unpack_from("=I", counters, 4 * _DROPS)[0]
    return dropped


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
        keep_scopes(self.transport)
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
