"""Runs `netlab wireshark`: puts netlab.lua into the folder that Wireshark names, or takes it out.

The folder moved from one version of Wireshark to the next, so that it is asked for and never guessed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from contextlib import suppress
from enum import Enum
from importlib import resources
from pathlib import Path

from netlab.wire.text import writable
from netlab.wireshark import tools

NAME = "netlab.lua"

OURS = "-- netlab"
"""How a file of ours begins, in any version."""

PATIENCE = 30.0
"""Seconds that Wireshark's programs get to answer: they load all plugins before."""

PROGRAMS = ("tshark", "wireshark")
"""Who knows the folder, best first."""

NEXT = """Next: in a running Wireshark press Ctrl+Shift+L (Analyze > Reload Lua Plugins), or start it; open a
capture, such as one of `netlab capture`, and type netlab where it says `Apply a display filter`."""


class State(Enum):
    """What there is in the folder."""

    MISSING = "not installed"
    SAME = "installed, in this version"
    OTHER = "installed, in another version: `netlab wireshark install` replaces it"
    FOREIGN = "not netlab's: another file has its name"


class Trouble(Exception):
    """It did not work; the arguments are the exit status, and what is wrong and what to do."""


def run(options: argparse.Namespace) -> int:
    """Install, uninstall, or tell where; return the exit status."""
    act = {"install": install, "uninstall": uninstall, "where": where}[options.action]
    try:
        return act(Path(options.folder).absolute() if options.folder else personal_folder())
    except Trouble as trouble:
        status, why = trouble.args
    except OSError as error:
        status, why = (
            1,
            f"{error.filename}: {error.strerror}; check whose it is, or give another: --folder DIR",
        )
    sys.stderr.write(f"netlab wireshark {options.action}: error: {why}\n")
    return int(status)


def install(folder: Path) -> int:
    """Have this version of netlab.lua there, and see that it loads."""
    file = folder / NAME
    state = _state(file)
    if state is State.FOREIGN:
        raise Trouble(1, f"{file} is {state.value}; move it away first")
    if state is not State.SAME:
        _write(file, _packaged())
    _say(
        {State.SAME: "Was there already", State.OTHER: "Replaced another version"}.get(state, "Installed"),
        file,
    )
    if _program() is not None:
        _check(folder)
    _print(NEXT)
    return 0


def uninstall(folder: Path) -> int:
    """Have no netlab.lua there, if it is ours."""
    file = folder / NAME
    state = _state(file)
    if state is State.FOREIGN:
        raise Trouble(1, f"{file} is {state.value}; it stays")
    if state is State.MISSING:
        _say("There was none", file)
    else:
        file.unlink()
        _say("Removed", file)
    return 0


def where(folder: Path) -> int:
    """Tell the path, and what is there."""
    state = _state(folder / NAME)
    _print(f"{folder / NAME}\n{state.value}")
    return 0 if state is State.SAME else 1


def personal_folder() -> Path:
    """The folder of this user's Lua plugins, as Wireshark names it. Raises Trouble."""
    program = _program()
    if program is None:
        raise Trouble(
            3,
            f"neither tshark nor wireshark is here, and only they know the folder: {tools.how_to_install()}; "
            "or give it: --folder DIR",
        )
    found = re.search(r"^Personal Lua Plugins:\s*(.+?)\s*$", _asked(program, "folders").stdout, re.MULTILINE)
    if found is None:
        raise Trouble(
            1,
            f"`{program} -G folders` names no folder of Personal Lua Plugins: it is old, or without Lua; "
            "install another version, or give the folder: --folder DIR",
        )
    return Path(found[1])


def _check(folder: Path) -> None:
    """See that Wireshark knows the protocol now. Raises Trouble."""
    program = _program() or ""
    answer = _asked(program, "protocols")
    if any("netlab" in line.split("\t") for line in answer.stdout.splitlines()):
        return
    error = re.search(rf"{re.escape(NAME)}:\d+: .+", answer.stderr)
    if error is not None:
        why = error[0]
    elif folder != personal_folder():
        why = f"it reads {personal_folder()}"
    elif hasattr(os, "geteuid") and os.geteuid() == 0:
        why = "for root, Lua may be off: do it as the user who runs Wireshark"
    else:
        why = f"is Lua off in its init.lua, or left out of it (`{program} --version`)?"
    raise Trouble(1, f"{folder / NAME} is there, but {program} does not load it: {why}")


def _program() -> str | None:
    return next(filter(None, map(tools.find, PROGRAMS)), None)


def _asked(program: str, what: str) -> subprocess.CompletedProcess[str]:
    """What a program of Wireshark's tells of itself. Raises Trouble."""
    try:
        done = subprocess.run(
            [program, "-G", what],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Trouble(
            1, f"`{program} -G {what}` did not answer within {PATIENCE:g} s; try once more"
        ) from None
    except OSError as error:
        raise Trouble(1, f"cannot run {program}: {error.strerror}; install it anew") from None
    # As names of files, since the folder is one.
    return subprocess.CompletedProcess(
        done.args, done.returncode, os.fsdecode(done.stdout), os.fsdecode(done.stderr)
    )


def _state(file: Path) -> State:
    try:
        there = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return State.MISSING
    if there == _packaged():
        return State.SAME
    return State.OTHER if there.decode("utf-8", "replace").startswith(OURS) else State.FOREIGN


def _packaged() -> bytes:
    return (resources.files("netlab.wireshark") / NAME).read_bytes()


def _write(file: Path, data: bytes) -> None:
    """Whole or not at all: a running Wireshark may read the folder at any time."""
    file.parent.mkdir(parents=True, exist_ok=True)
    number, beside = tempfile.mkstemp(".new", NAME, file.parent)
    try:
        with open(number, "wb") as new:
            new.write(data)
        os.chmod(beside, 0o644)
        os.replace(beside, file)
    except BaseException:
        with suppress(OSError):
            os.unlink(beside)
        raise


def _say(what: str, file: Path) -> None:
    _print(f"{what}: {file}")


def _print(text: str) -> None:
    sys.stdout.write(writable(text, sys.stdout.encoding or "utf-8") + "\n")
