"""What sessions and clients tell of the wire: which events, in which order, and of whom."""

from __future__ import annotations

from typing import Any

from twisted.internet import error
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.testing import FakeDatagramTransport, StringTransport
from twisted.trial.unittest import SynchronousTestCase

from netlab.events import (
    ChunkReceived,
    ChunkSent,
    Closed,
    Discarding,
    Expired,
    HalfClosed,
    Observers,
    Opened,
    Outcome,
    Peer,
    PeerHalfClosed,
    RunHandled,
    TurnedAway,
    Unanswered,
)
from netlab.protocols.client import Client
from netlab.protocols.session import LINGER
from netlab.protocols.tcp import TextClient
from netlab.protocols.tcpv2 import FixedClient
from netlab.protocols.tcpv3 import VariableClient
from netlab.protocols.udp import UDPClient, UDPServer
from netlab.wire.variable import frame
from tests.protocols import test_clients, test_session
from tests.protocols.test_session import HALF, HELLO

WIRE = (
    Opened,
    TurnedAway,
    ChunkReceived,
    ChunkSent,
    Expired,
    Discarding,
    HalfClosed,
    PeerHalfClosed,
    Closed,
)


class Told:
    """An observer that remembers the events of the wire, and holds them against what a wire can bring."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self._ended: set[type] = set()

    def listens(self) -> dict[type, Any]:
        return dict.fromkeys(WIRE, self._happened)

    def _happened(self, event: Any) -> None:
        kind = type(event)
        assert Closed not in self._ended, "nothing comes after the last"
        assert (kind in (Opened, TurnedAway)) == (not self.events), "the first is that it is there"
        assert not self.events or event.peer is self.events[0].peer, "one peer a connection"
        assert kind is not ChunkReceived or PeerHalfClosed not in self._ended, "nothing comes after a FIN"
        assert kind is not ChunkSent or HalfClosed not in self._ended, "nothing is sent after a FIN"
        if kind in (HalfClosed, PeerHalfClosed, Closed):
            assert kind not in self._ended, "each end comes once"
            self._ended.add(kind)
        self.events.append(event)

    @property
    def kinds(self) -> list[type]:
        return [type(event) for event in self.events]

    @property
    def end(self) -> tuple[Outcome, bool]:
        """How it was closed."""
        closed = self.events[-1]
        assert isinstance(closed, Closed)
        return closed.outcome, closed.aborted


class Sessions(test_session.SessionTestCase):
    """The server's side."""

    def setUp(self) -> None:
        super().setUp()
        self.wire = Told()
        self.told: Any = self.wire

    def tells(self, *kinds: type, outcome: Outcome, aborted: bool = False) -> None:
        """It has told these, and last that it was closed in this way."""
        self.assertEqual(self.wire.kinds, [*kinds, Closed])
        self.assertEqual(self.wire.end, (outcome, aborted))

    def test_a_client_that_comes_and_goes(self) -> None:
        session, _ = self.connect(self.factory())
        session.dataReceived(HELLO)
        session.readConnectionLost()
        self.tells(Opened, ChunkReceived, ChunkSent, PeerHalfClosed, HalfClosed, outcome=Outcome.FINISHED)
        received, sent = self.wire.events[1:3]
        self.assertEqual((received.data, sent.data), (HELLO, HELLO))

    def test_what_is_discarded_was_received_all_the_same(self) -> None:
        session, _ = self.connect(self.factory())
        session.dataReceived(HELLO + b"\0")
        session.dataReceived(b"more")
        session.readConnectionLost()
        self.tells(
            Opened,
            ChunkReceived,
            ChunkSent,
            Discarding,
            HalfClosed,
            ChunkReceived,
            PeerHalfClosed,
            outcome=Outcome.VIOLATION,
        )

    def test_a_violation_that_nothing_follows(self) -> None:
        session, _ = self.connect(self.factory())
        session.dataReceived(b"\0")
        self.pass_time(LINGER + 2)
        self.tells(Opened, ChunkReceived, Discarding, HalfClosed, outcome=Outcome.VIOLATION)

    def test_a_fin_inside_a_frame(self) -> None:
        session, _ = self.connect(self.factory())
        session.dataReceived(HALF)
        session.readConnectionLost()
        self.tells(Opened, ChunkReceived, PeerHalfClosed, Discarding, HalfClosed, outcome=Outcome.VIOLATION)

    def test_a_frame_that_is_not_ended_in_time(self) -> None:
        session, _ = self.connect(self.factory(frame_timeout=10))
        session.dataReceived(HALF)
        self.pass_time(13)
        session.dataReceived(b"too late")
        self.assertEqual(
            self.wire.kinds, [Opened, ChunkReceived, Expired, Discarding, HalfClosed, ChunkReceived]
        )

    def test_a_reset_is_no_fin(self) -> None:
        session, transport = self.connect(self.factory())
        session.dataReceived(HELLO)
        transport.lose(error.ConnectionLost())
        self.tells(Opened, ChunkReceived, ChunkSent, outcome=Outcome.RESET)

    def test_who_does_not_read_is_dropped(self) -> None:
        session, _ = self.connect(self.factory(stall_timeout=10))
        session.dataReceived(HELLO)
        session.pauseProducing()
        self.pass_time(12)
        self.tells(Opened, ChunkReceived, ChunkSent, outcome=Outcome.STALLED, aborted=True)

    def test_who_does_not_take_the_end_is_dropped_behind_it(self) -> None:
        session, transport = self.connect(self.factory(stall_timeout=10))
        transport.loseConnection = lambda: None  # type: ignore[method-assign]
        session.dataReceived(HELLO)
        session.readConnectionLost()
        self.pass_time(12)
        self.tells(
            Opened,
            ChunkReceived,
            ChunkSent,
            PeerHalfClosed,
            HalfClosed,
            outcome=Outcome.FINISHED,
            aborted=True,
        )

    def test_who_is_silent_gets_a_fin(self) -> None:
        self.connect(self.factory(idle_timeout=10))
        self.pass_time(13)
        self.tells(Opened, HalfClosed, outcome=Outcome.IDLE)

    def test_the_servers_end(self) -> None:
        factory = self.factory()
        self.connect(factory)
        factory.drain()
        self.tells(Opened, HalfClosed, outcome=Outcome.STOPPED)

    def test_the_servers_end_while_the_last_answer_still_leaves(self) -> None:
        factory = self.factory()
        session, transport = self.connect(factory)
        transport.loseWriteConnection = lambda: None  # type: ignore[method-assign]
        # Unlike this fake, Twisted's transports take it twice.
        transport.unregisterProducer = lambda: setattr(transport, "producer", None)  # type: ignore[method-assign]
        session.dataReceived(b"\0")
        factory.drain()
        self.tells(Opened, ChunkReceived, Discarding, HalfClosed, outcome=Outcome.VIOLATION)

    def test_the_servers_end_while_a_handler_is_at_work(self) -> None:
        factory = self.factory(lazy=True)
        session, _ = self.connect(factory)
        session.dataReceived(HELLO)
        factory.drain()
        session.dataReceived(b"discarded")
        session.handler.work()
        session.readConnectionLost()
        self.tells(
            Opened,
            ChunkReceived,
            Discarding,
            ChunkReceived,
            ChunkSent,
            HalfClosed,
            PeerHalfClosed,
            outcome=Outcome.STOPPED,
        )

    def test_the_servers_end_that_somebody_does_not_wait_for(self) -> None:
        factory = self.factory(lazy=True)
        session, _ = self.connect(factory)
        session.dataReceived(HELLO)
        factory.drain()
        self.pass_time(2)
        self.tells(Opened, ChunkReceived, Discarding, outcome=Outcome.STOPPED, aborted=True)

    def test_a_handler_that_fails(self) -> None:
        session, _ = self.connect(self.factory())

        def respond(run: Any) -> bytes:
            raise ZeroDivisionError

        session.respond = respond
        session.dataReceived(HELLO)
        self.flushLoggedErrors(ZeroDivisionError)
        self.tells(Opened, ChunkReceived, outcome=Outcome.FAILED, aborted=True)

    def test_who_is_turned_away_was_never_there(self) -> None:
        factory = self.factory(max_clients=1)
        self.connect(factory)
        self.wire.events.clear()
        refused = factory.buildProtocol(None)
        transport = StringTransport(
            IPv4Address("TCP", "192.0.2.1", 5005), IPv4Address("TCP", "192.0.2.7", 50_001)
        )
        refused.makeConnection(transport)
        refused.connectionLost()
        (event,) = self.wire.events
        self.assertEqual(type(event), TurnedAway)
        self.assertIn("1 clients are connected", event.why)
        self.assertEqual((event.peer.remote, event.peer.local), (("192.0.2.7", 50_001), ("192.0.2.1", 5005)))


