"""A log that nobody reads stops no traffic, and what it lacks is counted (L10)."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from io import BytesIO, TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Any

from twisted.internet.testing import MemoryReactor
from twisted.logger import LogLevel, globalLogPublisher, jsonFileLogObserver, textFileLogObserver
from twisted.trial.unittest import SynchronousTestCase

from netlab.observers.dialects import TEXT
from netlab.observers.log import Log, go_straight
from netlab.taps.build import watch
from netlab.wire import fixed
from tests.observers.terminals import Terminal
from tests.observers.test_observers import Logged
from tests.support import (
    PATIENCE,
    RUNNER,
    Program,
    Served,
    ServerTestCase,
    receive,
    runner,
    script,
    until,
)

SIZE = 8000
"""Bytes of a message: one read yields all of it."""

MANY = 5000
"""Messages: 40 MB of lines, ten times what may wait."""

GAP = r"\[writer\] ([\d,]+) lines? dropped here: nobody read them in time$"


def message(name: str, number: int) -> bytes:
    """A message that says whose it is, and which."""
    return f"{name} {number} ".ljust(SIZE, "x").encode()


class Unread(Served):
    """A server whose output is read only while `reading` is set."""

    def __init__(self, *command: str) -> None:
        self.reading = threading.Event()
        self.reading.set()
        self._gone = False
        super().__init__(*command)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.reading.wait()
            if self._gone:
                return
            with self._changed:
                self.lines.append(line.decode().rstrip("\n"))
                self._changed.notify_all()

    def listening(self) -> Unread:
        """Wait until it listens."""
        self.port = int(self.wait_for(r"Listening on \S+?:(\d+) ")[0][1])
        return self

    def after(self, words: str) -> int:
        """How many lines there are to the first with these words, itself included."""
        return next(number for number, line in enumerate(self.lines, 1) if words in line)

    def hang_up(self) -> None:
        """Close the pipe: from the next line on, nobody is there."""
        self._gone = True
        with self.connect():
            self._reader.join(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def stop(self) -> tuple[int, float]:
        """Have it end without reading what it prints; return its status and the seconds that it took."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE), time.monotonic() - begun

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.reading.set()
        super().__exit__(kind, error, trace)


class WriterTestCase(ServerTestCase):
    def start(self, *command: str) -> Unread:
        """A server that ends with the test."""
        return self.start_by(runner(), *command)

    def start_by(self, program: list[str], *command: str) -> Unread:
        """The same, by this runner."""
        server = Unread(*program, *command, "--port", "0")
        self.addCleanup(server.__exit__, None, None, None)
        return server.listening()

    def talk(self, client: socket.socket, name: str, count: int = MANY) -> None:
        """Send so many messages, each when the one before it was answered."""
        for number in range(count):
            sent = message(name, number)
            client.sendall(sent)
            self.assertEqual(receive(client, len(sent) + 6), b"ECHO: " + sent)

    def in_order(self, lines: list[str], name: str) -> int:
        """The messages of this client that were printed are whole, and in order; return how many."""
        found = [line.split(f"Received {name} ", 1)[1] for line in lines if f"Received {name} " in line]
        numbers = [int(text.split()[0]) for text in found]
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertEqual({len(f"{name} {text}") for text in found}, {SIZE})
        return len(found)


