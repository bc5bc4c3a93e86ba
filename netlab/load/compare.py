"""Loads servers in turns, round by round, so that what disturbs the machine disturbs all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from statistics import median

from netlab.load.engine import Engine, Settings, Stop, Told
from netlab.load.errors import Kind
from netlab.load.latency import Latencies
from netlab.load.measurement import Measurement, Moment
from netlab.load.program import Program, owners, processor, see
from netlab.load.targets import CANNOT, CannotLoad, Target, resolved
from netlab.wire.text import printable

LAST = 0.5
"""Seconds that a program that has left its clients gets to end: to do so takes some time."""

BUSY = 0.9
"""The share of a core above which this program may be what sets the pace, and not the server."""


SILENT = (Kind.NO_ANSWER, Kind.NOT_SENT, Kind.LOST)
"""What is seen of a server that does not echo."""


@dataclass
class Entrant:
    """A server, and what was measured of it in each round."""

    name: str
    target: Target
    rounds: list[Measurement] = field(default_factory=list)

    def median(self, of: Callable[[Measurement], float | None]) -> float | None:
        """The median of a figure over the rounds that have it."""
        found = [figure for each in self.rounds if (figure := of(each)) is not None]
        return median(found) if found else None

    def percentile(self, percent: float) -> float | None:
        """The median of a percentile, in seconds."""
        return self.median(lambda each: each.latencies.percentiles((percent,)).get(percent))

    def latencies(self) -> Latencies:
        """Those of all rounds."""
        whole = Latencies()
        for each in self.rounds:
            whole.merge(each.latencies)
        return whole


@dataclass
class Outcome:
    """All that was measured."""

    settings: Settings
    entrants: list[Entrant]
    compared: bool
    started: float = field(default_factory=time.time)
    """Seconds since 1970."""
    trouble: str = ""
    """Why it ended before all rounds were over, in one line."""
    interrupted: bool = False

    @property
    def measurements(self) -> Iterator[Measurement]:
        return (each for entrant in self.entrants for each in entrant.rounds)

    @property
    def errors(self) -> int:
        """How many errors there were in all."""
        return sum(each.errors.total for each in self.measurements)


Shown = Callable[[str, int, float, Moment, Measurement], None]
"""Called after each moment: whose it is, the round from 1, and what Told gets."""


def contest(
    settings: Settings,
    entrants: Sequence[Entrant],
    rounds: int,
    stop: Stop,
    *,
    owned: bool,
    shown: Shown,
) -> Outcome:
    """Load each server in each round: every other round in the reverse order, so that none is always behind
    the same. Raises CannotLoad where not even one measurement came to its end.
    """
    outcome = Outcome(settings, list(entrants), len(entrants) > 1)
    for each in entrants:  # else it would be found out when the first have had their turn
        if each.target.place is not None:
            resolved(each.target.place, transport(settings), owned)
        else:
            see(each.target.command)
    try:
        for number in range(1, rounds + 1):
            for entrant in entrants if number % 2 else reversed(entrants):
                told = partial(shown, entrant.name, number)
                if (measured := measure(settings, entrant.target, stop, told, owned=owned)) is not None:
                    entrant.rounds.append(measured)
                if stop.asked:
                    outcome.interrupted = True
                    return outcome
    except CannotLoad as error:
        if not any(outcome.measurements):
            raise
        outcome.trouble = str(error)
    return outcome


def measure(settings: Settings, target: Target, stop: Stop, told: Told, *, owned: bool) -> Measurement | None:
    """Load one server once; None where it was to end before it began. Raises CannotLoad."""
    with _server(target, transport(settings), stop) as (place, pids, program):
        if stop.asked:
            return None

        def look(seconds: float, moment: Moment, so_far: Measurement) -> None:
            if program is not None:
                program.tidy()
            told(seconds, moment, so_far)

        engine = Engine(settings, resolved(place, transport(settings), owned), stop, look)
        try:
            if not engine.connect():
                if stop.asked:
                    return None
                raise CannotLoad(CANNOT, _nobody(target, engine.measured))
            before = processor(pids)
            measured = engine.run()
        finally:
            engine.close()
        after = processor(pids)
        if before is not None and after is not None:
            measured.processor = after - before
        if program is not None and (trouble := program.trouble(LAST if measured.errors.total else 0)):
            measured.notes.append(trouble)
    if measured.errors.counts[Kind.REFUSED] >= measured.connections and not measured.messages:
        raise CannotLoad(CANNOT, _nobody(target, measured))  # UDP finds out when it sends
    if measured.own_processor > BUSY * measured.elapsed:
        share = min(1.0, measured.own_processor / measured.elapsed)
        measured.notes.append(
            f"netlab load itself was busy for {share:.0%} of the time: the server may be faster than this"
        )
    if settings.echo and not measured.messages and not {*measured.errors.counts} - {*SILENT}:
        measured.notes.append("nothing came back: does the server echo (netlab's do with --echo)?")
    return measured


def transport(settings: Settings) -> str:
    """tcp or udp."""
    return "udp" if settings.format == "udp" else "tcp"


@contextmanager
def _server(
    target: Target, transport: str, stop: Stop
) -> Iterator[tuple[tuple[str, int], list[int], Program | None]]:
    """Where a server is, its processes as far as they are known, and the program if we have started it."""
    if target.place is not None:
        yield target.place, owners(target.place[1], transport), None
        return
    with Program(target.command, transport, lambda: stop.asked > 0) as program:
        yield program.place, program.pids(), program


def _nobody(target: Target, measured: Measurement) -> str:
    """Why nothing could be measured."""
    (kind, _), *_ = measured.errors.counts.most_common(1) or [(Kind.FAILED, 0)]
    seen = measured.errors.first.get(kind, "")
    what = (
        "nobody listens there: start the server, or check the address"
        if kind is Kind.REFUSED
        else (f"{kind.meaning}: {seen}" if seen else kind.meaning)
    )
    return f"{printable(target.written)}: {what}"
