"""`netlab capture` catches a real run whole, with and without the right to capture, and says what it does.

All runs are real: the tools, the namespaces, netlab's own servers and clients. Most are in a network of the
test's own, with the right to capture: port 5005 is free there, and only the test's packets are caught.
"""

from __future__ import annotations

import os
import platform
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from netlab.wireshark import tools
from netlab.wireshark.arguments import CAPTURING
from netlab.wireshark.stream import HEADER, NotUnderstood, Stream
from tests.support import ALONE, PATIENCE, ROOT, Program, script, until
from tests.wireshark.reading import tshark

NO_NAMESPACES = ("unshare", "--user", "--map-root-user", "sh", "-c")
WITHOUT_RIGHT = ("setpriv", "--bounding-set=-net_raw,-net_admin", "--inh-caps=-net_raw,-net_admin")

PATCHED = """
import os, sys
from netlab.wireshark import sniffer, tools
tools.PLACES = ()
os.environ["PATH"] = sys.argv.pop(1)
sniffer.BEGIN = float(sys.argv.pop(1))
from netlab.cli import main
sys.exit(main())
"""
"""netlab where only the tools of one folder are to be found, and must begin within so many seconds."""

TALK = """
import os, socket, sys, time
server = socket.create_server(("127.0.0.1", 5005))
if os.fork() == 0:
    connection, _ = server.accept()
    while connection.recv(100):
        pass
    time.sleep(float(sys.argv[1]))
    connection.close()
    os._exit(0)
client = socket.create_connection(("127.0.0.1", 5005))
client.sendall(b"hello")
client.close()
"""
"""A command that has ended when its last packets are still to come: its server closes later."""

COUNTS = """
import signal, sys, time
seen = []
signal.signal(signal.SIGINT, lambda *_: seen.append(1))
print("up", flush=True)
while not seen:
    time.sleep(0.01)
time.sleep(0.6)  # for one more, which must not come
sys.exit(len(seen))
"""
"""A command whose status is how often Ctrl-C has come to it."""

LATE = """
import sys, time
from netlab.cli import main
from netlab.wireshark import attendance
find_out = attendance._has_the_keyboard
attendance._has_the_keyboard = lambda: (time.sleep(0.2), find_out())[1]
sys.exit(main())
"""
"""netlab that is so late with its own signal that a command would see two signals as two."""

LESSON = f"""
cd "$1"
timeout {PATIENCE:g} {script("twistd")} -n --pidfile= netlab-tcpv3 --echo --record "$1/server.pcapng" \\
    > "$1/server.log" 2>&1 &
server=$!
until grep -q Listening "$1/server.log"; do kill -0 $server || exit 9; sleep 0.01; done
{script("netlab")} client tcpv3 -e -m hello -m world --record "$1/client.pcapng"
status=$?
kill $server
wait $server
exit $status
"""
"""netlab's own server and client, which record. $1 is where the server's log and the recordings go, and where
both run: whoever may not capture may not enter the test's own folder either.
"""

SYN, ACK, FIN, PUSH = 0x02, 0x10, 0x01, 0x08

Told = list[str]


def needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            raise SkipTest(f"there is no {program}")


def needs_namespaces() -> None:
    needs("unshare", "setpriv", "tshark")
    if subprocess.run([*ALONE, "true"], check=False, capture_output=True).returncode:
        raise SkipTest("no namespace can be had here")


def without_right() -> tuple[str, ...]:
    """How to run a program as somebody who may not capture: nobody, if it may run this Python at all."""
    if os.geteuid() != 0:
        return ()
    as_nobody = ("runuser", "-u", "nobody", "--")
    probe = [*as_nobody, script("netlab"), "--version"]
    if shutil.which("runuser") and subprocess.run(probe, check=False, capture_output=True).returncode == 0:
        return as_nobody
    return WITHOUT_RIGHT


class CaptureTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        needs_namespaces()
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        os.chmod(self.folder, 0o777)
        self.file = os.path.join(self.folder, "run.pcapng")

    def run_program(self, *command: str) -> Program:
        program = Program(*command).__enter__()
        self.addCleanup(program.__exit__, None, None, None)
        self.addCleanup(lambda: self.assertNotIn("Traceback", program.output))
        return program

    def capture(self, *options: str, alone: bool = True) -> Program:
        """netlab capture, by default where it has the right and a network of its own."""
        prefix = ALONE if alone else ()
        return self.run_program(*prefix, script("netlab"), "capture", *options)

    def capturing(self, *options: str) -> Program:
        """The same, when it captures."""
        program = self.capture("-w", self.file, *options)
        program.wait_for("capturing port 5005 on lo")
        return program

    def denied(self, *options: str) -> Program:
        """netlab capture, of somebody who may not."""
        return self.run_program(*without_right(), script("netlab"), "capture", "-w", self.file, *options)

    def with_tools(self, folder: str, *options: str, begin: float = 10) -> Program:
        """netlab capture, with the tools of a folder only."""
        return self.run_program(*ALONE, sys.executable, "-c", PATCHED, folder, str(begin), *options)

    def bin(self, **programs: str) -> str:
        """A folder of programs: of that text, or, where that is a path, the program there."""
        folder = tempfile.mkdtemp(dir=self.folder)
        for name, text in programs.items():
            path = Path(folder) / name
            if text.startswith("/"):
                path.symlink_to(text)
            else:
                path.write_text(f"#!/bin/sh\n{text}\n")
                path.chmod(0o755)
        return folder

    def fields(self, *names: str, file: str = "") -> list[list[str]]:
        """These fields of each packet of the capture, or of another file."""
        arguments = [part for name in names for part in ("-e", name)]
        printed = tshark("-r", file or self.file, "-T", "fields", *arguments, folder=self.folder)
        return [line.split("\t") for line in printed.splitlines()]

    def assert_whole(self) -> None:
        """One connection, from its first packet to its last."""
        flags = [int(written, 16) for (written,) in self.fields("tcp.flags")]
        self.assertEqual(flags[:3], [SYN, SYN | ACK, ACK])
        self.assertEqual(flags[-1], ACK)
        self.assertEqual([flag & FIN for flag in flags].count(FIN), 2, flags)
        self.assertIn(PUSH | ACK, flags)


class Lesson(CaptureTestCase):
    """A whole run: netlab's real server and client."""

    def messages(self, file: str) -> list[tuple[str, str, str]]:
        """Of each of the laboratory's frames in a file: who sent it, its order, its message."""
        found = []
        names = "tcp.srcport", "netlab.v3.order", "netlab.message"
        for port, orders, messages in self.fields(*names, file=file):
            sender = "server" if port == "5005" else "client"
            each = zip(orders.split(","), messages.split(","), strict=True)
            found += [(sender, order, message) for order, message in each if order]
        return sorted(found)

    def lesson(self, capture: Callable[..., Program], *options: str) -> Program:
        program = capture(*options, "--", "sh", "-c", LESSON, "sh", self.folder)
        self.assertEqual(program.ended(), 0, program.output)
        self.assert_whole()
        # The capture and what both sides recorded of the same run show the same.
        recordings = [os.path.join(self.folder, f"{who}.pcapng") for who in ("server", "client")]
        for file in self.file, *recordings:
            self.assertEqual(
                self.messages(file),
                [(who, *frame) for who in ("client", "server") for frame in (("1", "hello"), ("2", "world"))],
                file,
            )
        program.wait_for("10|1[1-9] packets in .*: 1 TCP connection; 4 frames of v3")
        program.wait_for(f"see them: wireshark {self.file} ")
        self.assertNotIn("--", [line[:2] for line in program.lines])
        return program

    def test_a_user_without_the_right_has_a_network_of_his_own(self) -> None:
        program = self.lesson(self.denied)
        program.wait_for("no right to capture here: the capture and the command get a network of their own")

    def test_with_the_right(self) -> None:
        program = self.lesson(self.capture, "-w", self.file)
        self.assertEqual(program.matches("no right"), [])

    def test_on_all_interfaces(self) -> None:
        self.lesson(self.capture, "-w", self.file, "-i", "any")


