"""A socket for models: what was sent to the real program comes out of it, as the program read it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any, NamedTuple

from netlab.check.evidence import Exchange

CALLS = 5_000
"""Calls of a model to its socket, after which it is thought to go on for ever."""

ENDS = 50
"""How often a model is told that its input has ended, after which it is thought not to listen."""

ENDLESS_BYTES = 1 << 11
"""Bytes that a model sends after the stream's end, after which it is thought to go on for ever."""


MEMORY = (4 << 30) - (64 << 20)
"""Bytes for which a program has no room: the limit that netlab sets it, less its own needs."""


class Ended(Enum):
    """What a model does when nothing more comes."""

    WAITS = "it waits for more"
    CLOSED = "it closed the connection"
    RAISED = "an exception ended it"
    ENDLESS = "it goes on for ever"
    EXITED = "the whole program came to its end"
    FORGOTTEN = "it is done, and has not closed the connection"
    GIVES_UP = "it gives up, in a way of its own, or goes on; but it raises nothing, and comes to an end"
    STRAYS = "it gives up or goes on; it raises nothing, and may not come to an end"
    CONFUSED = "what it does cannot be told"


class Stop(Exception):
    """A model goes no further, and this is how it has ended."""

    ended: Ended


class Waits(Stop):
    """A read would wait for ever: nothing more was sent."""

    ended = Ended.WAITS


class Forgotten(Stop):
    """The model is done, and has not closed the connection."""

    ended = Ended.FORGOTTEN


class Exits(Stop):
    """The model ends, and with it the whole program."""

    ended = Ended.EXITED


class Endless(Stop):
    """The model does not come to an end."""

    ended = Ended.ENDLESS


class GivesUp(Stop):
    """Something went wrong that was not the model's fault: what it does now is its own business."""

    ended = Ended.GIVES_UP


class Strays(Stop):
    """The same of a model that does not end when nothing more comes."""

    ended = Ended.STRAYS


class Confused(Stop):
    """It has taken something for what it is not: what it does now cannot be told."""

    ended = Ended.CONFUSED


class Said(NamedTuple):
    """A line that a model prints: what can be found again in what a program has printed."""

    text: str
    numbers: tuple[int, ...] = ()


class Prediction(NamedTuple):
    """What a model makes of an exchange."""

    sent: tuple[bytes, ...]
    """Datagrams; over TCP, one row of bytes."""
    ended: Ended
    errors: tuple[str, ...] = ()
    """The exception that ended it, and those that were being handled: how their last lines begin."""
    said: tuple[Said, ...] = ()
    heard: bool | None = None
    """Has it read anything of what came? None of a server."""


class Socket:
    """One side of a connection, or a datagram socket: the side of the judged program.

    pieces: what came, each by a read of its own where the reader has room for it.
    """

    def __init__(self, pieces: Sequence[bytes], finished: bool = False, reset: bool = False) -> None:
        self._pieces = list(reversed(pieces))
        self._finished = finished
        self._reset = reset
        self._held = memoryview(b"")
        self._lost = False
        self._closed = False
        self._calls = 0
        self._over = False  # has it been told that the stream has ended?
        self._surplus = 0  # bytes that it has sent since
        self.sent: list[bytes] = []
        self.said: list[Said] = []

    def recv(self, size: int) -> bytes:
        """Some of what has come, at most so many bytes; b"" at the end of the stream."""
        self._count()
        if size <= 0:
            return b""
        if size > MEMORY:
            raise MemoryError
        if not self._held:
            if self._pieces:
                self._held = memoryview(self._pieces.pop())
            elif self._reset:
                self._lost = True
                raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
            elif self._finished:
                self._over = True
                return b""
            else:
                raise Waits
        data, self._held = self._held[:size], self._held[size:]
        return bytes(data)

    def recvfrom(self, size: int) -> bytes:
        """One datagram: what is longer is thrown away."""
        self._count()
        if not self._pieces:
            raise Waits
        return self._pieces.pop()[:size]

    def readline(self) -> bytes:
        """A line, with its end; what there is at the end of the stream."""
        line = b""
        while not line.endswith(b"\n") and (byte := self.recv(1)):
            ready = bytes(self._held) if byte != b"\n" else b""
            taken = ready[: ready.find(b"\n") + 1] or ready
            self._held = self._held[len(taken) :]
            line += byte + taken
        return line

    def sendall(self, data: bytes) -> None:
        """Send."""
        self._count()
        self.sent.append(data)
        self._surplus += len(data) * self._over
        if self._surplus > ENDLESS_BYTES:
            raise Endless

    def getpeername(self) -> None:
        """Whom it leads to: a lost connection leads nowhere."""
        if self._lost:
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    def close(self) -> None:
        """Close: every later call is an error."""
        self._closed = True

    def print(self, text: str, *numbers: int) -> None:
        """What a program prints of a message."""
        self.said.append(Said(text, numbers))

    def _count(self) -> None:
        self._calls += 1
        if self._closed:
            raise OSError(errno.EBADF, "Bad file descriptor")
        if self._calls > CALLS:
            raise Endless


