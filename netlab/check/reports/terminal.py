"""A report for the terminal, and the line that shows how far a check has come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from netlab.check.findings import Diagnosis, Finding, Level, Report, Step, Verdict
from netlab.check.reports import words
from netlab.report import rows
from netlab.report.terminal import BAD, BOLD, GOOD, LABEL, LATE, ODD, WIDEST, Writer
from netlab.wire.text import printable, writable

NAME = 18
"""Columns for a case's name; more where one of a report is longer."""

MARGIN = 12
"""Columns in front of what stands at a label."""

_COLOURS = {
    Verdict.OK.value: GOOD,
    Verdict.LOOSE.value: LATE,
    Verdict.INFO.value: LABEL,
    Verdict.FAIL.value: BAD,
    Verdict.TIMEOUT.value: LATE,
    Verdict.ERROR.value: ODD,
    words.PASS: GOOD,
    words.NOT_JUDGED: ODD,
}


def render(
    report: Report,
    width: int = WIDEST,
    *,
    colour: bool = False,
    verbose: bool = False,
    encoding: str = "utf-8",
) -> str:
    """The report as lines of at most `width` columns, 80 to 120; only commands are never broken.

    colour: may there be some? A verdict's word always stands there, too. verbose: a line for each case that
    was passed, and the whole evidence for each robust one that was not. encoding: of what it is written to.
    """
    writer = _Writer(width, colour)
    writer.name = max([NAME, *(len(each.id) for each in report.findings)])
    return writable("\n".join(_report(report, writer, verbose)) + "\n", encoding)


def evidence(finding: Finding, width: int = WIDEST) -> str:
    """What was seen of one case, without its name and without colours."""
    return "\n".join(_evidence(finding, _Writer(width, False)))


def diagnosed(diagnosis: Diagnosis, width: int = WIDEST) -> str:
    """One diagnosis, without colours."""
    return "\n".join(_diagnosis(diagnosis, _Writer(width, False)))


class _Writer(Writer):
    """The lines of a report on a check."""

    def __init__(self, width: int, colour: bool) -> None:
        super().__init__(width, colour)
        self.room = self.width - MARGIN  # for what stands at a label
        self.name = NAME

    def word(self, verdict: str, width: int = 0) -> str:
        """A verdict in its colour, with so many columns at least."""
        return self.paint(_COLOURS.get(verdict, BAD), verdict) + " " * (width - len(verdict))

    def labelled(self, label: str, lines: Iterable[str]) -> Iterator[str]:
        """Lines, the first of them behind a label; nothing where there are none."""
        front = f"  {self.paint(LABEL, label.ljust(MARGIN - 2))}"
        for line in lines:
            yield front + line
            front = " " * MARGIN

    def told(self, label: str, text: str) -> Iterator[str]:
        """A text behind a label; nothing where there is none."""
        return self.labelled(label, (line[MARGIN:] for line in self.prose(text, MARGIN)))


def _report(report: Report, writer: _Writer, verbose: bool) -> Iterator[str]:
    yield from _head(report, writer)
    yield from _counted(report, writer, verbose)
    for finding in words.failures(report, Level.CORE):
        yield from ("", *_case(finding, writer))
    for diagnosis in report.diagnoses:
        yield from ("", *_diagnosis(diagnosis, writer))
    if report.unexplained:
        yield ""
        yield from writer.prose(f"No diagnosis explains {', '.join(report.unexplained)}.", 0)
    yield from _robust(report, writer, verbose)
    yield from _told(report, writer, verbose)
    if report.notes:
        yield from _heading("What limits this judgement", writer)
        yield from (line for note in report.notes for line in writer.prose(note))
    yield ""
    if report.trouble:
        yield from writer.told("trouble", report.trouble)
    yield words.grade(report).removesuffix(words.outcome(report)) + writer.word(words.outcome(report))


def _heading(text: str, writer: _Writer) -> Iterator[str]:
    yield from ("", writer.paint(BOLD, text))


def _head(report: Report, writer: _Writer) -> Iterator[str]:
    for line in writer.prose(words.command(report), 0):
        yield writer.paint(BOLD, line)
    yield from writer.prose(words.about(report), 0)


def _counted(report: Report, writer: _Writer, verbose: bool) -> Iterator[str]:
    for level in Level:
        groups = words.groups(report.of(level))
        if groups:
            yield from _heading(f"{level.value} cases passed", writer)
        whole = []
        for name, findings in groups.items():
            if not verbose and all(each.verdict is Verdict.OK for each in findings):
                whole.append(f"{name} ({len(findings)})")
            else:
                yield _group(name, findings, writer)
                shown = [each for each in findings if verbose and each.verdict is Verdict.OK]
                yield from (line for each in shown for line in _line(each, each.requirement, writer))
        yield from writer.told("all of", ", ".join(whole))


def _group(name: str, findings: Sequence[Finding], writer: _Writer) -> str:
    """How many cases of a group were passed, and what was said of the others."""
    passed, judged = words.score(findings)
    others = Counter(each.verdict.value for each in findings if each.verdict is not Verdict.OK)
    told = ", ".join(f"{number} {writer.word(verdict)}" for verdict, number in others.items())
    return f"  {printable(name):20} {passed:>3} of {judged:<4} {told}".rstrip()


