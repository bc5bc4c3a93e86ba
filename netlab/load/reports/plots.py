"""Plots for a page, drawn by pygal: it lays them out, and the page's own style and colours show them.

Of what pygal makes, only shapes and texts are taken, each escaped: no script, no style, nothing is loaded.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from xml.etree.ElementTree import Element

import pygal

from netlab.load.latency import PER_DECADE
from netlab.load.measurement import Moment
from netlab.load.reports import words
from netlab.report.page import Html, tag

WIDTH, HEIGHT = 800, 280
"""Of a plot, in pixels. On a phone it is moved sideways, and not made smaller than can be read."""

NARROW = 480
"""The width of a plot of a few bars: it fits a phone."""

LABELLED = (0, 3, 7)
"""The buckets of a decade that have a label: those that begin at 1, 2 and 5."""

STYLE = """
.drawing {
  --series-0: #0b57b8; --series-1: #b3261e; --series-2: #176b3a; --series-3: #8a4b00; --series-4: #5b4bb0;
  --series-5: #00696f; --series-6: #9a2377; --series-7: #5a6472;
}
@media screen and (prefers-color-scheme: dark) {
  .drawing {
    --series-0: #7fb4ff; --series-1: #ff8f87; --series-2: #6fd39a; --series-3: #f0b263; --series-4: #b7aaff;
    --series-5: #63d0d6; --series-6: #f39ad3; --series-7: #a3adba;
  }
}
.drawing { display: block; width: 100%; min-width: 44rem; height: auto; }
.few { min-width: 20rem; max-width: 40rem; }
.drawing text { font: 12px system-ui, sans-serif; fill: var(--ink); }
.drawing .background { fill: none; }
.drawing .axis.y text { text-anchor: end; }
.drawing .axis.x text { text-anchor: middle; }
.drawing .axis .line { fill: none; stroke: var(--line); stroke-width: 1; }
.drawing .vertical .axis.x .guide, .drawing .horizontal .axis.y .guide { stroke: none; }
.drawing .axis .axis.line { stroke: var(--soft); }
.drawing .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.drawing .text-overlay text { text-anchor: middle; }
.drawing .horizontal .text-overlay text { text-anchor: start; font-weight: 600; }
.drawing .serie-1 .line { stroke-dasharray: 9 3; }
.drawing .serie-2 .line { stroke-dasharray: 3 3; }
""" + "".join(
    f".drawing .color-{at} .rect, .drawing rect.color-{at} {{ fill: var(--series-{at}); }}\n"
    f".drawing .color-{at} .line, .drawing .color-{at} .rect {{ stroke: var(--series-{at}); }}\n"
    for at in range(8)
)

TIMES = 10
"""Labels below a plot over time."""

LEGEND = 34
"""The height of a legend, in pixels."""

MARGIN = 1.15
"""How far an axis goes on behind the longest bar: there its figure stands."""

_ELEMENTS = {"svg", "g", "path", "rect", "text", "circle", "title"}
_ATTRIBUTES = {"class", "d", "x", "y", "width", "height", "transform", "viewBox", "r", "cx", "cy"}
_FRACTION = re.compile(r"(\d+\.\d)\d+")


def histogram(buckets: Sequence[tuple[float, int]]) -> Html:
    """How many answers took how long: bars on a log axis. buckets: as Latencies.buckets() has them."""
    total = sum(count for _, count in buckets)
    chart = _chart(pygal.Bar, value_formatter=_percent)
    _label(chart, [_bound(seconds) for seconds, _ in buckets], _decades(seconds for seconds, _ in buckets))
    chart.add("", [100 * count / total if count else None for _, count in buckets])
    return _drawn(chart, "Latency histogram: the share of the answers by the time they took")


def distributions(named: Sequence[tuple[str, Sequence[tuple[float, int]]]]) -> Html:
    """The same of several servers, as lines."""
    places = [_place(seconds) for _, buckets in named for seconds, _ in buckets]
    bounds = [10 ** (place / PER_DECADE) for place in range(min(places) - 1, max(places) + 2)]
    chart = _chart(pygal.Line, value_formatter=_percent, show_legend=True)
    _label(chart, [_bound(seconds) for seconds in bounds], _decades(bounds))
    for name, buckets in named:
        total = sum(count for _, count in buckets)
        shares = {_place(seconds): 100 * count / total for seconds, count in buckets}
        chart.add(name, [shares.get(_place(seconds), 0.0) for seconds in bounds])
    return _drawn(chart, "Latency of each server: the share of its answers by the time they took")


def rates(moments: Sequence[Moment]) -> Html:
    """Messages a second over time."""
    chart = _chart(pygal.Line, value_formatter=words.rate)
    _label(chart, *_times(moments))
    figures = [each.messages / each.seconds for each in moments]
    chart.range = (0, max(figures))
    chart.add("", figures)
    return _drawn(chart, "Messages a second over time")


def latencies(moments: Sequence[Moment]) -> Html:
    """Percentiles over time, on a log axis."""
    chart = _chart(pygal.Line, value_formatter=words.duration, show_legend=True, logarithmic=True)
    _label(chart, *_times(moments))
    seen = [each for moment in moments for each in (moment.median, moment.longest) if each is not None]
    chart.y_labels = _steps(min(seen), max(seen))
    chart.add("longest", [each.longest for each in moments])
    chart.add("p99", [each.p99 for each in moments])
    chart.add("median", [each.median for each in moments])
    return _drawn(chart, "Latency over time: longest, 99th percentile and median")


def bars(names: Sequence[str], figures: Sequence[float | None], write: words.Write, title: str) -> Html:
    """A figure of several servers below each other, the first on top."""
    chart = _chart(pygal.HorizontalBar, value_formatter=write, width=NARROW, height=40 + 40 * len(names))
    chart.print_values, chart.print_values_position = True, "top"
    chart.x_labels = list(reversed(names))
    chart.range = (0, MARGIN * max((each for each in figures if each is not None), default=1.0))
    chart.show_x_labels = chart.show_x_guides = False  # each bar has its figure
    chart.add("", list(reversed(figures)))
    return _drawn(chart, title, "drawing few")


def _chart(kind: Callable[..., pygal.graph.graph.Graph], **settings: object) -> pygal.graph.graph.Graph:
    whole = {
        "width": WIDTH,
        "height": HEIGHT,
        "js": [],
        "show_legend": False,
        "legend_at_bottom": True,
        "legend_at_bottom_columns": 4,
        "truncate_label": -1,
        "truncate_legend": -1,
        "show_minor_x_labels": False,
        "show_dots": False,
        "allow_interruptions": True,
        "max_scale": 8,
        "margin": 12,
        **settings,
    }
    if whole["show_legend"]:
        whole["margin_bottom"] = LEGEND
    return kind(**whole)


def _label(chart: pygal.graph.graph.Graph, labels: Sequence[str], shown: Sequence[str]) -> None:
    """Label what is below the points of a plot; not all labels are shown."""
    chart.x_labels, chart.x_labels_major = list(labels), list(shown)


def _times(moments: Sequence[Moment]) -> tuple[list[str], list[str]]:
    """When each moment ended, and which of these times are shown."""
    labels = [f"{each.at:.1f} s" for each in moments]
    stride = -(-len(labels) // TIMES)
    return labels, labels[stride - 1 :: stride]


def _bound(seconds: float) -> str:
    """The bound of a bucket: those that begin with 1, 2 and 5 are called so."""
    if _place(seconds) % PER_DECADE in LABELLED:
        seconds = float(f"{seconds:.0e}")
        unit, factor = ("s", 1.0) if seconds >= 1 else ("ms", 1e3) if seconds >= 1e-3 else ("µs", 1e6)
        return f"{seconds * factor:.0f} {unit}"
    return words.duration(seconds)


def _decades(bounds: Iterable[float]) -> list[str]:
    """The bounds that are shown."""
    return [_bound(seconds) for seconds in bounds if _place(seconds) % PER_DECADE in LABELLED]


def _steps(low: float, high: float) -> list[float]:
    """The labels of a log axis: 1, 2, 5, 10 and so on, as far as they are needed."""
    first, last = math.floor(math.log10(low)), math.floor(math.log10(high))
    steps = [digit * 10.0**place for place in range(first, last + 1) for digit in (1, 2, 5)]
    return [each for each in [*steps, 10.0 ** (last + 1)] if low / 2.5 < each < high * 2.5]


def _place(seconds: float) -> int:
    """Which bucket it is that begins there."""
    return round(math.log10(seconds) * PER_DECADE)


def _percent(share: float) -> str:
    return f"{share:.3g} %"


def _drawn(chart: pygal.graph.graph.Graph, told: str, kind: str = "drawing") -> Html:
    """The plot as an element. told: what it shows, for whoever cannot see it."""
    return _taken(chart.render_tree(), {"class": kind, "role": "img", "aria-label": told})


def _taken(element: Element, more: Mapping[str, str] | None = None) -> Html:
    """What of an element is taken over. more: attributes that it gets."""
    attributes = {
        key: _FRACTION.sub(r"\1", value) for key, value in element.attrib.items() if key in _ATTRIBUTES
    }
    name = str(element.tag)
    attributes |= more or {}
    content: list[str] = [element.text or ""]
    for child in element:
        if child.tag in _ELEMENTS and not (more and child.tag == "title"):  # the whole plot's is pygal's own
            content.append(_taken(child))
    if said := [
        child.text or "" for child in element if child.tag == "desc" and "value" in child.get("class", "")
    ]:
        label = next((child.text or "" for child in element if child.get("class") == "x_label"), "")
        content.append(tag("title", f"{label}: {said[0]}" if label else said[0]))
    return tag(name, *content, **attributes)
