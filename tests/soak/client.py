"""One connection of a soak's: what was sent on it, what is owed for that, and what came."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Coroutine
from typing import Any, NamedTuple

from tests.soak.speech import Speech, WrongAnswer

Place = tuple[str, int]

READ = 65_536
"""Bytes that a client reads at a time that is in no hurry to show backpressure."""

SHOWN = 16
"""Bytes that are shown of what came and of what should have come."""

RETRY = 0.1
"""Seconds until a connection is tried again for which this machine had no free port."""


class Missing(AssertionError):
    """What is owed did not come in time: the server's fault, if this side has kept its own time."""


class Volume(NamedTuple):
    """How much a client says, at most, where many messages follow each other; in bytes."""

    text: int
    """Of one message's text."""
    messages: int
    """Of all these messages."""


class Ending(NamedTuple):
    """How the server's log must tell the end of a connection."""

    outcomes: tuple[str, ...]
    """The words of C6 that are right."""
    violation: tuple[str, int] | None = None
    """The reason word and the offset of its violation (R7)."""
    counts: tuple[int, int] | None = None
    """The bytes that the server received and sent; None where this side cannot know."""


ANY = Ending(("finished", "reset", "violation", "stalled", "idle"))
"""For a client of which nobody knows how patient the server was."""


class Client:
    """One connection of the driver's to a TCP server at `place`. volume: how much it may say."""

    def __init__(self, place: Place, speech: Speech, volume: Volume) -> None:
        self.speech = speech
        self.volume = volume
        self.rng = speech.rng
        self.port: int | None = None
        self.ending = ANY
        self.sent = 0
        self.received = 0
        self._loop = asyncio.get_running_loop()
        self._place = place
        self._socket: Any = None
        self._valid = 0  # bytes of all valid messages so far: where the next one begins
        self._owed = bytearray()
        self._came = bytearray()

    async def connect(self, buffer: int | None = None) -> None:
        """Connect. buffer: how many bytes the system may hold for a client that does not read."""
        while self.port is None:
            self._socket = socket.socket()
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if buffer is not None:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            try:
                await self._loop.sock_connect(self._socket, self._place)
            except OSError as error:
                self._socket.close()
                if error.errno != errno.EADDRNOTAVAIL:
                    raise
                await asyncio.sleep(RETRY)
            else:
                self.port = self._socket.getsockname()[1]

    # What it says.

    def owe(self, data: bytes) -> None:
        """These bytes are valid messages: the server owes them."""
        self._owed += data
        self._valid += len(data)

    async def say(self, valid: bytes, rest: bytes = b"", finish: bool = False) -> None:
        """Send valid messages and what comes behind them, in a few pieces; then, if told to, a FIN."""
        self.owe(valid)
        data = valid + rest
        cuts = sorted(self.rng.randrange(len(data) + 1) for _ in range(self.rng.randrange(4)))
        for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            await self.send(data[begin:end])
        if finish:
            self._socket.shutdown(socket.SHUT_WR)

    async def send(self, data: bytes) -> None:
        """Send bytes, waiting while the server does not read."""
        await self._loop.sock_sendall(self._socket, data)
        self.sent += len(data)

    # What it hears.

    async def hear(self, most: int = READ) -> bool:
        """Take what one read yields; False at the server's FIN."""
        data = await self._loop.sock_recv(self._socket, most)
        self.received += len(data)
        self._came += data
        return bool(data)

    async def hear_answers(self) -> None:
        """Read until all is paid that is owed, and forget it."""
        while len(self.speech.paid(bytes(self._came))) < len(self._owed):
            if not await self.hear():
                break
        self.check(whole=True)
        self._owed.clear()
        self._came.clear()

    async def hear_out(self, most: int = READ, pause: float = 0.0) -> None:
        """Read until the server's FIN: all is paid then, and no more. pause: seconds between two reads."""
        while await self.hear(most):
            await asyncio.sleep(pause)
        self.check(whole=True)

    def check(self, whole: bool) -> None:
        """Compare what came with what is owed; whole: must all be there? Raises WrongAnswer and Missing."""
        paid, owed = self.speech.paid(bytes(self._came)), bytes(self._owed)
        if not owed.startswith(paid):
            at = next((i for i, (a, b) in enumerate(zip(paid, owed, strict=False)) if a != b), len(owed))
            came, due = paid[at : at + SHOWN].hex(" "), owed[at : at + SHOWN].hex(" ") or "nothing"
            raise WrongAnswer(f"byte {at:,} of {len(owed):,} that are owed: {came} came, {due} is due")
        if whole and len(paid) < len(owed):
            raise Missing(f"{len(paid):,} of {len(owed):,} bytes came that are owed")

    def wrong_answer(self) -> WrongAnswer | None:
        """What is wrong with what came so far."""
        try:
            self.check(whole=False)
        except WrongAnswer as wrong:
            return wrong
        return None

    async def while_hearing(
        self, saying: Coroutine[Any, Any, None], hearing: Coroutine[Any, Any, None]
    ) -> None:
        """Say and hear at the same time."""
        said = asyncio.ensure_future(saying)
        try:
            await hearing
            await said
        finally:
            said.cancel()
            await asyncio.gather(said, return_exceptions=True)  # before its socket may be closed

    # How it ends.

    def deserves(self, *outcomes: str, reason: str | None = None) -> None:
        """It has read to the server's FIN: this is what the server's log must say of it."""
        violation = None if reason is None else (reason, self._valid)
        self.ending = Ending(outcomes, violation, (self.sent, self.received))

    def reset(self) -> None:
        """End with a reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """End: with a FIN, or, where there is something unread, with a reset."""
        if self._socket is not None:
            self._socket.close()
