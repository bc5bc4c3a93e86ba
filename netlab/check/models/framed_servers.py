"""How a server with binary frames does its work, for all habits: it reads, prints, answers."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from netlab.check.formats import FRAME_LENGTH, HEADER_LENGTH, LIMIT, TEXT_LENGTH, VERSION
from netlab.check.models.common import serve_until_gone
from netlab.check.models.simulation import Socket
from netlab.wire.text import REPLY_PREFIX

NO_LIMIT = 1 << 64
BUFFER = 4_096


@dataclass(frozen=True)
class Habits:
    """How a server is written. The defaults are right."""

    fixed: bool = False
    echo: bool = True
    numbers: str = "!"
    """What stands in front of the struct format."""
    fields: str = "BLL"
    """The letters of the header in the struct format."""
    names: str = "vos"
    """What the header's fields are taken for: version, order, size."""
    reading: str = "exact"
    """exact: until all is there. no-loop: recv(n) is taken for n bytes (apart: for header and text, each by a
    recv() of its own). header-loop, text-loop: only this is read rightly. one-recv: what a recv() yields is a
    frame. whole-recv: and sent back as it came. first-of-recv: it begins with one. over-loop, over-once: for
    the text recv() is given more room than the text has, in a loop or not. line: a line is a frame.
    text-line: the text ends at a line's end.
    """
    surplus: str = "kept"
    """kept, thrown: what came of the next frame, where recv() was given too much room."""
    most: int = NO_LIMIT
    """Bytes of a text that are read."""
    torn: str = "dropped"
    """dropped, answered: a text of which the rest never comes."""
    short: str = "raise"
    """What is done with less than a header: raise (by unpack), or leave."""
    decoding: str = "none"
    """none: the bytes are kept. strict, ascii: what cannot be decoded raises. early: each piece is decoded.
    replace, ignore: what cannot be decoded is changed, and comes back so. latin-1: so does what can be.
    """
    strips: bool = False
    words: str = "rstrip"
    """How the text is found in a fixed field: rstrip (of `-`), size (so many characters), size-bytes."""
    padding: bytes | None = None
    """What the field of the echo is filled up with; nothing: it is not. None: it is the field that came."""
    reply: str = "frame"
    """frame, text, field (the text with its padding), prefixed (in the frame; prefixed-only: its size stays),
    prefix-frame, prefix-text, newline, none.
    """
    size: str = "same"
    """same, characters, bytes, whole (with the header), cut (20 at most)."""
    order: str = "same"
    """same, counted (the server's own)."""
    stamp: int | None = None
    """The version of the echo. None: the one that came."""
    times: int = 1
    versions: str = "checked"
    limit: int = LIMIT
    zero: str = "message"
    """message, or end: an empty text is taken for the end."""
    shown: bool = True
    """Does anything arrive of what is printed?"""
    end: str = "leave"
    """leave: and close. forgotten: to close. exits: the program ends. close: without leaving the loop.
    unseen: not asked for.
    """
    once: bool = False
    resets: str = "caught"
    """caught, uncaught, getpeername (called while it deals with one)."""


class Frame(NamedTuple):
    """What was read. text: with its padding, if it has any. raw: all of it, as it came."""

    version: int
    order: int
    size: int
    text: bytes
    raw: bytes


class File:
    """What makefile() makes of a socket: it reads ahead."""

    def __init__(self, s: Socket) -> None:
        self._socket = s
        self._held = b""

    def recv(self, size: int) -> bytes:
        """Some of what is there, at most so many bytes."""
        if size and not self._held:
            self._held = self._socket.recv(BUFFER)
        data, self._held = self._held[:size], self._held[size:]
        return data

    def readline(self, most: int = NO_LIMIT) -> bytes:
        """A line, with its end; at most so many bytes."""
        line = b""
        while len(line) < most and not line.endswith(b"\n"):
            self._held = self._held or self._socket.recv(BUFFER)
            if not self._held:
                break
            line += self.recv(min(self._held.find(b"\n") + 1 or len(self._held), most - len(line)))
        return line


