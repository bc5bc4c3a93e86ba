"""The page is made of figures that were kept: it says what they say, and is a page of the handbook."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from benchmarks import plots
from benchmarks.__main__ import main
from benchmarks.goals import GOALS
from benchmarks.numbers import amount, microseconds, size
from benchmarks.page import page, pictures
from benchmarks.results import Results, Run, from_json, to_json
from benchmarks.scenarios import BY_NAME, SCENARIOS
from benchmarks.servers import SERVERS
from tests.docs.blocks import blocks, mistakes
from tests.support import ROOT

ABOUT = {
    "command": "python -m benchmarks --out docs",
    "date": "2026-01-02",
    "machine": {"processor": "a <processor>", "cores": "2"},
    "versions": {"Python": "CPython 3.11"},
    "load": "a load",
    "cores": "pinned",
    "minutes": 20.5,
    "amount": {"rounds": 3, "seconds": 1.0, "warm_up": 0.2},
    "quick": False,
    "left_out": {"go": "no compiler"},
}

FIGURES = {
    "echo": ("messages", "seconds", "rate", "mb_s", "cpu_us", "p50_us", "p99_us"),
    "idle": ("connections", "idle_bytes"),
    "start-up": ("start_ms", "start_cpu_ms"),
}
FIGURES["connects"] = FIGURES["echo"]
FIGURES["fairness"] = (*FIGURES["echo"], "pings", "mean_us")
FIGURES["printing"] = (*FIGURES["echo"], "lines", "dropped", "missing", "lines_rate")


def results() -> Results:
    """Every server in every scenario, thrice, with figures that mean nothing."""
    runs = [
        Run(
            scenario.name,
            server,
            round,
            figures=dict.fromkeys(FIGURES[scenario.kind], 1000.0 * round * place),
        )
        for scenario in SCENARIOS
        for place, server in enumerate(scenario.servers, 1)
        for round in (3, 1, 2)
    ]
    return Results(ABOUT, runs)


class Figures(SynchronousTestCase):
    def test_of_cpu_the_least_counts_and_of_all_else_the_median(self) -> None:
        self.assertEqual(results().figure("v2-64x1", "netlab-threads", "cpu_us"), 2000)
        self.assertEqual(results().figure("v2-64x1", "netlab-threads", "rate"), 4000)

    def test_what_failed_does_not_count(self) -> None:
        runs = [replace(run, failed="why" if run.round < 3 else None) for run in results().runs]
        self.assertEqual(Results(ABOUT, runs).figure("v2-64x1", "netlab", "cpu_us"), 3000)
        self.assertEqual(len(Results(ABOUT, runs).failed), len(runs) * 2 // 3)

    def test_they_are_kept_whole(self) -> None:
        self.assertEqual(from_json(to_json(results())), results())

    def test_how_they_are_shown(self) -> None:
        for form, value, shown in (
            (amount, 7_812_345, "7.81 M"),
            (amount, 999_600, "1.00 M"),
            (amount, 146_200, "146 k"),
            (amount, 12.34, "12.3"),
            (microseconds, 0.1234, "0.123 µs"),
            (microseconds, 7.891, "7.89 µs"),
            (microseconds, 999.6, "1.00 ms"),
            (microseconds, 51_000, "51.0 ms"),
            (size, 16_900.4, "16,900 B"),
        ):
            self.assertEqual(form(value), shown)


class Goals(SynchronousTestCase):
    def one(self, scenario: str, figure: str, **servers: float) -> list[str]:
        """What becomes of the goals of one scenario with these figures."""
        runs = [
            Run(scenario, name.replace("_", "-"), 1, figures={figure: value})
            for name, value in servers.items()
        ]
        measured = Results(ABOUT, runs)
        values = [(goal, goal.value(measured)) for goal in GOALS if goal.scenario == scenario]
        return [goal.line(value) for goal, value in values if value]

    def test_cpu_is_compared_with_a_peer_of_the_same_run(self) -> None:
        lines = self.one("udp", "cpu_us", netlab=2.0, twisted=2.4, go=1.8)
        self.assertEqual(
            lines,
            [
                "UDP, 64 x 1: netlab, selector against stock Twisted: 1.20 x (at least 1.25 x: no)",
                "UDP, 64 x 1: netlab, selector against Go: 0.90 x (reach for 0.90 x: yes)",
            ],
        )

    def test_what_is_to_be_small(self) -> None:
        (line,) = self.one("idle", "idle_bytes", netlab=1000.0)
        self.assertTrue(line.endswith("1,000 B (at least 1,200 B: yes; reach for 850 B: no)"), line)

    def test_what_is_to_be_large(self) -> None:
        (line,) = self.one("printing-file", "lines_rate", netlab=499_999.0)
        self.assertTrue(line.endswith("499,999 (reach for 500,000: no)"), line)

    def test_start_up_is_a_difference(self) -> None:
        (line,) = self.one("start-up", "start_ms", netlab_command=170.0, empty_command=150.0)
        self.assertTrue(line.endswith("20.0 ms (at least 30.0 ms: yes; reach for 10.0 ms: no)"), line)

    def test_each_is_about_something_that_is_measured(self) -> None:
        for goal in GOALS:
            self.assertIn(goal.server, BY_NAME[goal.scenario].servers)
            self.assertIn(goal.against, (None, *BY_NAME[goal.scenario].servers))
            self.assertIsNotNone(goal.value(results()), goal)


class Page(SynchronousTestCase):
    def setUp(self) -> None:
        self.text = page(results(), {"small.svg": ""})

    def test_tables_compare_with_netlab(self) -> None:
        _, _, small = self.text.partition("**tcpv2, 64 x 1**\n")
        rows = [line for line in small.splitlines() if line.startswith("|")]
        self.assertEqual(rows[0], "|  | messages/s | CPU a message | p50 | p99 | x netlab |")
        self.assertIn("| netlab, selector | 2.00 k | 1.00 ms | 2.00 ms | 2.00 ms | 1.00 |", rows)
        self.assertIn("| netlab, threads | 4.00 k | 2.00 ms | 4.00 ms | 4.00 ms | 2.00 |", rows)

    def test_every_server_and_scenario_is_on_it(self) -> None:
        for scenario in SCENARIOS:
            if scenario.kind in ("echo", "printing") and scenario.name not in ("bulk", "udp"):
                self.assertIn(f"**{scenario.title}**", self.text)
        for server in SERVERS.values():
            self.assertIn(f"| {server.title} |", self.text)
            self.assertIn(f"- **{server.title}**: {server.about}", self.text)

    def test_circumstances(self) -> None:
        for line in (
            "| command | `python -m benchmarks --out docs` |",
            "| date | 2026-01-02 |",
            "| processor | a &lt;processor> |",
            "| amount | 3 rounds of 1 s, after 0.2 s to warm up; 20.5 minutes in all |",
            "- Go: no compiler",
        ):
            self.assertIn(line, self.text)
        self.assertNotIn("quick run", self.text)
        self.assertIn("quick run", page(replace(results(), about={**ABOUT, "quick": True}), {}))

    def test_what_was_not_measured_is_not_on_it(self) -> None:
        few = [run for run in results().runs if (run.scenario, run.server) == ("udp", "netlab")]
        text = page(Results(ABOUT, few), {})
        headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
        self.assertEqual(
            headings,
            [
                "How it is measured",
                "UDP",
                "What the figures do not say",
                "Repeat it",
                "Under what circumstances",
            ],
        )
        self.assertNotIn("![", text)
        self.assertEqual(page(Results(ABOUT, []), {}).count("\n| "), text.count("\n| ") - 3)

    def test_it_is_a_page_of_the_handbook(self) -> None:
        with TemporaryDirectory() as folder:
            path = Path(folder, "performance.md")
            path.write_text(self.text, "utf-8")
            self.assertEqual(mistakes(path), [])
        commands = [block for block in blocks(self.text) if block.is_command]
        self.assertTrue(commands)
        for block in commands:
            self.assertIsNotNone(block.why_not_run)
        for link in re.findall(r"\]\((?!performance/)([^)#]+)", self.text):
            self.assertTrue((ROOT / "docs" / link).is_file(), link)

    def test_its_commands_are_understood(self) -> None:
        (block,) = (block for block in blocks(self.text) if block.is_command)
        for line in block.text.splitlines()[1:]:
            words = line.split()
            self.assertEqual(words[:3], [".venv/bin/python", "-m", "benchmarks"])
            with self.assertRaises(SystemExit) as caught, redirect_stdout(StringIO()):
                main([*words[3:], "--help"])
            self.assertEqual(caught.exception.code, 0)


class Again(SynchronousTestCase):
    def test_it_is_made_from_the_figures_without_measuring(self) -> None:
        with TemporaryDirectory() as folder:
            kept = Path(folder, "kept.json")
            kept.write_text(to_json(results()), "utf-8")
            for out in ("one", "two"):
                with redirect_stdout(StringIO()) as said:
                    self.assertEqual(main(["--from", str(kept), "--out", str(Path(folder, out))]), 0)
                self.assertIn("performance.md", said.getvalue())
            one, two = (
                {path.name: path.read_bytes() for path in Path(folder, out).rglob("*") if path.is_file()}
                for out in ("one", "two")
            )
            self.assertEqual(one, two)
            self.assertEqual(one["performance.md"].count(b"!["), len(one) - 1)


class Plots(SynchronousTestCase):
    def setUp(self) -> None:
        if (why := plots.unavailable()) is not None:
            raise SkipTest(why)

    def test_they_need_no_script_and_no_network(self) -> None:
        found = pictures(results())
        self.assertIn("small.svg", found)
        for name, svg in found.items():
            root = ElementTree.fromstring(svg)
            self.assertEqual(root.tag, "{http://www.w3.org/2000/svg}svg", name)
            self.assertNotIn("<script", svg)
            self.assertEqual(re.findall(r"(?:href|src)=|@import|url\((?!#)", svg), [], name)

    def test_every_figure_is_written_at_its_bar(self) -> None:
        texts = {
            text.text for text in ElementTree.fromstring(pictures(results())["udp.svg"]).iter() if text.text
        }
        for place, server in enumerate(BY_NAME["udp"].servers, 1):
            self.assertIn(SERVERS[server].title, texts)
            self.assertIn(amount(2000.0 * place), texts)
