"""twistd netlab-udp: datagrams."""

from __future__ import annotations

import re
import socket

from tests.support import PATIENCE, Served, ServerTestCase, until

LARGEST = 65_507


class UDP(ServerTestCase):
    def client(self, port: int = 0) -> socket.socket:
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(client.close)
        client.bind(("127.0.0.1", port))
        client.settimeout(PATIENCE)
        return client

    def echoes(self, server: Served, data: bytes) -> None:
        client = self.client()
        client.sendto(data, ("127.0.0.1", server.port))
        self.assertEqual(client.recv(65_535), data)

    def is_answered(self, client: socket.socket, server: Served, data: bytes) -> bool:
        """Ask once; the kernel drops datagrams while the server's buffer is full."""
        client.sendto(data, ("127.0.0.1", server.port))
        try:
            while client.recv(65_535) != data:
                pass
        except TimeoutError:
            return False
        return True

    def test_prints_and_does_not_answer(self) -> None:
        server = self.serve("netlab-udp")
        client = self.client()
        client.sendto("grüße".encode(), ("127.0.0.1", server.port))
        port = client.getsockname()[1]
        server.wait_for(rf"\[udp 127\.0\.0\.1:{port} \S+\] Message from 127\.0\.0\.1:{port} -> grüße$")
        client.settimeout(0.2)
        self.assertRaises(TimeoutError, client.recv, 1)

    def test_echo_of_any_datagram(self) -> None:
        server = self.serve("netlab-udp", "--echo")
        for data in (
            b"",
            b"x",
            b"\xff\xfe",
            b"\x1b[2J",
            b"x" * 8193,
            bytes(range(256)) * 255 + b"x" * (LARGEST - 65280),
        ):
            self.echoes(server, data)
        server.wait_for(r"-> \\xff\\xfe$")
        server.wait_for(r"-> \\x1b\[2J$")
        server.wait_for(r"-> $")

    def test_the_largest_datagram_is_printed_whole(self) -> None:
        server = self.serve("netlab-udp")
        self.client().sendto(b"x" * LARGEST, ("127.0.0.1", server.port))
        server.wait_for(rf"-> x{{{LARGEST}}}$")

    def test_a_sender_that_is_gone(self) -> None:
        server = self.serve("netlab-udp", "--echo")
        for number in range(20):
            client = self.client()
            client.sendto(b"bye %d" % number, ("127.0.0.1", server.port))
            client.close()
        server.wait_for("-> bye 19")
        self.echoes(server, b"still there")

    def test_two_clients_are_told_apart_by_their_ports(self) -> None:
        server = self.serve("netlab-udp", "--echo")
        first, second = self.client(), self.client()
        first.sendto(b"first", ("127.0.0.1", server.port))
        second.sendto(b"second", ("127.0.0.1", server.port))
        self.assertEqual((first.recv(99), second.recv(99)), (b"first", b"second"))

    def test_never_answers_a_port_below_1024(self) -> None:
        server = self.serve("netlab-udp", "--echo")
        for port in range(1023, 900, -1):
            try:
                client = self.client(port)
                break
            except PermissionError:
                self.skipTest("only a privileged user can send from a port below 1024")
            except OSError:
                continue
        client.sendto(b"echo me for ever", ("127.0.0.1", server.port))
        server.wait_for(rf"No echo to 127\.0\.0\.1:{port}: port {port} is below 1024")
        client.settimeout(0.2)
        self.assertRaises(TimeoutError, client.recv, 1)

    def test_a_burst(self) -> None:
        server = self.serve("netlab-udp", "--echo", "--quiet", "--stats", "0.1")
        client = self.client()
        for _ in range(10_000):
            client.sendto(b"x" * 100, ("127.0.0.1", server.port))
        client.settimeout(0.5)
        until(
            lambda: self.is_answered(client, server, b"still there"), "what comes after the burst is answered"
        )
        server.wait_for(
            r"Stats: clients 0, messages [\d,]+, bytes received [\d,]+, bytes sent [\d,]+, violations: none$"
        )
        self.assertEqual(server.matches(re.escape("Message from")), [])
