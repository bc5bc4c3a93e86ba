"""A report as one page that can be opened anywhere, sent and printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netlab.check.findings import Diagnosis, Finding, Level, Report, Step, Verdict
from netlab.check.reports import words
from netlab.report import page, rows
from netlab.report.page import (
    Html,
    bullets,
    card,
    details,
    fragment,
    joined,
    lines,
    link,
    paragraphs,
    section,
    tag,
)

MARKS = {
    Verdict.OK: "\u2713",
    Verdict.LOOSE: "~",
    Verdict.INFO: "i",
    Verdict.FAIL: "\u2717",
    Verdict.TIMEOUT: "T",
    Verdict.ERROR: "E",
}
"""A verdict in one character, for the overview; below it stands what each means."""

ROOM = 92
"""Columns of a table of bytes: as much as fits the page and the paper; on a phone it is moved sideways."""

STYLE = """
.word {
  display: inline-block; padding: 0 .45em; border: 1px solid; border-radius: .3em; font-size: .8rem;
  font-weight: 700; line-height: 1.5; white-space: nowrap; color: var(--quiet);
}
.OK, .PASS { color: var(--good); }
.FAIL { color: var(--bad); }
.TIMEOUT, .LOOSE { color: var(--late); }
.ERROR, .NOT { color: var(--odd); }
.grade { display: flex; flex-wrap: wrap; gap: .5rem 2rem; align-items: center; margin: 1.25rem 0; }
.grade b { font-size: 1.9rem; line-height: 1.1; }
.grade .word { font-size: 1.1rem; padding: .1em .6em; }
.group { display: inline-block; margin-right: 1rem; }
.mark {
  display: inline-block; min-width: 1.4em; text-align: center; text-decoration: none; font-weight: 700;
}
.FAIL.mark, .TIMEOUT.mark, .ERROR.mark { border: 1px solid; border-radius: .3em; }
dl { margin: 0; display: grid; grid-template-columns: 5.5rem minmax(0, 1fr); gap: .35rem .75rem; }
dt { color: var(--soft); }
dd { margin: 0; }
dd > :last-child, .step > :last-child, .code > pre { margin-bottom: 0; }
.step { margin-bottom: .5rem; padding-left: 2rem; text-indent: -2rem; }
.step pre { text-indent: 0; }
.way {
  display: inline-block; width: 2rem; text-indent: 0; font-family: ui-monospace, monospace; font-weight: 700;
}
.diagnosis { border-left: .3rem solid var(--late); }
.or { margin-top: 1rem; padding-top: 1rem; border-top: 1px dashed var(--line); }
.code pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.nowrap { white-space: nowrap; }
.anywhere { overflow-wrap: anywhere; }
@media (max-width: 36rem) {
  dl { grid-template-columns: minmax(0, 1fr); gap: 0; }
  dt { font-size: .85rem; }
  dd { margin-bottom: .6rem; }
}
"""
"""What the pages of a check have besides the look of all."""


def render(report: Report) -> str:
    """The page: the grade, the diagnoses, what was not passed with its evidence, and all cases."""
    failures = words.failures(report, Level.CORE)
    robust = words.failures(report, Level.ROBUST)
    errors = words.with_verdict(report, Verdict.ERROR)
    notable = words.with_verdict(report, Verdict.LOOSE, Verdict.INFO)
    return page.page(
        f"{words.outcome(report)}: {report.title}",
        _summary(report),
        section("What is wrong", *map(_diagnosis, report.diagnoses), _unexplained(report)),
        section("Cases that were not passed", _legend(failures), *map(_case, failures)),
        section(words.NEXT, _remark("These cases cost nothing in the grade.", robust), *map(_case, robust)),
        section(
            "Trouble",
            _remark("The checker's own: nothing is said of the program.", errors),
            *map(_case, errors),
        ),
        section("Worth knowing", bullets(map(_line, notable))),
        section("What limits this judgement", bullets(report.notes)),
        section("All cases", _all(report.findings)),
        style=STYLE,
    )


def word(text: str) -> Html:
    """A verdict or an outcome, in its colour."""
    return tag("span", text, class_=f"word {text}")


def case_link(id: str) -> Html:
    """A case's name, which leads to what was seen of it."""
    return tag("span", link(id, fragment(id)), class_="nowrap")


def diagnosed(diagnosis: Diagnosis, more: Sequence[tuple[str, str]] = ()) -> Html:
    """What happens, the code, and where to look. more: terms, and what there is to say of them."""
    code = tag("div", lines(diagnosis.code.split("\n")), class_="code") if diagnosis.code else ""
    pairs = [("code", code), ("look up", words.place(diagnosis.guide)), *more]
    return joined((paragraphs(diagnosis.explanation), _labelled(pairs)))