class Whole(CaptureTestCase):
    """Neither the first packet nor the last is missed, with none of the tools."""

    def caught(self, tool: str, late: str) -> None:
        needs(tool)
        folder = self.bin(**{tool: shutil.which(tool) or ""})
        talk = ("--", sys.executable, "-c", TALK, late)
        program = self.with_tools(folder, "capture", "-w", self.file, *talk)
        self.assertEqual(program.ended(), 0, program.output)
        program.wait_for(f"with {tool}, into")
        self.assert_whole()

    def test_dumpcap(self) -> None:
        for late in "0", "0", "0.1", "0.1":
            self.caught("dumpcap", late)

    def test_tshark(self) -> None:
        self.caught("tshark", "0.1")

    def test_tcpdump(self) -> None:
        for late in "0", "0", "0.1", "0.1":
            self.caught("tcpdump", late)

    def test_a_file_is_made_for_wireshark(self) -> None:
        self.caught("tcpdump", "0")
        head = Path(self.file).read_bytes()
        self.assertEqual(head[:4], b"\x0a\x0d\x0d\x0a")
        self.assertIn(b"netlab capture, with tcpdump", head)
        self.assertEqual({tuple(each) for each in self.fields("frame.interface_name")}, {("lo",)})
        self.assertNotIn("netlab capture", tshark("-r", self.file, "-x", folder=self.folder))


class Command(CaptureTestCase):
    """What the command gets, and what it gives."""

    def test_its_status_is_ours(self) -> None:
        for text, status in (("exit 7", 7), ("kill -KILL $$", 137)):
            self.assertEqual(self.capture("-w", self.file, "--", "sh", "-c", text).ended(), status)

    def test_its_options_are_its_own(self) -> None:
        program = self.capture("-w", self.file, "--", "echo", "-w", "x", "--", "--port")
        self.assertEqual(program.ended(), 0)
        self.assertIn("-w x -- --port", program.lines)

    def test_it_is_the_same_user_without_privileges(self) -> None:
        program = self.denied("--", "sh", "-c", "id -u; id -g; grep CapAmb /proc/self/status")
        self.assertEqual(program.ended(), 0, program.output)
        same = self.run_program(*without_right(), "sh", "-c", "id -u; id -g")
        same.ended()
        for line in [*same.lines, "CapAmb:\t0000000000000000"]:
            self.assertIn(line, program.lines)

    def test_one_that_is_not_there(self) -> None:
        program = self.capture("-w", self.file, "--", "no-such-command")
        self.assertEqual(program.ended(), 127)
        self.assertEqual(
            program.lines,
            ["netlab capture: error: there is no command 'no-such-command': check its name, or its path"],
        )
        self.assertFalse(os.path.exists(self.file))

    def test_one_that_is_no_program(self) -> None:
        for name, mode in (("text", 0o644), ("garbage", 0o755)):
            path = Path(self.folder) / name
            path.write_bytes(b"\x00\x01")
            path.chmod(mode)
            program = self.capture("-w", self.file, "--", str(path))
            self.assertEqual(program.ended(), 126)
            program.wait_for(f"error: .*{path}")

    def test_a_signal_reaches_it(self) -> None:
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            program = self.capturing("--", "sh", "-c", "echo up; exec sleep 60")
            program.wait_for("up")
            self.assertEqual(program.signalled(number), 128 + number)
            program.wait_for("0 packets in")

    def test_nothing_is_left_when_we_are_killed(self) -> None:
        program = self.capturing("--", "sh", "-c", "echo up $$; exec sleep 60")
        command = int(program.wait_for(r"up (\d+)")[0][1])
        tool = next(child for child in children(program.process.pid) if child != command)
        program.process.kill()
        program.process.wait()
        for child in command, tool:
            until(lambda child=child: not alive(child), "its end")  # type: ignore[misc]

    def test_a_capture_that_breaks_off(self) -> None:
        program = self.capturing("--", "sh", "-c", "echo up; read line; echo down", "sh")
        program.wait_for("down")  # there is no input
        self.assertEqual(program.ended(), 0)
        program = self.capturing("--", "sh", "-c", "echo up $$; sleep 60 & wait; exit 0")
        command = int(program.wait_for(r"up (\d+)")[0][1])
        tool = next(child for child in children(program.process.pid) if child != command)
        os.kill(tool, signal.SIGKILL)
        until(lambda: not alive(tool), "its end")
        for child in children(command):
            os.kill(child, signal.SIGTERM)
        self.assertEqual(program.ended(), 1)
        program.wait_for("error: dumpcap broke off: it does not say why; what came before is there")


