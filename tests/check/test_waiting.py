"""Deadlines: they scale, wait for a program that is at work, and not for one that works for nothing."""

from __future__ import annotations

import itertools
import os
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from netlab import proc
from netlab.check import kernel
from netlab.check.waiting import BUSY, LEAST, Patience


class Deadlines(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = 100.0
        self.spent = 7.0
        self.patience = Patience()
        patched = patch("netlab.check.waiting.time.monotonic", lambda: self.now)
        patched.start()
        self.addCleanup(patched.stop)

    def over_after(self, seconds: float, cpu: float = 0.0) -> float:
        """How long a deadline really is. cpu: the share of a processor that the program uses meanwhile."""
        over = self.patience.over(seconds)
        for tick in itertools.count():
            if over():
                return tick / 100
            self.now += 0.01
            self.spent += 0.01 * cpu
        raise AssertionError

    def test_who_rests_is_not_waited_for(self) -> None:
        self.assertApproximates(self.over_after(1.0), 1.0, 0.1)

    def test_all_scale(self) -> None:
        self.patience = Patience(3)
        self.assertApproximates(self.over_after(1.0), 3.0, 0.1)

    def test_who_is_at_work_is_waited_for_ten_times_as_long(self) -> None:
        self.patience.at_work = lambda: True
        self.assertApproximates(self.over_after(1.0), BUSY, 0.1)

    def test_who_has_had_as_much_of_the_processor_again_works_for_nothing(self) -> None:
        self.patience.at_work = lambda: True
        self.patience.spent = lambda: self.spent
        self.assertApproximates(self.over_after(1.0, cpu=1.0), 1.0 + LEAST, 0.5)
        self.assertApproximates(self.over_after(4.0, cpu=1.0), 8.0, 1)
        self.assertApproximates(self.over_after(1.0, cpu=0.5), 1.0 + LEAST / 0.5, 0.5)
        self.assertApproximates(self.over_after(1.0, cpu=0.01), BUSY, 0.1)

    def test_a_short_deadline_stays_short(self) -> None:
        self.patience.at_work = lambda: True
        self.patience.spent = lambda: self.spent
        self.assertApproximates(self.over_after(0.05, cpu=1.0), 0.05 * BUSY, 0.1)

    def test_the_processor_time_of_a_process_is_known_here(self) -> None:
        if not proc.known():
            self.skipTest("this system does not tell")
        before = kernel.cpu_time([os.getpid()])
        sum(range(2_000_000))
        self.assertGreater(kernel.cpu_time([os.getpid()]) or 0.0, before or 0.0)
