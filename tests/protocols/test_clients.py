"""Clients match echoes to what they sent, and tell whoever waits for one that cannot come."""

from __future__ import annotations

from typing import Any, TypeVar

from twisted.internet import defer, error
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import FakeDatagramTransport, StringTransportWithDisconnection
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netlab.protocols.client import Client, EchoMissing, NumberedClient, WrongEcho
from netlab.protocols.tcp import TextClient, TextClientFactory
from netlab.protocols.tcpv2 import FixedClient, FixedClientFactory
from netlab.protocols.tcpv3 import VariableClient, VariableClientFactory
from netlab.protocols.udp import UDPClient
from netlab.wire import fixed, variable
from netlab.wire.variable import Layout
from netlab.wire.violations import Oversize, Truncated, WrongVersion

C = TypeVar("C", bound=Client[Any])


class Transport(StringTransportWithDisconnection):
    """A transport that closes when it is told to, and notes how."""

    half_closed = False
    aborted = False

    def loseWriteConnection(self) -> None:
        self.half_closed = True

    def abortConnection(self) -> None:
        self.aborted = True
        super().abortConnection()

    def lose(self, why: Exception) -> None:
        """The connection is gone."""
        self.connected = False
        self.protocol.connectionLost(Failure(why))


class ClientTestCase(SynchronousTestCase):
    """A client, its transport, and what it did not expect."""

    def connected(self, client: C) -> C:
        """Give the client a transport."""
        self.transport = Transport()
        self.transport.protocol = client
        self.unexpected: list[Any] = []
        self.patch(client, "unexpectedReceived", self.unexpected.append)
        client.makeConnection(self.transport)
        return client

    def sent(self) -> bytes:
        """What was sent since this was last asked."""
        data: bytes = self.transport.value()
        self.transport.clear()
        return data

    def assert_fails(self, deferred: Deferred[Any], kind: type[Exception]) -> Any:
        """It has failed with this; return that."""
        return self.failureResultOf(deferred, kind).value


