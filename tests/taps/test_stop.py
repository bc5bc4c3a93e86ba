"""How servers end: by Ctrl-C, SIGTERM or SIGHUP, in two seconds, with everything paid that is owed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import time
from pathlib import Path

from tests.observers.recordings import recording
from tests.support import (
    IGNORING_HANGUP,
    PATIENCE,
    RUNNER,
    Program,
    Served,
    ServerTestCase,
    receive,
    receive_all,
    runner,
    until,
)

MEGABYTE = 1_000_000


class Stops(ServerTestCase):
    """One server is enough for all: they share the service."""

    number = signal.SIGTERM
    said: tuple[str, ...] = (r"Received SIGTERM, shutting down\.$",)
    """What the log says of the signal, in one line each."""

    def ends(self, *command: str, clients: int = 50, message: bytes = b"") -> Served:
        """Connect clients that send something, stop the server, and see all closed.

        It ends by twistd's own convention, by that signal, and in at most ten times what is promised.
        """
        server = self.serve(*command)
        connections = [server.connect() for _ in range(clients)]
        server.wait_for("Accepted connection", clients)
        if message:
            for connection in connections:
                connection.sendall(message)
            time.sleep(1)  # nothing tells that a handler has fallen asleep
        begun = time.monotonic()
        status = server.signalled(self.number)
        took = time.monotonic() - begun
        for connection in connections:
            with connection:
                receive_all(connection)
        self.assertEqual(status, -self.number, server.output)
        self.assertLess(took, 20)
        for line in self.said:
            self.assertEqual(len(server.matches(line)), 1, server.output)
        return server

    def test_with_fifty_idle_clients(self) -> None:
        for handler in "threads", "reactor":
            server = self.ends("netlab-tcp", "--handler", handler)
            self.assertEqual(len(server.matches(r"Closed connection from .* \(stopped\)")), 50, server.output)

    def test_with_handlers_that_are_asleep(self) -> None:
        for handler in "threads", "reactor":
            self.ends("netlab-tcp", "--handler", handler, "--delay", "300", clients=5, message=b"good night")

    def test_udp(self) -> None:
        self.ends("netlab-udp", clients=0)

    def test_what_is_owed_is_still_sent(self) -> None:
        server = self.serve("netlab-tcp", "--delay", "300")
        with server.connect() as client:
            client.sendall(b"hello")
            server.wait_for("Accepted")
            time.sleep(0.2)
            server.process.send_signal(self.number)
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
            server.signalled(self.number)
            self.assertLess(time.monotonic() - begun, 20)
        self.assertEqual(len(server.matches(r"\(stopped\)")), 1, server.output)

    def test_a_recording_is_whole(self) -> None:
        path = Path(self.mktemp()).absolute()
        server = self.ends("netlab-tcp", "--record", str(path), clients=5, message=b"hello")
        (found,) = server.matches(r"\[record\] Recorded (\d+) packets in ")
        recorded = recording(path)
        self.assertEqual(len(recorded.packets), int(found[1]))
        exchanged = [(each.sent, each.received) for each in recorded.conversations]
        self.assertEqual(exchanged, [(b"hello", b"ECHO: hello")] * 5)


class HangUps(Stops):
    """SIGHUP, which a terminal sends as it closes, does the same; unless it was ignored at the start."""

    number = signal.SIGHUP
    said = (r"Received SIGHUP: the server stops, as for SIGTERM\.$", *Stops.said)

    def test_where_it_was_ignored_at_the_start(self) -> None:
        for options in ((), ("--handler", "reactor", "--delay", "0.1")):
            server = self.serve("netlab-tcp", *options, before=IGNORING_HANGUP)
            with server.connect() as client:
                self.say_hello(client)
                server.process.send_signal(signal.SIGHUP)
                for _ in range(3):
                    self.say_hello(client)
            server.wait_for("Closed connection")
            self.assertEqual(server.matches("SIGHUP|SIGTERM"), [])
            self.assertEqual(server.signalled(signal.SIGTERM), -signal.SIGTERM, server.output)

    def test_a_daemon(self) -> None:
        if RUNNER != "twistd":
            self.skipTest("only twistd makes daemons")
        where = ("--listen", "tcp:0:interface=127.0.0.1")
        with Program(*runner()[:1], "--pidfile=pid", "--logfile=log", "netlab-tcp", *where) as program:
            self.assertEqual(program.ended(), 0, program.output)
            log, pid = Path(program.folder, "log"), Path(program.folder, "pid")
            number = int(pid.read_text())
            self.addCleanup(_end, number)
            until(lambda: "Listening on" in log.read_text(), "it listens")
            port = int(re.findall(r"Listening on 127\.0\.0\.1:(\d+)", log.read_text())[0])
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
                self.say_hello(client)
                os.kill(number, signal.SIGHUP)
                self.assertEqual(receive_all(client), b"")
            until(lambda: not pid.exists(), "it has ended")
            for line in (*self.said, r"Closed connection from .* \(stopped\)"):
                self.assertEqual(len(re.findall(line, log.read_text(), re.M)), 1, log.read_text())


class OtherStops(ServerTestCase):
    def test_signals_that_follow_the_first_are_ignored(self) -> None:
        for first, second in (
            (signal.SIGHUP, signal.SIGHUP),
            (signal.SIGTERM, signal.SIGTERM),
            (signal.SIGINT, signal.SIGINT),
            (signal.SIGHUP, signal.SIGTERM),
        ):
            server = self.serve("netlab-tcp", "--quiet", "--drain-timeout", "0.5")
            with server.connect() as client:
                client.settimeout(0.5)
                with contextlib.suppress(TimeoutError):  # it never reads: the stop waits for it
                    while True:
                        client.sendall(b"x" * MEGABYTE)
                server.process.send_signal(first)
                server.process.send_signal(second)
                time.sleep(0.1)
                server.process.send_signal(second)
                self.assertIn(server.ended(), (-first, -second), server.output)
            self.assertEqual(len(server.matches("shutting down")), 1, server.output)

    def test_ctrl_c(self) -> None:
        server = self.serve("netlab-tcpsel")
        self.assertEqual(server.signalled(signal.SIGINT), -2, server.output)

    def test_restart_at_once_on_the_same_port(self) -> None:
        first = self.serve("netlab-tcp")
        with first.connect() as client:
            client.sendall(b"x")
            receive(client, 7)
            first.signalled()
        second = self.serve("netlab-tcp", "--listen", f"tcp:{first.port}")
        self.assertEqual(second.port, first.port)


def _end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
