"""--trace: the log of a real server draws what each recv() returned."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

from netlab.observers.dialects import DATAGRAM, FIXED, TEXT, Dialect, variable_size
from netlab.wire import fixed, text
from netlab.wire.variable import frame
from tests.observers.terminals import Terminal
from tests.observers.test_trace import STYLE, Drawing
from tests.support import PATIENCE, RUNNER, Served, ServerTestCase, receive, runner, until


class Servers(ServerTestCase):
    """Each server, sent a stream in odd pieces: the log has the drawing that a teacher would make."""

    def drawn(self, server: Served, who: str) -> list[str]:
        """What the log has drawn of this client."""
        return [found[1] for found in server.matches(rf"\[trace {re.escape(who)}\] (.*)$")]

    def draws(self, dialect: Dialect, pieces: list[tuple[bytes, bytes]], *command: str) -> None:
        """Send each piece, and get what comes back for it; the log has just that."""
        server = self.serve(*command, "--trace")
        drawing = Drawing(dialect)
        with server.connect() as client:
            for number, (piece, answer) in enumerate(pieces, 1):
                client.sendall(piece)
                server.wait_for(rf"\] recv\(\) {number} returned")
                drawing.received(piece)
                self.assertEqual(receive(client, len(answer)), answer)
                if answer:
                    drawing.sent(answer)
            who = f"tcp 127.0.0.1:{client.getsockname()[1]}"
        drawing.ended()
        server.wait_for("Closed connection")
        self.assertEqual(self.drawn(server, who), drawing.lines)
        self.assertNotIn("\x1b", server.output)

    def test_text(self) -> None:
        stream = "5 €!".encode()
        pieces = [(piece, text.reply(piece)) for piece in (stream[:3], stream[3:])]
        for command in ["netlab-tcp"], ["netlab-tcp", "--handler", "reactor"], ["netlab-tcpsel"]:
            self.draws(TEXT, pieces, *command)

    def test_frames_of_fixed_size(self) -> None:
        one, two = (fixed.frame(order, "hello").pack() for order in (1, 2))
        pieces = [(one[:3], b""), (one[3:] + two[:2], one), (two[2:], two)]
        self.draws(FIXED, pieces, "netlab-tcpv2", "--echo")

    def test_frames_of_variable_size(self) -> None:
        one, two = frame(1, "hello").pack(), frame(2, "\x1b[31m").pack()
        pieces = [(one[:4], b""), (one[4:] + two[:2], one), (two[2:], two), (b"\2", b"")]
        self.draws(variable_size(), pieces, "netlab-tcpv3", "--echo")

    def test_a_text_longer_than_the_server_takes(self) -> None:
        header = frame(1, "x" * 100).pack()[:9]
        self.draws(variable_size(max_size=99), [(header, b"")], "netlab-tcpv3", "--max-size", "99")

    def test_datagrams(self) -> None:
        server = self.serve("netlab-udp", "--echo", "--trace")
        drawing = Drawing(DATAGRAM)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(PATIENCE)
            for data in b"hello", b"":
                client.sendto(data, ("127.0.0.1", server.port))
                self.assertEqual(client.recv(99), data)
                drawing.received(data).sent(data)
            who = f"udp 127.0.0.1:{client.getsockname()[1]}"
        server.wait_for(r"send\(\) 2: a datagram")
        server.signalled()
        self.assertEqual(self.drawn(server, who), drawing.lines)

    def test_without_it_nothing_is_drawn(self) -> None:
        server = self.serve("netlab-tcp")
        with server.connect() as client:
            self.say_hello(client)
        server.wait_for("Closed connection")
        self.assertNotIn("trace", server.output)
        self.assertNotIn("recv()", server.output)


class Colours(ServerTestCase):
    """Only where the log is a terminal that has some."""

    def start(self, *options: str, **env: str) -> Terminal:
        terminal = Terminal(
            *runner(), *options, "netlab-tcp", "--trace", "--listen", "tcp:0:interface=127.0.0.1", **env
        )
        self.addCleanup(terminal.close)
        return terminal

    def hello(self, port: str) -> None:
        with socket.create_connection(("127.0.0.1", int(port)), PATIENCE) as client:
            self.say_hello(client)

    def test_are_for_terminals_and_for_who_wants_them(self) -> None:
        terminals = self.start(), self.start(NO_COLOR="1"), self.start(TERM="dumb")
        for terminal in terminals:
            self.hello(terminal.wait_for(r"Listening on 127\.0\.0\.1:(\d+)")[1])
            terminal.wait_for(r"send\(\) 1: 11 bytes.*\n.*\n.*\n.*\n.*45 43 48 4f")
        drawn = [
            [line.split("] ", 1)[1] for line in terminal.lines if "[trace " in line] for terminal in terminals
        ]
        self.assertTrue(drawn[0][0].startswith("\x1b[1mrecv() 1 returned 5 bytes"), drawn)
        self.assertEqual([STYLE.sub("", line) for line in drawn[0]], drawn[1])
        for plain in drawn[1:]:
            self.assertNotIn("\x1b", "".join(plain))

    def test_are_not_for_files(self) -> None:
        log = Path(self.mktemp())
        option = {"twistd": "--logfile", "twist": "--log-file"}[RUNNER]
        terminal = self.start(f"{option}={os.path.abspath(log)}")
        until(lambda: log.exists() and "Listening" in log.read_text(), "it listens")
        self.hello(re.findall(r"Listening on 127\.0\.0\.1:(\d+)", log.read_text())[0])
        terminal.process.terminate()
        terminal.ended()
        self.assertIn("] recv() 1 returned 5 bytes, 0 to 4 of the stream", log.read_text())
        self.assertNotIn("\x1b", log.read_text())
