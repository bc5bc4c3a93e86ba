"""The plain-socket clients of tests/plain talk to our servers, both layouts and auto."""

from __future__ import annotations

import re
import socket
import sys

from tests.support import PLAIN, Program, Served, ServerTestCase, plain, receive

WORDS = ["hello", "", "x", "grüße an alle, 20+ Bytes", "終わり"]
SAID = [argument for word in WORDS for argument in ("-m", word)]


class PlainClients(ServerTestCase):
    def talks(self, server: Served, client: str, *options: str) -> Program:
        """Run the client to its end, and see that it found nothing wrong."""
        with plain(client, "--port", str(server.port), *options) as program:
            self.assertEqual(program.ended(), 0, program.output)
            return program

    def test_udp(self) -> None:
        server = self.serve("netlab-udp", "--echo")
        self.talks(server, "client_udp", "--echo", *SAID)
        for word in WORDS:
            server.wait_for(
                rf"\[udp 127\.0\.0\.1:\d+ MainThread\] Message from 127\.0\.0\.1:\d+ -> {re.escape(word)}$"
            )

    def test_udp_without_echo(self) -> None:
        server = self.serve("netlab-udp")
        self.talks(server, "client_udp", *SAID)
        server.wait_for(r"Message from .* -> 終わり$")

    def text(self, *arguments: str) -> None:
        server = self.serve(*arguments)
        client = self.talks(server, "client_tcp", *SAID)
        self.assertEqual(
            [found[1] for found in client.matches(r"Received ECHO: (.*)")], [word for word in WORDS if word]
        )
        server.wait_for("Received 終わり$")

    def test_tcp(self) -> None:
        self.text("netlab-tcp")

    def test_tcp_on_the_reactor(self) -> None:
        self.text("netlab-tcp", "--handler", "reactor")

    def test_tcpsel(self) -> None:
        self.text("netlab-tcpsel")

    def test_tcpv2(self) -> None:
        for handler in "threads", "reactor":
            server = self.serve("netlab-tcpv2", "--echo", "--handler", handler)
            self.talks(server, "client_tcpv2", "--echo", *SAID)
            server.wait_for("Received ver: 1, order: 1, size: 5 -> hello$")
            server.wait_for("Received ver: 1, order: 2, size: 0 -> $")
            server.wait_for("Received ver: 1, order: 4, size: 24 -> grüße an alle, 20[+]$")

    def test_tcpv2_without_echo(self) -> None:
        server = self.serve("netlab-tcpv2")
        self.talks(server, "client_tcpv2", *SAID)
        server.wait_for("Received ver: 1, order: 5, size: 3 -> 終わり$")

    def test_tcpv3_in_both_layouts_found_out_or_told(self) -> None:
        for layout in "guide", "scripts":
            for told in "auto", layout:
                server = self.serve("netlab-tcpv3", "--echo", "--layout", told)
                self.talks(server, "client_tcpv3", "--echo", "--layout", layout, *SAID)
                server.wait_for("Received ver: 1, order: 1, size: 5 -> hello$")
                server.wait_for("Received ver: 1, order: 5, size: 9 -> 終わり$")
                self.assertEqual(len(server.matches(f"Recognized layout {layout}")), int(told == "auto"))

    def test_tcpv3_without_echo(self) -> None:
        server = self.serve("netlab-tcpv3")
        self.talks(server, "client_tcpv3", *SAID)
        server.wait_for("Received ver: 1, order: 5, size: 9 -> 終わり$")


class Splitter:
    """Stands between a client and a server, and delivers the client's bytes in pieces of one byte."""

    def __init__(self, server: Served) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self._server = server

    def relay(self) -> None:
        """Serve one client that half-closes when it is done."""
        inside, _ = self.listener.accept()
        with self.listener, inside, self._server.connect() as outside:
            while data := inside.recv(65536):
                for byte in data:
                    outside.sendall(bytes((byte,)))
                inside.sendall(receive(outside, len(data)))
            outside.shutdown(socket.SHUT_WR)
            inside.sendall(receive(outside, 1))


class PlainClientsSplit(ServerTestCase):
    """The same frames, split at every byte on their way."""

    def talks_through(self, server: Served, client: str, *options: str) -> None:
        splitter = Splitter(server)
        command = (sys.executable, str(PLAIN / f"{client}.py"), "--port", str(splitter.port), "--echo")
        with Program(*command, *options, *SAID) as program:
            splitter.relay()
            self.assertEqual(program.ended(), 0, program.output)

    def test_fixed_frames(self) -> None:
        for handler in "threads", "reactor":
            server = self.serve("netlab-tcpv2", "--echo", "--handler", handler)
            self.talks_through(server, "client_tcpv2")
            server.wait_for("Received ver: 1, order: 5, size: 3 -> 終わり$")

    def test_variable_frames(self) -> None:
        for layout in "guide", "scripts":
            for told in "auto", layout:
                server = self.serve("netlab-tcpv3", "--echo", "--layout", told)
                self.talks_through(server, "client_tcpv3", "--layout", layout)
                server.wait_for("Received ver: 1, order: 5, size: 9 -> 終わり$")
