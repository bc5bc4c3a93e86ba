"""How the UDP clients of a soak behave; a datagram may be lost, and whoever waits for one asks again (U5)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from random import Random

from tests.soak.client import Place
from tests.soak.speech import WrongAnswer, some_bytes

LARGEST = 65_507
"""Bytes of the largest datagram of UDP over IPv4 (U2)."""

PATIENCE = 0.5
"""Seconds after which a question is asked again."""

BURST = 50
"""Datagrams that are sent without a look at the answers."""


class Asker:
    """One socket of the driver's, which sends datagrams to a UDP server at `place` and compares the answers.

    behaves: must it? strays: what was still owed to clients that are gone, by the datagrams' hashes; all
    share it, since a client may get the port, and so the answers, of one that is gone. kind: what it counts
    as.
    """

    def __init__(self, place: Place, rng: Random, strays: Counter[int], behaves: bool = False) -> None:
        self.rng = rng
        self.sent = 0
        self.received = 0
        self.messages = 0
        self._strays = strays
        self._owed: Counter[int] = Counter()
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect(place)
        ways = [
            ("behaved", self._asks),
            ("behaved", self._asks),
            ("misbehaved", self._bursts),
            ("stalled", self._never_reads),
            ("left", self._leaves),
        ]
        self.kind, self._live = ways[0] if behaves else rng.choice(ways)

    async def live(self) -> None:
        """Be a client, from the beginning to the end."""
        try:
            await self._live()
        finally:
            self._socket.close()
            self._strays.update(self._owed)

    async def _asks(self) -> None:
        for _ in range(self.rng.randint(1, 20)):
            await self._ask(self._datagram())

    async def _bursts(self) -> None:
        for _ in range(BURST):
            self._send(self._datagram())
        await self._ask(b"after the burst")

    async def _never_reads(self) -> None:
        for _ in range(BURST):
            self._send(self._datagram())
        await asyncio.sleep(PATIENCE)

    async def _leaves(self) -> None:
        self._send(self._datagram())

    def _datagram(self) -> bytes:
        """Anything, also nothing, also the most that there can be."""
        return self.rng.choice((b"", bytes(LARGEST), *[some_bytes(self.rng, 2_000)] * 18))

    def _send(self, datagram: bytes) -> None:
        self._owed[hash(datagram)] += 1
        with contextlib.suppress(BlockingIOError):  # then it is lost before it has left
            self.sent += self._socket.send(datagram)
        self.messages += 1

    async def _ask(self, datagram: bytes) -> None:
        """Send until it is answered; how long at most, is the driver's to say."""
        while True:
            self._send(datagram)
            while (answer := await self._hear()) is not None:
                if answer == datagram:
                    return

    async def _hear(self) -> bytes | None:
        """Take an answer, None where none comes. It must be one that is owed."""
        try:
            answer = await asyncio.wait_for(self._loop.sock_recv(self._socket, LARGEST + 1), PATIENCE)
        except asyncio.TimeoutError:
            return None
        self.received += len(answer)
        owed = self._owed if self._owed[hash(answer)] else self._strays
        if not owed[hash(answer)]:
            raise WrongAnswer(f"{len(answer):,} bytes came that nobody asked for: {answer[:40].hex(' ')}")
        owed[hash(answer)] -= 1
        return answer
