"""What a program writes is kept in bounds and known at once; what it gets to read keeps nobody waiting."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from netlab.check.output import CHUNK, KEPT, MAX_FED, SHOWN, UNIX, Input, Output, complaint, last_line, raised
from tests.support import PATIENCE, until


class OutputTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        reading, self.pipe = os.pipe()
        self.open = True
        self.output = Output()
        self.output.begin(os.fdopen(reading, "rb", buffering=0))
        self.addCleanup(self.output.finish)
        self.addCleanup(self.close)

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self.pipe, rest) :]

    def close(self) -> None:
        if self.open:
            self.open = False
            os.close(self.pipe)

    def later(self, what: bytes, seconds: float = 0.05) -> None:
        timer = threading.Timer(seconds, self.write, (what,))
        timer.start()
        self.addCleanup(timer.join, PATIENCE)


class Kept(OutputTestCase):
    if not UNIX:
        skip = "what is in a pipe cannot be seen on Windows"

    def test_what_was_written_is_known_at_once(self) -> None:
        for number in range(500):
            mark = self.output.mark()
            self.write(b"%d\n" % number)
            self.assertEqual(self.output.since(mark), f"{number}\n")
        self.assertEqual(self.output.text, "".join(f"{number}\n" for number in range(500)))

    def test_a_mark_is_after_what_was_written(self) -> None:
        self.write(b"before")
        mark = self.output.mark()
        self.assertEqual(mark, 6)
        self.assertEqual(self.output.since(mark), "")
        self.write(b"after")
        self.assertEqual(self.output.since(mark), "after")
        self.assertEqual(self.output.since(mark + 100), "")

    def test_what_is_no_utf8_is_escaped(self) -> None:
        self.write("ä".encode() + b"\xff\xc3")
        self.assertEqual(self.output.text, r"ä\xff\xc3")

    def test_of_a_long_output_both_ends_are_kept(self) -> None:
        total = 5 * KEPT
        data = b"".join(b"%07d " % number for number in range(total // 8))
        self.write(data)
        self.assertEqual(self.output.mark(), total)
        head, tail = data[:KEPT].decode(), data[-KEPT:].decode()
        self.assertEqual(self.output.text, f"{head}\n[{3 * KEPT} bytes left out]\n{tail}")
        self.assertEqual(self.output.since(KEPT - 8), f"{head[-8:]}\n[{3 * KEPT} bytes left out]\n{tail}")
        self.assertEqual(self.output.since(2 * KEPT), f"\n[{2 * KEPT} bytes left out]\n{tail}")
        self.assertEqual(self.output.since(total - KEPT), tail)
        self.assertEqual(self.output.since(total - 16), tail[-16:])

    def test_nothing_is_left_out_as_long_as_both_ends_meet(self) -> None:
        data = os.urandom(KEPT).hex().encode()
        self.write(data)
        self.assertEqual(self.output.text, data.decode())
        self.assertEqual(self.output.since(KEPT - 5), data[KEPT - 5 :].decode())
        self.write(b"x")
        self.assertIn("\n[1 bytes left out]\n", self.output.text)

    def test_after_the_end_all_is_there(self) -> None:
        self.write(b"last words")
        self.close()
        self.output.finish()
        self.assertEqual(self.output.text, "last words")
        self.assertEqual(self.output.mark(), 10)

    def test_a_pipe_that_somebody_holds_is_given_up(self) -> None:
        self.write(b"something")
        self.output.finish()
        thread = self.output._thread
        assert thread is not None
        thread.join(PATIENCE)
        self.assertFalse(thread.is_alive())
        self.assertRaises(BrokenPipeError, self.write, b" else")
        self.assertEqual(self.output.text, "something")

    def test_while_paused_a_writer_waits_and_nothing_is_lost(self) -> None:
        self.write(b"before ")
        self.output.pause()
        os.set_blocking(self.pipe, False)
        written = 0
        with self.assertRaises(BlockingIOError):
            while True:
                written += os.write(self.pipe, bytes(CHUNK))
        self.assertEqual((self.output.mark(), self.output.text), (7, "before "))
        self.output.resume()
        self.assertTrue(self.output.wait_for("\0" * written, PATIENCE))
        self.output.pause()
        self.write(b"the last")
        self.close()
        self.output.finish()
        self.assertTrue(self.output.text.endswith("\0the last"))


class WaitFor(OutputTestCase):
    def gives_up(self, going_on: Callable[[], bool] = lambda: True) -> None:
        """It does not wait until the deadline."""
        deadline = time.monotonic() + 10 * PATIENCE
        self.assertFalse(self.output.wait_for("Name:", 10 * PATIENCE, going_on=going_on))
        self.assertLess(time.monotonic(), deadline)

    def test_what_is_there(self) -> None:
        self.write(b"Name: ")
        self.assertTrue(self.output.wait_for("Name:", PATIENCE))

    def test_what_comes(self) -> None:
        self.write(b"Na")
        self.later(b"me: ")
        self.assertTrue(self.output.wait_for("Name:", PATIENCE))

    def test_what_comes_in_pieces_far_behind(self) -> None:
        filler = threading.Thread(target=self.write, args=(bytes(3 * KEPT) + b"Na",))
        filler.start()
        self.assertFalse(self.output.wait_for("Name:", 0.2))
        filler.join(PATIENCE)
        self.later(b"me: ")
        self.assertTrue(self.output.wait_for("Name:", PATIENCE))

    def test_only_what_comes_after_the_mark(self) -> None:
        self.write(b"Name: ")
        mark = self.output.mark()
        self.assertFalse(self.output.wait_for("Name:", 0.05, since=mark))
        self.later(b"Name: ")
        self.assertTrue(self.output.wait_for("Name:", PATIENCE, since=mark))

    def test_no_time_is_one_look(self) -> None:
        self.write(b"there")
        until(lambda: self.output.mark() == 5, "it was read")
        self.assertTrue(self.output.wait_for("there", 0))
        self.assertFalse(self.output.wait_for("not there", 0))

    def test_where_nothing_can_come_nobody_waits(self) -> None:
        self.write(b"Na")
        self.close()
        self.gives_up()

    def test_no_longer_than_something_goes_on(self) -> None:
        went_on = threading.Event()
        timer = threading.Timer(0.1, went_on.set)
        timer.start()
        self.addCleanup(timer.join, PATIENCE)
        self.gives_up(going_on=lambda: not went_on.is_set())

    def test_what_came_last_counts_although_nothing_goes_on(self) -> None:
        def ends() -> bool:
            self.write(b"bye")
            return False

        if UNIX:
            self.assertTrue(self.output.wait_for("bye", PATIENCE, going_on=ends))


READER = "import sys; print(len(sys.stdin.buffer.read()))"


class Fed(SynchronousTestCase):
    def reader(self, code: str) -> tuple[Input, subprocess.Popen[bytes]]:
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        assert process.stdin is not None
        assert process.stdout is not None
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait, PATIENCE)
        self.addCleanup(process.kill)
        return Input(process.stdin), process

    def test_all_of_it_arrives(self) -> None:
        fed, process = self.reader(READER)
        self.assertTrue(fed.feed(bytes(1000)))
        self.assertTrue(fed.feed(b""))
        self.assertTrue(fed.feed(bytes(1_000_000)))
        fed.end()
        assert process.stdout is not None
        self.assertEqual(process.stdout.read(), b"1001000\n")

    def test_who_does_not_read_stops_nobody(self) -> None:
        fed, process = self.reader("import time; time.sleep(600)")
        self.assertTrue(fed.feed(bytes(MAX_FED // 2)))
        self.assertTrue(fed.feed(bytes(MAX_FED // 2)))
        self.assertFalse(fed.feed(bytes(1 << 20)))
        process.kill()
        fed.end()

    def test_what_was_read_makes_room(self) -> None:
        fed, _ = self.reader("import sys\nwhile sys.stdin.buffer.read(1 << 16): pass")
        self.assertTrue(fed.feed(bytes(MAX_FED)))
        until(lambda: fed.feed(bytes(MAX_FED)), "all of the first was read")

    def test_who_has_closed_its_input_is_no_trouble(self) -> None:
        fed, process = self.reader("import os, time; os.close(0); print(flush=True); time.sleep(600)")
        assert process.stdout is not None
        process.stdout.read(1)
        self.assertTrue(fed.feed(b"too late"))
        fed.end()


CHAINED = """Traceback (most recent call last):
  File "server.py", line 3, in serve
    number = int(text)
             ^^^^^^^^^
