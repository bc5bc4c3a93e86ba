"""What is printed of a run's messages, for all of them at once (docs/protocol.md, L2 and P1).

str() of a message says it, too, and is the rule. To make an object of each message first costs several times
what its line does; so here the values of a run's frames are put into words as they are unpacked, and one look
at all the words tells whether anything in them has to be escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from netlab.wire.framing import Printed
from netlab.wire.text import printable

Values: TypeAlias = "tuple[int, int, int, bytes]"
"""What a frame holds: version, order, size, and the bytes of its text."""

_PLAIN = bytes(range(0x20, 0x7F))
"""Printable ASCII: never escaped. To delete it from all words of a run, and see whether anything is left, is
the quickest look at them."""


class _Frame(Protocol):
    """A frame that says what is printed of it."""

    def line(self, limit: int) -> str: ...


def frames(frames: Sequence[Values], make: Callable[..., _Frame], limit: int = 0) -> Printed:
    """Return what is printed of frames.

    Args:
        frames: Their values.
        make: Builds a frame from such values.
        limit: How many bytes of a text are printed; 0 for all (P4).
    """
    orders: list[int | None] = [frame[1] for frame in frames]
    if limit and any(len(frame[3]) > limit for frame in frames):
        return [make(*frame).line(limit) for frame in frames], orders
    try:
        # Where all of a field is UTF-8, it ends with a whole character. Of a payload, `size` bytes are all.
        texts = [
            f"ver: {version}, order: {order}, size: {size} -> {field.decode()[:size]}"
            for version, order, size, field in frames
        ]
    except UnicodeDecodeError:
        return [str(make(*frame)) for frame in frames], orders
    if "".join(texts).encode().translate(None, _PLAIN):
        texts = [printable(text) for text in texts]
    return texts, orders