class Ends(CaptureTestCase):
    """How a capture without a command ends."""

    def test_by_a_signal(self) -> None:
        for number in signal.SIGINT, signal.SIGTERM:
            program = self.capturing()
            self.assertEqual(program.signalled(number), 0)
            program.wait_for("0 packets in")
            program.wait_for("nothing used this port on lo: check --port, and -i ")

    def test_what_came_before_is_in_it(self) -> None:
        # Both are in one namespace: the talk is the command of an outer capture.
        inner = f"{script('netlab')} capture -w {self.file} 2>{self.folder}/log & inner=$!"
        wait = f"until grep -q Ctrl-C {self.folder}/log; do kill -0 $inner || exit 9; sleep 0.01; done"
        end = "kill -INT $inner; kill -TERM $inner; wait $inner"  # a background job may ignore SIGINT
        talk = f"{sys.executable} -c '{TALK}' 0".replace('"', '"')
        program = self.run_program(*ALONE, "sh", "-c", f"{inner}; {wait}; {talk}; sleep 0.2; {end}")
        self.assertEqual(program.ended(), 0, program.output)
        self.assert_whole()

    def test_its_own_name_for_a_file(self) -> None:
        program = self.capture("--", "true")
        self.assertEqual(program.ended(), 0)
        (file,) = os.listdir(program.folder)
        self.assertRegex(file, r"^netlab-\d{8}-\d{6}\.pcapng$")
        program.wait_for(f"0 packets in {file}")

    def test_by_enter(self) -> None:
        terminal = Terminal(self, *ALONE, script("netlab"), "capture", "-w", self.file)
        terminal.wait_for(b"Enter or Ctrl-C ends it")
        terminal.type(b"\n")
        self.assertEqual(terminal.ended(), 0)

    def test_by_ctrl_c(self) -> None:
        terminal = Terminal(self, *ALONE, script("netlab"), "capture", "-w", self.file)
        terminal.wait_for(b"Enter or Ctrl-C ends it")
        terminal.type(b"\x03")
        terminal.wait_for(b"0 packets in")
        self.assertEqual(terminal.ended(), 0)

    def test_ctrl_c_comes_to_a_command_once(self) -> None:
        command = (sys.executable, "-c", LATE, "capture", "-w", self.file, "--", sys.executable, "-c", COUNTS)
        terminal = Terminal(self, *ALONE, *command)
        terminal.wait_for(b"up")
        terminal.type(b"\x03")
        terminal.wait_for(b"0 packets in")
        self.assertEqual(terminal.ended(), 1)