class NumberedClients(ClientTestCase):
    """FixedClient and VariableClient: echoes bear the order of what they answer (E1-E3)."""

    def clients(self, **arguments: Any) -> list[NumberedClient[Any]]:
        """One of each kind."""
        return [
            FixedClient(**arguments),
            VariableClient(**arguments),
            VariableClient(**arguments, layout=Layout.SCRIPTS),
        ]

    def test_what_is_sent_are_the_frames_of_the_protocol(self) -> None:
        for client, frames in zip(
            self.clients(start_order=7),
            (
                bytes.fromhex("01 00000007 00000002") + b"hi------------------",
                bytes.fromhex("01 00000007 00000002") + b"hi",
                bytes.fromhex("01 00000002 00000007") + b"hi",
            ),
            strict=True,
        ):
            self.connected(client).send("hi")
            self.assertEqual(self.sent(), frames)

    def test_orders_begin_with_1_and_0_follows_the_last(self) -> None:
        for start, orders in ((1, [1, 2, 3]), (0xFFFFFFFF, [0xFFFFFFFF, 0, 1])):
            for client in self.clients(echo=False, start_order=start):
                self.connected(client)
                self.assertEqual([self.successResultOf(client.send("")).order for _ in orders], orders)
        self.connected(FixedClient()).send("")
        self.assertEqual(self.sent()[:5], b"\1\0\0\0\1")

    def test_an_echo_fires_what_waits_for_it(self) -> None:
        for client in self.clients():
            echo = self.connected(client).send("hello")
            stream = self.sent()
            client.dataReceived(stream[:-1])
            self.assertNoResult(echo)
            client.dataReceived(stream[-1:])
            self.assertEqual(self.successResultOf(echo).text, "hello")

    def test_echoes_may_come_in_any_sequence(self) -> None:
        for client in self.clients():
            self.connected(client)
            texts = ["one", "two", "three"]
            echoes, streams = [], []
            for text in texts:
                echoes.append(client.send(text))
                streams.append(self.sent())
            client.dataReceived(b"".join(reversed(streams)))
            self.assertEqual([self.successResultOf(echo).text for echo in echoes], texts)

    def test_without_echoes_a_message_is_done_when_it_is_sent(self) -> None:
        for client in self.clients(echo=False):
            frame = self.successResultOf(self.connected(client).send("hello"))
            self.assertEqual((frame.order, frame.text), (1, "hello"))
            client.dataReceived(self.sent())
            self.assertEqual(self.unexpected, [frame])

    def test_an_echo_with_other_bytes_is_wrong(self) -> None:
        for client in self.clients():
            self.connected(client)
            first, second = client.send("one"), client.send("two")
            stream = self.sent()
            client.dataReceived(stream.replace(b"one", b"eno"))
            sent, received = self.assert_fails(first, WrongEcho).args
            self.assertEqual((sent.text, received.text), ("one", "eno"))
            self.assertEqual(self.successResultOf(second).text, "two")

    def test_an_echo_with_the_right_text_and_another_size_is_wrong(self) -> None:
        client = self.connected(FixedClient())
        echo = client.send("x" * 25)
        client.dataReceived(fixed.frame(1, "x" * 20).pack())
        self.assert_fails(echo, WrongEcho)

    def test_an_echo_that_nobody_waits_for_is_unexpected(self) -> None:
        for client in self.clients():
            echo = self.connected(client).send("hello")
            stream = self.sent()
            client.dataReceived(stream * 2)
            self.assertEqual(self.unexpected, [self.successResultOf(echo)])

    def test_an_echo_that_has_not_come_when_the_connection_ends_is_missing(self) -> None:
        for why in (error.ConnectionDone(), error.ConnectionLost()):
            for client in self.clients():
                self.connected(client)
                echoes = [client.send("one"), client.send("two")]
                self.transport.lose(why)
                for echo in echoes:
                    self.assert_fails(echo, EchoMissing)

    def test_a_violation_of_the_server_fails_all_that_waits_and_drops_the_connection(self) -> None:
        for client in self.clients():
            self.connected(client)
            first, stream = client.send("one"), self.sent()
            others = [client.send("two"), client.send("three")]
            client.dataReceived(stream + b"\2")
            self.assertEqual(self.successResultOf(first).text, "one")
            for echo in others:
                self.assert_fails(echo, WrongVersion)
            self.assertTrue(self.transport.aborted)

    def test_an_echo_over_the_limit_is_a_violation(self) -> None:
        client = self.connected(VariableClient(max_size=4))
        echo = client.send("hi")
        client.dataReceived(variable.frame(1, "hello").pack()[:9])
        self.assert_fails(echo, Oversize)

    def test_an_echo_that_the_servers_fin_cuts_off_is_truncated(self) -> None:
        for client in self.clients():
            echo = self.connected(client).send("hello")
            client.dataReceived(self.sent()[:-1])
            self.transport.lose(error.ConnectionDone())
            self.assert_fails(echo, Truncated)

    def test_who_waits_no_longer_is_forgotten_and_the_others_are_not(self) -> None:
        for client in self.clients():
            self.connected(client)
            clock = Clock()
            late = client.send("late").addTimeout(5, clock)
            given_up, kept = client.send("given up"), client.send("kept")
            stream = self.sent()
            clock.advance(5)
            given_up.cancel()
            client.dataReceived(stream)
            self.assert_fails(late, defer.TimeoutError)
            self.assert_fails(given_up, CancelledError)
            self.assertEqual(self.successResultOf(kept).text, "kept")
            self.assertEqual([frame.text for frame in self.unexpected], ["late", "given up"])
            client.send("more")
            client.dataReceived(self.sent())
            self.assertEqual(len(self.unexpected), 2)

    def test_a_text_without_utf8_is_not_sent_and_takes_no_order(self) -> None:
        for client in self.clients(echo=False):
            self.connected(client)
            self.assertRaises(ValueError, client.send, "\ud800")
            self.assertEqual(self.sent(), b"")
            self.assertEqual(self.successResultOf(client.send("hi")).order, 1)

    def test_a_text_over_the_limit_is_not_sent(self) -> None:
        client = self.connected(VariableClient(max_size=5))
        self.assertRaises(ValueError, client.send, "longer")
        self.assertEqual(self.sent(), b"")

    def test_factories_pass_on_what_they_were_told(self) -> None:
        client = self.connected(FixedClientFactory(echo=False, start_order=7).buildProtocol(None))
        self.assertEqual(self.successResultOf(client.send("")).order, 7)
        swapped = self.connected(VariableClientFactory(layout=Layout.SCRIPTS).buildProtocol(None))
        swapped.send("hello")
        self.assertEqual(self.sent(), bytes.fromhex("01 00000005 00000001") + b"hello")


