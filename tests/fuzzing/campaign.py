"""Tries one case after the other on all that is to be tested; what breaks is made small, and told."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from tests.fuzzing.cases import Case, Target
from tests.fuzzing.cutters import FORMATS, CutterTarget
from tests.fuzzing.minimise import minimised
from tests.fuzzing.mutations import Mutator, sizes
from tests.fuzzing.sessions import DatagramTarget, session

TARGETS: tuple[Target, ...] = (
    *(CutterTarget(format) for format in FORMATS),
    *(session(format) for format in FORMATS),
    DatagramTarget(),
)
"""All that is tested."""

MAX_LAG = 3
"""Reads, at most, in which a handler is behind."""


class Broken(NamedTuple):
    """A case that broke something."""

    number: int
    target: Target
    case: Case
    error: Exception

    def __str__(self) -> str:
        case = self.case
        return (
            f"Case {self.number} breaks {self.target.name}: {type(self.error).__name__}: {self.error}\n"
            f"  stream {case.stream.hex() or '(no bytes)'}\n"
            f"  sizes of the reads {case.sizes}, end {case.end}, lag {case.lag}"
        )


class Campaign:
    """The cases of a seed. Each has a number, and all of it comes from the seed and that number."""

    def __init__(self, seed: int, targets: Sequence[Target] = TARGETS) -> None:
        self._seed = seed
        self._targets = targets
        self._mutators = {each.variant: Mutator(each.variant) for each in targets}

    def case(self, number: int) -> tuple[Target, Case]:
        """The case of this number, and what it is tried on."""
        rng = Random(f"{self._seed} {number}")
        target = rng.choice(self._targets)
        stream = self._mutators[target.variant].stream(rng)
        return target, Case(
            stream, sizes(rng), rng.choice(target.ends), rng.choice((0, rng.randint(1, MAX_LAG)))
        )

    def broken(self, number: int) -> Broken | None:
        """Try a case; where it breaks something, return it as small as it can be."""
        target, case = self.case(number)
        error = _error(target, case)
        if error is None:
            return None

        def breaks(smaller: Case) -> bool:
            return type(_error(target, smaller)) is type(error)

        smallest = minimised(case, breaks)
        return Broken(number, target, smallest, _error(target, smallest) or error)


def _error(target: Target, case: Case) -> Exception | None:
    try:
        target.check(case)
    except Exception as error:
        return error
    return None
