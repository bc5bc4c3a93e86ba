"""`netlab xray` as a command: what it watches, how it ends, what it says, on a terminal and elsewhere."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from argparse import Namespace
from pathlib import Path

import pyte

from netlab.explain.xray import run
from tests.explain.xray.watched import PYTHON, XRAY, XrayTestCase, lives, waits_for
from tests.observers.terminals import Terminal
from tests.support import PATIENCE, PLAIN, Program, plain, until

SERVER = (PYTHON, str(PLAIN / "server_tcpsel.py"), "--port", "0")
THREADS = (PYTHON, str(PLAIN / "server_tcp.py"), "--port", "0")

WITHOUT_RIGHT = ("setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace")
"""How root runs something without the right to look into processes that may do more than it may itself."""

STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
os.write(1, b"up %d\\n" % os.getpid())
time.sleep(600)
"""
"""Two processes, in two sessions, that SIGTERM does not end."""

TALKATIVE = """
import sys, time
for number in range(100):
    print("line", number, "\\x1b[31m")
sys.stdout.write("no end of line")
sys.stdout.flush()
time.sleep(float(sys.argv[1]))
raise SystemExit("such is life")
"""


CROWD = """
import threading, time
for _ in range(40):
    threading.Thread(target=time.sleep, args=(600,)).start()
print("all")
"""


