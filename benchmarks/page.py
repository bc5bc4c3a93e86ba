"""Makes the page docs/performance.md of what was measured: text, tables and the names of the plots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill

from benchmarks.goals import GOALS
from benchmarks.numbers import Form, amount, megabytes, microseconds, milliseconds, share, size
from benchmarks.plots import bars
from benchmarks.prose import HOW, INTRODUCTION, LIMITS, QUICK, REPEAT, THREADS_OR_SELECTOR
from benchmarks.results import Results
from benchmarks.scenarios import BY_NAME
from benchmarks.servers import SERVERS
from netlab.wire.text import printable

PICTURES = "performance"
"""The folder of the pictures and figures, beside the page."""

NONE = "-"

WIDTH = 108
"""Of the text, as on other pages."""

RATE = ("rate", "messages/s", amount)
CPU = ("cpu_us", "CPU a message", microseconds)
LATENCY = (("p50_us", "p50", microseconds), ("p99_us", "p99", microseconds))

Column = tuple[str, str, Form]
"""A figure's name, the head of its column, and how it is shown."""


@dataclass(frozen=True)
class Group:
    """Scenarios that are told together."""

    name: str
    title: str
    text: str
    scenarios: tuple[str, ...]
    columns: tuple[Column, ...]
    plotted: tuple[tuple[str, str], ...] = ()
    """Which figures are drawn, each with what it is called; one of each scenario."""
    compared: str | None = "cpu_us"
    """The figure that is compared with netlab's."""
    logarithmic: bool = False


GROUPS = (
    Group(
        "small",
        "Small messages, one at a time",
        "64 connections, and on each one message on its way: a reply is waited for before the next is "
        "sent. So it is with clients at prompts. Each message costs the server a wake-up, a `recv` and a "
        "`send`, whoever wrote it; what the program adds is the rest.",
        ("v2-64x1", "v3-64x1", "text-64x1"),
        (RATE, CPU, *LATENCY),
        (("rate", "messages a second"),),
    ),
    Group(
        "pipelined",
        "Small messages, 64 at a time",
        "64 connections, and on each 64 messages on their way. One `recv` brings many frames: now it "
        "counts what a server does for each frame, and whether it sends answers one by one or together.",
        ("v2-64x64", "v3-64x64", "v3-mixed"),
        (RATE, CPU, *LATENCY),
        (("rate", "messages a second"),),
    ),
    Group(
        "one-connection",
        "One client, 256 at a time",
        "One connection with 256 messages on their way: nothing is shared, so that threads have nothing "
        "to wait for each other for.",
        ("v2-1x256", "v3-1x256"),
        (RATE, CPU, *LATENCY),
        (("rate", "messages a second"),),
    ),
    Group(
        "bulk",
        "Bulk",
        "4 connections, on each 4 frames of 64 KiB on their way. What counts is how often bytes are copied.",
        ("bulk",),
        (("mb_s", "echoed", megabytes), CPU, *LATENCY),
        (("mb_s", "MB/s"),),
    ),
    Group(
        "udp",
        "UDP",
        "64 clients, and of each one datagram on its way.",
        ("udp",),
        (RATE, CPU, *LATENCY),
        (("rate", "messages a second"),),
    ),
    Group(
        "connects",
        "Connections a second",
        "16 at a time: connect, one message, its echo, close; the client closes first, with a FIN. netlab"
        " logs two lines for each connection even with `--quiet`; the peers print nothing.",
        ("connects",),
        (("rate", "connections/s", amount), ("cpu_us", "CPU a connection", microseconds), *LATENCY),
        (("rate", "connections a second"),),
    ),
    Group(
        "idle",
        "Memory of an idle connection",
        "What each connection that is open and silent adds to the server's resident memory. The kernel's "
        "buffers come on top, and are the same for all.",
        ("idle",),
        (("connections", "connections", amount), ("idle_bytes", "memory of each", size)),
        (("idle_bytes", "bytes"),),
        compared="idle_bytes",
    ),
    Group(
        "fairness",
        "Fairness",
        "One client sends small messages one at a time, beside four that stream frames of 64 KiB as fast "
        "as they are echoed. How long does the small message wait? A server that reads a busy stream "
        "until it is empty, or writes much at once, lets it wait. The times are the small messages'. Where "
        "the mean is far above the median, some waited very long, and few were sent meanwhile. The scale of "
        "the plot is logarithmic.",
        ("fairness",),
        (*LATENCY, ("mean_us", "mean", microseconds), ("mb_s", "beside", megabytes)),
        (("p50_us", "p50"), ("p99_us", "p99")),
        compared="p50_us",
        logarithmic=True,
    ),
    Group(
        "printing",
        "Every message printed",
        "As a student runs it: a line for each message. tcpv2, 64 connections with 64 messages on their "
        "way each; the output goes to a file, or to a pipe that is read as fast as it comes. Lines that "
        "arrived are counted and compared with the messages: netlab's log stops no traffic, so what "
        "nobody takes in time is dropped ([protocol.md](protocol.md), L10), and the column says how much "
        "that was.",
        ("printing-file", "printing-pipe"),
        (
            ("lines_rate", "lines/s", amount),
            ("missing", "lines missing", share),
            RATE,
            CPU,
        ),
        (("lines_rate", "lines a second"),),
    ),
    Group(
        "start-up",
        "Start-up",
        "From the start of the process to the line that it listens, as a student starts it, against a "
        "twistd command that does nothing but say that it runs. The difference is netlab's.",
        ("start-up",),
        (("start_ms", "median", milliseconds), ("start_cpu_ms", "CPU, least", milliseconds)),
        compared=None,
    ),
)

