"""What the benchmarks compile, compiled once for all tests of this process."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SkipTest

from benchmarks.servers import CannotBuild, build


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory()  # removed when the process ends


@cache
def _built(name: str) -> Path | str:
    try:
        return build(name, Path(_folder().name))
    except CannotBuild as error:
        return str(error)


def built(name: str) -> Path:
    """Where such a program is. Raises SkipTest where there is no compiler for it."""
    found = _built(name)
    if isinstance(found, str):
        raise SkipTest(found)
    return found
