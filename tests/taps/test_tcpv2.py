"""twistd netlab-tcpv2: frames of 29 bytes."""

from __future__ import annotations

import struct

from tests.support import ServerTestCase, receive, receive_all
from tests.taps.behaviour import FramedBehaviour


class FixedBehaviour(FramedBehaviour):
    """The 29-byte frame, packed by hand."""

    def message(self, order: int, text: bytes) -> bytes:
        return struct.pack("!BLL20s", 1, order, len(text), text.ljust(20, b"-"))

    def bulk(self, length: int) -> bytes:
        return b"".join(self.message(order, b"%d" % order) for order in range(1, length // 29 + 1))


class Threads(FixedBehaviour, ServerTestCase):
    command = ("netlab-tcpv2", "--echo")
    threaded = True

    def test_a_size_above_20_means_cut(self) -> None:
        server = self.start()
        with server.connect() as client:
            client.sendall(struct.pack("!BLL20s", 1, 1, 4_000_000_000, b"twenty bytes of text"))
        server.wait_for("Received ver: 1, order: 1, size: 4000000000 -> twenty bytes of text$")

    def test_any_padding_is_legal_and_dashes_may_be_text(self) -> None:
        server = self.start()
        with server.connect() as client:
            client.sendall(struct.pack("!BLL20s", 1, 1, 5, b"a--b-"))
        server.wait_for("Received ver: 1, order: 1, size: 5 -> a--b-$")

    def test_forty_threads_that_print_at_once_lose_no_line(self) -> None:
        server = self.start()
        frames = b"".join(self.message(order, b"message %d" % order) for order in range(1, 201))
        clients = [server.connect() for _ in range(40)]
        for client in clients:
            client.sendall(frames)
        for client in clients:
            self.assertEqual(receive(client, len(frames)), frames)
            client.close()
        server.wait_for("Closed connection", 40)
        received = [
            (found[1], int(found[2]))
            for found in server.matches(r"^\S+ \[tcp \S+ client-(\d+)\] Received .* -> message (\d+)$")
        ]
        self.assertEqual(len(received), 40 * 200)
        for client_number in {number for number, _ in received}:
            orders = [order for number, order in received if number == client_number]
            self.assertEqual(orders, list(range(1, 201)))

    def test_text_on_this_port(self) -> None:
        server = self.start()
        with server.connect() as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertEqual(receive_all(client), b"")
        server.wait_for("Violation wrong-version")


class Reactor(FixedBehaviour, ServerTestCase):
    command = ("netlab-tcpv2", "--echo", "--handler", "reactor")
    threaded = False