AGAINST = ("plain-threads", "plain-selector", "netlab-threads", "netlab")
"""Threads and selectors, side by side."""

SIDE_BY_SIDE: tuple[tuple[str, str, str, Form], ...] = (
    ("64 clients, text, one message at a time", "text-64x1", "rate", amount),
    ("64 clients, tcpv2, one message at a time", "v2-64x1", "rate", amount),
    ("64 clients, tcpv2, 64 messages at a time", "v2-64x64", "rate", amount),
    ("64 clients, tcpv3, 64 messages at a time", "v3-64x64", "rate", amount),
    ("4 clients, tcpv3, 64 KiB each", "bulk", "mb_s", megabytes),
    ("new connections", "connects", "rate", amount),
    ("memory of an idle client", "idle", "idle_bytes", size),
    ("a small message beside four streams: half wait at most", "fairness", "p50_us", microseconds),
    ("and 99 of 100", "fairness", "p99_us", microseconds),
)


def pictures(results: Results) -> dict[str, str]:
    """The plots: SVG by the name of its file. pygal must be there."""
    found = {}
    for group in GROUPS:
        names = _servers(results, group)
        series = {
            " ".join(filter(None, _series(group, scenario, words))): [
                results.figure(scenario, name, figure) for name in names
            ]
            for scenario in group.scenarios
            for figure, words in group.plotted
        }
        drawn = {
            name: values for name, values in series.items() if any(value is not None for value in values)
        }
        if drawn:
            form = next(form for name, _, form in group.columns if name == group.plotted[0][0])
            title = group.title if len(group.plotted) > 1 else f"{group.title}: {group.plotted[0][1]}"
            found[f"{group.name}.svg"] = bars(
                title,
                [SERVERS[name].title for name in names],
                drawn,
                lambda value, form=form: NONE if value is None else form(value),  # type: ignore[misc]
                group.logarithmic,
            )
    return found


def _series(group: Group, scenario: str, words: str) -> tuple[str, str]:
    """What a row of bars is called: by its scenario or its figure, whichever there are several of."""
    return (
        BY_NAME[scenario].title if len(group.scenarios) > 1 else "",
        words if len(group.plotted) > 1 or len(group.scenarios) == 1 else "",
    )


def page(results: Results, drawn: Mapping[str, str]) -> str:
    """The page's Markdown. drawn: the pictures that there are."""
    parts = [INTRODUCTION]
    if results.about["quick"]:
        parts.append(QUICK)
    parts += [*_side_by_side(results), HOW, *_goals(results)]
    for group in GROUPS:
        parts += _section(results, group, drawn)
    parts += [LIMITS, REPEAT, *_circumstances(results)]
    return "\n".join(parts)


def _servers(results: Results, group: Group) -> list[str]:
    """The servers of a group, the fastest first."""
    first = group.scenarios[0]
    names = dict.fromkeys(name for scenario in group.scenarios for name in BY_NAME[scenario].servers)
    there = [name for name in names if any(results.of(scenario, name) for scenario in group.scenarios)]
    if not group.plotted:
        return there
    figure = group.plotted[0][0]
    better = -1 if figure in ("rate", "mb_s", "lines_rate") else 1
    return sorted(there, key=lambda name: better * (results.figure(first, name, figure) or 0))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _shown(value: float | None, form: Form) -> str:
    return NONE if value is None else form(value)


