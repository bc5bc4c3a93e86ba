"""A case: one stream, the pieces in which it comes, how it ends; and what a case can be tried on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tests.wire import in_reads


class Breach(AssertionError):
    """What must hold for every stream does not hold for this one."""


def must(holds: bool, what: str) -> None:
    """Raise Breach where something does not hold that must."""
    if not holds:
        raise Breach(what)


@dataclass(frozen=True)
class Case:
    """One stream."""

    stream: bytes
    sizes: tuple[int, ...] = (65_536,)
    """How many bytes each read yields, over and over."""
    end: str = "fin"
    """How the stream ends: one of the target's ends."""
    lag: int = 0
    """Reads in which a handler is behind; 0 for one that is never (sessions)."""

    @property
    def pieces(self) -> list[bytes]:
        """What each read yields."""
        return in_reads(self.stream, self.sizes)


class Target(Protocol):
    """What is tested."""

    @property
    def name(self) -> str: ...

    @property
    def variant(self) -> str:
        """Whose streams it reads: tcp, tcpv2, tcpv3 or udp, as in the golden vectors."""

    @property
    def ends(self) -> tuple[str, ...]: ...

    def check(self, case: Case) -> None:
        """Try a case. Raises Breach where it does not what it must, and whatever it raises itself."""
