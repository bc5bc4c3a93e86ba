"""The mistakes that people make, each as a small program that makes it.

A model is a function from the bytes that were sent, with their boundaries, to the bytes that come back: it is
run against a `simulation` of a socket, and written as a student would write it. How it is written is its
*habits*; the defaults are right, and a *mistake* is a change of them. So mistakes can be put together, as
people do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netlab.check.evidence import Fact


@dataclass(frozen=True)
class Mistake:
    """A wrong habit, and what there is to say of it."""

    name: str
    """Its stable name: `one-recv`."""
    title: str
    explanation: str
    code: str
    """The line of code that it usually is, and what it should be."""
    guide: str
    """Where in the guide to look: a chapter's or an exercise's number."""
    changes: Sequence[Mapping[str, Any]] = ({},)
    """What is other than in a right program: each is one way of making this mistake."""
    fact: Fact | None = None
    """What else is then true of the program."""


@dataclass(frozen=True)
class Model:
    """All that is known of one kind of program.

    serve: plays it. right: its habits without a mistake. mistakes: what is known to go wrong.
    """

    serve: Callable[..., None]
    right: Any
    mistakes: Sequence[Mistake]
