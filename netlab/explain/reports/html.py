"""An explanation as one page: the ladders, then the answers, each with links to the packets that show it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence

from netlab.explain.audit import Checked
from netlab.explain.facts import VARIANTS, Capture, End, Exchange, Session
from netlab.explain.ladder import Ladder, ladders
from netlab.explain.reports import svg, words
from netlab.explain.statements import ALL, QUESTIONS, TROUBLE, Question, Statement, numbers
from netlab.explain.telling import candidates, handling
from netlab.report import page
from netlab.report.page import Html, bullets, code, fragment, joined, lines, link, section, tag

MAX_LADDERS = 16
"""Ladders on a page: nobody compares more, and each may be five sheets of paper."""

MAX_LISTED = 40
"""Conversations that are listed."""

MAX_PLACES = 20
"""Conversations of which a question is answered; further ones are answered alike, and JSON has all."""

MAX_ANSWERS, MAX_TROUBLES = 24, 8
"""Answers to a question that are shown of each conversation; and what went wrong, which stands above all."""

MAX_RUNS = 8
"""Packet numbers, or runs of them, that are named as the evidence of an answer."""

STYLE = f"""{svg.STYLE}
.ladder tr {{ scroll-margin-top: 5rem; }}
code {{ unicode-bidi: isolate; padding: 0 .2em; border-radius: .2em; background: var(--raised); }}
.contents {{ display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; padding: 0; }}
.trouble {{ border-left: .3rem solid var(--bad); }}
.trouble > h2 {{ margin-top: 0; }}
.place {{ font-size: 1rem; margin: 1.5rem 0 .5rem; }}
.number {{ font-weight: 400; }}
.answer {{
  display: grid; grid-template-columns: 6.5rem minmax(0, 1fr); gap: 0 1rem; padding: .45rem 0;
  border-top: 1px solid var(--line);
}}
.answer > * > :last-child {{ margin-bottom: 0; }}
.answer p {{ margin-bottom: .4rem; }}
.address {{ display: inline-block; min-width: 10rem; overflow-wrap: anywhere; }}
.nowrap {{ white-space: nowrap; }}
.packets {{ font-size: .9rem; font-weight: 600; font-variant-numeric: tabular-nums; text-align: right; }}
.background {{ max-width: 46rem; }}
.outcome {{ font-weight: 700; white-space: nowrap; }}
.there {{ color: var(--good); }} .missing {{ color: var(--bad); }} .absent {{ color: var(--late); }}
.drawn {{ margin: 0 0 2.5rem; }}
@media screen and (min-width: 54rem) {{ .drawn .scroll {{ overflow: visible; }} }}
@media (max-width: 36rem) {{
  .answer {{ grid-template-columns: minmax(0, 1fr); }}
  .packets {{ text-align: left; }}
  .packets::before {{ content: "# "; font-weight: 400; color: var(--soft); }}
}}
@media print {{
  .answer, h2, h3 {{ break-inside: avoid; }}
  .contents {{ display: none; }}
  code {{ background: none; padding: 0; }}
}}
"""
"""What this page has besides the look of all. On a wide screen nothing is moved sideways, so that a ladder's
heads stay in sight.
"""

_CODE = re.compile("`([^`]+)`")


def render(
    capture: Capture,
    subjects: Sequence[Session | Exchange],
    statements: Sequence[Statement],
    *,
    exercise: str | None = None,
    audit: Sequence[Checked] = (),
) -> str:
    """The page. subjects: the conversations that are told of. exercise: whose questions these are answers to.
    audit: what that exercise asks of the capture.
    """
    return _Page(capture, subjects, statements, exercise, audit).written()


class _Page:
    def __init__(
        self,
        capture: Capture,
        subjects: Sequence[Session | Exchange],
        statements: Sequence[Statement],
        exercise: str | None,
        audit: Sequence[Checked],
    ) -> None:
        self._capture = capture
        self._subjects = subjects
        self._statements = statements
        self._exercise = exercise
        self._audit = audit
        self._ladders = ladders(capture, words.chosen(subjects, statements, MAX_LADDERS), together=True)
        self._drawn = {arrow.number for each in self._ladders for arrow in each.arrows}
        self._ladder_of = {name: at for at, each in enumerate(self._ladders, 1) for name in each.names}

    def written(self) -> str:
        """The whole file."""
        name = os.path.basename(self._capture.file)
        questions = list(words.by_question(self._statements))
        trouble = [pair for pair in questions if pair[0].word == TROUBLE]
        answered = [pair for pair in questions if pair[0].word != TROUBLE]
        return page.page(
            f"{name}, explained" + (f" for exercise {self._exercise}" if self._exercise else ""),
            tag(
                "header",
                tag("h1", name),
                tag("p", self._head(), class_="soft"),
                bullets(words.limits(self._capture, self._subjects, self._exercise)),
                self._contents([question for question, _ in questions]),
            ),
            *(self._question(*pair, class_="card trouble") for pair in trouble),
            self._audited(),
            section("What is in it", self._conversations()),
            section("The ladder" if len(self._ladders) == 1 else "The ladders", *self._pictures()),
            *(self._question(*pair) for pair in answered),
            self._threads(),
            style=STYLE,
        )

    def _head(self) -> str:
        said = words.head(self._capture, self._exercise)
        said = f"{said[:1].upper()}{said[1:]}."
        return f"{said} Below is what exercise {self._exercise} asks." if self._exercise else said

    def _contents(self, questions: Iterable[Question]) -> Html:
        """Links to all that is on the page, but for what stands at its top."""
        told = [link("the ladder", fragment("ladder-1"))]
        told += [link(each.title, fragment(each.word)) for each in questions if each.word != TROUBLE]
        return tag("ul", *(tag("li", each) for each in told), class_="contents")

    def _conversations(self) -> Html:
        head = ("", "client", "server", "messages", "packets", "seconds", "sent", "back")
        rows = [self._conversation(each) for each in self._subjects[:MAX_LISTED]]
        count = len(candidates(self._capture, self._exercise))
        return joined((page.table(head, rows), _more(count - MAX_LISTED, "conversation")))

    def _conversation(self, conversation: Session | Exchange) -> list[str]:
        packets = [each.number for each in conversation.packets]
        first, last = conversation.packets[0], conversation.packets[-1]
        name = conversation.name if isinstance(conversation, Session) else "datagrams"
        drawn = self._ladder_of.get(conversation.name)
        sent, _, back = words.counts(conversation)
        carried = any(each.data for each in conversation.packets)
        return [
            tag("span", link(name, fragment(f"ladder-{drawn}")) if drawn else name, class_="nowrap"),
            _address(conversation.client),
            _address(conversation.server),
            tag(
                "span",
                VARIANTS.get(conversation.variant, "something else" if carried else "none"),
                class_="nowrap",
            ),
            f"{len(packets):,}",
            tag("span", f"{first.at:.3f} \u2013 {last.at:.3f}", class_="nowrap"),
            f"{sent:,}",
            f"{back:,}",
        ]

    def _pictures(self) -> Iterator[Html]:
        """The ladders, and how they are read."""
        yield tag("p", " ".join(_legend(self._ladders)), class_="soft background")
        titles = {each.name: words.title(each) for each in self._subjects}
        for at, each in enumerate(self._ladders, 1):
            heading = " and ".join(titles[name] for name in each.names)
            if len(each.names) > 1:
                heading = f"{each.title}, at the same time"
            yield tag("article", tag("h3", heading), svg.svg(each), class_="drawn", id=f"ladder-{at}")
        shown = sum(len(each.names) for each in self._ladders)
        yield _more(
            len(candidates(self._capture, self._exercise)) - shown,
            "conversation",
            " is not drawn",
            " are not drawn",
        )

    def _question(self, question: Question, statements: Sequence[Statement], class_: str = "asked") -> Html:
        """A question with its answers, those about one conversation together."""
        asked = self._exercise is None and question.word != TROUBLE
        s = "s" * (len(question.exercises) > 1)
        exercises = f" (exercise{s} {', '.join(question.exercises)})" if asked else ""
        title = tag("h2", question.title, tag("span", exercises, class_="soft number"))
        most = MAX_TROUBLES if question.word == TROUBLE else MAX_ANSWERS
        told = question.told(dict.fromkeys(each.variant for each in self._subjects))
        background = joined(tag("p", _prose(each), class_="soft background") for each in told)
        places = list(words.by_place(statements))
        own = [where for where, _ in places if where != ALL]
        answers = (
            part
            for where, answered in places
            if where not in own[MAX_PLACES:]
            for part in (
                tag("h3", _place(words.place(where, self._subjects)), class_="place"),
                *map(self._answer, answered[:most]),
                _more(len(answered) - most),
            )
        )
        more = _more(len(own) - MAX_PLACES, "conversation", " is not told of here", " are not told of here")
        return Html(tag("section", title, background, *answers, more, class_=class_, id=question.word) + "\n")

    def _answer(self, answer: Statement) -> Html:
        shown = lines(answer.lines) if answer.lines else ""
        said = tag("div", tag("p", _prose(answer.text)), shown)
        return tag("div", tag("div", self._evidence(answer.packets), class_="packets"), said, class_="answer")

    def _evidence(self, packets: Sequence[int]) -> Html:
        """The packets' numbers; those that are drawn are links to them."""
        runs = numbers(packets).split(", ") if packets else []
        linked = [
            link(run.replace("-", "\u2013"), fragment(f"p{first}")) if first in self._drawn else run
            for run in runs[:MAX_RUNS]
            for first in [int(run.partition("-")[0])]
        ]
        more = f" and {len(runs) - MAX_RUNS:,} more" if len(runs) > MAX_RUNS else ""
        return joined((joined(linked, ", "), more))

    def _threads(self) -> Html:
        if not words.lacks_threads(self._capture, self._subjects, self._exercise):
            return Html()
        title = next(each.title for each in QUESTIONS if each.word == "handling")
        return section(title, tag("p", _prose(handling.ABSENT)))

    def _audited(self) -> Html:
        """What the exercise asks of the capture: first what is missing."""
        rows = [
            (
                _outcome(each),
                each.requirement if each.met else joined((tag("b", each.requirement), ": ", each.advice)),
                self._evidence(each.packets),
            )
            for each in sorted(self._audit, key=lambda each: (each.met, not each.needed))
        ]
        title = f"Does it hold what exercise {self._exercise} needs?"
        return section(title, page.table(("", "what", "packets"), rows))


