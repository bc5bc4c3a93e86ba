"""Programs of every kind are started, held to their limits, seen at work and at rest, and ended whole."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from netlab import proc
from netlab.check import kernel, programs
from netlab.check.programs import UNIX, CannotStart, Limits, NotListening, Program
from tests.support import PATIENCE, ROOT, reset, until

SECONDS = 1.0
"""As long as a program may do nothing that will never listen."""

SLEEP = "import time; time.sleep(600)\n"
BIND_UDP = "import socket, time; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('127.0.0.1', 0))\n"


def lives(pid: int) -> bool:
    """Is there such a process, not one that only waits to be reaped?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


class ProgramTestCase(SynchronousTestCase):
    def start(self, *command: str, limits: Limits = programs.USUAL, stdin: bool = False) -> Program:
        """A program that ends with the test, at the latest."""
        program = Program(command, limits, stdin).__enter__()
        self.addCleanup(program.end)
        return program

    def run_python(self, code: str, *, limits: Limits = programs.USUAL, stdin: bool = False) -> Program:
        return self.start(sys.executable, "-c", code, limits=limits, stdin=stdin)

    def says(self, program: Program, needle: str) -> None:
        """It writes this to standard output."""
        if not program.stdout.wait_for(needle, PATIENCE):
            raise AssertionError(f"{needle!r} is not in {program.stdout.text!r}, {program.stderr.text!r}")

    def numbers(self, program: Program, count: int) -> list[int]:
        """The numbers that it prints, one a line: of its processes, or its port."""
        until(lambda: program.stdout.text.count("\n") >= count, "it prints so many numbers")
        return [int(line) for line in program.stdout.text.split()]

    def folder(self) -> Path:
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        return Path(folder)

    def needs_proc(self) -> None:
        if not proc.known():
            raise SkipTest("this system does not tell")


class Starting(ProgramTestCase):
    def test_both_outputs_and_the_status(self) -> None:
        program = self.run_python("import sys; print('one'); print('two', file=sys.stderr); sys.exit(3)")
        self.assertTrue(program.ended(PATIENCE))
        self.assertEqual((program.stdout.text, program.stderr.text, program.status), ("one\n", "two\n", 3))
        self.assertFalse(program.alive)
        self.assertEqual(program.pids, [])

    def test_a_signal_s_status_is_negative(self) -> None:
        program = self.run_python("import os; os.kill(os.getpid(), 9)")
        self.assertTrue(program.ended(PATIENCE))
        self.assertEqual(program.status, -9)
        program.end()
        self.assertEqual(program.status, -9)

    def test_while_it_runs(self) -> None:
        program = self.run_python(SLEEP)
        self.assertTrue(program.alive)
        self.assertIsNone(program.status)
        self.assertFalse(program.ended(0.05))
        program.end()
        self.assertFalse(program.alive)
        self.assertEqual(program.status, -signal.SIGTERM)

    def test_before_it_is_started(self) -> None:
        program = Program([sys.executable, "-c", SLEEP])
        self.assertFalse(program.alive)
        self.assertEqual((program.pids, program.stdout.text, program.status), ([], "", None))
        program.end()

    def test_arguments_are_passed_as_they_are(self) -> None:
        given = ["", "a b", "$HOME", "`id`", "'\"", "*", "-n", "ä", "a\nb"]
        program = self.start(sys.executable, "-c", "import sys; print(ascii(sys.argv[1:]))", *given)
        self.assertTrue(program.ended(PATIENCE))
        self.assertEqual(program.stdout.text, ascii(given) + "\n")

    def test_what_it_prints_is_there_although_it_does_not_flush(self) -> None:
        program = self.run_python("print('hällo', end='')\n" + SLEEP)
        self.says(program, "hällo")

    def test_it_is_the_process_itself_no_shell(self) -> None:
        program = self.run_python("import os; print(os.getpid(), os.getsid(0))\n" + SLEEP)
        self.assertEqual(len(set(self.numbers(program, 1))), 1)
        if proc.known():
            self.assertEqual(program.pids, self.numbers(program, 1)[:1])

    def test_without_an_input_there_is_nothing_to_read(self) -> None:
        program = self.run_python("input()")
        self.assertTrue(program.ended(PATIENCE))
        self.assertEqual(program.last_error(), "EOFError: EOF when reading a line")
        self.assertRaises(ValueError, program.feed, "hello")
        program.end_input()

    def test_it_is_fed(self) -> None:
        program = self.run_python("print(input('Name: ') + '!'); print(len(input()))", stdin=True)
        self.says(program, "Name: ")
        self.assertTrue(program.feed("Ähre\n"))
        self.says(program, "Ähre!")
        self.assertTrue(program.feed("12345"))
        program.end_input()
        self.says(program, "5\n")

    def test_a_folder_to_run_in(self) -> None:
        folder = self.folder()
        (folder / "server.sh").write_text("#!/bin/sh\npwd\n")
        (folder / "server.sh").chmod(0o755)
        for command in (["./server.sh"], ["/bin/sh", "server.sh"]):
            with Program(command, folder=folder) as program:
                self.assertTrue(program.ended(PATIENCE))
                self.assertEqual(program.stdout.text.strip(), str(folder.resolve()))

    def test_the_environment(self) -> None:
        names = "PYTHONUNBUFFERED", "PYTHONIOENCODING", "PYTHONDONTWRITEBYTECODE"
        program = self.run_python(f"import os; print([os.environ[name] for name in {names}])")
        self.assertTrue(program.ended(PATIENCE))
        self.assertEqual(program.stdout.text, "['1', 'utf-8', '1']\n")
        self.assertNotIn(programs.MARK, os.environ)


