"""Writes reports into files, and finds safe names for those of many submissions."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import sys
import unicodedata
from collections.abc import Iterable

from netlab.wire.text import printable, writable

STDOUT = "-"
"""The path that stands for standard output."""

LONGEST_NAME = 100
"""Bytes of a file's name that are taken from a submission's: some systems take 143 at most, all in all."""

_RESERVED = re.compile(r"(?:CON|PRN|AUX|NUL|COM\d|LPT\d)(?:\..*)?", re.IGNORECASE)
"""Names that on Windows are devices, whatever folder they are in."""


class CannotWrite(Exception):
    """A report could not be written; its text is one line for people."""


def write(path: str, text: str) -> None:
    """Write a text as UTF-8 with plain newlines; `-` is standard output. Raises CannotWrite.

    Whoever reads the file meanwhile sees the old text or the new one, never a half. What is no file (a
    device, a pipe) is written to as it is; a folder is never touched.
    """
    try:
        if path == STDOUT:
            _print(text)
        elif _is_special(path):
            with open(path, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
        elif os.path.isdir(path) or path.endswith(("/", os.sep)):
            raise IsADirectoryError
        else:
            _replace(os.path.realpath(path), text)
    except (OSError, ValueError) as error:
        raise CannotWrite(f"cannot write {_shown(path)}: {_reason(path, error)}") from None


def _print(text: str) -> None:
    if sys.stdout is None:
        raise OSError("there is no standard output")
    sys.stdout.write(writable(text, sys.stdout.encoding or "utf-8"))
    sys.stdout.flush()


def _is_special(path: str) -> bool:
    """Is something at the path that is neither a file nor a folder?"""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _replace(path: str, text: str) -> None:
    unfinished = os.path.join(os.path.dirname(path), f".netlab-{secrets.token_hex(8)}")
    try:
        with open(unfinished, "x", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.replace(unfinished, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise


def _shown(path: str) -> str:
    return "to standard output" if path == STDOUT else f"'{printable(path)}'"


def _reason(path: str, error: OSError | ValueError) -> str:
    """What is wrong, and what to do where that is known."""
    if isinstance(error, IsADirectoryError):
        return "it is a folder; name a file in it"
    if isinstance(error, FileNotFoundError):
        return f"there is no folder '{printable(os.path.dirname(path))}'; make it first"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return printable(str(error))


def names(submissions: Iterable[str], ending: str) -> dict[str, str]:
    """A file name for each submission, whatever that is called: no two are the same on any system, none leads
    into another folder, and none is hidden or a device.

    ending: `.html`, and so on.
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for submission in submissions:
        name = base = _harmless(submission)
        number = 1
        while name.casefold() in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name.casefold())
        found[submission] = name + ending
    return found


def _harmless(submission: str) -> str:
    # Some systems take two ways to write the same letter for one name: so there is one way here.
    name = re.sub(r"[^\w.+-]+", "_", unicodedata.normalize("NFC", submission))
    name = name.encode()[:LONGEST_NAME].decode("utf-8", "ignore").strip("._-") or "submission"
    return f"_{name}" if _RESERVED.fullmatch(name) else name
