"""Whoever comes to the wrong server is named in its log, and the client names the server, too."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Callable

from tests.support import PATIENCE, Program, Served, ServerTestCase, plain, receive_all, script

SHORT, LONG = "hello there", "a text of more than twenty"

Client = Callable[[int, str], None]
"""Talks to a port, sends a text where it can, and is gone."""


def program(made: Program) -> str:
    """Run it to its end, however that is; return what it said."""
    with made:
        made.ended()
        return made.output


def netlab(variant: str, port: int, said: str, *options: str) -> str:
    """Run our own client."""
    return program(Program(script("netlab"), "client", variant, f"127.0.0.1:{port}", "-m", said, *options))


def of_ours(variant: str) -> Client:
    def talk(port: int, said: str) -> None:
        netlab(variant, port, said)

    return talk


def of_plain_sockets(variant: str, *options: str) -> Client:
    def talk(port: int, said: str) -> None:
        program(plain(f"client_{variant}", "--port", str(port), "-m", said, *options))

    return talk


def http_request(port: int, said: str) -> None:
    """What a browser does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with contextlib.closing(connection), contextlib.suppress(http.client.HTTPException, ConnectionError):
        connection.request("GET", "/index.html", headers={"X-Said": said})
        connection.getresponse()


def tls_handshake(port: int, said: str) -> None:
    """What it does with https://."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.sendall(outgoing.read())
        connection.shutdown(socket.SHUT_WR)
        receive_all(connection)


CLIENTS: dict[str, tuple[Client, ...]] = {
    "text": (of_ours("tcp"), of_plain_sockets("tcp")),
    "tcpv2": (of_ours("tcpv2"), of_plain_sockets("tcpv2")),
    "tcpv3": (
        of_ours("tcpv3"),
        of_plain_sockets("tcpv3"),
        of_plain_sockets("tcpv3", "--layout", "scripts"),
    ),
    "http": (http_request,),
    "tls": (tls_handshake,),
}
"""Real clients, by what they speak."""

OUTSIDERS = {"http": "an HTTP request", "tls": "a TLS handshake"}
IN_TEXT = {"tcpv2": "a binary frame", "tcpv3": "a binary frame", **OUTSIDERS}
IN_TCPV2 = {"text": "text", "tcpv3": "a stream of tcpv3, in frames of variable size", **OUTSIDERS}
IN_TCPV3 = {"text": "text", "tcpv2": "a stream of tcpv2, in frames of 29 bytes", **OUTSIDERS}


class Strangers(ServerTestCase):
    """Every client at every server."""

    def lines_about(self, server: Served, client: Client, said: str) -> str:
        """What a server logs of one client, from its coming to its going."""
        before, closed = len(server.lines), len(server.matches("Closed connection"))
        client(server.port, said)
        server.wait_for("Closed connection", closed + 1)
        return "\n".join(server.lines[before:])

    def assert_named(self, command: tuple[str, ...], names: dict[str, str], sign: str) -> None:
        """sign: what stands in the log around a name."""
        server = self.serve(*command)
        for speaks, clients in CLIENTS.items():
            for client in clients:
                for said in SHORT, LONG:
                    lines = self.lines_about(server, client, said)
                    if speaks in names:
                        self.assertIn(sign.format(names[speaks]), lines)
                    else:
                        self.assertNotIn("Violation", lines)
                        self.assertNotRegex(lines, "Recognized (?!layout)")

    def test_tcp(self) -> None:
        self.assert_named(("netlab-tcp",), IN_TEXT, "] Recognized {} at byte 0: ")

    def test_tcpsel(self) -> None:
        self.assert_named(("netlab-tcpsel",), IN_TEXT, "] Recognized {} at byte 0: ")

    def test_tcpv2(self) -> None:
        for options in ("--echo",), ("--handler", "reactor"):
            self.assert_named(("netlab-tcpv2", *options), IN_TCPV2, ": this is {}; ")

    def test_tcpv3(self) -> None:
        for options in ("--echo",), ("--handler", "reactor"):
            self.assert_named(("netlab-tcpv3", *options), IN_TCPV3, ": this is {}; ")

    def test_udp_takes_any_datagram_for_text(self) -> None:
        """A datagram has no first bytes that others follow, and nothing in it can be wrong (U1)."""
        server = self.serve("netlab-udp")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"GET / HTTP/1.1\r\n\r\n", ("127.0.0.1", server.port))
        server.wait_for(r"Message from \S+ -> GET / HTTP/1\.1\\r\\n\\r\\n$")
        self.assertEqual(server.matches("Recognized"), [])

    def test_a_byte_at_a_time_text_is_recognised_and_a_violation_is_what_it_was(self) -> None:
        """A violation is found at the first byte, of which nobody can say what it belongs to (S3)."""
        request = b"GET / HTTP/1.1\r\n\r\n"
        for command, line in (
            ("netlab-tcp", r"\] Recognized an HTTP request at byte 0: "),
            ("netlab-tcpv2", r"\] Violation wrong-version from \S+ at byte 0 \[47.*\]: a frame begins with "),
        ):
            server = self.serve(command)
            with server.connect() as client, contextlib.suppress(ConnectionError):
                for byte in request:
                    client.sendall(bytes((byte,)))
                client.shutdown(socket.SHUT_WR)
                receive_all(client)
            server.wait_for(line)


class Servers(ServerTestCase):
    """Our clients at the wrong server say what it is, where it has answered."""

    def test_the_answer_of_a_text_server(self) -> None:
        for command in "netlab-tcp", "netlab-tcpsel":
            server = self.serve(command)
            for variant in "tcpv2", "tcpv3":
                said = netlab(variant, server.port, SHORT, "--echo")
                self.assertIn("this is an answer of a text server", said)

    def test_an_echo_of_the_other_size(self) -> None:
        for command, variant, name in (
            ("netlab-tcpv3", "tcpv2", "a stream of tcpv3"),
            ("netlab-tcpv2", "tcpv3", "a stream of tcpv2"),
        ):
            server = self.serve(command, "--echo")
            said = netlab(variant, server.port, SHORT if variant == "tcpv2" else LONG, "--echo")
            self.assertIn("Violation truncated from the server at byte 0 [01 00 00 00 01 ", said)
            self.assertIn(f": this is {name}, ", said)