class NotStarting(ProgramTestCase):
    def refused(self, *command: str, folder: Path | None = None) -> str:
        with self.assertRaises(CannotStart) as caught:
            Program(command, folder=folder).__enter__()
        self.assertNotIn("\n", str(caught.exception))
        return str(caught.exception)

    def test_no_command(self) -> None:
        self.assertEqual(self.refused(), "there is no command: give one after `--`")
        self.assertEqual(
            self.refused("no-such-thing", "x"),
            "there is no command 'no-such-thing': check its name, or its path",
        )
        self.assertIn("there is no command './no-such.py'", self.refused("./no-such.py"))
        self.assertIn("there is no command ''", self.refused(""))
        self.assertIn(r"there is no command '\x1b[2J'", self.refused("\x1b[2J"))

    def test_no_folder(self) -> None:
        missing = self.folder() / "gone"
        self.assertEqual(self.refused("true", folder=missing), f"there is no folder {str(missing)!r}")

    def test_no_program(self) -> None:
        folder = self.folder()
        self.assertIn("cannot be run: it is no program", self.refused(str(folder)))
        script = folder / "server.py"
        script.write_text("print('hello')\n")
        self.assertEqual(
            self.refused(str(script)), f"{str(script)!r} cannot be run: it is no program: python3 {script}?"
        )
        self.assertIn("python3 ./server.py?", self.refused("./server.py", folder=folder))
        script.chmod(0o755)
        self.assertIn("does not say in a first line #!", self.refused(str(script)))
        script.write_text("")
        self.assertIn("does not say in a first line #!", self.refused(str(script)))

    def test_no_interpreter(self) -> None:
        script = self.folder() / "server.py"
        script.write_text("#!/no/such/python\nprint('hello')\n")
        script.chmod(0o755)
        program = self.start(str(script))
        with self.assertRaises(NotListening) as caught:
            program.listen("tcp", None, PATIENCE)
        self.assertIn("with status 12", str(caught.exception))
        self.assertIn("server.py", str(caught.exception))

    def test_an_argument_that_no_system_takes(self) -> None:
        self.assertIn("cannot run", self.refused(sys.executable, "a\0b"))


