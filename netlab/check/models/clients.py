"""How clients are written, rightly and wrongly: what they make of typed lines, and of the answers."""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import dataclass, replace

from netlab.check.evidence import Fact
from netlab.check.formats import HEADER_LENGTH, TEXT_LENGTH, VERSION
from netlab.check.models import Mistake, Model
from netlab.check.models.simulation import Confused, GivesUp, Seat, Strays, Waits
from netlab.wire.text import REPLY_PREFIX

HUGE = b"\xff\xff\xff\xff"
"""A size that no recv() can be asked for."""
BUFFER = 65_535
"""Bytes: more than any datagram or any answer of a case has."""


@dataclass(frozen=True)
class Habits:
    """How a client is written. The defaults are right."""

    variant: str = "v3"
    echo: bool = True
    size_first: bool = False

    # What is sent.
    input: str = "lines"
    """lines: one after the other. all: until the input ends, as one text."""
    eof: str = "ends"
    """ends. unseen: an input that has ended is taken for empty lines. waits: for the server, which waits."""
    change: str = "none"
    """none, strip, rstrip, repr: what is done to the text before it is sent."""
    behind: str = ""
    """What is sent behind the text, as a part of it: a line's end."""
    trailer: bytes = b""
    """What is sent behind the whole message."""
    encoding: str = "utf-8"
    errors: str = "strict"
    empty: str = "right"
    """right. waits: for the answer to an empty text that was never sent."""
    header: bool = True
    version: int = VERSION
    numbers: str = "!"
    """What stands in front of the struct format."""
    letter: str = "L"
    swapped: bool = False
    size: str = "right"
    """right, characters, bytes, whole (with the header), cut (20 at most), cut-bytes, field (20 always)."""
    order: str = "counts"
    """counts, stays, from-zero, twice."""
    other: bool = False
    """Is it the other format: fixed instead of variable, or the other way round?"""
    padding: bytes = b"-"
    """What a fixed field is filled up with; nothing: it is not."""
    cut: bool = True
    """Is a text cut to its field?"""
    units: str = "bytes"
    """bytes, characters: in what the field is measured that a text is cut and padded to."""
    once: bool = False
    each: bool = False
    """Has each message a connection of its own?"""

    # What comes back.
    reads: bool = True
    prints: str = "text"
    """text, bytes (as Python shows them), nothing."""
    reading: str = "exact"
    """exact: until all is there. no-loop: recv(n) is taken for n bytes, header and text apart. whole-recv:
    both at once. header-loop, text-loop: only this is read rightly. one-recv: what a recv() yields is the
    echo. first-of-recv: it begins with it. length: no prefix is expected. one-prefix: only one is.
    """
    buffer: int = BUFFER
    decoding: str = "lenient"
    """lenient. strict: what cannot be decoded raises. strict-echo: of a right echo. early: of each piece.
    none: they are no text.
    """
    limit: bool = True
    end: str = "seen"
    """seen. loop: it is read on for ever. unpack: no bytes are taken for a frame."""
    losses: str = "caught"
    """caught, uncaught, refused (only that is not caught), reset (only that is not caught)."""
    timeouts: str = "caught"


def play(s: Seat, h: Habits) -> None:
    """Be a client."""
    try:
        if h.variant != "udp":
            s.connect()
        _talk(s, h)
    except ConnectionRefusedError:
        if h.losses in ("uncaught", "refused"):
            raise
    except ConnectionResetError:
        if h.losses in ("uncaught", "reset"):
            raise
        raise GivesUp from None


def _talk(s: Seat, h: Habits) -> None:
    order = 0 if h.order == "from-zero" else 1
    while True:
        try:
            text = _line(s, h)
        except EOFError:
            if h.eof == "waits":
                _wait(s, h)
            return
        data = _packed(h, order, text)
        if h.variant == "tcp" and not data:
            if h.empty == "waits":
                raise Waits
            continue
        s.sendall(data)
        if h.echo and h.reads:
            _take(s, h, data)
        order += {"stays": 0, "twice": 2}.get(h.order, 1)
        if h.each:
            with suppress(EOFError):
                _line(s, h)
                s.connect()  # what passes over that one is no part of this exchange
        if h.once or h.each:
            return


