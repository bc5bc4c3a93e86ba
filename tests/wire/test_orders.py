"""Order numbers have their notes, and only notes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netlab.wire.orders import FIRST, JUMP, LAST, NOTES, REPEAT, ZERO, Orders, following
from tests.wire import bounded, numbers


def notes_on(*orders: int) -> list[str | None]:
    """The notes of a stream with these orders."""
    stream = Orders()
    return [stream.note(order) for order in orders]


class Notes(SynchronousTestCase):
    """What is odd about the orders of a stream (O1-O3)."""

    def test_the_words_are_these(self) -> None:
        self.assertEqual(NOTES, ("order-zero", "order-repeat", "order-jump"))

    def test_from_1_on_one_by_one_is_as_expected(self) -> None:
        self.assertEqual(notes_on(1, 2, 3, 4), [None] * 4)

    def test_the_first_order_is_1(self) -> None:
        self.assertEqual([notes_on(first) for first in (0, 1, 2, LAST)], [[ZERO], [None], [JUMP], [JUMP]])

    def test_0_is_due_after_the_last_order_only(self) -> None:
        self.assertEqual(notes_on(LAST, 0, 1), [JUMP, None, None])
        self.assertEqual(notes_on(1, 0, 1), [None, ZERO, None])
        self.assertEqual(notes_on(0, 0), [ZERO, ZERO])

    def test_the_order_of_the_message_before_is_a_repeat(self) -> None:
        self.assertEqual(notes_on(1, 1, 1, 2), [None, REPEAT, REPEAT, None])

    def test_a_gap_and_a_way_back_are_jumps(self) -> None:
        self.assertEqual(notes_on(1, 3, 4, 2, 3), [None, JUMP, None, JUMP, None])

    def test_the_order_that_is_due_can_be_asked_for(self) -> None:
        orders = Orders()
        self.assertEqual((orders.expected, orders.previous), (FIRST, None))
        orders.note(LAST)
        self.assertEqual((orders.expected, orders.previous), (0, LAST))

    def test_after_the_last_order_comes_0(self) -> None:
        self.assertEqual([following(order) for order in (0, 1, LAST - 1, LAST)], [1, 2, LAST, 0])

    @bounded
    @given(st.lists(numbers))
    def test_only_an_order_that_is_not_due_has_a_note(self, orders: list[int]) -> None:
        due = [1, *((order + 1) % 2**32 for order in orders)]
        self.assertEqual(
            [note is None for note in notes_on(*orders)],
            [order == expected for order, expected in zip(orders, due, strict=False)],
        )


class Runs(SynchronousTestCase):
    """The orders of a whole run."""

    def state(self, stream: Orders) -> tuple[int, int | None]:
        return stream.expected, stream.previous

    @bounded
    @given(st.one_of(numbers, st.integers(LAST - 4, LAST)), st.integers(0, 5))
    def test_that_are_the_expected_ones_have_no_note(self, first: int, count: int) -> None:
        orders = [(first + 1 + at) % 2**32 for at in range(count)]
        at_once, one_by_one = Orders(), Orders()
        for stream in at_once, one_by_one:
            stream.note(first)
        self.assertEqual(at_once.follow([*orders]), LAST not in orders)
        if LAST in orders:
            self.assertEqual(at_once.expected, following(first), "none is taken")
            return
        self.assertEqual([one_by_one.note(order) for order in orders], [None] * count)
        self.assertEqual(self.state(at_once), self.state(one_by_one))

    @bounded
    @given(st.lists(st.one_of(st.none(), st.integers(0, 4), numbers), min_size=1, max_size=4))
    def test_of_which_any_is_another_one_are_not_taken(self, orders: list[int | None]) -> None:
        stream = Orders()
        if orders != list(range(1, len(orders) + 1)):
            self.assertFalse(stream.follow(orders))
            self.assertEqual(self.state(stream), (FIRST, None))
