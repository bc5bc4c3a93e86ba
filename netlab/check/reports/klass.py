"""The reports of a whole class: a table for the instructor, and what to teach tomorrow."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from netlab.check.findings import Diagnosis, Finding, Level, Report
from netlab.check.reports import html, words
from netlab.report import page
from netlab.report.page import Html, beside, card, escaped, joined, link, section, tag
from netlab.wire.text import printable

MOST_FAILED = 10
"""Cases that are named as the ones that most have failed: more is no plan for a lesson."""

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""By what a spreadsheet knows a formula, or what it skips in front of one; the last four are wide = + - @."""


class Row(NamedTuple):
    """One submission."""

    name: str
    outcome: str
    core_passed: int
    core_judged: int
    percent: float | None
    """Of the core cases; None where none was judged."""
    robust_passed: int
    robust_judged: int
    failed: str
    """The ids of the core cases that were not passed, with blanks between."""
    diagnoses: str
    """The names of the diagnoses, with blanks between; of ties, the first."""
    trouble: str


def rows(reports: Mapping[str, Report]) -> list[Row]:
    """One row for each submission, in the sequence of the mapping."""
    return [_row(name, report) for name, report in reports.items()]


def _row(name: str, report: Report) -> Row:
    passed, judged = words.score(report.of(Level.CORE))
    return Row(
        name,
        words.outcome(report),
        passed,
        judged,
        words.percent(passed, judged),
        *words.score(report.of(Level.ROBUST)),
        " ".join(each.id for each in words.failures(report, Level.CORE)),
        " ".join(each.name for each in report.diagnoses),
        report.trouble,
    )


def table(reports: Mapping[str, Report]) -> str:
    """The rows as CSV, with a head. No cell is a formula: what begins like one gets an apostrophe."""
    written = io.StringIO()
    # Quoted, a text stays one cell also where a spreadsheet parts cells at semicolons.
    writer = csv.writer(written, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(Row._fields)
    for row in rows(reports):
        writer.writerow(_cell(value) for value in row)
    return written.getvalue()


def _cell(value: str | float | None) -> str | float:
    if not isinstance(value, str):
        return "" if value is None else value
    return f"'{printable(value)}" if value.startswith(FORMULA) else printable(value)


def render(reports: Mapping[str, Report], pages: Mapping[str, str], title: str = "netlab check") -> str:
    """The page. pages: the path of a submission's own page, from this page's folder; without one, no link."""
    names = {name: _name(name, pages) for name in reports}
    return page.page(
        title,
        tag("h1", title),
        tag("p", _counted(reports), class_="soft"),
        section("What to teach", *_mistakes(reports, names)),
        section("Core cases that most have failed", _most_failed(reports)),
        section("Submissions", _submissions(reports, names)),
        style=html.STYLE,
    )


def _name(name: str, pages: Mapping[str, str]) -> Html:
    return link(name, beside(pages[name])) if name in pages else escaped(name)


def _counted(reports: Mapping[str, Report]) -> str:
    outcomes = Counter(map(words.outcome, reports.values()))
    told = (f"{outcomes[outcome]} {outcome}" for outcome in (words.PASS, words.FAIL, words.NOT_JUDGED))
    return f"{len(reports)} submission{'s' * (len(reports) != 1)}: {', '.join(told)}"


def _mistakes(reports: Mapping[str, Report], names: Mapping[str, Html]) -> Iterator[Html]:
    """A card for each diagnosis, the most frequent first."""
    made: dict[str, list[str]] = {}
    diagnoses: dict[str, Diagnosis] = {}
    for name, report in reports.items():
        for each in report.diagnoses:
            made.setdefault(each.name, []).append(name)
            diagnoses.setdefault(each.name, each)
    for mistake, who in sorted(made.items(), key=lambda item: -len(item[1])):
        diagnosis = diagnoses[mistake]
        heading = f"{len(who)} of {len(reports)}: {diagnosis.title}"
        whose = joined((names[name] for name in who), ", ")
        yield card(heading, html.diagnosed(diagnosis, [("whose", whose)]))


def _most_failed(reports: Mapping[str, Report]) -> Html:
    failed = [each for report in reports.values() for each in words.failures(report, Level.CORE)]
    findings = {each.id: each for each in failed}
    most = Counter(each.id for each in failed).most_common(MOST_FAILED)
    return page.table(
        ("failed by", "case", "requirement", "guide", "rule"),
        (_failed(number, len(reports), findings[id]) for id, number in most),
    )


def _failed(number: int, submissions: int, finding: Finding) -> list[str]:
    name = tag("span", finding.id, class_="nowrap")
    return [f"{number} of {submissions}", name, finding.requirement, finding.guide, finding.clause]


def _submissions(reports: Mapping[str, Report], names: Mapping[str, Html]) -> Html:
    head = (
        "submission",
        "outcome",
        "core",
        "percent",
        "robust",
        "diagnoses",
        "failed core cases, or trouble",
    )
    return page.table(head, (_cells(row, names[row.name]) for row in rows(reports)))


def _cells(row: Row, name: Html) -> list[str]:
    return [
        tag("span", name, class_="anywhere"),
        html.word(row.outcome),
        tag("span", f"{row.core_passed} of {row.core_judged}", class_="nowrap"),
        "" if row.percent is None else f"{row.percent:g}",
        tag("span", f"{row.robust_passed} of {row.robust_judged}", class_="nowrap"),
        row.diagnoses,
        tag("span", row.trouble or row.failed, class_="anywhere"),
    ]