def _wait(s: Seat, h: Habits) -> None:
    """Read for as long as the connection lasts."""
    with suppress(GivesUp):
        while True:
            _read(s, h, h.buffer)


def _line(s: Seat, h: Habits) -> str:
    text = _all(s) if h.input == "all" else _next(s, h)
    if h.change == "strip":
        text = text.strip()
    elif h.change == "rstrip":
        text = text.rstrip()
    elif h.change == "repr":
        text = str(text.encode())
    return text + h.behind


def _next(s: Seat, h: Habits) -> str:
    try:
        return s.input()
    except EOFError:
        if h.eof == "unseen":
            return ""
        raise


def _all(s: Seat) -> str:
    lines: list[str] = []
    try:
        while True:
            lines.append(s.input() + "\n")
    except EOFError:
        if not lines:
            raise
        return "".join(lines)


# The bytes of a message.


def _packed(h: Habits, order: int, text: str) -> bytes:
    data = text.encode(h.encoding, h.errors)
    if h.variant in ("udp", "tcp") or not h.header:
        return data + h.trailer
    size = _size(h, text, data)
    if (h.variant == "v2") != h.other:
        if h.units == "characters":
            data = text[:TEXT_LENGTH].ljust(TEXT_LENGTH, "-").encode(h.encoding, h.errors)
        elif h.cut:
            data = data[:TEXT_LENGTH]
        data = data.ljust(TEXT_LENGTH, h.padding) if h.padding else data
    first, second = (size, order) if h.size_first != h.swapped else (order, size)
    # The text may be a field of the format or stand behind it: that is the same, as it is aligned to nothing.
    header = struct.pack(f"{h.numbers}B{h.letter}{h.letter}", h.version, first, second)
    return header + data + h.trailer


def _size(h: Habits, text: str, data: bytes) -> int:
    fixed = h.variant == "v2"
    right = len(text) if fixed else len(data)
    return {
        "right": right,
        "characters": len(text),
        "bytes": len(data),
        "whole": right + HEADER_LENGTH + (TEXT_LENGTH if fixed else 0),
        "cut": min(right, TEXT_LENGTH),
        "cut-bytes": min(len(data), TEXT_LENGTH),
        "field": TEXT_LENGTH,
    }[h.size]


# What comes back.


def _take(s: Seat, h: Habits, sent: bytes) -> None:
    there = s.ahead(len(sent) + len(REPLY_PREFIX) * (h.variant == "tcp"))  # what a right reader would get
    if h.variant == "udp":
        echo, right, text = _datagram(s, h), sent, sent
    elif h.variant == "tcp":
        echo, right, text = _answer(s, h, sent), REPLY_PREFIX + sent, sent
    else:
        echo, right, text = _frame(s, h, len(sent)), sent, sent[HEADER_LENGTH:]
    came = echo[len(right) - len(text) :]
    misread = len(echo) == h.buffer if h.variant == "udp" else h.reading != "exact" and echo != there
    if misread and echo != right:
        if h.reading == "first-of-recv" and echo.startswith(right):
            _print(s, h, text)
        raise Confused
    if h.decoding == "strict":
        came.decode()
    wrong = Strays if h.eof == "waits" else GivesUp
    if not echo.startswith(right):
        raise wrong
    if h.decoding == "strict-echo":
        came.decode()
    _print(s, h, text)
    if echo != right:
        raise wrong


def _print(s: Seat, h: Habits, text: bytes) -> None:
    if h.variant == "v2":
        text = text.rstrip(b"-")
    if h.prints == "text":
        s.print(text.decode(errors="ignore"))
    elif h.prints == "bytes":
        s.print(str(text))


def _datagram(s: Seat, h: Habits) -> bytes:
    with suppress(Waits):
        return s.recvfrom(h.buffer)
    raise TimeoutError if h.timeouts == "uncaught" else GivesUp


