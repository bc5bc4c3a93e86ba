"""twistd netlab-udp: datagrams."""

from __future__ import annotations

import re
import signal
import socket
import sys
from pathlib import Path

from tests.support import PATIENCE, Served, ServerTestCase, until

LARGEST = 65_507

SO_MEMINFO, COUNTERS = 55, 9  # Linux: asm-generic/socket.h, linux/sock_diag.h


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
            r"Stats: clients 0, messages [\d,]+, bytes received [\d,]+, bytes sent [\d,]+, violations: none"
            r"(, datagrams dropped by the kernel [\d,]+)?$"
        )
        self.assertEqual(server.matches(re.escape("Message from")), [])


class Drops(ServerTestCase):
    """Datagrams that the kernel drops, because they come faster than they are read, are counted (U5)."""

    flood = 10_000

    def setUp(self) -> None:
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.client.close)
        if sys.platform != "linux":
            self.skipTest("only Linux tells how many")
        try:
            self.client.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 4 * COUNTERS)
        except OSError:
            self.skipTest("this kernel does not tell how many")

    def fill(self, server: Served) -> None:
        """Send more than its buffer holds to a server that does not run."""
        server.process.send_signal(signal.SIGSTOP)
        status = Path(f"/proc/{server.process.pid}/stat")
        until(lambda: status.read_text().rpartition(")")[2].split()[0] == "T", "it has stopped")
        for _ in range(self.flood):
            self.client.sendto(b"x" * 100, ("127.0.0.1", server.port))

    def drops(self, server: Served, count: int = 1) -> list[tuple[int, int]]:
        """What is logged of drops, once there are so many lines: how many more, and how many in all."""
        found = server.wait_for(
            r"\[netlab-udp\] Datagrams dropped by the kernel: ([\d,]+) more, ([\d,]+) in all; "
            "they came faster than they were read$",
            count,
        )
        return [(int(each[1].replace(",", "")), int(each[2].replace(",", ""))) for each in found]

    def test_are_logged_and_counted(self) -> None:
        server = self.serve("netlab-udp", "--quiet", "--stats", "0.2")
        server.wait_for("Stats: .*, violations: none$")
        self.fill(server)
        server.process.send_signal(signal.SIGCONT)
        ((more, total),) = self.drops(server)
        self.assertEqual(more, total)
        self.assertGreater(total, 0)
        server.wait_for(
            rf"Stats: clients 0, messages {self.flood - total:,}, .*, violations: none, "
            rf"datagrams dropped by the kernel {total:,}$"
        )
        self.fill(server)
        server.process.send_signal(signal.SIGCONT)
        _, (more, now) = self.drops(server, 2)
        self.assertGreater(more, 0)
        self.assertEqual(now, total + more)
        server.wait_for(rf"datagrams dropped by the kernel {now:,}$")

    def test_are_still_told_at_the_stop(self) -> None:
        for options in ((), ("--quiet",), ("--echo",)):
            server = self.serve("netlab-udp", *options)
            self.fill(server)
            server.process.send_signal(signal.SIGTERM)
            server.process.send_signal(signal.SIGCONT)
            self.assertEqual(server.ended(), -signal.SIGTERM, server.output)
            drops = self.drops(server)
            self.assertEqual(sum(more for more, _ in drops), drops[-1][1])

    def test_are_not_told_where_there_are_none(self) -> None:
        server = self.serve("netlab-udp", "--stats", "0.2")
        self.client.sendto(b"hello", ("127.0.0.1", server.port))
        server.wait_for("Stats: .*, messages 1, .*, violations: none$", 8)
        server.signalled()
        self.assertEqual(server.matches("dropped"), [])
