"""Servers that do one thing wrong each: what the client says of it, and its exit status."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

from tests.clients.running import ClientTestCase, Ended, Stub, messages
from tests.support import PATIENCE, plain, receive, receive_all, reset

Serve = Callable[[socket.socket], Any]

HELLO = bytes.fromhex("01 00000001 00000005") + b"hello"
WORLD = bytes.fromhex("01 00000002 00000005") + b"world"
BOTH = len(HELLO + WORLD)

SOON = ("--timeout", "0.5")


ADVICE = {
    "udp": "is a server there, and does it run with --echo?",
    "tcp": "is that a text server, which sends `ECHO: ` and the text back, or a slow one (--timeout)? "
    "See its log",
    "tcpv2": "is that a tcpv2 server, and does it run with --echo? See its log",
    "tcpv3": "is that a tcpv3 server, with --echo, that reads this --layout? See its log",
}
"""What is said of a first missing echo, where nothing at all has come back."""

RESET_AT_ONCE = "The connection was lost: the server or the network reset it right after it was accepted"


def answering(frames: bytes) -> Serve:
    """A server that has read both messages, sends these bytes, and reads on until the client is finished."""

    def serve(connection: socket.socket) -> None:
        receive(connection, BOTH)
        connection.sendall(frames)
        receive_all(connection)

    return serve


class FaultTestCase(ClientTestCase):
    variant = "tcpv3"
    options: tuple[str, ...] = ("--echo",)

    def meets(self, serve: Serve, *options: str, close: bool = True) -> Ended:
        """How a client ends that says hello and world to such a server."""
        return self.client(
            self.variant, self.server(serve, close).port, *self.options, *options, *messages("hello", "world")
        )

    def server(self, serve: Serve, close: bool = True) -> Stub:
        return self.stub(serve, close=close)

    def assert_fails(self, ended: Ended, *lines: str) -> None:
        """It has said just this, and ended with status 1."""
        said = [line.replace("<advice>", ADVICE[self.variant]) for line in lines]
        self.assertEqual((ended.status, ended.err), (1, said), ended)


class Frames(FaultTestCase):
    def test_no_echo_and_the_end(self) -> None:
        self.assert_fails(
            self.meets(receive_all),
            "The server closed the connection; no echo of 2 messages: order 1 and 2; <advice>",
        )

    def test_no_echo_and_no_end(self) -> None:
        self.assert_fails(
            self.meets(receive_all, *SOON, close=False),
            "No echo of 2 messages within 0.5 s: order 1 and 2; <advice>",
        )

    def test_one_echo_is_missing(self) -> None:
        ended = self.meets(answering(HELLO), *SOON, close=False)
        self.assert_fails(ended, "No echo of order 2 within 0.5 s")
        self.assertIn("1 of 2 messages came back", ended.out[-1])

    def test_a_wrong_byte(self) -> None:
        ended = self.meets(answering(HELLO.replace(b"hello", b"heLlo") + WORLD))
        self.assert_fails(
            ended,
            "Wrong echo of order 1: it is not what was sent:",
            "  sent     ver: 1, order: 1, size: 5 -> hello",
            "  received ver: 1, order: 1, size: 5 -> heLlo",
            "  they differ first at byte 11: 6c was sent, 4c came",
        )
        self.assertIn("-> world (echo of order 2", "\n".join(ended.out))

    def test_an_echo_that_is_too_short(self) -> None:
        self.assert_fails(
            self.meets(answering(struct.pack("!BLL", 1, 1, 4) + b"hell" + WORLD)),
            "Wrong echo of order 1: it is not what was sent:",
            "  sent     ver: 1, order: 1, size: 5 -> hello",
            "  received ver: 1, order: 1, size: 4 -> hell",
            "  they differ first at byte 8: 05 was sent, 04 came",
        )

    def test_an_order_that_was_not_sent(self) -> None:
        self.assert_fails(
            self.meets(answering(HELLO.replace(b"\0\0\0\1", b"\0\0\0\7") + HELLO + WORLD)),
            "Received what answers no message that was sent: ver: 1, order: 7, size: 5 -> hello",
        )

    def test_another_sequence_is_no_fault(self) -> None:
        ended = self.meets(answering(WORLD + HELLO))
        self.assertEqual((ended.status, ended.err), (0, []))
        self.assertEqual([line.split(" (")[0][-5:] for line in ended.said("Received ")], ["world", "hello"])

    def test_a_doubled_echo(self) -> None:
        self.assert_fails(
            self.meets(answering(HELLO + WORLD + HELLO)),
            "Doubled echo of order 1: it came once more: ver: 1, order: 1, size: 5 -> hello",
        )

    def test_an_echo_that_the_end_cuts_off(self) -> None:
        def serve(connection: socket.socket) -> None:
            receive_all(connection)
            connection.sendall(HELLO + WORLD[:-2])

        ended = self.meets(serve)
        self.assertEqual((ended.status, len(ended.err)), (1, 1), ended)
        self.assertRegex(ended.err[0], r"^Violation truncated from the server at byte 14 \[01 00 00 00 02 ")
        self.assertIn("1 of 2 messages came back", ended.out[-1])

    def test_a_reset(self) -> None:
        def serve(connection: socket.socket) -> None:
            receive_all(connection)
            connection.sendall(HELLO)
            reset(connection)

        ended = self.meets(serve)
        # A reset may overtake what was sent before it.
        came = any("-> hello (echo" in line for line in ended.out)
        self.assert_fails(
            ended,
            "The connection was lost: the server or the network reset it; no echo of order 2"
            if came
            else f"{RESET_AT_ONCE}; no echo of 2 messages: order 1 and 2; <advice>",
        )

    def test_garbage(self) -> None:
        def serve(connection: socket.socket) -> None:
            receive(connection, BOTH)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        for options in ("--echo",), ():
            self.options = options
            ended = self.meets(serve, close=False)
            self.assertEqual((ended.status, len(ended.err)), (1, 1), ended)
            self.assertRegex(
                ended.err[0], r"^Violation wrong-version from the server at byte 0 \[48 54 54 50 2f .*; .+"
            )

    def test_the_other_layout(self) -> None:
        with plain("server_tcpv3", "--port", "0", "--layout", "scripts", "--echo") as server:
            port = int(server.wait_for(r"Listening on \S+:(\d+)")[0][1])
            ended = self.client("tcpv3", port, "--echo", "-m", "hello")
        self.assertEqual((ended.status, len(ended.err)), (1, 1), ended)
        self.assertRegex(ended.err[0], r"^Violation truncated from the server at byte 0 \[01 00 00 00 01 ")

    def test_a_server_that_never_closes_is_left(self) -> None:
        self.options = ()
        ended = self.meets(receive_all, *SOON, close=False)
        line = "The server did not close the connection within 0.5 s"
        self.assertEqual((ended.status, ended.err), (0, [line]))

    def test_a_server_that_is_slow_to_read_and_never_closes(self) -> None:
        stub = self.server(lambda connection: receive_all(connection), close=False)
        ended = self.client("tcpv3", stub.port, *SOON, stdin=b"x" * 1_000_000 + b"\n")
        line = "The server did not close the connection within 0.5 s"
        self.assertEqual((ended.status, ended.err), (0, [line]))
        self.assertEqual(len(stub.result()), 1_000_009)

    def test_a_server_that_never_reads_is_left(self) -> None:
        for options, line in (
            ((), "The server took nothing of what was sent for 0.5 s"),
            (("--echo",), "No echo of order 1 within 0.5 s; " + ADVICE["tcpv3"]),
        ):
            over = threading.Event()
            self.addCleanup(over.set)
            stub = self.server(lambda _, over=over: over.wait(PATIENCE), close=False)  # type: ignore[misc]
            ended = self.client("tcpv3", stub.port, *SOON, *options, stdin=(b"x" * 1_000_000 + b"\n") * 8)
            self.assertEqual((ended.status, ended.err[:1]), (1, [line]))
            over.set()

    def test_who_sends_may_take_longer_than_the_timeout(self) -> None:
        def serve(connection: socket.socket) -> bytes:
            connection.sendall(receive(connection, len(HELLO)))
            connection.sendall(second := receive(connection, len(WORLD)))
            return second + receive_all(connection)

        stub = self.server(serve)
        ended = self.client(
            "tcpv3", stub.port, "--echo", "--timeout", "0.3", "--interval", "0.8", *messages("hello", "world")
        )
        self.assertEqual((ended.status, ended.err), (0, []), ended)
        self.assertEqual(stub.result(), WORLD)

    def test_a_server_that_closes_before_all_is_sent(self) -> None:
        self.options = ()
        self.assert_fails(
            self.meets(lambda connection: receive(connection, len(HELLO)), "--interval", "0.2"),
            "The server closed the connection, and there was more to be sent",
        )

    def test_a_server_that_closes_after_the_last_message_is_fine(self) -> None:
        """It need not wait for the client's end; and whether that was on its way already is chance."""

        def serve(connection: socket.socket) -> None:
            connection.sendall(receive(connection, len(HELLO)))

        for _ in range(2):
            ended = self.client("tcpv3", self.server(serve).port, "--echo", *messages("hello"))
            self.assertEqual((ended.status, ended.err), (0, []), ended)

    def test_a_text_that_is_too_long_is_not_sent_and_the_next_is(self) -> None:
        stub = self.server(receive_all)
        ended = self.client("tcpv3", stub.port, stdin=b"x" * 1_100_000 + b"\nhello\n")
        line = "Message 1 cannot be sent: a text of 1,100,000 bytes is over this client's limit, 1,048,576"
        self.assertEqual((ended.status, ended.err), (2, [line]))
        self.assertEqual(stub.result(), HELLO)


