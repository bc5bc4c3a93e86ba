"""Rows of bytes are broken so that they fit and can still be read."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from netlab.report import rows
from netlab.wire.fields import table
from tests.check.reports_examples import HOSTILE, UNSAFE, squeezed


class Rows(SynchronousTestCase):
    def test_what_fits_stays_as_it_is(self) -> None:
        written = ["version  text", "01       61|62", "= ab", "", "  indented"]
        self.assertEqual(
            list(rows.fitting(written, 80)), ["version  text", "01       61|62", "= ab", "  indented"]
        )

    def test_a_long_field_goes_on_below_itself(self) -> None:
        written = table([("version", b"\x01"), ("text", bytes(range(24)))])
        self.assertEqual(
            list(rows.fitting(written, 57)),
            [
                "version  text",
                "01       00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f",
                "         10 11 12 13 14 15 16 17",
            ],
        )

    def test_nothing_is_lost_and_all_fits(self) -> None:
        for length in (0, 1, 9, 20, 32, 5000):
            for cuts in ((), (3, 12, 15), range(60)):
                named = [
                    ("version", b"\x01"),
                    ("order", b"\0\0\0\1"),
                    ("size", b"\0\0\0\x20"),
                    ("text", bytes(length)),
                ]
                written = table(named, cuts)
                for width in range(40, 140):
                    made = list(rows.fitting(written, width))
                    self.assertLessEqual(max(map(len, made)), width)
                    names = [
                        row
                        for row in made
                        if not re.match(r"[ |]*([0-9a-f]{2}\b|\(no|\.\.\.|[\d,]+ more|more)", row)
                    ]
                    self.assertEqual(" ".join(names).split(), written[0].split())
                    told = [row for row in made if row not in names]
                    self.assertEqual(squeezed("".join(told)), squeezed(written[1]))

    def test_rows_are_safe(self) -> None:
        for row in rows.fitting([HOSTILE, "name", f"61 {HOSTILE}"], 80):
            self.assertIsNone(UNSAFE.search(row))