def _summary(report: Report) -> Html:
    return tag(
        "header",
        tag("h1", report.title),
        tag("p", words.about(report), class_="soft"),
        tag("div", *(_score(report, level) for level in Level), word(words.outcome(report)), class_="grade"),
        card("It could not be judged", tag("p", report.trouble)) if report.trouble else "",
        *(_overview(report, level) for level in Level),
        _marks(report.findings),
    )


def _score(report: Report, level: Level) -> Html:
    passed, judged = words.score(report.of(level))
    return tag("span", tag("b", f"{passed} of {judged}"), f" {level.value}")


def _overview(report: Report, level: Level) -> Html:
    """A mark for each case of a level."""
    groups = words.groups(report.of(level)).items()
    told = (
        tag("span", name, " ", joined(map(_mark, cases)), class_="group nowrap") for name, cases in groups
    )
    return tag("p", tag("b", level.value), " ", joined(told, " ")) if groups else Html()


def _mark(finding: Finding) -> Html:
    verdict = finding.verdict
    told = f"{finding.id}: {verdict.value}"
    attributes = {"title": told, "aria_label": told, "class_": f"mark {verdict.value}"}
    if not has_evidence(finding):
        return tag("span", MARKS[verdict], role="img", **attributes)
    return tag("a", MARKS[verdict], href=fragment(finding.id), **attributes)


def _marks(findings: Iterable[Finding]) -> Html:
    """What the marks mean that are there."""
    there = {each.verdict for each in findings}
    told = ", ".join(f"{mark} {verdict.value}" for verdict, mark in MARKS.items() if verdict in there)
    return tag("p", told, class_="soft") if told else Html()


def has_evidence(finding: Finding) -> bool:
    """Is there more on the page than a line?"""
    return finding.verdict.failed or finding.verdict is Verdict.ERROR


def _diagnosis(diagnosis: Diagnosis) -> Html:
    explains = ("explains", joined(map(case_link, diagnosis.ids), ", "))
    said = diagnosed(diagnosis, [explains, ("shows in", words.also(diagnosis))])
    return card(diagnosis.title, said, _ties(diagnosis), class_="card diagnosis")


def _ties(diagnosis: Diagnosis) -> Html:
    if not diagnosis.ties:
        return Html()
    said = "What was seen can have another reason just as well. From outside they cannot be told apart:"
    others = (tag("div", tag("h3", f"Or: {other.title}"), diagnosed(other)) for other in diagnosis.ties)
    return tag("div", tag("p", said), *others, class_="or")


def _unexplained(report: Report) -> Html:
    if not report.unexplained:
        return Html()
    return tag("p", "No diagnosis explains ", joined(map(case_link, report.unexplained), ", "), ".")


def _remark(text: str, findings: Sequence[Finding]) -> Html:
    return tag("p", text, class_="soft") if findings else Html()


def _legend(findings: Sequence[Finding]) -> Html:
    """How to read the steps."""
    return _remark("; ".join(f"{way} {meaning}" for way, meaning in words.WAYS.items()) + ".", findings)


def _case(finding: Finding) -> Html:
    heading = joined((word(finding.verdict.value), tag("span", finding.id, class_="nowrap")), " ")
    pairs = [
        ("required", finding.requirement),
        ("found", finding.summary),
        ("expected", _rows(finding.expected.split("\n")) if "\n" in finding.expected else finding.expected),
        ("exchange", joined(map(_step, finding.steps))),
        ("closed", words.closed(finding.closing) if finding.closing else ""),
        ("stderr", lines(finding.stderr) if finding.stderr else ""),
        ("look up", words.place(finding.guide, finding.clause)),
        ("again", page.code(finding.again) if finding.again else ""),
    ]
    return details(heading, _labelled(pairs), id=finding.id)


def _labelled(pairs: Iterable[tuple[str, str]]) -> Html:
    """Terms and what there is to say of them; those without anything are left out."""
    there = [(tag("dt", term), tag("dd", said)) for term, said in pairs if said]
    return tag("dl", *(part for pair in there for part in pair)) if there else Html()


def _step(step: Step) -> Html:
    way = tag("span", step.way, class_="way", title=words.WAYS.get(step.way, ""))
    return tag("div", way, step.title, _rows(step.rows), class_="step")


def _rows(texts: Sequence[str]) -> Html:
    return lines(rows.fitting(texts, ROOM)) if texts else Html()


def _line(finding: Finding) -> Html:
    name = tag("span", finding.id, class_="nowrap")
    return joined((word(finding.verdict.value), name, finding.summary or finding.requirement), " ")


def _all(findings: Sequence[Finding]) -> Html:
    head = ("case", "level", "verdict", "requirement", "guide", "rule")
    return page.table(head, map(_row, findings))


def _row(finding: Finding) -> list[str]:
    name = case_link(finding.id) if has_evidence(finding) else tag("span", finding.id, class_="nowrap")
    verdict = word(finding.verdict.value)
    return [name, finding.level.value, verdict, finding.requirement, finding.guide, finding.clause]
