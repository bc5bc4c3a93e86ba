"""The load in C counts an echo only where it is right: one that is wrong, missing or doubled is an error."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.benchmarks.built import built
from tests.support import PATIENCE, ROOT, Program

FORMATS = ("udp", "text", "tcpv2", "tcpv3")
BULK = ("--connections", "2", "--pipeline", "3", "--size", "65536")


@contextmanager
def serving(*command: str) -> Iterator[int]:
    """The port of a server that runs in a process of its own."""
    with Program(sys.executable, "-m", *command, env={"PYTHONPATH": str(ROOT)}) as server:
        yield int(server.wait_for(r"Listening on \S+:(\d+)")[0][1])


def load(format: str, port: int, *options: str, stdin: int | None = subprocess.DEVNULL) -> tuple[int, Any]:
    """Load a server for a moment; return the exit status, and what the load says."""
    done = subprocess.run(
        [str(built("load")), format, "127.0.0.1", str(port), "--seconds", "0.1", *options],
        stdin=stdin,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


class Right(SynchronousTestCase):
    def setUp(self) -> None:
        built("load")

    def test_all_formats(self) -> None:
        for format in FORMATS:
            with serving("benchmarks.peers.plain_threads", format) as port:
                status, said = load(format, port, "--connections", "3")
            self.assertEqual((status, said["errors"], said["error"]), (0, 0, None), format)
            self.assertGreater(said["messages"], 3, format)
            latency = said["latency_us"]
            self.assertTrue(0 < latency["p50"] <= latency["p99"], latency)

    def test_bytes_are_counted(self) -> None:
        with serving("benchmarks.peers.plain_selector", "tcpv3") as port:
            for length, options in ((9 + 65_536, BULK), (9 + 5, ("--pipeline", "64", "--size", "5"))):
                status, said = load("tcpv3", port, *options)
                self.assertEqual((status, said["bytes"]), (0, length * said["messages"]))
            status, said = load("tcpv3", port, "--pipeline", "64", "--size", "0-40")
            self.assertEqual(status, 0)
            self.assertTrue(9 < said["bytes"] / said["messages"] < 9 + 40, said)

    def test_connects(self) -> None:
        with serving("benchmarks.peers.plain_selector", "tcpv2") as port:
            status, said = load("tcpv2", port, "--connects", "--connections", "4")
        self.assertEqual((status, said["errors"]), (0, 0))
        self.assertGreater(said["messages"], 4)

    def test_pings_beside_streams(self) -> None:
        with serving("benchmarks.peers.plain_selector", "tcpv3") as port:
            status, said = load("tcpv3", port, "--pingpong-beside", "2", *BULK[2:])
        self.assertEqual((status, said["errors"]), (0, 0))
        self.assertTrue(0 < said["pings"] < said["messages"], said)

    def test_idle_connections_stay_until_the_end_of_its_input(self) -> None:
        command = [str(built("load")), "tcpv2", "127.0.0.1"]
        with (
            serving("benchmarks.peers.plain_threads", "tcpv2") as port,
            subprocess.Popen(
                [*command, str(port), "--idle", "--connections", "20"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            ) as process,
        ):
            assert process.stdin is not None
            assert process.stdout is not None
            self.assertEqual(json.loads(process.stdout.readline())["messages"], 20)
            self.assertIsNone(process.poll())
            process.stdin.close()
            self.assertEqual(process.wait(PATIENCE), 0)


class Wrong(SynchronousTestCase):
    def setUp(self) -> None:
        built("load")

    def finds(self, fault: str, format: str, *options: str, error: str) -> None:
        with serving("tests.benchmarks.wrong", fault, format) as port:
            status, said = load(format, port, "--connections", "1", *options)
        self.assertEqual((status, said["errors"]), (1, 1), (fault, format))
        self.assertRegex(said["error"], error)

    def test_a_wrong_byte(self) -> None:
        self.finds("another", "udp", error=r"differs from what was sent, at its byte 31; order 20$")
        self.finds("another", "text", error=r"differs from what was sent, at its byte 37; order 20$")
        self.finds("another", "tcpv2", "--pipeline", "9", error=r"at its byte \d+; order \d+$")
        self.finds("another", "tcpv3", "--pipeline", "9", error=r"at its byte \d+; order \d+$")
        self.finds("another", "tcpv3", "--connects", error=r"at its byte 40; order 1$")

    def test_an_answer_that_is_missing_or_doubled(self) -> None:
        for format in ("tcpv2", "tcpv3"):
            for fault in ("nothing", "doubled", "shortened"):
                self.finds(fault, format, "--pipeline", "9", error=r"differs from what was sent")
        self.finds("doubled", "text", error=r"differs from what was sent")
        self.finds("shortened", "udp", error=r"a datagram of 31 bytes came back for one of 32")

    def test_an_end_before_the_answer(self) -> None:
        self.finds("ended", "tcpv2", error=r"closed a connection with 1 answers owed|reset")

    def test_nobody_listens(self) -> None:
        with serving("benchmarks.peers.plain_threads", "tcpv2") as port:
            pass
        status, said = load("tcpv2", port)
        self.assertEqual((status, said["error"]), (1, "connect: Connection refused"))
