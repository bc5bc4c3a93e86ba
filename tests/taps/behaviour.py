"""What every TCP server must do, whatever it speaks and whoever runs its clients."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
import time
from typing import Any

from tests.support import Served, receive, receive_all, reset, until

MEGABYTE = 1_000_000


class TCPBehaviour:
    """A mixin for ServerTestCase. A subclass says which server, and what its messages look like."""

    command: tuple[str, ...]
    threaded: bool

    def message(self, order: int, text: bytes) -> bytes:
        """The bytes of one message."""
        raise NotImplementedError

    def answer(self, message: bytes) -> bytes:
        """What comes back for it."""
        return message

    def bulk(self, length: int) -> bytes:
        """Messages of about so many bytes in all."""
        raise NotImplementedError

    def unecho(self, received: bytes) -> bytes:
        """What was sent, if this came back for it."""
        return received

    # The tests, for a ServerTestCase.

    serve: Any
    assertEqual: Any
    assertLess: Any
    assertTrue: Any
    assertIn: Any

    def start(self, *options: str) -> Served:
        server = self.serve(*self.command, *options)
        assert isinstance(server, Served)
        return server

    def is_served(self, server: Served) -> None:
        """A well-behaved client is served now."""
        with server.connect() as client:
            message = self.message(1, b"anybody there?")
            client.sendall(message)
            answer = self.answer(message)
            self.assertEqual(receive(client, len(answer)), answer)

    def through(self, wait: float) -> None:
        """20 MB, a half-close behind the last byte, and a reader that waits before it reads."""
        server = self.start("--quiet")
        sent = self.bulk(20 * MEGABYTE)
        with server.connect() as client:

            def send() -> None:
                client.sendall(sent)
                client.shutdown(socket.SHUT_WR)

            sender = threading.Thread(target=send, daemon=True)
            sender.start()
            time.sleep(wait)
            received = self.unecho(receive_all(client))
            sender.join()
        self.assertEqual(len(received), len(sent))
        self.assertEqual(hashlib.sha256(received).digest(), hashlib.sha256(sent).digest())
        server.wait_for(r"Closed connection from .* \(finished\)")

    def test_20_megabytes_and_a_half_close_come_back_whole(self) -> None:
        self.through(0)

    def test_they_come_back_whole_to_a_reader_that_waits(self) -> None:
        self.through(1)

    def test_a_client_that_never_reads_leaves_memory_flat_and_the_others_served(self) -> None:
        server = self.start("--quiet", "--stall-timeout", "3")
        self.is_served(server)
        before = server.memory()
        data = self.bulk(MEGABYTE)
        with server.connect() as client:
            client.settimeout(1)
            try:
                for _ in range(100):
                    client.sendall(data)
                self.fail("the server read 100 MB from a client that never reads")  # type: ignore[attr-defined]
            except TimeoutError:
                pass
            self.is_served(server)
            self.assertLess(server.memory() - before, 20 * MEGABYTE)
            server.wait_for(r"Closed connection from .* \(stalled\)")
        self.is_served(server)

    def test_a_reset_ends_one_client_only(self) -> None:
        server = self.start()
        with server.connect() as other:
            client = server.connect()
            client.sendall(self.message(1, b"bye"))
            server.wait_for("bye")
            reset(client)
            server.wait_for("Closed connection from")
            message = self.message(1, b"hello")
            other.sendall(message)
            self.assertEqual(receive(other, len(self.answer(message))), self.answer(message))

    def test_connect_and_close_at_once(self) -> None:
        server = self.start()
        for _ in range(20):
            server.connect().close()
        server.wait_for("Closed connection from", 20)
        self.is_served(server)

    def test_two_hundred_connects_at_once(self) -> None:
        server = self.start()
        clients = [server.connect() for _ in range(200)]
        message = self.message(1, b"me, too")
        for client in clients:
            client.sendall(message)
        for client in clients:
            self.assertEqual(receive(client, len(self.answer(message))), self.answer(message))
            client.close()
        server.wait_for("Closed connection from", 200)

    def test_descriptors_and_threads_are_given_back(self) -> None:
        server = self.start()
        self.is_served(server)
        server.wait_for("Closed connection from")
        until(lambda: server.threads() == 2 or not self.threaded, "the first client's thread ends")
        descriptors, threads = server.descriptors(), server.threads()
        clients = [server.connect() for _ in range(50)]
        server.wait_for("Accepted connection", 51)
        self.assertEqual(server.threads() - threads, 50 if self.threaded else 0)
        self.assertEqual(server.descriptors() - descriptors, 50)
        for client in clients:
            client.close()
        until(lambda: server.descriptors() == descriptors, "descriptors are given back")
        until(lambda: server.threads() == threads, "threads end")

    def test_forty_clients_are_served_by_forty_threads_or_by_one(self) -> None:
        server = self.start()
        clients = [server.connect() for _ in range(40)]
        for number, client in enumerate(clients):
            client.sendall(self.message(1, b"I am %d" % number))
        found = server.wait_for(r"\[tcp \S+ (\S+)\] Received .*I am \d+", 40)
        names = {match[1] for match in found}
        if self.threaded:
            self.assertEqual(names, {f"client-{number}" for number in range(1, 41)})
        else:
            self.assertEqual(names, {"MainThread"})
        for client in clients:
            client.close()

    def test_each_line_of_a_client_names_its_port_and_thread(self) -> None:
        server = self.start()
        with server.connect() as client:
            port = client.getsockname()[1]
            client.sendall(self.message(1, b"hello"))
            server.wait_for("Received")
        server.wait_for("Closed connection")
        name = "client-1" if self.threaded else "MainThread"
        lines = [
            line for line in server.lines if f"[tcp 127.0.0.1:{port} " in line and "] Recognized" not in line
        ]
        self.assertEqual(len(lines), 3)
        starts = "Accepted connection from", "Received", "Closed connection from"
        for line, start in zip(lines, starts, strict=True):
            self.assertIn(f" [tcp 127.0.0.1:{port} {name}] {start} ", line)

    def test_delay_makes_others_wait_only_where_one_thread_serves_all(self) -> None:
        server = self.start("--delay", "1")
        with server.connect() as first, server.connect() as second:
            server.wait_for("Accepted connection", 2)
            message = self.message(1, b"hello")
            begun = time.monotonic()
            for client in first, second:
                client.sendall(message)
            for client in first, second:
                self.assertEqual(receive(client, len(self.answer(message))), self.answer(message))
            took = time.monotonic() - begun
        # No speed is asserted: a sleep lasts at least as long as it says, so only lower bounds are sure.
        self.assertTrue(took >= (1 if self.threaded else 2), took)

    def test_a_message_that_is_no_utf8_is_printed_escaped_and_echoed_unchanged(self) -> None:
        server = self.start()
        with server.connect() as client:
            message = self.message(1, b"\x1b[31m\xff\r\n{x}%s \xe2\x80\xae")
            client.sendall(message)
            self.assertEqual(receive(client, len(self.answer(message))), self.answer(message))
        server.wait_for(re.escape(r"\x1b[31m\xff\r\n{x}%s \u202e"))

    def test_one_client_too_many_is_logged_and_closed(self) -> None:
        server = self.start("--max-clients", "2")
        with server.connect() as first, server.connect():
            server.wait_for("Accepted connection", 2)
            with server.connect() as third:
                self.assertEqual(third.recv(1), b"")
            server.wait_for(r"Refused connection from 127\.0\.0\.1:\d+: 2 clients are connected")
            first.close()
            server.wait_for("Closed connection")
            self.is_served(server)

    def test_an_idle_client_is_closed_with_a_fin(self) -> None:
        server = self.start("--idle-timeout", "0.5")
        with server.connect() as client:
            self.assertEqual(client.recv(1), b"")
        server.wait_for(r"Closed connection from .* \(idle\)")

    def test_urgent_data_harms_nobody(self) -> None:
        server = self.start()
        with server.connect() as client:
            client.send(b"!", socket.MSG_OOB)
            self.is_served(server)

    def test_little_by_little(self) -> None:
        server = self.start()
        message = self.message(1, "grüße".encode())
        with server.connect() as client:
            for byte in message:
                client.sendall(bytes((byte,)))
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(self.unecho(receive_all(client)), message)


class FramedBehaviour(TCPBehaviour):
    """What the servers with frames must do beyond that."""

    def wrong(self) -> bytes:
        """A frame with a wrong version."""
        return b"\x02" + self.message(1, b"x")[1:]

    def test_frames_in_one_segment_are_answered_in_order(self) -> None:
        server = self.start()
        frames = b"".join(self.message(order, b"%d" % order) for order in range(1, 101))
        with server.connect() as client:
            client.sendall(frames)
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(client), frames)
        server.wait_for("Received", 100)

    def test_with_a_delay_each_answer_leaves_before_the_next_sleep(self) -> None:
        server = self.start("--delay", "1")
        frames = self.message(1, b"first"), self.message(2, b"second")

        def apart() -> bool:
            with server.connect() as client:
                client.sendall(b"".join(frames))
                self.assertEqual(receive(client, len(frames[0])), frames[0])
                first = time.monotonic()
                self.assertEqual(receive(client, len(frames[1])), frames[1])
                return time.monotonic() - first > 0.5

        # A busy machine may show them together now and then; a server that sends them together always does.
        until(apart, "the answers come one by one")

    def test_the_echoes_before_a_megabyte_of_garbage_come_back_then_a_fin(self) -> None:
        server = self.start()
        frames = b"".join(self.message(order, b"good %d" % order) for order in range(1, 101))
        with server.connect() as client:
            client.sendall(frames + self.wrong() + b"\xee" * MEGABYTE)
            self.assertEqual(receive_all(client), frames)
        found = server.wait_for(
            r"\] Violation wrong-version from (\S+) at byte (\d+) \[02 00 00 00 01 .*\]: "
        )
        self.assertEqual(int(found[0][2]), len(frames))
        server.wait_for(r"Closed connection from .* \(violation\)")

    def test_a_wrong_version_is_judged_at_its_first_byte(self) -> None:
        server = self.start()
        with server.connect() as client:
            client.sendall(b"G")
            self.assertEqual(client.recv(1), b"")
        server.wait_for(r"Violation wrong-version from \S+ at byte 0 \[47\]")

    def test_a_fin_inside_a_frame(self) -> None:
        server = self.start()
        whole = self.message(1, b"whole")
        with server.connect() as client:
            client.sendall(whole + self.message(2, b"half")[:-1])
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(client), whole)
        server.wait_for(rf"Violation truncated from \S+ at byte {len(whole)} ")

    def test_a_reset_inside_a_frame_is_no_violation(self) -> None:
        server = self.start()
        client = server.connect()
        client.sendall(self.message(1, b"whole") + self.message(2, b"half")[:-1])
        server.wait_for("whole")
        reset(client)
        server.wait_for(r"Closed connection from .* \(reset\)")
        self.assertEqual(server.matches("Violation"), [])

    def test_a_frame_that_does_not_end_in_time(self) -> None:
        server = self.start("--frame-timeout", "0.5")
        with server.connect() as client:
            client.sendall(self.message(1, b"half")[:-1])
            self.assertEqual(client.recv(1), b"")
        server.wait_for(r"Violation deadline from \S+ at byte 0 ")

    def test_a_handler_that_is_blocked_is_not_taken_for_a_stalled_client(self) -> None:
        server = self.start(
            "--delay", "2", "--frame-timeout", "0.5", "--idle-timeout", "0.5", "--stall-timeout", "0.5"
        )
        messages = self.message(1, b"slow") + self.message(2, b"slower")
        with server.connect() as client:
            client.sendall(messages)
            self.assertEqual(receive(client, len(messages)), messages)
        self.assertEqual(server.matches("stalled|deadline from"), [])

    def test_orders_are_noted_once_a_kind(self) -> None:
        server = self.start()
        with server.connect() as client:
            client.sendall(
                b"".join(self.message(order, b"number %d" % order) for order in (7, 7, 7, 0, 0xFFFFFFFF, 0))
            )
            client.shutdown(socket.SHUT_WR)
            receive_all(client)
        server.wait_for("Closed connection")
        self.assertEqual(
            [found[1] for found in server.matches(r"\] Note (.*)")],
            [
                "order-jump: order 7 where 1 was expected",
                "order-repeat: order 7 where 8 was expected",
                "order-zero: order 0 where 8 was expected",
            ],
        )

    def test_without_echo_nothing_comes_back(self) -> None:
        server = self.serve(*(word for word in self.command if word != "--echo"))
        with server.connect() as client:
            client.sendall(self.message(1, b"hello") * 3)
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(client), b"")
        server.wait_for("Received .*hello$", 3)

    def test_stats_count_what_happened(self) -> None:
        server = self.start("--stats", "0.2", "--quiet")
        with server.connect() as client:
            message = self.message(1, b"hello")
            client.sendall(message + self.wrong())
            receive_all(client)
        server.wait_for(
            rf"Stats: clients 0, messages 1, bytes received {len(message + self.wrong())}, "
            rf"bytes sent {len(message)}, violations: wrong-version 1$"
        )
        self.assertEqual(server.matches("Received"), [])
