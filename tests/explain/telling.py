"""What `netlab explain` says of a capture, and of the same one without some of its packets."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from netlab.explain.reading import read
from netlab.explain.statements import Statement
from netlab.explain.telling import tell
from tests.support import Program

_PACKET = 6
"""The type of a pcapng block that holds a packet."""

_HEAD = 28
"""Bytes of such a block in front of the packet."""


def explained(file: str, *options: str) -> dict[str, Any]:
    """What the real command says, as JSON."""
    with Program(sys.executable, "-m", "netlab", "explain", file, "--json", *options) as program:
        status, output = program.ended(), program.output
    assert status == 0, output
    found: dict[str, Any] = json.loads(output)
    return found


def of_kind(said: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The statements of one kind."""
    return [each for each in said["statements"] if each["kind"] == kind]


def without(file: str, packets: Collection[int], folder: str) -> str:
    """The capture without these packets: in their places stands what is of no protocol, so that all others
    keep their numbers.
    """
    data, at, number = bytearray(Path(file).read_bytes()), 0, 0
    while at < len(data):
        kind, length = struct.unpack_from("<LL", data, at)
        if kind == _PACKET:
            number += 1
            if number in packets:
                captured = struct.unpack_from("<L", data, at + 20)[0]
                data[at + _HEAD : at + _HEAD + captured] = b"\xff" * captured
                # Its comment would speak for it: the option's code becomes that of no option that is known.
                options = at + _HEAD + captured + -captured % 4
                if options < at + length - 4:
                    struct.pack_into("<H", data, options, 0x7FF0)
        at += length
    target = str(Path(folder, "without.pcapng"))
    Path(target).write_bytes(data)
    return target


def said_without(file: str, packets: Sequence[int], folder: str) -> set[tuple[str, str, str]]:
    """The names of the statements that are made without these packets."""
    return {name(each) for each in tell(read(without(file, packets, folder)))}


def name(statement: Statement) -> tuple[str, str, str]:
    """What no other statement of a capture has."""
    return statement.kind, statement.where, statement.about