def _side_by_side(results: Results) -> Iterator[str]:
    rows = []
    for words, scenario, figure, form in SIDE_BY_SIDE:
        values = [results.figure(scenario, name, figure) for name in AGAINST]
        if any(value is not None for value in values):
            unit = "/s" if figure == "rate" else ""
            rows.append([words, *(f"{form(value)}{unit}" if value is not None else NONE for value in values)])
    if rows:
        yield "## Threads against a selector\n"
        yield _table(["", *(SERVERS[name].title for name in AGAINST)], rows)
        yield THREADS_OR_SELECTOR


def _goals(results: Results) -> Iterator[str]:
    rows = []
    for goal in GOALS:
        value = goal.value(results)
        if value is not None:
            bounds = [
                NONE if bound is None else goal.verdict(value, bound) for bound in (goal.at_least, goal.reach)
            ]
            rows.append([goal.what, goal.shown(value), *bounds])
    if rows:
        yield "## Goals\n"
        yield "What netlab set out to reach. `x`: how many times as much CPU the peer needs for a message.\n"
        yield _table(["", "reached", "at least", "to reach for"], rows)


def _section(results: Results, group: Group, drawn: Mapping[str, str]) -> Iterator[str]:
    tables = [(name, table) for name in group.scenarios if (table := _figures(results, group, name))]
    if not tables:
        return
    yield f"## {group.title}\n"
    yield fill(group.text, WIDTH, break_long_words=False, break_on_hyphens=False) + "\n"
    if f"{group.name}.svg" in drawn:
        yield f"![{group.title}, as bars; the tables have the figures]({PICTURES}/{group.name}.svg)\n"
    for name, table in tables:
        if len(group.scenarios) > 1:
            yield f"**{BY_NAME[name].title}**\n"
        yield table


def _figures(results: Results, group: Group, scenario: str) -> str:
    names = [name for name in _servers(results, group) if results.of(scenario, name)]
    if not names:
        return ""
    head = ["", *(head for _, head, _ in group.columns)]
    own = results.figure(scenario, "netlab", group.compared) if group.compared else None
    if own:
        head.append("x netlab")
    rows = []
    for name in names:
        row = [_shown(results.figure(scenario, name, figure), form) for figure, _, form in group.columns]
        if own and group.compared:
            row.append(
                _shown(results.figure(scenario, name, group.compared), lambda value: f"{value / own:.2f}")
            )
        rows.append([SERVERS[name].title, *row])
    return _table(head, rows)


def _circumstances(results: Results) -> Iterator[str]:
    about = results.about
    rounds = "1 round" if about["amount"]["rounds"] == 1 else f"{about['amount']['rounds']} rounds"
    yield "## Under what circumstances\n"
    facts = {
        "command": f"`{about['command']}`",
        "date": about["date"],
        "amount": f"{rounds} of {about['amount']['seconds']:g} s, after {about['amount']['warm_up']:g} s to "
        f"warm up; {about['minutes']:g} minutes in all",
        "cores of the run": about["cores"],
        "load": about["load"],
        **about["machine"],
        **about["versions"],
    }
    yield _table(["", ""], [[name, _cell(value)] for name, value in facts.items()]).replace("--:", "---")
    used = {run.server for run in results.runs}
    yield "".join(
        f"- **{server.title}**: {server.about}\n" for server in SERVERS.values() if server.name in used
    )
    if about["left_out"]:
        yield "Left out:\n"
        yield "".join(f"- {_titled(name)}: {_cell(why)}\n" for name, why in about["left_out"].items())
    if results.failed:
        yield "Runs that failed, and are not counted:\n"
        yield "".join(
            f"- {_titled(run.scenario)}, {_titled(run.server)}: {_cell(run.failed or '')}\n"
            for run in results.failed
        )


def _titled(name: str) -> str:
    return BY_NAME[name].title if name in BY_NAME else SERVERS[name].title


def _cell(text: str) -> str:
    """A text that others wrote, such that it stays in its place."""
    if text.startswith("`"):
        return text
    return printable(text).replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;").replace("`", "'")
