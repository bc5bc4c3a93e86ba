"""The lines of the selector's keys."""

from __future__ import annotations

from selectors import EVENT_READ, EVENT_WRITE, SelectorKey
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IListeningPort, ITCPTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import globalLogPublisher
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import alsoProvides

from netlab.events import ChunkReceived, ChunkSent, Closed, Observers, Opened, Outcome, Peer, PeerHalfClosed
from netlab.observers.glances import AGAIN, Glances
from netlab.observers.keys import Keys
from netlab.observers.log import Log
from tests.observers.test_observers import Logged

BOTH = EVENT_READ | EVENT_WRITE
A_KEY = "key fd=9, client 192.0.2.7:50001"


class Port:
    """What the keys see of a listening port."""

    def __init__(self, address: Any = None) -> None:
        self.address = address or IPv4Address("TCP", "0.0.0.0", 5005)
        alsoProvides(self, IListeningPort)

    def getHost(self) -> Any:
        return self.address

    def fileno(self) -> int:
        return 6


class Connection(StringTransport):
    """What they see of a connection."""

    protocol: Any = None

    def __init__(
        self,
        number: int = 9,
        here: Any = IPv4Address("TCP", "192.0.2.1", 5005),  # noqa: B008
        there: Any = IPv4Address("TCP", "192.0.2.7", 50001),  # noqa: B008
    ) -> None:
        super().__init__(here, there)
        self.number = number
        alsoProvides(self, ITCPTransport)

    def fileno(self) -> int:
        return self.number


class Waker:
    """What a reactor has for itself."""

    def fileno(self) -> int:
        return 5


def key(descriptor: Any, events: int = EVENT_READ) -> SelectorKey:
    return SelectorKey(descriptor, descriptor.fileno(), events, descriptor)


class KeysTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.log = Logged()
        globalLogPublisher.addObserver(self.log)
        self.addCleanup(globalLogPublisher.removeObserver, self.log)
        self.start()

    def start(self, encoding: str = "utf-8", **options: Any) -> None:
        self.keys = Keys(Log(encoding), **options)
        self.observers = Observers([self.keys])
        self.port, self.connection = Port(), Connection()
        self.peer = Peer("tcp", "192.0.2.7:50001", "MainThread")

    def accept(self, connection: Connection | None = None, peer: Peer | None = None) -> None:
        """A connection is accepted, as the reactor and the session tell it."""
        self.keys.ready(key(self.port), EVENT_READ)
        self.keys.registered(key(connection or self.connection))
        self.observers.tell(Opened(peer or self.peer))
        self.keys.served()

    def accepted(self, **options: Any) -> None:
        """There is a port, and a connection; what the log said of that is forgotten."""
        self.start(**options)
        self.keys.registered(key(self.port))
        self.accept()
        self.log.lines.clear()

    def says(self, *lines: str) -> None:
        """These lines, and no others, were written since the last time."""
        self.assertEqual(self.log.lines, [f"[selector] {line}" for line in lines])
        self.log.lines.clear()


