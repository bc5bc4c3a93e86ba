"""Holds what a server sends back against what was sent to it, in whatever pieces it comes."""

from __future__ import annotations

from typing import NoReturn

from netlab.load.messages import Messages
from netlab.wire.text import REPLY_PREFIX

SHOWN = 16
"""Bytes that are shown from where an echo is another one: the beginning of a frame, or of a text."""

_BEGINS, _LONGEST_HELD = REPLY_PREFIX[:1], len(REPLY_PREFIX) - 1


class Wrong(Exception):
    """What came back is not what was sent; the argument shows where, and both."""


class Surplus(Exception):
    """All that was sent has come back, and then more came; the argument shows what."""


class Frames:
    """The echo of frames: the same bytes (docs/protocol.md, F6 and V8)."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self.position = 0
        """How many bytes of the stream have come back."""

    def resume(self, messages: int) -> None:
        """So many messages have come back, each whole and by itself, and were compared elsewhere."""
        self.position = self._messages.offset(messages)

    def feed(self, data: bytes, sent: int) -> int:
        """Take the next bytes that came; return how many messages are back by now.

        sent: bytes of the stream that were sent. Raises Wrong, or Surplus.
        """
        position = self.position
        end = position + len(data)
        piece, start, stop = self._messages.piece(position)
        if end > sent or not (
            piece.startswith(data, start) if len(data) <= stop - start else self._across(data, position)
        ):
            _complain(data, self._messages.bytes_of(position, min(end, sent)), position, "echoes")
        self.position = end
        return self._messages.before(end)

    def _across(self, data: bytes, position: int) -> bool:
        """Are these the bytes from a position on, where they are in several pieces?"""
        rest = memoryview(data)
        while rest:
            piece, start, stop = self._messages.piece(position)
            part = rest[: stop - start]
            if not piece.startswith(part, start):  # compares without copying
                return False
            position += len(part)
            rest = rest[len(part) :]
        return True


class Replies:
    """The answers of a text server: each read that it made, behind `ECHO: ` (docs/protocol.md, T3, T4).

    What is sent holds no `E`, so an answer can be read in one way only. A piece of the answer was one read
    of the server's: it has text, and none that was sent after its `ECHO: ` had come. So who leaves a prefix
    out is found out with the next message that had to wait for an answer.
    """

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self.position = 0
        self._came = 0  # bytes of answers
        self._held = b""  # of a prefix
        self._limit = 0  # where the text of this piece must end
        self._empty = False  # a prefix has come, and no text yet

    def resume(self, messages: int) -> None:
        """So many messages have come back, each whole and by itself, and were compared elsewhere."""
        self.position = self._limit = self._messages.offset(messages)
        self._came = self.position + messages * len(REPLY_PREFIX)

    def feed(self, data: bytes, sent: int) -> int:
        """Take the next bytes that came; return how many messages are back by now.

        sent: bytes of the stream that were sent. Raises Wrong, or Surplus.
        """
        came = self._came + len(data)
        if self._held:
            data, self._held = self._held + data, b""
        begun = data.rfind(_BEGINS, -_LONGEST_HELD)
        if begun >= 0 and REPLY_PREFIX.startswith(data[begun:]):
            data, self._held = data[:begun], data[begun:]
        first, *others = data.split(REPLY_PREFIX)
        position = self.position
        text = b"".join((first, *others)) if others else first
        end = position + len(text)
        limit = sent if others else self._limit
        if (
            end > limit
            or (first and position + len(first) > self._limit)
            or (others and ((self._empty and not first) or b"" in others[:-1]))
            or not self._same(text, position)
        ):
            self._complain(first, others, text, sent)
        if others:
            self._empty = not others[-1]
            self._limit = sent
        elif first:
            self._empty = False
        self.position, self._came = end, came
        return self._messages.before(end)

    def _same(self, text: bytes, position: int) -> bool:
        piece, start, stop = self._messages.piece(position)
        if len(text) <= stop - start:
            return piece.startswith(text, start)
        return text == self._messages.bytes_of(position, position + len(text))

    def _complain(self, first: bytes, others: list[bytes], text: bytes, sent: int) -> NoReturn:
        """Say what is wrong with an answer that is."""
        position, came = self.position, self._came
        if position + len(first) > self._limit and first and position < sent:
            raise Wrong(f"byte {came:,} of the answers: expected {_shown(REPLY_PREFIX)}, got {_shown(first)}")
        if (others and self._empty and not first) or b"" in others[:-1]:
            raise Wrong(f"from byte {came:,} of the answers on: two prefixes, and no text between them")
        _complain(text, self._messages.bytes_of(position, min(position + len(text), sent)), position, "texts")


Echoes = Frames | Replies


def _complain(got: bytes, expected: bytes, position: int, what: str) -> NoReturn:
    """Say where it differs. expected: as much as was sent, from this position on."""
    at = next((i for i, (a, b) in enumerate(zip(got, expected, strict=False)) if a != b), len(expected))
    if at == len(expected):
        raise Surplus(f"all was answered, then more came: {_shown(got[at:])}")
    raise Wrong(
        f"byte {position + at:,} of the {what}: expected {_shown(expected[at:])}, got {_shown(got[at:])}"
    )


def _shown(data: bytes) -> str:
    return data[:SHOWN].hex(" ") + (" ..." if len(data) > SHOWN else "")


def echoes(format: str, messages: Messages) -> Echoes:
    """What compares the answers to one client. format: tcp, tcpv2 or tcpv3."""
    return Replies(messages) if format == "tcp" else Frames(messages)