class Transport(test_clients.Transport):
    """A client's transport that says how it was closed, as Twisted's do."""

    def loseConnection(self) -> None:
        self.disconnecting = True
        super().loseConnection()

    def abortConnection(self) -> None:
        self.lose(error.ConnectionAborted())


class Clients(SynchronousTestCase):
    """The client's side."""

    def connected(self, client: Client[Any]) -> Transport:
        self.wire = Told()
        client.observers = Observers([self.wire])
        transport = Transport(IPv4Address("TCP", "192.0.2.7", 50_001), IPv4Address("TCP", "192.0.2.1", 5005))
        transport.protocol = client
        client.makeConnection(transport)
        return transport

    def tells(self, *kinds: type, outcome: Outcome, aborted: bool = False) -> None:
        self.assertEqual(self.wire.kinds, [*kinds, Closed])
        self.assertEqual(self.wire.end, (outcome, aborted))

    def test_a_whole_conversation(self) -> None:
        for client, sent, answer in (
            (TextClient(), b"hello", b"ECHO: hello"),
            (FixedClient(), None, None),
            (VariableClient(), frame(1, "hello").pack(), frame(1, "hello").pack()),
        ):
            transport = self.connected(client)
            client.send("hello")
            self.assertEqual(transport.value(), sent or transport.value())
            client.dataReceived(answer or transport.value())
            client.finish()
            transport.lose(error.ConnectionDone())
            self.tells(Opened, ChunkSent, ChunkReceived, HalfClosed, PeerHalfClosed, outcome=Outcome.FINISHED)
            self.assertEqual(self.wire.events[1].data, transport.value())
            self.assertEqual(self.wire.events[0].peer.thread, "MainThread")

    def test_what_is_sent_is_told_when_it_is(self) -> None:
        client = TextClient()
        self.connected(client)
        client.send("one")
        client.send("two")  # once the first is answered (T4)
        self.assertEqual(self.wire.kinds, [Opened, ChunkSent])
        client.dataReceived(b"ECHO: one")
        self.assertEqual(self.wire.kinds, [Opened, ChunkSent, ChunkReceived, ChunkSent])

    def test_the_server_closes_first(self) -> None:
        client = VariableClient()
        transport = self.connected(client)
        transport.lose(error.ConnectionDone())
        self.tells(Opened, PeerHalfClosed, HalfClosed, outcome=Outcome.FINISHED)

    def test_a_reset(self) -> None:
        client = VariableClient()
        transport = self.connected(client)
        client.finish()
        transport.lose(error.ConnectionLost())
        self.tells(Opened, HalfClosed, outcome=Outcome.RESET)

    def test_a_server_that_sends_no_frame_is_dropped(self) -> None:
        client = VariableClient()
        self.connected(client)
        client.dataReceived(b"\2")
        self.tells(Opened, ChunkReceived, outcome=Outcome.STOPPED, aborted=True)

    def test_a_server_that_sends_a_wrong_answer_gets_a_fin(self) -> None:
        client = TextClient()
        self.connected(client)
        answer = client.send("hello")
        client.dataReceived(b"WRONG")
        self.failureResultOf(answer)
        self.tells(Opened, ChunkSent, ChunkReceived, HalfClosed, outcome=Outcome.FINISHED)

    def test_where_nobody_listens_nothing_is_told(self) -> None:
        client = TextClient()
        transport = Transport()
        transport.protocol = client
        client.makeConnection(transport)
        client.send("hello")
        client.dataReceived(b"ECHO: hello")
        client.finish()
        transport.lose(error.ConnectionDone())