def _answer(s: Seat, h: Habits, sent: bytes) -> bytes:
    """The answer of a text server, as if it had come with one prefix."""
    if h.reading in ("one-recv", "first-of-recv"):
        return _read(s, h, h.buffer)
    if h.reading == "length":
        return _exactly(s, h, len(sent))
    if h.reading == "one-prefix":
        return _exactly(s, h, len(REPLY_PREFIX + sent))
    came = b""
    while len(text := came.replace(REPLY_PREFIX, b"")) < len(sent) or not came.startswith(REPLY_PREFIX):
        came += _read(s, h, h.buffer)
        if not came.startswith(REPLY_PREFIX[: len(came)]):
            return came
    return REPLY_PREFIX + text


def _frame(s: Seat, h: Habits, length: int) -> bytes:
    if h.reading in ("one-recv", "first-of-recv"):
        came = _read(s, h, h.buffer)
        return came[:length] if h.reading == "first-of-recv" else came
    if h.reading == "whole-recv" or (h.reading == "no-loop" and h.variant == "v2"):
        return _read(s, h, length)
    read = _exactly if h.reading in ("exact", "header-loop") else _read
    header = read(s, replace(h, decoding="none"), HEADER_LENGTH)
    if not h.limit and HUGE in header:
        raise MemoryError
    rest = length - HEADER_LENGTH
    if h.reading in ("exact", "text-loop"):
        return header + _exactly(s, h, rest)
    return header + (_read(s, h, rest) if rest else b"")


def _exactly(s: Seat, h: Habits, length: int) -> bytes:
    came = b""
    while len(came) < length:
        came += _read(s, h, length - len(came))
    return came


def _read(s: Seat, h: Habits, size: int) -> bytes:
    """One recv(), and what is done when it returns nothing."""
    piece = s.recv(size)
    if not piece and h.end == "seen":
        raise GivesUp
    if not piece and h.end == "unpack":
        raise struct.error
    if h.decoding == "early":
        piece.decode()
    return piece


BUFFERS = (32, 64, 1_024, BUFFER)
"""Bytes that recv() is given: with 64 to 1,024 all comes out the same, since no case has an echo between."""

SENDING = (
    Mistake(
        "newline",
        "a line end is sent with the text",
        "The line that was read ends in a newline, or one was added. It is no part of the text: input() "
        "takes it off, sys.stdin.readline() and fgets() do not.",
        "line = sys.stdin.readline()   ->   line = input()",
        "input",
        [{"behind": "\n"}, {"behind": "\r\n"}, {"trailer": b"\n"}],
    ),
    Mistake(
        "nul-sent",
        "a zero byte is sent with the text",
        "In C a string ends with a zero byte, and strlen() does not count it. It is no part of the text.",
        "send(fd, text, strlen(text) + 1, 0)   ->   send(fd, text, strlen(text), 0)",
        "input",
        [{"behind": "\0"}, {"trailer": b"\0"}],
    ),
    Mistake(
        "stripped",
        "blanks at the text's ends are not sent",
        "strip() takes off more than the line's end.",
        "text = input().strip()   ->   text = input()",
        "input",
        [{"change": "strip"}, {"change": "rstrip"}],
    ),
    Mistake(
        "bytes-as-text",
        "the text is sent as Python shows bytes: b'...'",
        "str() of bytes is what Python would print of them, with b and quotation marks.",
        "str(text.encode()).encode()   ->   text.encode()",
        "decode",
        [{"change": "repr"}],
    ),
    Mistake(
        "ascii",
        "text is encoded in ASCII",
        "ü, ß and all else beyond ASCII cannot be sent so.",
        "text.encode('ascii')   ->   text.encode()",
        "decode",
        [{"encoding": "ascii", "errors": errors} for errors in ("strict", "replace", "ignore")],
    ),
    Mistake(
        "not-utf-8",
        "text is not encoded in UTF-8",
        "In Latin-1 `ü` is one byte, in UTF-16 each character has two at least. The server takes all text "
        "for UTF-8, which is what encode() makes unless told otherwise.",
        "text.encode('latin-1')   ->   text.encode()",
        "decode",
        [
            {"encoding": encoding, "errors": errors}
            for encoding in ("latin-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be")
            for errors in ("strict", "replace", "ignore")
        ],
    ),
    Mistake(
        "whole-input",
        "all of the input is read before anything is sent",
        "sys.stdin.read() returns when the input has ended: several lines become one message, and none is "
        "sent before the end.",
        "text = sys.stdin.read()   ->   for each line: text = input()",
        "input",
        [{"input": "all"}],
    ),
    Mistake(
        "one-message",
        "it ends after its first message",
        "The loop around reading a line and sending it is missing.",
        "text = input(); sock.sendall(...)   ->   while True: text = input(); sock.sendall(...)",
        "input",
        [{"once": True}],
    ),
    Mistake(
        "end-of-input-unseen",
        "the end of the input is not looked for",
        "At the end of the input readline() returns an empty string, again and again: it is taken for an "
        "empty line, and the client never ends.",
        "line = sys.stdin.readline()   ->   line = sys.stdin.readline(); if not line: break",
        "input",
        [{"eof": "unseen"}],
    ),
)

