"""README and docs do what they say: every command in them is run, with the text taken from the file.

The README's two setup commands are run by .ci/run in a fresh clone. All others are run here, and what they
print is compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.docs.blocks import mistakes, name, of, pages, steps
from tests.docs.walk import in_a_namespace, namespace
from tests.support import ROOT


class Marks(SynchronousTestCase):
    def test_every_block_is_run_or_compared_or_says_why_not(self) -> None:
        for page in pages():
            self.assertEqual(mistakes(page), [])

    def test_the_readme_has_its_two_setup_commands(self) -> None:
        marks = [block.mark for block in of(ROOT / "README.md")]
        self.assertEqual((marks.count("setup: run"), marks.count("setup: test")), (1, 1))


class Walks(SynchronousTestCase):
    """A test for each page that has something to run: so they are run side by side."""

    def walk(self, page: Path) -> None:
        if not namespace():
            raise SkipTest("no network namespace can be had here, for the guide's port")
        done = in_a_namespace(page)
        count = sum(1 for _ in steps(page))
        self.assertEqual((done.returncode, done.stdout), (0, f"{count} steps\n"), done.stderr)


def _walk_of(page: Path) -> Callable[[Walks], None]:
    def test(case: Walks) -> None:
        case.walk(page)

    return test


for _page in pages():
    if any(block.is_command and block.in_the_walk for block in of(_page)):
        setattr(Walks, "test_" + re.sub(r"\W", "_", name(_page)), _walk_of(_page))
