"""A report as one page, with plots that are part of it."""

from __future__ import annotations

from collections.abc import Iterator

from netlab.load.compare import Entrant, Outcome
from netlab.load.reports import plots, words
from netlab.report import page
from netlab.report.page import Html, bullets, joined, section, tag

STYLE = f"""{plots.STYLE}
td, th {{ font-variant-numeric: tabular-nums; }}
.figures td + td, .figures th + th {{ text-align: right; }}
.figures td {{ white-space: nowrap; }}
figure {{ margin: 0 0 1.5rem; }}
figcaption {{ color: var(--soft); margin-top: .25rem; }}
.errors {{ border-left: .3rem solid var(--bad); }}
.errors > h2 {{ margin-top: 0; }}
"""
"""What this page has besides the look of all."""


def render(outcome: Outcome) -> str:
    """The page: the figures, what there is to say of them, the errors, the plots."""
    names = ", ".join(words.name(each) for each in outcome.entrants)
    title = f"{names}, compared" if outcome.compared else f"{names} under load"
    plotted = _comparison(outcome) if outcome.compared else _alone(outcome.entrants[0])
    return page.page(
        title,
        tag(
            "header",
            tag("h1", title),
            tag("p", words.load(outcome.settings), class_="soft"),
        ),
        tag("div", _figures(outcome), class_="figures"),
        bullets(words.sentences(outcome)),
        *(_errors(outcome, each) for each in outcome.entrants),
        *plotted,
        section("How it was measured", _conditions(outcome)),
        style=STYLE,
    )


def _figures(outcome: Outcome) -> Html:
    columns = words.columns(outcome)
    head = ["", *(each.head for each in columns)]
    rows = ([words.name(each), *(column.of(each) for column in columns)] for each in outcome.entrants)
    return page.table(head, rows)


def _errors(outcome: Outcome, entrant: Entrant) -> Html:
    found = [
        joined(
            (
                tag("b", f"{count:,} {kind.word}"),
                f" ({kind.unit}): {kind.meaning}",
                joined((". The first: ", page.code(first))) if first else "",
            )
        )
        for kind, count, first in words.kinds(entrant.rounds)
    ]
    if not found:
        return Html()
    whose = f"Errors of {words.name(entrant)}" if outcome.compared else "Errors"
    return tag("section", tag("h2", whose), bullets(found), class_="card errors")


def _alone(entrant: Entrant) -> Iterator[Html]:
    measured = entrant.rounds[0]
    if buckets := measured.latencies.buckets():
        told = ", ".join(
            f"p{percent:g} {words.duration(seconds)}"
            for percent, seconds in measured.latencies.percentiles().items()
        )
        yield section(
            "Latency",
            _figure(
                plots.histogram(buckets),
                f"Percent of the answers by the time they took, on a log axis. {told}.",
            ),
        )
    if len(measured.moments) > 1:
        yield section("Over time", _figure(plots.rates(measured.moments), "Messages a second."))
        if any(each.median is not None for each in measured.moments):
            yield _figure(
                plots.latencies(measured.moments),
                "Latency of what was answered in each moment, on a log axis.",
            )


def _comparison(outcome: Outcome) -> Iterator[Html]:
    entrants = outcome.entrants
    names = [words.name(each) for each in entrants]
    rates = [each.median(lambda it: it.rate) for each in entrants]
    yield section(
        "Messages a second",
        _figure(plots.bars(names, rates, words.rate, "Messages a second"), "More is better."),
    )
    found = [(words.name(each), buckets) for each in entrants if (buckets := each.latencies().buckets())]
    if found:
        slow = [each.percentile(99.0) for each in entrants]
        yield section(
            "Latency",
            _figure(plots.bars(names, slow, words.duration, "p99 of latency"), "p99: less is better."),
            _figure(
                plots.distributions(found),
                "Percent of the answers of all rounds by the time they took, on a log axis: left is fast.",
            ),
        )


def _figure(plot: Html, caption: str) -> Html:
    return tag("figure", tag("div", plot, class_="scroll"), tag("figcaption", caption))


def _conditions(outcome: Outcome) -> Html:
    settings = outcome.settings
    closed = "the next message is sent when one was answered, so a server that is slow gets less to do"
    due = "latency counts from the moment when a message was due, whether or not it could be sent"
    if not settings.echo:
        pace = "as much as the server takes" if settings.rate is None else f"{settings.rate:,g} a second"
    else:
        pace = f"closed loop: {closed}" if settings.rate is None else f"{settings.rate:,g} a second: {due}"
    rows = [("pace", pace)]
    for each in outcome.entrants:
        called = words.name(each) if outcome.compared else "target"
        rows.append((called, page.code(each.target.written)))
    rows.append(("with", words.versions()))
    return page.table(("what", "how"), rows)
