"""The cases: ids, rules, what --only and --skip choose; and docs/reliability.md, which names them."""

from __future__ import annotations

import re
from collections import Counter

from twisted.trial.unittest import SynchronousTestCase

from netlab.check import cases
from netlab.check.findings import Level
from tests.support import ROOT

PREFIXES = ("udp", "tcp", "v2", "v3")


class Cases(SynchronousTestCase):
    def test_ids_are_unique_and_speak_of_their_variant(self) -> None:
        counts = Counter(case.id for case in cases.all_cases())
        self.assertEqual([id for id, count in counts.items() if count > 1], [])
        for id in counts:
            self.assertRegex(id, r"^(client-)?(udp|tcp|v2|v3)/[a-z]+/\d+$")

    def test_there_are_eighty_for_servers_and_each_variant_has_both_levels(self) -> None:
        self.assertGreaterEqual(sum(len(cases.chosen(prefix)) for prefix in PREFIXES), 80)
        for prefix in (*PREFIXES, *[f"client-{each}" for each in PREFIXES]):
            self.assertEqual({case.level for case in cases.chosen(prefix)}, set(Level), prefix)

    def test_each_names_rules_that_are_there(self) -> None:
        rules = set(
            re.findall(r"^- \*\*([A-Z]\d+)\*\*", (ROOT / "docs" / "protocol.md").read_text("utf-8"), re.M)
        )
        for case in cases.all_cases():
            self.assertNotEqual(case.clause, "", case.id)
            self.assertLessEqual(set(case.clause.split()), rules, case.id)

    def test_each_says_what_it_requires_in_one_sentence(self) -> None:
        for case in cases.all_cases():
            self.assertRegex(case.requirement, r"^[A-Z].*\.$", case.id)
            self.assertNotIn(". ", case.requirement, case.id)

    def test_core_comes_first(self) -> None:
        for prefix in PREFIXES:
            levels = [case.level for case in cases.chosen(prefix)]
            self.assertEqual(levels, sorted(levels, key=lambda level: level is Level.ROBUST))


class Choosing(SynchronousTestCase):
    def ids(self, *only: str, skip: tuple[str, ...] = ()) -> list[str]:
        return [case.id for case in cases.chosen("v3", only, skip)]

    def test_an_id_is_one_case(self) -> None:
        self.assertEqual(self.ids("v3/split/2"), ["v3/split/2"])

    def test_a_beginning_is_all_that_have_it(self) -> None:
        self.assertEqual(self.ids("v3/split"), [f"v3/split/{number}" for number in (1, 2, 3, 4)])
        self.assertEqual(self.ids("v3/split/"), self.ids("v3/split"))

    def test_a_beginning_ends_at_a_slash(self) -> None:
        with self.assertRaisesRegex(ValueError, "'v3/spli'"):
            self.ids("v3/spli")

    def test_some_may_be_left_out(self) -> None:
        self.assertEqual(
            self.ids("v3/split", skip=("v3/split/2",)), ["v3/split/1", "v3/split/3", "v3/split/4"]
        )

    def test_one_of_another_variant_is_a_mistake(self) -> None:
        with self.assertRaisesRegex(ValueError, "v2/split"):
            self.ids("v2/split")


class Reliability(SynchronousTestCase):
    """docs/reliability.md: each promise names cases or tests that are there."""

    def test_each_promise_names_what_proves_it(self) -> None:
        page = (ROOT / "docs" / "reliability.md").read_text("utf-8")
        rows = [line for line in page.splitlines() if line.startswith("| ") and "`" in line]
        self.assertGreater(len(rows), 15)
        ids = {case.id for case in cases.all_cases()} | {
            case.id.rsplit("/", 1)[0] for case in cases.all_cases()
        }
        for row in rows:
            proofs = re.findall(r"`([^`]+)`", row.rsplit("|", 2)[1])
            self.assertNotEqual(proofs, [], row)
            for proof in proofs:
                self.assertTrue(proof in ids or _is_test(proof), f"{proof}: {row}")


def _is_test(name: str) -> bool:
    """Is there such a test module?"""
    path = ROOT.joinpath(*name.split("."))
    return name.startswith("tests.") and (path.with_suffix(".py").exists() or path.is_dir())
