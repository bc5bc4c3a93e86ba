"""Every peer reads the golden vectors by the rules: it echoes good frames, and closes on what is none."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import sys

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from benchmarks.peers.frames import MAX_SIZE
from netlab.wire.vectors import VECTORS, Vector
from tests.benchmarks.built import built
from tests.support import PATIENCE, ROOT, Program, receive, receive_all

VARIANTS = {"udp": "udp", "text": "tcp", "tcpv2": "tcpv2", "tcpv3": "tcpv3"}
"""What the vectors call the formats of the peers."""

CANNOT_BE_SENT = ("udp-empty",)
"""asyncio's transports for datagrams send no empty one before Python 3.13."""


def vectors(format: str) -> list[Vector]:
    """Those that are for peers: they read the guide's layout only, with one limit, and have no deadlines."""
    return [
        vector
        for vector in VECTORS
        if vector.variant == VARIANTS[format]
        and vector.layout != "scripts"
        and vector.decided != "scripts"
        and vector.max_size == MAX_SIZE
        and vector.end == "fin"
    ]


class Peers(SynchronousTestCase):
    def accepts(
        self, command: list[str], *formats: str, waits: bool = False, leaves_out: tuple[str, ...] = ()
    ) -> None:
        """command: how a peer is started, without the format. waits: it reads a frame, or a header, whole
        before it judges its first byte. leaves_out: names of vectors that it cannot answer.
        """
        for format in formats:
            with Program(*command, format, env={"PYTHONPATH": str(ROOT)}) as server:
                port = int(server.wait_for(r"Listening on 127\.0\.0\.1:(\d+)")[0][1])
                chosen = [vector for vector in vectors(format) if vector.name not in leaves_out]
                self.assertTrue(chosen)
                for vector in chosen:
                    self.check(format, port, vector, waits)
                self.assertEqual(len(server.lines), 1, server.tail)

    def check(self, format: str, port: int, vector: Vector, waits: bool) -> None:
        kind = socket.SOCK_DGRAM if format == "udp" else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET, kind) as client:
            client.settimeout(PATIENCE)
            client.connect(("127.0.0.1", port))
            if format == "udp":
                client.send(vector.stream)
                self.assertEqual(client.recv(65_535), vector.echo, vector.name)
                return
            client.sendall(vector.stream)
            self.assertEqual(receive(client, len(vector.echo)), vector.echo, vector.name)
            if waits or vector.reason in (None, "truncated"):
                with contextlib.suppress(OSError):  # it may have closed
                    client.shutdown(socket.SHUT_WR)
            # After a violation it closes by itself, with a reset if it has not read all.
            try:
                self.assertEqual(receive_all(client), b"", vector.name)
            except ConnectionResetError:
                self.assertIsNotNone(vector.reason, vector.name)

    def python(self, module: str, *options: str) -> list[str]:
        return [sys.executable, "-m", f"benchmarks.peers.{module}", *options]

    def test_in_c(self) -> None:
        self.accepts([str(built("c"))], "udp", "text", "tcpv2", "tcpv3")

    def test_in_go(self) -> None:
        self.accepts([str(built("go"))], "udp", "text", "tcpv2", "tcpv3")

    def test_with_plain_sockets(self) -> None:
        self.accepts(self.python("plain_threads"), "udp", "text", "tcpv2", "tcpv3", waits=True)
        self.accepts(self.python("plain_selector"), "text", "tcpv2", "tcpv3")

    def test_on_asyncio(self) -> None:
        peer = self.python("asyncio_protocol")
        self.accepts(peer, "udp", "text", "tcpv2", "tcpv3", leaves_out=CANNOT_BE_SENT)
        self.accepts(self.python("asyncio_streams"), "text", "tcpv2", "tcpv3", waits=True)

    def test_on_uvloop(self) -> None:
        if importlib.util.find_spec("uvloop") is None:
            raise SkipTest("there is no uvloop")
        peer = self.python("asyncio_protocol", "--uvloop")
        self.accepts(peer, "udp", "text", "tcpv2", "tcpv3", leaves_out=CANNOT_BE_SENT)

    def test_on_twisted(self) -> None:
        self.accepts(self.python("stock_twisted"), "udp", "text", "tcpv2", "tcpv3")

    def test_on_the_receivers_of_netlab(self) -> None:
        self.accepts(self.python("receivers"), "tcpv2", "tcpv3")
