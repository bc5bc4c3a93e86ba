"""CorkedReactor's TCP servers: what is written arrives, at once and in order, and whatever ends, ends once.

Where nothing is said of a number of turns, Twisted's own transport would pass, too: what is tested is that
nothing of it was lost on the way to the fast one.
"""

from __future__ import annotations

import gc
import socket
import struct
import time
import weakref
from collections.abc import Callable
from functools import partial
from threading import Event
from typing import Any

from twisted.internet.error import ConnectionDone, UnsupportedAddressFamily
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python import context, log
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from tests.reactors.byhand import (
    HAS_EPOLL,
    MUCH,
    NO_EPOLL,
    Corked,
    HalfCloseable,
    Recorded,
    Serving,
    calling,
    echo,
    segments,
)
from tests.reactors.producers import PIECE, PIECES, Producer, Pulling, Pushing, starting
from tests.support import PATIENCE, reset

if not HAS_EPOLL:
    skip = NO_EPOLL

BUFFER = 65_536
"""Bytes that may wait in a transport before its producer is paused."""

HERE = "127.0.0.1"


class Bytes(bytes):
    """Bytes of another type."""


class Order(Corked):
    """Bytes leave in the order in which they were written."""

    def test_whatever_writes_them(self) -> None:
        big = MUCH[:70_000]

        def answer(protocol: Any, data: bytes) -> None:
            transport = protocol.transport
            transport.write(b"1")
            transport.writeSequence([b"2", b"", b"3"])
            transport.write(b"")
            transport.write(Bytes(b"4"))
            transport.write(big)
            transport.writeSequence([b"5", big])
            transport.write(b"6")

        client = self.serve(Recorded(answer))
        client.send(b"?")
        expected = b"1234" + big + b"5" + big + b"6"
        self.assertEqual(self.arriving(client, len(expected)), expected)

    def test_whoever_writes_them(self) -> None:
        said: list[bytes] = []

        def say(text: bytes) -> None:
            said.append(text)
            talker.transport.write(text)

        talker = Recorded(lambda protocol, data: say(b"<itself>"))
        other = Recorded(lambda protocol, data: say(b"<another>"))
        client, others = self.pair(talker, other)
        for _ in range(3):
            self.soon(say, b"<a timer>")
            self.soon(say, b"<the next>")
            others.send(b"?")
            client.send(b"?")
            self.turn(2)
            self.assertEqual((self.there(client), len(said)), (b"".join(said), 4))
            said.clear()

    def test_behind_what_still_waits(self) -> None:
        texts = [b"<%d>" % number for number in range(40)]
        talker = Recorded(lambda protocol, data: protocol.transport.write(texts.pop(0)))
        other = Recorded(lambda protocol, data: talker.transport.writeSequence([texts.pop(0)]))
        expected = MUCH + b"".join(texts) + MUCH[:70_000]
        client, others = self.pair(talker, other, small=True)
        self.soon(talker.transport.write, MUCH)
        self.turn(2)
        got = bytearray()
        while texts:
            client.send(b"?")
            self.turn()
            others.send(b"?")
            self.turn()
            self.soon(lambda: talker.transport.write(texts.pop(0)))
            self.turn()
            self.soon(lambda: talker.transport.writeSequence([texts.pop(0)]))
            self.turn()
            got += client.recv(1000)
        talker.transport.write(MUCH[:70_000])
        got += self.arriving(client, len(expected) - len(got))
        self.assertEqual(got, expected)


