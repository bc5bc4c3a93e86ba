"""`netlab wireshark` installs the dissector where Wireshark looks for it, and touches nothing else."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from netlab.wireshark import folders, tools
from netlab.wireshark.arguments import INSTALLING
from tests.support import PATIENCE

PATCHED = """
import os, sys
from netlab.wireshark import folders, tools
tools.PLACES = ()
os.environ["PATH"] = sys.argv.pop(1)
folders.PATIENCE = float(sys.argv.pop(1))
from netlab.cli import main
sys.exit(main())
"""
"""netlab where only the programs of one folder are to be found, and must answer within so many seconds."""


class FoldersTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        if shutil.which("tshark") is None:
            raise SkipTest("there is no tshark")
        self.home = os.path.abspath(self.mktemp())
        os.makedirs(self.home)

    def run_it(
        self, *arguments: str, path: str | None = None, patience: float = PATIENCE
    ) -> subprocess.CompletedProcess[str]:
        """netlab wireshark, with an empty home."""
        keep = {name: text for name, text in os.environ.items() if not name.startswith(("XDG", "WIRESHARK"))}
        path = os.environ["PATH"] if path is None else path
        done = subprocess.run(
            [sys.executable, "-c", PATCHED, path, str(patience), "wireshark", *arguments],
            env={**keep, "HOME": self.home},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        self.assertNotIn("Traceback", done.stderr)
        self.assertIn(f"\n  {done.returncode} ", INSTALLING)
        return done

    def succeeds(self, *arguments: str) -> str:
        done = self.run_it(*arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def refuses(
        self, status: int, *arguments: str, path: str | None = None, patience: float = PATIENCE
    ) -> str:
        """It fails, and says why in one line."""
        done = self.run_it(*arguments, path=path, patience=patience)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        return done.stderr

    def file(self) -> Path:
        """Where it is to be, as tshark itself says."""
        return Path(self.run_it("where").stdout.splitlines()[0])

    def bin(self, text: str) -> str:
        """A folder with a tshark of this text."""
        folder = os.path.join(self.home, "bin")
        os.makedirs(folder)
        path = Path(folder) / "tshark"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return folder


class Installed(FoldersTestCase):
    def test_tshark_then_knows_the_laboratory(self) -> None:
        said = self.succeeds("install")
        self.assertTrue(said.startswith(f"Installed: {self.file()}\nNext: "), said)
        self.assertIn("Ctrl+Shift+L", said)
        self.assertTrue(str(self.file()).startswith(self.home))
        self.assertEqual(stat.S_IMODE(self.file().stat().st_mode), 0o644)
        asked = subprocess.run(
            ["tshark", "-G", "protocols"],
            env={**os.environ, "HOME": self.home},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        self.assertIn("\tnetlab_v3", asked.stdout)
        self.assertNotIn("Lua", asked.stderr)

    def test_where_tells_the_state(self) -> None:
        for prepare, state, status in (
            (lambda: None, "not installed", 1),
            (lambda: self.succeeds("install"), "installed, in this version", 0),
            (lambda: self.file().write_text("-- netlab 0.0.1\n"), "installed, in another version: ", 1),
            (lambda: self.file().write_text("-- mine\n"), "not netlab's: ", 1),
        ):
            prepare()
            done = self.run_it("where")
            self.assertEqual((done.returncode, done.stderr), (status, ""))
            self.assertTrue(done.stdout.splitlines()[1].startswith(state), done.stdout)

    def test_another_version_is_replaced(self) -> None:
        self.succeeds("install")
        file, packaged = self.file(), self.file().read_bytes()
        self.assertIn("Was there already", self.succeeds("install"))
        file.write_bytes(packaged + b"-- older\n")
        self.assertIn("Replaced another version", self.succeeds("install"))
        self.assertEqual(file.read_bytes(), packaged)
        self.assertEqual(os.listdir(file.parent), ["netlab.lua"])

    def test_uninstall_takes_ours_and_leaves_the_rest(self) -> None:
        self.succeeds("install")
        other = self.file().with_name("other.lua")
        other.write_text("-- another\n")
        self.assertIn("Removed: ", self.succeeds("uninstall"))
        self.assertEqual(os.listdir(other.parent), ["other.lua"])
        self.assertIn("There was none: ", self.succeeds("uninstall"))

    def test_what_is_not_ours_stays(self) -> None:
        file = self.file()
        file.parent.mkdir(parents=True)
        file.write_text("-- mine\n")
        self.assertIn(
            "not netlab's: another file has its name; move it away first", self.refuses(1, "install")
        )
        self.assertIn("it stays", self.refuses(1, "uninstall"))
        self.assertEqual(file.read_text(), "-- mine\n")

    def test_a_folder_can_be_given(self) -> None:
        folder = os.path.join(self.home, "given")
        said = self.refuses(1, "install", "--folder", folder)  # tshark does not read it, and that is said
        self.assertIn(f"is there, but {shutil.which('tshark')} does not load it: it reads {self.home}", said)
        self.assertEqual(os.listdir(folder), ["netlab.lua"])
        self.assertIn("installed, in this version", self.succeeds("where", "--folder", folder))
        self.succeeds("uninstall", "--folder", folder)
        self.assertEqual(os.listdir(folder), [])


class Refused(FoldersTestCase):
    def test_no_wireshark(self) -> None:
        for action in "install", "uninstall", "where":
            said = self.refuses(3, action, path=self.home)
            self.assertIn("neither tshark nor wireshark is here", said)
            self.assertIn(tools.how_to_install(), said)

    def test_no_wireshark_is_needed_for_a_folder_that_is_given(self) -> None:
        done = self.run_it("install", "--folder", self.home, path="")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_a_folder_that_cannot_be_made(self) -> None:
        Path(self.home, "file").write_text("")
        for folder in os.path.join(self.home, "file"), os.path.join(self.home, "file", "more"):
            self.assertIn(
                "; check whose it is, or give another", self.refuses(1, "install", "--folder", folder)
            )

    def test_a_wireshark_without_lua(self) -> None:
        path = self.bin("echo 'Personal configuration: /x'")
        self.assertIn("names no folder of Personal Lua Plugins", self.refuses(1, "install", path=path))

    def test_a_wireshark_that_does_not_load_it(self) -> None:
        folder = os.path.join(self.home, "plugins")
        for complaint, why in (
            (f"{folder}/netlab.lua:44: there cannot be two", "netlab.lua:44: there cannot be two"),
            ("nothing", "Lua may be off" if os.getuid() == 0 else "is Lua off in its init.lua"),
        ):
            path = self.bin(f"printf 'Personal Lua Plugins:\\t{folder}\\n'; echo '{complaint}' >&2")
            said = self.refuses(1, "install", path=path)
            shutil.rmtree(path)
            self.assertIn(f"{folder}/netlab.lua is there, but {path}/tshark does not load it: ", said)
            self.assertIn(why, said)

    def test_a_wireshark_that_hangs(self) -> None:
        path = self.bin(f"exec {shutil.which('sleep')} 60")
        self.assertIn("did not answer within 0.1 s", self.refuses(1, "where", path=path, patience=0.1))

    def test_a_wireshark_that_may_not_be_run(self) -> None:
        path = self.bin("")
        os.chmod(os.path.join(path, "tshark"), 0o644)
        self.assertIn("Permission denied; install it anew", self.refuses(1, "where", path=path))

    def test_a_wrong_command_line(self) -> None:
        self.assertEqual(self.run_it("nonsense").returncode, 2)
        self.assertEqual(self.run_it("where", "--nonsense").returncode, 2)


class Packaged(SynchronousTestCase):
    def test_the_packaged_file_is_known_as_ours(self) -> None:
        self.assertTrue(folders._packaged().decode().startswith(folders.OURS))