def serve(s: Socket, h: Habits) -> None:
    """Serve one client."""
    serve_until_gone(s, h, _loop)


def _loop(s: Socket, h: Habits) -> None:
    header = _struct(h.numbers + h.fields)
    source = File(s) if h.reading in ("line", "text-line") else s
    count = 0
    while True:
        frame = (_read_fixed if h.fixed else _read_variable)(source, h, header)
        if frame is None:
            if h.end == "close":
                s.close()
                continue
            return
        if frame.version != VERSION and h.versions == "checked":
            return
        words = _words(h, frame)
        if h.zero == "end" and not words:
            return
        _decode(h, words)
        if h.shown:
            # What is printed, in a server that gets the numbers wrong, is the wrong numbers.
            encoding = "latin-1" if h.decoding == "latin-1" else "utf-8"
            s.print(words.decode(encoding, errors="ignore"), frame.order, frame.size)
        if h.echo:
            count += 1
            answer = _answer(h, header, frame, words, count if h.order == "counted" else frame.order)
            if answer:
                s.sendall(answer * h.times)
        if h.once:
            return


@lru_cache
def _struct(form: str) -> struct.Struct:
    return struct.Struct(form)


# Reading.


def _unpack(h: Habits, header: struct.Struct, data: bytes) -> tuple[int, int, int]:
    """Version, order and size."""
    named = dict(zip(h.names, header.unpack(data), strict=True))
    return named["v"], named["o"], named["s"]


def _read_fixed(s: Socket | File, h: Habits, header: struct.Struct) -> Frame | None:
    if h.reading in ("apart", "header-loop", "text-loop"):
        return _read_apart(s, h, header)
    whole = header.size + TEXT_LENGTH
    if h.reading == "exact":
        data = _exactly(s, whole)
        if len(data) < whole and (data or h.end != "unseen"):
            return None
    elif isinstance(s, File):
        data = s.readline()
    else:
        data = s.recv(BUFFER if h.reading in ("whole-recv", "one-recv", "first-of-recv") else whole)
    if not data and h.end != "unseen":
        return None
    if len(data) < whole and h.short == "leave":
        return None
    raw = data
    if h.reading in ("one-recv", "first-of-recv"):
        data = data[:whole]
    if h.reading == "one-recv":
        raw = data
    if len(data) != whole:
        raise struct.error(f"unpack requires a buffer of {whole} bytes")
    version, order, size = _unpack(h, header, data[: header.size])
    if size > h.limit:
        return None
    return Frame(version, order, size, data[header.size :], raw)


def _read_apart(s: Socket | File, h: Habits, header: struct.Struct) -> Frame | None:
    head = _exactly(s, header.size) if h.reading == "header-loop" else s.recv(header.size)
    if not head and h.end != "unseen":
        return None
    if len(head) < header.size and h.short == "leave":
        return None
    version, order, size = _unpack(h, header, head)
    if size > h.limit:
        return None
    text = _exactly(s, TEXT_LENGTH) if h.reading == "text-loop" else s.recv(TEXT_LENGTH)
    if len(text) < TEXT_LENGTH and (not text or h.reading == "text-loop" or h.short == "leave"):
        return None
    return Frame(version, order, size, text, head + text)


def _read_variable(s: Socket | File, h: Habits, header: struct.Struct) -> Frame | None:
    if h.reading in ("one-recv", "whole-recv", "line"):
        return _read_at_once(s, h, header)
    halves = h.reading in ("header-loop", "text-loop", "no-loop")
    data = s.recv(header.size) if h.reading in ("text-loop", "no-loop") else _exactly(s, header.size)
    if not data and h.end != "unseen":
        return None
    if len(data) < header.size and (h.short == "leave" or (not halves and h.end != "unseen")):
        return None
    version, order, size = _unpack(h, header, data)
    if version != VERSION and h.versions == "checked":
        return Frame(version, order, size, b"", data)
    if size > h.limit:
        return None
    text = _read_text(s, h, min(size, h.most))
    if text is None:
        return None
    return Frame(version, order, size, text, data + text)