class Pipes(WriterTestCase):
    """Standard output is a pipe."""

    def unread(self, server: Unread, names: list[str], lines_of_each: int | None = 1) -> None:
        """Clients are served while nobody reads, in bounded memory; then somebody reads: the lines that are
        there and the dropped ones are all. lines_of_each: how many a message has, None where that varies.
        """
        clients = [server.connect() for _ in names]
        for client, name in zip(clients, names, strict=True):
            self.addCleanup(client.close)
            self.talk(client, name, 1)
            server.wait_for(f"Received {name} 0 ")
        memory = server.memory()
        server.reading.clear()
        threads = [
            threading.Thread(target=self.talk, args=pair, daemon=True)
            for pair in zip(clients, names, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE * 3)
            self.assertFalse(thread.is_alive(), "its client is not answered any more")
        self.assertLess(server.memory() - memory, 20_000_000)
        server.reading.set()
        gap = server.wait_for(GAP)
        self.talk(clients[0], "over", 1)
        server.wait_for("Received over 0 ")
        self.assertEqual(len(server.matches(GAP)), 1)
        lines = server.lines[server.after(f"Received {names[-1]} 0 ") : server.after("Received over 0 ")]
        dropped = int(gap[0][1].replace(",", ""))
        whole = sum(self.in_order(lines, name) for name in names)
        self.assertLess(whole, MANY * len(names))
        if lines_of_each is not None:
            self.assertEqual(len(lines) - 1 + dropped, (MANY * len(names) + 1) * lines_of_each)
        if lines_of_each == 1:
            self.assertEqual(whole + dropped, MANY * len(names))

    def test_threads(self) -> None:
        self.unread(self.start("netlab-tcp"), ["first", "second"])

    def test_a_selector(self) -> None:
        server = self.start("netlab-tcpsel")
        # On netlab's own reactor: Ready READ, Received, Modified, Ready WRITE, Modified.
        self.unread(server, ["only"], 5 if server.matches(r" on selectors\.") else None)

    def test_datagrams(self) -> None:
        server = self.start("netlab-udp", "--echo")
        server.reading.clear()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(PATIENCE)
            client.connect(("127.0.0.1", server.port))

            def talk(name: str, count: int) -> None:
                for number in range(count):
                    client.send(message(name, number))
                    self.assertEqual(client.recv(SIZE + 1), message(name, number))

            talk("udp", MANY)
            server.reading.set()
            gap = server.wait_for(GAP)
            talk("over", 1)
            server.wait_for("-> over 0 ")
        numbers = [int(found[1]) for found in server.matches(r"-> udp (\d+) x+$")]
        self.assertEqual(numbers, list(range(len(numbers))))
        self.assertEqual(len(numbers) + int(gap[0][1].replace(",", "")), MANY)

    def test_a_reader_that_has_gone(self) -> None:
        for command in "netlab-tcp", "netlab-tcpsel":
            server = self.start(command)
            server.hang_up()
            with server.connect() as client:
                self.talk(client, "alone", 1000)
            status, _ = server.stop()
            self.assertEqual(status, -signal.SIGTERM)

    def test_a_stop_that_nobody_reads(self) -> None:
        server = self.start("netlab-tcp")
        server.reading.clear()
        with server.connect() as client:
            self.talk(client, "some", 1000)
        status, took = server.stop()
        self.assertEqual(status, -signal.SIGTERM)
        self.assertLess(took, 20)

    def test_a_stop_that_somebody_reads_loses_nothing(self) -> None:
        server = self.start("netlab-tcp")
        with server.connect() as client:
            self.talk(client, "heard", 300)
        self.assertEqual(server.signalled(), -signal.SIGTERM)
        self.assertEqual(self.in_order(server.lines, "heard"), 300)
        last = "Server Shut Down." if RUNNER == "twistd" else "Main loop terminated."
        self.assertTrue(server.lines[-1].endswith(last), server.tail[-300:])

    def test_a_server_that_cannot_start_still_says_why(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as holder:
            where = ["--interface", "127.0.0.1", "--port", str(holder.getsockname()[1])]
            with Program(*runner(), "netlab-tcp", *where) as program:
                self.assertEqual(program.ended(), 1)
        self.assertIn("netlab-tcp: cannot listen on 127.0.0.1:", program.lines[-1])

    def test_a_log_in_json_has_the_gap_as_json(self) -> None:
        server = self.start_by([script("twist"), "--log-format=json"], "netlab-tcp")
        server.reading.clear()
        with server.connect() as client:
            self.talk(client, "json", 1000)
        server.reading.set()
        gap = json.loads(server.wait_for(r"\x1e(.* lines dropped here: .*)")[0][1])
        self.assertEqual(gap["log_system"], "writer")
        self.assertRegex(f"[writer] {gap['line']}", GAP)


class Stuck(Terminal):
    """A terminal that Ctrl-S pauses, and Ctrl-Q lets go on."""

    def press(self, key: bytes) -> None:
        """As if a person did."""
        os.write(self._master, key)

    @property
    def tail(self) -> str:
        """The last of what it printed: `output` is long."""
        return self._data[-SIZE // 2 :].decode("utf-8", "replace")


class Terminals(WriterTestCase):
    def test_that_are_paused(self) -> None:
        terminal = Stuck(*runner(), "netlab-tcp", "--listen", "tcp:0:interface=127.0.0.1")
        self.addCleanup(terminal.close)
        port = int(terminal.wait_for(r"Listening on 127\.0\.0\.1:(\d+)")[1])
        terminal.press(b"\x13")
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
            self.talk(client, "paused", 1000)
            self.assertNotIn("paused 999 ", terminal.output)
            terminal.press(b"\x11")
            until(lambda: "in time\r\n" in terminal.tail, "the gap is told")
        lines = terminal.lines
        (dropped,) = [int(gap[1].replace(",", "")) for line in lines if (gap := re.search(GAP, line))]
        self.assertEqual(self.in_order(lines, "paused") + dropped, 1000)

    def test_that_are_paused_when_the_server_stops(self) -> None:
        terminal = Stuck(*runner(), "netlab-tcp", "--listen", "tcp:0:interface=127.0.0.1")
        self.addCleanup(terminal.close)
        terminal.wait_for(r"Listening on 127\.0\.0\.1:(\d+)")
        terminal.press(b"\x13")
        terminal.process.terminate()
        self.assertEqual(terminal.process.wait(PATIENCE), -signal.SIGTERM)


class FullDisks(WriterTestCase):
    """What cannot be written holds nobody up either."""

    def serves(self, *options: str, stdout: str = os.devnull) -> None:
        if not os.path.exists("/dev/full"):
            self.skipTest("only Linux has a disk that is always full")
        path = self.unix_path()
        with open(stdout, "wb") as output:
            server = subprocess.Popen(
                [*runner(), *options, "netlab-tcp", "--listen", f"unix:{path}"], stdout=output
            )
        self.addCleanup(server.wait, PATIENCE)
        self.addCleanup(server.kill)
        until(lambda: self.listens(path), "it listens")
        for _ in range(20):
            self.say_hello_at(path)
        server.terminate()
        self.assertEqual(server.wait(PATIENCE), -signal.SIGTERM)

    def listens(self, path: str) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(path) == 0

    def test_for_the_log(self) -> None:
        self.serves(f"--{'logfile' if RUNNER == 'twistd' else 'log-file'}=/dev/full")

    def test_for_standard_output(self) -> None:
        self.serves(stdout="/dev/full")


class Busy(WriterTestCase):
    """A server that is kept busy: all lines are there, and those of a client in order."""

    CLIENTS = 4
    FRAMES = 12_000
    """Of each client: twice what may wait, all in all."""

    def frames(self, number: int) -> tuple[bytes, list[str]]:
        """What a client sends, and what is to be printed of it."""
        orders = [*range(1, self.FRAMES), 7]
        said = [f"Received ver: 1, order: {order}, size: 7 -> client{number}" for order in orders]
        said.append(f"Note order-jump: order 7 where {self.FRAMES} was expected")
        return b"".join(fixed.frame(order, f"client{number}").pack() for order in orders), said

    def pour(self, port: int) -> dict[str, list[str]]:
        """Have all clients send and receive at once; return what is to be printed of each, by its address."""
        said = {}

        def talk(client: socket.socket, data: bytes) -> None:
            with client:
                sender = threading.Thread(target=client.sendall, args=(data,), daemon=True)
                sender.start()
                got.append(receive(client, len(data)) == data)
                sender.join(PATIENCE)

        got: list[bool] = []
        threads = []
        for number in range(self.CLIENTS):
            client = socket.create_connection(("127.0.0.1", port), PATIENCE)
            data, lines = self.frames(number)
            said["{}:{}".format(*client.getsockname())] = lines
            threads.append(threading.Thread(target=talk, args=(client, data), daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE * 3)
        self.assertEqual(got, [True] * self.CLIENTS)
        return said

    def printed(self, lines: list[str], address: str) -> list[str]:
        """What was printed of the messages of the client at this address."""
        dated = rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{{4}} \[tcp {re.escape(address)} \S+\] (.*)"
        found = [match[1] for line in lines if (match := re.fullmatch(dated, line))]
        return [line for line in found if not re.match("Accepted|Closed", line)]

    def into_a_file(self, *options: str) -> None:
        log = Path(self.mktemp())
        with log.open("wb") as output:
            server = subprocess.Popen(
                [*runner(), "netlab-tcpv2", "--port", "0", "--echo", *options], stdout=output
            )
        self.addCleanup(server.wait, PATIENCE)
        self.addCleanup(server.kill)
        listening = r"Listening on \S+?:(\d+) "
        until(lambda: re.search(listening, log.read_text()) is not None, "it listens")
        said = self.pour(int(re.findall(listening, log.read_text())[0]))
        closed = r"(?m)^.*\] Closed connection from .*$"
        until(lambda: len(re.findall(closed, log.read_text())) == self.CLIENTS, "all have left")
        server.terminate()
        server.wait(PATIENCE)
        lines = log.read_text().splitlines()
        for address, expected in said.items():
            self.assertEqual(self.printed(lines, address), expected)

    def test_on_the_reactor_into_a_file(self) -> None:
        self.into_a_file("--handler", "reactor")

    def test_in_threads_into_a_file(self) -> None:
        self.into_a_file("--handler", "threads")


class InProcess(WriterTestCase):
    def test_makeservice_leaves_the_console_of_a_program_alone(self) -> None:
        from netlab.taps import tcp

        stdout = sys.stdout
        options = tcp.Options()
        options.parseOptions([])
        tcp.makeService(options)
        self.assertIs(sys.stdout, stdout)


class Ways(SynchronousTestCase):
    """Lines go straight to the console where all that Twisted would do is write them there, as text."""

    def goes_straight(self, **given: Any) -> bool:
        """With these options of the runner, does a line make no event while the reactor runs?"""
        from netlab.taps import tcp

        console = TextIOWrapper(BytesIO(), "utf-8")
        self.patch(sys, "stdout", console)
        if "logFile" in given:
            given["logFile"] = console
        options = tcp.Options()
        options.parseOptions([])
        options.parent = given  # type: ignore[assignment]
        reactor = MemoryReactor()
        logged = Logged()
        globalLogPublisher.addObserver(logged)
        try:
            watch(options, TEXT, reactor)
            Log().line("-", "before it runs")
            for hook, arguments, keywords in reactor.whenRunningHooks:
                hook(*arguments, **keywords)
            Log().line("-", "while it runs")
            for trigger, arguments, keywords in reactor.triggers.get("after", {}).get("shutdown", []):
                trigger(*arguments, **keywords)
            Log().line("-", "when it has ended")
        finally:
            go_straight(None)
            globalLogPublisher.removeObserver(logged)
        straight = "[-] while it runs" not in logged.lines
        expected = ["[-] before it runs", "[-] while it runs", "[-] when it has ended"]
        self.assertEqual(logged.lines, [expected[0], expected[2]] if straight else expected)
        printed = console.buffer.getvalue().decode()
        self.assertEqual(re.findall(r"(?m) (\[-\] .*)$", printed), [expected[1]] if straight else [])
        return straight

    def test_of_twistd(self) -> None:
        for given, straight in (
            ({"nodaemon": True, "logfile": None}, True),
            ({"nodaemon": True, "logfile": "-"}, True),
            ({"nodaemon": True, "logfile": None, "logger": None, "syslog": 0}, True),
            ({"nodaemon": True, "logfile": "twistd.log"}, False),
            ({"nodaemon": True, "logfile": None, "logger": "a.user's"}, False),
            ({"nodaemon": True, "logfile": None, "syslog": 1}, False),
        ):
            self.assertIs(self.goes_straight(**given), straight, given)

    def test_of_twist(self) -> None:
        for observer, level, straight in (
            (textFileLogObserver, LogLevel.info, True),
            (textFileLogObserver, LogLevel.debug, True),
            (textFileLogObserver, LogLevel.warn, False),
            (jsonFileLogObserver, LogLevel.info, False),
        ):
            given = {"logFile": None, "fileLogObserverFactory": observer, "logLevel": level}
            self.assertIs(self.goes_straight(**given), straight, given)
