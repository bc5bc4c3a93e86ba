"""How servers with binary frames are written, rightly and wrongly: fixed size and variable size."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Any

from netlab.check.models import Mistake, Model
from netlab.check.models.common import ASCII, CLOSE_WITHOUT_BREAK, DECODED_ECHO, FORGOTTEN, RESETS
from netlab.check.models.simulation import Forgotten, Socket

VERSION = 1
TEXT_LENGTH = 20
PREFIX = b"ECHO: "
LIMIT = 1 << 20
BUFFER = 4_096


@dataclass(frozen=True)
class Habits:
    """How a server is written. The defaults are right."""

    fixed: bool = False
    echo: bool = True
    numbers: str = "!"
    """What stands in front of the struct format."""
    size_first: bool = False
    swapped: bool = False
    reading: str = "exact"
    """exact: until all is there. no-loop: recv(n) is taken for n bytes (apart: for header and text, each by a
    recv() of its own). header-loop, text-loop: only this is read rightly. one-recv: what a recv() yields is a
    frame. whole-recv: and sent back as it came. first-of-recv: it begins with one.
    """
    short: str = "raise"
    """What is done with less than a header: raise (by unpack), or leave."""
    decoding: str = "none"
    """none: the bytes are kept. strict, ascii: what cannot be decoded raises. early: each piece is decoded.
    replace, ignore: what cannot be decoded is changed, and comes back so.
    """
    reply: str = "frame"
    """frame, text, field (the text with its padding), prefixed (in the frame), prefix-frame, prefix-text,
    newline, none, stripped (padding gone).
    """
    size: str = "same"
    """same, characters, bytes, whole (with the header), cut (20 at most)."""
    order: str = "same"
    """same, counted (the server's own)."""
    versions: str = "checked"
    limit: bool = True
    zero: str = "message"
    """message, or end: an empty text is taken for the end."""
    end: str = "leave"
    """leave: and close. forgotten: to close. close: without leaving the loop. unseen: not asked for."""
    once: bool = False
    resets: str = "caught"
    """caught, uncaught, getpeername (called while it deals with one)."""


def serve(s: Socket, h: Habits) -> None:
    """Serve one client."""
    try:
        _loop(s, h)
        if h.end == "forgotten":
            raise Forgotten
    except ConnectionResetError:
        if h.resets == "uncaught":
            raise
        if h.resets == "getpeername":
            s.getpeername()


def _loop(s: Socket, h: Habits) -> None:
    header = struct.Struct(h.numbers + ("BLL20s" if h.fixed else "BLL"))
    count = 0
    while True:
        read = _read_fixed(s, h, header) if h.fixed else _read_variable(s, h, header)
        if read is None:
            if h.end == "close":
                s.close()
                continue
            return
        version, order, size, text, raw = read
        if version != VERSION and h.versions == "checked":
            return
        if h.zero == "end" and not (text.rstrip(b"-") if h.fixed else text):
            return
        text = _decoded(h, text)
        # What is printed, in a server that gets the numbers wrong, is the wrong numbers.
        s.print(_shown(h, text), order, size)
        if h.echo:
            count += 1
            answer = _answer(h, header, version, count if h.order == "counted" else order, size, text, raw)
            if answer:
                s.sendall(answer)
        if h.once:
            return


def _shown(h: Habits, text: bytes) -> str:
    if h.fixed:
        return text.rstrip(b"-").decode(errors="ignore")
    return text.decode(errors="ignore")


Read = "tuple[int, int, int, bytes, bytes] | None"


def _read_fixed(s: Socket, h: Habits, frame: struct.Struct) -> Any:
    if h.reading in ("apart", "header-loop", "text-loop"):
        return _read_apart(s, h, struct.Struct(frame.format.removesuffix("20s")))
    if h.reading == "exact":
        data = _exactly(s, frame.size)
        if len(data) < frame.size and (data or h.end != "unseen"):
            return None
    elif h.reading in ("whole-recv", "first-of-recv"):
        data = s.recv(BUFFER)
    else:
        data = s.recv(frame.size)
    if not data and h.end != "unseen":
        return None
    if len(data) < frame.size and h.short == "leave":
        return None
    raw = data
    if h.reading == "first-of-recv":
        data = data[: frame.size]
    version, order, size, text = frame.unpack(data)
    if h.swapped:
        order, size = size, order
    return version, order, size, text, raw


def _read_apart(s: Socket, h: Habits, header: struct.Struct) -> Any:
    head = _exactly(s, header.size) if h.reading == "header-loop" else s.recv(header.size)
    if not head and h.end != "unseen":
        return None
    if len(head) < header.size and h.short == "leave":
        return None
    version, order, size = header.unpack(head)
    text = _exactly(s, TEXT_LENGTH) if h.reading == "text-loop" else s.recv(TEXT_LENGTH)
    if len(text) < TEXT_LENGTH and (not text or h.reading == "text-loop" or h.short == "leave"):
        return None
    return version, order, size, text, head + text


def _read_variable(s: Socket, h: Habits, header: struct.Struct) -> Any:
    if h.reading in ("one-recv", "whole-recv"):
        return _read_at_once(s, h, header)
    data = _exactly(s, header.size) if h.reading in ("exact", "header-loop") else s.recv(header.size)
    if not data and h.end != "unseen":
        return None
    if len(data) < header.size and (h.short == "leave" or (h.reading == "exact" and h.end != "unseen")):
        return None
    version, order, size = header.unpack(data)
    if h.size_first != h.swapped:
        order, size = size, order
    if version != VERSION and h.versions == "checked":
        return version, order, size, b"", data
    if size > LIMIT and h.limit:
        return None
    if h.reading in ("exact", "text-loop"):
        text = _pieces(s, h, size)
        if len(text) < size:
            return None
    else:
        text = s.recv(size)
    return version, order, size, text, data + text


def _read_at_once(s: Socket, h: Habits, header: struct.Struct) -> Any:
    data = s.recv(BUFFER)
    if not data and h.end != "unseen":
        return None
    if len(data) < header.size and h.short == "leave":
        return None
    version, order, size = header.unpack(data[: header.size])
    if h.size_first != h.swapped:
        order, size = size, order
    if version == VERSION and size > LIMIT and h.limit:
        return None
    text = data[header.size :][:size]
    if h.reading == "one-recv":
        data = data[: header.size] + text
    return version, order, size, text, data


def _exactly(s: Socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := s.recv(size - len(data))):
        data += piece
    return data


def _pieces(s: Socket, h: Habits, size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := s.recv(size - len(data))):
        if h.decoding == "early":
            piece.decode()
        data += piece
    return data


def _decoded(h: Habits, text: bytes) -> bytes:
    in_pieces = h.reading in ("exact", "text-loop")  # else there is one piece only
    if h.decoding == "strict" or (h.decoding == "early" and in_pieces):
        text.decode()
    elif h.decoding == "ascii":
        text.decode("ascii")
    elif h.decoding in ("replace", "ignore"):
        back = text.decode(errors=h.decoding).encode()
        return back[:TEXT_LENGTH].ljust(TEXT_LENGTH, b"-") if h.fixed else back
    return text


def _answer(
    h: Habits, header: struct.Struct, version: int, order: int, size: int, text: bytes, raw: bytes
) -> bytes:
    words = text.rstrip(b"-") if h.fixed else text
    if h.reply == "none":
        return b""
    if h.reply == "text":
        return words
    if h.reply == "field":
        return text
    if h.reply == "prefix-text":
        return PREFIX + words
    if h.reply == "prefixed":
        text = (PREFIX + words)[:TEXT_LENGTH].ljust(TEXT_LENGTH, b"-") if h.fixed else PREFIX + text
        size += len(PREFIX)
    elif h.reply == "stripped":
        text = words
    elif h.reply == "kept-stripped":
        text = words[:size]
    size = {
        "same": size,
        "characters": len(words.decode(errors="replace")),
        "bytes": len(words),
        "whole": size + (29 if h.fixed else 9),
        "cut": min(size, TEXT_LENGTH),
    }[h.size]
    plain = h.reply in ("frame", "newline", "prefix-frame") and h.size == "same" and h.order == "same"
    if plain and h.decoding not in ("replace", "ignore"):
        frame = raw
    else:
        first, second = (size, order) if h.size_first != h.swapped else (order, size)
        frame = header.pack(version, first, second, *([text] if h.fixed else [])) + (b"" if h.fixed else text)
    if h.reply == "prefix-frame":
        return PREFIX + frame
    return frame + b"\n" if h.reply == "newline" else frame


def one_recv(*readings: str) -> Mistake:
    """One recv() for one frame: what becomes of the rest of it differs."""
    return Mistake(
        "one-recv",
        "one recv() is taken for one frame",
        "TCP is a stream: recv() returns what has come so far, which may be half a frame or three of them. "
        "This server takes what one recv() returned for exactly one frame.",
        "data = conn.recv(1024); struct.unpack(...)   ->   read exactly the bytes of one frame in a loop, "
        "keep the rest",
        "recv",
        [{"reading": reading, "short": short} for reading in readings for short in ("raise", "leave")],
    )


HALF = "header-loop", "text-loop"
"""Ways of reading only a half of each frame rightly."""


def no_loop(*readings: str) -> Mistake:
    """recv(n) for n bytes: of the whole frame, or of header and text apart."""
    return Mistake(
        "no-loop",
        "recv(n) is taken for n bytes",
        "recv(n) returns n bytes at most, and fewer when fewer have come. There is no loop around it, so a "
        "frame that comes in two segments is torn apart.",
        "data = conn.recv(size)   ->   while len(data) < size: data += conn.recv(size - len(data))",
        "recv",
        [{"reading": reading, "short": short} for reading in readings for short in ("raise", "leave")],
    )


BOTH = (
    Mistake(
        "native-struct",
        "`!` is missing in the struct format, so that it is laid out as this machine likes it",
        "Without `!` the struct module uses the machine's own byte order, its own sizes (a long has 8 "
        "bytes) and its own padding: the frame that is waited for is longer than the one that comes.",
        "struct.unpack('BLL...', data)   ->   struct.unpack('!BLL...', data)",
        "struct",
        [{"numbers": "@"}],
    ),
    Mistake(
        "little-endian",
        "numbers are read in little-endian",
        "On the wire numbers are in network byte order, the big end first: 00 00 00 05 is 5. Read with the "
        "little end first it is 83,886,080.",
        "struct.unpack('<BLL...', data)   ->   struct.unpack('!BLL...', data)",
        "struct",
        [{"numbers": "<"}],
    ),
    Mistake(
        "strict-decode",
        "text that is no UTF-8 raises an exception",
        "Bytes come from anybody: decode() raises UnicodeDecodeError for those that are no UTF-8, also for "
        "a text that was cut inside a character. Nobody catches it.",
        "text = data.decode()   ->   text = data.decode(errors='replace')   (and echo the bytes, not the "
        "text)",
        "decode",
        [{"decoding": "strict"}],
    ),
    ASCII,
    DECODED_ECHO,
    Mistake(
        "text-echo",
        "the text is sent back instead of the frame",
        "The echo is to be the identical frame: version, order, size and text. Only the text comes back, "
        "and a client that waits for a frame waits for ever.",
        "conn.sendall(text)   ->   conn.sendall(header + text)",
        "echo",
        [{"reply": "text"}, {"reply": "field"}],
    ),
    Mistake(
        "echo-prefix",
        "`ECHO: ` stands in the answer, where none belongs",
        "`ECHO: ` is what the text server of chapter 2 puts in front. With binary frames the echo is the "
        "identical frame.",
        "conn.sendall(b'ECHO: ' + ...)   ->   conn.sendall(the frame as it came)",
        "echo",
        [{"reply": "prefixed"}, {"reply": "prefix-frame"}, {"reply": "prefix-text"}],
    ),
    Mistake(
        "newline",
        "a line end is sent behind each answer",
        "Frames need no line end: the next byte belongs to the next frame already.",
        "conn.sendall(frame + b'\\n')   ->   conn.sendall(frame)",
        "echo",
        [{"reply": "newline"}],
    ),
    Mistake(
        "no-echo",
        "nothing is sent back",
        "The messages are read, but no echo leaves the server.",
        "print(...)   ->   print(...); conn.sendall(frame)",
        "echo",
        [{"reply": "none"}],
    ),
    Mistake(
        "own-order",
        "the echo has an order of the server's own",
        "The order is the client's: by it, it knows which of its messages is answered.",
        "pack(1, self.count, ...)   ->   pack(1, order, ...)",
        "echo",
        [{"order": "counted"}],
    ),
    Mistake(
        "size-counts-header",
        "size counts the header, too",
        "Size is the length of the text alone.",
        "size = len(frame)   ->   size = len(text)",
        "size",
        [{"size": "whole"}],
    ),
    Mistake(
        "one-message",
        "a connection is closed after its first message",
        "The loop around reading and answering is missing: a client says one thing and is sent away.",
        "data = recv(...); answer   ->   while True: data = recv(...); answer",
        "loop",
        [{"once": True}],
    ),
    FORGOTTEN,
    CLOSE_WITHOUT_BREAK,
    Mistake(
        "end-unseen",
        "the end of the stream is not looked for",
        "When the client closes, recv() returns no bytes. They are taken for a message, and unpack() raises "
        "struct.error.",
        "data = conn.recv(n); unpack(data)   ->   if not data: break",
        "loop",
        [{"end": "unseen"}],
    ),
    Mistake(
        "zero-is-the-end",
        "an empty text is taken for the end of the connection",
        "recv(0) returns no bytes, as the end of the stream does. A frame of size 0 has no text to be read.",
        "text = conn.recv(size); if not text: break   ->   ask for the end where the header is read",
        "loop",
        [{"zero": "end"}],
    ),
    Mistake(
        "version-ignored",
        "the version is not looked at",
        "Every frame begins with the version, 1. Who does not look at it takes any bytes for a frame.",
        "version, ... = unpack(...)   ->   if version != 1: close",
        "header",
        [{"versions": "ignored"}],
    ),
)

VARIABLE = (
    Mistake(
        "fields-swapped",
        "order and size have changed places",
        "The header's fields come as version, order, size. This program takes the first number for the size "
        "and the second for the order. (Some labs' scripts do so: if yours are to, check with --layout "
        "scripts.)",
        "version, size, order = struct.unpack(...)   ->   version, order, size = struct.unpack(...)",
        "header",
        [{"swapped": True}],
    ),
    Mistake(
        "size-in-characters",
        "size is counted in characters instead of bytes",
        "len(text) counts characters; `ü` is one character and two bytes. The echo announces less than it "
        "brings.",
        "size = len(text)   ->   size = len(text.encode())",
        "size",
        [{"size": "characters"}],
    ),
    Mistake(
        "decode-early",
        "each piece is decoded before the frame is complete",
        "A piece may end inside a character: `ü` is two bytes, and a segment may end between them. Then "
        "decode() raises UnicodeDecodeError.",
        "text += conn.recv(n).decode()   ->   data += conn.recv(n); and decode when all is there",
        "decode",
        [{"decoding": "early"}],
    ),
    Mistake(
        "no-limit",
        "any announced size is believed",
        "Anybody can write 4 GiB into a header. Who believes it waits for ever, or takes the memory for it.",
        "data = recv_exactly(size)   ->   if size > LIMIT: close, before anything is read",
        "size",
        [{"limit": False}],
    ),
)

FIXED = (
    Mistake(
        "padding-stripped",
        "the padding is stripped in the echo",
        "The text field is 20 bytes, padded with `-`. The padding was taken off, and struct fills up with "
        "zeros.",
        "pack(..., text.rstrip(b'-'))   ->   pack(..., field as it came)",
        "padding",
        [{"reply": "stripped"}, {"reply": "kept-stripped"}],
    ),
    Mistake(
        "size-cut",
        "size is changed where the text was cut",
        "Size is the length of the text as it was typed: above 20, it says that the text was cut. The echo "
        "has to carry the same number.",
        "size = min(size, 20), size = len(text)   ->   size as it came",
        "size",
        [{"size": "cut"}, {"size": "characters"}, {"size": "bytes"}],
    ),
)


def model(fixed: bool, echo: bool, size_first: bool) -> Model:
    """The servers of one format."""
    if fixed:
        readings = one_recv("whole-recv", "first-of-recv"), no_loop("no-loop", "apart", *HALF)
    else:
        readings = one_recv("one-recv", "whole-recv"), no_loop("no-loop", *HALF)
    right = replace(Habits(), fixed=fixed, echo=echo, size_first=size_first)
    return Model(serve, right, [*readings, *BOTH, *(FIXED if fixed else VARIABLE), *RESETS])