class Text(FaultTestCase):
    variant = "tcp"
    options = ()

    def answers(self, *answers: bytes, close: bool = False) -> Serve:
        """A server that gives these answers, each to whatever it has read."""

        def serve(connection: socket.socket) -> None:
            for answer in answers:
                connection.recv(99)
                connection.sendall(answer)
            if not close:
                receive_all(connection)

        return serve

    def test_an_answer_in_several_pieces_is_right(self) -> None:
        ended = self.meets(self.answers(b"ECHO: helECHO: lo", b"ECHO: wECHO: oECHO: rECHO: lECHO: d"))
        self.assertEqual((ended.status, ended.err), (0, []))
        self.assertEqual(
            [line.split(" (")[0] for line in ended.said("Received ")],
            ["ECHO: helECHO: lo", "ECHO: wECHO: oECHO: rECHO: lECHO: d"],
        )

    def test_a_wrong_answer(self) -> None:
        ended = self.meets(self.answers(b"ECHO: hexlo"))
        self.assert_fails(
            ended,
            "Wrong echo of message 1: it is not what was sent:",
            "  sent     hello",
            "  received ECHO: hexlo",
            "  they differ first at byte 2: 6c was sent, 78 came",
        )
        self.assertEqual(ended.said("Sent "), ["hello"])
        self.assertNotIn("", ended.out)

    def test_an_answer_without_its_prefix(self) -> None:
        self.assert_fails(
            self.meets(self.answers(b"hello")),
            "Wrong echo of message 1: it is not what was sent:",
            "  sent     hello",
            "  received hello",
            "  the answer does not begin with `ECHO: `",
        )

    def test_a_doubled_answer(self) -> None:
        ended = self.meets(self.answers(b"ECHO: helloECHO: hello"))
        self.assertEqual((ended.status, len(ended.err)), (1, 4), ended)
        self.assertEqual(ended.err[2], "  received ECHO: helloECHO: hello")

    def test_no_answer(self) -> None:
        ended = self.meets(receive_all, *SOON)
        self.assertEqual((ended.status, len(ended.err)), (1, 1), ended)
        self.assertRegex(ended.err[0], "^No echo of message 1 within 0.5 s; ")
        self.assertEqual(ended.said("Sent "), ["hello"])

    def test_the_end_instead_of_an_answer(self) -> None:
        ended = self.meets(lambda connection: receive(connection, 5))
        self.assert_fails(
            ended,
            "The server closed the connection; no echo of message 1; <advice>",
        )
        self.assertEqual(ended.out[1:], ["Sent hello"])

    def test_half_an_answer_and_the_end(self) -> None:
        ended = self.client("tcp", self.server(self.answers(b"ECHO: he", close=True)).port, "-m", "hello")
        self.assert_fails(ended, "The server closed the connection; no echo of message 1; <advice>")

    def test_a_reset_instead_of_an_answer(self) -> None:
        def serve(connection: socket.socket) -> None:
            receive(connection, 5)
            reset(connection)

        ended = self.meets(serve)
        self.assert_fails(
            ended,
            f"{RESET_AT_ONCE}; no echo of message 1; <advice>",
        )
        self.assertEqual(ended.out[1:], ["Sent hello"])

    def test_a_server_that_answers_once_and_closes(self) -> None:
        for _ in range(2):
            stub = self.server(self.answers(b"ECHO: hello", close=True))
            ended = self.client("tcp", stub.port, "-m", "hello")
            self.assertEqual((ended.status, ended.err), (0, []), ended)
        ended = self.meets(self.answers(b"ECHO: hello", close=True))
        self.assertEqual((ended.status, len(ended.err)), (1, 1), ended)
        # Was the second message on its way when the end came? That is chance.
        self.assertIn(
            ended.err[0],
            (
                "The server closed the connection, and there was more to be sent",
                "The server closed the connection; no echo of message 2",
                "The connection was lost: the server or the network reset it",
                "The connection was lost: the server or the network reset it; no echo of message 2",
            ),
        )


