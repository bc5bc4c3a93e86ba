"""What all reports on a load say alike: figures with their units, and sentences."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from netlab import __version__
from netlab.load.compare import Entrant, Outcome
from netlab.load.engine import Settings
from netlab.load.errors import Kind
from netlab.load.measurement import Measurement, Moment
from netlab.load.targets import LABEL
from netlab.wire import fixed
from netlab.wire.text import printable

Write = Callable[[float], str]
"""Writes a figure."""

NONE = "-"
"""What stands where there is no figure."""


def name(entrant: Entrant) -> str:
    """What a server is called in a table or a plot."""
    return printable(entrant.name)[:LABEL]


def rate(messages: float) -> str:
    """Messages a second."""
    return f"{messages:,.0f}" if messages >= 100 or not messages else f"{messages:.1f}"


def megabytes(size: float) -> str:
    """Bytes a second, in millions."""
    return f"{size / 1e6:,.1f}" if size >= 1e5 else f"{size / 1e6:.3f}"


def duration(seconds: float) -> str:
    """A time, with three digits."""
    if not seconds:
        return "0 s"
    for unit, in_seconds in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= in_seconds * 0.9995:
            return f"{_digits(seconds / in_seconds)} {unit}"
    return f"{_digits(seconds * 1e6)} µs"


def _digits(number: float) -> str:
    return f"{number:.2f}" if number < 9.995 else f"{number:.1f}" if number < 99.95 else f"{number:,.0f}"


def percent(share: float) -> str:
    """A share, so that a little is not nothing and nearly all is not all."""
    if 0 < share < 0.0001:
        return "< 0.01 %"
    if 0.9995 <= share < 1:
        return "> 99.9 %"
    return f"{share:.2%}".replace("%", " %") if share < 0.1 else f"{share:.1%}".replace("%", " %")


def load(settings: Settings) -> str:
    """What is sent, in one sentence."""
    low, high = settings.size
    size = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    what = f"{'datagrams' if settings.format == 'udp' else 'texts'} of {size} bytes"
    if settings.format == "tcpv2":
        what = f"frames of {fixed.FRAME_LENGTH} bytes"  # longer texts are cut, shorter ones padded
    if settings.rate is not None:
        pace = f"{settings.rate:,g} a second in all, {settings.pipeline:,} at once on each"
    elif settings.echo:
        pace = f"{settings.pipeline:,} at once on each" if settings.pipeline > 1 else "one at a time on each"
    else:
        pace = "as many as are taken"
    echo = "" if settings.echo else "; without --echo only the sending is measured"
    layout = f", layout {settings.layout}" if settings.layout != "guide" else ""
    return (
        f"{settings.format}{layout}: {settings.connections:,} "
        f"{'sockets' if settings.format == 'udp' else 'connections'}, {what}, {pace}, for "
        f"{settings.duration:g} s{echo}"
    )


class Column(NamedTuple):
    """A column of the table."""

    head: str
    of: Callable[[Entrant], str]
    rank: int
    """Where there is no room for all, the highest is left out first; 0 never."""


def columns(outcome: Outcome) -> list[Column]:
    """The columns of the table: medians over the rounds."""
    entrants = outcome.entrants
    first = entrants[0].median(lambda each: each.rate)
    found = [Column("messages/s", lambda each: _figure(rate, each.median(lambda it: it.rate)), 0)]
    if outcome.compared:
        found.append(Column("ratio", lambda each: _ratio(each.median(lambda it: it.rate), first), 0))
    found.append(Column("MB/s", lambda each: _figure(megabytes, each.median(lambda it: it.throughput)), 3))
    if outcome.settings.echo:
        for percent, rank in ((50.0, 0), (90.0, 6), (99.0, 0), (99.9, 5)):
            found.append(Column(f"p{percent:g}", partial(_percentile, percent), rank))
        found.append(Column("max", lambda each: _figure(duration, each.median(_longest)), 4))
    if any(each.processor is not None for each in outcome.measurements):
        found.append(
            Column(
                "CPU/message",
                lambda each: _figure(duration, each.median(lambda it: it.processor_per_message)),
                2,
            )
        )
    found.append(Column("errors", lambda each: f"{sum(it.errors.total for it in each.rounds):,}", 1))
    return found


def _percentile(percent: float, entrant: Entrant) -> str:
    return _figure(duration, entrant.percentile(percent))


def _longest(measured: Measurement) -> float | None:
    return measured.latencies.longest if measured.latencies.count else None


def _figure(write: Write, figure: float | None) -> str:
    return NONE if figure is None else write(figure)


def _ratio(figure: float | None, of: float | None) -> str:
    return f"{figure / of:.2f}" if figure is not None and of else NONE


def sentences(outcome: Outcome) -> Iterator[str]:
    """What there is to be said of the figures."""
    settings = outcome.settings
    yield from _of_several(outcome) if outcome.compared else _of_one(outcome)
    if not settings.echo:
        yield (
            "Without echoes it is not known what of it was read: UDP tells nobody."
            if settings.format == "udp"
            else "A message counts as taken when the server has read its connection to the end, and closed."
        )
    elif settings.rate is not None and any(each.messages < each.due for each in outcome.measurements):
        yield "What was never answered is among the latencies, with the time it had waited by the end."
    if outcome.interrupted:
        yield "It was interrupted: this is what was measured until then."
    if outcome.trouble:
        yield f"It ended before all rounds were over: {outcome.trouble}"


def _of_one(outcome: Outcome) -> Iterator[str]:
    for measured in outcome.measurements:
        yield accounted(measured)
        yield from _late(outcome.settings, measured)
        yield from measured.notes


def _of_several(outcome: Outcome) -> Iterator[str]:
    rounds = max(len(each.rounds) for each in outcome.entrants)
    yield f"Medians of {_count(rounds, 'round')} in turns; the ratio is to the first."
    for each in outcome.entrants:
        told = ", ".join(rate(it.rate) for it in each.rounds)
        yield f"{name(each)}, messages/s of each round: {told or NONE}."
    for each in outcome.entrants:
        whole = Measurement(due=sum(it.due for it in each.rounds), late=sum(it.late for it in each.rounds))
        yield from (f"{name(each)}: {said}" for said in _late(outcome.settings, whole))
        for number, measured in enumerate(each.rounds, 1):
            yield from (f"{name(each)}: round {number}: {note}" for note in measured.notes)


def accounted(measured: Measurement) -> str:
    """What became of the messages."""
    parts = [f"{measured.due:,} messages were due"] if measured.due > measured.sent else []
    parts.append(f"{measured.sent:,} sent")
    if measured.echo:
        parts.append(f"{measured.messages:,} answered, each byte compared")
    else:
        parts.append(f"{measured.messages:,} of them taken")
    return f"{', '.join(parts)}, in {measured.seconds:.2f} s."


def _late(settings: Settings, measured: Measurement) -> Iterator[str]:
    if settings.echo and measured.late:
        yield (
            f"{measured.late:,} of {measured.due:,} messages ({percent(measured.share_of_late)}) were "
            f"answered after more than {duration(settings.late)}, or not at all."
        )


def kinds(measurements: list[Measurement]) -> list[tuple[Kind, int, str]]:
    """The errors of some measurements: each kind, how often, and what was seen of the first."""
    counts: Counter[Kind] = Counter()
    first: dict[Kind, str] = {}
    for each in measurements:
        counts.update(each.errors.counts)
        first = {**each.errors.first, **first}
    return [(kind, counts[kind], first.get(kind, "")) for kind in Kind if counts[kind]]


def live(
    settings: Settings,
    compared: bool,
    name: str,
    number: int,
    seconds: float,
    moment: Moment,
    so_far: Measurement,
) -> str:
    """The line that shows how far a measurement has come."""
    parts = [f"{name}, round {number}"] if compared else []
    parts.append(f"{min(seconds, settings.duration):.1f} of {settings.duration:g} s")
    parts.append(f"{rate(moment.messages / moment.seconds if moment.seconds else 0)} messages/s")
    parts.append(f"{megabytes(moment.size / moment.seconds if moment.seconds else 0)} MB/s")
    if moment.p99 is not None:
        parts.append(f"p99 {duration(moment.p99)}")
    parts += [f"{kind.word} {count:,}" for kind, count in so_far.errors.counts.items()]
    return ", ".join(parts)


def versions() -> str:
    """With what it was measured."""
    return f"netlab {__version__}, Python {platform.python_version()}, {platform.platform(terse=True)}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
