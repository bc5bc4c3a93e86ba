"""The exercises' pages say where code stands, and it stands there; each question has its hint and its answer.

That their commands run, and print what the pages say, is tests.docs.test_pages' matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.support import ROOT

DOCS = ROOT / "docs"
EXERCISES = ["1.1", "1.2", "2.1", "2.2", "3.1", "3.2", "4.1", "4.2", "4.3", "5.1", "5.2", "5.3"]
QUOTED = re.compile(r"`([^`\n]+)` in \[([^\]\n]+)\]\(([^)\n]+)\)")
"""A line of code, and the link to the file that has it."""
NUMBERED = re.compile(r"^(\d+)\. ", re.MULTILINE)


def exercise(name: str) -> str:
    """The text of an exercise's page."""
    return (DOCS / "exercises" / f"{name}.md").read_text("utf-8")


def section(text: str, title: str) -> str:
    """A page's section of the second level; empty where there is none."""
    found = re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def numbers(text: str) -> list[int]:
    """The numbers of a numbered list."""
    return [int(found) for found in NUMBERED.findall(text)]


def misquoted(text: str, folder: Path) -> Iterator[str]:
    """What a page in this folder says that stands in a file, and does not."""
    for code, name, link in QUOTED.findall(text):
        file = (folder / link).resolve()
        if not file.is_file() or code not in file.read_text("utf-8"):
            yield f"{code!r} in {name}"


class Pages(SynchronousTestCase):
    def test_code_stands_where_a_page_says(self) -> None:
        for page in sorted((DOCS / "exercises").glob("*.md")) + sorted((DOCS / "instructor").glob("*.md")):
            self.assertEqual(list(misquoted(page.read_text("utf-8"), page.parent)), [], page.name)

    def test_each_exercise_maps_plain_code_to_ours(self) -> None:
        for name in EXERCISES:
            links = [link for _, _, link in QUOTED.findall(section(exercise(name), "The code, side by side"))]
            self.assertTrue(any("tests/plain/" in link for link in links), name)
            self.assertTrue(any("/netlab/" in link for link in links), name)

    def test_what_is_misquoted_is_found(self) -> None:
        lines = "`x = 1` in [reactor.md](reactor.md), `no file` in [gone.md](gone.md), `# ` in [1.1](1.1.md)"
        self.assertEqual(
            list(misquoted(lines, DOCS / "exercises")), ["'x = 1' in reactor.md", "'no file' in gone.md"]
        )

    def test_each_question_has_its_hint_and_its_answer(self) -> None:
        for name in EXERCISES:
            questions, _, hints = section(exercise(name), "Questions").partition("<details>")
            answers = section((DOCS / "instructor" / f"{name[0]}.md").read_text("utf-8"), name)
            asked = numbers(questions)
            self.assertGreaterEqual(len(asked), 5, name)
            self.assertEqual(asked, list(range(1, len(asked) + 1)), name)
            self.assertEqual(numbers(hints), asked, f"the hints of {name}")
            self.assertEqual(numbers(answers), asked, f"the answers of {name}")