TAKING = (
    Mistake(
        "echo-unread",
        "the echo is not read",
        "With --echo the server sends each message back. It arrives, and nobody calls recv().",
        "sock.sendall(data)   ->   sock.sendall(data); read the echo and print it",
        "client-echo",
        [{"reads": False}],
    ),
    Mistake(
        "echo-at-end",
        "the echo is read only when the input has ended",
        "First all lines are sent, then all echoes are read. Who types sees nothing of his echoes until he "
        "has ended, and a server that waits until they are taken stops reading.",
        "for line in lines: sendall(...)  for line in lines: recv(...)   ->   for line in lines: "
        "sendall(...); recv(...)",
        "client-echo",
        fact=Fact.AT_END,
    ),
    Mistake(
        "echo-unprinted",
        "the echo is read and not printed",
        "Only who prints what came back can see whether it is what was sent.",
        "recv(...)   ->   print(recv(...).decode())",
        "client-echo",
        [{"prints": "nothing"}],
    ),
    Mistake(
        "bytes-printed",
        "the echo is printed as Python shows bytes: b'...'",
        "recv() returns bytes. What people read comes of decode().",
        "print(data)   ->   print(data.decode())",
        "decode",
        [{"prints": "bytes"}],
    ),
    Mistake(
        "strict-decode",
        "an echo that is no UTF-8 raises an exception",
        "decode() raises UnicodeDecodeError for bytes that are no UTF-8. A broken server may send such, and "
        "a frame of fixed size may have been cut inside a character.",
        "text = data.decode()   ->   text = data.decode(errors='replace')",
        "decode",
        [{"decoding": "strict"}],
    ),
)

STREAM = (
    Mistake(
        "never-closed",
        "at the end of the input the connection is neither shut down nor closed",
        "The client waits for its receiving thread, which waits for the server, which waits for the client: "
        "none of them ever ends. Who has nothing more to say says so.",
        "receiver.join()   ->   sock.shutdown(socket.SHUT_WR); receiver.join()",
        "client-loss",
        [{"eof": "waits"}],
    ),
    Mistake(
        "connection-each",
        "each message has a connection of its own",
        "Connecting, sending and closing stand in one loop. A connection lasts: it is made once, before the "
        "loop, and closed behind it.",
        "while True: sock.connect(...); sock.sendall(...); sock.close()   ->   connect; while True: send; "
        "close",
        "input",
        [{"each": True}],
        Fact.RECONNECTS,
    ),
    Mistake(
        "one-recv",
        "one recv() is taken for the whole echo",
        "TCP is a stream: recv() returns what has come so far, which may be a part of the echo, or more "
        "than it. Its number is how much it may return at most.",
        "data = sock.recv(1024)   ->   read in a loop until all of the echo is there",
        "client-recv",
        [
            {"reading": reading, "buffer": size}
            for reading in ("one-recv", "first-of-recv")
            for size in BUFFERS
        ],
    ),
    Mistake(
        "end-unseen",
        "it is not looked for the end of the connection",
        "When the server has closed, recv() returns no bytes, at once and again and again. Who waits for "
        "more in a loop waits for ever, and who unpacks them gets a struct.error.",
        "data += sock.recv(n)   ->   piece = sock.recv(n); if not piece: say so and end",
        "client-loss",
        [{"end": "loop"}, {"end": "unpack"}],
    ),
    Mistake(
        "loss-uncaught",
        "the errors of a connection are not caught",
        "connect() raises ConnectionRefusedError where nobody listens; sendall() and recv() raise "
        "ConnectionResetError when the connection is lost. People want one line that says so.",
        "sock.connect(...)   ->   try: ... except OSError as error: sys.exit(f'no connection: {error}')",
        "client-loss",
        [{"losses": losses} for losses in ("uncaught", "refused", "reset")],
    ),
)