class Sends(Corked):
    """What is written leaves in one send, in the same turn, and none of it stays."""

    def setUp(self) -> None:
        """One that writes."""
        super().setUp()
        self.protocol = Recorded()

    def connected(self) -> socket.socket:
        """Its client."""
        return self.serve(self.protocol)

    def some(self, *ignored: object) -> None:
        """Write in some pieces."""
        for _ in range(10):
            self.protocol.transport.write(b"ab")
            self.protocol.transport.writeSequence([b"c", b"d"])

    SOME = b"abcd" * 10

    def test_of_one_dataReceived_in_its_turn(self) -> None:
        self.protocol.doing = self.some
        client = self.connected()
        for number in range(1, 4):
            client.send(b"?")
            self.turn()
            self.assertEqual((self.there(client), segments(client)), (self.SOME, number))

    def test_of_timers_in_their_turn(self) -> None:
        client = self.connected()
        self.soon(self.some)
        self.soon(self.some)
        self.turn()
        self.assertEqual((self.there(client), segments(client)), (2 * self.SOME, 1))

    def test_of_another_one_in_the_next_turn(self) -> None:
        client = self.connected()
        others = self.serve(Recorded(self.some))
        others.send(b"?")
        self.turn()
        started = time.monotonic()
        self.reactor.iterate(PATIENCE)  # not that it waits for anything
        self.assertLess(time.monotonic() - started, PATIENCE / 2)
        self.assertEqual((self.there(client), segments(client)), (self.SOME, 1))

    def test_of_a_connectionMade_and_a_connectionLost(self) -> None:
        class Greeting(Recorded):
            def connectionMade(self) -> None:
                self.transport.write(b"hello")

            def connectionLost(self, reason: Failure = connectionDone) -> None:
                super().connectionLost(reason)
                self.transport.write(b"too late")

        client = self.serve(Greeting())
        self.assertEqual(self.arriving(client, 5), b"hello")
        self.protocol.doing = echo
        another = self.connected()
        client.close()
        another.send(b"x")
        self.assertEqual(self.arriving(another, 1), b"x")

    def test_nothing_stays_whatever_its_size(self) -> None:
        """Nothing else happens on the connection, and the writer writes no more."""
        for small in False, True:
            for size in 1, BUFFER - 1, BUFFER, BUFFER + 1, 70_000, 200_000, len(MUCH):
                self.check_nothing_stays(MUCH[:size], small)

    def check_nothing_stays(self, data: bytes, small: bool) -> None:
        """Of the one write of this data, whoever writes it."""

        def write(*ignored: object) -> None:
            writer.transport.write(data)

        def write_sequence(*ignored: object) -> None:
            writer.transport.writeSequence([data])

        writer = Recorded(write)
        client, others = self.pair(writer, Recorded(write), small=small)
        for begin in (
            lambda: client.send(b"?"),
            lambda: others.send(b"?"),
            lambda: self.soon(write),
            lambda: self.soon(write_sequence),
        ):
            begin()
            self.assertEqual(len(self.arriving(client, len(data))), len(data))

    def test_nothing_stays_of_two_large_writes(self) -> None:
        def twice(protocol: Any, data: bytes) -> None:
            protocol.transport.write(MUCH)
            protocol.transport.write(MUCH[:70_000])

        for small in False, True:
            client = self.serve(Recorded(twice), small=small)
            client.send(b"?")
            self.assertEqual(self.arriving(client, len(MUCH) + 70_000), MUCH + MUCH[:70_000])

    def test_empty_writes_send_nothing(self) -> None:
        def empty(*ignored: object) -> None:
            self.protocol.transport.write(b"")
            self.protocol.transport.writeSequence([])
            self.protocol.transport.writeSequence([b"", b""])

        self.protocol.doing = empty
        client = self.connected()
        client.send(b"?")
        self.soon(empty)
        self.turn(3)
        self.assertEqual((self.there(client), segments(client), self.protocol.ends), (b"", 0, []))

    def test_what_is_no_bytes_is_refused_where_it_is_written(self) -> None:
        errors: list[str] = []

        def mistaken(protocol: Any, data: bytes) -> None:
            for mistake in "text", bytearray(b"mutable"), None:
                try:
                    protocol.transport.write(mistake)
                except TypeError:
                    errors.append(repr(mistake))
            protocol.transport.write(b"fine")

        self.protocol.doing = mistaken
        client = self.connected()
        client.send(b"?")
        self.assertEqual(self.arriving(client, 4), b"fine")
        self.assertEqual(errors, ["'text'", "bytearray(b'mutable')", "None"])

    def test_a_peer_may_wait_as_long_as_it_likes(self) -> None:
        """It does not keep the others waiting, nor the reactor busy."""
        writer, other = Recorded(), Recorded(echo)
        client, others = self.pair(writer, other, small=True)
        writer.transport.write(MUCH)
        for _ in range(3):
            others.send(b"x")
            self.turn(2)
            self.assertEqual(self.there(others), b"x")
        self.assertEqual(self.arriving(client, len(MUCH)), MUCH)


class Idle(Corked):
    """Where there is nothing to do, the reactor waits: none of its turns ends at once, again and again."""

    def assert_waits(self) -> None:
        """Or nearly so: the system may wake it, but does so rarely."""
        turns = 0
        deadline = time.monotonic() + 0.1
        while (left := deadline - time.monotonic()) > 0:
            self.reactor.iterate(left)
            turns += 1
        self.assertLess(turns, 20)

    def test_after_an_answer(self) -> None:
        client = self.serve(Recorded(echo))
        for data in b"x", MUCH[:100_000]:
            client.send(data)
            self.arriving(client, len(data))
            self.assert_waits()

    def test_after_the_writes_of_a_timer(self) -> None:
        protocol = Recorded()
        client = self.serve(protocol)
        for data in b"x", MUCH:
            self.soon(protocol.transport.write, data)
            self.arriving(client, len(data))
            self.assert_waits()

    def test_while_a_peer_does_not_read(self) -> None:
        protocol = Recorded()
        self.serve(protocol, small=True)
        self.soon(protocol.transport.write, MUCH)
        self.assert_waits()

    def test_after_a_half_close_and_a_pause(self) -> None:
        protocol = HalfCloseable(calling("loseWriteConnection"))
        client = self.serve(protocol)
        client.send(b"?")
        self.assertEqual(self.to_its_end(client), b"")
        self.assert_waits()
        protocol.transport.pauseProducing()
        client.send(b"?")
        self.assert_waits()

    def test_after_an_end(self) -> None:
        for end in "loseConnection", "abortConnection":
            protocol = Recorded(calling(end))
            self.serve(protocol).send(b"?")
            self.until_lost(protocol)
            self.assert_waits()

    def test_after_producers(self) -> None:
        for kind in Pushing, Pulling:
            protocol = Recorded()
            client = self.serve(protocol)
            producer = kind(protocol.transport, [b"x"] * 3)
            self.soon(producer.start)
            self.assertEqual(self.arriving(client, 3), b"xxx")
            self.assert_waits()


