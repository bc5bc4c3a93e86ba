"""What the checker has seen: the bytes that it sent, with their boundaries, and what came back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from netlab.check.findings import Closing

if TYPE_CHECKING:
    from netlab.check.models.simulation import Prediction

PROBED = 1_200
"""Bytes of a long stream of messages that are enough to tell how they are read."""


class Fact(Enum):
    """What no row of bytes shows, but is true or false of a program."""

    LOSES = "bytes are lost when the client reads late"
    WAITS = "a second client waits until the first has gone"
    STUCK = "it cannot be started again at once"
    EXHAUSTED = "it ends when it has no more descriptors"
    DIES = "it ended while it was checked"
    HANGS = "it waits for ever for an echo that does not come"
    STRANGERS = "anybody's datagram is taken for the echo"
    LEAKS = "connections are left open when their clients have gone"
    FULL = "its queue of connections was full"
    MIXES = "what one client is owed goes to another"
    IMPATIENT = "it closes a connection on which nothing is said for a moment"
    RECONNECTS = "each message comes on a connection of its own"
    AT_END = "echoes are read only when the input has ended"


@dataclass
class Exchange:
    """What passed over one connection, or between one datagram socket and the program.

    The judged program's side of it is what a model (netlab/check/models) must predict.
    """

    datagrams: bool = False
    sent: list[bytes] = field(default_factory=list)
    """What the checker sent. Over TCP, each piece was read by the program before the next was sent."""
    known: bool = True
    """Is it known how the program read it? Not where much is sent without a pause."""
    probed: int = PROBED
    """Bytes of it that models are tried on, where that is not known."""
    cut: bool = False
    """Was it longer than that?"""
    finished: bool = False
    """Did the checker send its FIN, behind all of this?"""
    reset: bool = False
    """Did the checker reset the connection, behind all of this?"""
    received: list[bytes] = field(default_factory=list)
    """What came back: datagrams; over TCP, what was read."""
    settled: bool = False
    """Was it waited until no more came?"""
    stayed: bool = False
    """Was it still open when an answer had been waited for in vain, before the checker's FIN?"""
    closing: Closing | None = None
    rightly: bool = True
    """Is all that came what a right program sends? Found out where it is not known how the program read."""
    foretold: Sequence[Prediction] = ()
    """What a right program makes of it, for each way in which it may have read it."""
    typed: list[str] | None = None
    """The lines that a client was given to read, without their ends; None of a server."""
    input_ended: bool = False
    """Did the client's input end, behind all of these?"""
    lost_after: int | None = None
    """How many of these lines it had when the checker reset the connection; None where that waited for it."""
    refused: bool = False
    """Did nobody listen when the client came?"""
    heard: bool | None = None
    """Has the client read anything of what was sent? None where that was not looked at, or cannot be seen."""

    @property
    def used(self) -> bool:
        """Was anything said in it?"""
        return bool(self.sent or self.typed)

    @property
    def stream(self) -> bytes:
        """What came back, joined."""
        return b"".join(self.received)


@dataclass
class Evidence:
    """What one case has seen."""

    id: str
    core: bool
    failed: bool = False
    exchanges: list[Exchange] = field(default_factory=list)
    errors: Sequence[str] = ()
    """The exceptions that the program has written to standard error meanwhile: `struct.error: ...`."""
    printed: str | None = None
    """What the program has printed meanwhile; None where that cannot be seen."""
    texts: list[str] = field(default_factory=list)
    """The texts that were looked for in what it prints."""
    numbers: set[int] = field(default_factory=set)
    """The large numbers in the lines that it printed for an order of 0x01020304."""
    facts: dict[Fact, bool] = field(default_factory=dict)

    @property
    def last(self) -> Exchange | None:
        """The last exchange in which anything was said."""
        return next((each for each in reversed(self.exchanges) if each.used), None)
