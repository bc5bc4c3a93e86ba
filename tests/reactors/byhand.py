"""Reactors whose turns a test makes one by one, and connections that they serve."""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.support import PATIENCE

NO_EPOLL = "CorkedReactor needs epoll, which Linux has"
"""Why its tests are skipped elsewhere."""

HAS_EPOLL = sys.platform == "linux"

MUCH = bytes(range(256)) * 4096
"""A mebibyte: more than a socket takes at once that was told to take little."""

LITTLE = 16_384
"""Bytes that such a socket is told to take; the system doubles it."""

SEGMENT = 1_400
"""Bytes in a segment where buffers are small: loopback's own, of 64 KiB, would each wait for a probe."""

SMALL_TURN = 0.01
"""Seconds that a reactor waits in a turn where a test waits for something that does not wake it."""


def corked_reactor() -> Any:
    """A CorkedReactor: its module cannot be imported where there is no epoll."""
    from netlab.reactors.corked import CorkedReactor

    return CorkedReactor()


Doing = Callable[[Any, bytes], Any]
"""What a protocol may be told to do when bytes come: it gets the protocol and the bytes."""


def echo(protocol: Any, data: bytes) -> None:
    """Answer with the same."""
    protocol.transport.write(data)


def calling(method: str) -> Doing:
    """Call a method of the transport's."""

    def doing(protocol: Any, data: bytes) -> None:
        getattr(protocol.transport, method)()

    return doing


INSTALL = """
from netlab.reactors.{module} import {reactor}, install
from twisted.internet.error import ReactorAlreadyInstalledError
install()
from twisted.internet import reactor
print(type(reactor) is {reactor})
try:
    install()
except ReactorAlreadyInstalledError:
    print("already")
from twisted.internet import reactor as the_same
print(the_same is reactor)
"""
"""A program that makes one of our reactors its own, tries it again, and prints: True, already, True."""