PIECES = (
    Mistake(
        "decode-early",
        "each piece of the echo is decoded before all is there",
        "A piece may end inside a character: `ü` is two bytes, and a segment may end between them. Then "
        "decode() raises UnicodeDecodeError.",
        "text += sock.recv(n).decode()   ->   data += sock.recv(n); and decode when all is there",
        "decode",
        [{"decoding": "early"}],
    ),
)
"""Named behind all others: for one recv() it is the same as `strict-decode`."""

TEXT = (
    Mistake(
        "prefix-unexpected",
        "`ECHO: ` is not expected in the answer",
        "The answer is six bytes longer than the text. Who reads as many bytes as he sent leaves the rest "
        "in the stream, where the next answer should begin.",
        "read len(text) bytes   ->   read len('ECHO: ') + len(text) bytes",
        "client-recv",
        [{"reading": "length"}],
    ),
    Mistake(
        "one-prefix",
        "only one `ECHO: ` is expected",
        "A server that reads the text in two pieces answers both, each with its own `ECHO: `: the answer is "
        "whole when their texts are what was sent.",
        "read until 6 + len(text) bytes are there   ->   read until so much text is there, without the "
        "prefixes",
        "client-recv",
        [{"reading": "one-prefix"}],
    ),
    Mistake(
        "empty-waits",
        "it waits for an answer to an empty line",
        "To send nothing sends nothing: no answer to it will come.",
        "sock.sendall(text); sock.recv(...)   ->   if text: sock.sendall(text); sock.recv(...)",
        "input",
        [{"empty": "waits"}],
    ),
)

DATAGRAMS = (
    Mistake(
        "small-buffer",
        "recvfrom() has too little room: the rest of a longer echo is thrown away",
        "A datagram is read at once or never: what does not fit into the buffer is gone, without a word.",
        "sock.recvfrom(1024)   ->   sock.recvfrom(65535)",
        "recvfrom",
        [{"buffer": size} for size in BUFFERS[:-1]],
    ),
    Mistake(
        "waits-for-ever",
        "an echo that was lost is waited for, for ever",
        "UDP loses datagrams. Without a timeout recvfrom() waits until somebody sends one, and nobody will.",
        "sock = socket.socket(...)   ->   sock.settimeout(5), and except TimeoutError",
        "recvfrom",
        fact=Fact.HANGS,
    ),
    Mistake(
        "timeout-uncaught",
        "the end of the time is not caught",
        "After settimeout() recvfrom() raises TimeoutError when nothing has come. Nobody catches it.",
        "data, addr = sock.recvfrom(n)   ->   try: ... except TimeoutError: say that the echo was lost",
        "recvfrom",
        [{"timeouts": "uncaught"}],
    ),
    Mistake(
        "takes-from-anybody",
        "anybody's datagram is taken for the echo",
        "recvfrom() returns whatever arrives at the port, and from whom. Only what comes from the server is "
        "its echo.",
        "data, addr = sock.recvfrom(n)   ->   sock.connect(server); or look whether addr is the server's",
        "recvfrom",
        fact=Fact.STRANGERS,
    ),
)

