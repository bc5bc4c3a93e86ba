"""Draws a ladder as SVG: time goes down, each packet is an arrow, and what it carries stands inside it.

A thin arrow is a packet without data. A broad one carries some, and its messages are boxes in it, with a cell
for each field; a box has a torn edge where the message goes on in another packet. Colours only repeat what
can be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from netlab.explain.ladder import Arrow, Gap, Ladder, Part
from netlab.explain.reports.columns import columns, fitted
from netlab.report.page import COLOURS, Html, joined, tag

ONE, TWO = 800, 1000
"""The width of a ladder of one client and of two, in pixels: that of a page, or of a sheet of paper."""

CHARACTER, SMALL = 7.5, 6.7
"""The widths of a character in the two sizes of type, in pixels: those of the widest font for programs."""

STYLE = """
.ladder {
  --request: #dbe7fb; --echo: #dff2dc; --answer: #fdebc8; --segment: #f6f7f9; --here: #fff0b8;
}
@media screen and (prefers-color-scheme: dark) {
  .ladder { --request: #1f3a63; --echo: #1f4a2c; --answer: #5a4312; --segment: #1d2229; --here: #4d430f; }
}
table.ladder { width: 100%; min-width: 40rem; max-width: 50rem; }
table.two { min-width: 50rem; max-width: 62.5rem; }
.ladder tr > * { padding: 0; border: 0; }
.ladder tr > * > svg { display: block; width: 100%; height: auto; overflow: visible; }
.ladder th { position: sticky; top: 0; background: var(--ground); }
.ladder text {
  font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: var(--ink); white-space: pre;
}
.ladder .small { font-size: 10.5px; }
.ladder .soft { fill: var(--soft); }
.ladder .strong { font-weight: 700; }
.ladder .end { text-anchor: end; }
.ladder .middle { text-anchor: middle; }
.ladder .ground { fill: var(--ground); }
.ladder tr[id]:hover { background: var(--raised); }
.ladder tr:target { background: var(--here); }
.ladder .head { fill: var(--raised); stroke: var(--soft); }
.ladder .life { stroke: var(--soft); stroke-width: 1.5; }
.ladder .apart { stroke-dasharray: 2 4; }
.ladder .shaft { stroke: var(--ink); stroke-width: 1.5; fill: none; }
.ladder .tip { fill: var(--ink); }
.ladder .segment { fill: var(--segment); stroke: var(--ink); stroke-width: 1.3; }
.ladder .again { stroke-dasharray: 7 4; }
.ladder .made { stroke: var(--soft); stroke-dasharray: 1.5 3; }
.ladder .made + .tip, .ladder .made + .tip + text { fill: var(--soft); }
.ladder .broken { stroke: var(--bad); fill: none; stroke-width: 2; }
.ladder .broken + .tip { fill: var(--bad); }
.ladder .box { stroke: var(--ink); stroke-width: 1; fill: none; }
.ladder .request { fill: var(--request); }
.ladder .echo { fill: var(--echo); }
.ladder .answer { fill: var(--answer); }
.ladder .rest { stroke-dasharray: 3 3; }
.ladder .cell { stroke: var(--ink); stroke-width: .7; }
.ladder .late { fill: var(--late); }
.ladder .wrong { fill: var(--bad); }
.ladder .by { fill: var(--ground); stroke: var(--odd); }
.ladder .thread { fill: var(--odd); }
@media print {
  .ladder th { position: static; }
  table.ladder { min-width: 0; }
}
"""
"""The look of a ladder, on a page that has page.STYLE and in a file of its own. --here: the packet to which a
link has led; min-width: on a phone the picture is moved sideways, and not made smaller than can be read.
"""

_LEFT = 136
"""Where the first line stands: to its left are the packets' numbers and times."""

_SECONDS = 12
"""Characters of a time that have room there; after a day, only hundredths are left of it."""

_RIGHT = 24
_TEXT, _NOTE, _BOX = 17, 15, 26
"""The heights of a line of text, of a note, and of a box with what is between it and the next."""

_INSET, _TIP = 10, 14
"""From a broad arrow's edge to its boxes, and the length of its tip."""

_LEAST, _RANKS = 60.0, 4
"""The width that a text has at least, and the rank of the cell that is left out first."""

_HEAD = 58
_HANDLED = 170
"""The room for who handled a packet, at most."""


def svg(ladder: Ladder) -> Html:
    """The ladder for a page whose style has STYLE: a table of pictures, one for each row, since a browser can
    break a table over sheets of paper, and repeats its head there. A packet's row has the id `p` and its
    number.
    """
    drawing = _Drawing(ladder)
    heads = tag("th", drawing.picture(_HEAD, drawing.heads(0), aria_hidden="true"))
    rows = (
        tag(
            "tr",
            tag(
                "td",
                drawing.picture(
                    drawing.height(row), tag("title", row.words), drawing.row(row, 0), role="img"
                ),
            ),
            id=f"p{row.number}" if isinstance(row, Arrow) else False,
        )
        for row in ladder.rows
    )
    head, body = tag("thead", tag("tr", heads)), tag("tbody", joined(rows, Html("\n")))
    table = tag("table", head, body, class_=f"ladder{drawing.kind}", role="presentation")
    return tag("div", table, class_="scroll")


def standalone(ladder: Ladder, title: str = "") -> str:
    """The ladder as an SVG file, for a page that is not ours. title: what it shows."""
    drawing = _Drawing(ladder)
    margin = 10
    rows: list[Html] = []
    height: float = margin + _HEAD
    for row in ladder.rows:
        rows.append(tag("g", tag("title", row.words), drawing.row(row, height)))
        height += drawing.height(row)
    height += margin
    title = title or f"Ladder of {ladder.title}"
    told = "; ".join(row.words for row in ladder.rows)
    return (
        tag(
            "svg",
            tag("title", title),
            tag("style", Html(COLOURS + STYLE)),
            _rect("ground", 0, 0, drawing.width, height, rx="6"),
            drawing.heads(margin),
            *rows,
            xmlns="http://www.w3.org/2000/svg",
            class_=f"ladder{drawing.kind}",
            viewBox=f"0 0 {drawing.width} {_number(height)}",
            width=str(drawing.width),
            height=_number(height),
            role="img",
            aria_label=f"{title}: {told}",
        )
        + "\n"
    )


class _Drawing:
    """One ladder, being drawn. A lane is what lies between a client's line and the server's."""

    def __init__(self, ladder: Ladder) -> None:
        self._ladder = ladder
        self._two = len(ladder.clients) == 2
        self.width = TWO if self._two else ONE
        self.kind = " two" if self._two else ""
        handled = max((columns(arrow.handled) for arrow in ladder.arrows), default=0)
        beside = min(_HANDLED, SMALL * handled + 32) if handled and not self._two else 0
        right = self.width - max(_RIGHT, beside)
        self._server = (_LEFT + right) / 2 if self._two else right
        self._clients = (_LEFT, right)
        self._beside = beside
        self._lane = self._server - _LEFT

    def picture(self, height: float, *drawn: Html, **attributes: str | bool) -> Html:
        """A part of the ladder as a picture of its own."""
        return tag("svg", *drawn, viewBox=f"0 0 {self.width} {_number(height)}", **attributes)

    def heads(self, top: float) -> Html:
        """Who stands at which line."""
        ladder = self._ladder
        names = [f"client ({name})" if name.startswith("session") else "client" for name in ladder.names]
        ends = [
            (names[0] if self._two else "client", ladder.clients[0], self._clients[0]),
            ("server", ladder.server, self._server),
        ]
        if self._two:
            ends.append((names[1], ladder.clients[1], self._clients[1]))
        drawn = [
            _text(38, top + _HEAD - 6, "#", "small soft end"),
            _text(120, top + _HEAD - 6, "seconds", "small soft end"),
        ]
        for name, end, at in ends:
            lines = ((name, "strong"), (end.ip, "small"), (f"port {end.port}", "small"))
            width = max(CHARACTER * len(name), SMALL * max(len(line) for line, _ in lines[1:])) + 20
            left = min(max(_LEFT - 8.0, at - width / 2), self.width - width - 2)
            drawn.append(_line("life", at, top + _HEAD - 8, at, top + _HEAD))
            drawn.append(_rect("head", left, top + 2, width, _HEAD - 8, rx="5"))
            drawn += (
                _text(left + width / 2, top + 16 + 15 * place, line, f"{kind} middle")
                for place, (line, kind) in enumerate(lines)
            )
        return joined(drawn)

    def height(self, row: Arrow | Gap) -> float:
        """The height of a row, in pixels."""
        if isinstance(row, Gap):
            return 28
        body = 2 * 5 + _BOX * len(self._lines(row)) if row.parts else 2
        return _TEXT + body + _NOTE * (len(row.notes) + bool(row.more)) + (4 if row.parts else 10)

    def row(self, row: Arrow | Gap, top: float) -> Html:
        """A row, on its lines. These reach beyond it: where pictures are scaled, none is seen to end."""
        bottom = top + self.height(row)
        kind = "life apart" if isinstance(row, Gap) else "life"
        ends = (self._server, *self._clients[: len(self._ladder.clients)])
        lines = joined(_line(kind, at, top - 0.5, at, bottom + 0.5) for at in ends)
        return joined((lines, self._gap(row, top) if isinstance(row, Gap) else self._arrow(row, top)))

    def _gap(self, gap: Gap, top: float) -> Html:
        room = self.width - _LEFT - _RIGHT - self._beside
        middle = (_LEFT + self.width - max(_RIGHT, self._beside)) / 2
        said = fitted(gap.words, int(room / SMALL) - 2)
        width = SMALL * columns(said) + 12
        return joined(
            (
                _rect("ground", middle - width / 2, top + 6, width, 16),
                _text(middle, top + 18, said, "small soft middle"),
            )
        )

    def _arrow(self, arrow: Arrow, top: float) -> Html:
        """A packet: its number and time, its label, what it carries, what is remarkable about it."""
        left = min(self._server, self._clients[arrow.client])
        rightwards = arrow.forth is (arrow.client == 0)
        at = top + _TEXT
        parts = [
            _text(38, top + 14, str(arrow.number), "small strong end"),
            _text(120, top + 14, f"{arrow.at:.6f}"[:_SECONDS], "small soft end"),
        ]
        label = fitted(arrow.label, int((self._lane - 30) / CHARACTER))
        flags, rest = label[: len(arrow.flags)], label[len(arrow.flags) :]
        written = tag(
            "text",
            tag("tspan", flags, class_="strong"),
            rest,
            x=_number(left + 16),
            y=_number(top + 13),
        )
        if arrow.parts:
            lines = self._lines(arrow)
            bottom = at + 2 * 5 + _BOX * len(lines) - 6
            parts += (self._segment(arrow, left, at, bottom, rightwards), written)
            for line, boxes in enumerate(lines):
                x = left + _INSET + (0 if rightwards else _TIP - 4)
                for part, cells in boxes:
                    parts.append(_box(part, cells, x, at + 4 + _BOX * line))
                    x += sum(cell.width for cell in cells) + 6
            at = bottom + 8
        else:
            parts += (*self._shaft(arrow, left, at + 2, rightwards), written)
            at += 10
        if arrow.handled:
            parts.append(self._by(arrow, top))
        if arrow.more:
            parts.append(_text(left + 16, at + 8, arrow.counted, "small soft"))
            at += _NOTE
        for note in arrow.notes:
            said = fitted(f"! {note.text}", int((self._lane - 30) / SMALL))
            parts.append(_text(left + 16, at + 8, said, f"small strong {'wrong' if note.wrong else 'late'}"))
            at += _NOTE
        return joined(parts)

    def _shaft(self, arrow: Arrow, left: float, at: float, rightwards: bool) -> Iterator[Html]:
        """A thin arrow."""
        right = left + self._lane
        kind = " again" * arrow.again + " made" * arrow.made_up + " broken" * arrow.broken
        tip, tail, back = (right, left, -9) if rightwards else (left, right, 9)
        if arrow.broken:
            cross = tail - back * 1.3
            yield _path("broken", f"M{_pair(cross - 5, at - 5)}l10 10m0-10l-10 10")
        yield _line(f"shaft{kind}", tail, at, tip + back, at)
        yield _path("tip", f"M{_pair(tip, at)}l{back} -5v10z")

    def _segment(self, arrow: Arrow, left: float, top: float, bottom: float, rightwards: bool) -> Html:
        """A broad arrow."""
        right, middle = left + self._lane, (top + bottom) / 2
        kind = " again" * arrow.again
        if rightwards:
            points = (
                (left, top),
                (right - _TIP, top),
                (right, middle),
                (right - _TIP, bottom),
                (left, bottom),
            )
        else:
            points = (
                (right, top),
                (left + _TIP, top),
                (left, middle),
                (left + _TIP, bottom),
                (right, bottom),
            )
        return _path(f"segment{kind}", f"M{'L'.join(_pair(*point) for point in points)}z")

    def _by(self, arrow: Arrow, top: float) -> Html:
        """Who handled it: at the server's line, on its other side."""
        beyond = not (self._two and arrow.client == 1)
        room = self._beside - 20 if not self._two else self._lane / 2
        said = fitted(arrow.handled, int((room - 10) / SMALL))
        width = SMALL * columns(said) + 10
        left = self._server + 8 if beyond else self._server - 8 - width
        box = _rect("by", left, top + 1, width, 16, rx="8")
        return joined((box, _text(left + width / 2, top + 12.5, said, "small thread middle")))

    def _lines(self, arrow: Arrow) -> list[list[tuple[Part, list[_Cell]]]]:
        """The parts in lines, as many beside each other as have room."""
        most = self._lane - 2 * _INSET - _TIP
        lines: list[list[tuple[Part, list[_Cell]]]] = []
        left = 0.0
        for part in arrow.parts:
            cells = _cells(part, most)
            width = sum(cell.width for cell in cells)
            if not lines or width > left:
                lines.append([])
                left = most
            lines[-1].append((part, cells))
            left -= width + 6
        return lines


class _Cell(NamedTuple):
    """A cell of a box."""

    name: str
    said: str
    width: float
    rank: int
    """Which are left out first where there is no room: the highest; 0 for none."""
    is_text: bool = False


def _cells(part: Part, room: float) -> list[_Cell]:
    """What stands in a part's box, in so many pixels at most: at first the text is cut, then cells are left
    out, since all is said in the row's title, too.
    """
    cells = list(_all_cells(part))
    for rank in range(_RANKS, -1, -1):
        texts = sum(cell.width for cell in cells if cell.is_text)
        others = sum(cell.width for cell in cells) - texts
        if others + min(texts, _LEAST) <= room:
            return [
                cell._replace(width=min(cell.width, room - others)) if cell.is_text else cell
                for cell in cells
            ]
        cells = [cell for cell in cells if cell.rank != rank]
    return cells


def _all_cells(part: Part) -> Iterator[_Cell]:
    for name, value in part.fields:
        shown, rank = ("ver", 3) if name == "version" else (name, 2 if name == "size" else 0)
        yield _Cell(shown, str(value), CHARACTER * (len(shown) + len(str(value)) + 1) + 10, rank)
    if part.place:
        yield _Cell(part.place, "", CHARACTER * len(part.place) + 10, 1)
    if part.prefix and part.ends:
        yield _Cell(part.prefix, "", CHARACTER * len(part.prefix) + 6, 0)
    if part.ends:
        said = part.text + "-" * part.padding
        yield _Cell("", said, max(2, columns(said)) * CHARACTER + 10, 0, True)
    if part.answers:
        yield _Cell(part.answers, "", CHARACTER * len(part.answers) + 10, _RANKS)


def _box(part: Part, cells: list[_Cell], left: float, top: float) -> Html:
    """A box with its cells."""
    height = _BOX - 6
    drawn = [_path(f"box {part.kind}", _outline(part, left, top, sum(cell.width for cell in cells), height))]
    at = left
    for place, cell in enumerate(cells):
        if place:
            drawn.append(_line("cell", at, top, at, top + height))
        if cell.is_text:
            said = fitted(cell.said, int((cell.width - 6) / CHARACTER))
            drawn.append(_clipped(said, part, at, top, cell.width, height))
        else:
            drawn.append(_text(at + 5, top + 14, cell.name, "soft"))
            if cell.said:
                drawn.append(_text(at + 5 + CHARACTER * (len(cell.name) + 1), top + 14, cell.said, ""))
        at += cell.width
    return joined(drawn)


def _clipped(said: str, part: Part, left: float, top: float, width: float, height: float) -> Html:
    """A text that never leaves its cell, whatever characters it has and however wide a font draws them."""
    padding = min(part.padding, len(said)) if said.endswith("-" * part.padding) else 0
    text = said[: len(said) - padding]
    parts = (text, tag("tspan", "-" * padding, class_="soft") if padding else "")
    if said.isascii():
        return tag("text", *parts, x=_number(left + 5), y=_number(top + 14))
    inner = tag("text", *parts, x="5", y="14")
    return tag("svg", inner, x=_number(left), y=_number(top), width=_number(width), height=_number(height))


def _outline(part: Part, left: float, top: float, width: float, height: float) -> str:
    """A box; an edge is torn where the message goes on in another packet."""
    tooth = height / 4
    down = f"l-3 {_number(tooth)}l3 {_number(tooth)}" * 2 if not part.ends else f"v{_number(height)}"
    up = f"l3 {_number(-tooth)}l-3 {_number(-tooth)}" * 2 if not part.begins else ""
    return f"M{_pair(left, top)}h{_number(width)}{down}h{_number(-width)}{up}z"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _pair(x: float, y: float) -> str:
    return f"{_number(x)} {_number(y)}"


def _text(x: float, y: float, text: str, kind: str) -> Html:
    return tag("text", text, x=_number(x), y=_number(y), class_=kind or False)


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Html:
    return tag("line", class_=kind, x1=_number(x1), y1=_number(y1), x2=_number(x2), y2=_number(y2))


def _path(kind: str, drawn: str) -> Html:
    return tag("path", class_=kind, d=drawn)


def _rect(kind: str, x: float, y: float, width: float, height: float, **more: str) -> Html:
    box = {"x": _number(x), "y": _number(y), "width": _number(width), "height": _number(height)}
    return tag("rect", class_=kind, **box, **more)
