"""A report as JUnit's XML, which Jenkins, GitLab and others show."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from netlab.check.findings import Finding, Level, Report, Verdict
from netlab.check.reports import terminal, words
from netlab.wire.text import printable

_NO_CHARACTERS = {0xFFFE: r"\ufffe", 0xFFFF: r"\uffff"}
"""What XML 1.0 forbids besides what printable() escapes."""


def render(report: Report) -> str:
    """One testsuite for each level: a robust case that was not passed is a failure there, as any other.

    Of a program that could not be judged at all there is one test more, which is an error.
    """
    root = Element("testsuites", name=_safe(words.command(report)))
    if report.trouble:
        _trouble(root, report)
    for level in Level:
        if report.of(level):
            _suite(root, report, level)
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    root.set("time", f"{report.seconds:.3f}")
    ElementTree.indent(root)
    # tostring() itself would declare the encoding of this machine.
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _suite(root: Element, report: Report, level: Level) -> None:
    findings = report.of(level)
    verdicts = [each.verdict for each in findings]
    suite = SubElement(
        root,
        "testsuite",
        name=f"{_safe(report.variant)} {level.value}",
        tests=str(len(findings)),
        failures=str(sum(verdict.failed for verdict in verdicts)),
        errors=str(verdicts.count(Verdict.ERROR)),
        skipped=str(verdicts.count(Verdict.INFO)),
        time=f"{sum(each.seconds for each in findings):.3f}",
    )
    _about(suite, report)
    for each in findings:
        _case(suite, each)


def _about(suite: Element, report: Report) -> None:
    if report.started:
        # The schemas want seconds, and no time zone.
        suite.set("timestamp", _safe(report.started[:19]))
    properties = SubElement(suite, "properties")
    about = {"title": report.title, "variant": report.variant, "side": report.side, **report.versions}
    for name, value in about.items():
        SubElement(properties, "property", name=_safe(name), value=_safe(value))


def _case(suite: Element, finding: Finding) -> None:
    # GitLab shows the class's name as the suite's; to Jenkins, what stands before its last dot is a package.
    group = words.group(finding.id).replace("/", ".")
    case = SubElement(
        suite,
        "testcase",
        classname=_safe(f"{finding.level.value}.{group}"),
        name=_safe(finding.id),
        time=f"{finding.seconds:.3f}",
    )
    summary = _safe(finding.summary or finding.requirement)
    if finding.verdict.failed:
        kind = "timeout" if finding.verdict is Verdict.TIMEOUT else "failure"
        SubElement(case, "failure", type=kind, message=summary).text = _evidence(finding)
    elif finding.verdict is Verdict.ERROR:
        SubElement(case, "error", type="error", message=summary).text = _evidence(finding)
    elif finding.verdict is Verdict.INFO:
        SubElement(case, "skipped", message=summary)
    elif finding.verdict is Verdict.LOOSE:
        SubElement(case, "system-out").text = f"LOOSE: {summary}"


def _trouble(root: Element, report: Report) -> None:
    suite = SubElement(
        root, "testsuite", name="netlab check", tests="1", failures="0", errors="1", skipped="0"
    )
    _about(suite, report)
    case = SubElement(suite, "testcase", classname="netlab.check", name="the program can be judged")
    SubElement(case, "error", type="trouble", message=_safe(report.trouble))


def _evidence(finding: Finding) -> str:
    return "\n".join(["", *map(_safe, terminal.evidence(finding).split("\n")), ""])


def _safe(text: str) -> str:
    """One line without the characters that XML forbids; the others are ElementTree's to escape."""
    return printable(text).translate(_NO_CHARACTERS)