class Datagrams(FaultTestCase):
    variant = "udp"

    def server(self, serve: Serve, close: bool = True) -> Stub:
        return self.stub(serve, socket.SOCK_DGRAM, close)

    def two(self, server: socket.socket) -> tuple[list[bytes], Any]:
        """Two datagrams, and who sent them."""
        (first, sender), (second, _) = server.recvfrom(99), server.recvfrom(99)
        return [first, second], sender

    def test_another_sequence_is_no_fault(self) -> None:
        def serve(server: socket.socket) -> None:
            datagrams, sender = self.two(server)
            for datagram in reversed(datagrams):
                server.sendto(datagram, sender)

        ended = self.meets(serve)
        self.assertEqual((ended.status, ended.err), (0, []), ended)
        self.assertEqual([line.split(" (")[0] for line in ended.said("Received ")], ["world", "hello"])

    def test_a_doubled_echo(self) -> None:
        def serve(server: socket.socket) -> None:
            datagrams, sender = self.two(server)
            for datagram in datagrams[0], datagrams[0], datagrams[1]:
                server.sendto(datagram, sender)

        self.assert_fails(self.meets(serve), "Doubled echo of a message: it came once more: hello")

    def test_a_datagram_of_another_is_ignored(self) -> None:
        def serve(server: socket.socket) -> None:
            datagrams, sender = self.two(server)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.bind(("127.0.0.1", 0))
                for datagram in *datagrams, b"foreign":
                    other.sendto(datagram, sender)
            server.sendto(datagrams[1], sender)

        ended = self.meets(serve, *SOON, close=False)
        self.assert_fails(ended, "No echo of message 1 within 0.5 s")
        self.assertEqual([line.split(" (")[0] for line in ended.said("Received ")], ["world"])

    def test_a_wrong_echo_is_an_answer_to_nothing_and_a_missing_one(self) -> None:
        def serve(server: socket.socket) -> None:
            datagrams, sender = self.two(server)
            server.sendto(b"hexlo", sender)
            server.sendto(datagrams[1], sender)

        self.assert_fails(
            self.meets(serve, *SOON, close=False),
            "Received what answers no message that was sent: hexlo",
            "No echo of message 1 within 0.5 s",
        )

    def test_no_echo(self) -> None:
        self.assert_fails(
            self.meets(self.two, *SOON, close=False),
            "No echo of 2 messages within 0.5 s: number 1 and 2; <advice>",
        )

    def test_nobody_is_there(self) -> None:
        stub = self.server(lambda _: None)
        stub.result()
        ended = self.client("udp", stub.port, "--echo", *SOON, "-m", "hello")
        self.assertEqual((ended.status, len(ended.err)), (1, 1), ended)
        ended = self.client("udp", stub.port, "-m", "hello")
        self.assertEqual((ended.status, ended.err), (0, []))

    def test_a_late_echo_is_told_from_a_missing_one(self) -> None:
        def serve(server: socket.socket) -> None:
            hello, sender = server.recvfrom(99)
            for _ in range(16):  # the window is full, and the next comes when the first are given up
                last, _ = server.recvfrom(99)
            server.sendto(hello, sender)
            server.sendto(last, sender)

        texts = ["hello", *(f"lost {number}" for number in range(15)), "last"]
        ended = self.client("udp", self.server(serve).port, "--echo", *SOON, *messages(*texts))
        self.assert_fails(
            ended,
            "No echo of 16 messages within 0.5 s: number 1 to 16; <advice>",
            "Late echo of a message, after it was given up: hello",
        )
        self.assertIn("1 of 17 messages came back", ended.out[-1])

    def test_a_text_that_no_datagram_can_carry_is_not_sent_and_the_next_is(self) -> None:
        stub = self.server(lambda server: server.recv(99))
        ended = self.client("udp", stub.port, stdin=b"x" * 70_000 + b"\nhello\n")
        line = "Message 1 cannot be sent: no datagram can carry it"
        self.assertEqual((ended.status, ended.err), (2, [line]))
        self.assertEqual(stub.result(), b"hello")
