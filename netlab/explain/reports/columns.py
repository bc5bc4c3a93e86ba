"""How many columns a text takes where all characters have one width, and what of it fits into some."""

from __future__ import annotations

import unicodedata


def columns(text: str) -> int:
    """Columns that a terminal needs for a text: none for a mark on another character, two for a wide one."""
    return len(text) if text.isascii() else sum(map(_width, text))


def fitted(text: str, room: int, ellipsis: str = "\u2026") -> str:
    """The text, or its beginning and an ellipsis, in at most so many columns."""
    if columns(text) <= room:
        return text
    kept, left = "", room - columns(ellipsis)
    for character in text:
        left -= _width(character)
        if left < 0:
            break
        kept += character
    return (kept + ellipsis)[: max(0, room)]


def padded(text: str, room: int) -> str:
    """The text, and as many spaces as fill these columns."""
    return text + " " * (room - columns(text))


def _width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
