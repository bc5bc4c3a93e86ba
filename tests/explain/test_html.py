"""netlab/explain/reports/html.py: ladders and answers on one page, which only shows what a file holds."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from urllib.parse import unquote

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from netlab.explain.audit import Checked
from netlab.explain.audit import audit as audited
from netlab.explain.reports import html
from netlab.explain.statements import ALL, KINDS, TROUBLE, Statement, numbers
from netlab.explain.telling import handling, subjects, tell
from netlab.wire.text import printable
from tests.explain.drawings import ALL as EXAMPLES
from tests.explain.drawings import HOSTILE, UNSEEN, explained
from tests.report.pages import ATTRIBUTES, ELEMENTS, NO_BROWSER, Page, browser, opened

UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

DRAWN = {"svg", "text", "tspan", "rect", "line", "path"}
"""What the pictures are made of: nothing among it loads or runs anything."""

DRAWING = {"viewbox", "aria-hidden", "x", "y", "x1", "x2", "y1", "y2", "width", "height", "rx", "d"}


def written(name: str, exercise: str | None = None, *more: Statement, audit: bool = False) -> str:
    """The page of an example."""
    capture = explained(name)
    told = subjects(capture, exercise)
    checked = audited(capture, exercise) if audit and exercise else ()
    return html.render(capture, told, [*tell(capture, exercise), *more], exercise=exercise, audit=checked)


def links(page: Page) -> list[str]:
    """Where the links lead."""
    return [unquote(attributes["href"] or "") for name, attributes in page.elements if name == "a"]


class Pages(SynchronousTestCase):
    def test_they_are_made_of_nothing_that_loads_or_runs(self) -> None:
        for name in EXAMPLES:
            made = written(name)
            page = Page(made)
            self.assertLessEqual({element for element, _ in page.elements}, ELEMENTS | DRAWN)
            self.assertLessEqual(
                {key for _, attributes in page.elements for key in attributes}, ATTRIBUTES | DRAWING
            )
            self.assertNotIn("url(", made)
            self.assertNotIn("@import", made)
            self.assertIsNone(UNSAFE.search(made))

    def test_no_id_is_there_twice_and_each_link_leads_somewhere(self) -> None:
        for name in EXAMPLES:
            page = Page(written(name))
            ids = page.attributes("id")
            self.assertEqual([each for each, count in Counter(ids).items() if count > 1], [], name)
            self.assertGreater(len(links(page)), 5)
            self.assertEqual([each for each in links(page) if each.removeprefix("#") not in ids], [], name)

    def test_each_answer_stands_beside_the_packets_that_show_it(self) -> None:
        page = written("plain")
        for each in tell(explained("plain")):
            shown = numbers(each.packets)
            first = shown.partition(",")[0].partition("-")[0]
            self.assertIn(f'<a href="#p{first}">', page)
            sentence = Page(each.text.replace("<", "&lt;").replace("`", "")).text
            self.assertIn(sentence, Page(page).text)
        self.assertIn("<pre>\nversion", page)

    def test_the_head_the_ladder_and_the_questions_in_their_order(self) -> None:
        text = Page(written("plain")).text
        places = [
            text.index(each)
            for each in (
                "A capture of 7 packets in 0.006 s: 1 TCP session, frames of variable size (chapter 5).",
                "What is in it",
                "Time goes down",
                "PSH, ACK Seq=1 Ack=1 Len=14",
                "The server's port is agreed on",
                "By three packets",
                "Seq is the number",
                "A FIN closes one direction",
            )
        ]
        self.assertEqual(places, sorted(places))
        self.assertEqual(Page(written("plain")).title.partition("explained")[0], "plain.pcapng, ")

    def test_what_went_wrong_stands_at_the_top(self) -> None:
        for name in ("damaged", "pieces"):
            made = written(name)
            self.assertLess(made.index(f'id="{TROUBLE}"'), made.index("What is in it"))
            self.assertLess(made.index(f'id="{TROUBLE}"'), made.index('id="ladder-1"'))
        self.assertNotIn(f'id="{TROUBLE}"', written("plain"))

    def test_the_legend_says_what_is_there(self) -> None:
        said = {
            "Dashed: sent once more": "damaged",
            "Red, with a cross": "damaged",
            "A torn edge": "pieces",
            "Dotted: made up": "recorded",
            "Beside the server": "recorded",
            "A dashed box": "pieces",
        }
        for words, name in said.items():
            self.assertIn(words, Page(written(name)).text)
            self.assertNotIn(words, Page(written("plain")).text)

    def test_two_clients_at_once_are_one_picture(self) -> None:
        page = Page(written("two"))
        self.assertIn("session 1 and session 2, at the same time", page.text)
        self.assertIn("client (session 1)", page.text)
        self.assertEqual(sum(each.startswith("ladder-") for each in page.attributes("id")), 2)

    def test_an_exercise_is_answered_and_nothing_else(self) -> None:
        page = Page(written("plain", "5.2", audit=True))
        self.assertIn("Below is what exercise 5.2 asks.", page.text)
        self.assertIn("Does it hold what exercise 5.2 needs?", page.text)
        self.assertNotIn("By three packets", page.text)
        self.assertIn("Size 5", page.text)

    def test_the_audit_names_what_is_missing_first(self) -> None:
        rows = Page(written("plain", "5.2", audit=True)).cells
        head = rows.index(["", "what", "packets"])
        self.assertEqual(rows[head + 1][0], "missing")
        self.assertIn("two clients", rows[head + 1][1])
        capture = explained("plain")
        hostile = Checked(HOSTILE, False, False, (1, 2, 9999), UNSEEN)
        page = Page(html.render(capture, capture.sessions, [], exercise="5.2", audit=[hostile]))
        cells = page.cells[page.cells.index(["", "what", "packets"]) + 1]
        self.assertEqual(
            cells, ["not there, and not needed", f"{HOSTILE}: {printable(UNSEEN)}", "1, 2, 9999"]
        )
        self.assertNotIn("#p9999", links(page))

    def test_who_handled_a_text_is_said_or_that_nobody_can_know(self) -> None:
        absent = handling.ABSENT.partition(".")[0]
        self.assertIn(absent, Page(written("answered")).text)
        self.assertNotIn(absent, Page(written("recorded")).text)
        self.assertNotIn(absent, Page(written("plain")).text)


class Bounds(SynchronousTestCase):
    def test_answers_of_one_conversation_are_counted(self) -> None:
        page = Page(written("long"))
        answers = sum(attributes.get("class") == "answer" for _, attributes in page.elements)
        questions = {KINDS[each.kind].word for each in tell(explained("long"))}
        self.assertLessEqual(answers, len(questions) * html.MAX_ANSWERS)
        self.assertRegex(page.text, r"and \d+ more")

    def test_what_is_not_drawn_is_no_link(self) -> None:
        page = Page(written("long"))
        ids = set(page.attributes("id"))
        self.assertIn("p1", ids)
        self.assertNotIn("p200", ids)
        self.assertIn("more packets, ", "".join(page.text))

    def test_conversations_are_counted_and_those_with_trouble_are_drawn(self) -> None:
        capture = explained("three")
        last = capture.sessions[-1]
        many = [replace(last, number=number) for number in range(100, 200)]
        crowded = replace(capture, sessions=[*capture.sessions, *many])
        wrong = Statement("violation", "session 199", "x", "This went wrong.", (1,))
        answers = [Statement("echo", each.name, "x", "It came back.", (2,)) for each in crowded.sessions]
        everywhere = Statement("ports-differ", ALL, "x", "They differ.", (1,))
        page = Page(html.render(crowded, crowded.sessions, [everywhere, *answers, wrong]))
        self.assertIn("session 199: 10.0.0.3", page.text[page.text.index("Time goes down") :])
        self.assertIn(f"and {103 - html.MAX_LADDERS} more conversations are not drawn", page.text)
        self.assertIn(f"and {103 - html.MAX_LISTED} more conversations", page.text)
        self.assertIn(f"and {103 - html.MAX_PLACES} more conversations are not told of here", page.text)
        self.assertEqual(page.text.count("It came back."), html.MAX_PLACES)
        self.assertIn("They differ.", page.text)

    def test_many_packets_of_one_answer_are_counted(self) -> None:
        many = Statement("echo", "session 1", "x", "Much.", tuple(range(1, 1000, 2)))
        text = Page(written("plain", None, many)).text
        self.assertIn(f"1, 3, 5, 7, 9, 11, 13, 15 and {500 - html.MAX_RUNS} more", text)


class Hostile(SynchronousTestCase):
    def test_what_was_sent_is_shown(self) -> None:
        page = Page(written("hostile"))
        self.assertGreater(page.text.count(HOSTILE[:20]), 4)
        self.assertIn(printable(UNSEEN), page.text)

    def test_a_statement_a_file_and_a_thread_are_only_text(self) -> None:
        capture = replace(explained("hostile"), file=f"/tmp/{HOSTILE}{UNSEEN}".replace("</", "<"))
        said = Statement("echo", HOSTILE, UNSEEN, f"{HOSTILE}{UNSEEN}", (1,), (HOSTILE, UNSEEN))
        made = html.render(capture, subjects(capture), [said])
        page = Page(made)
        self.assertIsNone(UNSAFE.search(made))
        self.assertLessEqual({element for element, _ in page.elements}, ELEMENTS | DRAWN)
        self.assertIn(printable(UNSEEN), page.text)
        self.assertGreaterEqual(page.text.count(HOSTILE[:20]), 3)

    def test_words_that_are_meant_literally(self) -> None:
        said = Statement("echo", "session 1", "x", "It was `a < b`, then ` alone.", (1,))
        self.assertIn("It was <code>a &lt; b</code>, then ` alone.", written("plain", None, said))

    def test_in_a_browser_no_script_runs_and_all_is_there(self) -> None:
        if browser() is None:
            raise SkipTest(NO_BROWSER)
        made = written("hostile")
        before, after = Page(made), Page(opened(made))
        self.assertEqual(after.title, before.title)
        self.assertEqual(after.text.replace("\n", ""), before.text.replace("\n", ""))
        self.assertLessEqual({element for element, _ in after.elements}, ELEMENTS | DRAWN)
        self.assertEqual(len(after.elements), len(before.elements))
