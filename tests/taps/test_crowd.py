"""Clients that send much, or read nothing: the others are served, and memory is bounded."""

from __future__ import annotations

import os
import socket
import threading
import time

from netlab.wire import fixed, variable
from tests.support import Served, ServerTestCase, receive

MIB = 1 << 20
PROMISED = 1.0
"""Seconds in which another client is answered, whatever the crowd does."""

LONG = variable.Frame(1, 1, MIB, os.urandom(MIB)).pack()
"""The longest frame that a server takes, and the worst to print: half of its bytes have to be escaped."""

SHORT = b"".join(fixed.frame(order, "a short message").pack() for order in range(1, 3_000))


class Crowd(ServerTestCase):
    def join(self, server: Served, count: int, data: bytes, reads: bool) -> None:
        """Connect clients that send the same again and again until the test ends."""
        self.over = False
        for _ in range(count):
            client = server.connect()
            self.addCleanup(client.close)
            threading.Thread(target=self.send, args=(client, data), daemon=True).start()
            if reads:
                threading.Thread(target=self.read, args=(client,), daemon=True).start()
        self.addCleanup(setattr, self, "over", True)

    def send(self, client: socket.socket, data: bytes) -> None:
        try:
            while not self.over:
                client.sendall(data)
        except OSError:
            pass  # it is over, or the client never reads

    def read(self, client: socket.socket) -> None:
        try:
            while client.recv(MIB):
                pass
        except OSError:
            pass

    def slowest(self, server: Served, message: bytes, answer: bytes, seconds: float = 5.0) -> float:
        """Ask for a while, each time as a new client; return the longest that one has waited."""
        slowest, end = 0.0, time.monotonic() + seconds
        while (begun := time.monotonic()) < end:
            with server.connect() as client:
                client.sendall(message)
                self.assertEqual(receive(client, len(answer)), answer)
            slowest = max(slowest, time.monotonic() - begun)
            time.sleep(0.05)
        return slowest

    def is_served_beside(self, count: int, data: bytes, reads: bool, *command: str) -> None:
        server = self.serve(*command)
        self.join(server, count, data, reads)
        frame = (fixed.frame(1, "hello") if "netlab-tcpv2" in command else variable.frame(1, "hello")).pack()
        text = command[0] in ("netlab-tcp", "netlab-tcpsel")
        message, answer = (b"hello", b"ECHO: hello") if text else (frame, frame)
        self.assertLess(self.slowest(server, message, answer), 10 * PROMISED)

    def test_beside_long_messages_on_the_reactor(self) -> None:
        self.is_served_beside(150, LONG, True, "netlab-tcpv3", "--echo", "--handler", "reactor")

    def test_beside_long_messages_in_threads(self) -> None:
        self.is_served_beside(150, LONG, True, "netlab-tcpv3", "--echo")

    def test_beside_clients_that_never_read(self) -> None:
        for handler in "reactor", "threads":
            self.is_served_beside(100, SHORT, False, "netlab-tcpv2", "--echo", "--handler", handler)

    def test_beside_texts_that_are_hard_to_print(self) -> None:
        self.is_served_beside(100, LONG, False, "netlab-tcpsel")

    def test_memory_beside_twenty_that_never_read(self) -> None:
        for command, data in (
            (("netlab-tcpv2", "--echo"), SHORT),
            (("netlab-tcpv2", "--echo", "--handler", "reactor"), SHORT),
            (("netlab-tcp",), SHORT),
            (("netlab-tcpsel",), LONG),
        ):
            server = self.serve(*command)
            self.join(server, 1, data, False)
            server.wait_for("Received")
            before = most = server.memory()
            self.join(server, 19, data, False)
            end = time.monotonic() + 3
            while time.monotonic() < end:
                most = max(most, server.memory())
                time.sleep(0.02)
            self.assertLess(most - before, 20_000_000, command)

    def test_memory_of_long_messages(self) -> None:
        server = self.serve("netlab-tcpv3", "--echo")
        self.join(server, 1, LONG, True)
        server.wait_for("Received")
        before = most = server.memory()
        self.join(server, 19, LONG, True)
        end = time.monotonic() + 3
        while time.monotonic() < end:
            most = max(most, server.memory())
            time.sleep(0.02)
        # Each client may have one message on its way in each direction; the rest is what printing takes.
        self.assertLess(most - before, 100_000_000)


class Printing(ServerTestCase):
    def test_a_long_message_is_shortened(self) -> None:
        for options, shown in (((), 65_536), (("--print-limit", "100"), 100), (("--print-limit", "0"), MIB)):
            server = self.serve("netlab-tcpv3", "--echo", *options)
            frame = variable.frame(1, "x" * MIB).pack()
            with server.connect() as client:
                threading.Thread(target=client.sendall, args=(frame,), daemon=True).start()
                self.assertEqual(receive(client, len(frame)), frame)  # the echo is whole
            more = f"... {MIB - shown:,} more bytes" if shown < MIB else ""
            server.wait_for(rf"size: 1048576 -> x{{{min(shown, 60_000)}}}x*{more}$")