class Seat(Socket):
    """The same for a client: with a server to connect to, and somebody who types."""

    def __init__(self, pieces: Sequence[bytes], exchange: Exchange) -> None:
        super().__init__(pieces, exchange.finished, exchange.reset)
        self._exchange = exchange
        self._given = 0
        self._ends = 0
        self._connections = 0
        self.heard = False
        """Has it read anything?"""

    def recv(self, size: int) -> bytes:
        """Some of what has come."""
        data = super().recv(size)
        self.heard = self.heard or bool(data)
        return data

    def recvfrom(self, size: int) -> bytes:
        """One datagram."""
        data = super().recvfrom(size)
        self.heard = True
        return data

    def ahead(self, length: int) -> bytes:
        """The next bytes of the stream, whatever pieces they come in: what a right reader would get."""
        return (bytes(self._held) + b"".join(reversed(self._pieces)))[:length]

    def connect(self) -> None:
        """Connect to the server: nobody listens any more when the first connection was lost."""
        self._connections += 1
        gone = self._connections > 1 and self._exchange.lost_after is not None
        if self._exchange.refused or gone:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

    def input(self) -> str:
        """The next line that was typed. Raises EOFError at the end of the input."""
        self._count()
        typed = self._exchange.typed or ()
        if self._given < len(typed):
            self._given += 1
            return typed[self._given - 1]
        if not self._exchange.input_ended:
            raise Waits
        self._ends += 1
        if self._ends > ENDS:
            raise Endless
        raise EOFError

    def sendall(self, data: bytes) -> None:
        """Send; not over a connection that was lost before the last line."""
        lost = self._exchange.lost_after
        if lost is not None and self._given > lost:
            raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
        super().sendall(data)


def run(program: Callable[[Any], None], exchange: Exchange, pieces: Sequence[bytes]) -> Prediction:
    """What a program would have made of these pieces. program: called with the socket."""
    client = exchange.typed is not None
    socket = Seat(pieces, exchange) if client else Socket(pieces, exchange.finished, exchange.reset)
    errors: tuple[str, ...] = ()
    try:
        program(socket)
        ended = Ended.CLOSED
    except Stop as stop:
        ended = stop.ended
    except Exception as raised:
        ended, errors = Ended.RAISED, tuple(chain(raised))
    sent = tuple(socket.sent) if exchange.datagrams else (b"".join(socket.sent),)
    heard = socket.heard if isinstance(socket, Seat) else None
    return Prediction(sent, ended, errors, tuple(socket.said), heard)


def chain(raised: BaseException | None) -> Iterator[str]:
    """The exception, and those during whose handling it was raised: all are in the traceback."""
    while raised is not None:
        yield signature(raised)
        raised = raised.__context__


def signature(raised: BaseException) -> str:
    """How the last line of the exception's traceback begins."""
    kind = type(raised)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    if isinstance(raised, UnicodeError) and hasattr(raised, "encoding"):
        return f"{name}: '{raised.encoding}' codec"
    if isinstance(raised, OSError) and raised.errno is not None:
        return f"{name}: [Errno {raised.errno}] {os.strerror(raised.errno)}"
    return name