ValueError: invalid literal for int() with base 10: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "server.py", line 9, in <module>
    serve()
  [Previous line repeated 3 more times]
OSError: [Errno 98] Address already in use
"""


class Raised(SynchronousTestCase):
    def test_none(self) -> None:
        self.assertEqual(raised(""), [])
        self.assertEqual(raised("Waiting for clients\nOSError: what a student printed\n"), [])

    def test_a_thread_s(self) -> None:
        text = (
            "Exception in thread Thread-1 (serve):\nTraceback (most recent call last):\n"
            '  File "/usr/lib/python3.11/threading.py", line 1038, in _bootstrap_inner\n    self.run()\n'
            '  File "server.py", line 9, in serve\n    version, order, size = struct.unpack("!BLL", data)\n'
            "                           ^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
            "struct.error: unpack requires a buffer of 9 bytes\nclient 2 connected\n"
        )
        self.assertEqual(raised(text), ["struct.error: unpack requires a buffer of 9 bytes"])

    def test_of_a_chain_each(self) -> None:
        first = "ValueError: invalid literal for int() with base 10: 'x'"
        self.assertEqual(raised(CHAINED), [first, "OSError: [Errno 98] Address already in use"])

    def test_behind_a_prompt(self) -> None:
        self.assertEqual(raised("> " + CHAINED)[0][:10], "ValueError")

    def test_one_that_is_not_whole_yet(self) -> None:
        for length in range(len("Traceback (most recent call last):"), CHAINED.index("ValueError") + 1):
            self.assertEqual(raised(CHAINED[:length]), [])

    def test_what_comes_instead_of_an_exception(self) -> None:
        text = 'Traceback (most recent call last):\n  File "x", line 1, in <module>\nclient 2 has connected\n'
        self.assertEqual(raised(text), [])

    def test_syntax(self) -> None:
        text = (
            '  File "server.py", line 3\n    def serve(\n             ^\n'
            "SyntaxError: '(' was never closed\n"
        )
        self.assertEqual(raised(text), ["SyntaxError: '(' was never closed"])

    def test_without_a_message(self) -> None:
        text = 'Traceback (most recent call last):\n  File "x", line 1, in <module>\nKeyboardInterrupt\n'
        self.assertEqual(raised(text), ["KeyboardInterrupt"])

    def test_a_group_s(self) -> None:
        text = (
            "  + Exception Group Traceback (most recent call last):\n"
            '  |   File "<stdin>", line 1, in <module>\n'
            "  | ExceptionGroup: two (2 sub-exceptions)\n"
            "  +-+---------------- 1 ----------------\n"
            "    | Traceback (most recent call last):\n"
            '    |   File "<stdin>", line 2, in <module>\n'
            "    | ValueError: 1\n"
            "    +---------------- 2 ----------------\n"
            "    | TypeError: 2\n"
            "    +------------------------------------\n"
        )
        self.assertEqual(raised(text)[:2], ["ExceptionGroup: two (2 sub-exceptions)", "ValueError: 1"])

    def test_what_this_python_writes(self) -> None:
        class Own(Exception):
            pass

        def fail() -> None:
            try:
                raise Own("first\nsecond line")
            except Own:
                raise KeyError from None

        written = ""
        try:
            fail()
        except KeyError as error:
            assert error.__context__ is not None  # noqa: PT017
            written = traceback.format_exc() + "".join(traceback.format_exception(error.__context__))
        last, first = raised(written)
        self.assertEqual(last, "KeyError")
        self.assertTrue(first.endswith("<locals>.Own: first"), first)

    def test_it_is_safe_to_print_and_short(self) -> None:
        text = (
            'Traceback (most recent call last):\n  File "x", line 1, in f\nValueError: \x1b[2J' + 1000 * "x"
        )
        (found,) = raised(text)
        self.assertTrue(found.startswith(r"ValueError: \x1b[2Jxxx"), found)
        self.assertLess(len(found), SHOWN + 10)

    def test_no_text_takes_long(self) -> None:
        begun = time.process_time()
        raised(("Traceback " * 20 + "\n  +" + " " * 200 + "|\n") * 500)
        self.assertLess(time.process_time() - begun, PATIENCE)

    def test_the_last_line(self) -> None:
        self.assertEqual(last_line("first\n  last\x07  \n \n\n"), r"last\x07")
        self.assertEqual(last_line("\n \n"), "")

    def test_a_complaint_shows_the_frames_of_the_program(self) -> None:
        text = (
            "Exception in thread Thread-1 (handle):\nTraceback (most recent call last):\n"
            '  File "/usr/lib/python3.11/threading.py", line 1045, in _bootstrap_inner\n    self.run()\n'
            '  File "/home/x/lib/server.py", line 6, in handle\n    unpack(data)\n    ^^^^^^^^^^^^\n\n'
            '  File "C:\\Python313\\Lib\\codecs.py", line 9, in decode\n    raise\n'
            '  File "<frozen codecs>", line 322, in decode\nstruct.error: too \x07 short\n'
        )
        shown = complaint(text, 12)
        self.assertEqual(
            [line.split()[0] for line in shown],
            ["Exception", "Traceback", "File", "unpack(data)", "^^^^^^^^^^^^", "struct.error:"],
        )
        self.assertEqual(shown[-1], r"struct.error: too \x07 short")
        self.assertEqual(complaint(text, 2), shown[-2:])

    def test_a_complaint_of_libraries_alone_is_shown_whole(self) -> None:
        text = 'Traceback (most recent call last):\n  File "/usr/lib/python3.11/x.py", line 1\n    1\n'
        self.assertEqual(complaint(text, 12), text.splitlines())
        self.assertEqual(complaint("x" * 300, 12), ["x" * SHOWN + "..."])