class Ends(XrayTestCase):
    def check(self, status: int, *arguments: str, says: str = "") -> Program:
        """Its exit status, and a line that it writes."""
        program = self.run_xray(*arguments)
        self.assertEqual(program.ended(), status, program.output)
        if says:
            program.wait_for(says)
        return program

    def test_with_the_program_s_status(self) -> None:
        self.check(7, "--", "sh", "-c", "exit 7", says="sh has ended, with status 7")
        self.check(0, "--", "sh", "-c", "exit 0")
        self.check(137, "--", "sh", "-c", "kill -KILL $$")

    def test_once_and_the_program_had_ended(self) -> None:
        self.check(1, "--once", "--", "true", says="true has ended, with status 0")
        self.check(3, "--once", "--", "sh", "-c", "exit 3")

    def test_what_cannot_be_run(self) -> None:
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        path = Path(folder, "server.py")
        path.write_text("import this\n")
        self.check(127, "--", "no-such-command", says="there is no command 'no-such-command'")
        self.check(126, "--", str(path), says=r"cannot be run: it is no program; python3 .*server\.py\?")
        path.chmod(0o755)
        self.check(126, "--", str(path), says=r"cannot be run: Exec format error; python3 .*server\.py\?")
        self.check(126, "--", folder, says="cannot be run")

    def test_what_is_no_command_line(self) -> None:
        self.check(2, says="give the number of a process, or a program")
        self.check(2, "--", says="give the number of a process, or a program")
        self.check(2, "5", "--", "true", says="give the number of a process, or a program")
        self.check(2, "python3", "server.py", says="a program stands behind --")
        self.check(2, "5", "server.py", says="a program stands behind --")
        self.check(2, "--once", "--interval", "1", "--", "true", says="not allowed with")
        self.check(2, "--until-clients", "0", "--", "true", says="'0' is no number of clients")
        self.check(2, "--interval", "nan", "--", "true", says="seconds are a number from 0 to")

    def test_no_such_process(self) -> None:
        self.check(1, str(1 << 30), says="there is no process")

    def test_what_is_waited_for_does_not_come(self) -> None:
        program = self.check(1, "--once", "--timeout", "0", "--", "sleep", "600", says="no socket within 0 s")
        program.wait_for("main thread +blocked +sleep")
        self.check(1, "--until-clients", "1", "--timeout", "0.5", "--", *SERVER, says="0 of 1 clients")

    def test_ctrl_c_ends_both(self) -> None:
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            program = self.run_xray("--json", "--", *SERVER)
            program.wait_for("^{.*LISTEN")
            pid = json.loads(program.matches("^{")[-1].string)["processes"][0]["pid"]
            self.assertEqual(program.signalled(number), 0)
            self.assertFalse(lives(pid))

    def test_ctrl_c_before_the_one_picture(self) -> None:
        program = self.run_xray("--until-clients", "1", "--", *SERVER)
        program.wait_for("Listening")
        self.assertEqual(program.signalled(signal.SIGINT), 130)

    def test_who_does_not_end_is_killed(self) -> None:
        program = self.run_xray("--", PYTHON, "-c", STUBBORN)
        pids = [int(found[1]) for found in program.wait_for(r"^up (\d+)", 2)]
        self.assertEqual(program.signalled(), 0)
        self.assertEqual([lives(pid) for pid in pids], [False, False])

    def test_when_it_is_killed_itself(self) -> None:
        program = self.run_xray("--json", "--", *SERVER)
        program.wait_for("^{.*LISTEN")
        pid = json.loads(program.matches("^{")[-1].string)["processes"][0]["pid"]
        program.signalled(signal.SIGKILL)
        until(lambda: not lives(pid), "the program ends, too")

    def test_who_reads_it_has_seen_enough(self) -> None:
        process = subprocess.Popen(
            [*XRAY, "--json", "--", *SERVER], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.addCleanup(process.wait, PATIENCE)
        self.addCleanup(process.kill)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual(process.wait(PATIENCE), 0)
        self.assertNotIn(b"Traceback", process.stderr.read())
        process.stderr.close()

    def test_another_system(self) -> None:
        said: list[str] = []
        self.patch(sys, "platform", "darwin")
        self.patch(run, "say", said.append)
        self.assertEqual(run.run(Namespace(program=["true"], pid=None)), 3)
        self.assertIn("this needs Linux", said[0])


class OnePicture(XrayTestCase):
    def test_when_it_listens(self) -> None:
        program = self.run_xray("--once", "--", *SERVER)
        self.assertEqual(program.ended(), 0)
        program.wait_for(r"^process \d+: .*server_tcpsel\.py")
        program.wait_for(r"^  thread +state +waits in +for what$")
        program.wait_for(r"^  main thread +blocked +epoll_wait +a selector \(fd \d+\), which watches$")
        program.wait_for(r"^ +fd \d+  READ  a new client at 0\.0\.0\.0:\d+$")

    def test_when_the_clients_are_there(self) -> None:
        program = self.run_xray("--until-clients", "2", "--", *THREADS)
        where = ("127.0.0.1", int(program.wait_for(r"Listening on \S+:(\d+)")[0][1]))
        with socket.create_connection(where), socket.create_connection(where):
            self.assertEqual(program.ended(), 0)
        program.wait_for(r"^  thread 2 +blocked +recv +bytes from 127\.0\.0\.1:\d+ \(fd \d+\)$")

    def test_of_a_process_that_runs_already(self) -> None:
        with plain("server_tcpsel", "--port", "0") as server:
            server.wait_for("Listening")
            program = self.run_xray("--once", "--json", str(server.process.pid))
            self.assertEqual(program.ended(), 0)
            seen = json.loads(program.lines[-1])
            self.assertEqual(seen["processes"][0]["pid"], server.process.pid)
            self.assertEqual(seen["processes"][0]["threads"][0]["call"], "epoll_wait")
            self.assertTrue(lives(server.process.pid))

    def test_of_a_shell_and_what_it_starts(self) -> None:
        program = self.run_xray("--once", "--json", "--", "sh", "-c", '"$@"; true', "sh", *SERVER)
        self.assertEqual(program.ended(), 0)
        shell, server = json.loads(program.wait_for("^{")[0].string)["processes"]
        self.assertEqual((shell["command"][0], server["command"]), ("sh", list(SERVER)))
        self.assertEqual(shell["threads"][0]["waits_for"], "process")

    def test_in_another_network_with_the_proc_of_another_namespace(self) -> None:
        alone = ("unshare", "--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child")
        if shutil.which("unshare") is None or subprocess.run([*alone, "true"], check=False).returncode:
            raise unittest.SkipTest("no namespace can be had here")
        with Program(*alone, *XRAY, "--once", "--json", "--", *SERVER) as program:
            self.assertEqual(program.ended(), 0, program.output)
            port = program.wait_for(r"Listening on \S+:(\d+)")[0][1]
            (found,) = program.wait_for("^{")
            self.assertIn(f'"local": "0.0.0.0:{port}"', found.string)


class WithoutRight(XrayTestCase):
    def test_of_another_s_process(self) -> None:
        """Root's, if we are not root; if we are, that of a root that may do more."""
        command = [*XRAY, "--once"]
        with plain("server_tcpsel", "--port", "0") as server:
            server.wait_for("Listening")
            if os.geteuid() != 0:
                if os.stat("/proc/1").st_uid != 0:
                    raise unittest.SkipTest("there is no process of root's here")
                command.append("1")
            elif shutil.which("setpriv"):
                command = [*WITHOUT_RIGHT, *command, str(server.process.pid)]
            else:
                raise unittest.SkipTest("there is no setpriv")
            done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual((done.returncode, done.stdout), (3, ""), done.stderr)
        self.assertRegex(
            done.stderr, r"no right to look into process \d+, which is root's: .*xray -- COMMAND"
        )

    def test_what_it_starts_needs_none(self) -> None:
        if shutil.which("setpriv") is None:
            raise unittest.SkipTest("there is no setpriv")
        nobody = ("setpriv", "--bounding-set=-all") if os.geteuid() == 0 else ()
        with Program(*nobody, *XRAY, "--once", "--", *SERVER) as program:
            self.assertEqual(program.ended(), 0, program.output)
            program.wait_for("epoll_wait")


class Written(XrayTestCase):
    def test_only_what_has_changed(self) -> None:
        server = self.watch_plain("server_tcpsel")
        server.wait_for(lambda seen: waits_for(seen, "epoll_wait") == ["selector"], "it waits")
        time.sleep(0.5)  # for some more looks
        client = server.connect()
        where = "{}:{}".format(*client.getsockname())
        server.wait_for(lambda seen: where in json.dumps(seen), "a client has come")
        for one, next in itertools.pairwise(server.pictures):
            self.assertNotEqual({**one, "time": ""}, {**next, "time": ""})

    def test_the_program_s_lines_go_to_standard_error(self) -> None:
        done = subprocess.run(
            [*XRAY, "--", PYTHON, "-c", TALKATIVE, "0.5"],
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        self.assertEqual(done.returncode, 1)
        self.assertIn("line 99", done.stderr)
        self.assertIn("such is life", done.stderr)
        self.assertNotIn("line 99", done.stdout)
        self.assertRegex(done.stdout, r"main thread +blocked +sleep")


class Redrawn(XrayTestCase):
    """On a terminal."""

    def draw(self, *arguments: str) -> Terminal:
        terminal = Terminal(*XRAY, "--interval", "0.05", *arguments, COLUMNS="80", LINES="24")
        self.addCleanup(terminal.close)
        return terminal

    def screen(self, terminal: Terminal) -> list[str]:
        """What is to be seen now."""
        screen = pyte.Screen(80, 24)
        pyte.Stream(screen).feed(terminal.output.replace("\n", "\r\n"))
        return [line.rstrip() for line in screen.display]

    def test_the_picture_and_the_program_s_last_lines(self) -> None:
        terminal = self.draw("--", *SERVER)
        terminal.wait_for(r"it prints[^\n]*\n  Listening on")
        until(lambda: any("epoll_wait" in line for line in self.screen(terminal)), "it is drawn")
        lines = self.screen(terminal)
        self.assertRegex(lines[0], r"^netlab xray  \d\d:\d\d:\d\d  Ctrl-C ends it, and the program$")
        self.assertRegex(lines[1], r"^process \d+: ")
        self.assertTrue(
            any(re.match(" +fd 3  READ  a new client at 0.0.0.0:", line) for line in lines), lines
        )
        terminal.process.send_signal(signal.SIGINT)
        self.assertEqual(terminal.ended(), 0)
        # What was seen last stays to be read, behind the sequences that give the terminal back.
        after = terminal.output.rpartition("\x1b[?1049l")[2]
        self.assertRegex(after, r"^process \d+: .*\n  thread +state ")
        self.assertIn("\x1b[?25h", terminal.output)

    def test_more_lines_than_there_is_room_for(self) -> None:
        terminal = self.draw("--", PYTHON, "-c", TALKATIVE, "600")
        until(lambda: self.screen(terminal)[-1].startswith("  no end of line"), "the last is the last")
        lines = self.screen(terminal)
        self.assertEqual(lines[-2], r"  line 99 \x1b[31m")
        self.assertTrue(lines[0].startswith("netlab xray"), lines)
        self.assertIn("it prints", lines)

    def test_more_threads_than_there_is_room_for(self) -> None:
        terminal = self.draw("--", PYTHON, "-c", CROWD)
        until(lambda: "for which this window is too low" in "\n".join(self.screen(terminal)), "it is cut")
        lines = self.screen(terminal)
        self.assertTrue(lines[0].startswith("netlab xray"), lines)
        until(lambda: self.screen(terminal)[-1] == "  all", "the program's line stays")

    def test_a_program_that_ends(self) -> None:
        terminal = self.draw("--", PYTHON, "-c", TALKATIVE, "0")
        self.assertEqual(terminal.ended(), 1)
        after = terminal.output.rpartition("\x1b[?1049l")[2]
        self.assertIn("line 99 \\x1b[31m\nno end of linesuch is life\n", after)
        self.assertTrue(after.endswith("has ended, with status 1\n"), after)
