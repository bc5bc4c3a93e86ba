"""Talk on a clock of the test's, over a link of the test's: what is sent when, what is said, how it ends."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netlab.clients.talk import REMEMBERED, WINDOW_BYTES, Message, Status, Talk
from netlab.clients.variants import PIPELINED, connected
from netlab.protocols.client import EchoMissing, WrongEcho


class Link:
    """A link that notes what is sent, and answers when it is told to."""

    advice = "is it there?"

    def __init__(self, window: int = 3, is_stream: bool = True) -> None:
        self.window, self.is_stream = window, is_stream
        self.texts: list[str] = []
        self.answers: list[Deferred[Any]] = []
        self.in_kernel: int | None = None
        self.finished = self.aborted = 0

    def send(self, text: str) -> Deferred[Any]:
        self.texts.append(text)
        self.answers.append(Deferred())
        return self.answers[-1]

    def message(self, text: str) -> Message:
        return Message(text, f"message {text[:9]}", text[:9], [[("text", text.encode())]])

    def sent(self) -> Message:
        return self.message(self.texts[-1])

    def echo(self, message: Message, result: Any) -> Message:
        return self.message(result)

    def queued(self) -> int | None:
        return self.in_kernel

    def finish(self) -> None:
        self.finished += 1

    def abort(self) -> None:
        self.aborted += 1


class TalkTestCase(SynchronousTestCase):
    def talk(self, link: Any = None, echo: bool = True, timeout: float = 5, **options: Any) -> Talk:
        """A conversation over a link."""
        self.said: list[str] = []
        self.complained: list[str] = []
        self.clock = Clock()
        self._talk = Talk(
            self.said.append,
            self.complained.append,
            self.clock,
            self.clock.seconds,
            echo,
            timeout,
            **options,
        )
        if link is not None:
            self._talk.link = link
        return self._talk

    def offer(self, text: str) -> Deferred[bool]:
        """Offer a text; fires when it is sent, or refused."""
        return Deferred.fromCoroutine(self._talk.offer(text))

    def assert_quiet(self) -> None:
        """Nothing is left that would come by itself."""
        self.assertEqual(self.clock.getDelayedCalls(), [])


class Sending(TalkTestCase):
    def test_no_more_than_the_window_is_on_its_way(self) -> None:
        link = Link(window=3)
        self.talk(link)
        for text in "abc":
            self.assertTrue(self.successResultOf(self.offer(text)))
        waits = self.offer("d")
        self.assertNoResult(waits)
        self.assertEqual(link.texts, ["a", "b", "c"])
        link.answers[1].callback("b")
        self.assertTrue(self.successResultOf(waits))
        self.assertEqual(link.texts, ["a", "b", "c", "d"])

    def test_no_more_bytes_than_fit_are_on_their_way(self) -> None:
        link = Link(window=100)
        self.talk(link)
        large = "x" * (WINDOW_BYTES + 1)
        self.successResultOf(self.offer(large))
        waits = self.offer("a")
        self.assertNoResult(waits)
        link.answers[0].callback(large)
        self.successResultOf(waits)
        self.successResultOf(self.offer("b"))

    def test_without_echoes_there_is_no_window(self) -> None:
        link = Link(window=1)
        link.send = lambda text: link.texts.append(text) or succeed(text)  # type: ignore[method-assign, func-returns-value]
        self.talk(link, echo=False)
        for _ in range(5):
            self.successResultOf(self.offer("a"))
        self.assertEqual(self.said, ["Sent a"] * 5)
        self.assert_quiet()

    def test_interval_is_kept_between_messages(self) -> None:
        link = Link()
        self.talk(link, interval=2)
        self.successResultOf(self.offer("a"))
        link.answers[0].callback("a")
        self.clock.advance(0.5)
        waits = self.offer("b")
        self.clock.advance(1.4)
        self.assertEqual(link.texts, ["a"])
        self.clock.advance(0.1)
        self.successResultOf(waits)
        self.assertEqual(link.texts, ["a", "b"])
        link.answers[1].callback("b")
        self.clock.advance(10)
        self.successResultOf(self.offer("c"))  # that long ago: at once

    def test_who_is_interrupted_in_an_interval_sends_no_more(self) -> None:
        link = Link()
        talk = self.talk(link, interval=2)
        self.successResultOf(self.offer("a"))
        waits = self.offer("b")
        talk.conclude()
        self.clock.advance(2)
        self.assertFalse(self.successResultOf(waits))
        self.assertEqual(link.texts, ["a"])

    def test_a_paused_producer_waits_until_there_is_room(self) -> None:
        link = Link()
        talk = self.talk(link)
        talk.pauseProducing()
        waits = self.offer("a")
        self.assertEqual(link.texts, [])
        talk.resumeProducing()
        self.successResultOf(waits)
        self.assertEqual(link.texts, ["a"])

    def test_what_cannot_be_sent_is_told_and_the_next_is_sent(self) -> None:
        link = Link()
        talk = self.talk(link)

        def refuse(text: str) -> Deferred[Any]:
            raise ValueError("it is too long")

        send, link.send = link.send, refuse  # type: ignore[method-assign]
        self.assertTrue(self.successResultOf(self.offer("a")))
        self.assertEqual(self.complained, ["Message 1 cannot be sent: it is too long"])
        link.send = send  # type: ignore[method-assign]
        self.successResultOf(self.offer("b"))
        link.answers[0].callback("b")
        talk.end()
        talk.lost(Failure(ConnectionDone()))
        self.assertEqual(self.successResultOf(talk.done), Status.USAGE)


class Deadlines(TalkTestCase):
    def test_an_echo_is_missing_after_the_timeout(self) -> None:
        link = Link()
        talk = self.talk(link)
        self.successResultOf(self.offer("a"))
        self.clock.advance(4.9)
        self.assertEqual(self.complained, [])
        self.clock.advance(0.1)
        self.assertEqual(
            self.complained,
            ["No echo of message a within 5 s; is it there?"],
        )
        self.assertEqual(self.successResultOf(talk.done), Status.FAULT)
        self.assert_quiet()

    def test_the_time_begins_anew_with_each_progress(self) -> None:
        link = Link()
        talk = self.talk(link)
        for text in "ab":
            self.successResultOf(self.offer(text))
        for _ in range(3):
            self.clock.advance(4)
            talk.progress()
        self.clock.advance(4)
        link.answers[0].callback("a")
        self.assertEqual(self.complained, [])
        talk.progress()
        self.clock.advance(5)
        self.assertEqual(self.complained, ["No echo of message b within 5 s"])

    def test_who_waits_for_nothing_has_no_deadline(self) -> None:
        link = Link()
        talk = self.talk(link)
        self.successResultOf(self.offer("a"))
        link.answers[0].callback("a")
        self.clock.advance(5)
        self.clock.advance(500)
        self.assertEqual(self.complained, [])
        self.assertNoResult(talk.done)
        talk.conclude()

    def test_a_server_that_takes_what_was_sent_makes_progress(self) -> None:
        link = Link()
        talk = self.talk(link)
        talk.pauseProducing()
        waits = self.offer("a")
        for link.in_kernel in 300, 200, 100:
            self.clock.advance(5)
            self.assertEqual(self.complained, [])
        self.clock.advance(5)
        self.assertEqual(self.complained, ["The server took nothing of what was sent for 5 s"])
        self.assertEqual(self.successResultOf(talk.done), Status.FAULT)
        self.assertFalse(self.successResultOf(waits))
        self.assert_quiet()

    def test_what_was_taken_whole_is_not_said_to_be_left(self) -> None:
        """A transport that is half-closed does not resume its producer."""
        link = Link()
        talk = self.talk(link, echo=False)
        talk.pauseProducing()
        talk.end()
        link.in_kernel = 0
        self.clock.advance(5)
        self.assertEqual(self.complained, ["The server did not close the connection within 5 s"])
        self.assertEqual(self.successResultOf(talk.done), Status.FINE)

    def test_in_lock_step_nothing_is_sent_after_a_missing_echo(self) -> None:
        link = Link(window=1)
        talk = self.talk(link)
        self.successResultOf(self.offer("a"))
        waits = self.offer("b")
        self.clock.advance(5)
        self.assertFalse(self.successResultOf(waits))
        self.assertEqual(link.texts, ["a"])
        self.assertEqual(self.successResultOf(talk.done), Status.FAULT)

    def test_datagrams_go_on_after_a_missing_echo(self) -> None:
        link = Link(window=2, is_stream=False)
        talk = self.talk(link)
        for text in "ab":
            self.successResultOf(self.offer(text))
        waits = self.offer("c")
        self.clock.advance(5)
        self.successResultOf(waits)
        self.assertEqual(len(self.complained), 1)
        link.answers[2].callback("c")
        talk.end()
        self.assertEqual(self.successResultOf(talk.done), Status.FAULT)
        self.assert_quiet()


class Fates(TalkTestCase):
    def unexpected(self, text: str) -> str:
        """What is said of a datagram that nobody waits for."""
        self._talk.unexpected(Link().message(text))
        return self.complained[-1]

    def test_late_doubled_and_foreign_are_told_apart(self) -> None:
        link = Link(is_stream=False)
        self.talk(link)
        self.successResultOf(self.offer("a"))
        self.successResultOf(self.offer("b"))
        link.answers[1].callback("b")
        self.clock.advance(5)
        self.assertEqual(self.unexpected("a"), "Late echo of message a, after it was given up: a")
        self.assertEqual(self.unexpected("a"), "Doubled echo of message a: it came once more: a")
        self.assertEqual(self.unexpected("b"), "Doubled echo of message b: it came once more: b")
        self.assertEqual(self.unexpected("c"), "Received what answers no message that was sent: c")

    def test_a_late_echo_is_no_fault_by_itself(self) -> None:
        link = Link(is_stream=False)
        talk = self.talk(link)
        self.successResultOf(self.offer("a"))
        self.clock.advance(5)
        talk._status = Status.FINE
        self.unexpected("a")
        self.assertEqual(talk._status, Status.FINE)
        self.unexpected("a")
        self.assertEqual(talk._status, Status.FAULT)

    def test_only_so_many_are_remembered(self) -> None:
        link = Link(is_stream=False)
        self.talk(link)
        for number in range(REMEMBERED + 1):
            self.successResultOf(self.offer(str(number)))
            link.answers[-1].callback(str(number))
        self.assertEqual(len(self._talk._fates), REMEMBERED)
        self.assertIn("answers no message", self.unexpected("0"))
        self.assertIn("Doubled echo", self.unexpected("1"))

    def test_without_echoes_whatever_comes_is_shown(self) -> None:
        talk = self.talk(Link(), echo=False)
        talk.unexpected(Link().message("news"))
        self.assertEqual((self.said, self.complained), (["Received news"], []))


class Endings(TalkTestCase):
    def test_a_stream_is_half_closed_and_waits_for_its_end(self) -> None:
        link = Link()
        talk = self.talk(link)
        self.successResultOf(self.offer("a"))
        talk.end()
        self.assertEqual(link.finished, 1)
        self.clock.advance(0.25)
        link.answers[0].callback("a")
        self.assertNoResult(talk.done)
        talk.lost(Failure(ConnectionDone()))
        self.assertEqual(self.successResultOf(talk.done), Status.FINE)
        self.assertEqual(
            self.said,
            [
                "Sent a",
                "Received a (echo of message a after 250.00 ms)",
                "1 of 1 messages came back; round trip: 250.00 ms at least, 250.00 ms on average, "
                "250.00 ms at most",
            ],
        )
        self.assert_quiet()

    def test_datagrams_end_with_the_last_echo(self) -> None:
        link = Link(is_stream=False)
        talk = self.talk(link)
        self.successResultOf(self.offer("a"))
        talk.end()
        self.assertNoResult(talk.done)
        link.answers[0].callback("a")
        self.assertEqual(self.successResultOf(talk.done), Status.FINE)
        self.assertEqual((link.finished, link.aborted), (0, 1))
        self.assert_quiet()

    def test_a_conversation_is_concluded_once(self) -> None:
        link = Link()
        talk = self.talk(link)
        self.successResultOf(self.offer("a"))
        talk.conclude(130)
        talk.conclude(Status.FAULT)
        talk.end()
        talk.lost(Failure(ConnectionDone()))
        self.assertEqual(self.successResultOf(talk.done), 130)
        self.assertEqual((link.aborted, link.finished), (1, 0))
        self.assertFalse(self.successResultOf(self.offer("b")))
        self.assertEqual(link.texts, ["a"])
        self.assertEqual(self.complained, [])
        self.assert_quiet()

    def test_who_has_no_connection_yet_can_be_interrupted(self) -> None:
        talk = self.talk()
        talk.conclude(130)
        self.assertEqual(self.successResultOf(talk.done), 130)

    def test_who_waits_for_room_is_let_go_and_sends_no_more(self) -> None:
        link = Link(window=1)
        talk = self.talk(link)
        self.successResultOf(self.offer("a"))
        waits = self.offer("b")
        link.answers[0].errback(EchoMissing())
        self.assertNoResult(waits)  # the connection is gone, and lost() comes next
        talk.lost(Failure(ConnectionLost()))
        self.assertFalse(self.successResultOf(waits))
        self.assertEqual(link.texts, ["a"])
        self.assertEqual(
            self.complained,
            [
                "The connection was lost: the server or the network reset it; "
                "no echo of message a; is it there?"
            ],
        )

    def test_in_lock_step_a_wrong_echo_is_the_end(self) -> None:
        link = Link(window=1)
        talk = self.talk(link)
        self.successResultOf(self.offer("a"))
        waits = self.offer("b")
        link.answers[0].errback(WrongEcho("a", "x"))
        self.assertFalse(self.successResultOf(waits))
        self.assertEqual(self.successResultOf(talk.done), Status.FAULT)

    def test_frames_go_on_after_a_wrong_echo(self) -> None:
        link = Link(window=2)
        talk = self.talk(link)
        for text in "ab":
            self.successResultOf(self.offer(text))
        waits = self.offer("c")
        link.answers[0].errback(WrongEcho("a", "x"))
        self.assertTrue(self.successResultOf(waits))
        self.assertNoResult(talk.done)
        talk.conclude()

    def test_the_server_closed_and_nothing_more_was_to_be_sent(self) -> None:
        talk = self.talk(Link())
        talk.lost(Failure(ConnectionDone()))
        self.assertNoResult(talk.done)  # only who offers knows whether there is more
        talk.end()
        self.assertEqual((self.successResultOf(talk.done), self.complained), (Status.FINE, []))
        self.assert_quiet()

    def test_the_server_closed_and_there_was_more_or_nobody_knows(self) -> None:
        line = "The server closed the connection, and there was more to be sent"
        for what in "offered before", "offered now", "silence":
            link = Link(window=0)
            talk = self.talk(link)
            waits = self.offer("a") if what == "offered before" else None
            talk.lost(Failure(ConnectionDone()))
            if what == "offered now":
                waits = self.offer("a")
            elif what == "silence":
                self.clock.advance(5)
            self.assertEqual((self.successResultOf(talk.done), self.complained), (Status.FAULT, [line]))
            if waits is not None:
                self.assertFalse(self.successResultOf(waits))
            self.assert_quiet()

    def test_a_person_is_told_at_once_that_the_server_closed(self) -> None:
        talk = self.talk(Link(), asks=True)
        talk.lost(Failure(ConnectionDone()))
        self.assertEqual(self.successResultOf(talk.done), Status.FINE)
        self.assertEqual(self.complained, ["The server closed the connection"])


class Transport(StringTransportWithDisconnection):
    """A transport that can be aborted."""

    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Take it, as the real one does."""

    def unregisterProducer(self) -> None:
        """There is no producer any more."""

    def loseWriteConnection(self) -> None:
        """Send the end."""


class OverTheRealLinks(TalkTestCase):
    def test_a_violation_is_told_once_and_ends_it(self) -> None:
        for variant in "tcpv2", "tcpv3":
            talk = self.talk()
            link = connected(talk, variant)
            transport = Transport()
            transport.protocol = link
            link.makeConnection(transport)
            for _ in range(PIPELINED):
                self.successResultOf(self.offer("a"))
            waits = self.offer("one more")
            self.assertNoResult(waits)
            link.dataReceived(b"\2" * 30)
            self.assertFalse(self.successResultOf(waits))
            self.assertEqual(self.successResultOf(talk.done), Status.FAULT)
            self.assertTrue(transport.aborted)
            self.assertEqual(len(self.complained), 1, self.complained)
            link.connectionLost(Failure(ConnectionLost()))
            self.assertEqual(len(self.complained), 1, self.complained)
            self.assertEqual(len(self.said), PIPELINED)
            self.assert_quiet()
