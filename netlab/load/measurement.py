"""What was measured of one server in one go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from netlab.load.errors import Errors
from netlab.load.latency import Latencies


class Moment(NamedTuple):
    """A short stretch of the measurement. Times are seconds; latencies None where nothing was answered."""

    at: float
    """When it ended, since the beginning."""
    seconds: float
    messages: int
    """Answered in it; without echoes sent."""
    size: int
    """Bytes of these."""
    median: float | None
    p99: float | None
    longest: float | None

    def with_(self, rest: Moment) -> Moment:
        """This one and the little that came after it: its percentiles stay what they are."""
        return Moment(
            rest.at,
            self.seconds + rest.seconds,
            self.messages + rest.messages,
            self.size + rest.size,
            rest.median if self.median is None else self.median,
            rest.p99 if self.p99 is None else self.p99,
            max((each for each in (self.longest, rest.longest) if each is not None), default=None),
        )


@dataclass
class Measurement:
    """All that was seen of one server."""

    seconds: float = 0.0
    """From the first message to the last answer; without echoes until the server had read all."""
    elapsed: float = 0.0
    """To the end of all waiting, too."""
    connections: int = 0
    """That were made."""
    due: int = 0
    """Messages that were to be sent: at a fixed rate also those that were not."""
    sent: int = 0
    messages: int = 0
    """That were answered; without echoes those that the server has taken, as far as that can be known."""
    size: int = 0
    """Bytes of these, one way."""
    late: int = 0
    """Messages that took longer than --late, or were not answered at all."""
    latencies: Latencies = field(default_factory=Latencies)
    errors: Errors = field(default_factory=Errors)
    moments: list[Moment] = field(default_factory=list)
    echo: bool = True
    interrupted: bool = False
    processor: float | None = None
    """Seconds of processor time that the server used, where that is known."""
    own_processor: float = 0.0
    """The same of this program."""
    notes: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds if self.seconds else 0.0

    @property
    def throughput(self) -> float:
        """Bytes a second."""
        return self.size / self.seconds if self.seconds else 0.0

    @property
    def processor_per_message(self) -> float | None:
        """Seconds of the server's processor time for a message."""
        return self.processor / self.messages if self.processor is not None and self.messages else None

    @property
    def share_of_late(self) -> float:
        return self.late / self.due if self.due else 0.0
