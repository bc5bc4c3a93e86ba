"""Servers behind TLS (--listen ssl:...): backpressure, limits and endings are the same."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support import PATIENCE, Served, ServerTestCase, receive, receive_all, until
from tests.taps.flows import PLAIN, READ_SIZE, SLOW, Flow

try:
    from tests.certificate import certificate
except ImportError:
    skip = "Twisted's TLS is not installed: pip install 'Twisted[tls]'"

MEGABYTE = 1_000_000


def frame(order: int, text: bytes) -> bytes:
    """A frame of variable size, packed by hand."""
    return struct.pack("!BLL", 1, order, len(text)) + text


class Secured(ServerTestCase):
    """On the reactor that the environment chooses, and with a thread for each client."""

    handler = "threads"

    def start(self, *options: str) -> Served:
        """A server of frames of variable size, behind TLS."""
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        pem = Path(folder.name, "server.pem")
        pem.write_bytes(certificate())
        return self.serve(
            "netlab-tcpv3",
            *("--handler", self.handler, "--echo", *options),
            *("--listen", f"ssl:0:interface=127.0.0.1:privateKey={pem}:certKey={pem}"),
        )

    def connect(self, server: Served) -> ssl.SSLSocket:
        """A client that trusts anybody."""
        anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, READ_SIZE)  # the server sees how much is read
        plain.settimeout(PATIENCE)
        plain.connect(("127.0.0.1", server.port))
        self.addCleanup(plain.close)
        client = anybody.wrap_socket(plain)
        self.addCleanup(client.close)
        return client

    def is_served(self, server: Served) -> None:
        """A well-behaved client is served now."""
        client, hello = self.connect(server), frame(1, b"anybody there?")
        client.sendall(hello)
        self.assertEqual(receive(client, len(hello)), hello)
        client.close()

    def test_much_comes_back_whole_to_a_reader_that_waits(self) -> None:
        server = self.start("--quiet")
        client = self.connect(server)
        sent = b"".join(frame(order, b"%d" % order * 50) for order in range(1, 20_000))
        sender = threading.Thread(target=client.sendall, args=(sent,), daemon=True)
        sender.start()
        time.sleep(0.5)  # until nothing more can be sent: the server must not read on for ever
        received = receive(client, len(sent))
        sender.join()
        self.assertTrue(received == sent)
        client.close()
        server.wait_for(r"Closed connection from .* \((finished|reset)\)")  # as the client's TLS says goodbye

    def test_a_client_that_never_reads_leaves_memory_flat_and_the_others_served(self) -> None:
        server = self.start("--quiet", "--stall-timeout", "2")
        self.is_served(server)
        before, client = server.memory(), self.connect(server)
        client.settimeout(1)
        data = frame(1, bytes(MEGABYTE))
        with self.assertRaises(TimeoutError):
            for _ in range(100):
                client.sendall(data)
        self.is_served(server)
        self.assertLess(server.memory() - before, 20 * MEGABYTE)
        server.wait_for(r"Closed connection from .* \(stalled\)")

    def test_a_slow_reader_is_not_taken_for_one_that_has_stopped(self) -> None:
        server = self.start("--quiet", "--stall-timeout", "1")
        slow, stopped = Flow(self.connect(server), PLAIN), Flow(self.connect(server), PLAIN)
        port = stopped.connection.getsockname()[1]
        stopped.stop_reading()
        self.assertGreater(slow.converse(4, SLOW), 0)
        until(lambda: server.matches(r"\(stalled\)") != [], "one has stopped reading", 10)
        self.assertGreater(slow.converse(0.5, SLOW), 0)
        self.assertEqual(len(server.matches("Closed connection")), 1, server.output)
        self.assertEqual(len(server.matches(rf":{port} \(stalled\)")), 1, server.output)

    def test_a_violation_gets_what_is_owed_and_then_the_end(self) -> None:
        server = self.start()
        client, hello = self.connect(server), frame(1, b"hello")
        client.sendall(hello + b"\x02")
        self.assertEqual(receive_all(client), hello)
        server.wait_for("Violation wrong-version")
        client.close()  # TLS waits for the other side's goodbye
        server.wait_for(r"Closed connection from .* \(violation\)")

    def test_one_client_too_many(self) -> None:
        server = self.start("--max-clients", "1")
        first, hello = self.connect(server), frame(1, b"hello")
        first.sendall(hello)
        self.assertEqual(receive(first, len(hello)), hello)
        with self.assertRaises(OSError):
            second = self.connect(server)
            second.sendall(hello)
            if not receive(second, 1):
                raise ConnectionResetError
        server.wait_for("Refused connection from")

    def test_a_frame_that_takes_too_long(self) -> None:
        server = self.start("--frame-timeout", "0.5")
        client = self.connect(server)
        client.sendall(frame(1, b"hello")[:-1])
        self.assertEqual(receive_all(client), b"")
        server.wait_for("Violation deadline")


class SecuredOnTheReactor(Secured):
    """The same, with one thread for all."""

    handler = "reactor"