class Every:
    """An observer that remembers events of some kinds, whoever they are about."""

    def __init__(self, kinds: tuple[type, ...], events: list[Any]) -> None:
        self._kinds, self._events = kinds, events

    def listens(self) -> dict[type, Any]:
        return dict.fromkeys(self._kinds, self._events.append)


class Port(FakeDatagramTransport):
    """A UDP port."""

    def getHost(self) -> IPv4Address:
        return IPv4Address("UDP", "0.0.0.0", 5005)

    def fileno(self) -> int:
        return 7


class Datagrams(SynchronousTestCase):
    def setUp(self) -> None:
        self.events: list[Any] = []
        kinds = (*WIRE, RunHandled, Unanswered)
        self.observers = Observers([Every(kinds, self.events)])

    def server(self, echo: bool) -> UDPServer:
        server = UDPServer(echo, self.observers)
        server.transport = Port()
        server.startProtocol()
        return server

    @property
    def kinds(self) -> list[type]:
        return [type(event) for event in self.events]

    def test_a_server_that_echoes(self) -> None:
        self.server(True).datagramReceived(b"hello", ("192.0.2.7", 50_001))
        self.assertEqual(self.kinds, [ChunkReceived, RunHandled, ChunkSent])
        self.assertEqual(len({event.peer for event in self.events}), 1)
        peer = self.events[0].peer
        self.assertEqual(
            (peer.bracket, peer.remote, peer.local, peer.descriptor),
            ("udp 192.0.2.7:50001 MainThread", ("192.0.2.7", 50_001), ("0.0.0.0", 5005), 7),
        )

    def test_a_server_that_does_not(self) -> None:
        self.server(False).datagramReceived(b"", ("192.0.2.7", 50_001))
        self.assertEqual(self.kinds, [ChunkReceived, RunHandled])

    def test_an_echo_that_could_go_round_for_ever_was_not_sent(self) -> None:
        self.server(True).datagramReceived(b"hello", ("192.0.2.7", 7))
        self.assertEqual(self.kinds, [ChunkReceived, RunHandled, Unanswered])

    def test_an_echo_that_cannot_be_sent_was_not_sent(self) -> None:
        server = self.server(True)

        def write(*_: object) -> None:
            raise PermissionError(1, "no")

        server.transport.write = write  # type: ignore[union-attr, method-assign]
        server.datagramReceived(b"hello", ("192.0.2.7", 50_001))
        self.assertEqual(self.kinds, [ChunkReceived, RunHandled, Unanswered])

    def test_an_ipv6_sender_has_a_scope_that_is_no_part_of_its_place(self) -> None:
        self.server(False).datagramReceived(b"", ("2001:db8::7", 50_001, 0, 0))
        self.assertEqual(self.events[0].peer.remote, ("2001:db8::7", 50_001))

    def test_a_client(self) -> None:
        client = UDPClient("192.0.2.1", 5005, self.observers)
        client.transport = Port()
        client.startProtocol()
        client.send("hello")
        client.datagramReceived(b"hello", ("192.0.2.66", 5005))  # somebody else's
        client.datagramReceived(b"hello", ("192.0.2.1", 5005))
        client.datagramReceived(b"unasked", ("192.0.2.1", 5005))
        self.assertEqual(self.kinds, [ChunkSent, ChunkReceived, ChunkReceived])
        self.assertEqual(len({event.peer for event in self.events}), 1)
        self.assertEqual(self.events[0].peer.remote, ("192.0.2.1", 5005))


