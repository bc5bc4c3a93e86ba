"""What the clients of a soak say and what they are owed for it; by hand from docs/protocol.md."""

from __future__ import annotations

import re
import struct
from abc import ABC, abstractmethod
from random import Random
from typing import NamedTuple

REASONS = ("wrong-version", "wrong-layout", "oversize", "truncated", "deadline")
"""The words for what a client can get wrong (R1)."""

MAX_SIZE = 65_536
"""The --max-size of the server with frames of variable size, in bytes: small enough to be met often."""

STRANGERS = (
    b"GET / HTTP/1.1\r\nHost: localhost:5005\r\n\r\n",
    bytes.fromhex("16 0301 00c8 01 0000c4 0303"),  # the beginning of a TLS handshake
    b"SSH-2.0-OpenSSH_9.6\r\n",
    bytes(29),
    b"\xff" * 64,
)
"""What other programs say first. None begins with the version byte."""

_TEXT = "grüße € 😀 hello, ".encode()


class WrongAnswer(AssertionError):
    """Bytes came that nobody is owed: no machine is slow enough to excuse that."""


class Broken(NamedTuple):
    """Bytes that break a stream."""

    data: bytes
    reason: str
    valid: int = 0
    """How many bytes at the front are a valid frame, which is owed like any other."""


def some_bytes(rng: Random, most: int) -> bytes:
    """1 to `most` bytes, short ones as often as long ones: anything, or text that may end in a character."""
    length = int(most ** rng.random())
    return rng.choice((rng.randbytes(length), (_TEXT * (length // len(_TEXT) + 1))[:length]))


class Speech(ABC):
    """What one client says, message after message."""

    can_break = True
    """Is there anything that a client can get wrong?"""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.order = 0
        self.said = 0

    def message(self, most: int) -> bytes:
        """The next message, valid, with a text of about up to so many bytes."""
        self.said += 1
        return self._message(most)

    @abstractmethod
    def _message(self, most: int) -> bytes: ...

    def messages(self, length: int, most: int) -> bytes:
        """Messages of so many bytes together, or the rest of a message more."""
        data = bytearray()
        while len(data) < length:
            data += self.message(most)
        return bytes(data)

    def paid(self, received: bytes) -> bytes:
        """The messages that these answers are for; the last one may have begun only. Raises WrongAnswer."""
        return received

    def half(self) -> bytes:
        """A message without its last bytes."""
        whole = self.message(200)
        return whole[: self.rng.randrange(1, len(whole))]

    def broken(self) -> Broken:
        """What breaks the stream behind valid messages."""
        return self.rng.choice(
            [Broken(each, "wrong-version") for each in (*STRANGERS, self._other_version())]
        )

    def _other_version(self) -> bytes:
        return bytes([self.rng.choice((0, 2, 255))]) + self.message(20)[1:]


class Text(Speech):
    """Any bytes are a message, and each piece of its answer has a prefix (T3, T4).

    There is no E in a message, so that the prefixes can be told from the texts.
    """

    can_break = False
    PREFIX = b"ECHO: "
    ANSWERS = re.compile(rb"(?:ECHO: [^E]+)*(?:E(?:C(?:H(?:O(?:: ?)?)?)?)?)?")

    def _message(self, most: int) -> bytes:
        strange = self.rng.random() < 0.1
        text = self.rng.choice(STRANGERS) if strange else some_bytes(self.rng, most)
        return text.replace(b"E", b"e")

    def paid(self, received: bytes) -> bytes:
        if not self.ANSWERS.fullmatch(received):
            raise WrongAnswer(f"these are no texts behind prefixes: {received[:80]!r}")
        begun = received.rfind(b"E")
        if begun >= 0 and self.PREFIX.startswith(received[begun:]):
            received = received[:begun]
        return received.replace(self.PREFIX, b"")


class Fixed(Speech):
    """Frames of 29 bytes (F1). Any size, any padding and any order is legal (F2, F3, O3)."""

    def _message(self, most: int) -> bytes:
        self.order = self.rng.choice((0, 7, 2**32 - 1)) if self.rng.random() < 0.01 else self.order + 1
        size = self.rng.choice((0, 5, 20, 25, 2**32 - 1))
        field = some_bytes(self.rng, 20).ljust(20, self.rng.choice((b"-", b"\0")))
        return struct.pack("!BLL20s", 1, self.order % 2**32, size, field)


class Variable(Speech):
    """A header and a text (V1), in either layout (V2).

    It gives the server what it needs to find the layout out (V6): orders are as they should be, no text in
    the layout of scripts is shorter than two bytes, and while nothing is decided, whatever is not whole or
    not valid is in the guide's.
    """

    def __init__(self, rng: Random) -> None:
        super().__init__(rng)
        self.scripts = rng.random() < 0.3

    def _message(self, most: int) -> bytes:
        text = some_bytes(self.rng, most)
        if self.scripts:
            text = text.ljust(2, b"-")
        elif self.rng.random() < 0.05:
            text = b""
        elif self.rng.random() < 0.02:
            text = b"x" * MAX_SIZE
        return self._header(len(text)) + text

    def _header(self, size: int) -> bytes:
        self.order += 1
        return struct.pack("!BLL", 1, *((size, self.order) if self.scripts else (self.order, size)))

    def half(self) -> bytes:
        self.scripts = self.scripts and self.order > 0
        return super().half()

    def broken(self) -> Broken:
        first = self.order == 0
        self.scripts = self.scripts and not first
        kind = self.rng.choice(("wrong-version", "oversize", *["wrong-layout"] * first))
        if kind == "oversize":
            return Broken(self._header(self.rng.choice((MAX_SIZE + 1, 2**31, 2**32 - 1))), kind)
        if kind == "wrong-layout":
            # A client of scripts whose first message is empty: misread, and the violation says it (V6).
            frames = struct.pack("!BLL", 1, 0, 1) + struct.pack("!BLL", 1, 3, 2) + b"abc"
            return Broken(frames, kind, valid=10)
        return super().broken()


SPEECHES: dict[str, type[Speech]] = {
    "netlab-tcp": Text,
    "netlab-tcpsel": Text,
    "netlab-tcpv2": Fixed,
    "netlab-tcpv3": Variable,
}
"""What each TCP server understands."""
