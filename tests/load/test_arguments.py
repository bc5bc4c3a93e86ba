"""The command line of `netlab load`: its bounds, and what it needs."""

from __future__ import annotations

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from tests.load.loading import load
from tests.support import ROOT

WITHOUT = """
import sys
sys.modules[{name!r}] = None
from netlab.cli import main
sys.exit(main({arguments!r}))
"""


class Mistakes(SynchronousTestCase):
    def says(self, said: str, *arguments: str) -> None:
        """It is a mistake, told in one line behind the usage."""
        done = load(*arguments)
        self.assertEqual((done.status, done.output), (2, ""))
        self.assertIn(f"netlab load {arguments[0]}: error: ", done.errors)
        self.assertIn(said, done.errors)

    def test_what_is_to_be_loaded(self) -> None:
        self.says("say what is to be loaded", "tcp")
        self.says("is no HOST:PORT; a server's command belongs to --compare", "tcp", "python3 s.py")
        self.says("for this machine say 127.0.0.1:5005", "tcp", "5005")
        self.says("--compare takes 2 to 8 targets", "tcp", "--compare", "127.0.0.1:1")
        self.says("stands outside of it", "tcp", "127.0.0.1:1", "--compare", "127.0.0.1:2", "127.0.0.1:3")
        self.says("--rounds belongs to --compare", "tcp", "127.0.0.1:1", "--rounds", "2")

    def test_bounds(self) -> None:
        where = "127.0.0.1:1"
        self.says("a whole number from 1 to 10,000 is wanted", "tcp", where, "--connections", "10001")
        self.says("a whole number from 1 to 1,024 is wanted", "tcp", where, "--pipeline", "0")
        self.says("bytes are a number from 1 to 1,048,576", "tcp", where, "--size", "0")
        self.says("bytes are a number from 0 to 65,507", "udp", where, "--size", "65508")
        self.says("or two, such as 32-512", "tcpv3", where, "--size", "512-32")
        self.says("a number from 0.1 to 3,600 is wanted", "tcp", where, "--duration", "3601")
        self.says("a number from 0.1 to 1,000,000 is wanted", "tcp", where, "--rate", "nan")
        self.says("a whole number from 1 to 20 is wanted", "tcp", "--compare", where, where, "--rounds", "21")
        much = ("--connections", "1000", "--pipeline", "1000", "--size", "1000")
        self.says("953 MiB on their way at once, and 256 are the limit", "tcpv3", where, "--echo", *much)

    def test_more_connections_than_descriptors(self) -> None:
        limited = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)); {WITHOUT}"
        arguments = ["load", "tcp", "127.0.0.1:1", "--connections", "100"]
        done = run(limited.format(name="nothing", arguments=arguments))
        self.assertEqual(done.returncode, 2)
        self.assertIn("--connections 100: a process may have 64 descriptors here", done.stderr)


class Libraries(SynchronousTestCase):
    def test_one_that_is_missing_is_one_line(self) -> None:
        for name, more, said in (
            ("hdrh", [], "it needs hdrhistogram: pip install 'netlab[load]'"),
            ("pygal", ["--html", "x.html"], "--html: it needs pygal: pip install 'netlab[load]'"),
        ):
            done = run(WITHOUT.format(name=name, arguments=["load", "tcp", "127.0.0.1:1", *more]))
            self.assertEqual((done.returncode, done.stdout), (3, ""))
            self.assertEqual(done.stderr, f"netlab load: {said}\n")

    def test_help_imports_nothing_heavy_and_a_load_no_twisted(self) -> None:
        done = run(
            "import sys, netlab.cli; netlab.cli.parser().format_help()\n"
            "print(sorted({'hdrh', 'pygal', 'netlab.load.engine', 'netlab.load.run'} & set(sys.modules)))\n"
            "before = 'twisted' in sys.modules\n"
            "import netlab.load.run, netlab.load.compare, netlab.load.reports.html\n"
            "print('twisted' in sys.modules and not before)"
        )
        self.assertEqual((done.stdout, done.stderr), ("[]\nFalse\n", ""))


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
    )