def _outcome(checked: Checked) -> Html:
    word, kind = ("there", "there") if checked.met else ("missing", "missing")
    if not checked.met and not checked.needed:
        word, kind = "not there, and not needed", "absent"
    return tag("span", word, class_=f"outcome {kind}")


def _legend(drawn: Sequence[Ladder]) -> Iterator[str]:
    """How to read the ladders, as far as it is needed for these."""
    arrows = [arrow for each in drawn for arrow in each.arrows]
    parts = [part for arrow in arrows for part in arrow.parts]
    yield "Time goes down; the seconds count from the capture's first packet."
    if any(not arrow.parts for arrow in arrows):
        yield "A thin arrow is a packet without data."
    if parts:
        yield "A broad arrow carries data, and its boxes are the messages in it."
    if any(part.kind == "echo" for part in parts):
        yield "Blue is what a client sends, green what comes back."
    if any(not (part.begins and part.ends) for part in parts):
        yield "A torn edge: the message goes on in another packet."
    if any(part.kind == "rest" for part in parts):
        yield "A dashed box: other bytes."
    if any(arrow.again for arrow in arrows):
        yield "Dashed: sent once more, or nothing new."
    if any(arrow.broken for arrow in arrows):
        yield "Red, with a cross: there it ends, or nobody was there."
    if any(arrow.made_up for arrow in arrows):
        yield "Dotted: made up by the recording, so that there is a whole session."
    if any(arrow.handled for arrow in arrows):
        yield "Beside the server: the thread that handled it."


def _address(end: End) -> Html:
    """Where one is; an address of IPv6 may be broken anywhere."""
    text = str(end)
    return tag("span", text, class_="nowrap" if len(text) < 25 else "address")


def _place(heading: str) -> Html:
    """Whose answers these are: the name first."""
    name, colon, ends = heading.partition(": ")
    return joined((name, tag("span", f"{colon}{ends}", class_="soft number") if ends else ""))


def _prose(text: str) -> Html:
    """A sentence; what stands between backticks is meant literally."""
    parts = _CODE.split(text)
    return joined(code(part) if at % 2 else part for at, part in enumerate(parts))


def _more(count: int, what: str = "", one: str = "", several: str = "") -> Html:
    """How many are left out."""
    if count <= 0:
        return Html()
    said = (
        f"and 1 more {what}{one}" if count == 1 else f"and {count:,} more {what}{'s' * bool(what)}{several}"
    )
    return tag("p", said.rstrip(), class_="soft")
