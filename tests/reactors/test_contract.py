"""SelectorReactor keeps what Twisted asks of any reactor: Twisted's own contract tests run on it.

Twisted's tests of its reactors (twisted.internet.test) are written once, in classes that are called builders,
and made into test cases once for each of Twisted's reactors: TCP4ClientTestsBuilder becomes
TCP4ClientTestsBuilder_SelectReactorTests, and so on. This module takes every builder that Twisted makes into
tests of its SelectReactor, the one that works everywhere, and makes it into a test case of ours:
tcp_TCP4ClientTestsBuilder. Twisted's own classes stay as they are.

What our reactor cannot do stands in DEVIATIONS, what this machine cannot do in MACHINE; each is a skipped
test with its reason. Twisted's tests skip by themselves what an installation does not have, such as TLS.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import unittest
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import twisted.internet.test
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.test.reactormixins import ReactorBuilder
from twisted.python.reflect import namedAny
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementedBy

from netlab.reactors.selectors import SelectorReactor

MUST = {
    "core",
    "fdset",
    "process",
    "socket",
    "stdio",
    "tcp",
    "newtls",
    "threads",
    "time",
    "tls",
    "udp",
    "unix",
}
"""The modules of Twisted's that have to be there, as twisted.internet.test.test_*: others may be."""

NOT_OURS = {"cfreactor", "reactormixins", "win32events"}
"""What asks something of one reactor of Twisted's, or of the builders themselves."""

DEADLINE = 30.0
"""Seconds that a reactor may run in one test: Twisted's own 120 are long where many tests hang."""

DEVIATIONS = {
    "fdset_ReactorFDSetTestsBuilder.test_lostFileDescriptor": (
        "epoll and kqueue never report a descriptor that was closed behind their back: "
        "Twisted skips this test on its own reactors that use them, by their names"
    ),
}
"""By the end of a test's id, why SelectorReactor does not pass it."""

MACHINE = dict.fromkeys(
    ("process_ProcessTestsBuilder.test_changeUID", "process_PTYProcessTestsBuilder.test_changeUID"),
    "no other user can run this Python: it lies in a folder that is closed to them",
)
"""By the end of a test's id, why no reactor passes it on some machines."""


def python_is_closed_to_others() -> bool:
    """Whether root could not run this Python as the user 1: what test_changeUID does."""
    if not hasattr(os, "getuid") or os.getuid() != 0:
        return False  # then Twisted skips it
    try:
        done = subprocess.run(
            [sys.executable, "-c", ""], user=1, capture_output=True, timeout=60, check=False
        )
    except PermissionError:
        return True
    return done.returncode != 0


def skips() -> dict[str, str]:
    """Which tests are skipped here, and why."""
    system = selectors.DefaultSelector.__name__
    return {
        **(DEVIATIONS if system in ("EpollSelector", "KqueueSelector") else {}),
        **(MACHINE if python_is_closed_to_others() else {}),
    }


def modules_with_builders() -> Iterator[str]:
    """Their names, without test_: read in their text, since some can be imported on one system only."""
    for path in sorted(Path(twisted.internet.test.__path__[0]).glob("test_*.py")):
        name = path.stem.removeprefix("test_")
        if name not in NOT_OURS and ".makeTestCaseClasses()" in path.read_text("utf-8"):
            yield name


def builders(module: object) -> Iterator[type[ReactorBuilder]]:
    """What Twisted has made into tests of SelectReactor in a module."""
    for name, case in vars(module).items():
        if name.endswith("_SelectReactorTests") and issubclass(case, ReactorBuilder):
            yield case.__bases__[0]


def case_of(name: str, builder: type[ReactorBuilder], reasons: dict[str, str]) -> type[SynchronousTestCase]:
    """Make a builder into a test case of SelectorReactor, and skip the tests that there are reasons for."""
    attributes: dict[str, Any] = {"reactorFactory": SelectorReactor, "timeout": DEADLINE}
    for test, reason in reasons.items():
        its_case, _, method = test.partition(".")
        if its_case == name and hasattr(builder, method):
            attributes[method] = unittest.skip(reason)(getattr(builder, method))
    return type(name, (builder, SynchronousTestCase), attributes)


def unavailable(name: str, reason: str) -> type[SynchronousTestCase]:
    """One skipped test in place of a module's tests."""

    def test_module(self: SynchronousTestCase) -> None:
        """All that the module would have had."""

    return type(name, (SynchronousTestCase,), {"skip": reason, "test_module": test_module})


def contract() -> dict[str, type[SynchronousTestCase]]:
    """Every test case of the contract, by its name."""
    cases = {}
    reasons = skips()
    for module in modules_with_builders():
        try:
            its_builders = list(builders(import_module(f"twisted.internet.test.test_{module}")))
        except ImportError as error:
            cases[f"{module}_unavailable"] = unavailable(f"{module}_unavailable", str(error))
            continue
        for builder in its_builders:
            name = f"{module}_{builder.__name__}"
            cases[name] = case_of(name, builder, reasons)
    return cases


CASES = contract()
globals().update(CASES)  # under their own names, as trial and the workers of `trial -j` look for them


class Contract(SynchronousTestCase):
    """That the tests above are there, and are about our reactor: many a mistake would only skip them."""

    def test_no_module_is_missing(self) -> None:
        covered = {
            name.partition("_")[0]
            for name, case in CASES.items()
            if issubclass(case, ReactorBuilder) and any(method.startswith("test_") for method in dir(case))
        }
        self.assertEqual(MUST - covered, set())

    def test_every_deviation_names_a_test(self) -> None:
        for test in {**DEVIATIONS, **MACHINE}:
            name, _, method = test.partition(".")
            self.assertTrue(hasattr(CASES.get(name), method), test)

    def test_deviations_are_skipped_with_their_reasons(self) -> None:
        for test, reason in skips().items():
            method = namedAny(f"{__name__}.{test}")
            self.assertEqual(method.__unittest_skip_why__, reason)

    def test_a_worker_finds_every_case_by_its_name(self) -> None:
        for name, case in CASES.items():
            self.assertIs(namedAny(f"{case.__module__}.{case.__qualname__}"), case)
            self.assertEqual(case.__name__, name)

    def test_the_reactor_has_the_interfaces_that_the_tests_ask_for(self) -> None:
        self.assertEqual(set(implementedBy(SelectReactor)) - set(implementedBy(SelectorReactor)), set())

    def test_twisteds_own_cases_are_left_alone(self) -> None:
        self.assertFalse([name for name in ReactorBuilder._reactors if not name.startswith("twisted.")])
        for case in CASES.values():
            for base in case.__mro__[1:]:
                self.assertIsNot(vars(base).get("reactorFactory"), SelectorReactor)
