"""netlab/load/reports: each says what was measured, and no text from outside is more than text."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from itertools import pairwise

from hdrh.histogram import HdrHistogram
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from netlab.load.compare import Entrant, Outcome
from netlab.load.engine import Settings
from netlab.load.errors import Kind
from netlab.load.latency import Latencies
from netlab.load.measurement import Measurement, Moment
from netlab.load.reports import html, json_, terminal, words
from netlab.load.targets import Target
from tests.report.pages import ATTRIBUTES, ELEMENTS, NO_BROWSER, Page, browser, opened
from tests.support import ROOT

DRAWN = {"svg", "g", "path", "rect", "text", "circle", "title", "figure", "figcaption"}
DRAWING = {"viewbox", "x", "y", "width", "height", "d", "transform", "r", "cx", "cy"}

HOSTILE = '</title><script>alert("1")</script>\x1b[31m\u202e&lt;'

SETTINGS = Settings("tcpv3", True, "guide", 64, 16, (32, 512), 5.0, None, 5.0, 0.1)


def measured(messages: int = 10_000, seconds: float = 5.0, slow: int = 3) -> Measurement:
    """A measurement: most answers take a millisecond, some half a second."""
    made = Measurement(seconds, seconds, 64, messages, messages, messages, messages * 40, late=slow)
    made.latencies.add({1_000: messages - slow, 500_000: slow})
    made.processor, made.own_processor = 2.5, 3.0
    for at in range(1, 11):
        longest = 0.5 if at == 5 else 0.001
        made.moments.append(Moment(at / 2, 0.5, messages // 10, messages * 4, 0.001, 0.001, longest))
    return made


def outcome(*rounds: Measurement, name: str = "127.0.0.1:5005") -> Outcome:
    """What was measured of one server."""
    return Outcome(SETTINGS, [Entrant(name, Target(name, "", ("127.0.0.1", 5005)), list(rounds))], False)


def compared(name: str = "selector") -> Outcome:
    """What was measured of two."""
    threads = Entrant("threads", Target("python3 t.py", "threads", None, ("python3", "t.py")))
    selector = Entrant(name, Target("python3 s.py", name, None, ("python3", "s.py")))
    threads.rounds = [measured(1_000), measured(2_000), measured(9_000)]
    selector.rounds = [measured(5_000), measured(4_000), measured(3_000)]
    return Outcome(SETTINGS, [threads, selector], True)


def hostile() -> Outcome:
    """Names, and what servers sent, that are meant to be more than text."""
    made = compared(HOSTILE)
    for each in made.measurements:
        each.errors.add(Kind.WRONG_ECHO, HOSTILE, 3)
        each.notes.append(HOSTILE)
    made.trouble = HOSTILE
    return made


def nothing() -> Outcome:
    """Nothing was answered."""
    made = Measurement(connections=4, due=4, sent=4, elapsed=1.0, seconds=1.0)
    made.moments += [Moment(at / 2, 0.5, 0, 0, None, None, None) for at in (1, 2)]
    made.errors.add(Kind.NO_ANSWER, "", 4)
    return outcome(made)


ALL = {"alone": lambda: outcome(measured()), "compared": compared, "hostile": hostile, "nothing": nothing}


class Figures(SynchronousTestCase):
    def test_durations(self) -> None:
        for seconds, told in (
            (0, "0 s"),
            (1e-6, "1.00 µs"),
            (83e-6, "83.0 µs"),
            (0.000_999_9, "1.00 ms"),
            (0.0123, "12.3 ms"),
            (0.345, "345 ms"),
            (2.0, "2.00 s"),
            (123.4, "123 s"),
        ):
            self.assertEqual(words.duration(seconds), told)

    def test_a_little_is_not_nothing_and_nearly_all_is_not_all(self) -> None:
        shares = (0, 0.000001, 0.0123, 0.5, 0.99999, 1)
        told = ["0.00 %", "< 0.01 %", "1.23 %", "50.0 %", "> 99.9 %", "100.0 %"]
        self.assertEqual([words.percent(each) for each in shares], told)


class Counted(SynchronousTestCase):
    def test_percentiles(self) -> None:
        times = Latencies()
        times.add(dict.fromkeys(range(1, 1001), 1))
        self.assertEqual(times.percentiles(), {50.0: 0.0005, 90.0: 0.0009, 99.0: 0.00099, 99.9: 0.000999})
        self.assertEqual((times.count, times.longest), (1000, 0.001))
        self.assertEqual(Latencies().percentiles(), {})

    def test_buckets_on_a_log_axis(self) -> None:
        times = Latencies()
        times.add({100: 7, 101: 1, 900: 2, 1_000: 1})
        buckets = times.buckets()
        self.assertEqual(sum(count for _, count in buckets), 11)
        self.assertAlmostEqual(buckets[0][0], 10**-4.1)
        self.assertEqual([count for _, count in buckets if count], [7, 1, 3])
        for (low, _), (high, _) in pairwise(buckets):
            self.assertAlmostEqual(high / low, 10**0.1)

    def test_of_all_rounds(self) -> None:
        whole = compared().entrants[0].latencies()
        self.assertEqual(whole.count, 12_000)
        self.assertEqual(whole.longest, 0.5)


class Terminal(SynchronousTestCase):
    def test_no_line_is_wider_than_asked_for(self) -> None:
        for make in ALL.values():
            for width, most in ((10, 80), (80, 80), (100, 100), (500, 120)):
                for line in terminal.render(make(), width).splitlines():
                    self.assertLessEqual(len(line), most, line)

    def test_nothing_that_a_terminal_obeys(self) -> None:
        for make in ALL.values():
            for line in terminal.render(make()).split("\n"):
                self.assertTrue(line.isprintable(), line)

    def test_on_a_console_that_has_no_blocks(self) -> None:
        self.assertIn("####", terminal.render(outcome(measured()), encoding="ascii"))
        self.assertTrue(terminal.render(hostile(), encoding="ascii").isascii())

    def test_the_table_and_the_ratios(self) -> None:
        made = terminal.render(compared(), 120)
        head = "messages/s  ratio   MB/s      p50      p90      p99    p99.9     max  CPU/message  errors"
        self.assertIn(head, made)
        self.assertRegex(made, r"(?m)^threads  +400   1\.00 ")
        self.assertRegex(made, r"(?m)^selector  +800   2\.00 ")
        self.assertIn("Medians of 3 rounds in turns; the ratio is to the first.", made)

    def test_errors_by_kind(self) -> None:
        made = measured()
        made.errors.add(Kind.RESET, "connection 3: after 12 bytes came back")
        made.errors.add(Kind.RESET, "another", 2)
        said = " ".join(terminal.render(outcome(made)).split())
        self.assertIn(
            "Errors 3 reset connections: the server has reset the connection (first: connection 3: after 12",
            said,
        )


class Json(SynchronousTestCase):
    def test_the_histogram_can_be_read_by_others(self) -> None:
        whole = json.loads(json_.render(outcome(measured())))
        latency = whole["targets"][0]["rounds"][0]["latency"]
        self.assertTrue(base64.b64decode(latency["hdr"]))
        read = HdrHistogram.decode(latency["hdr"])
        self.assertEqual((read.get_total_count(), read.get_value_at_percentile(50)), (10_000, 1_000))
        self.assertEqual(sum(count for _, count in latency["counts"]), 10_000)

    def test_settings_and_medians(self) -> None:
        whole = json.loads(json_.render(compared()))
        self.assertEqual(whole["settings"]["size"], [32, 512])
        self.assertEqual(
            [each["median"]["messages_per_second"] for each in whole["targets"]], [2_000 / 5, 4_000 / 5]
        )
        self.assertTrue(json_.render(hostile()).isascii())


class Pages(SynchronousTestCase):
    def test_they_are_made_of_nothing_that_loads_or_runs(self) -> None:
        for make in ALL.values():
            made = html.render(make())
            page = Page(made)
            self.assertLessEqual({element for element, _ in page.elements}, ELEMENTS | DRAWN)
            keys = {key for _, attributes in page.elements for key in attributes}
            self.assertLessEqual(keys, ATTRIBUTES | DRAWING)
            self.assertNotIn("url(", made)
            self.assertNotIn("@import", made)
            self.assertNotRegex(made, "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")

    def test_it_says_what_the_terminal_says(self) -> None:
        for make in ALL.values():
            text = Page(html.render(make())).text
            for said in words.sentences(make()):
                self.assertIn(
                    re.sub("[\x1b\u202e]", "", said)[:40], text.replace("\\x1b", "").replace("\\u202e", "")
                )

    def test_the_plots_have_their_labels(self) -> None:
        page = Page(html.render(outcome(measured())))
        self.assertEqual(len([1 for name, _ in page.elements if name == "svg"]), 3)
        for said in ("1 ms", "500 ms", "median", "longest", "5.0 s"):
            self.assertIn(said, page.text)
        page = Page(html.render(compared()))
        self.assertEqual(len([1 for name, _ in page.elements if name == "svg"]), 3)
        for said in ("threads", "selector", "400", "800"):
            self.assertIn(said, page.text)

    def test_one_for_whom_nothing_was_measured(self) -> None:
        made = compared()
        made.entrants[1].rounds.clear()
        html.render(replace(made, interrupted=True))

    def test_in_a_browser_no_script_runs_and_all_is_there(self) -> None:
        if browser() is None:
            raise SkipTest(NO_BROWSER)
        for make in (ALL["alone"], ALL["hostile"]):
            written = html.render(make())
            before, after = Page(written), Page(opened(written))
            self.assertEqual(after.title, before.title)
            self.assertEqual(after.text.replace("\n", ""), before.text.replace("\n", ""))
            self.assertLessEqual({element for element, _ in after.elements}, ELEMENTS | DRAWN)


class Told(SynchronousTestCase):
    def test_the_page_of_the_handbook_has_every_kind_of_error(self) -> None:
        page = (ROOT / "docs" / "load.md").read_text("utf-8").replace("`", "")
        for kind in Kind:
            self.assertIn(f"| {kind.word} | {kind.unit} | {kind.meaning} |", page)