class Limited(ProgramTestCase):
    def setUp(self) -> None:
        if not programs.UNIX:
            raise SkipTest("there are no limits on Windows")

    def test_descriptors_and_no_core_files(self) -> None:
        code = "import resource as r\nprint(r.getrlimit(r.RLIMIT_NOFILE), r.getrlimit(r.RLIMIT_CORE))"
        program = self.run_python(code, limits=Limits(descriptors=64))
        self.assertTrue(program.limits_apply)
        self.assertTrue(program.ended(PATIENCE))
        self.assertEqual(program.stdout.text, "(64, 64) (0, 0)\n")

    def test_memory(self) -> None:
        if sys.platform != "linux":
            raise SkipTest("only Linux limits memory")
        program = self.run_python("bytearray(1 << 29)", limits=Limits(memory=1 << 28))
        self.assertTrue(program.ended(PATIENCE))
        self.assertEqual(program.last_error(), "MemoryError")
        program = self.run_python("bytearray(5 << 30)")
        self.assertTrue(program.ended(PATIENCE))
        self.assertEqual(program.last_error(), "MemoryError")

    def test_a_class_of_threads_fits(self) -> None:
        code = "import threading, time\nfor _ in range(200):\n"
        code += "    threading.Thread(target=time.sleep, args=(600,)).start()\nprint('all')"
        program = self.run_python(code)
        self.says(program, "all")

    def test_processor_time(self) -> None:
        program = self.run_python("while True: pass", limits=Limits(cpu=1))
        with self.assertRaises(NotListening) as caught:
            program.listen("tcp", None, PATIENCE)
        self.assertEqual(program.status, -signal.SIGXCPU)
        self.assertIn("by SIGXCPU, after 1 s of processor time: it wrote nothing", str(caught.exception))

    def test_what_a_system_does_not_have_is_left_out(self) -> None:
        program = self.run_python(
            "print('runs')", limits=Limits(-1 << 10, -2, -1)
        )  # nobody understands these
        self.says(program, "runs")
        self.assertEqual(program.stderr.text, "")


CHILDREN = """
import os, time
print(os.getpid(), flush=True)
if os.fork() == 0:
    os.setpgid(0, 0)
    print(os.getpid(), flush=True)
    os.fork()
    time.sleep(600)
print(os.fork() or os.getpid(), flush=True)
time.sleep(600)
"""

DAEMON = """
import os, socket, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in range(3):
            os.close(number)
        s = socket.create_server(('127.0.0.1', 0))
        open(PATH, 'w').write(f'{os.getpid()} {s.getsockname()[1]}\\n')
        time.sleep(600)
os._exit(0)
"""

STUBBORN = """
import signal, time
for name in 'SIGTERM SIGINT SIGHUP SIGPIPE'.split():
    signal.signal(getattr(signal, name), signal.SIG_IGN)
print('deaf', flush=True)
while True:
    time.sleep(600)
"""

RUNNING_AWAY = """
import os, time
print('runs', flush=True)
while True:
    os.setpgid(0, 0)
    if os.fork():
        os._exit(0)
    time.sleep(0.001)
"""


