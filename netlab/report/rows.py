"""Rows of bytes under the names of their fields, broken so that they fit and can still be read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import repeat

from netlab.wire.text import printable

LEAST = 24
"""Columns that a part needs, to go on below the column that was cut: eight bytes."""

_BYTES = re.compile(r"[ |]*(?:[0-9a-f]{2}(?![0-9a-zA-Z])|\(no bytes\))")
"""How the lower of a table's two lines begins (netlab.wire.fields)."""


def fitting(rows: Sequence[str], width: int) -> Iterator[str]:
    """The rows, safe to print, with so many columns at most. A line of names and the line of bytes below it
    are broken at the same column.
    """
    at = 0
    while at < len(rows):
        is_table = [_BYTES.match(row) is not None for row in rows[at : at + 2]] == [False, True]
        yield from _broken(rows[at : at + 1 + is_table], width)
        at += 1 + is_table


def _broken(rows: Sequence[str], width: int) -> Iterator[str]:
    """Parts of all rows, one below the other. What has names goes on below the last column that had room."""
    rows = [printable(row).rstrip() for row in rows]
    front = ""
    while any(rows):
        cut = width
        if max(map(len, rows)) > width:
            cut = next(
                (at for at in range(width, width // 2, -1) if all(map(_may_break, rows, repeat(at)))), width
            )
            column = rows[0].rfind("  ", 0, cut) + 1 if len(rows) > 1 else 0
            if 0 < column <= cut - LEAST:
                front = " " * column
        yield from (row[:cut].rstrip() for row in rows if row.strip())
        rows = [front + row[cut:] if row[cut:] else "" for row in rows]


def _may_break(row: str, at: int) -> bool:
    """Does the row end before this column, or has it no more than a blank or a bar there?"""
    return row[at : at + 1] in ("", " ", "|")
