"""`netlab load` against servers that do not do as they should: each error has its kind, none is hidden."""

from __future__ import annotations

import socket
import sys
import threading
import time
from itertools import count

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from netlab.load.errors import Kind
from tests.docs.walk import namespace
from tests.load.loading import FEW, KINDS, Loaded, answering, datagrams, load, plain
from tests.support import ALONE, ROOT, Program, receive, reset

FRAME = 29


class Stalling:
    """Echoes for a second, stops for a second, and echoes again for three: one second in five."""

    def __init__(self) -> None:
        self._begun: float | None = None
        self._lock = threading.Lock()

    def serve(self, connection: socket.socket) -> None:
        with self._lock:
            self._begun = self._begun or time.monotonic()
        while data := connection.recv(1 << 16):
            passed = (time.monotonic() - self._begun) % 5
            if 1 < passed < 2:
                time.sleep(2 - passed)
            connection.sendall(data)


class Stalls(SynchronousTestCase):
    def test_at_a_fixed_rate_a_stall_is_a_fifth_of_the_messages(self) -> None:
        with answering(Stalling().serve) as where:
            done = load("tcpv2", where, "--echo", "--connections", "4", "--rate", "200", "--duration", "5")
        self.assertEqual((done.status, done.wrong), (0, {}), done.output)
        late = done.only["late"]
        self.assertEqual(done.only["due"], 1000)
        self.assertGreater(late["share"], 0.12, done.output)
        self.assertEqual(late["count"], round(late["share"] * 1000))
        self.assertGreater(done.only["latency"]["p90"], 0.1)
        self.assertRegex(done.output, r"of 1,000 messages \([\d.]+ %\) were answered after more than 100 ms")

    def test_in_a_closed_loop_it_hides(self) -> None:
        with answering(Stalling().serve) as where:
            done = load("tcpv2", where, "--echo", "--connections", "4", "--duration", "2.5")
        self.assertGreaterEqual(done.only["late"]["count"], 4)
        self.assertLess(done.only["late"]["share"], 0.12, done.output)

    def test_messages_that_became_due_during_a_stall_without_an_end_count(self) -> None:
        with answering(lambda connection: self.echo_few(connection, 5)) as where:
            done = load(
                *("tcpv2", where, "--echo", "--connections", "2", "--rate", "100", "--duration", "1"),
                *("--timeout", "1.5"),
            )
        only = done.only
        self.assertEqual((done.status, only["due"], only["answered"]), (1, 100, 10))
        self.assertEqual(only["errors"]["no-answer"] + only["errors"]["not-sent"], 90)
        self.assertGreater(only["errors"]["not-sent"], 0)
        self.assertEqual(only["latency"]["count"], 100)  # with the time that each has waited
        self.assertGreaterEqual(only["late"]["count"], 90)
        self.assertGreater(only["latency"]["p50"], 0.1)
        self.assertIn("What was never answered is among the latencies", done.output)

    def test_where_nobody_is_left_no_more_becomes_due(self) -> None:
        with answering(lambda connection: connection.close()) as where:
            done = load("tcpv2", where, "--echo", "--connections", "2", "--rate", "100", "--duration", "60")
        only = done.only
        self.assertEqual((done.status, only["answered"]), (1, 0))
        self.assertLess(only["due"], 6000)
        self.assertEqual(only["due"], only["sent"] + only["errors"]["not-sent"])

    def echo_few(self, connection: socket.socket, messages: int) -> None:
        for _ in range(messages):
            connection.sendall(receive(connection, FRAME))
        connection.recv(1 << 16)
        while connection.recv(1 << 16):
            pass


