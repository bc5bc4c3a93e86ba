"""TLS on CorkedReactor: below it, the connection is corked as any other; above, Twisted's own code runs."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any

from twisted.internet.test.reactormixins import ReactorBuilder
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.reactors.byhand import (
    HAS_EPOLL,
    MUCH,
    NO_EPOLL,
    Doing,
    Recorded,
    Serving,
    calling,
    corked_reactor,
    echo,
)
from tests.reactors.producers import PIECES, Producer, Pulling, Pushing, starting
from tests.support import PATIENCE, receive, receive_all, reset

try:
    from twisted.internet.ssl import PrivateCertificate

    from tests.certificate import certificate
except ImportError:
    skip = "Twisted's TLS is not installed: pip install 'Twisted[tls]'"

if not HAS_EPOLL:
    skip = NO_EPOLL

HERE = "127.0.0.1"


class Secured(ReactorBuilder, SynchronousTestCase):
    """With a reactor that runs, and clients in a thread, as in a program of its own."""

    reactorFactory = staticmethod(corked_reactor)
    timeout = PATIENCE

    def setUp(self) -> None:
        """A certificate, and a context that trusts it."""
        pem = certificate()
        self.options = PrivateCertificate.loadPEM(pem).options()
        self.trusting = ssl.create_default_context(cadata=pem[: pem.index(b"-----BEGIN PRIVATE")].decode())

    def talk(
        self, protocol: Recorded, client: Callable[[socket.socket], Any], *, secured: bool = True
    ) -> Recorded:
        """Have a protocol serve a client, with TLS or without, until both have ended.

        client: called with its socket, in a thread.
        """
        reactor: Any = self.buildReactor()
        failures: list[Failure] = []
        factory = Serving([protocol])
        port = (
            reactor.listenSSL(0, factory, self.options, interface=HERE)
            if secured
            else reactor.listenTCP(0, factory, interface=HERE)
        )
        address = (HERE, port.getHost().port)

        def run() -> None:
            with socket.create_connection(address, PATIENCE) as connection:
                if secured:
                    with self.secured(connection) as over_it:
                        client(over_it)
                else:
                    client(connection)

        def ended() -> None:
            """Stop when the server's end has seen the client's."""
            reactor.stop() if protocol.ends else reactor.callLater(0.01, ended)

        def begin() -> None:
            talking = deferToThreadPool(reactor, reactor.getThreadPool(), run)
            talking.addErrback(failures.append).addCallback(lambda _: ended())

        reactor.callWhenRunning(begin)
        self.runReactor(reactor)
        if failures:
            failures[0].raiseException()
        return protocol

    def secured(self, connection: socket.socket) -> ssl.SSLSocket:
        """TLS on a client's connection. A FIN without TLS's own goodbye before it is an error."""
        return self.trusting.wrap_socket(connection, server_hostname=HERE, suppress_ragged_eofs=False)


def to_its_end(connection: socket.socket) -> bytes:
    """All bytes until the server's goodbye; and say goodbye, too."""
    data = receive_all(connection)
    assert isinstance(connection, ssl.SSLSocket)
    connection.unwrap()
    return data


