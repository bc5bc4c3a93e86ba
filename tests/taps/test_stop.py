"""How servers end: by Ctrl-C or SIGTERM, in two seconds, with everything paid that is owed."""

from __future__ import annotations

import signal
import time

from tests.support import Served, ServerTestCase, receive, receive_all

MEGABYTE = 1_000_000


class Stops(ServerTestCase):
    """One server is enough for all: they share the service."""

    def stop(self, *command: str, clients: int = 50, message: bytes = b"") -> tuple[float, Served, int]:
        """Connect clients that send something, stop the server, and see all closed."""
        server = self.serve(*command)
        connections = [server.connect() for _ in range(clients)]
        server.wait_for("Accepted connection", clients)
        if message:
            for connection in connections:
                connection.sendall(message)
            time.sleep(1)  # nothing tells that a handler has fallen asleep
        begun = time.monotonic()
        status = server.signalled(signal.SIGTERM)
        took = time.monotonic() - begun
        for connection in connections:
            with connection:
                receive_all(connection)
        return took, server, status

    def ends(self, *command: str, clients: int = 50, message: bytes = b"") -> Served:
        """It ends by twistd's own convention, by that signal, and in at most ten times what is promised."""
        took, server, status = self.stop(*command, clients=clients, message=message)
        self.assertEqual(status, -15, server.output)
        self.assertLess(took, 20)
        return server

    def test_with_fifty_idle_clients(self) -> None:
        for handler in "threads", "reactor":
            server = self.ends("netlab-tcp", "--handler", handler)
            self.assertEqual(len(server.matches(r"Closed connection from .* \(stopped\)")), 50, server.output)

    def test_with_handlers_that_are_asleep(self) -> None:
        for handler in "threads", "reactor":
            self.ends("netlab-tcp", "--handler", handler, "--delay", "300", clients=5, message=b"good night")

    def test_ctrl_c(self) -> None:
        server = self.serve("netlab-tcpsel")
        self.assertEqual(server.signalled(signal.SIGINT), -2, server.output)

    def test_what_is_owed_is_still_sent(self) -> None:
        server = self.serve("netlab-tcp", "--delay", "300")
        with server.connect() as client:
            client.sendall(b"hello")
            server.wait_for("Accepted")
            time.sleep(0.2)
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(receive_all(client), b"ECHO: hello")
        server.ended()

    def test_a_client_that_never_reads_does_not_delay_it(self) -> None:
        server = self.serve("netlab-tcp", "--quiet")
        with server.connect() as client:
            client.settimeout(0.5)
            try:
                while True:
                    client.sendall(b"x" * MEGABYTE)
            except TimeoutError:
                pass
            begun = time.monotonic()
            server.signalled(signal.SIGTERM)
            self.assertLess(time.monotonic() - begun, 20)
        self.assertEqual(len(server.matches(r"\(stopped\)")), 1, server.output)

    def test_restart_at_once_on_the_same_port(self) -> None:
        first = self.serve("netlab-tcp")
        with first.connect() as client:
            client.sendall(b"x")
            receive(client, 7)
            first.signalled()
        second = self.serve("netlab-tcp", "--listen", f"tcp:{first.port}")
        self.assertEqual(second.port, first.port)
