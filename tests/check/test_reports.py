"""netlab/check/reports: each kind of text says what was found, and no text from outside is more than text."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import pyte
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from netlab.check.findings import Closing, Diagnosis, Finding, Level, Report, Step, Verdict
from netlab.check.reports import gradescope, html, json_, junit, klass, terminal, words
from netlab.check.reports.progress import Progress
from netlab.report import files
from netlab.wire.text import printable
from tests.check import reports_examples as examples
from tests.check.reports_examples import HOSTILE, HOSTILE_NAME, UNSAFE, finding, squeezed
from tests.report.pages import ATTRIBUTES, ELEMENTS, NO_BROWSER, Page, browser, opened

COLOUR = re.compile(r"\x1b\[[\d;]*m")

FORGED = "core 99 of 99; robust 99 of 99; PASS"


def visible(text: str) -> str:
    """As it is shown where XML and HTML forbid more."""
    return printable(text).replace("\ufffe", r"\ufffe").replace("\uffff", r"\uffff")


class Words(SynchronousTestCase):
    def test_outcomes(self) -> None:
        made = {name: words.outcome(make()) for name, make in examples.ALL.items()}
        self.assertEqual(
            made,
            {
                "good": "PASS",
                "one_recv": "FAIL",
                "troubled": "NOT JUDGED",
                "unseen": "NOT JUDGED",
                "hostile": "NOT JUDGED",
            },
        )

    def test_the_grade(self) -> None:
        self.assertEqual(words.grade(examples.good()), "core 7 of 7; robust 1 of 2; PASS")
        self.assertEqual(
            words.grade(examples.one_recv()),
            "core 7 of 12; robust 3 of 4; 1 ERROR; FAIL",
        )
        for make in examples.ALL.values():
            report = make()
            self.assertEqual(words.score(report.of(Level.CORE)), report.grade)

    def test_only_all_is_a_hundred_percent(self) -> None:
        self.assertEqual(words.percent(31, 34), 91.2)
        self.assertEqual(words.percent(4999, 5000), 99.9)
        self.assertEqual(words.percent(5000, 5000), 100)
        self.assertEqual(words.percent(0, 3), 0)
        self.assertIsNone(words.percent(0, 0))

    def test_groups(self) -> None:
        found = words.groups(
            [finding("v3/split/2"), finding("udp/echo/1"), finding("v3/split/10"), finding("x")]
        )
        self.assertEqual(
            {name: len(cases) for name, cases in found.items()}, {"v3/split": 2, "udp/echo": 1, "x": 1}
        )

    def test_every_way_of_closing_has_its_words(self) -> None:
        for closing in Closing:
            self.assertTrue(words.closed(closing).startswith(f"{closing.value}: "))

    def test_about(self) -> None:
        report = replace(examples.good(), started="2026-11-24T10:15:00+01:00")
        said = "tcpv3 server; 2026-11-24 10:15:00, 4.2 s; netlab 0.1.0, Python 3.11.7, Twisted 24.3.0"
        self.assertEqual(words.about(report), said)
        self.assertEqual(words.about(examples.unseen()), "udp server")

    def test_places(self) -> None:
        self.assertEqual(words.place("5.3", "S1"), "lab guide 5.3; rule S1 in docs/protocol.md")
        self.assertEqual(words.place("5.3", "S1 V8"), "lab guide 5.3; rules S1, V8 in docs/protocol.md")
        self.assertEqual(words.place("5.3"), "lab guide 5.3")
        self.assertEqual(words.place("", ""), "")

    def test_the_command_is_the_one_of_its_side(self) -> None:
        report = examples.good()
        self.assertEqual(words.command(report), "netlab check tcpv3 127.0.0.1:5005")
        self.assertTrue(words.command(replace(report, side="client")).startswith("netlab check-client tcpv3"))


class Terminal(SynchronousTestCase):
    def test_no_line_is_wider_than_asked_for(self) -> None:
        for make in examples.ALL.values():
            for width, most in ((10, 80), (80, 80), (100, 100), (500, 120)):
                for line in terminal.render(make(), width, verbose=True).splitlines():
                    if not line.startswith("  again "):  # which is to be copied
                        self.assertLessEqual(len(line), most, line)

    def test_nothing_that_a_terminal_obeys(self) -> None:
        for make in examples.ALL.values():
            for verbose in (False, True):
                self.assertIsNone(UNSAFE.search(terminal.render(make(), verbose=verbose)))
                coloured = terminal.render(make(), verbose=verbose, colour=True)
                self.assertIsNone(UNSAFE.search(COLOUR.sub("", coloured)))

    def test_colour_only_when_asked_for_and_never_alone(self) -> None:
        for make in examples.ALL.values():
            plain = terminal.render(make(), verbose=True)
            coloured = terminal.render(make(), verbose=True, colour=True)
            self.assertNotIn("\x1b", plain)
            self.assertIn("\x1b[", coloured)
            self.assertEqual(COLOUR.sub("", coloured), plain)

    def test_what_the_console_lacks_is_escaped(self) -> None:
        made = terminal.render(examples.hostile(), encoding="ascii")
        self.assertTrue(made.isascii())
        self.assertIn(r"gr\xfc\xdfe", made)
        terminal.render(examples.hostile(), encoding="cp1252").encode("cp1252")

    def test_a_failure_has_its_evidence(self) -> None:
        made = terminal.render(examples.one_recv(), 100)
        begin = made.index("FAIL  v3/split/1\n")
        said = made[begin : made.index("\n\n", begin)]
        for line in (
            "  required  A frame that comes in two pieces is echoed once it is whole, wherever it is split.",
            "  found     the connection was closed after the first piece; 0 of 26 bytes came back",
            "  expected  the same 26 bytes",
            "  exchange  >> bytes 0 to 2 of a frame of 26",
            "               01 00 00",
            "            -- 0.1 s later",
            "               version  order        size         text",
            f"               01       00 00|00 01  00 00 00 11  {b'any size you like'.hex(' ')}",
            "            << nothing: the end of the stream",
            "  closed    closed first: the program sent its FIN before the checker did",
            "  stderr    Exception in thread Thread-3 (serve):",
            "            struct.error: unpack requires a buffer of 9 bytes",
            "  look up   lab guide 5.3; rule S1 in docs/protocol.md",
            "  again     netlab check tcpv3 --only v3/split/1 -- python3 server.py",
        ):
            self.assertIn(line, said.split("\n"))

    def test_diagnoses_name_what_they_explain_and_what_else_it_may_be(self) -> None:
        made = terminal.render(examples.one_recv(), 100)
        self.assertIn("DIAGNOSIS  One recv() is taken for one frame (one-recv)\n", made)
        self.assertIn("  explains  v3/split/1, v3/split/2, v3/split/3, v3/bytewise/1\n", made)
        others = "v3/late/1, v3/never/1, v3/never/2 and 2 others (passed all the same)"
        self.assertIn(f"  shows in  {others}\n", made)
        self.assertIn(
            "  code      header = connection.recv(9)               # at most 9 bytes: maybe 3\n", made
        )
        self.assertIn("            header = receive_exactly(connection, 9) ", made)
        self.assertIn("from outside they cannot be told apart", made)
        self.assertIn("OR  A frame is read with one recv() of a fixed size (small-buffer)\n", made)
        self.assertIn("No diagnosis explains v3/split/3.\n", made)

    def test_failures_come_before_diagnoses_and_the_grade_is_last(self) -> None:
        made = terminal.render(examples.one_recv())
        order = (
            "\ncore cases",
            "\nFAIL  v3/split/1",
            "\nDIAGNOSIS",
            "No diagnosis",
            "next thing to learn",
            "limits",
        )
        places = [made.index(what) for what in order]
        self.assertEqual(places, sorted(places))
        self.assertEqual(made.splitlines()[-1], words.grade(examples.one_recv()))

    def test_passed_cases_are_counted_or_told_when_verbose(self) -> None:
        brief = terminal.render(examples.one_recv())
        self.assertRegex(brief, r"(?m)^  all of +v3/echo \(6\)$")
        self.assertRegex(brief, r"(?m)^  v3/split +0 of 3 +2 FAIL, 1 TIMEOUT$")
        self.assertNotIn("v3/echo/1", brief)
        self.assertRegex(brief, r"(?m)^  v3/robust +3 of 4 +1 FAIL$")
        self.assertNotIn("v3/robust/1", brief)
        verbose = terminal.render(examples.one_recv(), verbose=True)
        self.assertRegex(verbose, r"(?m)^  v3/echo +6 of 6$")
        for number in range(1, 7):
            self.assertRegex(verbose, rf"(?m)^  OK +v3/echo/{number} +Each frame is echoed, byte for byte\.$")

    def test_robust_cases_are_shown_whole_when_all_else_is_done(self) -> None:
        again = "again     netlab check tcpv3 --only v3/robust/2"
        self.assertIn(again, terminal.render(examples.good()))
        brief = terminal.render(examples.one_recv())
        self.assertNotIn(again, brief)
        self.assertRegex(
            brief, r"(?m)^  FAIL +v3/robust/2 +A size of 4,294,967,295 is refused .*\(lab guide 5\.6\)$"
        )
        self.assertIn(again, terminal.render(examples.one_recv(), verbose=True))

    def test_what_was_no_failure_is_told_too(self) -> None:
        made = terminal.render(examples.one_recv())
        self.assertRegex(made, r"(?m)^  LOOSE +v3/close/1 +it closes 0\.8 s after")
        self.assertRegex(made, r"(?m)^  INFO +v3/print/1 +it prints nothing")
        self.assertRegex(made, r"(?m)^  ERROR +v3/restart/1 +no free port")
        self.assertIn("\n  No network namespace could be made here", made)

    def test_trouble(self) -> None:
        made = terminal.render(examples.troubled())
        self.assertIn("  trouble   the program ended with status 1", made)
        self.assertTrue(made.endswith("NOT JUDGED\n"))

    def test_a_newline_from_outside_begins_no_line_of_ours(self) -> None:
        # Some of it begins a line, wherever lines are broken.
        said = f"x\n{FORGED}\r{FORGED}\u2028{' '.join(('y' * 70, FORGED, 'y' * 110, FORGED))}"
        case = finding(
            "v3/split/1",
            Verdict.FAIL,
            requirement=said,
            summary=said,
            expected=said,
            steps=(Step("<<", said, (said, "text", f"61 {said}")),),
            stderr=(said,),
            again=said,
        )
        forger = Diagnosis("x", said, "y", "z", said, (said,))
        report = replace(
            examples.good(),
            title=said,
            findings=(case, replace(case, verdict=Verdict.INFO), replace(case, level=Level.ROBUST)),
            diagnoses=(replace(forger, ties=(forger,)),),
            unexplained=(said,),
            notes=(said,),
            trouble=said,
            versions={said: said},
        )
        for width in range(80, 121):
            made = terminal.render(report, width, verbose=True).splitlines()
            self.assertEqual([line for line in made if line.startswith("core 99")], [])
            self.assertTrue(any(line.lstrip().startswith("core 99") for line in made))
            self.assertEqual(made[-1], words.grade(report))


class Screen(io.StringIO):
    """A terminal that says that it is one; what stands on it is read as a person would."""

    def __init__(self, columns: int = 80) -> None:
        super().__init__()
        self._screen = pyte.Screen(columns, 4)
        self._stream = pyte.Stream(self._screen)

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._stream.feed(text)
        return super().write(text)

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display]


class Progresses(SynchronousTestCase):
    def test_one_line_is_rewritten_and_cleared(self) -> None:
        screen = Screen()
        with Progress(screen) as progress:
            progress.case(9, 34, "v3/a-case-with-a-long-name/1")
            self.assertEqual(screen.lines[0], "9 of 34 v3/a-case-with-a-long-name/1 ...")
            progress.case(12, 34, "v3/split/2")
            self.assertEqual(screen.lines, ["12 of 34 v3/split/2 ...", "", "", ""])
            progress.say("looking")
            self.assertEqual(screen.lines, ["looking ...", "", "", ""])
        self.assertEqual(screen.lines, [""] * 4)
        screen.write("core")
        self.assertEqual(screen.lines[0], "core")

    def test_it_is_cleared_where_the_check_fails(self) -> None:
        screen = Screen()
        with self.assertRaises(KeyboardInterrupt), Progress(screen) as progress:
            progress.case(1, 2, "v3/split/2")
            raise KeyboardInterrupt
        self.assertEqual(screen.lines, [""] * 4)

    def test_a_line_never_reaches_the_last_column(self) -> None:
        screen = Screen()
        progress = Progress(screen)
        progress.case(1, 2, "x" * 200)
        progress.case(2, 2, "y")
        self.assertEqual(screen.lines, ["2 of 2 y ...", "", "", ""])

    def test_nothing_where_nobody_looks(self) -> None:
        stream = io.StringIO()
        with Progress(stream) as progress:
            progress.case(1, 2, "v3/split/2")
        self.assertEqual(stream.getvalue(), "")
        with Progress(None) as progress:
            progress.case(1, 2, "v3/split/2")

    def test_a_terminal_that_goes_ends_nothing(self) -> None:
        class Gone(Screen):
            def write(self, text: str) -> int:
                raise BrokenPipeError

        with Progress(Gone()) as progress:
            progress.case(1, 2, "v3/split/2")
            progress.case(2, 2, "v3/split/3")

    def test_names_are_safe(self) -> None:
        screen = Screen()
        Progress(screen).case(1, 2, "\x1b[2J\n\u202e")
        self.assertEqual(screen.lines[0], r"1 of 2 \x1b[2J\n\u202e ...")


class Json(SynchronousTestCase):
    def test_everything_is_in_it(self) -> None:
        made = json.loads(json_.render(examples.one_recv()))
        self.assertEqual(made["version"], 1)
        for kind, written in (
            (Report, made),
            (Finding, made["findings"][6]),
            (Step, made["findings"][6]["steps"][0]),
            (Diagnosis, made["diagnoses"][1]),
            (Diagnosis, made["diagnoses"][1]["ties"][0]),
        ):
            self.assertLessEqual({field.name for field in fields(kind)}, set(written))

    def test_what_follows(self) -> None:
        made = json_.document(examples.one_recv())
        self.assertEqual(made["outcome"], "FAIL")
        self.assertEqual(made["core"], {"passed": 7, "judged": 12, "percent": 58.3})
        self.assertEqual(made["robust"], {"passed": 3, "judged": 4, "percent": 75.0})
        self.assertIsNone(json_.document(examples.troubled())["core"]["percent"])

    def test_the_words_of_the_vocabularies(self) -> None:
        case = json_.document(examples.one_recv())["findings"][7]
        self.assertEqual((case["verdict"], case["level"], case["closing"]), ("TIMEOUT", "core", "left open"))

    def test_texts_are_as_they_were(self) -> None:
        report = examples.one_recv()
        made = json.loads(json_.render(report))
        self.assertEqual(made["findings"][6]["stderr"], list(examples.STDERR))
        self.assertEqual(made["findings"][6]["steps"][2]["rows"], list(report.findings[6].steps[2].rows))
        self.assertEqual(made["diagnoses"][0]["code"], examples.ONE_RECV.code)

    def test_it_is_ascii_and_holds_only_what_others_can_read(self) -> None:
        written = json_.render(examples.hostile())
        self.assertTrue(written.isascii())
        again = json.loads(written)
        json.dumps(again, ensure_ascii=False).encode()  # a lone surrogate could not be
        self.assertEqual(again["trouble"], words.whole(HOSTILE))
        self.assertIn(r"\xff\x80\ud800", again["trouble"])
        self.assertIn("\x1b[2J", again["trouble"])


class JUnit(SynchronousTestCase):
    def read(self, report: Report) -> ElementTree.Element:
        # As bytes, so that the declaration of the encoding counts.
        return ElementTree.fromstring(junit.render(report).encode())

    def case(self, root: ElementTree.Element, name: str) -> ElementTree.Element:
        (found,) = (case for case in root.iter("testcase") if case.get("name") == name)
        return found

    def test_a_suite_for_each_level(self) -> None:
        root = self.read(examples.one_recv())
        suites = {suite.get("name"): suite for suite in root}
        self.assertEqual(set(suites), {"tcpv3 core", "tcpv3 robust"})
        core = suites["tcpv3 core"]
        counts = {name: core.get(name) for name in ("tests", "failures", "errors", "skipped")}
        self.assertEqual(counts, {"tests": "14", "failures": "5", "errors": "1", "skipped": "1"})
        for suite in (root, *root):
            self.assertEqual(suite.get("tests"), str(len(list(suite.iter("testcase")))))
            self.assertEqual(suite.get("failures"), str(len(list(suite.iter("failure")))))
            self.assertEqual(suite.get("errors"), str(len(list(suite.iter("error")))))
            self.assertEqual(suite.get("skipped"), str(len(list(suite.iter("skipped")))))
        self.assertRegex(core.get("timestamp", ""), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$")

    def test_the_time_stamp_is_of_the_schemas_form(self) -> None:
        root = self.read(replace(examples.good(), started="2026-11-24T10:15:00+01:00"))
        self.assertEqual(root[0].get("timestamp"), "2026-11-24T10:15:00")

    def test_verdicts(self) -> None:
        root = self.read(examples.one_recv())
        self.assertEqual(list(self.case(root, "v3/echo/1")), [])
        self.assertEqual(self.case(root, "v3/echo/1").get("classname"), "core.v3.echo")
        kinds = {}
        for name in ("v3/split/1", "v3/split/2", "v3/restart/1", "v3/print/1", "v3/close/1", "v3/robust/2"):
            (child,) = self.case(root, name)
            kinds[name] = (child.tag, child.get("type"))
        self.assertEqual(
            kinds,
            {
                "v3/split/1": ("failure", "failure"),
                "v3/split/2": ("failure", "timeout"),
                "v3/restart/1": ("error", "error"),
                "v3/print/1": ("skipped", None),
                "v3/close/1": ("system-out", None),
                "v3/robust/2": ("failure", "failure"),
            },
        )
        self.assertEqual(
            self.case(root, "v3/print/1")[0].get("message"),
            "it prints nothing: what it has read cannot be seen",
        )

    def test_a_failure_has_its_evidence(self) -> None:
        failure = self.case(self.read(examples.one_recv()), "v3/split/1")[0]
        self.assertIn("0 of 26 bytes came back", failure.get("message", ""))
        for what in (
            "required  A frame",
            "version  order ",
            "struct.error: unpack",
            "again     netlab check tcpv3",
        ):
            self.assertIn(what, failure.text or "")

    def test_trouble_is_an_error(self) -> None:
        root = self.read(examples.troubled())
        self.assertEqual((root.get("tests"), root.get("errors")), ("1", "1"))
        (error,) = root.iter("error")
        self.assertIn("ended with status 1", error.get("message", ""))

    def test_hostile_texts_are_shown(self) -> None:
        root = self.read(examples.hostile())
        self.assertEqual(root.get("name"), f"netlab check {visible(HOSTILE)}")
        failure = self.case(root, "v3/split/1")[0]
        self.assertEqual(failure.get("message"), visible(HOSTILE))
        self.assertIn(squeezed(visible(HOSTILE)), squeezed(failure.text or ""))
        for element in root.iter():
            for text in (element.text, *element.attrib.values()):
                self.assertIsNone(UNSAFE.search(text or ""))
                self.assertNotRegex(text or "", "[\ufffe\uffff]")


class Html(SynchronousTestCase):
    def test_it_is_made_of_nothing_that_loads_or_runs(self) -> None:
        for make in examples.ALL.values():
            read = Page(html.render(make()))
            self.assertLessEqual({element for element, _ in read.elements}, ELEMENTS)
            self.assertLessEqual({name for _, attributes in read.elements for name in attributes}, ATTRIBUTES)

    def test_every_link_leads_to_what_is_on_the_page(self) -> None:
        for make in examples.ALL.values():
            read = Page(html.render(make()))
            ids = read.attributes("id")
            self.assertEqual(len(ids), len(set(ids)))
            for address in read.attributes("href"):
                self.assertIn(unquote(address), {f"#{id}" for id in ids})

    def test_the_grade_and_the_outcome(self) -> None:
        read = Page(html.render(examples.one_recv()))
        self.assertEqual(read.title, "FAIL: tcpv3 -- python3 server.py")
        for what in ("7 of 12 core", "3 of 4 robust"):
            self.assertIn(what, read.text)
        self.assertIn({"class": "word FAIL"}, [attributes for _, attributes in read.elements])

    def test_diagnoses_first_then_failures_then_robust_then_all(self) -> None:
        text = Page(html.render(examples.one_recv())).text
        places = [
            text.index(what)
            for what in (
                "One recv() is taken for one frame",
                "Or: A frame is read with one recv() of a fixed size",
                "No diagnosis explains v3/split/3.",
                "Cases that were not passed",
                "struct.error: unpack requires a buffer of 9 bytes",
                "The next thing to learn",
                "the server waits for the payload",
                "no free port was found",
                "it closes 0.8 s after",
                "No network namespace",
                "All cases",
            )
        ]
        self.assertEqual(places, sorted(places))

    def test_all_of_a_failure(self) -> None:
        text = Page(html.render(examples.one_recv())).text
        case = next(each for each in examples.one_recv().findings if each.id == "v3/split/1")
        for what in (
            case.requirement,
            case.summary,
            case.expected,
            *(step.title for step in case.steps),
            *case.steps[2].rows,
            *case.stderr,
            "closed first: the program sent its FIN before the checker did",
            "lab guide 5.3; rule S1 in docs/protocol.md",
            case.again,
        ):
            self.assertIn(what, text)

    def test_a_verdict_is_a_word_and_no_colour_alone(self) -> None:
        report = examples.one_recv()
        listed = [row for row in Page(html.render(report)).cells if len(row) == 6]
        self.assertEqual(
            [(row[0], row[2]) for row in listed[1:]],
            [(each.id, each.verdict.value) for each in report.findings],
        )
        self.assertIn(
            "\u2713 OK, ~ LOOSE, i INFO, \u2717 FAIL, T TIMEOUT, E ERROR", Page(html.render(report)).text
        )

    def test_several_lines_that_were_expected_stay_below_each_other(self) -> None:
        case = finding("v3/split/1", Verdict.FAIL, expected="text\n61 62")
        made = html.render(replace(examples.good(), findings=(case,)))
        self.assertIn("<pre>\ntext\n61 62</pre>", made)

    def test_hostile_texts_are_shown(self) -> None:
        read = Page(html.render(examples.hostile()))
        self.assertEqual(read.title, f"NOT JUDGED: {visible(HOSTILE)}")
        self.assertGreater(read.text.count(visible(HOSTILE)), 10)
        self.assertIsNone(UNSAFE.search(read.text))

    def test_trouble_is_said_first(self) -> None:
        read = Page(html.render(examples.troubled()))
        self.assertIn("It could not be judged", read.text)
        self.assertNotIn("All cases", read.text)

    def test_in_a_browser_no_script_runs_and_all_is_there(self) -> None:
        if browser() is None:
            raise SkipTest(NO_BROWSER)
        for written in (html.render(examples.hostile()), klass.render(examples.klass(), {}, HOSTILE)):
            before, after = Page(written), Page(opened(written))
            self.assertEqual(after.title, before.title)
            # What writes the elements down drops the newline that a <pre> begins with.
            self.assertEqual(after.text.replace("\n", ""), before.text.replace("\n", ""))
            self.assertLessEqual({element for element, _ in after.elements}, ELEMENTS)


class Gradescope(SynchronousTestCase):
    def test_the_score_is_the_core_grade(self) -> None:
        self.assertEqual(gradescope.document(examples.good())["score"], 100)
        self.assertEqual(gradescope.document(examples.one_recv())["score"], 58.33)
        self.assertEqual(gradescope.document(examples.one_recv(), 20)["score"], 11.67)

    def test_or_a_point_for_each_case(self) -> None:
        made = gradescope.document(examples.one_recv(), None)
        self.assertEqual(made["score"], 7)
        self.assertEqual(
            {test["max_score"] for test in made["tests"] if test["tags"] == ["core"] and "status" in test},
            {1.0},
        )

    def test_nothing_is_given_for_what_could_not_be_judged(self) -> None:
        for report in (
            examples.troubled(),
            examples.unseen(),
            replace(examples.good(), trouble="it has gone"),
        ):
            self.assertEqual(gradescope.document(report)["score"], 0)
        made = gradescope.document(examples.troubled())
        self.assertIn("could not be judged: the program ended with status 1", made["output"])

    def test_tests(self) -> None:
        tests = {test["number"]: test for test in gradescope.document(examples.one_recv())["tests"]}
        passed, failed = tests["v3/echo/1"], tests["v3/split/1"]
        self.assertEqual((passed["status"], passed["score"], passed["max_score"]), ("passed", 8.33, 8.33))
        self.assertEqual((failed["status"], failed["score"], failed["max_score"]), ("failed", 0, 8.33))
        self.assertEqual(failed["name"], f"FAIL: {examples.FAILED[0].requirement}")
        self.assertIn("struct.error: unpack requires", failed["output"])
        for test in tests.values():
            self.assertEqual(test["visibility"], "visible")

    def test_robust_cases_are_worth_nothing_and_tell_what_they_found(self) -> None:
        tests = {test["number"]: test for test in gradescope.document(examples.one_recv())["tests"]}
        self.assertEqual(tests["v3/robust/2"]["status"], "failed")
        self.assertEqual(tests["v3/robust/1"]["status"], "passed")
        for number in (1, 2):
            self.assertEqual(
                (tests[f"v3/robust/{number}"]["score"], tests[f"v3/robust/{number}"]["max_score"]), (0, 0)
            )

    def test_what_says_nothing_has_no_status(self) -> None:
        tests = {test["number"]: test for test in gradescope.document(examples.one_recv())["tests"]}
        for id in ("v3/restart/1", "v3/print/1"):
            self.assertLessEqual({"score", "max_score", "status"} & set(tests[id]), set())

    def test_the_diagnosis_stands_above(self) -> None:
        output = gradescope.document(examples.one_recv())["output"]
        self.assertIn("core 7 of 12", output)
        self.assertIn("DIAGNOSIS  One recv() is taken for one frame", output)

    def test_hostile_texts_are_text(self) -> None:
        written = gradescope.render(examples.hostile())
        self.assertTrue(written.isascii())
        made = json.loads(written)
        self.assertEqual(made["output_format"], "text")
        self.assertEqual((made["test_output_format"], made["test_name_format"]), ("text", "text"))
        for text in (made["output"], *(test[key] for test in made["tests"] for key in ("name", "output"))):
            self.assertIsNone(UNSAFE.search(text))


class Classes(SynchronousTestCase):
    def read(self, reports: dict[str, Report]) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(klass.table(reports)), strict=True))

    def test_the_table(self) -> None:
        grace = self.read(examples.klass())[1]
        self.assertEqual(
            grace,
            {
                "name": "Grace Hopper",
                "outcome": "FAIL",
                "core_passed": "7",
                "core_judged": "12",
                "percent": "58.3",
                "robust_passed": "3",
                "robust_judged": "4",
                "failed": "v3/split/1 v3/split/2 v3/split/3 v3/bytewise/1 v3/large/1",
                "diagnoses": "one-recv send-once",
                "trouble": "",
            },
        )

    def test_what_was_not_judged_has_no_percentage(self) -> None:
        linus = self.read(examples.klass())[3]
        self.assertEqual((linus["outcome"], linus["percent"]), ("NOT JUDGED", ""))
        self.assertIn("SyntaxError", linus["trouble"])

    def test_no_cell_is_a_formula(self) -> None:
        texts = [
            f"{first}1+cmd|'/C calc'!A0" for first in ("=", "+", "-", "@", "\t=", "\r=", "\n=", "\uff1d")
        ]
        reports = {text: replace(examples.troubled(), trouble=text) for text in texts}
        for row, text in zip(self.read(reports), texts, strict=True):
            for cell in (row["name"], row["trouble"]):
                self.assertEqual(cell, f"'{printable(text)}")

    def test_a_text_is_one_cell_whatever_it_holds(self) -> None:
        text = 'a";=1+1,"\n=2\r\n;=3'
        written = klass.table({text: examples.troubled()})
        self.assertEqual(len(written.splitlines()), 2)
        (row,) = csv.DictReader(io.StringIO(written), strict=True)
        self.assertEqual(row["name"], printable(text))

    def test_a_spreadsheet_that_parts_cells_at_semicolons_finds_none_in_a_text(self) -> None:
        written = klass.table({"a;=1+1": examples.unseen()})
        for row in csv.reader(io.StringIO(written), delimiter=";"):
            self.assertEqual(len(row), 1)

    def test_hostile_texts_are_shown(self) -> None:
        row = self.read(examples.klass())[-1]
        self.assertEqual(row["name"], printable(HOSTILE_NAME))
        self.assertEqual(row["trouble"], printable(HOSTILE))
        klass.table(examples.klass()).encode()

    def test_what_to_teach_is_the_most_frequent_first(self) -> None:
        read = Page(klass.render(examples.klass(), {}))
        first = read.text.index("2 of 6: One recv() is taken for one frame")
        self.assertLess(first, read.text.index("1 of 6: send() is taken for sendall()"))
        self.assertIn("6 submissions: 1 PASS, 2 FAIL, 3 NOT JUDGED", read.text)
        self.assertIn(["3 of 6", "v3/split/1"], [row[:2] for row in read.cells])

    def test_the_page_has_every_submission(self) -> None:
        read = Page(klass.render(examples.klass(), {}))
        listed = {row[0]: row for row in read.cells if len(row) == 7}
        self.assertEqual(listed["Ada Lovelace"][1:5], ["PASS", "7 of 7", "100", "1 of 2"])
        self.assertIn("SyntaxError", listed["Linus"][6])
        self.assertIn(visible(HOSTILE_NAME), listed)

    def test_links_lead_to_the_submissions_own_pages(self) -> None:
        reports = examples.klass()
        read = Page(klass.render(reports, files.names(reports, ".html")))
        addresses = set(read.attributes("href"))
        self.assertIn("./Ada_Lovelace.html", addresses)
        self.assertIn("./J%C3%BCrgen_M%C3%BCller.html", addresses)
        for address in addresses:
            self.assertRegex(address, r"^\./[\w.%+-]+\.html$")

    def test_a_path_is_percent_encoded(self) -> None:
        read = Page(klass.render({"a": examples.good()}, {"a": "javascript:alert(1)/100% #\"'.html"}))
        self.assertEqual(
            set(read.attributes("href")), {"./javascript%3Aalert%281%29/100%25%20%23%22%27.html"}
        )

    def test_it_is_made_of_nothing_that_loads_or_runs(self) -> None:
        read = Page(klass.render(examples.klass(), {name: name for name in examples.klass()}, HOSTILE))
        self.assertLessEqual({element for element, _ in read.elements}, ELEMENTS)
        self.assertLessEqual({name for _, attributes in read.elements for name in attributes}, ATTRIBUTES)
        self.assertEqual(read.title, visible(HOSTILE))

    def test_a_class_of_nobody(self) -> None:
        self.assertIn("0 submissions", Page(klass.render({}, {})).text)
        self.assertEqual(self.read({}), [])


class Bounds(SynchronousTestCase):
    def test_every_report_shows_every_example(self) -> None:
        renders: list[Callable[[Report], Any]] = [
            terminal.render,
            json_.render,
            junit.render,
            html.render,
            gradescope.render,
        ]
        for render in renders:
            for make in examples.ALL.values():
                made = render(make())
                self.assertTrue(made.endswith("\n"))
                made.encode()
