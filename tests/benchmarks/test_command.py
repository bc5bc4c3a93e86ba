"""python -m benchmarks for a moment: it measures, verifies, writes figures and page, says what failed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from benchmarks import plots, servers
from benchmarks.__main__ import main
from benchmarks.page import PICTURES
from benchmarks.results import Results, from_json
from benchmarks.scenarios import BY_NAME, SCENARIOS, Scenario
from benchmarks.servers import SERVERS, Server
from tests.benchmarks.built import built
from tests.support import PATIENCE, ROOT

BRIEFLY = ("--quick", "--seconds", "0.05")


def wrong(scenario: Scenario) -> list[str]:
    """The command of a server that sends one wrong byte."""
    return [sys.executable, "-m", "tests.benchmarks.wrong", "another", scenario.format]


class CommandTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def call(self, *words: str) -> tuple[int, str, str]:
        """Call it in this process; return the exit status and what it says."""
        with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as errors:
            status = main([*words, "--out", str(self.folder)])
        return status, out.getvalue(), errors.getvalue()

    def replace(self, name: str, command: Callable[[Scenario], list[str]]) -> None:
        """Have a server be another program."""
        before = SERVERS[name]
        self.patch(servers, "SERVERS", {**SERVERS, name: Server(name, before.title, before.about, command)})

    def figures(self) -> Results:
        return from_json((self.folder / PICTURES / "figures.json").read_text("utf-8"))

    def page(self) -> str:
        return (self.folder / "performance.md").read_text("utf-8")


class Measured(CommandTestCase):
    def test_two_servers_in_two_scenarios(self) -> None:
        words = ["--only", "v2-64x1", "text-64x1", "--servers", "netlab", "plain-threads"]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks", *BRIEFLY, *words, "--out", str(self.folder)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=4 * PATIENCE,
            check=False,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        results = self.figures()
        self.assertCountEqual(
            [(run.scenario, run.server) for run in results.runs],
            [(scenario, server) for scenario in words[1:3] for server in words[4:]],
        )
        for run in results.runs:
            self.assertIsNone(run.failed)
            for name in ("messages", "rate", "cpu_us", "p50_us", "p99_us"):
                self.assertGreater(run.figures[name], 0, name)
        self.assertIn("| netlab, selector |", self.page())
        if plots.unavailable() is None:
            self.assertIn("](performance/small.svg)", self.page())
            self.assertTrue((self.folder / PICTURES / "small.svg").is_file())

    def test_all_kinds_of_scenario(self) -> None:
        built("load")
        kinds = {scenario.kind: scenario.name for scenario in SCENARIOS}
        names = ["plain-threads", "plain-printing", "netlab-command", "empty-command"]
        status, out, errors = self.call(*BRIEFLY, "--only", *kinds.values(), "--servers", *names)
        self.assertEqual((status, errors), (0, ""), out)
        results = self.figures()
        self.assertEqual({BY_NAME[run.scenario].kind for run in results.runs}, {*kinds})
        for kind, figure in (
            ("connects", "rate"),
            ("idle", "idle_bytes"),
            ("fairness", "mean_us"),
            ("printing", "lines_rate"),
        ):
            server = "plain-printing" if kind == "printing" else "plain-threads"
            self.assertIsNotNone(results.figure(kinds[kind], server, figure), kind)
        for server in names[2:]:
            self.assertIsNotNone(results.figure("start-up", server, "start_ms"))
        self.assertEqual(results.figure(kinds["printing"], "plain-printing", "missing"), 0)

    def test_lines_that_do_not_come_are_counted(self) -> None:
        built("load")
        self.replace("plain-printing", lambda scenario: servers._peer("plain_threads")(scenario))
        status, out, _ = self.call(*BRIEFLY, "--only", "printing-pipe", "--servers", "plain-printing")
        self.assertEqual(status, 0, out)
        self.assertEqual(self.figures().figure("printing-pipe", "plain-printing", "missing"), 1)
        self.assertIn("| plain threads, printing | 0.00 | 100.0% |", self.page())


class NotMeasured(CommandTestCase):
    def test_a_server_that_answers_wrongly(self) -> None:
        self.replace("plain-threads", wrong)
        words = ["--only", "v2-64x1", "text-64x1", "--servers", "plain-threads", "plain-selector"]
        status, out, _ = self.call(*BRIEFLY, *words)
        self.assertEqual(status, 1)
        results = self.figures()
        self.assertEqual({run.server for run in results.failed}, {"plain-threads"})
        self.assertIsNone(results.figure("v2-64x1", "plain-threads", "rate"))
        self.assertIsNotNone(results.figure("v2-64x1", "plain-selector", "rate"))
        self.assertRegex(out, r"v2-64x1, plain-threads: FAILED: .*differs")
        self.assertRegex(self.page(), r"- tcpv2, 64 x 1, plain threads: .*differs")
        self.assertNotIn("| plain threads | ", self.page().partition("## Small")[2])

    def test_a_server_that_does_not_listen(self) -> None:
        self.replace("plain-threads", lambda _: [sys.executable, "-c", "raise SystemExit('<no> | port')"])
        status, _, _ = self.call(*BRIEFLY, "--only", "v2-64x1", "--servers", "plain-threads")
        self.assertEqual(status, 1)
        self.assertEqual([run.failed for run in self.figures().runs], ["it does not listen: <no> | port"])
        self.assertIn("it does not listen: &lt;no> &#124; port", self.page())

    def test_a_server_that_cannot_be_started(self) -> None:
        self.replace("plain-threads", lambda _: ["/nowhere/at/all"])
        self.assertEqual(self.call(*BRIEFLY, "--only", "v2-64x1", "--servers", "plain-threads")[0], 1)
        self.assertRegex(self.figures().runs[0].failed or "", "^it cannot be started: .*No such file")

    def test_what_cannot_be_compiled_is_left_out(self) -> None:
        self.patch(shutil, "which", lambda name: None)
        status, out, errors = self.call(*BRIEFLY, "--only", "v2-64x1", "--servers", "go", "c", "--load", "c")
        self.assertEqual(
            (status, errors), (3, "benchmarks: load.c cannot be compiled: there is no cc here\n")
        )
        status, out, _ = self.call(*BRIEFLY, "--only", "idle", "--servers", "go", "c", "plain-threads")
        self.assertEqual(status, 0)
        self.assertIn("left out: go: server.go cannot be compiled: there is no go here\n", out)
        self.assertIn("left out: idle: netlab load cannot do it", out)
        self.assertIn("- Go: server.go cannot be compiled: there is no go here", self.page())

    def test_mistakes_on_the_command_line(self) -> None:
        for words, error in (
            (["--only", "v9"], "invalid choice: 'v9'"),
            (["--servers", "apache"], "invalid choice: 'apache'"),
            (["--only", "udp", "--servers", "receivers"], "there is nothing to measure"),
            (["--rounds", "0"], "'0': a number from 1 to 100 is wanted"),
            (["--seconds", "nan"], "'nan': a number from 0.05 to 60 is wanted"),
        ):
            with redirect_stderr(StringIO()) as errors, self.assertRaises(SystemExit) as caught:
                main(words)
            self.assertEqual(caught.exception.code, 2)
            self.assertIn(error, errors.getvalue())

    def test_a_folder_that_cannot_be_written_is_found_before_anything_is_measured(self) -> None:
        (self.folder / PICTURES).write_text("a file")
        status, out, errors = self.call(*BRIEFLY, "--only", "v2-64x1", "--servers", "plain-threads")
        self.assertEqual((status, out), (3, ""))
        self.assertIn("File exists", errors)

    def test_figures_that_are_none(self) -> None:
        for text in ("", "[]", '{"version": 1}', '{"version": 1, "about": {}, "runs": [3]}', "\xff"):
            (self.folder / "figures").write_text(text, "latin-1")
            status, _, errors = self.call("--from", str(self.folder / "figures"))
            self.assertEqual(status, 3, text)
            self.assertRegex(errors, r"^benchmarks: .*figures: .*\n\Z")
        status, _, errors = self.call("--from", str(self.folder / "nothing"))
        self.assertEqual(status, 3)
        self.assertIn("No such file", errors)


class WithNetlabLoad(CommandTestCase):
    def test_where_there_is_no_compiler(self) -> None:
        if find_spec("hdrh") is None:
            raise SkipTest("there is no hdrhistogram, which netlab load needs")
        words = ["--only", "v2-64x1", "udp", "text-64x1", "--servers", "plain-threads", "--load", "netlab"]
        status, out, errors = self.call("--quick", *words)
        self.assertEqual((status, errors), (0, ""), out)
        self.assertEqual(len(self.figures().runs), 3)
        self.assertIn("`netlab load`", self.page())
        self.replace("plain-threads", wrong)
        status, out, _ = self.call("--quick", *words)
        self.assertEqual(status, 1)
        self.assertEqual(len(self.figures().failed), 3, out)
