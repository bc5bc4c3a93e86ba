"""What goes wrong in servers with binary frames: fixed size and variable size."""

from __future__ import annotations

from dataclasses import replace

from netlab.check.formats import LIMIT, TEXT_LENGTH
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
)
from netlab.check.models.framed_servers import NO_LIMIT, Habits, serve


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
        "data = conn.recv(size)   ->   while len(data) < size and "
        "(piece := conn.recv(size - len(data))): data += piece",
        "recv",
        [{"reading": reading, "short": short} for reading in readings for short in ("raise", "leave")],
    )


def text_echo(*replies: str) -> Mistake:
    """The text alone: with its padding, or without."""
    return Mistake(
        "text-echo",
        "the text is sent back instead of the frame",
        "The echo is to be the identical frame: version, order, size and text. Only the text comes back, "
        "and a client that waits for a frame waits for ever.",
        "conn.sendall(text)   ->   conn.sendall(header + text)",
        "echo",
        [{"reply": reply} for reply in replies],
    )


READ = (
    Mistake(
        "native-struct",
        "`!` is missing in the struct format, so that it is laid out as this machine likes it",
        "Without `!` the struct module uses the machine's own byte order, its own sizes (a long has 8 "
        "bytes) and its own padding: the frame that is waited for is longer than the one that comes.",
        "struct.unpack('BLL...', data)   ->   struct.unpack('!BLL...', data)",
        "struct",
        [{"numbers": "@"}, {"numbers": "@", "fields": "BII"}],
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
    ENDS_WITH_CLIENT,
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
"""Of all servers with frames."""

ANSWERED = (
    replace(STRIPPED, changes=[{"strips": True}, {"strips": True, "size": "bytes"}]),
    Mistake(
        "echo-prefix",
        "`ECHO: ` stands in the answer, where none belongs",
        "`ECHO: ` is what the text server of chapter 2 puts in front. With binary frames the echo is the "
        "identical frame.",
        "conn.sendall(b'ECHO: ' + ...)   ->   conn.sendall(the frame as it came)",
        "echo",
        [{"reply": reply} for reply in ("prefixed", "prefixed-only", "prefix-frame", "prefix-text")],
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
        "twice",
        "each echo is sent twice",
        "One message gets one echo. Here each comes two times over, and the client takes the second for the "
        "answer to its next message.",
        "conn.sendall(frame); conn.sendall(frame)   ->   conn.sendall(frame)",
        "echo",
        [{"times": 2}],
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
        "version-wrong",
        "the echo carries another version than 1",
        "The version says of which format a frame is, and there is only one: 1. A client does not take a "
        "frame of another version for its echo.",
        "pack(2, order, ...)   ->   pack(1, order, ...)",
        "header",
        [{"stamp": 2}, {"stamp": 0}],
    ),
    Mistake(
        "size-counts-header",
        "size counts the header, too",
        "Size is the length of the text alone.",
        "size = len(frame)   ->   size = len(text)",
        "size",
        [{"size": "whole"}],
    ),
)
"""Of all that send them back."""

VARIABLE_READ = (
    replace(LATIN_1, changes=[{"decoding": "latin-1"}, {"decoding": "latin-1", "size": "bytes"}]),
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
        "over-read",
        "recv() is given more room than the text of the frame has",
        "What is left of this frame is size - len(data) bytes. recv(1024) takes what comes behind them, too: "
        "it is the beginning of the next frame, and that one is lost, or torn.",
        "data += conn.recv(1024)   ->   data += conn.recv(size - len(data))",
        "recv",
        [
            {"reading": reading, "surplus": surplus}
            for reading in ("over-loop", "over-once")
            for surplus in ("kept", "thrown")
        ],
    ),
    Mistake(
        "no-limit",
        "any announced size is believed",
        "Anybody can write 4 GiB into a header. Who believes it waits for ever, or takes the memory for it.",
        "data = recv_exactly(size)   ->   if size > LIMIT: close, before anything is read",
        "size",
        [{"limit": NO_LIMIT}],
    ),
)

VARIABLE_ANSWERED = (
    replace(
        DECODED_ECHO,
        changes=[
            {"decoding": decoding, "size": size}
            for size in ("same", "bytes")
            for decoding in ("replace", "ignore")
        ],
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
        "cut-off-answered",
        "a frame is answered of which the end never came",
        "The client has closed before all of the text was there: recv() returns nothing, and the loop around "
        "it is left. What was read until then is no frame.",
        "if not piece: break; ...; sendall(header + data)   ->   if not piece: close, and send nothing",
        "loop",
        [{"torn": "answered"}],
    ),
)

FIXED_READ = (
    LATIN_1,
    Mistake(
        "size-refused",
        "a frame is refused when its size is above 20",
        "Size is the length of the text as it was typed: above 20, it says that the text was cut, and "
        "nothing is wrong with that. The frame has 29 bytes, whatever size says.",
        "if size > 20: close   ->   nothing: size may be any number",
        "size",
        [{"limit": TEXT_LENGTH}],
    ),
)

FIXED_ANSWERED = (
    DECODED_ECHO,
    Mistake(
        "padding-stripped",
        "the padding is stripped in the echo, and zero bytes come in its place",
        "The text field is 20 bytes, padded with `-`. The padding was taken off, and struct fills up with "
        "zeros.",
        "pack(..., text.rstrip(b'-'))   ->   pack(..., field as it came)",
        "padding",
        [{"words": words, "padding": b"\0"} for words in ("rstrip", "size", "size-bytes")],
    ),
    Mistake(
        "padding-blanks",
        "the echo is padded with blanks instead of `-`",
        "The text field is 20 bytes, padded with `-`. The padding was taken off, and ljust(20) fills up with "
        "blanks.",
        "text.ljust(20)   ->   field as it came",
        "padding",
        [{"words": words, "padding": b" "} for words in ("rstrip", "size")],
    ),
    Mistake(
        "not-padded",
        "the echo is not padded, and shorter than 29 bytes",
        "Every frame has 29 bytes: 9 of the header and 20 of the text field, padded with `-`. Who waits for "
        "29 bytes takes the rest from the next frame.",
        "conn.sendall(header + text)   ->   conn.sendall(header + field as it came)",
        "padding",
        [{"words": words, "padding": b""} for words in ("rstrip", "size")],
    ),
    Mistake(
        "padding-renewed",
        "the echo gets a padding of the server's own",
        "The text is taken out of its field, and padded anew with `-`. The echo is the identical frame, also "
        "where a client pads with something else.",
        "text.ljust(20, b'-')   ->   field as it came",
        "padding",
        [{"words": "size", "padding": b"-"}],
    ),
    Mistake(
        "size-cut",
        "size is changed to 20 where the text was cut",
        "Size is the length of the text as it was typed: above 20, it says that the text was cut. The echo "
        "has to carry the same number.",
        "size = min(size, 20)   ->   size as it came",
        "size",
        [{"size": "cut"}],
    ),
    Mistake(
        "size-recounted",
        "size is counted anew from the text that arrived",
        "Size is the length of the text as it was typed. Of a longer one only 20 bytes have arrived, and "
        "dashes at its end are gone with the padding: what is counted now may be less.",
        "size = len(text)   ->   size as it came",
        "size",
        [{"size": "characters"}],
    ),
    Mistake(
        "size-in-bytes",
        "size is counted anew, and in bytes",
        "Size is the length of the text as it was typed, and counts characters: `ü` is one of them, and two "
        "bytes. The echo has to carry the number that came.",
        "size = len(text.encode())   ->   size as it came",
        "size",
        [{"size": "bytes"}],
    ),
)


def waits_for_newline(*readings: str) -> Mistake:
    """A line for a frame, or for its text."""
    return Mistake(
        "waits-for-newline",
        "readline() is used where bytes are to be counted",
        "A frame has no line end: its bytes are counted. readline() waits for the byte 0A, which may never "
        "come, or stops at one that belongs to the frame.",
        "rfile.readline()   ->   rfile.read(n), for the n bytes of the header, and of the text",
        "recv",
        [{"reading": reading} for reading in readings],
    )


def text_cut(*lengths: int) -> Mistake:
    """So many bytes are read of a text."""
    return Mistake(
        "text-cut",
        "of a long text only the beginning is read",
        "The rest of it stays in the stream, and is taken for the next frame's header. Who will not take a "
        "long text has to close the connection; who takes it reads all of it.",
        "recv_exactly(min(size, 4096))   ->   recv_exactly(size)",
        "size",
        [{"most": most} for most in lengths],
    )


def small_limit(*limits: int) -> Mistake:
    """A limit that is smaller than it has to be."""
    return Mistake(
        "small-limit",
        "texts are refused that are not too long",
        "A limit for size is right, but this one is too low: a text of up to 1 MiB is a message like any "
        "other, and here the connection is closed for a shorter one.",
        "if size > 1024: close   ->   if size > 1 << 20: close",
        "size",
        [{"limit": limit} for limit in limits],
    )


def cut_by_size(echo: bool) -> Mistake:
    """What is printed is cut, or what comes back."""
    return Mistake(
        "cut-by-size",
        "the text field is cut after `size` bytes, but size counts characters",
        "Size is the length of the text as it was typed: `ü` is one character of it, and two bytes of the "
        "field. Cut by bytes, the text loses its end. Decode first, then cut.",
        "field[:size].decode()   ->   field.decode()[:size]",
        "padding",
        [{"words": "size-bytes", "padding": b"-"} if echo else {"words": "size-bytes"}],
    )


NUMBER_WIDTH = Mistake(
    "number-width",
    "the header's numbers are read with the wrong width",
    "The header has 9 bytes: version takes one of them, order and size take four each. After `!`, B is 1 "
    "byte, H is 2, L and I are 4, Q is 8: struct.calcsize('!BLL') is 9, and with other letters it is "
    "not.",
    "struct.unpack('!BHH...', data)   ->   struct.unpack('!BLL...', data)",
    "struct",
    [{"fields": fields} for fields in ("BQQ", "BHH", "HLL", "LLL", "BLH", "BHL")],
)


def moved(names: str) -> tuple[Mistake, ...]:
    """The header's fields in another order than in this layout, of version, order and size."""
    version, first, second = tuple(names)
    late = Mistake(
        "fields-moved",
        "version is not taken for the first field of the header",
        "The first byte of a frame is its version; order and size come behind it. This program looks for the "
        "version at another place, and finds a byte of another number there.",
        "order, version, size = struct.unpack('!LBL', ...)   ->   version, order, size = "
        "struct.unpack('!BLL', ...)",
        "header",
        [
            {"fields": "LLB", "names": first + second + version},
            {"fields": "LBL", "names": first + version + second},
            {"names": first + version + second},
        ],
    )
    swapped = Mistake(
        "fields-swapped",
        "order and size have changed places",
        "The header's fields come as version, order, size. This program takes the first number for the size "
        "and the second for the order. (Some labs' scripts do so: if yours are to, check with --layout "
        "scripts.)",
        "version, size, order = struct.unpack(...)   ->   version, order, size = struct.unpack(...)",
        "header",
        [{"names": version + second + first}],
    )
    return late, swapped


def other_variant(fixed: bool) -> Mistake:
    """A server of the other format than the one that is asked for."""
    if fixed:
        asked, command, what = "tcpv2", "tcpv3", "chapter 5: its frames are of variable size"
        changes = [{"fixed": False, "names": names, "limit": LIMIT} for names in ("vos", "vso")]
    else:
        asked, command, what = "tcpv3", "tcpv2", "chapter 4: its frames are of fixed size"
        changes = [{"fixed": True, "names": "vos", "limit": NO_LIMIT}]
    return Mistake(
        "other-variant",
        f"this is a server of {what}",
        f"It was checked as {asked}. Either the wrong file was handed in, or it is to be checked as what it "
        f"is: with `netlab check {command}`.",
        f"netlab check {asked} ...   ->   netlab check {command} ...",
        "format",
        changes,
    )


def model(fixed: bool, echo: bool, size_first: bool) -> Model:
    """The servers of one format."""
    names = "vso" if size_first else "vos"
    late, swapped = moved(names)
    if fixed:
        readings = one_recv("whole-recv", "one-recv", "first-of-recv"), no_loop("no-loop", "apart", *HALF)
        read = [*readings, waits_for_newline("line"), *READ, cut_by_size(echo), *FIXED_READ]
        answered = [text_echo("text", "field"), *ANSWERED, *FIXED_ANSWERED]
    else:
        readings = one_recv("one-recv", "whole-recv"), no_loop("no-loop", *HALF)
        if echo:
            lines = waits_for_newline("line", "text-line")
            long = small_limit(255, 1_024, 65_535), text_cut(512, 1_024, 2_048, 4_096)
        else:  # of what is printed less can be told
            lines = waits_for_newline("line")
            long = small_limit(255, 1_024), text_cut(512, 4_096)
        read = [*readings, lines, *READ, *VARIABLE_READ, *long, swapped]
        answered = [text_echo("text"), *ANSWERED, *VARIABLE_ANSWERED]
    printed = [UNASKED_ECHO, NOTHING_PRINTED]
    right = Habits(fixed, echo, names=names, limit=NO_LIMIT if fixed else LIMIT)
    strange = [NUMBER_WIDTH, late, other_variant(fixed)]
    return Model(serve, right, [*read, *(answered if echo else printed), *strange, *RESETS])
