"""How text servers are written, rightly and wrongly: over TCP and over UDP."""

from __future__ import annotations

from dataclasses import dataclass, replace

from netlab.check.models import Mistake, Model
from netlab.check.models.common import (
    ASCII,
    CLOSE_WITHOUT_BREAK,
    DECODED_ECHO,
    ENDS_WITH_CLIENT,
    FORGOTTEN,
    LATIN_1,
    NOTHING_PRINTED,
    RESETS,
    STRIPPED,
    UNASKED_ECHO,
    serve_until_gone,
)
from netlab.check.models.simulation import Endless, Exits, Socket
from netlab.wire.text import REPLY_PREFIX

BUFFER = 4_096


@dataclass(frozen=True)
class Habits:
    """How a text server is written. The defaults are right."""

    echo: bool = True
    buffer: int = BUFFER
    prefix: bytes = REPLY_PREFIX
    prefixes: str = "each"
    """each: answer has one. first: only the connection's first. greeting: it comes before all messages."""
    reading: str = "recv"
    """recv: what one recv() yields. line, line-kept: it waits for a line's end (which comes back or not)."""
    decoding: str = "none"
    """none: the bytes are kept. strict, ascii: the rest raises. replace, ignore: it is changed. latin-1: so
    is what is no ASCII.
    """
    strips: bool = False
    change: str = "none"
    """none, newline, upper, repr (as Python shows bytes), nul (it ends there): what is done to the text."""
    kept: str = "nothing"
    """What is sent again with the next answer: nothing, answers (all), messages (all). endless: it does not
    wait for the next.
    """
    shown: bool = True
    """Does anything arrive of what is printed?"""
    once: bool = False
    empty: str = "message"
    """message, or exits: an empty datagram ends the program."""
    end: str = "leave"
    """leave: and close. forgotten: to close. exits: the program ends. close: without leaving the loop.
    unseen: not asked for.
    """
    resets: str = "caught"


def serve(s: Socket, h: Habits) -> None:
    """Serve one client of a TCP server."""
    serve_until_gone(s, h, _loop)


def _loop(s: Socket, h: Habits) -> None:
    prefix, kept = h.prefix, b""
    if h.prefixes == "greeting":
        s.sendall(prefix)
        prefix = b""
    while True:
        data = s.recv(h.buffer) if h.reading == "recv" else s.readline()
        if not data and h.end == "close":
            s.close()
            continue
        if not data and h.end != "unseen":
            return
        if h.reading == "line":
            data = data.rstrip(b"\r\n")
        if h.kept == "messages":
            data = kept = kept + data
        answer = prefix + _changed(h, data)
        if h.kept == "answers":
            answer = kept = kept + answer
        s.sendall(answer)
        if h.kept == "endless":
            s.sendall(answer)
            raise Endless
        if h.once:
            return
        if h.prefixes == "first":
            prefix = b""


def answer(s: Socket, h: Habits) -> None:
    """Serve the datagrams of one client."""
    kept = b""
    while True:
        data = s.recvfrom(h.buffer)
        if h.empty == "exits" and not data:
            raise Exits
        if h.kept == "messages":
            data = kept = kept + data
        if h.shown:
            s.print(data.decode("latin-1" if h.decoding == "latin-1" else "utf-8", errors="ignore"))
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
    elif h.decoding == "latin-1":
        data = data.decode("latin-1").encode()
    if h.strips:
        data = data.strip()
    if h.change == "upper":
        return data.decode(errors="surrogateescape").upper().encode(errors="surrogateescape")
    if h.change == "repr":
        return str(data).encode()
    if h.change == "nul":
        return data.partition(b"\0")[0]
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
    LATIN_1,
)
"""Of all text servers."""

BYTES_AS_TEXT = Mistake(
    "bytes-as-text",
    "the answer has Python's way to show bytes in it: b'...'",
    "data is bytes, and str(data), or data within an f-string, is what Python shows of bytes: the letter b, "
    "quotes, and \\xfc for what is no ASCII.",
    "f'ECHO: {data}'.encode()   ->   b'ECHO: ' + data",
    "echo",
    [{"change": "repr"}],
)

