"""The line on a terminal that shows how far a check has come."""

from __future__ import annotations

from netlab.report.live import Line


class Progress(Line):
    """`12 of 34 v3/split/2 ...`, rewritten in its place; nothing where the stream is no terminal."""

    def case(self, number: int, total: int, id: str) -> None:
        """The case with this number, from 1, has begun."""
        self.show(f"{number} of {total} {id} ...")

    def say(self, what: str) -> None:
        """Something else than a case has begun."""
        self.show(f"{what} ...")
