"""The pages' marks mean what they say, and what is wrong with a page is seen."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.docs.__main__ import counts
from tests.docs.blocks import blocks, differs, mistakes, steps
from tests.docs.walk import as_pattern, as_whole, in_a_namespace, namespace


def fenced(mark: str, text: str, language: str = "text") -> str:
    """A block of a page, with its mark."""
    return f"<!-- {mark} -->\n```{language}\n{text}\n```\n"


class PageTestCase(SynchronousTestCase):
    def page(self, *parts: str) -> Path:
        """A page of these blocks."""
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name, "page.md")
        path.write_text("# Title\n\n" + "\n".join(parts), "utf-8")
        return path


class Marks(PageTestCase):
    def wrong(self, *parts: str) -> list[str]:
        return mistakes(self.page(*parts))

    def test_what_is_marked_as_it_should_be(self) -> None:
        good = [
            fenced("server; needs tshark", "true", "sh"),
            fenced("typed: one / two; fails: 3", "cat", "bash"),
            fenced("not run: it opens a window; two of them", "wireshark", "sh"),
            fenced("it says", "hello"),
            fenced("saved as mine.py", "pass", "python"),
            "```python\npass\n```\n",
            "```{toctree}\nindex\n```\n",
        ]
        self.assertEqual(self.wrong(*good), [])

    def test_an_output_without_a_mark(self) -> None:
        self.assertEqual(len(self.wrong("```text\nhello\n```\n")), 1)

    def test_a_mark_that_is_none(self) -> None:
        self.assertEqual(len(self.wrong(fenced("serves", "true", "sh"))), 1)
        self.assertEqual(len(self.wrong(fenced("not run: ", "true", "sh"))), 1)

    def test_commands_of_a_shell_that_is_not_here(self) -> None:
        self.assertEqual(len(self.wrong("```powershell\nls\n```\n")), 1)

    def test_a_block_that_would_be_overlooked(self) -> None:
        self.assertEqual(len(self.wrong("- item\n\n  ```sh\n  false\n  ```\n")), 1)
        self.assertEqual(len(self.wrong("~~~sh\nfalse\n~~~\n")), 1)

    def test_what_needs_a_program_that_is_missing_is_left_out_with_what_it_says(self) -> None:
        page = self.page(
            fenced("needs no-such-program", "no-such-program", "sh"),
            fenced("it says", "something"),
            "```sh\ntrue\n```\n",
        )
        self.assertEqual([block.text for block in steps(page)], ["true\n"])

    def test_the_counts(self) -> None:
        window = fenced("not run: a window", "wireshark", "sh")
        root = fenced("not run: sudo", "sudo true", "sh")
        missing = fenced("needs no-such-program", "no-such-program", "sh")
        excerpt = fenced("from tests/plain/server_tcp.py", "import socket", "python")
        said = fenced("it says", "x")
        page = "".join([window, root, window, missing, "```sh\ntrue\n```\n", said, excerpt])
        self.assertEqual(
            counts(blocks(page)),
            "docs: 1 blocks of commands run by tests, 0 by .ci/run in a fresh clone, "
            "3 not: 2 a window, 1 sudo; "
            "here also not: 1 without no-such-program; 1 outputs and 1 excerpts compared",
        )


class Excerpts(SynchronousTestCase):
    def differs(self, mark: str, *lines: str) -> str | None:
        (block,) = blocks(fenced(mark, "\n".join(lines), "diff"))
        return differs(block)

    def test_lines_in_their_order(self) -> None:
        lines = ("import socket", "...", "def serve(server: socket.socket) -> None:")
        self.assertIsNone(self.differs("from tests/plain/server_tcp.py", *lines))
        self.assertIn("import socket", self.differs("from tests/plain/server_tcp.py", *reversed(lines)) or "")

    def test_a_line_that_is_not_there(self) -> None:
        self.assertIn(
            "import nothing", self.differs("from tests/plain/server_tcp.py", "import nothing") or ""
        )

    def test_a_file_that_is_not_there(self) -> None:
        self.assertIn("no file", self.differs("from tests/plain/nothing.py", "pass") or "")

    def test_a_diff_is_held_against_both_files(self) -> None:
        mark = "from tests/plain/server_tcp.py to tests/plain/server_tcpsel.py"
        self.assertIsNone(self.differs(mark, "--- a", "@@ -1 +1 @@", " import argparse", "-import threading"))
        self.assertIn("threading", self.differs(mark, " import argparse", "+import threading") or "")
        self.assertIn("selectors", self.differs(mark, "-import selectors") or "")


class Outputs(SynchronousTestCase):
    def test_what_differs_each_time_stands_for_any(self) -> None:
        pattern = as_pattern("[tcp 127.0.0.1:50001 client-1] after 0.48 ms, fd=9, 12 packets … end")
        self.assertTrue(
            re.match(pattern, "[tcp 127.0.0.1:41234 client-7] after 12.30 ms, fd=11, 9 packets - end")
        )
        self.assertFalse(re.match(pattern, "[tcp 127.0.0.1:41234 client-7] after 12.30 ms, fd=11, 9 packets"))

    def test_a_whole_output(self) -> None:
        whole = as_whole("first\n...\nlast\n")
        self.assertTrue(re.fullmatch(whole, "first\nlast\n"))
        self.assertTrue(re.fullmatch(whole, "first\nsecond\nthird\nlast\n"))
        self.assertFalse(re.fullmatch(whole, "first\nsecond\nlast\nand more\n"))


class Walks(PageTestCase):
    """Pages that are right, and pages that are not."""

    def walk(self, *parts: str) -> tuple[int, str]:
        if not namespace():
            raise SkipTest("no network namespace can be had here")
        done = in_a_namespace(self.page(*parts))
        return done.returncode, done.stdout + done.stderr

    def test_all_kinds_of_steps(self) -> None:
        status, said = self.walk(
            fenced("server", "python3 tests/plain/server_tcp.py", "sh"),
            fenced("beside", "(echo early; sleep 60) | python3 tests/plain/client_tcp.py", "sh"),
            fenced("it says", "Received ECHO: early"),
            fenced("typed: one / two; fails: 0", "python3 tests/plain/client_tcp.py", "sh"),
            fenced("it says exactly", "Local address 127.0.0.1:50001\n...\nReceived ECHO: two"),
            fenced("the server says", "Received early\nReceived two"),
            fenced("saved as mine.py", "import socket\nsocket.create_server(('', 5007)).accept()", "python"),
            fenced("silent server", "python3 mine.py", "sh"),
            "```python\nimport socket\nsocket.create_connection(('127.0.0.1', 5007))\n```\n",
            "```bash\nall=(.venv/bin/netlab netlab/cli.py docs/protocol.md); ls ${all[*]}\n```\n",
        )
        self.assertEqual((status, said), (0, "10 steps\n"))

    def test_what_is_not_as_the_page_says_is_seen(self) -> None:
        for parts in (
            ("```sh\nexit 3\n```\n",),
            (fenced("fails: 1", "exit 2", "sh"),),
            ("```sh\necho hello\n```\n", fenced("it says", "hallo")),
            ("```sh\nprintf 'a\\nb\\n'\n```\n", fenced("it says exactly", "a")),
        ):
            self.assertNotEqual(self.walk(*parts)[0], 0, parts)