class Ending(ProgramTestCase):
    def test_a_signal_while_it_is_started_ends_it_too(self) -> None:
        if not UNIX:
            raise SkipTest("there is no SIGTERM")
        started: list[subprocess.Popen[bytes]] = []
        popen = subprocess.Popen

        def interrupted(*words: Any, **options: Any) -> subprocess.Popen[bytes]:
            started.append(popen(*words, **options))
            os.kill(os.getpid(), signal.SIGTERM)  # when nobody knows yet what was started
            return started[-1]

        def leave(number: int, _: object) -> None:
            raise SystemExit(number)

        before = signal.signal(signal.SIGTERM, leave)
        self.addCleanup(signal.signal, signal.SIGTERM, before)
        self.patch(subprocess, "Popen", interrupted)
        with self.assertRaises(SystemExit):
            self.run_python("import time; time.sleep(60)")
        self.assertEqual(len(started), 2)  # the program, and its guard
        for each in started:
            self.assertIsNotNone(each.wait(PATIENCE))

    def test_with_all_its_children(self) -> None:
        self.needs_proc()
        program = self.run_python(CHILDREN)
        self.numbers(program, 4)
        until(lambda: len(program.pids) == 4, "there are four")
        family = program.pids
        program.end()
        self.assertEqual([pid for pid in family if lives(pid)], [])
        self.assertEqual(program.pids, [])

    def test_children_whose_parent_has_ended(self) -> None:
        self.needs_proc()
        program = self.run_python("import os, time\nif os.fork(): os._exit(0)\nprint(os.getpid())\n" + SLEEP)
        (child,) = self.numbers(program, 1)
        self.assertTrue(program.ended(PATIENCE))
        self.assertEqual(program.pids, [child])
        program.end()
        self.assertFalse(lives(child))

    def test_leaving_the_context_ends_it(self) -> None:
        with Program([sys.executable, "-c", SLEEP]) as program:
            self.assertTrue(program.alive)
        self.assertFalse(program.alive)
        try:
            with Program([sys.executable, "-c", SLEEP]) as program:
                raise KeyError
        except KeyError:
            self.assertFalse(program.alive)

    def test_who_is_polite_gets_the_time_to_be(self) -> None:
        code = (
            "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(print('bye')))\nprint('ready')\n"
        )
        program = self.run_python(code + "time.sleep(600)")
        self.says(program, "ready\n")
        self.patch(programs, "POLITE", PATIENCE)
        program.end()
        self.assertEqual((program.stdout.text, program.status), ("ready\nbye\n", 0))

    def test_who_ignores_every_signal(self) -> None:
        program = self.run_python(STUBBORN)
        self.says(program, "deaf")
        program.end()
        self.assertEqual(program.status, -signal.SIGKILL)

    def test_a_child_that_ignores_every_signal(self) -> None:
        self.needs_proc()
        code = "import os, time\nif os.fork():\n    time.sleep(600)\nos.setpgid(0, 0)\nprint(os.getpid())\n"
        program = self.run_python(code + STUBBORN)
        self.says(program, "deaf")
        child = int(program.stdout.text.split()[0])
        program.end()
        self.assertFalse(lives(child))

    def test_who_is_stopped(self) -> None:
        program = self.run_python("import os\nprint('stops')\nos.kill(os.getpid(), 19)\n")
        self.says(program, "stops")
        program.end()
        self.assertFalse(program.alive)

    def test_twice_and_after_the_end(self) -> None:
        program = self.run_python("print('short')")
        self.assertTrue(program.ended(PATIENCE))
        for _ in range(3):
            program.end()
        self.assertEqual((program.status, program.stdout.text), (0, "short\n"))

    def test_who_has_closed_its_outputs(self) -> None:
        program = self.run_python("import os, time; os.close(1); os.close(2); time.sleep(600)")
        until(lambda: program.stdout._over and program.stderr._over, "both are closed")
        self.assertTrue(program.alive)
        program.end()
        self.assertEqual(program.status, -signal.SIGTERM)

    def test_who_writes_without_end(self) -> None:
        code = "import os\nwhile True:\n    os.write(1, bytes(65536)); os.write(2, b'x' * 65536)\n"
        program = self.run_python(code)
        until(lambda: program.stdout.mark() > 50 << 20, "nothing stops it")
        self.assertLess(len(program.stderr.text), 1 << 20)
        program.end()
        self.assertFalse(program.alive)

    def test_who_never_reads(self) -> None:
        program = self.run_python(SLEEP, stdin=True)
        self.assertTrue(program.feed("x" * (1 << 20)))
        program.end()
        self.assertFalse(program.alive)

    def test_a_daemon_is_found_by_its_mark(self) -> None:
        self.needs_proc()
        path = self.folder() / "daemon"
        program = self.run_python(f"PATH = {str(path)!r}" + DAEMON)
        self.assertTrue(program.ended(PATIENCE))
        ip, port = program.listen("tcp", None, PATIENCE)
        pid, printed = map(int, path.read_text().split())
        self.assertEqual((ip, port), ("127.0.0.1", printed))
        self.assertEqual(program.pids, [pid])
        program.end()
        self.assertFalse(lives(pid))

    def test_who_forks_and_ends_all_the_time(self) -> None:
        self.needs_proc()
        program = self.run_python(RUNNING_AWAY)
        self.says(program, "runs")
        program.end()
        self.assertEqual(program._members(), [])
        self.assertEqual(kernel.marked(f"{programs.MARK}={program._mark}"), [])

    def test_a_checker_that_is_killed_takes_it_along(self) -> None:
        code = (
            "import sys, time\nfrom netlab.check.programs import Program\n"
            f"with Program([sys.executable, '-c', {STUBBORN!r}]) as program:\n"
            f"    program.stdout.wait_for('deaf', {PATIENCE}); print(*program.pids); time.sleep(600)"
        )
        checker = Program([sys.executable, "-c", code], folder=ROOT).__enter__()
        self.addCleanup(checker.end)
        (pid,) = self.numbers(checker, 1)
        self.assertTrue(lives(pid))
        os.kill(checker.pids[0], signal.SIGKILL)
        until(lambda: not lives(pid), "it is killed")

    def test_two_programs_do_not_touch_each_other(self) -> None:
        one, two = self.run_python(SLEEP), self.run_python(SLEEP)
        one.end()
        self.assertTrue(two.alive)

    def test_nothing_of_ours_is_left(self) -> None:
        self.needs_proc()
        ours = [os.getpid()]

        def cycle() -> None:
            with Program([sys.executable, "-c", "print('x')\n" + SLEEP], stdin=True) as program:
                self.says(program, "x")

        before = kernel.descriptors(ours)
        for _ in range(5):
            cycle()
        until(lambda: kernel.descriptors(ours) == before, "all pipes are closed")


