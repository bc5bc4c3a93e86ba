"""How text servers are written, rightly and wrongly: over TCP and over UDP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netlab.check.models import Mistake, Model
from netlab.check.models.common import ASCII, CLOSE_WITHOUT_BREAK, DECODED_ECHO, FORGOTTEN, RESETS
from netlab.check.models.simulation import Forgotten, Socket

BUFFER = 4_096


@dataclass(frozen=True)
class Habits:
    """How a text server is written. The defaults are right."""

    echo: bool = True
    buffer: int = BUFFER
    prefix: bytes = b"ECHO: "
    reading: str = "recv"
    """recv: what one recv() yields. line, line-kept: it waits for a line's end (which comes back or not)."""
    decoding: str = "none"
    """none: the bytes are kept. strict, ascii: the rest raises. replace, ignore: it is changed."""
    change: str = "none"
    """none, strip, newline, upper: what is done to the text before it is sent back."""
    once: bool = False
    end: str = "leave"
    """leave: and close. forgotten: to close. close: without leaving the loop. unseen: not asked for."""
    resets: str = "caught"


def serve(s: Socket, h: Habits) -> None:
    """Serve one client of a TCP server."""
    try:
        while True:
            data = s.recv(h.buffer) if h.reading == "recv" else s.readline()
            if not data and h.end in ("leave", "forgotten"):
                return _left(h)
            if not data and h.end == "close":
                s.close()
                continue
            if h.reading == "line":
                data = data.rstrip(b"\r\n")
            s.sendall(h.prefix + _changed(h, data))
            if h.once:
                return _left(h)
    except ConnectionResetError:
        if h.resets == "uncaught":
            raise
        if h.resets == "getpeername":
            s.getpeername()


def _left(h: Habits) -> None:
    if h.end == "forgotten":
        raise Forgotten


def answer(s: Socket, h: Habits) -> None:
    """Serve the datagrams of one client."""
    while True:
        data = s.recvfrom(h.buffer)
        s.print(data.decode(errors="ignore"))
        changed = _changed(h, data)
        if h.echo:
            s.sendall(h.prefix + changed)
        if h.once:
            return


def _changed(h: Habits, data: bytes) -> bytes:
    if h.decoding == "strict":
        data.decode()
    elif h.decoding == "ascii":
        data.decode("ascii")
    elif h.decoding in ("replace", "ignore"):
        data = data.decode(errors=h.decoding).encode()
    if h.change == "strip":
        return data.strip()
    if h.change == "upper":
        return data.decode(errors="surrogateescape").upper().encode(errors="surrogateescape")
    return data + b"\n" if h.change == "newline" else data


COMMON = (
    Mistake(
        "strict-decode",
        "bytes that are no whole UTF-8 raise an exception",
        "decode() raises UnicodeDecodeError for bytes that are no UTF-8. In a stream that happens to honest "
        "text, too: a segment may end in the middle of a character.",
        "text = data.decode()   ->   text = data.decode(errors='replace')   (and echo the bytes, not the "
        "text)",
        "decode",
        [{"decoding": "strict"}],
    ),
    ASCII,
    DECODED_ECHO,
    Mistake(
        "stripped",
        "blanks and line ends are stripped from the message",
        "strip() takes away what the client has sent: the echo is shorter than the message.",
        "data.strip()   ->   data",
        "echo",
        [{"change": "strip"}],
    ),
    Mistake(
        "newline",
        "a line end is added to the answer",
        "The echo is the same text, and nothing behind it.",
        "send(text + '\\n')   ->   send(text)",
        "echo",
        [{"change": "newline"}],
    ),
    Mistake(
        "upper",
        "the text is changed to capital letters",
        "An echo is the same text: the well-known example of a socket book answers in capitals, this lab "
        "does not.",
        "text.upper()   ->   text",
        "echo",
        [{"change": "upper"}],
    ),
)

