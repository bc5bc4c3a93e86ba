"""Draws a ladder with the characters that every terminal has: time goes down, and each packet is an arrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netlab.explain.ladder import Arrow, Gap, Ladder
from netlab.explain.reports.columns import columns, fitted, padded
from netlab.report.terminal import BAD, BOLD, GOOD, LABEL, LATE, Writer

MAX_ROWS = 40
"""Packets of a ladder on a terminal: one screen or two, and the answers come after it."""

TOGETHER = 110
"""Columns from which two clients and their server have room beside each other."""

_HANDLED = 24
"""Columns for who handled a packet, at most."""

_MORE = "..."
"""What stands for the rest of a text: plain as all else here."""


def render(ladder: Ladder, writer: Writer) -> Iterator[str]:
    """The ladder in lines as wide as the writer's; two clients need TOGETHER. Colours say nothing that the
    characters do not.

    Strokes with gaps are a packet that is sent again, dots one that a recording has made up; an X stands at
    the end from which nothing more can come.
    """
    return _Drawing(ladder, writer).lines()


def legend(drawn: Sequence[Ladder]) -> Iterator[str]:
    """What the strokes in some ladders mean, as far as they are there."""
    arrows = [arrow for each in drawn for arrow in each.arrows]
    if any(isinstance(row, Gap) for each in drawn for row in each.rows):
        yield "`:` what lies between"
    if any(arrow.again for arrow in arrows):
        yield "`- -` sent again, or asked whether the other is there"
    if any(arrow.made_up for arrow in arrows):
        yield "`...` made up by the recording"
    if any(arrow.broken for arrow in arrows):
        yield "`X` there it ends, or nobody was there"
    if any(arrow.notes for arrow in arrows):
        yield "`!` a remark"


class _Drawing:
    """One ladder, being drawn. A lane is what lies between a client's line and the server's."""

    def __init__(self, ladder: Ladder, writer: Writer) -> None:
        self._ladder, self._writer = ladder, writer
        arrows = ladder.arrows
        self._number = max([1, *(len(str(arrow.number)) for arrow in arrows)])
        self._time = max([7, *(len(f"{arrow.at:.6f}") for arrow in arrows)])
        margin = self._number + self._time + 4
        self._lanes = len(ladder.clients)
        handled = max((columns(arrow.handled) for arrow in arrows), default=0)
        # With two clients there is room in the lane of the one that has no part in it.
        self._beside = min(_HANDLED, handled + 1) if self._lanes == 1 and handled else 0
        self._lane = (writer.width - margin - self._beside - self._lanes - 1) // self._lanes
        self._room = self._lanes * (self._lane + 1) + 1
        """Columns from the first line to the last."""
        longest = max((len(arrow.label) for arrow in arrows), default=0)
        self._indent = max(2, (self._lane - longest - 4) // 3)

    def lines(self) -> Iterator[str]:
        """All of it."""
        yield from self._heads()
        for row in self._ladder.rows:
            yield from self._gap(row) if isinstance(row, Gap) else self._arrow(row)

    def _margin(self, number: str = "", time: str = "") -> str:
        return f"{number:>{self._number}}  {time:>{self._time}}  "

    def _heads(self) -> Iterator[str]:
        """Who stands at which line."""
        clients, server = list(map(str, self._ladder.clients)), str(self._ladder.server)
        yield self._head(self._margin("#", "seconds"), ["client", "server", "client"][: self._lanes + 1])
        ends = [clients[0], server, *clients[1:]]
        if sum(map(columns, ends)) + 2 * len(ends) <= self._room:
            yield self._head(self._margin(), ends)
        else:  # long addresses: a line for each
            for at in range(len(ends)):
                yield self._head(
                    self._margin(), [end if at == place else "" for place, end in enumerate(ends)]
                )

    def _head(self, margin: str, names: list[str]) -> str:
        """The first name begins at the first line, the last ends at the last; a third is in the middle."""
        left, right = names[0], names[-1]
        if len(names) > 2:
            left = padded(left, (self._room - columns(names[1])) // 2) + names[1]
        between = " " * max(1, self._room - columns(left) - columns(right)) if right else ""
        return margin + self._writer.paint(BOLD, fitted(left + between + right, self._room, _MORE))

    def _gap(self, gap: Gap) -> Iterator[str]:
        said = fitted(gap.words, self._room - 4, _MORE)
        left = self._indent + 1 if self._lanes == 1 else (self._room - columns(said)) // 2
        left = min(left, self._room - 3 - columns(said))
        yield f"{self._margin()}:{padded(' ' * left + said, self._room - 2)}:"

    def _arrow(self, arrow: Arrow) -> Iterator[str]:
        style = BAD if arrow.broken else LATE if arrow.again else ""
        yield self._row(arrow, self._shaft(arrow), style, first=True)
        for part in arrow.parts:
            style = {"request": LABEL, "echo": GOOD}.get(part.kind, "")
            yield self._row(arrow, self._below(part.words, part.answers), style)
        if arrow.more:
            yield self._row(arrow, self._below(arrow.counted), "")
        for note in arrow.notes:
            yield self._row(arrow, self._below(f"! {note.text}"), BAD if note.wrong else LATE)

    def _row(self, arrow: Arrow, said: str, style: str, first: bool = False) -> str:
        """A line of an arrow. said: what stands in its client's lane."""
        margin = self._margin(str(arrow.number), f"{arrow.at:.6f}") if first else self._margin()
        drawn = self._writer.paint(style, said) if style else said
        handled = arrow.handled if first else ""
        if self._lanes == 1:
            beside = f" {fitted(handled, self._beside - 1, _MORE)}" if handled else ""
            return f"{margin}|{drawn}|{beside}"
        other = fitted(handled, self._lane - 2, _MORE)
        if arrow.client == 0:
            return f"{margin}|{drawn}|{padded(f' {other}', self._lane)}|"
        return f"{margin}|{' ' * (self._lane - 1 - columns(other))}{other} |{drawn}|"

    def _shaft(self, arrow: Arrow) -> str:
        """The arrow, as wide as a lane."""
        rightwards = arrow.forth is (arrow.client == 0)
        label = f" {fitted(arrow.label, self._lane - 6, _MORE)} "
        indent = min(self._indent, self._lane - len(label) - 2)
        right = self._lane - indent - len(label)
        stroke = "." if arrow.made_up else "- " if arrow.again else "-"
        before, after = (stroke * indent)[:indent], (stroke * right)[-right:]
        tail = "X" if arrow.broken else stroke[0]
        if rightwards:
            return f"{tail}{before[1:]}{label}{after[:-1]}>"
        return f"<{before[1:]}{label}{after[:-1]}{tail}"

    def _below(self, said: str, answers: str = "") -> str:
        """What stands below an arrow, as wide as a lane: below its label, if it is not too long for that."""
        answers = f" ({answers})" if answers else ""
        said = fitted(said, self._lane - 2 - len(answers), _MORE) + answers
        left = min(self._indent + 1, self._lane - 1 - columns(said))
        return padded(" " * left + said, self._lane)
