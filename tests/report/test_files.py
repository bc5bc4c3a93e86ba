"""Reports are written whole or not at all, and get names that are safe anywhere."""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.python.runtime import platform
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from netlab.report import files
from tests.check.reports_examples import HOSTILE_NAME, UNSAFE
from tests.support import PATIENCE


class Files(SynchronousTestCase):
    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def path(self, name: str = "report.json") -> str:
        return str(self.folder / name)

    def refused(self, path: str, text: str = "new") -> str:
        """Write, and return what is said of it."""
        with self.assertRaises(files.CannotWrite) as caught:
            files.write(path, text)
        said = str(caught.exception)
        self.assertNotIn("\n", said)
        self.assertIsNone(UNSAFE.search(said))
        return said

    def test_it_is_utf_8_with_plain_newlines(self) -> None:
        files.write(self.path(), "gr\u00fc\u00dfe\n\u2713\n")
        self.assertEqual(Path(self.path()).read_bytes(), "gr\u00fc\u00dfe\n\u2713\n".encode())

    def test_an_older_one_is_replaced_and_nothing_else_is_left(self) -> None:
        for text in ("a longer text", "short"):
            files.write(self.path(), text)
        self.assertEqual(
            [(each.name, each.read_text()) for each in self.folder.iterdir()], [("report.json", "short")]
        )

    def test_a_reader_of_the_old_one_is_not_disturbed(self) -> None:
        if platform.isWindows():
            raise SkipTest("Windows does not replace a file that is being read")
        files.write(self.path(), "the old text")
        with open(self.path()) as reader:
            files.write(self.path(), "new")
            self.assertEqual(reader.read(), "the old text")

    def test_a_text_that_cannot_be_written_leaves_the_old_one(self) -> None:
        files.write(self.path(), "the old text")
        self.refused(self.path(), "half \ud800")
        self.assertEqual(
            [(each.name, each.read_text()) for each in self.folder.iterdir()],
            [("report.json", "the old text")],
        )

    def test_a_folder_is_never_overwritten(self) -> None:
        for path in (str(self.folder), f"{self.folder}/", f"{self.folder}/none/"):
            self.assertIn("it is a folder", self.refused(path))
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_a_folder_that_is_missing_is_named(self) -> None:
        said = self.refused(self.path("missing\x1b[2J/report.json"))
        self.assertIn("there is no folder", said)
        self.assertIn(r"missing\x1b[2J'; make it first", said)

    def test_a_disk_that_is_full(self) -> None:
        def full(*paths: str) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        files.write(self.path(), "the old text")
        self.patch(os, "replace", full)
        self.assertEqual(self.refused(self.path()), f"cannot write '{self.path()}': No space left on device")
        self.assertEqual(
            [(each.name, each.read_text()) for each in self.folder.iterdir()],
            [("report.json", "the old text")],
        )

    def test_a_pipe_stays_one(self) -> None:
        if platform.isWindows():
            raise SkipTest("Windows has no named pipes in folders")
        os.mkfifo(self.path())
        got: list[str] = []
        reader = threading.Thread(target=lambda: got.append(Path(self.path()).read_text()), daemon=True)
        reader.start()
        files.write(self.path(), "all of it")
        reader.join(PATIENCE)
        self.assertEqual(got, ["all of it"])
        self.assertTrue(stat.S_ISFIFO(os.stat(self.path()).st_mode))

    def test_a_link_stays_one(self) -> None:
        if platform.isWindows():
            raise SkipTest("links need a right on Windows")
        os.symlink(self.path("real.json"), self.path())
        for text in ("first", "second"):
            files.write(self.path(), text)
            self.assertEqual(Path(self.path("real.json")).read_text(), text)
        self.assertTrue(os.path.islink(self.path()))

    def test_others_may_read_it_as_any_file(self) -> None:
        if platform.isWindows():
            raise SkipTest("Windows has other permissions")
        files.write(self.path(), "x")
        with open(self.path("plain"), "w"):
            pass
        self.assertEqual(os.stat(self.path()).st_mode, os.stat(self.path("plain")).st_mode)

    def test_standard_output(self) -> None:
        written = io.TextIOWrapper(io.BytesIO(), encoding="ascii", newline="\n")
        self.patch(sys, "stdout", written)
        files.write("-", "gr\u00fc\u00dfe\n")
        self.assertEqual(written.buffer.getvalue(), b"gr\\xfc\\xdfe\n")

    def test_a_standard_output_that_is_gone(self) -> None:
        class Gone(io.StringIO):
            def write(self, text: str) -> int:
                raise BrokenPipeError(32, "Broken pipe")

        self.patch(sys, "stdout", Gone())
        self.assertEqual(self.refused("-"), "cannot write to standard output: Broken pipe")
        self.patch(sys, "stdout", None)
        self.assertIn("there is no standard output", self.refused("-"))


class Names(SynchronousTestCase):
    def test_names_are_kept_where_they_can_be(self) -> None:
        self.assertEqual(
            files.names(["ada", "J\u00fcrgen M\u00fcller", "u\u0308"], ".html"),
            {
                "ada": "ada.html",
                "J\u00fcrgen M\u00fcller": "J\u00fcrgen_M\u00fcller.html",
                "u\u0308": "\u00fc.html",
            },
        )

    def test_none_leads_anywhere_or_is_hidden_or_a_device(self) -> None:
        names = [
            "..",
            ".",
            "",
            "/",
            "../../etc/passwd",
            "a\\b",
            "C:\\x",
            ".bashrc",
            "-rf",
            "CON",
            "nul.txt",
            "Com1",
        ]
        names += [
            HOSTILE_NAME,
            "\x00",
            "\udcff",
            "a\n b",
            "trailing.",
            "a:b",
            "*?",
            "x" * 500,
            "\u00fc" * 500,
        ]
        made = files.names(names, ".html")
        self.assertEqual(len({name.casefold() for name in made.values()}), len(names))
        for name in made.values():
            self.assertEqual(Path(name).name, name)
            self.assertNotRegex(name, r'[\x00-\x1f/\\:*?"<>|\ud800-\udfff]|^[.-]|[. ]$')
            self.assertNotRegex(name, r"(?i)^(con|prn|aux|nul|com\d|lpt\d)\.")
            self.assertLessEqual(len(name.encode()), 143)
            self.assertIsNone(UNSAFE.search(name))

    def test_no_two_are_the_same_on_any_system(self) -> None:
        made = files.names(["Ada", "ada", "a d", "a_d", "a d-2", "A_D", "\u00fc", "u\u0308"], ".html")
        self.assertEqual(len({name.casefold() for name in made.values()}), 8)

    def test_they_can_be_written(self) -> None:
        with TemporaryDirectory() as folder:
            made = files.names([HOSTILE_NAME, "x" * 500, "\u6f22" * 200], ".html")
            for name in made.values():
                files.write(os.path.join(folder, name), "x")
            self.assertEqual(set(os.listdir(folder)), set(made.values()))