class Streamed(CaptureTestCase):
    """--stdout"""

    def popen(self, *options: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*ALONE, script("netlab"), "capture", "--stdout", *options],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
        )

    def test_it_can_be_piped(self) -> None:
        with self.popen("--", "sh", "-c", f"echo printed; {sys.executable} -c '{TALK}' 0.1") as capture:
            streamed, said = capture.communicate(timeout=PATIENCE)
        self.assertEqual(capture.returncode, 0)
        Path(self.file).write_bytes(streamed)
        self.assert_whole()
        self.assertIn(b"\nprinted\n", said)
        self.assertRegex(said, rb"\d packets caught\n$")

    def test_its_beginning_comes_at_once(self) -> None:
        with self.popen() as capture:
            assert capture.stdout is not None
            self.assertEqual(capture.stdout.read(4), b"\x0a\x0d\x0d\x0a")
            capture.terminate()
            self.assertEqual(capture.wait(PATIENCE), 0)

    def test_a_reader_that_goes_is_the_end(self) -> None:
        with self.popen() as capture:
            assert capture.stdout is not None
            assert capture.stderr is not None
            capture.stdout.read(4)
            capture.stdout.close()
            self.assertEqual(capture.wait(PATIENCE), 0)
            self.assertEqual(capture.stderr.read().count(b"\n"), 1)

    def test_a_command_outlives_the_reader(self) -> None:
        with self.popen("--", "sh", "-c", "sleep 0.5; echo still; exit 3") as capture:
            assert capture.stdout is not None
            assert capture.stderr is not None
            capture.stdout.close()
            self.assertEqual(capture.wait(PATIENCE), 3)
            self.assertIn(b"still\n", capture.stderr.read())

    def test_no_terminal(self) -> None:
        terminal = Terminal(self, script("netlab"), "capture", "--stdout")
        terminal.wait_for(b"error: --stdout is for a pipe: netlab capture --stdout | wireshark -k -i -")
        self.assertEqual(terminal.ended(), 2)


class Refused(CaptureTestCase):
    """What cannot be done, and what is said then."""

    def assert_refused(self, program: Program, status: int, *patterns: str) -> None:
        self.assertEqual(program.ended(), status, program.output)
        for pattern in patterns:
            program.wait_for(pattern)
        self.assertIn(f"\n  {status} ", CAPTURING)

    def test_options(self) -> None:
        self.assert_refused(self.capture("--port", "0"), 2, "'0': a port is a number from 1 to 65535")
        self.assert_refused(self.capture("--no-such"), 2, "unrecognized arguments: --no-such")
        self.assert_refused(self.capture("--stdout", "-w", "x"), 2, "not allowed with")

    def test_an_interface_that_is_not_there(self) -> None:
        self.assert_refused(
            self.capture("-i", "nope"), 1, "there is no interface 'nope': `.*dumpcap -D` lists"
        )

    def test_a_file_that_cannot_be_written(self) -> None:
        path = os.path.join(self.folder, "none", "x")
        for option in path, self.folder:
            self.assert_refused(
                self.capture("-w", option, "--", "true"),
                1,
                f"error: cannot write {option}: .*; choose another",
            )

    def test_a_file_that_is_full(self) -> None:
        program = self.capture("-w", "/dev/full")
        self.assert_refused(program, 1, "cannot write /dev/full any further: No space left on device")

    def test_no_tool(self) -> None:
        program = self.with_tools(self.bin(), "capture")
        self.assert_refused(
            program, 3, "neither dumpcap nor tshark nor tcpdump is here", "--record FILE.pcapng"
        )
        self.assertIn(f"  {tools.how_to_install()}", program.lines)

    def test_a_tool_that_hangs(self) -> None:
        program = self.with_tools(self.bin(dumpcap=f"exec {shutil.which('sleep')} 60"), "capture", begin=0.1)
        self.assert_refused(program, 1, "dumpcap did not begin within 0.1 s; try once more")

    def test_a_tool_that_writes_something_else(self) -> None:
        program = self.with_tools(self.bin(tcpdump="echo this is not what we are looking for"), "capture")
        self.assert_refused(program, 1, "tcpdump writes no pcap: ")

    def test_a_tool_that_has_another_trouble(self) -> None:
        program = self.with_tools(self.bin(dumpcap="echo 'dumpcap: out of order' >&2; exit 2"), "capture")
        self.assert_refused(program, 1, "dumpcap cannot capture on lo: out of order")

    def test_the_next_tool_is_tried(self) -> None:
        tcpdump = shutil.which("tcpdump")
        if tcpdump is None:
            raise SkipTest("there is no tcpdump")
        folder = self.bin(dumpcap="echo 'dumpcap: You do not have permission' >&2; exit 2", tcpdump=tcpdump)
        program = self.with_tools(folder, "capture", "-w", self.file, "--", shutil.which("true") or "")
        self.assertEqual(program.ended(), 0, program.output)
        program.wait_for("with tcpdump, into")

    def test_a_tool_for_others_only(self) -> None:
        folder = self.bin(dumpcap="true")
        os.chmod(os.path.join(folder, "dumpcap"), 0o644)
        program = self.with_tools(folder, "capture", "-i", "eth0")
        self.assert_refused(program, 3, "dumpcap may not be run by you. What helps:")

    def test_no_right_and_no_command(self) -> None:
        instead = "or give a COMMAND: `netlab capture -- COMMAND` gets a network of its own"
        self.assert_refused(self.denied(), 3, "no right to capture on lo. What helps:", instead, "--record")

    def test_no_right_on_what_a_network_of_its_own_lacks(self) -> None:
        others = sorted(set(os.listdir("/sys/class/net")) - {"lo"})
        if not others:
            raise SkipTest("there is no other interface")
        program = self.denied("-i", others[0], "--", "true")
        self.assert_refused(program, 3, f"no right to capture on {others[0]}. What helps:")

    def test_no_right_and_no_namespace(self) -> None:
        forbid = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
        command = (*WITHOUT_RIGHT, script("netlab"), "capture", "-w", self.file, "--", "echo", "run")
        program = self.run_program(*NO_NAMESPACES, forbid, "sh", *command)
        why = r"and no network of your own can be had \(user.max_user_namespaces = 0\). What helps:"
        self.assert_refused(program, 3, why, "--record")
        self.assertEqual(program.matches("^run$"), [])
        self.assertFalse(os.path.exists(self.file))


