"""Our client protocols talk to the plain-socket servers of tests/plain, and to our own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.trial.unittest import TestCase

from netlab.protocols.tcp import TextClientFactory
from netlab.protocols.tcpv2 import FixedClientFactory
from netlab.protocols.tcpv3 import VariableClientFactory
from netlab.protocols.udp import UDPClient
from netlab.wire.variable import Layout
from tests.support import PATIENCE, PLAIN, Program, serving

WORDS = ["hello", "", "x", "grüße an alle, 20+ Bytes", "終わり"]
OURS = {"server_udp": "netlab-udp", "server_tcp": "netlab-tcp", "server_tcpsel": "netlab-tcpsel"}
OURS |= {"server_tcpv2": "netlab-tcpv2", "server_tcpv3": "netlab-tcpv3"}


@contextmanager
def listening(name: str, *options: str) -> Iterator[Program]:
    """A plain-socket server on a port that the system chose."""
    with Program(sys.executable, str(PLAIN / f"{name}.py"), "--port", "0", *options) as program:
        yield program


class Clients(TestCase):
    timeout = 4 * PATIENCE

    def both(self, name: str, *options: str) -> Iterator[int]:
        """The port of the plain server, and then of ours."""
        with listening(name, *options) as plain:
            yield int(plain.wait_for(r"Listening on \S+:(\d+)")[0][1])
        with serving(OURS[name], *options) as ours:
            yield ours.port

    async def connect(self, port: int, factory: Any) -> Any:
        from twisted.internet import reactor

        return await TCP4ClientEndpoint(reactor, "127.0.0.1", port, PATIENCE).connect(factory)

    async def test_text(self) -> None:
        for name in "server_tcp", "server_tcpsel":
            for port in self.both(name):
                client = await self.connect(port, TextClientFactory())
                words = [*WORDS, "ECHO: EECHO: ", "x" * 100_000]
                answers = await gatherResults([client.send(word) for word in words])
                self.assertEqual(answers, [word.encode() for word in words])
                await client.finish().addTimeout(PATIENCE, self.reactor())

    async def test_fixed_frames(self) -> None:
        for port in self.both("server_tcpv2", "--echo"):
            client = await self.connect(port, FixedClientFactory())
            echoes = await gatherResults([client.send(word) for word in WORDS])
            self.assertEqual([echo.order for echo in echoes], [1, 2, 3, 4, 5])
            self.assertEqual([echo.text for echo in echoes], [*WORDS[:3], "grüße an alle, 20+", WORDS[4]])
            await client.finish().addTimeout(PATIENCE, self.reactor())

    async def test_variable_frames_in_both_layouts(self) -> None:
        for layout in Layout:
            for port in self.both("server_tcpv3", "--echo", "--layout", layout.value):
                client = await self.connect(port, VariableClientFactory(layout=layout))
                echoes = await gatherResults([client.send(word) for word in WORDS])
                self.assertEqual([echo.text for echo in echoes], WORDS)
                await client.finish().addTimeout(PATIENCE, self.reactor())

    async def test_without_echo_sending_is_all(self) -> None:
        for port in self.both("server_tcpv3"):
            client = await self.connect(port, VariableClientFactory(echo=False))
            frames = await gatherResults([client.send(word) for word in WORDS])
            self.assertEqual([frame.order for frame in frames], [1, 2, 3, 4, 5])
            await client.finish().addTimeout(PATIENCE, self.reactor())

    async def test_datagrams(self) -> None:
        for port in self.both("server_udp", "--echo"):
            client = UDPClient("127.0.0.1", port)
            listener: Any = self.reactor().listenUDP(0, client, "127.0.0.1", 65_535)
            try:
                for word in WORDS:
                    echo: Deferred[bytes] = client.send(word)
                    self.assertEqual(await echo.addTimeout(PATIENCE, self.reactor()), word.encode())
            finally:
                await listener.stopListening()

    def reactor(self) -> Any:
        from twisted.internet import reactor

        return reactor
