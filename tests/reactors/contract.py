"""Twisted's own contract tests of reactors, made into test cases of ours.

Twisted's tests of its reactors (twisted.internet.test) are written once, in classes that are called builders,
and made into test cases once for each of Twisted's reactors: TCP4ClientTestsBuilder becomes
TCP4ClientTestsBuilder_SelectReactorTests, and so on. cases() takes every builder that Twisted makes into
tests of its SelectReactor, the one that works everywhere, and makes it into a test case of another reactor:
tcp_TCP4ClientTestsBuilder. Twisted's own classes stay as they are.

What this machine cannot do stands in MACHINE, what our reactors cannot do in the modules that call cases();
each is a skipped test with its reason. Twisted's tests skip by themselves what an installation does not have,
such as TLS.
"""

from __future__ import annotations

import os
import subprocess
import sys
import unittest
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import twisted.internet.test
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.test.reactormixins import ReactorBuilder
from twisted.python.reflect import namedAny
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementedBy

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

FORGETFUL = {
    "fdset_ReactorFDSetTestsBuilder.test_lostFileDescriptor": (
        "epoll and kqueue never report a descriptor that was closed behind their back: "
        "Twisted skips this test on its own reactors that use them, by their names"
    ),
}
"""By the end of a test's id, why no reactor on epoll or kqueue passes it."""

MACHINE = dict.fromkeys(
    ("process_ProcessTestsBuilder.test_changeUID", "process_PTYProcessTestsBuilder.test_changeUID"),
    "no other user can run this Python: it lies in a folder that is closed to them",
)
"""The same, for some machines."""


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


def skips(deviations: dict[str, str]) -> dict[str, str]:
    """Which tests are skipped here, and why. deviations: those that the reactor does not pass."""
    return {**deviations, **(MACHINE if python_is_closed_to_others() else {})}


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


def case_of(
    name: str, builder: type[ReactorBuilder], reactor: Callable[[], Any], reasons: dict[str, str]
) -> type[SynchronousTestCase]:
    """Make a builder into a test case of a reactor, and skip the tests that there are reasons for."""
    attributes: dict[str, Any] = {"reactorFactory": reactor, "timeout": DEADLINE}
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


def cases(
    module: str, reactor: Callable[[], Any], deviations: dict[str, str]
) -> dict[str, type[SynchronousTestCase]]:
    """Every test case of the contract, by its name.

    module: where they will be found. It has to give them their own names there: trial and the workers of
    `trial -j` look for them by these.
    reactor: what makes the reactor that is judged. deviations: see skips().
    """
    found = {}
    reasons = skips(deviations)
    for theirs in modules_with_builders():
        try:
            its_builders = list(builders(import_module(f"twisted.internet.test.test_{theirs}")))
        except ImportError as error:
            found[f"{theirs}_unavailable"] = unavailable(f"{theirs}_unavailable", str(error))
            continue
        for builder in its_builders:
            name = f"{theirs}_{builder.__name__}"
            found[name] = case_of(name, builder, reactor, reasons)
    for case in found.values():
        case.__module__ = module
    return found


class Contract(SynchronousTestCase):
    """That the cases are there, and are about our reactor: many a mistake would only skip them.

    To be subclassed beside them.
    """

    reactor: Callable[[], Any]
    """The class of the reactor."""

    cases: dict[str, type[SynchronousTestCase]]
    """What cases() has made of the contract."""

    deviations: dict[str, str]
    """What it was told."""

    def test_no_module_is_missing(self) -> None:
        covered = {
            name.partition("_")[0]
            for name, case in self.cases.items()
            if issubclass(case, ReactorBuilder) and any(method.startswith("test_") for method in dir(case))
        }
        self.assertEqual(MUST - covered, set())

    def test_every_deviation_names_a_test(self) -> None:
        for test in {**self.deviations, **MACHINE}:
            name, _, method = test.partition(".")
            self.assertTrue(hasattr(self.cases.get(name), method), test)

    def test_deviations_are_skipped_with_their_reasons(self) -> None:
        for test, reason in skips(self.deviations).items():
            method = namedAny(f"{type(self).__module__}.{test}")
            self.assertEqual(method.__unittest_skip_why__, reason)

    def test_a_worker_finds_every_case_by_its_name(self) -> None:
        for name, case in self.cases.items():
            self.assertEqual(case.__module__, type(self).__module__)
            self.assertIs(namedAny(f"{case.__module__}.{case.__qualname__}"), case)
            self.assertEqual(case.__name__, name)

    def test_the_cases_are_about_the_reactor(self) -> None:
        for case in self.cases.values():
            if issubclass(case, ReactorBuilder):
                self.assertIs(case.reactorFactory, type(self).reactor)

    def test_the_reactor_has_the_interfaces_that_the_tests_ask_for(self) -> None:
        self.assertEqual(set(implementedBy(SelectReactor)) - set(implementedBy(type(self).reactor)), set())

    def test_twisteds_own_cases_are_left_alone(self) -> None:
        self.assertFalse([name for name in ReactorBuilder._reactors if not name.startswith("twisted.")])
        for case in self.cases.values():
            for base in case.__mro__[1:]:
                self.assertIsNot(vars(base).get("reactorFactory"), type(self).reactor)
