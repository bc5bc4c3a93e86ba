"""On what was measured: the machine, and the versions of all that took part."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.servers import ROOT

PATIENCE = 10.0
"""Seconds for a program to say its version."""


def machine() -> dict[str, str]:
    """What it is, fact by fact."""
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """Of everything that is there; what is missing is left out."""
    found = {
        "netlab": _package("netlab"),
        "commit": _said("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "Twisted": _package("Twisted"),
        "uvloop": _package("uvloop"),
        "Go": _said("go", "version").removeprefix("go version go").partition(" ")[0],
        "C compiler": _said("cc", "--version").partition("\n")[0],
    }
    return {name: value for name, value in found.items() if value}


def _processor() -> str:
    try:
        told = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        told = ""
    found = re.search(r"^model name\s*: (.*)$", told, re.MULTILINE)
    return found[1] if found else platform.processor() or "unknown"


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _said(*command: str) -> str:
    """What a program prints; nothing where it is not there or fails."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
