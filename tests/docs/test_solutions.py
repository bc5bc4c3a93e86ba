"""The solutions of 4.3 and 5.3 begin with a program that has no echo and end with the one in tests/plain."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.support import PLAIN, ROOT, Program, script

INSTRUCTOR = ROOT / "docs" / "instructor"
CASES = {
    "server_tcpv2": ("v2/message/2", "v2/split/2"),
    "server_tcpv3": ("v3/message/2", "v3/split/2"),
    "client_tcpv2": ("client-v2/message/2", "client-v2/echo/2"),
    "client_tcpv3": ("client-v3/message/2", "client-v3/echo/2"),
}
"""What each program is asked without the echo, and what with it."""


class Solutions(SynchronousTestCase):
    def applied(self, name: str, file: Path, *options: str) -> None:
        """Apply a program's diff to its copy; the file is `tests/plain/NAME.py` in a folder of its own."""
        git = shutil.which("git")
        if git is None:
            raise SkipTest("git applies the diffs, and is not here")
        folder = file.parents[2]
        done = subprocess.run(
            [git, "apply", *options, str(INSTRUCTOR / f"{name}_echo.diff")],
            cwd=folder,
            env={**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)},  # in no repository
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def before(self, name: str) -> Path:
        """The program without the echo."""
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        file = Path(folder.name) / "tests" / "plain" / f"{name}.py"
        file.parent.mkdir(parents=True)
        shutil.copy(PLAIN / file.name, file)
        self.applied(name, file, "-R")
        return file

    def judged(self, name: str, file: Path, *, echoes: bool, started: tuple[str, ...]) -> str:
        """The verdict on a program. echoes: is it asked for echoes? started: the options that it is given."""
        kind, variant = name.split("_")
        command = "check" if kind == "server" else "check-client"
        # Any port: where checks have no network of their own, others may run beside.
        port = "0" if kind == "server" else "{port}"
        case = CASES[name][echoes]
        with Program(
            *(script("netlab"), command, variant, *(["--echo"] if echoes else []), "--only", case),
            *("--", sys.executable, str(file), "--port", port, *started),
        ) as checker:
            status = checker.ended()
            verdict = re.findall(r"; (\w+)$", checker.lines[-1])
            self.assertEqual((status, verdict), (1 if verdict == ["FAIL"] else 0, verdict), checker.output)
            return "".join(verdict) or checker.output

    def walk(self, name: str) -> None:
        file = self.before(name)
        self.assertNotIn("--echo", file.read_text("utf-8"))
        self.assertEqual(self.judged(name, file, echoes=False, started=()), "PASS")
        self.assertEqual(self.judged(name, file, echoes=True, started=()), "FAIL")
        self.applied(name, file)
        self.assertEqual(file.read_text("utf-8"), (PLAIN / file.name).read_text("utf-8"))
        self.assertEqual(self.judged(name, file, echoes=True, started=("--echo",)), "PASS")

    def test_server_tcpv2(self) -> None:
        self.walk("server_tcpv2")

    def test_server_tcpv3(self) -> None:
        self.walk("server_tcpv3")

    def test_client_tcpv2(self) -> None:
        self.walk("client_tcpv2")

    def test_client_tcpv3(self) -> None:
        self.walk("client_tcpv3")
