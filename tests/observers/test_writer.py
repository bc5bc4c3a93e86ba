"""The writer of the log's lines: nobody waits for it, nothing is lost in silence."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from io import UnsupportedOperation
from tempfile import TemporaryFile

from twisted.trial.unittest import SynchronousTestCase

from netlab.observers import writer
from netlab.observers.writer import FILE_PATIENCE, MAX_WAITING, PATIENT, Writer
from tests.support import PATIENCE, until

DISK_FULL = OSError(errno.ENOSPC, "No space left on device")
GONE = OSError(errno.EPIPE, "Broken pipe")


class Raw:
    """The raw layer of a stream: takes what comes while `open` is set, else the writer hangs in write().

    results: what the next calls come to: so many bytes, None where nothing fits now, or an error.
    """

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.results: deque[int | OSError | None] = deque()
        self.delay = 0.0  # seconds that each call takes
        self.calls = 0
        self.written = bytearray()

    def write(self, data: memoryview) -> int | None:
        self.calls += 1
        self.open.wait(PATIENCE)
        if self.delay:
            time.sleep(self.delay)
        result = self.results.popleft() if self.results else len(data)
        if isinstance(result, OSError):
            raise result
        self.written += data[:result] if result is not None else b""
        return result


class Stream:
    """A stream of text, as much of it as a writer looks at."""

    def __init__(self, raw: Raw, encoding: str = "utf-8", fileno: int | None = None) -> None:
        self.buffer = self
        self.raw = raw
        self.encoding = encoding
        self._fileno = fileno

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        if self._fileno is None:
            raise UnsupportedOperation("no file")
        return self._fileno


class WriterTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.raw = Raw()
        self.addCleanup(self.raw.open.set)
        self.writer = Writer(Stream(self.raw), lambda sentence: f"[writer] {sentence}\n")

    @property
    def lines(self) -> list[str]:
        """What was printed so far; its last line is whole."""
        text = self.raw.written.decode()
        self.assertEqual(text[-1:], "\n" if text else "")
        return text.splitlines()

    def printed(self, last: str) -> list[str]:
        """Wait for this line; return all until then."""
        until(
            lambda: self.raw.written.endswith(f"{last}\n".encode()), f"{last} in {self.raw.written[-200:]!r}"
        )
        return self.lines

    def stuck(self) -> None:
        """Have the writer hang with one line."""
        calls = self.raw.calls
        self.raw.open.clear()
        self.writer.write("stuck\n")
        until(lambda: self.raw.calls > calls, "the writer hangs")

    def fill(self, lines: int = 10_000, size: int = 1000) -> None:
        """Write more than has room."""
        for number in range(lines):
            self.writer.write(f"{number} {'x' * (size - len(str(number)) - 2)}\n")

    def told(self, count: int = 1) -> None:
        """Wait until so many gaps are told, though nothing else comes."""
        until(lambda: self.raw.written.count(b" dropped here: ") == count, "the gap is told")

    def tried(self, count: int) -> None:
        """Wait until the writer has tried so often, and knows what came of it."""
        until(lambda: self.raw.calls >= count and not self.writer._writing, f"{count} tries")


class Lines(WriterTestCase):
    def test_come_whole_and_in_order(self) -> None:
        for number in range(1000):
            self.assertEqual(self.writer.write(f"line {number}\n"), len(f"line {number}\n"))
        self.assertEqual(self.printed("line 999"), [f"line {number}" for number in range(1000)])

    def test_that_a_stream_takes_by_bits(self) -> None:
        self.raw.results.extend([3, 1, None, 2, None, 1])
        self.writer.write("line one\n")
        self.writer.write("line two\n")
        self.assertEqual(self.printed("line two"), ["line one", "line two"])

    def test_are_in_the_streams_encoding(self) -> None:
        reader, pipe = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, pipe)
        ascii = Writer(Stream(self.raw, "ascii", pipe), str)
        ascii.write("grüße \ud800\n")
        self.assertEqual(self.printed(r"gr\xfc\xdfe \ud800"), [r"gr\xfc\xdfe \ud800"])
        self.assertEqual((ascii.encoding, ascii.isatty(), ascii.fileno()), ("ascii", True, pipe))

    def test_come_from_one_thread_that_the_first_of_them_begins(self) -> None:
        before = set(threading.enumerate())
        Writer(Stream(self.raw), str)
        self.assertEqual(set(threading.enumerate()) - before, set())
        self.stuck()
        self.writer.write("another one\n")
        (thread,) = set(threading.enumerate()) - before
        self.assertEqual((thread.name, thread.daemon), ("writer", True))

    def test_of_many_threads_are_all_there(self) -> None:
        def write(name: str) -> None:
            for number in range(1000):
                self.writer.write(f"{name} {number}\n")

        threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        until(lambda: self.raw.written.count(b"\n") == 4000, "all lines")
        for name in "abcd":
            own = [line for line in self.lines if line.startswith(name)]
            self.assertEqual(own, [f"{name} {number}" for number in range(1000)])


class Unread(WriterTestCase):
    """Nobody reads: the writer hangs in write()."""

    def test_nobody_waits(self) -> None:
        self.stuck()
        self.writer.write("I need not wait\n")
        self.writer.flush()

    def test_what_has_no_room_is_dropped_and_told_in_its_place(self) -> None:
        self.stuck()
        self.fill(10_000)
        self.raw.open.set()
        self.told()
        self.writer.write("after it\n")
        first, *kept, gap, last = self.printed("after it")
        self.assertEqual((first, last), ("stuck", "after it"))
        self.assertEqual([line.split()[0] for line in kept], [str(number) for number in range(len(kept))])
        self.assertEqual({len(line) for line in kept}, {999})
        self.assertEqual(len(kept), (MAX_WAITING - len("stuck\n")) // 1000)
        dropped = 10_000 - len(kept)
        self.assertEqual(gap, f"[writer] {dropped:,} lines dropped here: nobody read them in time")

    def test_each_gap_is_told_once(self) -> None:
        for number in 1, 2:
            self.raw.open.clear()
            self.fill(5000)
            self.raw.open.set()
            self.told(number)
        counts = [
            int(found.replace(",", "")) for found in re.findall(r"\] (\S+) lines d", "\n".join(self.lines))
        ]
        self.assertEqual(sum(counts) + len(self.lines) - 2, 10_000)

    def test_a_text_of_several_lines_is_dropped_whole(self) -> None:
        self.stuck()
        self.fill(5000)
        self.writer.write("three\nlines\nmore\n")
        self.raw.open.set()
        self.told()
        *kept, gap = self.lines
        self.assertNotIn("three", kept)
        self.assertIn(f" {5000 + 3 + 1 - len(kept):,} lines ", gap)

    def test_one_line_is_a_line(self) -> None:
        self.stuck()
        self.writer.write("x" * MAX_WAITING + "\n")
        self.raw.open.set()
        self.assertEqual(self.printed("[writer] 1 line dropped here: nobody read them in time")[0], "stuck")

    def test_a_line_longer_than_the_queue_is_printed_where_nothing_else_waits(self) -> None:
        self.writer.write("x" * (MAX_WAITING + 1) + "\n")
        until(lambda: len(self.raw.written) == MAX_WAITING + 2, "the long line")


class Patient(WriterTestCase):
    """Those who may wait do, as long as the stream moves."""

    def slow(self, delay: float) -> None:
        """Have each piece take so many seconds, and nobody take a busy machine for a reader that stopped."""
        self.raw.delay = delay
        self.writer._patience = PATIENCE

    def waits(self, ends: bool) -> list[float | None]:
        """The seconds that each wait for the stream may take. ends: it goes on when somebody waits."""
        found: list[float | None] = []
        wait = self.writer._written.wait

        def counted(timeout: float | None = None) -> bool:
            found.append(timeout)
            if ends:
                self.raw.open.set()
            return wait(PATIENCE if ends else timeout)

        self.patch(self.writer._written, "wait", counted)
        return found

    def write(self, lines: int = 10_000, size: int = 1000) -> threading.Thread:
        """Have a thread write more than has room; return it."""

        def write() -> None:
            for number in range(lines):
                self.writer.write_patiently(f"{number} {'x' * (size - len(str(number)) - 2)}\n")

        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        return thread

    def ended(self, thread: threading.Thread) -> None:
        """It has ended, and all lines are there, whole and in order."""
        thread.join(PATIENCE)
        self.assertFalse(thread.is_alive())
        until(lambda: self.raw.written.count(b"\n") == 10_000, "all lines")
        self.assertEqual([line.split()[0] for line in self.lines], [str(number) for number in range(10_000)])
        self.assertEqual({len(line) for line in self.lines}, {999})

    def test_a_stream_that_is_slower_costs_no_line(self) -> None:
        self.slow(0.002)
        self.ended(self.write())

    def test_a_disk_may_be_busy_for_a_while(self) -> None:
        with TemporaryFile() as file:
            self.writer = Writer(Stream(self.raw, fileno=file.fileno()), str)
            self.raw.open.clear()
            waits = self.waits(ends=True)
            self.ended(self.write())
        self.assertEqual(set(waits), {FILE_PATIENCE})

    def test_who_writes_waits_for_half_of_the_queue_and_others_have_the_other_half(self) -> None:
        self.slow(0.01)
        self.stuck()
        waits = self.waits(ends=False)
        thread = self.write()
        until(lambda: bool(waits), "one waits")
        self.assertLessEqual(self.writer._size, PATIENT)
        self.writer.write("a signal's handler does not\n")
        self.raw.open.set()
        thread.join(PATIENCE)
        until(lambda: self.raw.written.count(b"\n") == 10_002, "all lines")
        self.assertIn("a signal's handler does not", self.lines)

    def test_nobody_waits_again_for_a_reader_that_has_stopped(self) -> None:
        self.stuck()
        waits = self.waits(ends=False)
        self.write().join(PATIENCE)
        self.assertEqual(waits, [writer.PATIENCE])
        self.raw.open.set()
        self.told()
        first, *kept, gap = self.lines
        self.assertIn(f" {10_000 - len(kept):,} lines dropped here: ", gap)
        self.assertEqual(first, "stuck")

    def test_once_it_has_caught_up_it_is_waited_for_again(self) -> None:
        self.stuck()
        self.write().join(PATIENCE)
        self.raw.open.set()
        self.told()
        self.raw.written.clear()
        self.slow(0.002)
        self.ended(self.write())

    def test_a_line_longer_than_half_of_the_queue_waits_until_nothing_else_does(self) -> None:
        self.slow(0.002)
        for name in "abc":
            self.writer.write_patiently(name * (PATIENT + 1) + "\n")
        until(lambda: self.raw.written.count(b"\n") == 3, "all lines")
        self.assertEqual([line[0] for line in self.lines], ["a", "b", "c"])

    def test_many_threads(self) -> None:
        self.slow(0.001)

        def write(name: str) -> None:
            for number in range(1000):
                self.writer.write_patiently(f"{name} {number} {'x' * 1000}\n")

        threads = [threading.Thread(target=write, args=(name,), daemon=True) for name in "abcdefgh"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        until(lambda: self.raw.written.count(b"\n") == 8000, "all lines")
        for name in "abcdefgh":
            numbers = [line.split()[1] for line in self.lines if line.startswith(name)]
            self.assertEqual(numbers, [str(number) for number in range(1000)])


class Broken(WriterTestCase):
    """The stream fails: its reader has gone, its disk is full."""

    def test_nothing_is_raised_and_each_line_is_one_try_at_most(self) -> None:
        self.raw.results.extend([GONE] * 1000)
        for number in range(10):
            self.writer.write(f"{number}\n")
            self.tried(number + 1)
        time.sleep(0.1)  # what spins needs no longer
        self.assertLess(self.raw.calls, 12)
        self.writer.end()
        self.assertEqual(self.raw.written, b"")

    def test_goes_on_where_it_can_again(self) -> None:
        self.raw.results.extend([DISK_FULL, DISK_FULL])
        self.writer.write("lost\nin\none piece\n")
        self.tried(1)
        self.writer.write("lost with the line that tells of them\n")
        self.tried(2)
        self.writer.write("here again\n")
        self.assertEqual(
            self.printed("here again"),
            ["[writer] 4 lines dropped here: No space left on device", "here again"],
        )

    def test_a_line_that_was_cut_stays_alone(self) -> None:
        self.raw.results.extend([len("whole\ncu"), DISK_FULL])
        self.writer.write("whole\ncut\nlost\n")
        self.tried(2)
        self.writer.write("here again\n")
        self.assertEqual(
            self.printed("here again"),
            ["whole", "cu", "[writer] 2 lines dropped here: No space left on device", "here again"],
        )

    def test_what_waited_behind_it_is_counted_too(self) -> None:
        self.stuck()
        self.fill(10_000)
        self.raw.results.append(GONE)
        self.raw.open.set()
        self.tried(1)
        self.writer.write("here again\n")
        self.assertEqual(
            self.printed("here again"), ["[writer] 10,001 lines dropped here: Broken pipe", "here again"]
        )

    def test_a_real_pipe_whose_reader_has_gone(self) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        with open(writer, "w") as stream:
            stuck = Writer(stream, str)
            for _ in range(1000):
                stuck.write("anybody?\n")
            stuck.end()


class End(WriterTestCase):
    def test_waits_until_all_is_written(self) -> None:
        self.stuck()
        self.writer.write("the last line\n")
        threading.Timer(0.2, self.raw.open.set).start()
        self.writer.end()
        self.assertEqual(self.lines, ["stuck", "the last line"])

    def test_waits_for_what_is_logged_after_it(self) -> None:
        self.writer.end()
        for number in range(100):
            self.writer.write(f"{number}\n")
            self.writer.flush()
            self.assertEqual(self.lines[-1], str(number))

    def test_waits_for_the_gap_too(self) -> None:
        self.stuck()
        self.fill(10_000)
        threading.Timer(0.2, self.raw.open.set).start()
        self.writer.end()
        self.assertIn("lines dropped here", self.lines[-1])

    def test_has_one_deadline_in_all(self) -> None:
        self.stuck()
        begun = time.monotonic()
        for _ in range(100):
            self.writer.end()
            self.writer.write("nobody reads this\n")
            self.writer.flush()
        self.assertLess(time.monotonic() - begun, 50)


START = """
import os, sys
from netlab.observers.writer import Writer
sys.stdout = writer = Writer(sys.stdout, str)
"""


class Programs(SynchronousTestCase):
    """The end of Python itself."""

    def python(self, code: str, *options: str) -> subprocess.Popen[str]:
        """Start a program that prints by a writer."""
        return subprocess.Popen(
            [sys.executable, *options, "-c", START + code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ends(self, code: str, *options: str) -> str:
        """It ends without a complaint; return what it printed."""
        with self.python(code, *options) as program:
            output, complaint = program.communicate(timeout=PATIENCE)
        self.assertEqual((program.returncode, complaint), (0, ""))
        return output

    def test_the_last_lines_are_printed_buffered_or_not(self) -> None:
        for options in [], ["-u"]:
            output = self.ends("for number in range(1000): writer.write(f'{number}\\n')", *options)
            self.assertEqual(output.split(), [str(number) for number in range(1000)])

    def test_nobody_reads(self) -> None:
        with self.python("for _ in range(100): writer.write('x' * 65535 + '\\n')") as program:
            self.assertEqual(program.wait(PATIENCE), 0)
            assert program.stderr is not None
            self.assertEqual(program.stderr.read(), "")

    def test_a_signals_handler_may_log_while_its_thread_does(self) -> None:
        if not hasattr(signal, "setitimer"):
            self.skipTest("Windows has no such signals")
        output = self.ends(
            """
import signal, time
signals = []
def handle(*_):
    signals.append(1)
    writer.write('a signal\\n')
    writer.flush()
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 1e-3, 1e-3)
deadline = time.monotonic() + 1
lines = 0
while time.monotonic() < deadline:
    lines += 1
    writer.write('a line\\n')
signal.setitimer(signal.ITIMER_REAL, 0)
writer.write(f'{lines} {len(signals)}\\n')
"""
        )
        *printed, counts = output.splitlines()
        dropped = sum(int(line.split()[0].replace(",", "")) - 1 for line in printed if "dropped" in line)
        self.assertEqual(len(printed) + dropped, sum(map(int, counts.split())))