class Failing(Corked):
    """A send that fails is told by the reactor, later, and never where somebody writes."""

    def check(self, begin: Callable[[Recorded, socket.socket, Callable[..., None]], Any]) -> None:
        """Have it happen with little and with much: a large write is tried at once."""
        for data in b"x", MUCH:
            self.check_with(data, begin)

    def check_with(
        self, data: bytes, begin: Callable[[Recorded, socket.socket, Callable[..., None]], Any]
    ) -> None:
        """Whoever writes sees nothing of it; then it is told, once; others are served."""
        told: list[object] = []

        def write(*ignored: object) -> None:
            reset(client)
            protocol.transport.write(data)
            protocol.transport.writeSequence([data])
            told.append(protocol.ends[:])
            protocol.transport.write(data)
            told.append(protocol.ends[:])

        protocol = Recorded()
        client, others = self.pair(protocol, Recorded(echo))
        begin(protocol, client, write)
        self.assert_ended(protocol, "ConnectionLost")
        self.assertEqual(told, [[], []])
        others.send(b"x")
        self.assertEqual(self.arriving(others, 1), b"x")

    def test_in_a_timer(self) -> None:
        self.check(lambda protocol, client, write: self.soon(write))

    def test_in_dataReceived(self) -> None:
        def begin(protocol: Recorded, client: socket.socket, write: Callable[..., None]) -> None:
            protocol.doing = write
            client.send(b"?")

        self.check(begin)

    def test_in_the_dataReceived_of_another_one(self) -> None:
        def begin(protocol: Recorded, client: socket.socket, write: Callable[..., None]) -> None:
            self.serve(Recorded(write)).send(b"?")

        self.check(begin)

    def test_while_something_waits(self) -> None:
        protocol = Recorded()
        client = self.serve(protocol, small=True)
        protocol.transport.write(MUCH)
        self.turn(2)
        reset(client)
        self.assert_ended(protocol, "ConnectionLost")


