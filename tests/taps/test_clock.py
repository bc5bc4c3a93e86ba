"""Deadlines where the machine's clock is set while a server or a client runs (docs/protocol.md, C11)."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support import PATIENCE, Program, Served, ServerTestCase, is_chosen, receive, until
from tests.taps.flows import PLAIN, Flow, connect, frame

HELLO = frame(b"hello")
HOUR = 3600

MOVED = """
import os, time

real, real_ns, where = time.time, time.time_ns, os.environ["NETLAB_TEST_CLOCK"]

def moved():
    with open(where) as file:
        return int(file.read())

time.time = lambda: real() + moved()
time.time_ns = lambda: real_ns() + moved() * 1_000_000_000
"""
"""Imported by a program before anything else, as sitecustomize: its clock is as far from the machine's as a
file says, in seconds.
"""


class ClockTestCase(ServerTestCase):
    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        Path(folder.name, "sitecustomize.py").write_text(MOVED)
        self.file = Path(folder.name, "clock")
        self.set_clock(0)
        path = [folder.name, *filter(None, [os.environ.get("PYTHONPATH")])]
        self.env = {"PYTHONPATH": os.pathsep.join(path), "NETLAB_TEST_CLOCK": str(self.file)}

    def set_clock(self, seconds: int) -> None:
        """Set the clock of the programs: so many seconds ahead of the machine's."""
        new = self.file.with_suffix(".new")
        new.write_text(str(seconds))
        os.replace(new, self.file)  # at once: it is read all the time

    def is_moved(self, server: Served, seconds: int) -> None:
        """The last line of the log has the time that was set."""
        written = re.match(r"\d+-\d+-\d+T\d+:\d+:\d+[-+]\d+", server.lines[-1])
        assert written is not None, server.lines[-1]
        moved = datetime.strptime(written[0], "%Y-%m-%dT%H:%M:%S%z") - datetime.now().astimezone()
        self.assertLess(abs(moved - timedelta(seconds=seconds)), timedelta(seconds=HOUR / 2))


class Servers(ClockTestCase):
    """On the reactor that a user gets."""

    reactor: str | None = None

    def setUp(self) -> None:
        if not is_chosen(self.reactor):
            self.skipTest("this reactor is not there, or another one is chosen")
        super().setUp()

    def start(self, *options: str) -> Served:
        command = ("netlab-tcpv3", "--echo", *options)
        return self.serve(*command, "--stats", "0.2", env=self.env, reactor=self.reactor)

    def send_half(self, server: Served, client: socket.socket) -> None:
        """Send the first bytes of a frame, and wait until the server has them."""
        client.sendall(HELLO[:-1])
        server.wait_for(rf"Stats: clients 1, messages 0, bytes received {len(HELLO) - 1},")

    def pass_time(self, server: Served) -> None:
        """Wait until the server has looked at its deadlines, once a second at least."""
        server.wait_for("Stats:", len(server.matches("Stats:")) + 8)

    def test_set_forward_ends_no_deadline(self) -> None:
        server = self.start()
        with server.connect() as client:
            self.send_half(server, client)
            self.pass_time(server)
            self.is_moved(server, 0)
            self.set_clock(HOUR)
            self.pass_time(server)
            self.is_moved(server, HOUR)
            client.sendall(HELLO[-1:])
            self.assertEqual(receive(client, len(HELLO)), HELLO)

    def test_set_back_delays_no_deadline(self) -> None:
        server = self.start("--frame-timeout", "1")
        with server.connect() as client:
            self.send_half(server, client)
            self.set_clock(-HOUR)
            client.settimeout(10)  # one second is promised
            self.assertEqual(client.recv(1), b"")
            server.wait_for("Violation deadline")
            self.pass_time(server)
            self.is_moved(server, -HOUR)


class ServersOnEpoll(Servers):
    reactor = "epoll"


class ServersOnSelectors(Servers):
    reactor = "selectors"


class ServersOnPoll(Servers):
    reactor = "poll"


class ServersOnSelect(Servers):
    reactor = "select"


class ServersOnAsyncio(Servers):
    reactor = "asyncio"


class Stops(ClockTestCase):
    def test_set_back_while_clients_are_drained(self) -> None:
        server = self.serve("netlab-tcpv3", "--echo", "--quiet", "--drain-timeout", "2", env=self.env)
        flow = Flow(connect(("127.0.0.1", server.port)), PLAIN)
        with flow.connection:
            flow.stop_reading()
            server.process.send_signal(signal.SIGTERM)
            server.wait_for("Received SIGTERM")
            time.sleep(0.3)  # nothing tells that it waits for the client
            self.set_clock(-HOUR)
            until(lambda: server.process.poll() is not None, "it has stopped", 20)
        self.assertEqual(len(server.matches(r"\(stopped\)")), 1, server.output)


class Clients(ClockTestCase):
    """netlab client, and a server that takes its time."""

    typed = '(echo hello; until [ -e "$0" ]; do sleep 0.1; done) | exec "$@"'
    """Shell code that runs a client: its input ends when there is a file of this name."""

    def setUp(self) -> None:
        super().setUp()
        self.finished = self.file.with_name("finished")

    def start(self, variant: str, server: socket.socket, timeout: float) -> Program:
        """A client that sends a message."""
        self.addCleanup(server.close)
        server.settimeout(PATIENCE)
        where = f"127.0.0.1:{server.getsockname()[1]}"
        words = ("-m", "netlab", "client", variant, "--echo", "--timeout", f"{timeout:g}", where)
        shell = ("/bin/sh", "-c", self.typed, str(self.finished))
        client = Program(*shell, sys.executable, *words, env=self.env)
        self.addCleanup(client.__exit__, None, None, None)
        self.addCleanup(self.finished.touch)
        client.wait_for("Sent .*hello")
        time.sleep(0.3)  # nothing tells that it waits for the echo
        return client

    def test_set_back_delays_no_deadline(self) -> None:
        client = self.start("tcpv3", socket.create_server(("127.0.0.1", 0)), 1)
        self.set_clock(-HOUR)
        begun = time.monotonic()
        client.wait_for("No echo of order 1 within 1 s")
        self.assertLess(time.monotonic() - begun, 10)
        self.finished.touch()
        self.assertEqual(client.ended(), 1, client.output)

    def test_set_forward_ends_no_deadline(self) -> None:
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", 0))
        client = self.start("udp", server, 30)
        self.set_clock(HOUR)
        self.finished.touch()  # wakes the client, so that it looks at the clock
        time.sleep(0.5)
        server.sendto(*server.recvfrom(100))
        self.assertEqual(client.ended(), 0, client.output)