class Streams(Secured):
    def test_small_messages(self) -> None:
        def client(connection: socket.socket) -> None:
            for number in range(200):
                data = b"%03d" % number
                connection.sendall(data)
                self.assertEqual(receive(connection, 3), data)

        protocol = self.talk(Recorded(echo), client)
        self.assertEqual((len(protocol.received), len(protocol.ends)), (600, 1))

    def test_bulk(self) -> None:
        """Pieces, each answered twice: once as it is, once in a sequence."""

        def answer(protocol: Any, data: bytes) -> None:
            protocol.transport.write(data)
            protocol.transport.writeSequence([data[:1], b"", data[1:]])

        def client(connection: socket.socket) -> None:
            for length in 1, 16_384, 65_536, 65_537, len(MUCH):
                connection.sendall(MUCH[:length])
                self.assertEqual(len(receive(connection, 2 * length)), 2 * length)

        self.talk(Recorded(answer), client)

    def test_bulk_with_an_end_behind_it(self) -> None:
        def answer(protocol: Any, data: bytes) -> None:
            for piece in PIECES:
                protocol.transport.write(piece)
            protocol.transport.write(MUCH)
            protocol.transport.loseConnection()

        def client(connection: socket.socket) -> None:
            connection.sendall(b"?")
            self.assertEqual(to_its_end(connection), 2 * MUCH)

        self.assertEqual(self.talk(Recorded(answer), client).ends, ["ConnectionDone"])

    def test_an_old_version(self) -> None:
        self.trusting.maximum_version = ssl.TLSVersion.TLSv1_2
        self.test_bulk_with_an_end_behind_it()

    def test_the_clients_goodbye(self) -> None:
        def client(connection: socket.socket) -> None:
            connection.sendall(MUCH)
            assert isinstance(connection, ssl.SSLSocket)
            connection.unwrap()  # says goodbye, and waits for the server's

        protocol = self.talk(Recorded(), client)
        self.assertEqual((protocol.received == MUCH, protocol.ends), (True, ["ConnectionDone"]))

    def test_a_reset(self) -> None:
        def client(connection: socket.socket) -> None:
            connection.sendall(b"x")
            receive(connection, 1)
            reset(connection)

        self.assertEqual(self.talk(Recorded(echo), client).ends, ["ConnectionLost"])

    def test_abortConnection(self) -> None:
        def client(connection: socket.socket) -> None:
            connection.sendall(b"x")
            self.assertRaises(OSError, receive, connection, 1)  # a reset, or an end without a goodbye

        self.assertEqual(len(self.talk(Recorded(calling("abortConnection")), client).ends), 1)

    def test_a_producer(self) -> None:
        class Producing(Recorded):
            kind: type[Producer]

            def connectionMade(self) -> None:
                self.producer = self.kind(self.transport, PIECES)
                self.producer.at_its_end = self.transport.loseConnection
                self.doing = starting(self.producer)

        def client(connection: socket.socket) -> None:
            connection.sendall(b"?")
            self.assertEqual(to_its_end(connection), MUCH)

        for each in Pushing, Pulling:
            protocol = Producing()
            protocol.kind = each
            self.talk(protocol, client)
            self.assertEqual(protocol.ends, ["ConnectionDone"])
            self.assertNotIn("stop", protocol.producer.calls)

    def test_an_idle_reactor_waits(self) -> None:
        turns: list[object] = []

        class Counting(Recorded):
            def connectionMade(self) -> None:
                reactor = self.transport.reactor
                iterate = reactor.doIteration

                def counted(delay: float | None) -> None:
                    turns.append(delay)
                    iterate(delay)

                reactor.doIteration = counted

        def client(connection: socket.socket) -> None:
            for data in b"x", MUCH[:100_000]:
                connection.sendall(data)
                receive(connection, len(data))
            connection.settimeout(0.2)
            before = len(turns)
            self.assertRaises(TimeoutError, connection.recv, 1)
            self.assertLess(len(turns) - before, 20)

        self.talk(Counting(echo), client)
        self.assertTrue(turns)


class Beginning(Secured):
    """TLS that begins on a connection that has begun without: startTLS()."""

    def begin(self, before: bytes, then: Doing) -> Recorded:
        """Write something, begin with TLS, and see what then happens to bytes."""

        def start(protocol: Any, data: bytes) -> None:
            protocol.transport.write(before)
            protocol.transport.startTLS(self.options)
            protocol.doing = then

        return Recorded(start)

    def test_in_dataReceived(self) -> None:
        def client(connection: socket.socket) -> None:
            connection.sendall(b"?")
            self.assertEqual(receive(connection, 3), b"go!")
            with self.secured(connection) as over_it:
                for length in 1, 65_537, len(MUCH):
                    over_it.sendall(MUCH[:length])
                    self.assertEqual(receive(over_it, length), MUCH[:length])

        protocol = self.talk(self.begin(b"go!", echo), client, secured=False)
        self.assertEqual(len(protocol.ends), 1)

    def test_behind_much_that_is_not_secured(self) -> None:
        """The handshake begins behind it, and what is written then behind that."""

        def end(protocol: Any, data: bytes) -> None:
            protocol.transport.write(MUCH)
            protocol.transport.write(data)
            protocol.transport.loseConnection()

        def client(connection: socket.socket) -> None:
            connection.sendall(b"?")
            self.assertEqual(receive(connection, len(MUCH)), MUCH)
            with self.secured(connection) as over_it:
                over_it.sendall(b"!")
                self.assertEqual(to_its_end(over_it), MUCH + b"!")

        protocol = self.talk(self.begin(MUCH, end), client, secured=False)
        self.assertEqual(protocol.ends, ["ConnectionDone"])

    def test_with_a_client_that_has_not_understood(self) -> None:
        def client(connection: socket.socket) -> None:
            connection.sendall(b"?")
            receive(connection, 3)
            connection.sendall(b"this is no handshake\r\n")
            receive_all(connection)

        self.assertEqual(self.talk(self.begin(b"go!", echo), client, secured=False).ends, ["Error"])
