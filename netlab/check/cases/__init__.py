"""What is asked of servers and clients: each case is data and one short function.

A case ends well, or raises Judged with what is wrong. Its id is stable: the variant (a client's with
`client-` before it), what it is about, a number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

from netlab.check.findings import Level

CORE, ROBUST = Level.CORE, Level.ROBUST

GUIDE = {
    "udp": {"serve": "1.2", "echo": "1.2"},
    "tcp": {"serve": "2.2", "echo": "2.2"},
    "v2": {"serve": "4.2", "echo": "4.3"},
    "v3": {"serve": "5.2", "echo": "5.3"},
}
"""Where the lab guide asks for it: the exercise, by variant."""


@dataclass(frozen=True)
class Case:
    """One thing that is asked for."""

    id: str
    level: Level
    clause: str
    """The rules in docs/protocol.md."""
    requirement: str
    """What is asked for, in one sentence."""
    run: Callable[[Any], None]
    """Called with the Server (or Client) that is judged."""
    started: bool = False
    """Does it need a program that netlab has started?"""
    echoed: bool = False
    """Does it say something only of programs that send messages back?"""

    @property
    def variant(self) -> str:
        return self.id.split("/")[0].removeprefix("client-")

    @property
    def guide(self) -> str:
        """The place in the lab guide."""
        return GUIDE[self.variant]["echo" if self.echoed else "serve"]


_cases: list[Case] = []

F = TypeVar("F", bound=Callable[[Any], None])


def case(
    variants: str,
    name: str,
    level: Level,
    clause: str,
    requirement: str,
    *,
    started: bool = False,
    echoed: bool = False,
) -> Callable[[F], F]:
    """Make a case of a function, one for each variant. name: the id without the variant."""

    def register(function: F) -> F:
        for variant in variants.split():
            _cases.append(Case(f"{variant}/{name}", level, clause, requirement, function, started, echoed))
        return function

    return register


MODULES = ("datagrams", "text", "frames", "fixed", "variable", "connections", "printing", "clients")
"""In the order in which they are run: from what everybody needs to what few think of."""


def all_cases() -> list[Case]:
    """Every case there is."""
    for name in MODULES:
        import_module(f"netlab.check.cases.{name}")
    return sorted(_cases, key=lambda case: case.level is ROBUST)


def chosen(prefix: str, only: Sequence[str] = (), skip: Sequence[str] = ()) -> list[Case]:
    """The cases of a variant (`v3`, `client-v3`), in the order in which they are run: core first.

    only, skip: ids or beginnings of ids. Raises ValueError for one that no case has.
    """
    own = [each for each in all_cases() if each.id.startswith(prefix + "/")]
    for each in (*only, *skip):
        if not any(matches(case.id, each) for case in own):
            raise ValueError(f"no case of {prefix} is called {each!r}: see --list")
    return [
        case
        for case in own
        if (not only or any(matches(case.id, each) for each in only))
        and not any(matches(case.id, each) for each in skip)
    ]


def matches(id: str, wanted: str) -> bool:
    """Is it this id, or does it begin with these parts?"""
    parts, wanted_parts = id.split("/"), wanted.strip("/").split("/")
    return parts[: len(wanted_parts)] == wanted_parts


def groups(ids: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """The ids by what they are about: `v3/split`."""
    found: dict[str, list[str]] = {}
    for id in ids:
        found.setdefault(id.rsplit("/", 1)[0], []).append(id)
    return iter(found.items())