NUMBERS = (
    Mistake(
        "little-endian",
        "numbers are sent in little-endian",
        "On the wire numbers are in network byte order, the big end first: 5 is 00 00 00 05. With the "
        "little end first the server reads 83,886,080.",
        "struct.pack('<BLL...', ...)   ->   struct.pack('!BLL...', ...)",
        "struct",
        [{"numbers": "<"}],
    ),
    Mistake(
        "native-struct",
        "`!` is missing in the struct format, so that it is laid out as this machine likes it",
        "Without `!` the struct module uses the machine's own byte order, its own sizes (a long may have 8 "
        "bytes) and its own padding between the fields.",
        "struct.pack('BLL...', ...)   ->   struct.pack('!BLL...', ...)",
        "struct",
        [{"numbers": "@"}, {"numbers": "@", "letter": "I"}],
    ),
    Mistake(
        "number-width",
        "the numbers have the wrong number of bytes",
        "Order and size have four bytes each: `L` or `I` with `!`. `H` has two, `Q` has eight.",
        "struct.pack('!BHH...', ...)   ->   struct.pack('!BLL...', ...)",
        "struct",
        [{"letter": "H"}, {"letter": "Q"}],
    ),
    Mistake(
        "fields-swapped",
        "order and size have changed places",
        "The header's fields are version, order, size, in this sequence. (Some labs' scripts send size "
        "first: if yours are to, check with --layout scripts.)",
        "struct.pack('!BLL', 1, size, order)   ->   struct.pack('!BLL', 1, order, size)",
        "header",
        [{"swapped": True}],
    ),
    Mistake(
        "version-wrong",
        "the version is not 1",
        "The version is that of the format, 1 in all of them: it is no chapter's number, and no character.",
        "struct.pack(..., 2, ...)   ->   struct.pack(..., 1, ...)",
        "header",
        [{"version": version} for version in (0, 2, 3, ord("1"))],
    ),
    Mistake(
        "no-header",
        "the text is sent without a header",
        "The server reads version, order and size before the text: it takes the text's first bytes for them.",
        "sock.sendall(text)   ->   sock.sendall(header + text)",
        "header",
        [{"header": False}],
    ),
    Mistake(
        "order-stays",
        "the order is never counted up",
        "Each message has the order of the one before plus one: by it an echo is known.",
        "pack(1, order, ...)   ->   pack(1, order, ...); order += 1",
        "header",
        [{"order": "stays"}],
    ),
    Mistake(
        "order-from-zero",
        "the orders begin at 0",
        "The first message of a connection has order 1.",
        "order = 0   ->   order = 1",
        "header",
        [{"order": "from-zero"}],
    ),
    Mistake(
        "order-twice",
        "the order is counted up twice",
        "Each message has the order of the one before plus one. Here it grows by two: at two places, such as "
        "where the frame is made and in the loop.",
        "order += 1 in two places   ->   order += 1 in one",
        "header",
        [{"order": "twice"}],
    ),
    Mistake(
        "size-counts-header",
        "size counts the header, too",
        "Size is the length of the text alone. The server waits for bytes that never come.",
        "size = len(frame)   ->   size = len(text)",
        "size",
        [{"size": "whole"}],
    ),
    Mistake(
        "no-loop",
        "recv(n) is taken for n bytes",
        "recv(n) returns n bytes at most, and fewer when fewer have come. There is no loop around it, so an "
        "echo that comes in two segments is torn apart.",
        "data = sock.recv(size)   ->   while len(data) < size and "
        "(piece := sock.recv(size - len(data))): data += piece",
        "client-recv",
        [{"reading": reading} for reading in ("no-loop", "whole-recv", "header-loop", "text-loop")],
    ),
)