class Advice(SynchronousTestCase):
    """What is said of each system."""

    def system(self, **release: str) -> None:
        self.patch(platform, "freedesktop_os_release", lambda: {"ID": "linux", **release})
        self.patch(sys, "platform", "linux")
        self.patch(os, "geteuid", lambda: 1000)
        self.patch(tools, "find", lambda name: f"/usr/bin/{name}")

    def test_debian_and_what_descends_from_it(self) -> None:
        for release in (
            {"ID": "debian"},
            {"ID": "ubuntu", "ID_LIKE": "debian"},
            {"ID": "mint", "ID_LIKE": "ubuntu debian"},
        ):
            self.system(**release)
            self.assertEqual(tools.how_to_install(), "sudo apt-get install tshark")
            self.assertIn("`sudo dpkg-reconfigure wireshark-common`", tools.how_to_get_the_right())

    def test_others(self) -> None:
        for release, install in (
            ({"ID": "fedora"}, "sudo dnf install wireshark-cli"),
            ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "sudo dnf install wireshark-cli"),
            ({"ID": "manjaro", "ID_LIKE": "arch"}, "sudo pacman -S wireshark-cli"),
        ):
            self.system(**release)
            self.assertEqual(tools.how_to_install(), install)
            self.assertTrue(tools.how_to_get_the_right().startswith("`sudo usermod -aG wireshark $USER`"))

    def test_one_that_nobody_knows(self) -> None:
        self.system(ID="plan9")
        self.assertEqual(tools.how_to_install(), "https://www.wireshark.org/download.html")
        self.assertIn("setcap", tools.how_to_get_the_right())

    def test_what_is_missing_comes_first(self) -> None:
        self.system(ID="debian")
        self.patch(tools, "find", lambda name: None)
        self.assertTrue(tools.how_to_get_the_right().startswith("`sudo apt-get install tshark`, `sudo dpkg"))

    def test_root_that_may_not(self) -> None:
        self.system(ID="debian")
        self.patch(os, "geteuid", lambda: 0)
        self.assertIn("--cap-add=NET_RAW", tools.how_to_get_the_right())

    def test_macos_and_windows(self) -> None:
        self.patch(sys, "platform", "darwin")
        self.assertIn("ChmodBPF", tools.how_to_get_the_right())
        self.assertIn("brew install wireshark", tools.how_to_install())
        self.patch(sys, "platform", "win32")
        self.assertIn("Npcap", tools.how_to_get_the_right())