class Streams(SynchronousTestCase):
    def fails(self, done: Loaded, wrong: dict[str, int], *said: str) -> None:
        """It ends with status 1, and names these errors."""
        self.assertEqual((done.status, done.wrong), (1, wrong), done.output + done.errors)
        for each in (*wrong, *said):
            self.assertIn(each, done.said)
        only = done.only
        self.assertEqual(only["sent"], only["answered"] + only["errors"]["no-answer"])

    def test_a_wrong_byte(self) -> None:
        def serve(connection: socket.socket) -> None:
            connection.sendall(receive(connection, FRAME))
            data = bytearray(receive(connection, FRAME))
            data[12] ^= 1
            connection.sendall(data)
            connection.recv(1)

        with answering(serve) as where:
            done = load("tcpv2", where, *FEW, "--echo")
        self.fails(done, {"wrong-echo": 4, "no-answer": 4}, "byte 41 of the echoes: expected ")
        self.assertEqual(done.only["answered"], 4)

    def test_closed_early(self) -> None:
        def serve(connection: socket.socket) -> None:
            connection.sendall(receive(connection, FRAME))
            connection.shutdown(socket.SHUT_WR)  # and read on: to close would be a reset, or nearly so
            self.read_all(connection)

        with answering(serve) as where:
            done = load("tcpv2", where, *FEW, "--echo")
        self.fails(done, {"closed-early": 4, "no-answer": 4}, "after 1 answers; 1 more were owed")

    def test_reset(self) -> None:
        def serve(connection: socket.socket) -> None:
            connection.sendall(receive(connection, FRAME))
            receive(connection, FRAME)
            reset(connection)

        with answering(serve) as where:
            done = load("tcpv2", where, *FEW, "--echo")
        self.fails(done, {"reset": 4, "no-answer": 4}, "the server has reset the connection")

    def test_never_answered(self) -> None:
        with answering(lambda connection: self.read_all(connection)) as where:
            done = load("tcpv3", where, *FEW, "--echo", "--timeout", "0.3", "--pipeline", "7")
        self.fails(done, {"no-answer": 28}, "does the server echo")

    def test_more_than_was_owed(self) -> None:
        def serve(connection: socket.socket) -> None:
            data = receive(connection, FRAME)
            connection.sendall(data + data)
            connection.recv(FRAME)

        with answering(serve) as where:
            done = load("tcpv2", where, *FEW, "--echo")
        self.assertEqual(done.status, 1)
        self.assertEqual(done.wrong["surplus"], 4, done.output)

    def test_an_echo_though_none_was_asked_for(self) -> None:
        with answering(lambda connection: connection.sendall(receive(connection, FRAME))) as where:
            done = load("tcpv2", where, *FEW)
        self.assertEqual((done.status, done.wrong), (1, {"surplus": 4}), done.output)
        self.assertIn("Then say --echo", done.said)

    def test_a_server_that_stops_reading(self) -> None:
        with answering(lambda connection: time.sleep(3)) as where:
            done = load("tcpv3", where, *FEW, "--size", "60000", "--timeout", "0.5")
        self.assertEqual((done.status, done.wrong), (1, {"not-taken": 4}), done.output)
        self.assertEqual(done.only["taken"], 0)

    def test_a_text_server_without_its_prefix(self) -> None:
        with answering(self.echo_all) as where:
            done = load("tcp", where, *FEW)
        self.fails(done, {"wrong-echo": 4, "no-answer": 4}, "expected 45 43 48 4f 3a 20, got ")

    def test_a_text_server_that_leaves_something_out(self) -> None:
        def serve(connection: socket.socket) -> None:
            while data := connection.recv(1000):
                connection.sendall(b"ECHO: " + data.replace(b"a", b""))

        with answering(serve) as where:
            done = load("tcp", where, *FEW, "--pipeline", "20")
        self.assertEqual(done.wrong["wrong-echo"], 4, done.output)

    def read_all(self, connection: socket.socket) -> None:
        while connection.recv(1 << 16):
            pass

    def echo_all(self, connection: socket.socket) -> None:
        while data := connection.recv(1 << 16):
            connection.sendall(data)


