"""Every statement hangs on the packets that it cites: without them it is not made. Each kind is tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SynchronousTestCase

from netlab.explain.facts import Capture
from netlab.explain.reading import read
from netlab.explain.statements import KINDS, Statement
from netlab.explain.telling import tell
from tests.explain.scenes import SCENES, capture
from tests.explain.telling import name, said_without
from tests.wireshark.reading import at_once

TRIED = 2
"""Statements of each kind that are tried: of each capture the first and the last, until there are so many."""


class Evidence(SynchronousTestCase):
    def files(self, folder: str) -> Iterator[str]:
        """The captures of all scenes, and netlab's own recordings of two."""
        for scene in SCENES:
            file, truth = capture(scene, folder)
            yield file
            if "recording" in truth:
                yield truth["recording"]

    def test_without_its_packets_a_statement_is_not_made(self) -> None:
        tried = Counter[str]()
        with TemporaryDirectory() as folder:
            for file in self.files(folder):
                captured = read(file)
                statements = tell(captured)
                self.check(captured, statements)
                first = {each.kind: each for each in reversed(statements)}
                last = {each.kind: each for each in statements}
                some = [each for each in {*first.values(), *last.values()} if tried[each.kind] < TRIED]
                self.assert_gone(file, some)
                tried.update(each.kind for each in some)
        self.assertEqual(set(tried), set(KINDS))

    def check(self, captured: Capture, statements: list[Statement]) -> None:
        """No two statements have one name, and all packets that they cite are there."""
        names = [name(each) for each in statements]
        self.assertEqual(sorted(names), sorted(set(names)))
        for each in statements:
            self.assertTrue(each.packets, each)
            self.assertTrue(set(each.packets) <= set(range(1, captured.count + 1)), each)

    def assert_gone(self, file: str, statements: list[Statement]) -> None:
        left = at_once([partial(self.without, file, each) for each in statements])
        for each, others in zip(statements, left, strict=True):
            self.assertNotIn(name(each), others, f"{each.text}\nis said without packets {each.packets}")

    def without(self, file: str, statement: Statement) -> set[tuple[str, str, str]]:
        with TemporaryDirectory() as folder:
            return said_without(file, statement.packets, folder)
