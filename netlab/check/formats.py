"""The frames as the checker writes them: written anew, since netlab is not judged by its own codecs."""

from __future__ import annotations

import struct

VERSION = 1

HEADER = struct.Struct("!BLL")
HEADER_LENGTH = HEADER.size

TEXT_LENGTH = 20
"""Bytes of a fixed frame's text field (docs/protocol.md, F1)."""

FIXED = struct.Struct(f"!BLL{TEXT_LENGTH}s")
FRAME_LENGTH = FIXED.size
"""Bytes of a fixed frame."""

LIMIT = 1 << 20
"""Bytes of a text that a server of variable frames has to take."""


def fixed(order: int, text: str | bytes, size: int | None = None, version: int = VERSION) -> bytes:
    """A frame of 29 bytes (docs/protocol.md, F1-F3). size: if it is not the text's length."""
    data = text.encode() if isinstance(text, str) else text
    padded = data[:TEXT_LENGTH].ljust(TEXT_LENGTH, b"-")
    return FIXED.pack(version, order, len(text) if size is None else size, padded)


def variable(
    layout: str, order: int, text: str | bytes, size: int | None = None, version: int = VERSION
) -> bytes:
    """A frame of variable size (V1-V3). size: if it is not the payload's length."""
    data = text.encode() if isinstance(text, str) else text
    size = len(data) if size is None else size
    first, second = (order, size) if layout == "guide" else (size, order)
    return HEADER.pack(version, first, second) + data
