"""`netlab load` against servers that do as they should: netlab's, and those of plain sockets."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from functools import partial

from twisted.trial.unittest import SynchronousTestCase

from tests.load.loading import FEW, NETLAB, answering, load, plain
from tests.observers.terminals import Terminal
from tests.support import ROOT, Program, serving, until


class OfNetlab(SynchronousTestCase):
    def answered(self, format: str, command: str, *options: str, server: tuple[str, ...] = ()) -> None:
        """All of a load is answered, and accounted for."""
        with serving(command, "--quiet", *server) as listening:
            done = load(format, f"127.0.0.1:{listening.port}", *FEW, "--timeout", "30", *options)
        self.assertEqual((done.status, done.wrong), (0, {}), done.output + done.errors)
        only = done.only
        self.assertEqual(only["connections"], 4)
        self.assertGreater(only["answered"], 4)
        self.assertEqual(only["answered"], only["sent"])
        self.assertEqual(only["latency"]["count"], only["sent"])
        self.assertEqual(sum(each["messages"] for each in only["over_time"]), only["sent"])
        self.assertEqual(sum(each["size"] for each in only["over_time"]), only["bytes"])
        self.assertIn("each byte compared", done.output)

    def test_udp(self) -> None:
        self.answered("udp", "netlab-udp", "--echo", server=("--echo",))

    def test_udp_of_no_bytes(self) -> None:
        self.answered("udp", "netlab-udp", "--echo", "--size", "0", server=("--echo",))

    def test_text_with_threads(self) -> None:
        self.answered("tcp", "netlab-tcp")

    def test_text_pipelined_whose_answers_are_cut_anywhere(self) -> None:
        self.answered("tcp", "netlab-tcpsel", "--pipeline", "50", "--size", "1-9000")

    def test_fixed_frames(self) -> None:
        self.answered("tcpv2", "netlab-tcpv2", "--echo", "--pipeline", "64", server=("--echo",))

    def test_variable_frames(self) -> None:
        self.answered(
            "tcpv3", "netlab-tcpv3", "--echo", "--pipeline", "9", "--size", "0-600", server=("--echo",)
        )

    def test_long_ones(self) -> None:
        self.answered(
            "tcpv3", "netlab-tcpv3", "--echo", "--pipeline", "3", "--size", "1000000", server=("--echo",)
        )

    def test_the_other_layout(self) -> None:
        self.answered(
            *("tcpv3", "netlab-tcpv3", "--echo", "--layout", "scripts", "--pipeline", "300"),
            server=("--echo", "--layout", "scripts"),
        )

    def test_at_a_rate_each_message_that_was_due_is_sent(self) -> None:
        with serving("netlab-tcpv2", "--quiet", "--echo") as server:
            done = load("tcpv2", f"127.0.0.1:{server.port}", *FEW, "--echo", "--rate", "1000")
        self.assertEqual((done.status, done.wrong), (0, {}), done.output)
        self.assertEqual((done.only["due"], done.only["sent"], done.only["answered"]), (300, 300, 300))

    def test_without_echo_only_the_sending_is_measured(self) -> None:
        for format, command in (("tcpv3", "netlab-tcpv3"), ("udp", "netlab-udp")):
            with serving(command, "--quiet") as server:
                done = load(format, f"127.0.0.1:{server.port}", *FEW, "--size", "500")
            self.assertEqual((done.status, done.wrong), (0, {}), done.output)
            self.assertEqual(done.only["taken"], done.only["sent"])
            self.assertGreater(done.only["sent"], 4)
            self.assertIsNone(done.only["latency"])

    def test_without_echo_at_a_rate(self) -> None:
        with serving("netlab-tcpv2", "--quiet") as server:
            done = load("tcpv2", f"127.0.0.1:{server.port}", *FEW, "--rate", "100")
        self.assertEqual((done.status, done.only["due"], done.only["taken"]), (0, 30, 30), done.output)

    def test_all_that_the_server_has_got_was_right(self) -> None:
        with serving("netlab-tcpv3") as server:  # which prints what is wrong with a message
            done = load(
                "tcpv3", f"127.0.0.1:{server.port}", "--connections", "1", "--rate", "50", "--duration", "2"
            )
            self.assertEqual(done.only["taken"], 100)
            server.wait_for(r"Received ver: 1, order: 100, size: 32 -> [a-z0-5]{32}$")
            self.assertEqual(len(server.matches("Received ver: 1, ")), 100)
            self.assertNotIn("Violation", server.output)


class OfPlainSockets(SynchronousTestCase):
    def test_each_of_them(self) -> None:
        for format, name, options in (
            ("udp", "server_udp", ("--echo",)),
            ("tcp", "server_tcp", ()),
            ("tcp", "server_tcpsel", ()),
            ("tcpv2", "server_tcpv2", ("--echo",)),
            ("tcpv3", "server_tcpv3", ("--echo",)),
        ):
            with plain(name, *options) as where:
                done = load(format, where, *FEW, "--echo", "--pipeline", "3")
            self.assertEqual((done.status, done.wrong), (0, {}), done.output + done.errors)
            self.assertGreater(done.only["answered"], 4)
            if sys.platform == "linux":
                self.assertIsNotNone(done.only["server_cpu"])


class InPieces(SynchronousTestCase):
    def test_an_answer_that_comes_in_pieces(self) -> None:
        def serve(connection: socket.socket, prefix: bytes) -> None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := connection.recv(1 << 16):
                answer = prefix + data
                for at in 3, 20:
                    connection.sendall(answer[:at])
                    time.sleep(0.001)
                    answer = answer[at:]
                connection.sendall(answer)

        for format, prefix in (("tcp", b"ECHO: "), ("tcpv2", b"")):
            with answering(partial(serve, prefix=prefix)) as where:
                done = load(format, where, *FEW, "--echo")
            self.assertEqual((done.status, done.wrong), (0, {}), done.output)
            self.assertGreater(done.only["answered"], 8)


class Shown(SynchronousTestCase):
    def test_a_live_line_and_then_the_table_and_a_histogram(self) -> None:
        with plain("server_tcp") as where:
            terminal = Terminal(*NETLAB, "tcp", where, "--duration", "1", PYTHONPATH=str(ROOT))
            self.addCleanup(terminal.process.wait)
            terminal.wait_for(r"\r\d\.\d of 1 s, [\d,]+ messages/s, [\d.,]+ MB/s, p99 ")
            terminal.wait_for(r"messages/s .*p50 .*p99 .*errors")  # of the others, as many as have room
            terminal.wait_for(r"Latency, on a log axis")
            terminal.wait_for("█")

    def test_ctrl_c_ends_it_and_shows_what_was_measured(self) -> None:
        with plain("server_tcp") as where:
            with Program(*NETLAB, "tcp", where, "--duration", "60", env={"PYTHONPATH": str(ROOT)}) as program:
                self.assertEqual(program.process.poll(), None)
                self.wait_for_traffic(program.process.pid)
                self.assertEqual(program.signalled(signal.SIGINT), 130)
            self.assertIn("It was interrupted", program.output)
            self.assertRegex(program.output, r"messages/s .*p50 .*p99 .*errors")
            self.assertNotIn("Traceback", program.output)

    def wait_for_traffic(self, pid: int) -> None:
        """Wait until it has connections, and so has seen to signals."""
        until(lambda: len(os.listdir(f"/proc/{pid}/fd")) > 20, "it has no connections")

    if sys.platform != "linux":
        test_ctrl_c_ends_it_and_shows_what_was_measured.skip = "needs /proc"  # type: ignore[attr-defined]

    def test_json_to_standard_output_leaves_it_clean(self) -> None:
        with plain("server_tcp") as where:
            done = subprocess.run(
                [*NETLAB, "tcp", where, *FEW, "--json"], capture_output=True, cwd=ROOT, check=True, timeout=60
            )
        report = json.loads(done.stdout)
        self.assertEqual(report["settings"]["format"], "tcp")
        self.assertIn(b"messages/s", done.stderr)
