"""Draws bars with pygal: for each server one of each scenario of a group."""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

WIDTH, BAR, MARGINS = 760, 17, 120
"""Pixels: of a picture, the height of a bar, and of what stands above and below them all."""

COLOURS = ("#3a76c4", "#e2903a", "#3d9970")

SUPERFLUOUS = re.compile(r"<!--.*?-->|<script.*?</script>", re.DOTALL)
"""Comments that tell the day, and settings for a script that is not there."""


def unavailable() -> str | None:
    """Why nothing can be drawn here; None where it can."""
    if importlib.util.find_spec("pygal") is None:
        return 'there is no pygal here: pip install -e ".[benchmarks]"'
    return None


def _decade(series: Iterable[Sequence[float | None]]) -> float:
    """The power of ten below all values: where a logarithmic scale begins."""
    return float(10.0 ** math.floor(math.log10(min(value for each in series for value in each if value))))


def bars(
    title: str,
    names: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    form: Callable[[float], str],
    logarithmic: bool = False,
) -> str:
    """An SVG of horizontal bars: names from above, and for each one value of every series. It needs no
    script and no network, and is the same for the same values.
    """
    import pygal
    from pygal.style import Style

    style = Style(
        background="#ffffff",
        plot_background="#ffffff",
        foreground="#1c2129",
        foreground_strong="#1c2129",
        foreground_subtle="#d5d9e0",
        colors=COLOURS,
        font_family="system-ui, sans-serif",
        title_font_size=15,
        label_font_size=12,
        major_label_font_size=12,
        legend_font_size=12,
        value_font_size=11,
    )
    chart: Any = pygal.HorizontalBar(
        style=style,
        js=[],
        no_prefix=True,
        disable_xml_declaration=True,
        explicit_size=True,
        width=WIDTH,
        height=MARGINS + BAR * len(names) * (len(series) + 1),
        print_values=True,
        value_formatter=form,
        logarithmic=logarithmic,
        zero=_decade(series.values()) if logarithmic else 0,
        show_x_guides=False,  # of a bar that lies, x is what y is of one that stands
        show_x_labels=False,
        show_legend=len(series) > 1,
        legend_at_bottom=True,
        truncate_legend=-1,
        truncate_label=-1,
        margin=10,
    )
    chart.title = title
    chart.x_labels = list(reversed(names))  # it draws from below
    for name, values in series.items():
        chart.add(name, list(reversed(values)))
    svg: str = chart.render(is_unicode=True)
    return SUPERFLUOUS.sub("", svg) + "\n"
