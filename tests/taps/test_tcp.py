"""twistd netlab-tcp: text, a thread for each client, or the reactor."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

from tests.support import PATIENCE, ServerTestCase, receive, until
from tests.taps.behaviour import TCPBehaviour


class TextBehaviour(TCPBehaviour):
    """Text: any bytes are a message, and an answer begins with `ECHO: `."""

    def message(self, order: int, text: bytes) -> bytes:
        return text

    def answer(self, message: bytes) -> bytes:
        return b"ECHO: " + message

    def bulk(self, length: int) -> bytes:
        # No E in it, so that the replies' prefixes can be taken out again.
        return (b"abcdfghijklmnopqrstuvwxyz0123456789 -- " * (length // 39 + 1))[:length]

    def unecho(self, received: bytes) -> bytes:
        return received.replace(b"ECHO: ", b"")

    def test_nothing_waits_for_a_newline(self) -> None:
        server = self.start()
        with server.connect() as client:
            client.sendall(b"no newline")
            self.assertEqual(client.recv(4096), b"ECHO: no newline")
            client.sendall(b"with one\n")
            self.assertEqual(client.recv(4096), b"ECHO: with one\n")
        server.wait_for(r"Received with one\\n$")

    def test_a_character_split_over_two_reads_is_echoed_at_once_and_printed_whole(self) -> None:
        server = self.start()
        euro = "€".encode()
        with server.connect() as client, server.connect() as other:
            client.sendall(b"5 " + euro[:2])
            self.assertEqual(receive(client, 10), b"ECHO: 5 " + euro[:2])
            other.sendall(b"me")
            self.assertEqual(receive(other, 8), b"ECHO: me")
            client.sendall(euro[2:] + b"!")
            self.assertEqual(receive(client, 8), b"ECHO: " + euro[2:] + b"!")
        server.wait_for("Received 5 $")
        server.wait_for("Received me$")
        server.wait_for("Received €!$")

    def test_a_character_that_never_ends_is_printed_escaped(self) -> None:
        server = self.start()
        with server.connect() as client:
            client.sendall(b"5 \xe2\x82")
            receive(client, 10)
        server.wait_for(r"Received \\xe2\\x82$")
        server.wait_for(r"Closed connection .* 4 bytes received, 10 sent$")


class Threads(TextBehaviour, ServerTestCase):
    command = ("netlab-tcp",)
    threaded = True

    def test_a_slow_reader_is_not_taken_for_one_that_never_reads(self) -> None:
        server = self.start("--quiet", "--stall-timeout", "3")

        def is_served() -> bool:
            with socket.socket() as client:
                # A small buffer, so that what is read here is soon seen there; at this pace the server's own
                # buffer does not get empty for longer than the deadline.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
                client.settimeout(PATIENCE)
                client.connect(("127.0.0.1", server.port))
                threading.Thread(target=send, args=(client,), daemon=True).start()
                for _ in range(80):
                    time.sleep(0.1)
                    if not receive(client, 20_000):
                        return False
                client.shutdown(socket.SHUT_RDWR)
            return True

        def send(client: socket.socket) -> None:
            with contextlib.suppress(OSError):
                client.sendall(self.bulk(12_000_000))

        until(is_served, "a slow reader is served")


class Reactor(TextBehaviour, ServerTestCase):
    command = ("netlab-tcp", "--handler", "reactor")
    threaded = False