class Resting(ProgramTestCase):
    def test_asleep_at_work_and_ended(self) -> None:
        self.needs_proc()
        program = self.run_python("input()\nwhile True: pass", stdin=True)
        until(lambda: program.resting() is True, "it waits for a line")
        program.feed("\n")
        until(lambda: program.resting() is False, "it is at work")
        program.end()
        self.assertIs(program.resting(), True)

    def test_a_child_s_work_is_its_own(self) -> None:
        self.needs_proc()
        program = self.run_python("import os\nos.fork() or exec('while True: pass')\n" + SLEEP)
        until(lambda: program.resting() is False, "its child is at work")

    def test_who_polls_is_at_rest(self) -> None:
        self.needs_proc()
        program = self.run_python("import time\nprint('polls')\nwhile True: time.sleep(0.002)")
        self.says(program, "polls")
        until(lambda: program.resting() is True, "it hardly does anything")

    def test_work_between_two_looks_is_seen(self) -> None:
        self.needs_proc()
        program = self.run_python("while True: pass")
        until(lambda: (kernel.cpu_time(program.pids) or 0) > 0.1, "it is at work")
        self.patch(kernel, "at_work", lambda pids: False)  # as if it slept whenever it is looked at
        until(lambda: program.resting() is False, "it used the processor")

    def test_what_cannot_be_known_is_not_said(self) -> None:
        program = self.run_python(SLEEP)
        self.patch(kernel, "at_work", lambda pids: None)
        self.patch(kernel, "cpu_time", lambda pids: None)
        self.assertIsNone(program.resting())
        program.end()
        self.assertIs(program.resting(), True)


def listening_at(ip: str, family: str = "AF_INET", more: str = "") -> str:
    """A server's code; it prints its port."""
    return (
        f"import socket, time\ns = socket.socket(socket.{family})\n{more}\ns.bind(({ip!r}, 0)); s.listen()\n"
        "print(s.getsockname()[1])\ntime.sleep(600)"
    )


