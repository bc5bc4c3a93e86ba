"""An explanation for the terminal: the ladders, then the answers with the packets in front of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netlab.explain.audit import Checked, command
from netlab.explain.facts import Capture, Exchange, Session
from netlab.explain.ladder import MAX_ROWS, ladders
from netlab.explain.reports import ladder_text, words
from netlab.explain.reports.columns import columns, padded
from netlab.explain.statements import TROUBLE, Question, Statement, numbers
from netlab.explain.telling import handling
from netlab.report import rows
from netlab.report.terminal import BAD, BOLD, GOOD, LABEL, LATE, WIDEST, Writer
from netlab.wire.text import printable, writable

MARGIN = 13
"""Columns for the numbers of the packets that show something; more of them stand on a line of their own."""

SHOWN = 14
"""Answers to a question that are shown of each conversation; without --all the others are counted."""

SHOWN_LADDERS = 6
"""Ladders that are drawn; without --all the others are counted."""


def render(
    capture: Capture,
    subjects: Sequence[Session | Exchange],
    statements: Sequence[Statement],
    width: int = WIDEST,
    *,
    exercise: str | None = None,
    colour: bool = False,
    all: bool = False,
    encoding: str = "utf-8",
) -> str:
    """The explanation as lines of at most `width` columns, 80 to 120.

    all: shall long lists be whole? encoding: of what it is written to.
    """
    report = _Report(capture, subjects, statements, Writer(width, colour), all)
    return writable("\n".join(report.lines(exercise)) + "\n", encoding)


def audited(
    capture: Capture,
    exercise: str,
    audit: Sequence[Checked],
    width: int = WIDEST,
    *,
    colour: bool = False,
    encoding: str = "utf-8",
) -> str:
    """What an exercise asks of the capture, in the same way."""
    writer = Writer(width, colour)
    return writable("\n".join(_audited(capture, exercise, audit, writer)) + "\n", encoding)


class _Report:
    def __init__(
        self,
        capture: Capture,
        subjects: Sequence[Session | Exchange],
        statements: Sequence[Statement],
        writer: Writer,
        all: bool,
    ) -> None:
        self._capture = capture
        self._subjects = subjects
        self._statements = statements
        self._writer = writer
        self._most = len(statements) if all else SHOWN
        self._all = all
        self._ladders = len(subjects) if all else SHOWN_LADDERS

    def lines(self, exercise: str | None) -> Iterator[str]:
        writer = self._writer
        head = f"{self._capture.file}: {words.head(self._capture, exercise)}"
        for line in writer.prose(head, 0):
            yield writer.paint(BOLD, line)
        for limit in words.limits(self._capture, self._subjects, exercise):
            yield from writer.prose(limit)
        yield from self._summary()
        questions = list(words.by_question(self._statements))
        for question, statements in questions:
            if question.word == TROUBLE:
                yield from self._question(question, statements, "")
        yield from self._drawn()
        if exercise is not None:
            yield from (
                "",
                *writer.prose(f"Below is what exercise {exercise} asks; without --exercise all is told.", 0),
            )
        for question, statements in questions:
            if question.word != TROUBLE:
                yield from self._question(question, statements, f"  ({', '.join(question.exercises)})")
        if words.lacks_threads(self._capture, self._subjects, exercise):
            yield from (
                "",
                writer.paint(BOLD, "Which thread, or which key of the selector, handled which message?"),
            )
            yield from writer.prose(handling.ABSENT)

    def _summary(self) -> Iterator[str]:
        """A line for each conversation."""
        wrong = words.troubled(self._statements)
        rows = []
        for each in self._subjects[: self._most]:
            sent, answered, _ = words.counts(each)
            kind = each.name if isinstance(each, Session) else "datagrams"
            count = f"{sent:,} sent, {answered:,} answered" if sent else "no message"
            mark = "!" if each.name in wrong else ""
            rows.append((kind, f"{each.client} -> {each.server}", count, mark))
        widths = [max((columns(row[at]) for row in rows), default=0) for at in range(3)]
        for row in rows:
            line = "  ".join(padded(cell, width) for cell, width in zip(row, widths, strict=False))
            yield f"  {printable(line)}" + (f"  {self._writer.paint(BAD, 'see below')}" if row[3] else "")
        if len(self._subjects) > self._most:
            yield f"  and {len(self._subjects) - self._most:,} more: --all shows them"

    def _drawn(self) -> Iterator[str]:
        """The ladders, and what the strokes in them mean."""
        writer = self._writer
        drawn = ladders(
            self._capture,
            words.chosen(self._subjects, self._statements, self._ladders),
            MAX_ROWS if self._all else ladder_text.MAX_ROWS,
            together=writer.width >= ladder_text.TOGETHER,
        )
        for each in drawn:
            yield from ("", writer.paint(BOLD, printable(each.title)))
            yield from ladder_text.render(each, writer)
        legend = "; ".join(ladder_text.legend(drawn))
        if legend:
            yield from writer.prose(f"In the ladder: {legend}.")
        others = words.counted_in(max(0, len(self._subjects) - self._ladders), "more conversation")
        if others:
            yield f"  {others}, not drawn here: --all"

    def _question(self, question: Question, statements: Sequence[Statement], asked: str) -> Iterator[str]:
        """A question with its answers, those about one conversation together."""
        writer = self._writer
        yield from ("", writer.paint(BAD if question.word == TROUBLE else BOLD, question.title + asked))
        for paragraph in question.told(dict.fromkeys(each.variant for each in self._subjects)):
            yield from writer.prose(paragraph)
        for where, answers in words.by_place(statements):
            yield "  " + writer.paint(LABEL, printable(words.place(where, self._subjects)))
            for answer in answers[: self._most]:
                yield from self._answer(answer)
            if len(answers) > self._most:
                yield " " * MARGIN + f"and {len(answers) - self._most:,} more: --all shows them"

    def _answer(self, answer: Statement) -> Iterator[str]:
        front = f"    {numbers(answer.packets)}"
        if len(front) > MARGIN - 2:
            yield from self._writer.prose(f"packets {numbers(answer.packets)}", 4)
            front = ""
        for line in self._writer.prose(answer.text, MARGIN):
            yield front.ljust(MARGIN) + line[MARGIN:]
            front = ""
        for line in rows.fitting(answer.lines, self._writer.width - MARGIN):
            yield " " * MARGIN + line


def _audited(capture: Capture, exercise: str, audit: Sequence[Checked], writer: Writer) -> Iterator[str]:
    lacking = sum(each.needed and not each.met for each in audit)
    outcome = f"{words.counted_in(lacking, 'thing')} missing" if lacking else "all that it needs is there"
    yield from writer.prose(f"{capture.file}, for exercise {exercise}: {outcome}", 0)
    for limit in words.unread(capture):
        yield from writer.prose(limit)
    if lacking:
        yield from writer.prose("While the server runs, this captures what is needed:")
        yield f"    {command(exercise)}"
    for needed, title in (True, "Needed"), (False, "Worth having, too"):
        if any(each.needed is needed for each in audit):
            yield from ("", writer.paint(BOLD, title))
        for each in audit:
            if each.needed is needed:
                yield from _checked(each, writer)


def _checked(checked: Checked, writer: Writer) -> Iterator[str]:
    word, style = (
        ("there", GOOD) if checked.met else ("missing", BAD) if checked.needed else ("not there", LATE)
    )
    where = f" (packet{'s' * (len(checked.packets) != 1)} {_few(checked.packets)})" if checked.packets else ""
    first, *others = writer.prose(checked.requirement + (where if checked.met else ""), MARGIN)
    yield f"  {writer.paint(style, word)}".ljust(MARGIN + len(writer.paint(style, ""))) + first[MARGIN:]
    yield from others
    if not checked.met:
        yield from writer.prose(checked.advice, MARGIN)


def _few(packets: Sequence[int]) -> str:
    written = numbers(packets)
    return written if len(written) <= 30 else f"{written[:30].rpartition(',')[0]}, ..."
