"""The lock that threads get in the order in which they asked for it."""

from __future__ import annotations

import threading
import time

from twisted.trial.unittest import SynchronousTestCase

from netlab.observers.fairness import FairLock
from tests.support import PATIENCE, until


class Fairness(SynchronousTestCase):
    def setUp(self) -> None:
        self.lock = FairLock()
        self.order: list[int] = []

    def wait_in_line(self, number: int) -> threading.Thread:
        """Start a thread that notes its number once it has the lock; return when it waits for it."""

        def work() -> None:
            with self.lock:
                self.order.append(number)

        thread = threading.Thread(target=work, daemon=True)
        before = len(self.lock._waiting)
        thread.start()
        until(lambda: len(self.lock._waiting) > before, "the thread waits")
        return thread

    def test_first_come_first_served(self) -> None:
        with self.lock:
            threads = [self.wait_in_line(number) for number in range(5)]
        for thread in threads:
            thread.join(PATIENCE)
        self.assertEqual(self.order, list(range(5)))

    def test_whoever_releases_it_does_not_get_it_before_one_that_waits(self) -> None:
        with self.lock:
            thread = self.wait_in_line(1)
        with self.lock:  # at once again
            self.order.append(2)
        thread.join(PATIENCE)
        self.assertEqual(self.order, [1, 2])

    def test_one_at_a_time(self) -> None:
        inside, most = 0, 0

        def work() -> None:
            nonlocal inside, most
            for _ in range(50):
                with self.lock:
                    inside += 1
                    most = max(most, inside)
                    time.sleep(0)
                    inside -= 1

        threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        self.assertEqual((most, inside), (1, 0))

    def test_free_after_an_exception(self) -> None:
        with self.assertRaises(KeyError), self.lock:
            raise KeyError
        with self.lock:
            self.order.append(1)
        self.assertEqual(self.order, [1])
