"""`netlab load --compare`: servers and commands in turns, side by side."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from netlab import proc
from netlab.load import program as programs
from netlab.load.program import Program, free_port
from netlab.load.targets import CannotLoad, is_here, named, place, target
from tests.load.loading import FEW, NETLAB, load, plain
from tests.support import PATIENCE, PLAIN, ROOT, until
from tests.support import Program as Started

THREADS = f"{sys.executable} {PLAIN / 'server_tcp.py'} --port 0"
SELECTOR = f"{sys.executable} {PLAIN / 'server_tcpsel.py'} --port {{port}}"

TELLS_ITS_NUMBER = """
import os, runpy, sys
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()}\\n")
sys.argv[1:] = ["--port", "0"]
runpy.run_path(%r, run_name="__main__")
"""


class Rounds(SynchronousTestCase):
    def test_two_targets(self) -> None:
        with plain("server_tcp") as threads, plain("server_tcpsel") as selector:
            done = load(
                "tcp", "--compare", f"threads={threads}", f"selector={selector}", "--rounds", "2", *FEW
            )
        self.assertEqual((done.status, done.wrong), (0, {}), done.output + done.errors)
        first, second = done.report["targets"]
        self.assertEqual((first["name"], first["address"]), ("threads", threads))
        self.assertEqual((second["name"], second["address"]), ("selector", selector))
        self.assertEqual([len(each["rounds"]) for each in (first, second)], [2, 2])
        for each in done.rounds:
            self.assertGreater(each["answered"], 4)
        rates = [each["messages_per_second"] for each in first["rounds"]]
        self.assertAlmostEqual(first["median"]["messages_per_second"], sum(rates) / 2)
        self.assertRegex(done.output, r"(?m)^threads +[\d,]+ +1\.00 ")
        self.assertRegex(done.output, r"(?m)^selector +[\d,]+ +\d+\.\d\d ")
        self.assertIn("Messages a second: more is better\n  threads   ", done.output)

    def test_two_commands_that_are_started_for_each_round_and_ended(self) -> None:
        with TemporaryDirectory() as folder:
            pids = Path(folder, "pids")
            script = Path(folder, "own.py")
            script.write_text(TELLS_ITS_NUMBER % str(PLAIN / "server_tcp.py"))
            own = f"own={sys.executable} {script} {pids}"
            done = load("tcp", "--compare", own, SELECTOR, "--rounds", "2", *FEW)
            started = [int(line) for line in pids.read_text().split()]
        self.assertEqual((done.status, done.wrong), (0, {}), done.output + done.errors)
        self.assertEqual(done.report["targets"][0]["name"], "own")
        self.assertEqual(len(set(started)), 2)
        for pid in started:
            self.assertRaises(ProcessLookupError, os.kill, pid, 0)
        if sys.platform == "linux":
            self.assertTrue(all(each["server_cpu"] is not None for each in done.rounds))

    def test_a_command_of_netlabs(self) -> None:
        twistd = f"{sys.executable} -m twisted -n netlab-udp --echo --quiet --port 0"
        twistd = twistd.replace("-m twisted", "-c 'from twisted.scripts.twistd import run; run()'")
        twistd = twistd.replace("-n netlab", "-n --pidfile= netlab")
        with plain("server_udp", "--echo") as where:
            done = load("udp", "--echo", "--compare", twistd, where, "--rounds", "1", *FEW)
        self.assertEqual((done.status, done.wrong), (0, {}), done.output + done.errors)

    def test_every_other_round_is_in_the_reverse_order(self) -> None:
        with TemporaryDirectory() as folder:
            order = Path(folder, "order")
            script = Path(folder, "own.py")
            text = TELLS_ITS_NUMBER.replace('f"{os.getpid()}\\n"', "sys.argv[2]")
            self.assertNotEqual(text, TELLS_ITS_NUMBER)
            script.write_text(text % str(PLAIN / "server_tcp.py"))
            both = [f"{name}={sys.executable} {script} {order} {name}" for name in "ab"]
            load("tcp", "--compare", *both, "--rounds", "3", "--duration", "0.1", "--connections", "1")
            self.assertEqual(order.read_text(), "abbaab")

    def test_one_that_ends_at_once(self) -> None:
        broken = f"{sys.executable} -c \"raise SystemExit('no port for me')\""
        done = load("tcp", "--compare", broken, SELECTOR, *FEW)
        self.assertEqual((done.status, done.output), (3, ""))
        self.assertIn("has ended: status 1; no port for me", done.errors)

    def test_one_that_ends_under_load(self) -> None:
        fragile = (
            "import socket; s = socket.create_server(('127.0.0.1', 0), backlog=64); c, _ = s.accept(); "
            "c.recv(9); raise SystemExit('too much')"
        )
        done = load(
            "tcp", "--compare", f'fragile={sys.executable} -c "{fragile}"', SELECTOR, "--rounds", "1", *FEW
        )
        self.assertEqual(done.status, 1, done.output + done.errors)
        self.assertGreater(done.wrong["no-answer"], 0)
        self.assertIn("too much", done.said)

    def test_one_that_is_no_command(self) -> None:
        for command, said in (
            ("no-such-command-of-ours x", "is no command"),
            (str(PLAIN / "server_tcp.py"), "it is no program"),
        ):
            done = load("tcp", "--compare", command, SELECTOR, *FEW)
            self.assertEqual(done.status, 3)
            self.assertIn(said, done.errors)

    def test_ctrl_c_ends_the_program_too_and_shows_what_was_measured(self) -> None:
        if sys.platform != "linux":
            raise SkipTest("needs /proc")
        with TemporaryDirectory() as folder:
            pids = Path(folder, "pids")
            script = Path(folder, "own.py")
            script.write_text(TELLS_ITS_NUMBER % str(PLAIN / "server_tcp.py"))
            own = f"own={sys.executable} {script} {pids}"
            command = (*NETLAB, "tcp", "--compare", own, SELECTOR, "--duration", "60")
            with Started(*command, env={"PYTHONPATH": str(ROOT)}) as started:
                until(lambda: pids.exists() and bool(pids.read_text()), "the program was not started")
                time.sleep(0.5)
                self.assertEqual(started.signalled(signal.SIGINT), 130)
            self.assertRaises(ProcessLookupError, os.kill, int(pids.read_text()), 0)
        self.assertNotIn("Traceback", started.output)


class Programs(SynchronousTestCase):
    def test_a_placeholder_becomes_a_port_that_is_free(self) -> None:
        command = (sys.executable, str(PLAIN / "server_tcpsel.py"), "--host", "127.0.0.1", "--port", "{port}")
        with Program(command, "tcp") as program:
            self.assertEqual(program.place[0], "127.0.0.1")
            socket.create_connection(program.place, PATIENCE).close()

    def test_what_it_prints_is_bounded(self) -> None:
        prints = (
            "import socket; s = socket.create_server(('127.0.0.1', 0))\n"
            "for _ in range(100): print('x' * 1000, flush=True)\n"
            "s.accept()\n"
            "print('after', flush=True)\n"
            "s.accept()"
        )
        self.patch(programs, "MAX_OUTPUT", 10_000)
        with Program((sys.executable, "-c", prints), "tcp") as program:
            path = program._path
            until(lambda: path.stat().st_size >= 100_000, "it does not print")
            program.tidy()
            self.assertEqual(path.stat().st_size, 0)
            socket.create_connection(program.place, PATIENCE).close()
            until(lambda: path.stat().st_size > 0, "it does not go on")
            self.assertEqual(path.read_bytes().strip(), b"after")
        self.assertFalse(path.exists())

    def test_where_the_system_does_not_tell(self) -> None:
        self.patch(proc, "known", lambda: False)
        command = (sys.executable, "-u", str(PLAIN / "server_tcp.py"), "--host", "127.0.0.1", "--port", "0")
        with Program(command, "tcp") as program:
            socket.create_connection(program.place, PATIENCE).close()

    def test_a_free_port_is_nobodys(self) -> None:
        with socket.socket() as ours:
            ours.bind(("127.0.0.1", free_port("tcp")))


class Targets(SynchronousTestCase):
    def test_what_is_written(self) -> None:
        for written, name, where, command in (
            ("127.0.0.1:5005", "", ("127.0.0.1", 5005), ()),
            (":5005", "", ("127.0.0.1", 5005), ()),
            ("[::1]:5005", "", ("::1", 5005), ()),
            ("mine=localhost:1", "mine", ("localhost", 1), ()),
            ("python3 s.py --port=1", "", None, ("python3", "s.py", "--port=1")),
            ("a-b=python3 's 1.py'", "a-b", None, ("python3", "s 1.py")),
        ):
            found = target(written)
            self.assertEqual((found.name, found.place, found.command), (name, where, command))

    def test_what_is_none(self) -> None:
        for written, said in (
            ("5005", "say 127.0.0.1:5005"),
            ("localhost:70000", "a port is a number from 1 to 65535"),
            ("python3 's.py", "the quotes do not match"),
            (" ", "an empty target"),
        ):
            with self.assertRaises(CannotLoad) as caught:
                target(written)
            self.assertIn(said, str(caught.exception))
            self.assertEqual(caught.exception.status, 2)
        self.assertRaises(CannotLoad, place, "python3 s.py")

    def test_names(self) -> None:
        for written, names in (
            (("python3 a/one.py --port 0", "python3 b/two.py --port 0"), ["one.py", "two.py"]),
            (("x=1.2.3.4:5", "1.2.3.4:5"), ["x", "1.2.3.4:5"]),
            (("python3 s.py", "python3 s.py"), ["1: python3 s.py", "2: python3 s.py"]),
            (("python3 s.py", "python3 s.py --fast"), ["python3 s.py", "--fast"]),
            (("127.0.0.1:1",), ["127.0.0.1:1"]),
        ):
            self.assertEqual(named([target(each) for each in written]), names)
        (long,) = named([target("python3 " + "x" * 99)])
        self.assertLessEqual(len(long), 28)

    def test_what_is_on_this_machine(self) -> None:
        for family, host, here in (
            (socket.AF_INET, "127.0.0.1", True),
            (socket.AF_INET, "127.1.2.3", True),
            (socket.AF_INET, "0.0.0.0", True),
            (socket.AF_INET6, "::1", True),
            (socket.AF_INET, "192.0.2.1", False),
            (socket.AF_INET, "224.0.0.1", False),
            (socket.AF_INET6, "2001:db8::1", False),
            (socket.AF_INET6, "ff02::1", False),
        ):
            self.assertEqual(is_here(family, (host, 5005)), here, host)