class Listen(ProgramTestCase):
    def setUp(self) -> None:
        self.needs_proc()
        self.patch(programs, "AT_ONCE", PATIENCE)

    def check(self, code: str, ip: str = "127.0.0.1", transport: str = "tcp") -> Program:
        program = self.run_python(code)
        found = program.listen(transport, None, PATIENCE)
        self.assertEqual(found, (ip, self.numbers(program, 1)[0]))
        if transport == "tcp":
            socket.create_connection(found, PATIENCE).close()
        return program

    def refused(
        self, program: Program, transport: str = "tcp", port: int | None = None, seconds: float = PATIENCE
    ) -> str:
        with self.assertRaises(NotListening) as caught:
            program.listen(transport, port, seconds)
        self.assertNotIn("\n", str(caught.exception))
        return str(caught.exception)

    def free_port(self) -> int:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port: int = server.getsockname()[1]
            return port

    def test_every_address(self) -> None:
        self.check(listening_at("127.0.0.1"))
        self.check(listening_at("0.0.0.0"))
        self.check(listening_at("127.0.0.5"), "127.0.0.5")

    def test_ipv6(self) -> None:
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            raise SkipTest("no IPv6 here") from None
        self.check(listening_at("::1", "AF_INET6"), "::1")
        only = "s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, %d)"
        self.check(listening_at("::", "AF_INET6", only % 1), "::1")
        self.check(listening_at("::", "AF_INET6", only % 0), "127.0.0.1")
        again = "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1);"
        self.check(listening_at("::", "AF_INET6", again + only % 0), "127.0.0.1")

    def test_udp(self) -> None:
        self.check(BIND_UDP + "print(s.getsockname()[1])\n" + SLEEP, transport="udp")
        six = "import socket\ns = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
        six += "s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0); s.bind(('::', 0))\n"
        self.check(six + "print(s.getsockname()[1])\n" + SLEEP, transport="udp")

    def test_to_look_is_not_to_connect(self) -> None:
        code = listening_at("::", "AF_INET6").replace("time.sleep(600)", "print(s.accept())")
        try:
            program = self.check(code, "127.0.0.1")
        except OSError:
            raise SkipTest("no IPv6 here") from None
        self.says(program, "socket.socket")
        # One connection came, the test's own: a probe's would have been the first.
        self.assertNotIn("('::1'", program.stdout.text)

    def test_a_child_that_listens(self) -> None:
        self.check("import os\nos.fork() and os._exit(0)\n" + listening_at("127.0.0.1"))
        self.check("import os, time\nos.fork() and time.sleep(600)\n" + listening_at("127.0.0.1"))

    def test_a_child_in_a_session_of_its_own(self) -> None:
        self.check(
            "import os, time\nos.fork() and time.sleep(600)\nos.setsid()\n" + listening_at("127.0.0.1")
        )

    def test_which_of_several_ports(self) -> None:
        def preferred(*ports: int, port: int | None = None) -> int | None:
            found = programs._preferred([("127.0.0.1", each) for each in ports], port)
            return found and found[1]

        self.assertEqual(preferred(4000, 5005, 80), 5005)
        self.assertEqual(preferred(9000, 80, 4000, 1023, 1024), 1024)
        self.assertEqual(preferred(443, 80), 80)
        self.assertEqual(preferred(4000, 9000, port=9000), 9000)
        self.assertEqual(preferred(4000, 5005, port=9000), None)
        self.assertEqual(preferred(), None)

    def test_a_port_that_is_wanted(self) -> None:
        code = "import socket, time\na, b = (socket.create_server(('127.0.0.1', 0)) for _ in 'ab')\n"
        code += "print(a.getsockname()[1]); print(b.getsockname()[1])\ntime.sleep(600)"
        program = self.run_python(code)
        for port in self.numbers(program, 2):
            self.assertEqual(program.listen("tcp", port, PATIENCE), ("127.0.0.1", port))
        why = self.refused(program, port=self.free_port(), seconds=SECONDS)
        lowest = min(self.numbers(program, 2))
        self.assertRegex(
            why, rf"not listen for TCP on port \d+ within 1 s; it listens on TCP port {lowest}: give that one"
        )

    def test_who_takes_long_to_begin_gets_the_time(self) -> None:
        self.patch(programs, "BUSY", 1000)
        busy = "import time\nwhile time.process_time() < 1: pass\n"
        program = self.run_python(busy + listening_at("127.0.0.1"))
        self.assertEqual(program.listen("tcp", None, 0.5)[0], "127.0.0.1")

    def test_work_has_an_end_too(self) -> None:
        program = self.run_python("print('spins')\nwhile True: pass")
        self.says(program, "spins")
        with self.assertRaises(NotListening) as caught:
            program.listen("tcp", None, 0.1)
        self.assertIn("within 0.1 s, and is still at work", str(caught.exception))

    def test_who_does_nothing(self) -> None:
        silent = "it does not listen for TCP within 1 s"
        self.assertEqual(self.refused(self.run_python(SLEEP), seconds=SECONDS), silent)
        program = self.run_python("input('Port: ')", stdin=True)
        self.says(program, "Port:")
        self.assertEqual(self.refused(program, seconds=SECONDS), silent + "; the last that it wrote: Port:")

    def test_the_other_transport(self) -> None:
        program = self.run_python(BIND_UDP + "print(s.getsockname()[1])\n" + SLEEP)
        (port,) = self.numbers(program, 1)
        why = self.refused(program, seconds=SECONDS)
        self.assertTrue(why.endswith(f" TCP within 1 s; it listens on UDP port {port}: check udp?"), why)
        program = self.run_python(listening_at("127.0.0.1"))
        (port,) = self.numbers(program, 1)
        why = self.refused(program, "udp", seconds=SECONDS)
        self.assertTrue(why.endswith(f" UDP within 1 s; it listens on TCP port {port}: check tcp?"), why)

    def test_who_ends(self) -> None:
        self.assertEqual(
            self.refused(self.run_python("")), "it ended at once with status 0: it wrote nothing"
        )
        program = self.run_python("import sys; print('usage: server.py PORT'); sys.exit(2)")
        self.assertEqual(self.refused(program), "it ended at once with status 2: usage: server.py PORT")
        program = self.run_python("import struct; print('begins'); struct.unpack('!B', b'')")
        self.assertEqual(
            self.refused(program),
            "it ended at once with status 1: struct.error: unpack requires a buffer of 1 bytes",
        )
        program = self.run_python("import os; os.abort()")
        self.assertEqual(self.refused(program), "it ended at once by SIGABRT: it wrote nothing")
        self.patch(programs, "AT_ONCE", 0)
        self.assertEqual(self.refused(self.run_python("")), "it ended with status 0: it wrote nothing")
        program = self.run_python("print('\\x1b[2J' + 1000 * 'x')")
        why = self.refused(program)
        self.assertIn(r"with status 0: \x1b[2Jxxx", why)
        self.assertLess(len(why), 300)

    def test_a_port_that_another_program_has(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            code = f"import socket; socket.create_server(('127.0.0.1', {port}))"
            why = self.refused(self.run_python(code), port=port)
        self.assertRegex(
            why,
            r"^it ended at once with status 1: OSError: \[Errno \d+\] Address already in use.*"
            rf": another program has port {port}, end it first$",
        )

    def test_a_port_where_connections_rest(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            where = server.getsockname()
            client = socket.create_connection(where)
            accepted = server.accept()[0]
            accepted.shutdown(socket.SHUT_WR)  # who closes first keeps the port for a minute
            client.recv(1)
            client.close()
            accepted.recv(1)
            accepted.close()
        code = f"import socket; s = socket.socket(); s.bind({where!r}); s.listen(); print('bound')\n"
        why = self.refused(self.run_python(code), port=where[1])
        self.assertIn("former connections still rest there, set SO_REUSEADDR before bind", why)

    def test_a_port_of_udp_s(self) -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 0))
            port = server.getsockname()[1]
            code = f"import socket\ntry: socket.socket(type=socket.SOCK_DGRAM).bind(('127.0.0.1', {port}))\n"
            program = self.run_python(code + "except OSError as error: print(error)")
            self.assertIn(
                f": another program has port {port}, end it first", self.refused(program, "udp", port)
            )