class TextClients(ClientTestCase):
    """TextClient: one text after the other (T4)."""

    def setUp(self) -> None:
        self.client = self.connected(TextClientFactory().buildProtocol(None))

    def test_the_next_text_is_sent_when_the_last_is_answered(self) -> None:
        first, second = self.client.send("one"), self.client.send("zwölf")
        self.assertEqual(self.sent(), b"one")
        self.client.dataReceived(b"ECHO: one")
        self.assertEqual(self.successResultOf(first), b"one")
        self.assertEqual(self.sent(), b"zw\xc3\xb6lf")
        self.assertNoResult(second)
        self.client.dataReceived(b"ECHO: zw\xc3\xb6lf")
        self.assertEqual(self.successResultOf(second), b"zw\xc3\xb6lf")

    def test_an_answer_may_come_in_several_pieces_each_with_its_prefix(self) -> None:
        answer = self.client.send("ECHO: é")
        for piece in (b"EC", b"HO: ECHO: \xc3", b"ECHO", b": "):
            self.client.dataReceived(piece)
            self.assertNoResult(answer)
        self.client.dataReceived(b"\xa9")
        self.assertEqual(self.successResultOf(answer), b"ECHO: \xc3\xa9")

    def test_a_wrong_answer_fails_all_that_waits_and_closes(self) -> None:
        answers = [self.client.send("hello"), self.client.send("world")]
        self.client.dataReceived(b"ECHO: help")
        for answer in answers:
            self.assertEqual(self.assert_fails(answer, WrongEcho).args, (b"hello", b"ECHO: help"))
        self.assertFalse(self.transport.connected)
        self.assertEqual(self.sent(), b"hello")

    def test_an_answer_that_has_not_come_when_the_connection_ends_is_missing(self) -> None:
        answers = [self.client.send("hello"), self.client.send("world")]
        self.client.dataReceived(b"ECHO: hell")
        self.transport.lose(error.ConnectionDone())
        for answer in answers:
            self.assert_fails(answer, EchoMissing)

    def test_an_empty_text_is_no_message(self) -> None:
        self.assertEqual(self.successResultOf(self.client.send("")), b"")
        self.assertEqual(self.sent(), b"")

    def test_a_text_without_utf8_is_not_sent(self) -> None:
        self.assertRaises(ValueError, self.client.send, "\ud800")
        self.assertEqual(self.sent(), b"")

    def test_a_text_that_nobody_waits_for_any_more_is_not_sent(self) -> None:
        first, second, third = (self.client.send(word) for word in ("one", "two", "three"))
        second.cancel()
        self.assert_fails(second, defer.CancelledError)
        self.client.dataReceived(b"ECHO: one")
        self.assertEqual(self.successResultOf(first), b"one")
        self.client.dataReceived(b"ECHO: three")
        self.assertEqual(self.successResultOf(third), b"three")
        self.assertEqual(self.sent(), b"onethree")

    def test_an_unfinished_character_at_the_end_is_no_more_bytes(self) -> None:
        self.client.dataReceived(b"\xc3")
        self.transport.lose(error.ConnectionDone())
        self.assertEqual(self.unexpected, [b"\xc3"])

    def test_bytes_that_answer_nothing_are_unexpected(self) -> None:
        self.client.dataReceived(b"Welcome!")
        self.assertEqual(self.unexpected, [b"Welcome!"])

    def test_who_waits_no_longer_keeps_nobody_else_from_an_answer(self) -> None:
        clock = Clock()
        late, second = self.client.send("late").addTimeout(5, clock), self.client.send("second")
        clock.advance(5)
        self.assert_fails(late, defer.TimeoutError)
        self.assertEqual(
            self.sent(), b"late", "its answer is still to come, and must not be taken for another"
        )
        self.client.dataReceived(b"ECHO: late")
        self.assertEqual(self.sent(), b"second")
        self.client.dataReceived(b"ECHO: second")
        self.assertEqual(self.successResultOf(second), b"second")
        self.assertEqual(self.unexpected, [])


