"""Makes a case that breaks something as small as it can be, so that a person sees at once what it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.fuzzing.cases import Case

TRIES = 3_000
"""Smaller cases that are tried, at most: some seconds."""

SIMPLE = b"a\0"
"""What a byte may be replaced with that does not matter, the best first."""


class _Search:
    """The smallest case that was found so far, and what makes it smaller (delta debugging)."""

    def __init__(self, case: Case, breaks: Callable[[Case], bool]) -> None:
        self.case = case
        self._breaks = breaks
        self._tries = 0

    def accepts(self, smaller: Case) -> bool:
        """Try a smaller case; it takes the place of the other if it breaks, too."""
        self._tries += 1
        if smaller == self.case or self._tries > TRIES or not self._breaks(smaller):
            return False
        self.case = smaller
        return True

    def leave_out(self) -> None:
        """Leave out stretches of the stream, the long ones first."""
        length = len(self.case.stream)
        while length:
            at = 0
            while at < len(self.case.stream):
                stream = self.case.stream
                if not self.accepts(replace(self.case, stream=stream[:at] + stream[at + length :])):
                    at += length
            length //= 2

    def simplify(self) -> None:
        """Have it come in fewer kinds of reads, and replace bytes that do not matter."""
        for sizes in (len(self.case.stream) or 1,), (1,), *((size,) for size in self.case.sizes):
            if len(self.case.sizes) > 1:
                self.accepts(replace(self.case, sizes=sizes))
        self.accepts(replace(self.case, lag=0))
        for at in range(len(self.case.stream)):
            begin, byte, rest = (
                self.case.stream[:at],
                self.case.stream[at : at + 1],
                self.case.stream[at + 1 :],
            )
            simpler = SIMPLE.partition(byte)[0]  # all of them, if it is none of them itself
            any(self.accepts(replace(self.case, stream=begin + bytes([each]) + rest)) for each in simpler)


def minimised(case: Case, breaks: Callable[[Case], bool]) -> Case:
    """The smallest case that still breaks and can be found from this one by leaving out and simplifying."""
    search = _Search(case, breaks)
    before = None
    while search.case != before:
        before = search.case
        search.leave_out()
        search.simplify()
    return search.case
