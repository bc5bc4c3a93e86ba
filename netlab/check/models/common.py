"""What servers of text and of frames have in common: mistakes, and how they part with a client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from netlab.check.models import Mistake
from netlab.check.models.simulation import Exits, Forgotten, Socket


class Parting(Protocol):
    """How a server parts with a client: those of its habits that matter here."""

    @property
    def end(self) -> str:
        """leave, forgotten or exits: what it does when its loop is over; all else is the loop's business."""

    @property
    def resets(self) -> str:
        """caught, uncaught, or getpeername (called while it deals with one)."""


H = TypeVar("H", bound=Parting)


def serve_until_gone(s: Socket, h: H, loop: Callable[[Socket, H], None]) -> None:
    """Serve one client by this loop, and part with it as the habits say."""
    try:
        loop(s, h)
        if h.end == "forgotten":
            raise Forgotten
        if h.end == "exits":
            raise Exits
    except ConnectionResetError:
        if h.resets == "uncaught":
            raise
        if h.resets == "getpeername":
            s.getpeername()


ASCII = Mistake(
    "ascii",
    "text is taken for ASCII",
    "ü, ß and all else beyond ASCII are several bytes in UTF-8, and none of them is ASCII.",
    "data.decode('ascii')   ->   data.decode('utf-8')",
    "decode",
    [{"decoding": "ascii"}],
)

DECODED_ECHO = Mistake(
    "decoded-echo",
    "the echo is made from the decoded text",
    "What cannot be decoded was replaced or left out, and what comes back is no longer what was sent.",
    "send(text.encode())   ->   send(the bytes as they came)",
    "echo",
    [{"decoding": "replace"}, {"decoding": "ignore"}],
)

STRIPPED = Mistake(
    "stripped",
    "blanks and line ends are stripped from the message",
    "strip() takes away what the client has sent: the echo is shorter than the message.",
    "data.strip()   ->   data",
    "echo",
    [{"strips": True}],
)

LATIN_1 = Mistake(
    "latin-1",
    "text is taken for Latin-1",
    "In Latin-1 each byte is a character, in UTF-8 `ü` is two bytes: decoded as Latin-1 they become `Ã¼`. "
    "Nothing raises an exception, and every letter beyond ASCII is wrong.",
    "data.decode('latin-1')   ->   data.decode('utf-8')",
    "decode",
    [{"decoding": "latin-1"}],
)

NOTHING_PRINTED = Mistake(
    "nothing-printed",
    "nothing of what the server prints arrives",
    "Messages are read, but no line of them reaches standard output. Either nothing is printed, or it stays "
    "in the program: into a pipe printf() writes only when its buffer is full. The terminal hides that, for "
    "there it writes each line.",
    "printf(...)   ->   printf(...); fflush(stdout)   (or once, at the beginning: setvbuf(stdout, NULL, "
    "_IOLBF, 0))",
    "print",
    [{"shown": False}],
)

UNASKED_ECHO = Mistake(
    "unasked-echo",
    "an echo is sent, though the server was checked as one that only prints",
    "Without --echo a server is asked to print what it gets, and to send nothing. If this one is to send "
    "the messages back, check it with --echo.",
    "netlab check ...   ->   netlab check ... --echo",
    "echo",
    [{"echo": True}],
)

ENDS_WITH_CLIENT = Mistake(
    "ends-with-client",
    "the server ends when a client leaves",
    "When recv() returns nothing, this one client has gone. The server comes to its end with it, where it "
    "should go back to accept(): the next client finds nobody.",
    "if not data: sys.exit()   ->   if not data: break   (and while True around accept())",
    "loop",
    [{"end": "exits"}],
)

CLOSE_WITHOUT_BREAK = Mistake(
    "close-without-break",
    "the connection is closed, but the loop is not left",
    "When recv() returns nothing the client has gone. The socket is closed then, but the loop goes on, and "
    "the next recv() on the closed socket raises OSError: Bad file descriptor.",
    "if not data: conn.close()   ->   if not data: break",
    "loop",
    [{"end": "close"}],
)

FORGOTTEN = Mistake(
    "never-closed",
    "the connection is never closed",
    "When the client has gone the loop is left, but nobody calls close(): the client waits for the stream's "
    "end, and each client costs a descriptor until there are none.",
    "while data := conn.recv(n): ...   ->   with conn: while data := conn.recv(n): ...",
    "loop",
    [{"end": "forgotten"}],
)

RESETS = (
    Mistake(
        "reset-uncaught",
        "a reset is not caught",
        "A client that closes, or is killed, with answers still unread ends its connection with a reset: "
        "recv() and send() then raise ConnectionResetError. (One that is unplugged says nothing.)",
        "data = conn.recv(n)   ->   try: data = conn.recv(n) except OSError: close",
        "reset",
        [{"resets": "uncaught"}],
    ),
    Mistake(
        "getpeername",
        "getpeername() is called outside of the try, when the connection may be gone",
        "After a reset there is no peer any more, and getpeername() raises OSError. Keep the address that "
        "accept() has returned.",
        "print(conn.getpeername())   ->   print(addr)",
        "reset",
        [{"resets": "getpeername"}],
    ),
)