def _read_text(s: Socket | File, h: Habits, size: int) -> bytes | None:
    if isinstance(s, File):
        return s.readline(size)
    if h.reading in ("header-loop", "no-loop"):
        return s.recv(size)
    if h.reading == "over-once":
        text = s.recv(BUFFER)
    else:
        text = _pieces(s, h, size)
        if len(text) < size and h.torn == "dropped":
            return None
    return text[:size] if h.surplus == "thrown" else text


def _pieces(s: Socket, h: Habits, size: int) -> bytes:
    pieces, left = [], size
    while left > 0 and (piece := s.recv(BUFFER if h.reading == "over-loop" else left)):
        if h.decoding == "early":
            piece.decode()
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _read_at_once(s: Socket | File, h: Habits, header: struct.Struct) -> Frame | None:
    data = s.readline() if isinstance(s, File) else s.recv(BUFFER)
    if not data and h.end != "unseen":
        return None
    if len(data) < header.size and h.short == "leave":
        return None
    version, order, size = _unpack(h, header, data[: header.size])
    if version == VERSION and size > h.limit:
        return None
    text = data[header.size :]
    if h.reading != "line":
        text = text[:size]
    if h.reading == "one-recv":
        data = data[: header.size] + text
    return Frame(version, order, size, text, data)


def _exactly(s: Socket | File, size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := s.recv(size - len(data))):
        data += piece
    return data


# What is made of it.


def _words(h: Habits, frame: Frame) -> bytes:
    """The text without its padding."""
    if not h.fixed:
        return frame.text
    if h.words == "size":
        text = frame.text.decode(errors="surrogateescape")[: frame.size]
        return text.encode(errors="surrogateescape")
    if h.words == "size-bytes":
        return frame.text[: frame.size]
    return frame.text.rstrip(b"-")


def _decode(h: Habits, words: bytes) -> None:
    in_pieces = h.reading in ("exact", "text-loop")  # else there is one piece only
    if h.decoding == "strict" or (h.decoding == "early" and in_pieces):
        words.decode()
    elif h.decoding == "ascii":
        words.decode("ascii")


def _changed(h: Habits, words: bytes) -> bytes:
    if h.decoding in ("replace", "ignore"):
        words = words.decode(errors=h.decoding).encode()
    elif h.decoding == "latin-1":
        words = words.decode("latin-1").encode()
    if h.reply in ("prefixed", "prefixed-only"):
        words = REPLY_PREFIX + words
    return words.strip() if h.strips else words


def _answer(h: Habits, header: struct.Struct, frame: Frame, words: bytes, order: int) -> bytes:
    if h.reply == "none":
        return b""
    back = _changed(h, words)
    if h.reply == "text":
        return back
    if h.reply == "field":
        return frame.text
    if h.reply == "prefix-text":
        return REPLY_PREFIX + back
    version = frame.version if h.stamp is None else h.stamp
    size = frame.size if h.size == "same" else _size(h, frame.size, back)
    if h.reply == "prefixed" and h.size in ("same", "whole"):
        size += len(REPLY_PREFIX)
    same = (version, order, size) == frame[:3]
    if same and back == words and h.padding is None:
        data = frame.raw
    else:
        named = {"v": version, "o": order, "s": size}
        data = header.pack(*[named[name] for name in h.names]) + (_field(h, back) if h.fixed else back)
    if h.reply == "prefix-frame":
        return REPLY_PREFIX + data
    return data + b"\n" if h.reply == "newline" else data


def _size(h: Habits, size: int, back: bytes) -> int:
    if h.size == "characters":
        return len(back.decode(errors="replace"))
    if h.size == "bytes":
        return len(back)
    if h.size == "cut":
        return min(size, TEXT_LENGTH)
    return size + (FRAME_LENGTH if h.fixed else HEADER_LENGTH)


def _field(h: Habits, back: bytes) -> bytes:
    padding = b"-" if h.padding is None else h.padding
    return back[:TEXT_LENGTH].ljust(TEXT_LENGTH, padding) if padding else back
