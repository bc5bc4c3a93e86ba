"""A violation says in one safe line what was wrong, where, and what to do."""

from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netlab.wire.violations import (
    KINDS,
    REASONS,
    DeadlinePassed,
    Incomplete,
    Oversize,
    Truncated,
    Violation,
    WrongLayout,
    WrongVersion,
)
from tests.wire import bounded


class Violations(SynchronousTestCase):
    """The words, and the line (R1, R7)."""

    def test_the_words_are_these(self) -> None:
        self.assertEqual(REASONS, ("wrong-version", "wrong-layout", "oversize", "truncated", "deadline"))
        self.assertEqual(KINDS, (WrongVersion, WrongLayout, Oversize, Truncated, DeadlinePassed))

    def test_a_frame_that_is_not_whole_is_incomplete(self) -> None:
        self.assertEqual([issubclass(kind, Incomplete) for kind in KINDS], [False, False, False, True, True])

    def test_the_line_has_the_word_the_place_the_bytes_and_the_advice(self) -> None:
        self.assertEqual(
            str(Oversize(29, b"\1\xff", "it is too long", "make it shorter")),
            "oversize at byte 29 [01 ff]: it is too long; make it shorter",
        )

    def test_of_the_frame_16_bytes_are_kept(self) -> None:
        self.assertEqual(Truncated(0, bytes(range(17)), "", "").head, bytes(range(16)))

    @bounded
    @given(st.sampled_from(KINDS), st.integers(0), st.binary())
    def test_whatever_the_bytes_are_the_line_is_safe(
        self, kind: type[Violation], offset: int, head: bytes
    ) -> None:
        line = str(kind(offset, head, "detail", "advice"))
        self.assertTrue(line.isascii())
        self.assertTrue(line.isprintable())

    def test_two_that_say_the_same_are_equal(self) -> None:
        violation = Truncated(3, b"\1", "detail", "advice")
        self.assertEqual(violation, Truncated(3, b"\1", "detail", "advice"))
        self.assertEqual(len({violation, Truncated(3, b"\1", "detail", "advice")}), 1)
        self.assertEqual(pickle.loads(pickle.dumps(violation)), violation)

    def test_two_that_do_not_are_not(self) -> None:
        violation = Truncated(3, b"\1", "detail", "advice")
        for other in (
            DeadlinePassed(3, b"\1", "detail", "advice"),
            Truncated(4, b"\1", "detail", "advice"),
            Truncated(3, b"\2", "detail", "advice"),
            Truncated(3, b"\1", "other", "advice"),
            Truncated(3, b"\1", "detail", "other"),
            ValueError(*violation.args),
        ):
            self.assertNotEqual(violation, other)