STREAM = (
    Mistake(
        "no-prefix",
        "`ECHO: ` is missing in front of the answer",
        "The guide's text servers answer with `ECHO: ` and the text.",
        "conn.sendall(data)   ->   conn.sendall(b'ECHO: ' + data)",
        "echo",
        [{"prefix": b""}],
    ),
    Mistake(
        "other-prefix",
        "the answer begins with something else than `ECHO: `",
        "The guide's text servers answer with `ECHO: `: four capital letters, a colon, one blank.",
        "b'Echo: ' + data   ->   b'ECHO: ' + data",
        "echo",
        [
            {"prefix": prefix}
            for prefix in (
                b"ECHO:",
                b"ECHO ",
                b"ECHO",
                b"Echo: ",
                b"echo: ",
                b"Echo:",
                b"echo:",
                b"ECHO : ",
                b"ECHO:  ",
            )
        ],
    ),
    Mistake(
        "one-message",
        "a connection is closed after its first message",
        "The loop around recv() and send() is missing: a client says one thing and is sent away.",
        "data = conn.recv(n); conn.sendall(...)   ->   while data := conn.recv(n): conn.sendall(...)",
        "loop",
        [{"once": True}],
    ),
    Mistake(
        "waits-for-newline",
        "it is waited for a line's end",
        "Nothing on the wire ends a message: what one recv() yields is one. A client that sends no line end "
        "gets no answer.",
        "conn.makefile().readline()   ->   conn.recv(1024)",
        "recv",
        [{"reading": "line"}, {"reading": "line-kept"}],
    ),
    FORGOTTEN,
    CLOSE_WITHOUT_BREAK,
    Mistake(
        "end-unseen",
        "the end of the stream is not looked for",
        "When the client has closed its side, recv() returns no bytes, at once and again and again: without "
        "a test for that the server answers nothing for ever, at full speed.",
        "data = conn.recv(n)   ->   data = conn.recv(n); if not data: break",
        "loop",
        [{"end": "unseen"}],
    ),
)

DATAGRAMS = (
    Mistake(
        "small-buffer",
        "recvfrom() has too little room: the rest of a longer datagram is thrown away",
        "A datagram is read at once or never: what does not fit into the buffer is gone, without a word.",
        "sock.recvfrom(1024)   ->   sock.recvfrom(65535)",
        "recvfrom",
        [
            {"buffer": size}
            for size in (
                16,
                32,
                64,
                100,
                128,
                256,
                512,
                1000,
                1024,
                1400,
                1472,
                1500,
                2048,
                4096,
                8192,
                9000,
                10_000,
                16_384,
                32_768,
                65_500,
            )
        ],
    ),
    Mistake(
        "echo-prefix",
        "`ECHO: ` stands in the answer, where none belongs",
        "`ECHO: ` is what the text server of chapter 2 puts in front. Over UDP the echo is the same "
        "datagram.",
        "sock.sendto(b'ECHO: ' + data, addr)   ->   sock.sendto(data, addr)",
        "echo",
        [{"prefix": prefix} for prefix in (b"ECHO: ", b"ECHO:", b"Echo: ", b"echo: ")],
    ),
    Mistake(
        "no-echo",
        "nothing is sent back",
        "The datagrams are read, but no echo leaves the server.",
        "print(...)   ->   print(...); sock.sendto(data, addr)",
        "echo",
        [{"echo": False}],
    ),
    Mistake(
        "one-message",
        "it ends after the first datagram",
        "The loop around recvfrom() is missing.",
        "data, addr = sock.recvfrom(n)   ->   while True: data, addr = sock.recvfrom(n)",
        "loop",
        [{"once": True}],
    ),
)


def model(datagrams: bool, echo: bool) -> Model:
    """The text servers of one transport."""
    if datagrams:
        return Model(answer, Habits(echo, 65_535, b""), [*COMMON, *DATAGRAMS])
    right: Any = Habits()
    return Model(serve, right, [*COMMON, *STREAM, *RESETS])