class Watched(KeysTestCase):
    def test_a_port_and_a_client(self) -> None:
        self.keys.registered(key(self.port))
        self.says(
            "Registered SelectorKey(fileobj=<listening socket 0.0.0.0:5005>, fd=6, events=READ, "
            "data=port 0.0.0.0:5005)"
        )
        self.accept()
        self.says(
            "Ready READ: key fd=6, port 0.0.0.0:5005: accept",
            "Registered SelectorKey(fileobj=<socket 192.0.2.1:5005 to 192.0.2.7:50001>, fd=9, events=READ, "
            "data=client 192.0.2.7:50001)",
        )
        self.keys.unregistered(key(self.connection))
        self.keys.unregistered(key(self.port))
        self.says(f"Unregistered {A_KEY}", "Unregistered key fd=6, port 0.0.0.0:5005")

    def test_what_is_neither_is_not_shown(self) -> None:
        for other in (Waker(), Protocol(), StringTransport()):
            made = SelectorKey(7, 7, EVENT_READ, other)
            self.keys.registered(made)
            self.keys.modified(made, BOTH)
            self.keys.ready(made, EVENT_READ)
            self.keys.served()
            self.keys.unregistered(made)
        self.says()
        self.assertFalse(self.keys.broken)

    def test_ipv6(self) -> None:
        self.keys.registered(key(Port(IPv6Address("TCP", "::", 5005))))
        self.keys.registered(
            key(Connection(9, IPv6Address("TCP", "::1", 5005), IPv6Address("TCP", "::1", 50001)))
        )
        self.says(
            "Registered SelectorKey(fileobj=<listening socket [::]:5005>, fd=6, events=READ, "
            "data=port [::]:5005)",
            "Registered SelectorKey(fileobj=<socket [::1]:5005 to [::1]:50001>, fd=9, events=READ, "
            "data=client [::1]:50001)",
        )

    def test_a_socket_of_unix_with_a_name_that_a_terminal_would_obey(self) -> None:
        self.keys.registered(key(Connection(9, UNIXAddress("/lab\x1b{}"), UNIXAddress(None))))
        self.says(
            r"Registered SelectorKey(fileobj=<socket /lab\x1b{} to ->, fd=9, events=READ, data=client -)"
        )

    def test_what_the_console_lacks(self) -> None:
        self.start(encoding="ascii")
        self.keys.registered(key(Port(UNIXAddress("/grüße"))))
        self.says(
            r"Registered SelectorKey(fileobj=<listening socket /gr\xfc\xdfe>, fd=6, events=READ, "
            r"data=port /gr\xfc\xdfe)"
        )

    def test_a_read_is_told_when_its_bytes_are_there(self) -> None:
        self.accepted()
        self.keys.ready(key(self.connection), EVENT_READ)
        self.says()
        self.observers.tell(ChunkReceived(self.peer, b"hello"))
        self.says(f"Ready READ: {A_KEY}: read of 5 bytes")

    def test_one_byte(self) -> None:
        self.accepted()
        self.keys.ready(key(self.connection), EVENT_READ)
        self.observers.tell(ChunkReceived(self.peer, b"x"))
        self.says(f"Ready READ: {A_KEY}: read of 1 byte")

    def test_an_answer(self) -> None:
        self.accepted()
        self.keys.ready(key(self.connection), EVENT_READ)
        self.observers.tell(ChunkReceived(self.peer, b"hello"))
        self.observers.tell(ChunkSent(self.peer, b"ECHO: hello"))
        self.keys.modified(key(self.connection, BOTH), EVENT_READ)
        self.keys.served()
        self.keys.ready(key(self.connection, BOTH), EVENT_WRITE)
        self.keys.modified(key(self.connection), BOTH)
        self.keys.served()
        self.says(
            f"Ready READ: {A_KEY}: read of 5 bytes",
            f"Modified {A_KEY}: events READ -> READ|WRITE (an answer of 11 bytes waits to be sent)",
            f"Ready WRITE: {A_KEY}: writable",
            f"Modified {A_KEY}: events READ|WRITE -> READ (all was sent)",
        )

    def test_backpressure(self) -> None:
        self.accepted()
        self.keys.modified(key(self.connection, EVENT_WRITE), BOTH)
        self.keys.modified(key(self.connection, BOTH), EVENT_WRITE)
        self.says(
            f"Modified {A_KEY}: events READ|WRITE -> WRITE (not read from now)",
            f"Modified {A_KEY}: events WRITE -> READ|WRITE (read from again)",
        )

    def test_a_fin_is_told_before_what_it_does_to_the_key(self) -> None:
        self.accepted()
        self.keys.ready(key(self.connection), EVENT_READ)
        self.keys.unregistered(key(self.connection))
        self.says()
        self.observers.tell(PeerHalfClosed(self.peer))
        self.keys.registered(key(self.connection, EVENT_WRITE))
        self.keys.served()
        self.connection.disconnecting = True
        self.keys.ready(key(self.connection, EVENT_WRITE), EVENT_WRITE)
        self.keys.unregistered(key(self.connection))
        self.observers.tell(Closed(self.peer, Outcome.FINISHED))
        self.keys.served()
        self.says(
            f"Ready READ: {A_KEY}: end of stream (the client's FIN)",
            f"Unregistered {A_KEY}",
            "Registered SelectorKey(fileobj=<socket 192.0.2.1:5005 to 192.0.2.7:50001>, fd=9, events=WRITE, "
            "data=client 192.0.2.7:50001) (to be closed)",
            f"Ready WRITE: {A_KEY}: writable, to be closed when all is sent",
            f"Unregistered {A_KEY}",
        )

    def test_no_answer_is_said_to_wait_that_was_sent_long_ago(self) -> None:
        self.accepted()
        self.observers.tell(ChunkSent(self.peer, b"ECHO: hello"))
        self.keys.modified(key(self.connection, BOTH), EVENT_READ)
        self.observers.tell(ChunkSent(self.peer, b"ECHO: again"))  # while the other one still waits
        self.keys.modified(key(self.connection), BOTH)
        self.log.lines.clear()
        self.keys.modified(key(self.connection, EVENT_WRITE), EVENT_READ)
        self.says(f"Modified {A_KEY}: events READ -> WRITE (to be closed; not read from now)")

    def test_a_reset(self) -> None:
        self.accepted()
        self.keys.ready(key(self.connection), EVENT_READ)
        self.keys.unregistered(key(self.connection))
        self.observers.tell(Closed(self.peer, Outcome.RESET))
        self.keys.served()
        self.says(
            f"Ready READ: {A_KEY}: lost (the client or the network reset the connection)",
            f"Unregistered {A_KEY}",
        )

    def test_what_is_not_known_is_not_said(self) -> None:
        self.accepted()
        self.keys.ready(key(self.connection), EVENT_READ)
        self.observers.tell(ChunkReceived(Peer("tcp", "192.0.2.8:50002", "MainThread"), b"of somebody else"))
        self.says()
        self.keys.served()
        self.says(f"Ready READ: {A_KEY}")

    def test_ready_to_be_read_and_written(self) -> None:
        self.accepted()
        self.keys.ready(key(self.connection, BOTH), BOTH)
        self.observers.tell(ChunkReceived(self.peer, b"x" * 65536))
        self.says(f"Ready READ|WRITE: {A_KEY}: read of 65,536 bytes, writable")

    def test_a_line_that_nobody_completed_comes_before_the_next(self) -> None:
        self.accepted()
        self.keys.ready(key(self.connection), EVENT_READ)
        self.keys.ready(key(self.port), EVENT_READ)
        self.says(f"Ready READ: {A_KEY}", "Ready READ: key fd=6, port 0.0.0.0:5005: accept")

    def test_two_clients_accepted_at_once_are_told_apart(self) -> None:
        other = Connection(10, there=IPv4Address("TCP", "192.0.2.8", 50002))
        others_peer = Peer("tcp", "192.0.2.8:50002", "MainThread")
        self.keys.ready(key(self.port), EVENT_READ)
        for connection, peer in ((self.connection, self.peer), (other, others_peer)):
            self.keys.registered(key(connection))
            self.observers.tell(Opened(peer))
        self.keys.served()
        self.log.lines.clear()
        self.keys.ready(key(self.connection), EVENT_READ)
        self.observers.tell(ChunkReceived(others_peer, b"not read from the first"))
        self.observers.tell(ChunkReceived(self.peer, b"hello"))
        self.says(f"Ready READ: {A_KEY}: read of 5 bytes")

    def test_behind_a_proxy(self) -> None:
        self.connection.protocol = ProtocolWrapper(WrappingFactory(Factory()), Protocol())
        client = Peer("tcp", "203.0.113.7:40000", "MainThread")
        self.keys.registered(key(self.connection))
        self.log.lines.clear()
        self.keys.ready(key(self.connection), EVENT_READ)
        self.observers.tell(Opened(client))
        self.observers.tell(ChunkReceived(client, b"less than what was read"))
        self.keys.unregistered(key(self.connection))
        self.keys.served()
        self.keys.registered(key(self.connection, EVENT_WRITE))
        named = "client 203.0.113.7:40000 (through 192.0.2.7:50001)"
        self.says(
            f"Ready READ: key fd=9, {named}: read",
            f"Unregistered key fd=9, {named}",
            "Registered SelectorKey(fileobj=<socket 192.0.2.1:5005 to 192.0.2.7:50001>, fd=9, events=WRITE, "
            f"data={named})",
        )

    def test_quiet(self) -> None:
        self.start(quiet=True)
        self.keys.registered(key(self.port))
        self.accept()
        self.keys.ready(key(self.connection), EVENT_READ)
        self.observers.tell(ChunkReceived(self.peer, b"hello"))
        self.observers.tell(ChunkSent(self.peer, b"ECHO: hello"))
        self.keys.modified(key(self.connection, BOTH), EVENT_READ)
        self.keys.served()
        self.keys.unregistered(key(self.connection))
        self.assertEqual(
            [line.split()[1] for line in self.log.lines], ["Registered", "Registered", "Unregistered"]
        )

    def test_the_table(self) -> None:
        self.start(table=True)
        self.keys.registered(key(self.port))
        self.log.lines.clear()
        self.accept()
        del self.log.lines[:2]
        self.says(
            "  fd  events  fileobj                                     data",
            "   6  READ    <listening socket 0.0.0.0:5005>             port 0.0.0.0:5005",
            "   9  READ    <socket 192.0.2.1:5005 to 192.0.2.7:50001>  client 192.0.2.7:50001",
        )

    def test_the_table_is_written_once_for_all_that_a_key_did(self) -> None:
        self.accepted(table=True)
        self.keys.ready(key(self.connection), EVENT_READ)
        self.keys.unregistered(key(self.connection))
        self.observers.tell(PeerHalfClosed(self.peer))
        self.keys.registered(key(self.connection, EVENT_WRITE))
        self.keys.served()
        self.assertEqual(len([line for line in self.log.lines if "  fd  events" in line]), 1)
        self.keys.ready(key(self.port), EVENT_READ)
        self.keys.served()
        self.assertEqual(len([line for line in self.log.lines if "  fd  events" in line]), 1)
        self.keys.modified(key(self.connection), EVENT_WRITE)  # from a timer: nobody is served
        self.assertEqual(len([line for line in self.log.lines if "  fd  events" in line]), 2)

    def test_nothing_is_kept_of_who_is_gone(self) -> None:
        def kept() -> list[int]:
            return [len(value) for value in vars(self.keys).values() if isinstance(value, dict)]

        none = kept()
        for number in range(10):
            connection = Connection(number)
            peer = Peer("tcp", "192.0.2.7:50001", "MainThread")
            self.accept(connection, peer)
            self.keys.ready(key(connection), EVENT_READ)
            self.observers.tell(ChunkSent(peer, b"hello"))
            self.keys.unregistered(key(connection))
            self.observers.tell(Closed(peer, Outcome.FINISHED))
            self.keys.served()
        self.assertEqual((kept(), max(none)), (none, 0))
        self.assertEqual([self.keys._owed, self.keys._serving, self.keys._newest], [None] * 3)

    def test_an_error_ends_the_show_and_nothing_else(self) -> None:
        self.accepted()
        broken = Connection(10, there=None)
        broken.getPeer = lambda: 1 / 0  # type: ignore[method-assign]
        self.keys.registered(key(broken))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.log.lines.clear()
        self.keys.registered(key(broken))
        self.keys.ready(key(self.connection), EVENT_READ)
        self.observers.tell(ChunkReceived(self.peer, b"hello"))
        self.keys.served()
        self.says()


