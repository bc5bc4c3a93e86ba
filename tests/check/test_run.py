"""`netlab check` as it is called: what it says, what it writes, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from netlab.check import cases
from tests.check.judging import WRONG, Judgement, judge
from tests.support import IGNORING_HANGUP, PLAIN, Program, serving, until

RIGHT = (sys.executable, str(PLAIN / "server_tcpv3.py"), "--port", "0")
FEW = ("--only", "v3/message/1")


class Servers(SynchronousTestCase):
    def test_a_server_that_runs_already(self) -> None:
        with serving("netlab-tcpv3", "--echo") as server:
            done = judge("tcpv3", "--echo", "--only", "v3/message", f"127.0.0.1:{server.port}")
        self.assertEqual((done.status, done.failed), (0, set()), done.output)
        self.assertIn("has not started this server", done.output)
        self.assertIn("core 2 of 2", done.output)

    def test_all_of_a_server_that_runs_already(self) -> None:
        with serving("netlab-udp", "--echo") as server:
            done = judge("udp", "--echo", f"127.0.0.1:{server.port}")
        self.assertEqual((done.status, done.failed), (0, set()), done.why())

    def test_without_an_echo_and_not_started_little_can_be_seen_and_it_says_so(self) -> None:
        with serving("netlab-tcpv2") as server:
            done = judge("tcpv2", "--only", "v2/message", f"127.0.0.1:{server.port}")
        self.assertEqual({each["verdict"] for each in done.report["findings"]}, {"INFO"})
        self.assertIn("without --echo nothing comes back", done.output)
        self.assertEqual(done.status, 3)  # nothing was judged

    def test_nobody_listens(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            done = judge("tcpv3", "--echo", f"127.0.0.1:{unused.getsockname()[1]}")
        self.assertEqual(done.status, 3)
        self.assertIn("no connection could be made: Connection refused", done.output)

    def test_the_host_is_not_known(self) -> None:
        done = judge("tcp", "no.such.host.invalid:5005")
        self.assertEqual(done.status, 3)
        self.assertIn("no.such.host.invalid: no such host", done.output)
        self.assertNotIn("Traceback", done.errors)


class Programs(SynchronousTestCase):
    def test_a_right_one(self) -> None:
        done = judge("tcpv3", "--echo", "--only", "v3/split", "--", *RIGHT, "--echo")
        self.assertEqual((done.status, done.failed), (0, set()), done.why())

    def test_one_that_only_prints_is_judged_by_what_it_prints(self) -> None:
        done = judge("tcpv3", "--only", "v3/split", "--", *RIGHT)
        self.assertEqual((done.status, done.failed), (0, set()), done.why())
        self.assertEqual({each["verdict"] for each in done.report["findings"]}, {"OK"})

    def test_a_wrong_one_is_shown_and_named_and_can_be_run_again(self) -> None:
        server = str(WRONG / "server_tcpv3_one_recv.py")
        done = judge("tcpv3", "--echo", "--only", "v3/split/2", "--", sys.executable, server, "0")
        self.assertEqual((done.status, done.failed), (1, {"v3/split/2"}))
        for said in (
            "required  A frame may be cut into two segments at any place.",
            "struct.error: unpack requires a buffer of 9 bytes",
            "DIAGNOSIS  one recv() is taken for one frame (one-recv)",
            f"netlab check tcpv3 --echo --only v3/split/2 -- {sys.executable} {server} 0",
        ):
            self.assertIn(said, done.output)

    def test_robust_failures_do_not_count(self) -> None:
        server = str(WRONG / "server_tcpv3_no_limit.py")
        done = judge("tcpv3", "--echo", *FEW, "--only", "v3/limit/1", "--", sys.executable, server, "0")
        self.assertEqual((done.status, done.failed), (0, {"v3/limit/1"}))
        self.assertIn("core 1 of 1; robust 0 of 1; PASS", done.output)

    def test_the_same_program_all_along(self) -> None:
        done = judge("tcpv3", "--echo", "--keep", "--only", "v3/message", "--", *RIGHT, "--echo")
        self.assertEqual(done.failed, set(), done.why())

    def test_one_that_ends_at_once(self) -> None:
        done = judge("tcp", "--", sys.executable, "-c", "raise ValueError('no port')")
        self.assertEqual(done.status, 3)
        self.assertIn("it ended at once with status 1: ValueError: no port", done.output)

    def test_one_that_is_not_there(self) -> None:
        done = judge("tcp", "--", "no-such-program")
        self.assertEqual(done.status, 3)
        self.assertIn("there is no command 'no-such-program'", done.output)

    def test_one_that_listens_with_the_other_transport(self) -> None:
        server = (sys.executable, str(PLAIN / "server_udp.py"), "--port", "0")
        done = judge("tcp", "--patience", "0.3", "--", *server)
        self.assertEqual(done.status, 3)
        self.assertIn("check udp", done.output)

    def test_one_that_is_slow_and_right_is_not_told_to_lose_anything(self) -> None:
        path = Path(self.mktemp()).resolve()
        plain = (PLAIN / "server_tcpv3.py").read_text("utf-8")
        answer = "        conn.sendall(header + payload)\n"
        self.assertIn(answer, plain)
        path.write_text(plain.replace(answer, "        time.sleep(0.05)\n" + answer), "utf-8")
        server = (sys.executable, str(path), "--port", "0", "--echo")
        done = judge("tcpv3", "--echo", "--patience", "0.1", "--only", "v3/late", "--", *server)
        self.assertEqual((done.failed, done.diagnoses), ({"v3/late/1"}, set()), done.why())
        self.assertEqual(done.report["findings"][0]["verdict"], "TIMEOUT")

    def test_sigterm_ends_the_program_too(self) -> None:
        self.ends_the_program(signal.SIGTERM)

    def test_sighup_ends_the_program_too(self) -> None:
        self.ends_the_program(signal.SIGHUP)

    def test_sighup_that_is_ignored_ends_nothing(self) -> None:
        checking = (sys.executable, "-m", "netlab", "check", "tcpv3", "--echo", "--only", "v3/split")
        with Program(*IGNORING_HANGUP, *checking, "--verbose", "--", *RIGHT, "--echo") as check:
            check.wait_for("v3/split/")
            check.process.send_signal(signal.SIGHUP)
            self.assertEqual(check.ended(), 0, check.output)

    def ends_the_program(self, number: int) -> None:
        checking = (sys.executable, "-m", "netlab", "check", "tcpv3", "--echo", "--verbose")
        with Program(*checking, "--", *RIGHT, "--echo") as check:
            children: list[int] = []

            def started() -> bool:
                children[:] = descendants(check.process.pid)
                return bool(children)

            until(started, "the program runs")
            check.process.send_signal(number)
            self.assertEqual(check.ended(), 128 + number, check.output)
            until(lambda: not any(map(alive, children)), "the program has ended, too")


class Clients(SynchronousTestCase):
    def judged(self, client: str, *options: str, layout: str = "guide") -> Judgement:
        words = (sys.executable, client, "--port", "{port}", *options)
        only = ("--only", "client-v3/message", "--only", "client-v3/split/1")
        return judge("tcpv3", "--echo", "--layout", layout, *only, "--", *words, command="check-client")

    def test_a_right_one(self) -> None:
        done = self.judged(str(PLAIN / "client_tcpv3.py"), "--echo")
        self.assertEqual((done.status, done.failed, done.diagnoses), (0, set(), set()), done.why())
        self.assertIn("core 4 of 4", done.output)

    def test_one_in_the_other_layout(self) -> None:
        plain = str(PLAIN / "client_tcpv3.py")
        done = self.judged(plain, "--echo", "--layout", "scripts", layout="scripts")
        self.assertEqual((done.status, done.failed), (0, set()), done.why())
        done = self.judged(plain, "--echo", "--layout", "scripts")
        self.assertEqual((done.status, done.diagnoses), (1, {"fields-swapped"}), done.why())

    def test_a_wrong_one_is_shown_and_named_and_can_be_run_again(self) -> None:
        client = str(WRONG / "client_tcpv3_size_counts_header.py")
        words = ("--only", "client-v3/message/1", "--", sys.executable, client, "{port}")
        done = judge("tcpv3", "--echo", *words, command="check-client")
        self.assertEqual((done.status, done.failed), (1, {"client-v3/message/1"}), done.why())
        self.assertIn("DIAGNOSIS  size counts the header, too (size-counts-header)", done.output)
        again = f"netlab check-client tcpv3 --echo --only client-v3/message/1 -- {sys.executable} {client}"
        self.assertIn(again, done.output)

    def test_one_that_wants_arguments(self) -> None:
        path = Path(self.mktemp()).resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        for code in ("import sys; sys.argv[1]", "import sys; sys.exit('Usage: client HOST PORT')"):
            path.write_text(code, "utf-8")
            done = judge("tcpv3", "--", sys.executable, str(path), command="check-client")
            self.assertEqual(done.status, 3, done.output)
            self.assertIn("it may want arguments", done.report["trouble"])
            self.assertIn("127.0.0.1 {port}`", done.report["trouble"])
            done = judge("tcpv3", "--", sys.executable, str(path), "{port}", "more", command="check-client")
            self.assertNotIn("it may want arguments", done.report["trouble"])

    def test_one_that_is_not_there(self) -> None:
        done = judge("tcpv3", "--", "no-such-program", command="check-client")
        self.assertEqual(done.status, 3)
        self.assertIn("there is no command 'no-such-program'", done.output)


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those they have."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parent = int(entry.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
            if parent == pid:
                found += [int(entry.name), *descendants(int(entry.name))]
    return found


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False  # it has gone meanwhile


class CommandLine(SynchronousTestCase):
    def says(self, status: int, what: str, *arguments: str, command: str = "check") -> None:
        done = judge(*arguments, command=command)
        self.assertEqual(done.status, status, done.output + done.errors)
        self.assertIn(what, done.output + done.errors)
        self.assertNotIn("Traceback", done.errors)

    def test_mistakes_are_told_in_a_line(self) -> None:
        self.says(2, "say what is to be checked", "tcp")
        self.says(2, "either HOST:PORT, or -- PROGRAM", "tcp", "127.0.0.1:5005", "--", "python3")
        self.says(2, "is no HOST:PORT; a program stands behind --", "tcp", "server.py")
        self.says(2, "for that port of this machine say 127.0.0.1:5005", "tcp", "5005")
        self.says(2, "unrecognized arguments: s.py; a program stands behind --", "tcp", "python3", "s.py")
        self.says(2, "a program stands behind --", "tcp", "python3", "c.py", command="check-client")
        self.says(2, "a port is a number from 1 to 65535", "tcp", "127.0.0.1:70000")
        self.says(2, "no case of v3 is called 'v3/nothing'", "tcpv3", "--only", "v3/nothing", "--", "true")
        self.says(2, "invalid choice: 'tcpv4'", "tcpv4", "--", "true")
        self.says(2, "a number from 0.1 to 100", "tcp", "--patience", "0", "--", "true")
        self.says(2, "unrecognized arguments: --layout", "tcpv2", "--layout", "scripts", "--", "true")
        self.says(2, "unrecognized arguments: --ehco\n", "tcpv2", "--ehco", "--", "true")

    def test_a_part_of_the_cases_is_called_one(self) -> None:
        every = len(cases.chosen("v3"))
        for option, count in ("--only", 1), ("--skip", every - 1):
            done = judge("tcpv3", option, "v3/message/1", "--", "true")
            said = f"chosen (--only, --skip): {count} of {every} cases; the others were not run"
            self.assertIn(said, done.report["notes"])
        self.assertNotIn("chosen", " ".join(judge("tcpv3", "--", "true").report["notes"]))

    def test_cases_are_listed(self) -> None:
        self.says(0, "v3/split/2", "tcpv3", "--list")
        self.says(0, "client-v3/message/1", "tcpv3", "--list", command="check-client")
        done = judge("tcpv3", "--list", "--only", "v3/split")
        self.assertEqual(len(done.output.splitlines()), 4)

    def test_a_report_that_cannot_be_written(self) -> None:
        self.says(
            3, "no/such/folder", "tcpv3", "--echo", *FEW, "--html", "no/such/folder/x.html", "--", *RIGHT
        )

    def test_all_reports_at_once(self) -> None:
        folder = Path(self.mktemp()).resolve()
        folder.mkdir()
        names = {"junit": "a.xml", "html": "a.html", "gradescope": "results.json"}
        options = [word for kind, name in names.items() for word in (f"--{kind}", str(folder / name))]
        done = judge("tcpv3", "--echo", *FEW, *options, "--", *RIGHT, "--echo")
        self.assertEqual(done.status, 0, done.errors)
        self.assertEqual(sorted(each.name for each in folder.iterdir()), sorted(names.values()))
        self.assertEqual(json.loads((folder / "results.json").read_text())["score"], 100)


class Classes(SynchronousTestCase):
    def test_a_class(self) -> None:
        folder = Path(self.mktemp())
        for name in "anna", "ben", "cleo <&", "empty":
            (folder / name).mkdir(parents=True)
        right = (WRONG / "server_tcpv3_no_limit.py").read_text("utf-8")  # right enough for the guide
        (folder / "anna" / "server.py").write_text(right, "utf-8")
        (folder / "ben" / "mine_server.py").write_text(
            (WRONG / "server_tcpv3_text_echo.py").read_text("utf-8"), "utf-8"
        )
        (folder / "ben" / "notes.py").write_text("", "utf-8")
        (folder / "cleo <&" / "server.py").write_text("raise SystemExit('=not today')", "utf-8")
        (folder / "dave.py").write_text((WRONG / "server_tcpv3_echo_prefix.py").read_text("utf-8"), "utf-8")
        output = folder.parent / f"{folder.name}-out"
        pattern = ("--", sys.executable, "{}", "0")
        arguments = ("tcpv3", "--echo", "--only", "v3/message", "--only", "v3/split/2")
        done = judge(
            *arguments, "--class", str(folder.resolve()), "--output", str(output.resolve()), *pattern
        )
        self.assertEqual(done.status, 0, done.errors)
        rows = (output / "class.csv").read_text("utf-8").splitlines()
        self.assertEqual(len(rows), 6)
        self.assertRegex(done.output, r"PASS +core +3 of +3 100 %  anna")
        self.assertRegex(done.output, r"FAIL +core +0 of +3 +0 %  ben +text-echo")
        self.assertRegex(done.output, r"FAIL +core +0 of +3 +0 %  dave.py +echo-prefix")
        self.assertIn("there is no Python program in it", done.output)
        page = (output / "class.html").read_text("utf-8")
        self.assertIn("cleo &lt;&amp;", page)
        self.assertEqual(len(list(output.glob("*/report.html"))), 5)
        self.assertEqual(len(list(output.glob("*/results.json"))), 5)

    def test_a_folder_that_is_not_there_or_has_nothing_in_it(self) -> None:
        self.assertIn("cannot read no-such-folder", judge("tcp", "--class", "no-such-folder").errors)
        folder = self.mktemp()
        Path(folder).mkdir()
        self.assertIn("nothing to be checked", judge("tcp", "--class", str(Path(folder).resolve())).errors)