class Peers(SynchronousTestCase):
    """Whom an event is about."""

    def of(self, host: Any, peer: Any) -> Peer:
        return Peer.of(StringTransport(host, peer), "client-1")

    def test_over_ipv4_and_ipv6(self) -> None:
        for kind, one, other, text in (
            (IPv4Address, "192.0.2.1", "192.0.2.7", "192.0.2.7:50001"),
            (IPv6Address, "2001:db8::1", "2001:db8::7", "[2001:db8::7]:50001"),
        ):
            peer = self.of(kind("TCP", one, 5005), kind("TCP", other, 50_001))
            self.assertEqual((peer.transport, peer.address), ("tcp", text))
            self.assertEqual((peer.local, peer.remote), ((one, 5005), (other, 50_001)))
            self.assertIsNone(peer.descriptor, "it is no socket")

    def test_over_a_unix_socket(self) -> None:
        peer = self.of(UNIXAddress(b"/tmp/lab"), UNIXAddress(b""))
        self.assertEqual((peer.transport, peer.address, peer.local, peer.remote), ("unix", "-", None, None))

    def test_are_told_apart_although_they_look_the_same(self) -> None:
        one, other = (self.of(UNIXAddress(b""), UNIXAddress(b"")) for _ in range(2))
        self.assertNotEqual(one, other)
        self.assertEqual(len({one, other}), 2)


class Listening(SynchronousTestCase):
    def test_an_event_is_made_only_for_who_listens(self) -> None:
        made: list[Any] = []
        Observers().happened(Opened, "too", "many", "values")  # they would not make one
        observers = Observers([Every((Opened,), made), Every((Opened, Closed), made)])
        observers.happened(Opened, "peer")
        observers.happened(PeerHalfClosed, "peer")
        self.assertEqual(made, [Opened("peer")] * 2)  # type: ignore[arg-type]