class Glanced(KeysTestCase):
    """A reactor that does not tell what it does, but lets one look."""

    def setUp(self) -> None:
        super().setUp()
        self.reactor = MemoryReactorClock()
        self.glances = Glances(self.keys, self.reactor)
        self.observers = Observers([self.keys, self.glances])
        self.reactor.addReader(self.port)
        self.reactor.addReader(Waker())

    def run_started(self) -> None:
        for act, args, kwargs in self.reactor.whenRunningHooks:
            act(*args, **kwargs)
        self.reactor.advance(0)

    def turn(self, *events: object) -> None:
        """Events, and then the reactor's next turn."""
        for event in events:
            self.observers.tell(event)
        self.reactor.advance(0)

    def test_what_it_watches_is_shown_at_the_start_and_after_events(self) -> None:
        self.run_started()
        self.reactor.addReader(self.connection)
        self.observers.tell(Opened(self.peer))
        self.assertEqual(len(self.log.lines), 1)
        self.turn()
        self.says(
            "Registered SelectorKey(fileobj=<listening socket 0.0.0.0:5005>, fd=6, events=READ, "
            "data=port 0.0.0.0:5005)",
            "Registered SelectorKey(fileobj=<socket 192.0.2.1:5005 to 192.0.2.7:50001>, fd=9, events=READ, "
            "data=client 192.0.2.7:50001)",
        )
        self.turn(ChunkReceived(self.peer, b"hello"))
        self.says()
        self.reactor.removeReader(self.connection)
        self.turn(Closed(self.peer, Outcome.FINISHED))
        self.says(f"Unregistered {A_KEY}")

    def test_whoever_waits_to_write_is_looked_at_again_without_an_event(self) -> None:
        self.reactor.addReader(self.connection)
        self.run_started()
        self.log.lines.clear()
        self.reactor.addWriter(self.connection)
        self.turn(ChunkSent(self.peer, b"hello"))
        self.says(f"Modified {A_KEY}: events READ -> READ|WRITE")
        self.reactor.removeWriter(self.connection)
        self.reactor.advance(AGAIN)
        self.says(f"Modified {A_KEY}: events READ|WRITE -> READ (all was sent)")
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_one_look_for_many_events(self) -> None:
        self.run_started()
        for _ in range(9):
            self.observers.tell(ChunkReceived(self.peer, b"hello"))
        self.assertEqual(len(self.reactor.getDelayedCalls()), 1)

    def test_an_event_does_not_wait_for_the_next_look_at_who_writes(self) -> None:
        self.reactor.addWriter(self.connection)
        self.run_started()
        self.log.lines.clear()
        self.reactor.removeWriter(self.connection)
        self.turn(Closed(self.peer, Outcome.FINISHED))
        self.says(f"Unregistered {A_KEY}")

    def test_a_number_that_was_given_away_again(self) -> None:
        self.reactor.addReader(self.connection)
        self.run_started()
        self.log.lines.clear()
        self.reactor.removeReader(self.connection)
        self.reactor.addReader(Connection(9, there=IPv4Address("TCP", "192.0.2.8", 50002)))
        self.turn(Opened(self.peer))
        self.says(
            f"Unregistered {A_KEY}",
            "Registered SelectorKey(fileobj=<socket 192.0.2.1:5005 to 192.0.2.8:50002>, fd=9, events=READ, "
            "data=client 192.0.2.8:50002)",
        )

    def test_a_connection_that_was_closed_has_no_key(self) -> None:
        self.run_started()
        self.log.lines.clear()
        self.reactor.addReader(Connection(-1))
        self.turn(Opened(self.peer))
        self.says()

    def test_an_error_ends_the_looks(self) -> None:
        self.run_started()
        self.patch(self.reactor, "getReaders", lambda: 1 / 0)
        self.turn(Opened(self.peer))
        self.turn(Opened(self.peer))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
