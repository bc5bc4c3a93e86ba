"""A report for the terminal: the table, what went wrong, a chart or a histogram."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netlab.load.compare import Outcome
from netlab.load.reports import words
from netlab.report.terminal import BOLD, LABEL, WIDEST, Writer
from netlab.wire.text import writable

BAR = 36
"""Columns of the longest bar."""

ROWS = 20
"""Rows of a histogram: of more buckets, neighbours are put together."""

EIGHTHS = " ▏▎▍▌▋▊▉█"
"""A column that is filled from the left, by eighths."""


def render(outcome: Outcome, width: int = WIDEST, *, colour: bool = False, encoding: str = "utf-8") -> str:
    """The report as lines of at most `width` columns, 80 to 120. encoding: of what it is written to."""
    return writable("\n".join(_report(outcome, Writer(width, colour), _draws(encoding))) + "\n", encoding)


def _draws(encoding: str) -> bool:
    """Does this encoding have the blocks that bars are made of?"""
    try:
        EIGHTHS.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _report(outcome: Outcome, writer: Writer, blocks: bool) -> Iterator[str]:
    yield from writer.prose(words.load(outcome.settings), 0)
    yield ""
    yield from _table(outcome, writer)
    yield ""
    for said in words.sentences(outcome):
        yield from writer.prose(said, 0)
    yield from _errors(outcome, writer)
    if outcome.compared:
        yield from _chart(outcome, writer, blocks)
    else:
        yield from _histogram(outcome, writer, blocks)


def _table(outcome: Outcome, writer: Writer) -> Iterator[str]:
    columns = words.columns(outcome)
    while True:
        rows = [
            ["", *(each.head for each in columns)],
            *([words.name(each), *(column.of(each) for column in columns)] for each in outcome.entrants),
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        most = max(columns, key=lambda each: each.rank)
        if sum(widths) + 2 * len(columns) <= writer.width or not most.rank:
            break
        columns.remove(most)
    for number, row in enumerate(rows):
        line = "  ".join(
            [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        yield writer.paint(LABEL, line.rstrip()) if number == 0 else line


def _errors(outcome: Outcome, writer: Writer) -> Iterator[str]:
    for entrant in outcome.entrants:
        found = words.kinds(entrant.rounds)
        if found:
            whose = f" of {words.name(entrant)}" if outcome.compared else ""
            yield from ("", writer.paint(BOLD, f"Errors{whose}"))
        for kind, count, first in found:
            front = f"  {count:>11,}  {kind.word:13}  "
            told = f"{kind.unit}: {kind.meaning}" + (f" (first: {first})" if first else "")
            for line in writer.prose(told, len(front)):
                yield front + line.lstrip() if front.strip() else line
                front = " " * len(front)


def _histogram(outcome: Outcome, writer: Writer, blocks: bool) -> Iterator[str]:
    buckets = outcome.entrants[0].latencies().buckets()
    if not buckets:
        return
    together = -(-len(buckets) // ROWS)
    rows = [
        (buckets[at][0], sum(count for _, count in buckets[at : at + together]))
        for at in range(0, len(buckets), together)
    ]
    total, most = sum(count for _, count in rows), max(count for _, count in rows)
    yield from ("", writer.paint(BOLD, "Latency, on a log axis: a row from its time up to the next one's"))
    for seconds, count in rows:
        bar = _bar(count / most, blocks)
        share = f"{words.percent(count / total):>8}" if count else ""
        yield f"  {words.duration(seconds):>8}  {bar:{BAR}}  {share}".rstrip()


def _chart(outcome: Outcome, writer: Writer, blocks: bool) -> Iterator[str]:
    """A bar for each server: how much, and how late."""
    names = [words.name(each) for each in outcome.entrants]
    rates = [each.median(lambda it: it.rate) for each in outcome.entrants]
    yield from _bars("Messages a second: more is better", names, rates, words.rate, writer, blocks)
    slow = [each.percentile(99.0) for each in outcome.entrants]
    yield from _bars("p99 of latency: less is better", names, slow, words.duration, writer, blocks)


def _bars(
    title: str,
    names: Sequence[str],
    figures: Sequence[float | None],
    write: words.Write,
    writer: Writer,
    blocks: bool,
) -> Iterator[str]:
    most = max((each for each in figures if each is not None), default=0.0)
    if not most:
        return
    yield from ("", writer.paint(BOLD, title))
    for name, figure in zip(names, figures, strict=True):
        bar = _bar((figure or 0.0) / most, blocks)
        told = words.NONE if figure is None else write(figure)
        yield f"  {name:{max(map(len, names))}}  {bar:{BAR}}  {told}"


def _bar(share: float, blocks: bool) -> str:
    """A bar of some share of the longest. What is not nothing is seen."""
    if not blocks:
        return "#" * (max(1, round(share * BAR)) if share else 0)
    eighths = max(1, round(share * BAR * 8)) if share else 0
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()
