"""Imports run one way, and everything imports where the modules of Unix are missing."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.support import ROOT

PACKAGE = ROOT / "netlab"

MAY_IMPORT = {
    "__main__": {"cli"},
    "cli": {"clients", "wireshark", "check", "explain", "load"},
    "clients": {"wire", "events", "protocols", "observers", "clock", "scopes"},
    "wire": set[str](),
    "clock": set[str](),
    "scopes": set[str](),
    "events": {"wire", "scopes"},
    "protocols": {"wire", "events", "scopes"},
    "handlers": {"wire"},
    "observers": {"wire", "events", "scopes"},
    "reactors": set[str](),
    "namespace": set[str](),
    "proc": set[str](),
    "children": set[str](),
    "report": {"wire"},
    "wireshark": {"wire", "observers", "namespace"},
    "check": {"wire", "report", "namespace", "proc", "children"},
    "explain": {"wire", "report", "wireshark", "namespace", "proc"},
    "load": {"wire", "report", "proc", "children"},
    "taps": {"wire", "events", "protocols", "handlers", "observers", "reactors", "clock"},
}
"""Which rooms a room may import, itself always: the one place where this is written down for machines."""

STANDARD_LIBRARY_ONLY = {"wire"}


def modules() -> dict[str, Path]:
    """The dotted name of each module of netlab, and its file."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in PACKAGE.rglob("*.py")
    }


def imported(path: Path) -> Iterator[str]:
    """The dotted names that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports absolutely"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(name: str) -> str:
    """The room that a dotted name of netlab's belongs to."""
    return name.split(".")[1] if "." in name else ""


class Direction(SynchronousTestCase):
    def test_every_room_has_its_rule(self) -> None:
        self.assertEqual({room(name) for name in modules()} - {""}, set(MAY_IMPORT))

    def test_imports_run_one_way(self) -> None:
        for name, path in modules().items():
            allowed = MAY_IMPORT.get(room(name), set()) | {room(name)}
            for other in imported(path):
                if other.split(".")[0] == "netlab" and room(other) in MAY_IMPORT:
                    self.assertIn(room(other), allowed, f"{name} imports {other}")

    def test_handlers_do_not_import_each_other(self) -> None:
        for name, path in modules().items():
            if room(name) == "handlers":
                others = {other for other in imported(path) if other.startswith("netlab.handlers.")}
                self.assertTrue(
                    all(other.startswith("netlab.handlers.Attended") for other in others), (name, others)
                )

    def test_the_wire_needs_the_standard_library_only(self) -> None:
        for name, path in modules().items():
            if room(name) in STANDARD_LIBRARY_ONLY:
                for other in imported(path):
                    top = other.split(".")[0]
                    self.assertTrue(
                        top == "netlab" or top in sys.stdlib_module_names, f"{name} imports {other}"
                    )

    def test_plain_programs_import_nothing_of_ours(self) -> None:
        for path in (ROOT / "tests" / "plain").rglob("*.py"):
            for other in imported(path):
                self.assertIn(other.split(".")[0], sys.stdlib_module_names, f"{path.name} imports {other}")


def succeeds(*code: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "\n".join(code)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )


class Windows(SynchronousTestCase):
    def test_every_module_imports_without_the_modules_of_unix(self) -> None:
        done = succeeds(
            "import sys, importlib",
            "for name in 'resource fcntl termios pwd grp'.split(): sys.modules[name] = None",
            f"for name in {sorted(modules())!r}: importlib.import_module(name)",
            "from netlab.taps.machine import raise_descriptor_limit",
            "assert raise_descriptor_limit() is None",
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_no_module_imports_a_reactor(self) -> None:
        done = succeeds(
            "import sys, importlib",
            f"for name in {sorted(modules())!r}: importlib.import_module(name)",
            "assert 'twisted.internet.reactor' not in sys.modules",
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