class Errors(Corked):
    """An error of an application's ends its connection and no other, and is logged once, with its name."""

    def setUp(self) -> None:
        """Listen to the log."""
        super().setUp()
        self.failures: list[tuple[str, str]] = []

        def hear(event: dict[str, Any]) -> None:
            if event["isError"]:
                self.failures.append((event["system"], event["failure"].type.__name__))

        log.addObserver(hear)
        self.addCleanup(log.removeObserver, hear)

    def assert_logged(self, *systems: str) -> None:
        """Each of these has divided by zero once."""
        self.assertCountEqual(self.failures, [(system, "ZeroDivisionError") for system in systems])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), len(systems))

    def test_in_dataReceived(self) -> None:
        good = [Recorded(echo), Recorded(echo)]
        bad = Recorded(lambda protocol, data: 1 / 0)
        first, failing, last = self.serve(good[0]), self.serve(bad), self.serve(good[1])
        for client in first, failing, last:
            client.send(b"x")
        self.turn(2)
        self.assertEqual((self.there(first), self.there(last)), (b"x", b"x"))
        self.assertEqual(self.to_its_end(failing), b"")
        self.assertEqual(bad.ends, ["ZeroDivisionError"])
        self.assertEqual((good[0].ends, good[1].ends), ([], []))
        self.assert_logged(f"Recorded,0,{HERE}")

    def test_in_connectionLost(self) -> None:
        """However the connection ended; and in that turn, others are served."""

        class Failing(Recorded):
            def connectionLost(self, reason: Failure = connectionDone) -> None:
                super().connectionLost(reason)
                self.received.append(1 // 0)

        def lose(protocol: Recorded, data: bytes) -> None:
            protocol.transport.write(data)
            protocol.transport.loseConnection()

        others = [self.serve(Recorded(echo)) for _ in range(2)]
        protocols = [Failing() for _ in range(3)] + [Failing(lose) for _ in range(2)]
        clients = [self.serve(protocol) for protocol in protocols]
        self.soon(protocols[0].transport.loseConnection)
        reset(clients[1])
        clients[2].close()
        for client in (*clients[3:], *others):
            client.send(b"x")
        self.turn(4)
        for other in others:
            self.assertEqual(self.there(other), b"x")
        self.assertEqual([len(protocol.ends) for protocol in protocols], [1] * 5)
        self.assert_logged(*(f"Failing,0,{HERE}" for _ in protocols))

    def test_in_a_producer(self) -> None:
        class Failing(Pulling):
            def finish(self) -> None:
                raise ZeroDivisionError

        for inside in False, True:
            protocol = Recorded()
            client = self.serve(protocol)
            producer = Failing(protocol.transport, [b"x"])
            protocol.doing = starting(producer)
            if inside:
                client.send(b"?")
            else:
                self.soon(producer.start)
            self.assertEqual(self.to_its_end(client), b"x")
            self.assert_ended(protocol, "ZeroDivisionError")
            self.assertEqual(producer.calls, ["resume", "resume", "stop"])
            self.assert_logged(f"Recorded,0,{HERE}")
            self.failures.clear()

    def test_in_a_producer_and_then_in_connectionLost(self) -> None:
        """In that turn, others send what they have written."""

        class FailingProducer(Pulling):
            def produce(self) -> None:
                if len(self.calls) > 1:
                    raise ZeroDivisionError
                super().produce()

        class Failing(Recorded):
            def connectionLost(self, reason: Failure = connectionDone) -> None:
                raise ZeroDivisionError

        failing, others = Failing(), [Recorded() for _ in range(2)]
        client, *clients = [self.serve(protocol) for protocol in (failing, *others)]
        self.soon(others[0].transport.write, b"x")
        self.soon(FailingProducer(failing.transport, [b"x"] * 2).start)
        self.soon(others[1].transport.write, b"x")
        for other in clients:
            self.assertEqual(self.arriving(other, 1), b"x")
        self.assertEqual(self.to_its_end(client), b"x")
        self.assert_logged(*[f"Failing,0,{HERE}"] * 2)

    def test_that_looks_like_an_end_of_the_peers(self) -> None:
        """It is the application's error all the same: the connection is lost at once, both halves of it."""

        def end(*ignored: object) -> None:
            raise ConnectionDone

        protocol = HalfCloseable(end)
        client = self.serve(protocol)
        client.send(b"?")
        self.assertEqual(self.to_its_end(client), b"")
        self.assert_ended(protocol, "ConnectionDone")
        self.assertEqual(len(self.flushLoggedErrors(ConnectionDone)), 1)


def taken(transport: Any) -> int:
    """How many bytes the system has taken from a transport: those acknowledged, and those in its buffer."""
    import fcntl
    import termios

    its_socket = transport.getHandle()
    # In this order: what is acknowledged between the two counts twice, not never.
    (buffered,) = struct.unpack("=i", fcntl.ioctl(its_socket, termios.TIOCOUTQ, bytes(4)))
    info = its_socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
    (acknowledged,) = struct.unpack_from("=Q", info, 120)  # tcpi_bytes_acked
    return int(buffered + acknowledged)


class Producing(Corked):
    """Producers are paused when more than 64 KiB wait, and resumed when all is sent."""

    def check(self, kind: type[Producer], inside: bool) -> None:
        """Have a mebibyte produced, of which a client takes only a little at first.

        inside: begin in dataReceived(), and not in a timer.
        """
        protocol = Recorded()
        client = self.serve(protocol, small=True)
        producer = kind(protocol.transport, PIECES)
        waited: list[int] = []
        producer.when_resumed = lambda: waited.append(producer.written - taken(protocol.transport))
        if inside:
            protocol.doing = starting(producer)
            client.send(b"?")
        else:
            self.soon(producer.start)
        self.turn(20)
        waits = producer.written - taken(protocol.transport)
        self.assertGreater(waits, 0)
        self.assertLessEqual(waits, BUFFER + PIECE)
        self.assertEqual(self.arriving(client, len(MUCH)), MUCH)
        self.turn(3)
        self.assertFalse([wait for wait in waited if wait > 0], "resumed while something waited")
        self.assertIs(protocol.transport.producer, None)
        if kind is Pushing:
            self.assertEqual(producer.calls, ["pause", "resume"] * (len(producer.calls) // 2))
            self.assertGreater(len(producer.calls), 2)
        else:
            self.assertEqual(producer.calls, ["resume"] * (len(PIECES) + 1))

    def test_pushing(self) -> None:
        self.check(Pushing, inside=False)

    def test_pushing_from_dataReceived(self) -> None:
        self.check(Pushing, inside=True)

    def test_pulling(self) -> None:
        self.check(Pulling, inside=False)

    def test_pulling_from_dataReceived(self) -> None:
        self.check(Pulling, inside=True)

    def test_one_that_comes_when_much_waits_is_paused_at_once(self) -> None:
        protocol = Recorded()
        client = self.serve(protocol, small=True)
        protocol.transport.write(MUCH)
        self.turn(3)
        producer = Pushing(protocol.transport, PIECES)
        producer.start()
        self.assertEqual((producer.calls, producer.written), (["pause"], PIECE))
        self.assertEqual(self.arriving(client, 2 * len(MUCH)), 2 * MUCH)

    def test_one_whose_pieces_are_taken_is_not_paused(self) -> None:
        """A piece of more than 64 KiB that the system takes at once does not wait."""
        protocol = Recorded()
        client = self.serve(protocol)
        protocol.transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * BUFFER)
        piece = MUCH[: BUFFER + 1]
        for pieces in [piece] * 5:
            producer = Pushing(protocol.transport, [pieces, b""])
            self.soon(producer.start)
            self.assertEqual(len(self.arriving(client, len(piece))), len(piece))
            self.assertEqual(producer.calls, [])

    def test_a_connection_ends_when_its_producer_has_finished(self) -> None:
        for kind in Pushing, Pulling:
            protocol = Recorded()
            client = self.serve(protocol, small=True)
            producer = kind(protocol.transport, PIECES)
            self.soon(producer.start)
            self.turn(2)
            protocol.transport.loseConnection()
            self.assertEqual(self.to_its_end(client), MUCH)
            self.until_lost(protocol)
            self.assertEqual(protocol.ends, ["ConnectionDone"])
            self.assertNotIn("stop", producer.calls)

    def test_a_producer_may_end_its_connection(self) -> None:
        for kind in Pushing, Pulling:
            protocol = Recorded()
            client = self.serve(protocol, small=True)
            producer = kind(protocol.transport, PIECES)
            protocol.doing = starting(producer)
            producer.at_its_end = protocol.transport.loseConnection
            client.send(b"?")
            self.assertEqual(self.to_its_end(client), MUCH)

    def test_a_producer_is_stopped_when_the_connection_is_lost(self) -> None:
        for kind in Pushing, Pulling:
            protocol = Recorded()
            client = self.serve(protocol, small=True)
            producer = kind(protocol.transport, PIECES)
            self.soon(producer.start)
            self.turn(2)
            reset(client)
            self.until_lost(protocol)
            self.turn(3)
            self.assertEqual((producer.calls.count("stop"), producer.calls[-1]), (1, "stop"))
            self.assertEqual(protocol.ends, ["ConnectionLost"])

    def test_one_that_never_ends_leaves_time_for_others(self) -> None:
        protocol, other = Recorded(), Recorded(echo)
        client, others = self.pair(protocol, other)
        producer = Pulling(protocol.transport, PIECES * 4)
        self.soon(producer.start)
        for _ in range(5):
            others.send(b"x")
            self.turn(2)
            self.assertEqual(self.there(others), b"x")
            self.there(client)
        self.assertTrue(producer.pieces)


class Pausing(Corked):
    """What an application does not want to read stays where it is."""

    def test_a_paused_one_is_not_read_from(self) -> None:
        protocol = Recorded(calling("pauseProducing"))
        client = self.serve(protocol)
        client.send(b"first")
        self.turn(3)
        client.send(b"second")
        self.turn(3)
        self.assertEqual(protocol.received, b"first")
        protocol.transport.write(b"it can write")
        self.assertEqual(self.arriving(client, 12), b"it can write")
        protocol.transport.resumeProducing()
        self.turn()
        self.assertEqual(protocol.received, b"firstsecond")

    def test_one_that_another_has_paused(self) -> None:
        """In the same turn, it may be served before; never after the next."""
        first = Recorded(lambda protocol, data: second.transport.pauseProducing())
        second = Recorded(lambda protocol, data: first.transport.pauseProducing())
        for client in self.pair(first, second):
            client.send(b"x")
        self.turn(2)
        self.assertIn(len(first.received + second.received), (1, 2))
        for transport in first.transport, second.transport:
            transport.resumeProducing()
        self.turn()
        self.assertEqual((first.received, second.received), (b"x", b"x"))


def for_another(end: Callable[[Recorded], Any], another: Recorded, protocol: Any, data: bytes) -> None:
    """Have another connection ended when bytes come."""
    end(another)


class Ending(Corked):
    """Connections end when they should, once, and told as what it was; not before all is sent."""

    def end_everywhere(
        self, end: Callable[[Recorded], Any], check: Callable[[Recorded, socket.socket], Any]
    ) -> None:
        """Have a connection ended in its own dataReceived(), in another's, and in a timer."""
        for small in False, True:
            for place in "dataReceived", "another", "timer":
                protocol, other = Recorded(), Recorded()
                client, others = self.serve(protocol, small=small), self.serve(other)
                if place == "dataReceived":
                    protocol.doing = lambda protocol, data: end(protocol)
                    client.send(b"?")
                elif place == "another":
                    other.doing = partial(for_another, end, protocol)
                    others.send(b"?")
                else:
                    self.soon(end, protocol)
                check(protocol, client)
                self.assertEqual(other.ends, [])

    def test_all_is_sent_before_a_FIN(self) -> None:
        for data in b"", b"x", MUCH:

            def end(protocol: Recorded, data: bytes = data) -> None:
                protocol.transport.write(data)
                protocol.transport.loseConnection()
                self.assertEqual(protocol.ends, [])  # not in there
                self.assertTrue(protocol.transport.disconnecting)

            def check(protocol: Recorded, client: socket.socket, data: bytes = data) -> None:
                self.assertEqual(self.to_its_end(client), data)
                self.assert_ended(protocol, "ConnectionDone")

            self.end_everywhere(end, check)

    def test_more_than_one_loseConnection_is_one(self) -> None:
        def end(protocol: Recorded) -> None:
            protocol.transport.write(MUCH)
            protocol.transport.loseConnection()
            protocol.transport.loseConnection()
            self.soon(protocol.transport.loseConnection)

        def check(protocol: Recorded, client: socket.socket) -> None:
            self.turn(2)
            protocol.transport.loseConnection()
            self.assertEqual(self.to_its_end(client), MUCH)
            self.assert_ended(protocol, "ConnectionDone")

        self.end_everywhere(end, check)

    def test_nothing_is_read_after_loseConnection(self) -> None:
        protocol = Recorded(calling("loseConnection"))
        client = self.serve(protocol, small=True)
        protocol.transport.write(MUCH)
        client.send(b"1")
        self.turn(2)
        client.send(b"2")
        self.turn(3)
        self.assertEqual((protocol.received, protocol.ends), (b"1", []))

    def test_abortConnection_sends_nothing_more(self) -> None:
        """Not even what was written just before. The peer gets a reset."""
        for data in b"x", MUCH:

            def end(protocol: Recorded, data: bytes = data) -> None:
                protocol.transport.write(data)
                protocol.transport.abortConnection()
                protocol.transport.abortConnection()
                protocol.transport.loseConnection()
                self.assertEqual(protocol.ends, [])  # not in there

            def check(protocol: Recorded, client: socket.socket, data: bytes = data) -> None:
                self.assert_ended(protocol, "ConnectionAborted")
                most = len(data) if data is MUCH else 0  # a large write is tried at once
                self.assertLessEqual(len(self.received_until_reset(client)), most)

            self.end_everywhere(end, check)

    def test_what_is_written_after_abortConnection_is_not_sent(self) -> None:
        """Neither little nor much."""
        for data in b"x", MUCH[:70_000]:

            def end(protocol: Recorded, data: bytes = data) -> None:
                protocol.transport.abortConnection()
                protocol.transport.write(data)
                protocol.transport.writeSequence([data])

            def check(protocol: Recorded, client: socket.socket) -> None:
                self.assert_ended(protocol, "ConnectionAborted")
                self.assertEqual(self.received_until_reset(client), b"")

            self.end_everywhere(end, check)

    def received_until_reset(self, client: socket.socket) -> bytes:
        """What came before the reset that has to come."""
        data = bytearray()
        client.settimeout(PATIENCE)
        while True:
            try:
                piece = client.recv(BUFFER)
            except ConnectionResetError:
                return bytes(data)
            self.assertTrue(piece, "a FIN instead of a reset")
            data += piece

    def test_abortConnection_with_much_waiting(self) -> None:
        protocol = Recorded()
        client = self.serve(protocol, small=True)
        protocol.transport.write(MUCH)
        self.turn(2)
        protocol.transport.abortConnection()
        self.assert_ended(protocol, "ConnectionAborted")
        self.assertLess(len(self.received_until_reset(client)), len(MUCH))

    def test_an_error_after_abortConnection_is_no_second_end(self) -> None:
        def end(protocol: Recorded, data: bytes) -> None:
            protocol.transport.abortConnection()
            raise ZeroDivisionError

        protocol = Recorded(end)
        self.serve(protocol).send(b"?")
        self.assert_ended(protocol, "ZeroDivisionError")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_writing_to_a_lost_connection_does_nothing(self) -> None:
        protocol = Recorded()
        client = self.serve(protocol)
        client.close()
        self.assert_ended(protocol, "ConnectionDone")
        transport = protocol.transport
        transport.write(b"x")
        transport.write(MUCH)
        transport.writeSequence([b"x"])
        transport.loseConnection()
        transport.abortConnection()
        transport.unregisterProducer()
        transport.stopReading()
        transport.stopWriting()
        self.assertEqual(transport.fileno(), -1)
        self.assert_ended(protocol, "ConnectionDone")

    def test_a_FIN_is_told_as_one(self) -> None:
        protocol = Recorded(echo)
        client = self.serve(protocol)
        client.send(b"x")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(self.to_its_end(client), b"x")
        self.assert_ended(protocol, "ConnectionDone")
        self.assertEqual(protocol.received, b"x")

    def test_a_reset_is_told_as_one(self) -> None:
        def idle(protocol: Recorded, client: socket.socket) -> None:
            """Nothing is under way."""

        def unread(protocol: Recorded, client: socket.socket) -> None:
            client.send(b"unread")

        def paused_until_now(protocol: Recorded, client: socket.socket) -> None:
            protocol.transport.pauseProducing()
            client.send(b"unread")
            self.turn()
            self.soon(protocol.transport.resumeProducing)

        def waiting(protocol: Recorded, client: socket.socket) -> None:
            protocol.transport.write(MUCH)
            self.turn(2)

        for kind in Recorded, HalfCloseable:
            for before in idle, unread, paused_until_now, waiting:
                for _ in range(5):
                    protocol = kind()
                    client = self.serve(protocol, small=True)
                    before(protocol, client)
                    reset(client)
                    self.assert_ended(protocol, "ConnectionLost")

    def test_a_reset_that_looks_like_a_FIN_is_told_as_one(self) -> None:
        """While a reset arrives, there may be a hang-up and nothing to read: Twisted takes that for a FIN."""
        for kind in Recorded, HalfCloseable:
            protocol = kind()
            reset(self.serve(protocol))
            protocol.transport.readConnectionLost(Failure(ConnectionDone()))
            self.assert_ended(protocol, "ConnectionLost")


class HalfClosing(Corked):
    """Each half of a connection ends for itself."""

    def test_our_FIN_comes_behind_all_that_was_written(self) -> None:
        for small in False, True:
            for data in b"", b"x", MUCH:
                for inside in True, False:

                    def end(protocol: Recorded, ignored: bytes, data: bytes = data) -> None:
                        protocol.doing = lambda *ignored: None
                        protocol.transport.write(data)
                        protocol.transport.loseWriteConnection()

                    protocol = HalfCloseable(end)
                    client = self.serve(protocol, small=small)
                    if inside:
                        client.send(b"?")
                    else:
                        self.soon(end, protocol, b"")
                    self.assertEqual(self.to_its_end(client), data)
                    self.assert_ended(protocol, "write")
                    protocol.transport.write(b"too late")
                    client.send(b"more")
                    self.until(partial(protocol.received.endswith, b"more"), "it still reads")
                    self.assertEqual(self.there(client), b"")
                    client.close()
                    self.assert_ended(protocol, "write", "read")
                    protocol.transport.loseConnection()
                    self.assert_ended(protocol, "write", "read", "ConnectionDone")

    def test_after_the_peers_FIN_all_can_be_sent(self) -> None:
        class Answering(HalfCloseable):
            def readConnectionLost(self) -> None:
                super().readConnectionLost()
                self.transport.write(MUCH)
                self.transport.loseConnection()

        for small in False, True:
            for data in b"", b"x":
                protocol = Answering(echo)
                client = self.serve(protocol, small=small)
                client.send(data)
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(self.to_its_end(client), data + MUCH)
                self.assert_ended(protocol, "read", "ConnectionDone")

    def test_after_the_peers_FIN_a_timer_can_send(self) -> None:
        protocol = HalfCloseable()
        client = self.serve(protocol)
        client.shutdown(socket.SHUT_WR)
        self.assert_ended(protocol, "read")
        for data in b"x", MUCH:
            self.soon(protocol.transport.write, data)
            self.assertEqual(self.arriving(client, len(data)), data)
        protocol.transport.loseWriteConnection()
        self.assertEqual(self.to_its_end(client), b"")
        self.assert_ended(protocol, "read", "write")

    def test_an_error_of_those_methods_ends_the_connection(self) -> None:
        class Reading(HalfCloseable):
            def readConnectionLost(self) -> None:
                raise ZeroDivisionError

        class Writing(HalfCloseable):
            def writeConnectionLost(self) -> None:
                raise ZeroDivisionError

        protocol: Recorded = Reading()
        self.serve(protocol).shutdown(socket.SHUT_WR)
        self.assert_ended(protocol, "ZeroDivisionError")
        protocol = Writing(calling("loseWriteConnection"))
        self.serve(protocol).send(b"?")
        self.assert_ended(protocol, "ZeroDivisionError")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)


class Logging(Corked):
    """What is logged bears the name of who was served, as Twisted's log has it."""

    def setUp(self) -> None:
        """Listen to the log."""
        super().setUp()
        self.systems: dict[str, str] = {}

        def hear(event: dict[str, Any]) -> None:
            if not event["isError"]:
                self.systems[log.textFromEventDict(event) or ""] = event["system"]

        log.addObserver(hear)
        self.addCleanup(log.removeObserver, hear)

    def test_a_connections_name_is_in_all_that_happens_to_it(self) -> None:
        class Chatty(HalfCloseable):
            def dataReceived(self, data: bytes) -> None:
                log.msg(f"data {data.decode()}")
                self.transport.write(data)

            def readConnectionLost(self) -> None:
                log.msg("read")
                self.transport.loseWriteConnection()

            def writeConnectionLost(self) -> None:
                log.msg("write")
                self.transport.loseConnection()

            def connectionLost(self, reason: Failure = connectionDone) -> None:
                super().connectionLost(reason)
                log.msg("lost")

        protocol = Chatty()
        client = self.serve(protocol)
        others = self.serve(Recorded(echo))
        for each in client, others:
            each.send(b"1")
        self.turn(2)
        self.soon(log.msg, "timer")
        producer = Pulling(protocol.transport, [b"x"] * 3)
        producer.when_resumed = lambda: log.msg(f"resumed {len(producer.calls)}")
        self.soon(producer.start)
        self.turn(6)
        client.shutdown(socket.SHUT_WR)
        self.until_lost(protocol)
        name = f"Chatty,0,{HERE}"
        self.assertEqual(self.systems.pop("timer"), "-")
        self.assertEqual(self.systems.pop("resumed 1"), "-")  # registerProducer() calls it, in a timer
        for text in "data 1", "resumed 2", "resumed 3", "resumed 4", "read", "write", "lost":
            self.assertEqual(self.systems.get(text), name, text)

    def test_in_connectionLost_however_it_came(self) -> None:
        class Chatty(Recorded):
            def connectionLost(self, reason: Failure = connectionDone) -> None:
                super().connectionLost(reason)
                log.msg(self.ends[0])

        def lost(end: Callable[[Chatty, socket.socket], Any]) -> None:
            protocol = Chatty()
            client = self.serve(protocol)
            end(protocol, client)
            self.until_lost(protocol)
            self.assertEqual(self.systems.pop(protocol.ends[0]), f"Chatty,0,{HERE}")

        def lose_when_data_comes(protocol: Chatty, client: socket.socket) -> None:
            protocol.doing = calling("loseConnection")
            client.send(b"?")

        lost(lambda protocol, client: client.close())
        lost(lambda protocol, client: reset(client))
        lost(lambda protocol, client: protocol.transport.loseConnection())
        lost(lose_when_data_comes)

    def test_a_protocol_may_have_a_name_of_its_own(self) -> None:
        class Named(Recorded):
            def logPrefix(self) -> str:
                return "a name"

        protocol = Named(lambda protocol, data: log.msg("data"))
        self.serve(protocol).send(b"?")
        self.turn(2)
        self.assertEqual(self.systems["data"], f"a name,0,{HERE}")
        self.assertEqual(protocol.transport.logPrefix(), f"a name,0,{HERE}")

    def test_a_context_within(self) -> None:
        got: list[object] = []

        def within(*ignored: object) -> None:
            log.callWithContext({"job": 5}, log.msg, "in a context")
            got.append(context.get("missing", "default"))
            got.append(context.call({"key": "value"}, context.get, "key"))
            got.append(context.get("key"))
            got.append(context.call({"key": "value"}, lambda: context.get(log.ILogContext)["system"]))

        jobs: list[object] = []

        def hear(event: dict[str, Any]) -> None:
            if event.get("message") == ("in a context",):
                jobs.append(event.get("job"))

        log.addObserver(hear)
        self.addCleanup(log.removeObserver, hear)
        self.serve(Recorded(within)).send(b"?")
        self.turn(2)
        self.assertEqual(got, ["default", "value", None, f"Recorded,0,{HERE}"])
        self.assertEqual((jobs, self.systems["in a context"]), ([5], f"Recorded,0,{HERE}"))

    def test_whoever_is_served_next_has_another_name(self) -> None:
        class Other(Recorded):
            pass

        first = self.serve(Recorded(lambda protocol, data: log.msg("first")))
        second = self.serve(Other(lambda protocol, data: log.msg("second")))
        accepting: list[object] = []

        class Accepting(Factory):
            noisy = False

            def buildProtocol(self, addr: object) -> Protocol:
                accepting.append(log.msg("accepting"))
                return Recorded()

        port = self.reactor.listenTCP(0, Accepting(), interface=HERE)
        for _ in range(2):
            first.send(b"?")
            second.send(b"?")
            self.client(port.getHost().port)
            self.until(lambda: accepting, "a connection is made")
            self.turn()
            log.msg("nobody")
            self.assertEqual(
                {text: self.systems.pop(text) for text in ("first", "second", "nobody")},
                {"first": f"Recorded,0,{HERE}", "second": f"Other,0,{HERE}", "nobody": "-"},
            )
            self.assertIn("Accepting", self.systems.pop("accepting"))
            accepting.clear()

    def test_in_a_thread(self) -> None:
        """It has the name of who has started it, whoever is served meanwhile, and when that is gone."""
        pool = ThreadPool(0, 1)
        pool.start()
        self.addCleanup(pool.stop)
        go, gone = Event(), Event()

        def work() -> None:
            log.msg("begun in a thread")
            gone.set()
            go.wait(PATIENCE)
            log.msg("done in a thread")
            gone.set()

        protocol = Recorded(lambda protocol, data: pool.callInThread(work))
        client, others = self.pair(protocol, Recorded(echo))
        client.send(b"?")
        self.turn(2)
        self.assertTrue(gone.wait(PATIENCE))
        gone.clear()
        client.close()
        self.until_lost(protocol)
        others.send(b"x")
        self.arriving(others, 1)
        go.set()
        self.assertTrue(gone.wait(PATIENCE))
        for text in "begun in a thread", "done in a thread":
            self.assertEqual(self.systems[text], f"Recorded,0,{HERE}", text)


class Ports(Corked):
    """All ways to get a server."""

    def assert_fast(self, client: socket.socket) -> None:
        """It is answered in the very turn in which it has asked."""
        client.send(b"x")
        self.turn()
        self.assertEqual(self.there(client), b"x")

    def test_of_IPv6(self) -> None:
        protocol = Recorded(echo)
        try:
            client = self.serve(protocol, interface="::1")
        except OSError as error:
            self.skipTest(f"no IPv6: {error}")
        self.assert_fast(client)
        ours, theirs = protocol.transport.getHost(), protocol.transport.getPeer()
        self.assertEqual((theirs.host, theirs.port), client.getsockname()[:2])
        self.assertEqual((ours.host, ours.port), client.getpeername()[:2])
        self.assertEqual((type(ours).__name__, theirs.type), ("IPv6Address", "TCP"))

    def test_a_connection_describes_itself(self) -> None:
        protocol = Recorded()
        client = self.serve(protocol)
        transport = protocol.transport
        self.assertEqual((transport.getPeer().host, transport.getPeer().port), client.getsockname())
        self.assertEqual((transport.getHost().host, transport.getHost().port), client.getpeername())
        self.assertIn(f"Recorded #0 on {client.getpeername()[1]}", repr(transport))
        self.assertEqual((transport.hostname, transport.client), (HERE, client.getsockname()))
        client.close()
        self.until_lost(protocol)
        self.assertIsInstance(repr(transport), str)

    def test_of_a_socket_that_was_opened_by_somebody_else(self) -> None:
        for family, address in (socket.AF_INET, HERE), (socket.AF_INET6, "::1"):
            with socket.socket(family) as listener:
                try:
                    listener.bind((address, 0))
                except OSError:
                    continue  # no IPv6 here
                listener.listen()
                listener.setblocking(False)
                protocol = Recorded(echo)
                self.reactor.adoptStreamPort(listener.fileno(), family, Serving([protocol]))
                number = listener.getsockname()[1]
            client = self.client(number, interface=address)
            self.until_connected(protocol)
            self.assert_fast(client)
            self.assertIsInstance(repr(protocol.transport), str)

    def test_of_unix_sockets_and_of_nothing_else(self) -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(b"")  # Linux gives it an abstract name
            listener.listen()
            listener.setblocking(False)
            self.reactor.adoptStreamPort(listener.fileno(), socket.AF_UNIX, Serving([Recorded(echo)]))
            name = listener.getsockname()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(name)
            client.setblocking(False)
            client.send(b"x")
            self.assertEqual(self.arriving(client, 1), b"x")
        self.assertRaises(
            UnsupportedAddressFamily, self.reactor.adoptStreamPort, 0, socket.AF_APPLETALK, Factory()
        )

    def test_of_a_connection_that_was_accepted_by_somebody_else(self) -> None:
        with socket.create_server((HERE, 0)) as listener:
            client = self.client(listener.getsockname()[1])
            accepted, _ = listener.accept()
        with accepted:
            accepted.setblocking(False)
            self.reactor.adoptStreamConnection(accepted.fileno(), socket.AF_INET, Serving([Recorded(echo)]))
        client.send(b"x")
        self.assertEqual(self.arriving(client, 1), b"x")


class Leaving(Corked):
    """Nothing is left of connections that are gone."""

    def test_nobody_is_watched_or_kept(self) -> None:
        def lose(protocol: Recorded, data: bytes) -> None:
            protocol.transport.write(data)
            protocol.transport.loseConnection()

        def abort(protocol: Recorded, data: bytes) -> None:
            protocol.transport.write(data)
            protocol.transport.abortConnection()

        def fail(protocol: Recorded, data: bytes) -> None:
            raise ZeroDivisionError

        def end_of_the_clients(client: socket.socket, number: int) -> None:
            client.close() if number % 2 else reset(client)

        readers = set(map(id, self.reactor.getReaders()))
        gone = []
        for number in range(100):
            doing = (echo, lose, abort, fail)[number % 4]
            protocol = Recorded(doing)
            client = self.serve(protocol)
            gone += [weakref.ref(protocol), weakref.ref(protocol.transport)]
            client.send(b"x")
            self.turn(2)
            protocol.transport.write(MUCH)
            self.turn(number % 3)
            end_of_the_clients(client, number // 4)
            self.until_lost(protocol)
            del protocol, client
        self.turn(3)
        self.flushLoggedErrors(ZeroDivisionError)
        self.doCleanups()
        self.assertEqual(set(map(id, self.reactor.getReaders())), readers)
        self.assertEqual(self.reactor.getWriters(), [])
        gc.collect()
        self.assertEqual([each() for each in gone if each() is not None], [])

    def test_a_descriptor_that_is_given_away_again_has_nothing_to_read(self) -> None:
        """An event that was its last owner's is none of the next one's."""
        protocol = Recorded(echo)
        client = self.serve(protocol)
        self.assertIsNone(protocol.transport.doRead())
        self.assertEqual(protocol.ends, [])
        client.send(b"x")
        self.assertEqual(self.arriving(client, 1), b"x")

    def test_disconnectAll_ends_whoever_owes_something(self) -> None:
        protocol = Recorded()
        client = self.serve(protocol)
        protocol.transport.write(b"x")
        self.reactor.disconnectAll()
        self.turn(2)
        self.assertEqual(protocol.ends, ["ConnectionLost"])
        self.assertLessEqual(len(self.there(client)), 1)