class Recorded(Protocol):
    """A server's protocol that does what it is told, and remembers what happens to it.

    doing: see Doing. It may be exchanged at any time.
    """

    transport: Any

    def __init__(self, doing: Doing = lambda protocol, data: None) -> None:
        self.doing = doing
        self.received = bytearray()
        self.ends: list[str] = []
        """Names: of the methods that told of a half's end, and of why the connection was lost."""

    def dataReceived(self, data: bytes) -> None:
        """Bytes of the peer's."""
        self.received += data
        self.doing(self, data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The end."""
        assert reason.type is not None
        self.ends.append(reason.type.__name__)


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Recorded):
    """One whose halves may end apart."""

    def readConnectionLost(self) -> None:
        """The peer's FIN."""
        self.ends.append("read")

    def writeConnectionLost(self) -> None:
        """Ours."""
        self.ends.append("write")


class Serving(Factory):
    """Has these protocols made one after another."""

    noisy = False

    def __init__(self, protocols: Iterable[Protocol]) -> None:
        self._protocols = iter(protocols)

    def buildProtocol(self, addr: object) -> Protocol:
        """The next."""
        return next(self._protocols)


class ByHand(SynchronousTestCase):
    """With a reactor whose turns the test makes one by one.

    It is not made by a ReactorBuilder, which would skip the test where the reactor cannot be made.
    """

    def make_reactor(self) -> Any:
        """The reactor: for subclasses."""
        raise NotImplementedError

    def close_reactor(self) -> None:
        """Close what is the reactor's own: for subclasses."""
        raise NotImplementedError

    def setUp(self) -> None:
        """A reactor."""
        self.reactor = self.make_reactor()

    def tearDown(self) -> None:
        """Close what is open."""
        self.reactor.disconnectAll()
        for call in self.reactor.getDelayedCalls():
            call.cancel()
        for waker in self.reactor._internalReaders:
            self.reactor.removeReader(waker)
            waker.connectionLost(None)
        self.close_reactor()

    # Turns.

    def turn(self, times: int = 1) -> None:
        """One turn of the loop, or some: timers that are due, then what is ready now."""
        for _ in range(times):
            self.reactor.iterate(0)

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Turns until something has happened."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            self.reactor.iterate(SMALL_TURN)

    def until_connected(self, protocol: Protocol) -> None:
        """Turns until a protocol has a transport."""
        self.until(lambda: protocol.connected, "a connection is made")

    def until_lost(self, protocol: Recorded) -> None:
        """Turns until something of a connection has ended."""
        self.until(lambda: protocol.ends, "the connection is lost")

    def soon(self, call: Callable[..., Any], *arguments: Any) -> None:
        """Have a timer call it in the next turn, before the reactor looks who is ready."""
        self.reactor.callLater(0, call, *arguments)

    # Connections.

    def serve(
        self, protocol: Protocol, *, small: bool = False, interface: str = "127.0.0.1"
    ) -> socket.socket:
        """Have a protocol serve a client, and return the client's socket.

        What is sent leaves at once, without Nagle's algorithm. small: whether the sockets take little: the
        server's LITTLE to send, the client's LITTLE to read.
        """
        port = self.reactor.listenTCP(0, Serving([protocol]), interface=interface)
        client = self.client(port.getHost().port, small=small, interface=interface)
        self.until_connected(protocol)
        port.stopListening()
        transport: Any = protocol.transport
        transport.setTcpNoDelay(True)
        if small:
            transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LITTLE)
        return client

    def client(self, port: int, *, small: bool = False, interface: str = "127.0.0.1") -> socket.socket:
        """A client's socket, connected, and closed when the test is over."""
        client = socket.socket(socket.AF_INET6 if ":" in interface else socket.AF_INET)
        self.addCleanup(client.close)
        if small:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LITTLE)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.settimeout(PATIENCE)
        client.connect((interface, port))
        client.setblocking(False)
        return client

    def there(self, client: socket.socket) -> bytes:
        """What has arrived at a client by now, without another turn of the reactor."""
        data = bytearray()
        while piece := now(client):
            data += piece
        return bytes(data)

    def arriving(self, client: socket.socket, length: int) -> bytes:
        """So many bytes at a client, and what comes with them; fewer only where the stream ends before."""
        data = bytearray()

        def enough() -> bool:
            while (piece := now(client)) is not None:
                data.extend(piece)
                if not piece:
                    return True
            return len(data) >= length

        self.until(enough, f"{length} bytes arrive")
        return bytes(data)

    def to_its_end(self, client: socket.socket) -> bytes:
        """All bytes until the server's FIN. Raises ConnectionResetError where a reset comes instead."""
        return self.arriving(client, sys.maxsize)


class Corked(ByHand):
    """With a CorkedReactor."""

    def make_reactor(self) -> Any:
        """See ByHand."""
        return corked_reactor()

    def close_reactor(self) -> None:
        """See ByHand."""
        self.reactor._poller.close()

    def pair(
        self, first: Recorded, second: Recorded, *, small: bool = False
    ) -> tuple[socket.socket, socket.socket]:
        """Two clients, each with its protocol; small: see serve(), of the first."""
        return self.serve(first, small=small), self.serve(second)

    def assert_ended(self, protocol: Recorded, *ends: str) -> None:
        """So, and no more after some turns."""
        self.until(lambda: len(protocol.ends) >= len(ends), f"{ends} is told")
        self.turn(3)
        self.assertEqual(protocol.ends, list(ends))


def now(client: socket.socket) -> bytes | None:
    """What a client can read: b"" at the end of the stream, None where there is nothing yet."""
    try:
        return client.recv(1 << 20)
    except BlockingIOError:
        return None


def segments(client: socket.socket) -> int:
    """How many segments with data a client has received: Linux's tcpi_data_segs_in.

    A send() of few bytes makes one segment, and two make two: see TCP_NODELAY above.
    """
    info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
    (count,) = struct.unpack_from("=I", info, 152)
    assert isinstance(count, int)
    return count