class Endings(ClientTestCase):
    """What all TCP clients share: how they close."""

    def test_finish_half_closes_and_fires_when_the_connection_is_gone(self) -> None:
        client = self.connected(FixedClient())
        echo = client.send("last")
        closed = client.finish()
        self.assertTrue(self.transport.half_closed)
        client.dataReceived(self.sent())
        self.successResultOf(echo)
        self.assertNoResult(closed)
        self.transport.lose(error.ConnectionDone())
        self.assertIsNone(self.successResultOf(closed))

    def test_everybody_who_waits_for_the_end_is_told(self) -> None:
        client = self.connected(TextClient())
        waiting = [client.when_closed(), client.when_closed()]
        self.transport.lose(error.ConnectionLost())
        for closed in [*waiting, client.when_closed()]:
            self.assertIsNone(self.successResultOf(closed))

    def test_who_sends_after_the_end_is_told_at_once(self) -> None:
        for client in FixedClient(), TextClient():
            self.connected(client)
            self.transport.lose(error.ConnectionDone())
            self.assert_fails(client.send("late"), EchoMissing)

    def test_who_waits_no_longer_is_not_told(self) -> None:
        client = self.connected(TextClient())
        given_up, waiting = client.when_closed(), client.when_closed()
        given_up.cancel()
        self.assert_fails(given_up, CancelledError)
        self.transport.lose(error.ConnectionDone())
        self.assertIsNone(self.successResultOf(waiting))


class UDPClients(SynchronousTestCase):
    """UDPClient: echoes are matched by their bytes (E4)."""

    SERVER = ("192.0.2.1", 5005)

    def setUp(self) -> None:
        self.client = UDPClient(*self.SERVER)
        self.transport = FakeDatagramTransport()
        self.client.transport = self.transport
        self.unexpected: list[bytes] = []
        self.patch(self.client, "unexpectedReceived", self.unexpected.append)

    def receive(self, *datagrams: bytes) -> None:
        """The server sends these."""
        for datagram in datagrams:
            self.client.datagramReceived(datagram, self.SERVER)

    def test_a_text_is_one_datagram(self) -> None:
        self.client.send("grüße")
        self.client.send("")
        self.assertEqual(self.transport.written, [("grüße".encode(), self.SERVER), (b"", self.SERVER)])

    def test_an_echo_fires_what_waits_for_these_bytes(self) -> None:
        one, two, empty = (self.client.send(text) for text in ("one", "two", ""))
        self.receive(b"", b"two")
        self.assertNoResult(one)
        self.assertEqual(self.successResultOf(two), b"two")
        self.assertEqual(self.successResultOf(empty), b"")

    def test_of_equal_texts_the_oldest_is_answered_first(self) -> None:
        older, newer = self.client.send("same"), self.client.send("same")
        self.receive(b"same")
        self.assertEqual(self.successResultOf(older), b"same")
        self.assertNoResult(newer)
        self.receive(b"same")
        self.assertEqual(self.successResultOf(newer), b"same")

    def test_without_an_echo_a_text_is_done_when_it_is_sent(self) -> None:
        self.assertEqual(self.successResultOf(self.client.send("hello", echo=False)), b"hello")
        self.receive(b"hello")
        self.assertEqual(self.unexpected, [b"hello"])

    def test_what_is_no_echo_is_unexpected(self) -> None:
        echo = self.client.send("hello")
        self.receive(b"ECHO: hello", b"hello", b"hello")
        self.assertEqual(self.successResultOf(echo), b"hello")
        self.assertEqual(self.unexpected, [b"ECHO: hello", b"hello"])

    def test_strangers_do_not_count(self) -> None:
        echo = self.client.send("hello")
        for stranger in (("192.0.2.2", 5005), ("192.0.2.1", 5006)):
            self.client.datagramReceived(b"hello", stranger)
        self.assertNoResult(echo)
        self.assertEqual(self.unexpected, [])

    def test_who_waits_no_longer_is_forgotten_and_the_others_are_not(self) -> None:
        clock = Clock()
        late = self.client.send("same").addTimeout(5, clock)
        clock.advance(4)
        kept = self.client.send("same").addTimeout(5, clock)
        clock.advance(1)
        self.failureResultOf(late, defer.TimeoutError)
        self.receive(b"same")
        self.assertEqual(self.successResultOf(kept), b"same")

    def test_a_text_without_utf8_is_not_sent(self) -> None:
        self.assertRaises(ValueError, self.client.send, "\ud800")
        self.assertEqual(self.transport.written, [])