class Datagrams(SynchronousTestCase):
    def test_some_are_lost(self) -> None:
        numbers = count(1)
        with datagrams(lambda data: [data] if next(numbers) % 10 else []) as where:
            done = load(
                *("udp", where, "--echo", "--connections", "2", "--rate", "200", "--duration", "0.5"),
                *("--timeout", "1.5", "--pipeline", "50"),
            )
        only = done.only
        self.assertEqual((done.status, only["due"], set(done.wrong)), (1, 100, {"lost"}), done.output)
        self.assertEqual(only["errors"]["lost"], 10)
        self.assertEqual((only["answered"], only["latency"]["count"]), (90, 100))

    def test_doubled(self) -> None:
        with datagrams(lambda data: [data, data]) as where:
            done = load("udp", where, "--echo", "--connections", "1", "--rate", "50", "--duration", "0.4")
        self.assertEqual((done.status, set(done.wrong)), (1, {"doubled"}), done.output)
        self.assertEqual(done.only["answered"], 20)

    def test_altered(self) -> None:
        with datagrams(lambda data: [b"ECHO: " + data]) as where:
            done = load("udp", where, "--echo", *FEW, "--timeout", "0.2")
        self.assertEqual(set(done.wrong), {"wrong-echo", "lost"}, done.output)
        self.assertEqual((done.status, done.only["answered"]), (1, 0))

    def test_they_overtake_each_other(self) -> None:
        held: list[bytes] = []

        def swap(data: bytes) -> list[bytes]:
            held.append(data)
            if len(held) < 2:
                return []
            both = held[::-1]
            held.clear()
            return both

        with datagrams(swap) as where:
            done = load(
                *("udp", where, "--echo", "--connections", "1", "--pipeline", "2"),
                *("--rate", "100", "--duration", "0.4"),
            )
        self.assertEqual((done.status, done.wrong), (0, {}), done.output)
        self.assertEqual(done.only["answered"], 40)

    def test_too_late(self) -> None:
        def late(data: bytes) -> list[bytes]:
            time.sleep(0.4)
            return [data]

        with datagrams(late) as where:
            done = load(
                *("udp", where, "--echo", "--connections", "1", "--duration", "1", "--timeout", "0.15"),
            )
        self.assertGreaterEqual(done.wrong["lost"], 2, done.output)
        self.assertGreaterEqual(done.wrong["overdue"], 1, done.output)


class Beginnings(SynchronousTestCase):
    def test_nobody_listens(self) -> None:
        for format, kind in (("tcpv2", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)):
            with socket.socket(socket.AF_INET, kind) as unused:
                unused.bind(("127.0.0.1", 0))
                where = f"127.0.0.1:{unused.getsockname()[1]}"
                if format == "udp":
                    unused.close()  # a datagram socket that is bound would take them
                done = load(format, where, *FEW, "--echo")
            self.assertEqual((done.status, done.output), (3, ""))
            self.assertEqual(
                done.errors,
                f"netlab load: {where}: nobody listens there: start the server, or check the address\n",
            )

    def test_a_name_that_nobody_knows(self) -> None:
        done = load("tcp", "no.such.host.invalid:5005")
        self.assertEqual(done.status, 3)
        self.assertIn("no.such.host.invalid: no such host", done.errors)

    def test_another_machine_is_refused(self) -> None:
        for where in ("192.0.2.1:5005", "224.0.0.1:5005", "[2001:db8::1]:5005"):
            done = load("tcp", where)
            self.assertEqual((done.status, done.output), (2, ""))
            self.assertIn("is not this machine", done.errors)
            self.assertIn("--i-own-this-host", done.errors)

    def test_another_machine_for_whom_somebody_answers(self) -> None:
        if not namespace():
            raise SkipTest("no network of one's own can be had here: this would reach a real one")
        command = ("-m", "netlab", "load", "tcp", "192.0.2.1:5005", "--i-own-this-host")
        with Program(*ALONE, sys.executable, *command, env={"PYTHONPATH": str(ROOT)}) as program:
            self.assertEqual(program.ended(), 3)
        self.assertIn("192.0.2.1:5005: ", program.output)
        self.assertNotIn("is not this machine", program.output)

    def test_the_kinds_are_a_closed_vocabulary(self) -> None:
        self.assertEqual({kind.word for kind in Kind}, KINDS)
        with plain("server_tcp") as where:
            done = load("tcp", where, *FEW)
        self.assertEqual(set(done.only["errors"]), KINDS)

    def test_a_server_that_accepts_nobody(self) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=1) as server:
            where = server.getsockname()[:2]
            fillers = [socket.socket() for _ in range(8)]
            try:
                for each in fillers:
                    each.setblocking(False)
                    each.connect_ex(where)
                time.sleep(0.2)
                done = load("tcp", f"127.0.0.1:{where[1]}", *FEW, "--timeout", "0.5")
            finally:
                for each in fillers:
                    each.close()
        self.assertEqual(done.status, 3)
        self.assertIn("no connection was made within --timeout", done.errors)
