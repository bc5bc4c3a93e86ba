"""twistd netlab-tcpv3: frames of variable size, in both layouts."""

from __future__ import annotations

import struct

from tests.support import ServerTestCase, receive, receive_all
from tests.taps.behaviour import FramedBehaviour


def guide(order: int, text: bytes) -> bytes:
    return struct.pack("!BLL", 1, order, len(text)) + text


def scripts(order: int, text: bytes) -> bytes:
    return struct.pack("!BLL", 1, len(text), order) + text


class VariableBehaviour(FramedBehaviour):
    """The frame with a header, packed by hand."""

    def message(self, order: int, text: bytes) -> bytes:
        return guide(order, text)

    def bulk(self, length: int) -> bytes:
        order, frames, total = 0, [], 0
        while total < length:
            order += 1
            frames.append(guide(order, b"%d " % order * (order % 700)))
            total += len(frames[-1])
        return b"".join(frames)


class Threads(VariableBehaviour, ServerTestCase):
    command = ("netlab-tcpv3", "--echo")
    threaded = True

    def test_the_scripts_layout_is_found_out_and_named_once(self) -> None:
        server = self.start()
        frames = scripts(1, b"hello") + scripts(2, b"") + scripts(3, b"bye")
        with server.connect() as client:
            for byte in frames:
                client.sendall(bytes((byte,)))
            self.assertEqual(receive(client, len(frames)), frames)
        server.wait_for("Received ver: 1, order: 3, size: 3 -> bye$")
        self.assertEqual(len(server.matches(r"Recognized layout scripts \(version, size, order\)")), 1)

    def test_the_wrong_layout_is_named(self) -> None:
        for told, frames, word in (
            ("guide", scripts(1, b"hello") + scripts(2, b"bye"), "wrong-layout"),
            ("scripts", guide(1, b"hello") + guide(2, b"bye"), "wrong-layout"),
            ("scripts", guide(1, b"a") + guide(2, b"b"), "truncated"),
            ("scripts", guide(3_000_000, b"ab"), "wrong-layout"),
        ):
            other = "guide" if told == "scripts" else "scripts"
            server = self.start("--layout", told)
            with server.connect() as client:
                client.sendall(frames)
                client.shutdown(1)
                receive_all(client)
            server.wait_for(rf"Violation {word} from .*--layout {other}")

    def test_two_short_messages_in_the_wrong_layout_run_into_the_deadline_with_a_hint(self) -> None:
        server = self.start("--layout", "scripts", "--frame-timeout", "0.5")
        with server.connect() as client:
            client.sendall(guide(1, b"a") + guide(2, b"b"))
            self.assertEqual(receive_all(client), guide(1, b"a"))
        server.wait_for(r"Violation deadline from \S+ at byte 10 .*--layout guide")

    def test_a_size_over_the_limit_is_refused_before_the_payload(self) -> None:
        server = self.start("--max-size", "1000")
        for size in (1001, 2**31, 2**32 - 1):
            with server.connect() as client:
                client.sendall(struct.pack("!BLL", 1, 1, size))
                self.assertEqual(client.recv(1), b"")
        server.wait_for("Violation oversize", 3)
        with server.connect() as client:
            client.sendall(guide(1, b"x" * 1000))
            self.assertEqual(receive(client, 1009), guide(1, b"x" * 1000))

    def test_two_hundred_clients_that_announce_much_and_send_one_byte(self) -> None:
        server = self.start("--quiet")
        self.is_served(server)
        before = server.memory()
        clients = [server.connect() for _ in range(200)]
        for client in clients:
            client.sendall(struct.pack("!BLL", 1, 1, 65536) + b"x")
        self.is_served(server)
        self.assertLess(server.memory() - before, 20_000_000)
        for client in clients:
            client.close()
        server.wait_for("Violation truncated", 200)

    def test_a_blocked_handler_and_a_client_that_sends_for_ever_leave_memory_flat(self) -> None:
        server = self.start("--delay", "3600", "--quiet")
        with server.connect() as other:
            before = server.memory()
            with server.connect() as client:
                client.settimeout(1)
                data = self.bulk(1_000_000)
                with self.assertRaises(TimeoutError):
                    for _ in range(100):
                        client.sendall(data)
                self.assertLess(server.memory() - before, 20_000_000)
                other.sendall(guide(1, b"a whole frame"))


class Reactor(VariableBehaviour, ServerTestCase):
    command = ("netlab-tcpv3", "--echo", "--handler", "reactor")
    threaded = False