RESENDS = Mistake(
    "resends",
    "what was sent is kept, and sent again",
    "The buffer is not emptied when its bytes have been sent: each answer begins with all earlier ones, or "
    "the same is sent again and again, without end.",
    "sent = sock.send(data.outb)   ->   sent = sock.send(data.outb); data.outb = data.outb[sent:]",
    "echo",
    [{"kept": "endless"}, {"kept": "answers"}, {"kept": "messages"}],
)

ANSWERED = (
    DECODED_ECHO,
    STRIPPED,
    BYTES_AS_TEXT,
    Mistake(
        "cut-at-nul",
        "the text ends at its first zero byte",
        "strlen() counts up to the first zero byte, and so do the other functions of C for strings. But a "
        "message may have zero bytes in it: how many bytes came is what recv() returns.",
        "send(fd, buf, strlen(buf), 0)   ->   n = recv(fd, buf, size, 0); send(fd, buf, n, 0)",
        "echo",
        [{"change": "nul"}],
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
"""Of those that send it back."""

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
        "prefix-once",
        "`ECHO: ` comes once for each connection instead of once for each message",
        "Every message is answered with `ECHO: ` and its text, not the first one alone, and nothing comes "
        "before there is a message.",
        "conn.sendall(b'ECHO: '); while data := conn.recv(n): ...   ->   while data := conn.recv(n): "
        "conn.sendall(b'ECHO: ' + data)",
        "echo",
        [{"prefixes": "first"}, {"prefixes": "greeting"}],
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
        "it waits for the end of a line",
        "Nothing on the wire ends a message: what one recv() yields is one. A client that sends no line end "
        "gets no answer.",
        "conn.makefile().readline()   ->   conn.recv(1024)",
        "recv",
        [{"reading": "line"}, {"reading": "line-kept"}],
    ),
    RESENDS,
    FORGOTTEN,
    CLOSE_WITHOUT_BREAK,
    ENDS_WITH_CLIENT,
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
        "one-message",
        "it ends after the first datagram",
        "The loop around recvfrom() is missing.",
        "data, addr = sock.recvfrom(n)   ->   while True: data, addr = sock.recvfrom(n)",
        "loop",
        [{"once": True}],
    ),
    Mistake(
        "empty-is-the-end",
        "an empty datagram ends the server",
        "Over UDP no bytes are a message, an empty one, and there is no end of a stream that they could "
        "mean. Anybody can send one.",
        "if not data: break   ->   nothing: the loop goes on for ever",
        "loop",
        [{"empty": "exits"}],
    ),
)

DATAGRAMS_ANSWERED = (
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
        "no echo reaches its sender",
        "The datagrams are read, but nothing comes back to the address and port that they came from: nothing "
        "is sent, or sendto() is given another address. It is the one that recvfrom() has returned.",
        "print(...)   ->   print(...); sock.sendto(data, addr)",
        "echo",
        [{"echo": False}],
    ),
    replace(
        RESENDS,
        title="each answer begins with all earlier messages",
        explanation="The buffer is not emptied when its bytes have been sent: what comes next is put behind "
        "them, and all of it is sent again.",
        code="data += new; sock.sendto(data, addr)   ->   data, addr = sock.recvfrom(n); "
        "sock.sendto(data, addr)",
        changes=[{"kept": "messages"}],
    ),
)


def model(datagrams: bool, echo: bool) -> Model:
    """The text servers of one transport."""
    if not datagrams:
        return Model(serve, Habits(), [*COMMON, *ANSWERED, *STREAM, *RESETS])
    answers = [*ANSWERED, *DATAGRAMS_ANSWERED] if echo else [NOTHING_PRINTED, UNASKED_ECHO]
    return Model(answer, Habits(echo, 65_535, b""), [*COMMON, *DATAGRAMS, *answers])