VARIABLE = (
    Mistake(
        "size-in-characters",
        "size is counted in characters instead of bytes",
        "len(text) counts characters; `ü` is one character and two bytes. The header announces less than "
        "comes, and the rest is taken for the next header.",
        "size = len(text)   ->   size = len(text.encode())",
        "size",
        [{"size": "characters"}],
    ),
    Mistake(
        "fixed-frame",
        "the text is cut or padded to 20 bytes",
        "That is the format of chapter 4. Here the text is as long as it is, and size says how long.",
        "struct.pack('!BLL20s', ...)   ->   struct.pack('!BLL', ...) + text.encode()",
        "header",
        [{"other": True, "size": size} for size in ("right", "field")]
        + [{"other": True, "padding": padding} for padding in (b"\0", b" ")],
    ),
    Mistake(
        "no-limit",
        "any announced size is believed",
        "A broken server can write 4 GiB into a header. Who calls recv() with it asks for so much memory.",
        "data = sock.recv(size)   ->   if size > LIMIT: say so and end; read in pieces",
        "size",
        [{"limit": False}],
    ),
)

FIXED = (
    Mistake(
        "size-in-bytes",
        "size is counted in bytes instead of characters",
        "In chapter 4 size is the number of characters that were typed. `ü` is one, and two bytes.",
        "size = len(text.encode())   ->   size = len(text)",
        "size",
        [{"size": "bytes"}],
    ),
    Mistake(
        "size-cut",
        "size is 20 where the text was longer",
        "Size is the length of the text as it was typed: above 20, it says that the text was cut.",
        "size = len(text[:20])   ->   size = len(text)",
        "size",
        [{"size": "cut"}, {"size": "cut-bytes"}],
    ),
    Mistake(
        "size-of-field",
        "size is always 20",
        "It is taken after the text was padded. Size is the length of the text as it was typed: by it the "
        "text is told from its padding.",
        "text = text.ljust(20, '-'); size = len(text)   ->   size = len(text); text = text.ljust(20, '-')",
        "size",
        [{"size": "field"}],
    ),
    Mistake(
        "zero-padding",
        "the text is padded with zero bytes",
        "struct fills up a field with zeros if it is not told otherwise. The text is padded with `-`.",
        "pack(..., text.encode())   ->   pack(..., text.encode().ljust(20, b'-'))",
        "padding",
        [{"padding": b"\0"}],
    ),
    Mistake(
        "blank-padding",
        "the text is padded with blanks",
        "The text is padded with `-`: ljust(20) pads with blanks if it is not told otherwise.",
        "text.encode().ljust(20)   ->   text.encode().ljust(20, b'-')",
        "padding",
        [{"padding": b" "}],
    ),
    Mistake(
        "no-padding",
        "the text is not padded to 20 bytes",
        "Each frame has 29 bytes: the server waits until they are there.",
        "header + text.encode()   ->   header + text.encode()[:20].ljust(20, b'-')",
        "padding",
        [{"padding": b""}, {"other": True}],
    ),
    Mistake(
        "not-cut",
        "a text of more than 20 bytes is not cut",
        "Each frame has 29 bytes: what is longer is taken for the next frame.",
        "text.encode().ljust(20, b'-')   ->   text.encode()[:20].ljust(20, b'-')",
        "padding",
        [{"cut": False}],
    ),
    Mistake(
        "field-in-characters",
        "the text is cut and padded in characters instead of bytes",
        "The field has 20 bytes. Of a text with `ü`, which is one character and two bytes, 20 characters are "
        "more than that: what is beyond is taken for the next frame.",
        "text[:20].ljust(20, '-').encode()   ->   text.encode()[:20].ljust(20, b'-')",
        "padding",
        [{"units": "characters"}],
    ),
)


def model(variant: str, echo: bool, size_first: bool) -> Model:
    """The clients of one variant. echo: do they wait for echoes? size_first: in the layout `scripts`."""
    right = replace(Habits(), variant=variant, echo=echo, size_first=size_first)
    common = [*SENDING, *TAKING]
    if variant == "v2":  # here a right echo may be no UTF-8
        changes = [{"decoding": "strict"}, {"decoding": "strict-echo"}]
        common = [replace(each, changes=changes) if each.name == "strict-decode" else each for each in common]
    own = {
        "udp": DATAGRAMS,
        "tcp": (*STREAM, *TEXT),
        "v2": (*STREAM, *NUMBERS, *FIXED),
        "v3": (*STREAM, *NUMBERS, *VARIABLE),
    }
    return Model(play, right, [*own[variant], *common, *(() if variant == "udp" else PIECES)])