def _line(finding: Finding, text: str, writer: _Writer) -> Iterator[str]:
    """A case in one line, or as many as the text needs."""
    name = printable(finding.id).ljust(writer.name)
    front = f"  {writer.word(finding.verdict.value, 8)} {name} "
    indent = 12 + len(name)
    for line in writer.prose(text, indent) if text else [""]:
        yield (front + line[indent:]).rstrip()
        front = " " * indent


def _case(finding: Finding, writer: _Writer) -> Iterator[str]:
    yield f"{writer.word(finding.verdict.value)}  {writer.paint(BOLD, printable(finding.id))}"
    yield from _evidence(finding, writer)


def _evidence(finding: Finding, writer: _Writer) -> Iterator[str]:
    yield from writer.told("required", finding.requirement)
    yield from writer.told("found", finding.summary)
    if "\n" in finding.expected:
        expected = finding.expected.split("\n")
        yield from writer.labelled("expected", rows.fitting(expected, writer.room))
    else:
        yield from writer.told("expected", finding.expected)
    yield from writer.labelled("exchange", (line for step in finding.steps for line in _step(step, writer)))
    yield from writer.told("closed", words.closed(finding.closing) if finding.closing else "")
    yield from writer.labelled("stderr", rows.fitting(finding.stderr, writer.room))
    yield from writer.told("look up", words.place(finding.guide, finding.clause))
    # Not broken: it is to be copied.
    yield from writer.labelled("again", [printable(finding.again)] if finding.again else [])


def _step(step: Step, writer: _Writer) -> Iterator[str]:
    front = f"{printable(step.way)} "
    for line in writer.prose(step.title, MARGIN + len(front)):
        yield front + line.lstrip()
        front = " " * len(front)
    yield from (" " * len(front) + row for row in rows.fitting(step.rows, writer.room - len(front)))


def _diagnosis(diagnosis: Diagnosis, writer: _Writer) -> Iterator[str]:
    yield from _mistake("DIAGNOSIS", diagnosis, writer)
    yield from writer.told("explains", ", ".join(diagnosis.ids))
    yield from writer.told("shows in", words.also(diagnosis))
    if diagnosis.ties:
        told = "What was seen can have other reasons just as well; from outside they cannot be told apart:"
        yield from writer.prose(told)
    if len(diagnosis.ties) < words.FEW:
        for other in diagnosis.ties:
            yield from _mistake("OR", other, writer)
    else:  # of so many, none is likely enough to be read about
        titles = (writer.prose(f"{each.title} ({each.name})", MARGIN) for each in diagnosis.ties)
        yield from writer.labelled("or", (line[MARGIN:] for title in titles for line in title))


def _mistake(word: str, diagnosis: Diagnosis, writer: _Writer) -> Iterator[str]:
    front = f"{writer.paint(LATE, word)}  "
    indent = len(word) + 2
    for line in writer.prose(f"{diagnosis.title} ({diagnosis.name})", indent):
        yield front + writer.paint(BOLD, line[indent:])
        front = " " * indent
    for paragraph in diagnosis.explanation.split("\n"):
        yield from writer.prose(paragraph)
    yield from writer.labelled("code", rows.fitting(diagnosis.code.split("\n"), writer.room))
    yield from writer.told("look up", words.place(diagnosis.guide))


def _robust(report: Report, writer: _Writer, verbose: bool) -> Iterator[str]:
    findings = words.failures(report, Level.ROBUST)
    if findings:
        yield from _heading(f"{words.NEXT} (it costs nothing in the grade)", writer)
    for finding in findings:
        # Whoever still has core cases to pass is to see those.
        if verbose or not words.failures(report, Level.CORE):
            yield from ("", *_case(finding, writer))
        else:
            yield from _line(finding, f"{finding.requirement} ({words.place(finding.guide)})", writer)


def _told(report: Report, writer: _Writer, verbose: bool) -> Iterator[str]:
    for heading, verdict in (
        ("Not as it should be, but taken", Verdict.LOOSE),
        ("For your information", Verdict.INFO),
        ("The checker's own trouble: nothing is said of the program", Verdict.ERROR),
    ):
        findings = words.with_verdict(report, verdict)
        if findings:
            yield from _heading(heading, writer)
        same = Counter(each.summary for each in findings)
        for summary, number in same.items():
            if number > words.FEW and verdict is Verdict.INFO and not verbose:
                alike = words.groups(each for each in findings if each.summary == summary)
                names = ", ".join(f"{name} ({len(each)})" for name, each in alike.items())
                yield from writer.prose(f"{words.cases(number)} {summary}: {names}")
                findings = [each for each in findings if each.summary != summary]
        for finding in findings:
            if verbose and verdict is Verdict.ERROR:
                yield from ("", *_case(finding, writer))
            else:
                yield from _line(finding, finding.summary or finding.requirement, writer)