class ListenUntold(ProgramTestCase):
    """Where the system does not tell what listens."""

    def setUp(self) -> None:
        self.patch(proc, "known", lambda: False)
        self.patch(programs, "SETTLED", 0.2)

    def test_tcp(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        code = f"import socket, time; time.sleep(0.3); s = socket.create_server(('127.0.0.1', {port}))\n"
        program = self.run_python(code + SLEEP)
        self.assertEqual(program.listen("tcp", port, PATIENCE), ("127.0.0.1", port))
        self.assertEqual(len(program.pids), 1)
        program.end()
        self.assertFalse(program.alive)
        self.assertEqual(program.pids, [])

    def test_nobody_answers(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        program = self.run_python(SLEEP)
        with self.assertRaises(NotListening) as caught:
            program.listen("tcp", port, 0.2)
        self.assertEqual(str(caught.exception), f"nothing listens on TCP port {port} within 0.2 s")

    def test_another_program_answers(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            self.patch(programs, "SETTLED", PATIENCE)
            program = self.run_python(f"import socket; socket.create_server(('127.0.0.1', {port}))")
            with self.assertRaises(NotListening) as caught:
                program.listen("tcp", port, PATIENCE)
        self.assertIn("Address already in use", str(caught.exception))

    def test_udp(self) -> None:
        program = self.run_python(BIND_UDP + "print('ready')\n" + SLEEP)
        self.assertEqual(program.listen("udp", None, PATIENCE), ("127.0.0.1", 5005))
        self.assertEqual(program.listen("udp", 6000, PATIENCE), ("127.0.0.1", 6000))

    def test_udp_that_ends(self) -> None:
        self.patch(programs, "SETTLED", PATIENCE)
        program = self.run_python("raise OSError('no')")
        with self.assertRaises(NotListening) as caught:
            program.listen("udp", None, PATIENCE)
        self.assertIn("with status 1: OSError: no", str(caught.exception))

    def test_at_rest_is_not_known(self) -> None:
        self.patch(kernel, "at_work", lambda pids: None)
        self.patch(kernel, "cpu_time", lambda pids: None)
        program = self.run_python(SLEEP)
        self.assertIsNone(program.resting())


THREADS = """
import socket, struct, threading
server = socket.create_server(('127.0.0.1', 0))
def serve(connection):
    print(struct.unpack('!BLL', connection.recv(9)))
while True:
    threading.Thread(target=serve, args=(server.accept()[0],)).start()
"""


class Errors(ProgramTestCase):
    def test_of_a_thread_since_a_mark(self) -> None:
        self.needs_proc()
        program = self.run_python(THREADS)
        where = program.listen("tcp", None, PATIENCE)
        self.assertIsNone(program.last_error())
        with socket.create_connection(where) as client:
            client.sendall(b"12345")
            until(lambda: bool(program.errors()), "its thread fails")
        first = "struct.error: unpack requires a buffer of 9 bytes"
        self.assertEqual(program.errors(), [first])
        mark = program.stderr.mark()
        self.assertIsNone(program.last_error(mark))
        reset(socket.create_connection(where))
        until(lambda: bool(program.errors(mark)), "its thread fails again")
        self.assertEqual(len(program.errors()), 2)
        self.assertEqual(program.last_error(mark), program.errors()[-1])
        self.assertTrue(program.alive)


class Deadlines(ProgramTestCase):
    def test_an_end_is_waited_for_no_longer_than_asked(self) -> None:
        program = self.run_python(SLEEP)
        begun = time.monotonic()
        self.assertFalse(program.ended(0.2))
        self.assertGreaterEqual(time.monotonic() - begun, 0.2)