MARK = b"a mark of ours"
PACKETS = [b"", b"x", b"four", bytes(70), MARK[:-1]]
TRUE_LENGTH = 100


def header(magic: int) -> bytes:
    return struct.pack("=LHHlLLL", magic, 2, 4, 0, 0, 262_144, 1)


def record(packet: bytes, seconds: int = 1, fraction: int = 0) -> bytes:
    return struct.pack("=LLLL", seconds, fraction, len(packet), TRUE_LENGTH) + packet


class Packets(SynchronousTestCase):
    """From pcap to pcapng."""

    def stream(self, magic: int = 0xA1B2C3D4) -> Stream:
        stream = Stream(MARK, "a tool", "lo", "port 5005")
        stream.begin(header(magic))
        return stream

    @given(st.lists(st.integers(1, 40)))
    def test_any_pieces_give_the_same(self, lengths: list[int]) -> None:
        data = b"".join(record(packet) for packet in [*PACKETS[:3], b"<" + MARK + b"1234", *PACKETS[3:]])
        whole, stream, at, given = self.stream(), self.stream(), 0, b""
        expected = whole.feed(data)
        for length in lengths:
            given += stream.feed(data[at : at + length])
            at += length
        given += stream.feed(data[at:])
        self.assertEqual(given, expected)
        self.assertEqual((stream.packets, stream.marked), (len(PACKETS), b"1234"))
        self.assertNotIn(MARK, given)

    def test_lengths_and_times(self) -> None:
        for magic, fraction in ((0xA1B2C3D4, 250_000), (0xA1B23C4D, 250_000_000)):
            block = self.stream(magic).feed(record(b"four+1", 3_000_000_000, fraction))
            kind, length, _, high, low, caught, sent = struct.unpack_from("=LLLLLLL", block)
            self.assertEqual((kind, length, len(block), caught, sent), (6, 40, 40, 6, TRUE_LENGTH))
            self.assertEqual(high << 32 | low, 3_000_000_000_250_000_000)

    def test_silence(self) -> None:
        stream = self.stream()
        stream.feed(record(MARK, 9))
        self.assertEqual(stream.silence, float("inf"))
        stream.feed(record(b"x", 10) + record(MARK, 10, 250_000))
        self.assertEqual(stream.silence, 0.25)

    def test_what_is_no_pcap(self) -> None:
        with self.assertRaises(NotUnderstood):
            Stream(MARK, "a tool", "lo", "").begin(bytes(HEADER))
        with self.assertRaises(NotUnderstood):
            self.stream().feed(b"\xff" * 16)


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, case: SynchronousTestCase, *command: str) -> None:
        import fcntl
        import pty
        import termios

        self.output = b""
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=ROOT,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C is a signal to it
        )
        os.close(slave)
        case.addCleanup(os.close, self._master)
        case.addCleanup(self._process.wait, PATIENCE)
        case.addCleanup(self._process.kill)

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def wait_for(self, text: bytes) -> None:
        while text not in self.output:
            piece = self._read()
            assert piece, f"no {text!r} in {self.output!r}"
            self.output += piece

    def ended(self) -> int:
        while piece := self._read():
            self.output += piece
        return self._process.wait(PATIENCE)

    def _read(self) -> bytes:
        if not select.select([self._master], [], [], PATIENCE)[0]:
            raise AssertionError(f"silent for {PATIENCE:g} s after {self.output!r}")
        try:
            return os.read(self._master, 65536)
        except OSError:  # it has closed the terminal
            return b""


def children(process: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def alive(process: int) -> bool:
    """Does it run? One that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
