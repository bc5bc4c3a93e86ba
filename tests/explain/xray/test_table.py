"""What cannot be seen everywhere: other machines' numbers, a system that tells less, and the words for it."""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from netlab.explain.xray import look
from netlab.explain.xray.calls import Wait, asleep_in, numbers
from netlab.explain.xray.json_ import as_json
from netlab.explain.xray.look import DENIED, NOT_TOLD, Process, Thread, Watch
from netlab.explain.xray.networks import Network, networks
from netlab.explain.xray.picture import Names, Picture, Thing, picture
from netlab.explain.xray.table import MAX_LINES, lines, wanted
from netlab.explain.xray.watching import Watcher
from tests.explain.xray.watched import PYTHON
from tests.support import Program, plain, until

HEADERS = {
    "x86-64": ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", 62, r"#define __NR_(\w+) (\d+)"),
    "others": ("/usr/include/asm-generic/unistd.h", 183, r"#define __NR(?:3264)?_(\w+) (\d+)"),
}
"""Where the system itself says its numbers, if the headers are there; and a machine that has these."""


def elf(machine: int, width: int = 2, order: int = 1) -> bytes:
    """The beginning of a program for a machine."""
    return b"\x7fELF" + bytes([width, order]) + bytes(12) + machine.to_bytes(2, "little") + bytes(44)


class Calls(SynchronousTestCase):
    def test_numbers_are_those_of_the_system_s_headers(self) -> None:
        checked = 0
        for path, machine, pattern in HEADERS.values():
            if not os.path.exists(path):
                continue
            told = {name: int(number) for name, number in re.findall(pattern, Path(path).read_text("utf-8"))}
            for number, call in numbers(elf(machine)).items():
                self.assertEqual(told[call.name], number, call)
                checked += 1
        if not checked:
            raise SkipTest("the system's headers are not here")

    def test_of_which_machine(self) -> None:
        for machine, number in ((62, 45), (183, 207), (243, 207), (258, 207)):
            self.assertEqual(numbers(elf(machine))[number].name, "recvfrom")
        self.assertEqual(numbers(elf(3, width=1)), {})  # a 32-bit program on a 64-bit kernel
        self.assertEqual(numbers(elf(62, width=1)), {})
        self.assertEqual(numbers(elf(22, order=2)), {})
        self.assertEqual(numbers(b"#!/bin/sh\necho this is not a program"), {})
        self.assertEqual(numbers(b""), {})

    def test_functions_of_the_kernel(self) -> None:
        for function, shown, wait in (
            ("inet_csk_accept", "accept", Wait.CLIENT),
            ("do_epoll_wait", "epoll_wait", Wait.SELECTOR),
            ("futex_wait_queue", "futex", Wait.THREAD),
        ):
            call = asleep_in(function)
            assert call is not None
            self.assertEqual((call.shown, call.wait, call.name), (shown, wait, ""))
        self.assertIsNone(asleep_in(""))
        self.assertIsNone(asleep_in("do_something_new"))


class Linux(SynchronousTestCase):
    def setUp(self) -> None:
        if sys.platform != "linux":
            raise SkipTest("only Linux tells what threads wait for")


class ToldLess(Linux):
    """Where Yama, or the system, does not let the system calls be read; simulated, since it needs a kernel
    of that kind.
    """

    def look(self, server: str, why: str) -> list[str]:
        """What is shown of a server then."""

        def not_told(reader: look._Reader, where: str) -> None:
            reader.silent = why

        self.patch(look._Reader, "_syscall", not_told)
        self.patch(look._Reader, "_read", lambda *_: None)
        with plain(server, *(["0"] if "/" in server else ["--port", "0"])) as program:
            port = int(program.wait_for(r"Listening on \S+:(\d+)")[0][1])
            with socket.create_connection(("127.0.0.1", port)) as client:
                watcher = Watcher(lambda: [program.process.pid])
                where = f"127.0.0.1:{client.getsockname()[1]}"
                shown: list[str] = []

                def seen() -> bool:
                    shown[:] = lines(watcher.steady())
                    return any(where in line for line in shown)

                until(seen, f"{where} in {shown}")
        return [line.replace(where, "CLIENT").replace(f":{port}", ":PORT") for line in shown]

    def test_the_only_selector_is_the_one(self) -> None:
        if not os.path.exists("/proc/self/wchan"):
            raise SkipTest("this system does not tell where threads sleep either")
        shown = self.look("server_tcpsel", DENIED)
        self.assertRegex(
            shown[2], r"^  main thread  blocked  epoll_wait  a selector \(fd 4\), which watches$"
        )
        self.assertIn("               fd 5  READ  bytes from CLIENT", shown)
        self.assertIn("not known", shown)
        self.assertTrue(any("there is no right to read it" in line for line in shown), shown)
        self.assertNotIn("nobody waits for", shown)

    def test_who_waits_for_a_connection_is_not_known(self) -> None:
        shown = self.look("server_tcp", NOT_TOLD)
        self.assertTrue(any("this system does not tell" in line for line in shown), shown)
        at = shown.index("  who waits for each of these:")
        self.assertEqual(
            shown[at + 1 :],
            ["    a new client at 0.0.0.0:PORT (fd 3)", "    bytes from CLIENT (fd 4)"],
        )
        self.assertNotIn("nobody waits for", shown)

    def test_children_are_found_without_their_files(self) -> None:
        self.patch(look, "has_children_files", lambda: False)
        with Program("sh", "-c", "sleep 600 & echo up; wait") as program:
            program.wait_for("up")
            pid = program.process.pid
            until(lambda: len(look.processes([pid])) == 2, "a shell and its child")
            first, second = look.processes([pid])
            self.assertEqual(first, pid)
            os.kill(second, 9)


class Words(SynchronousTestCase):
    CLIENT = Thing("connection", local=("127.0.0.1", 5005), remote=("127.0.0.1", 50001), state="ESTABLISHED")

    def test_of_things(self) -> None:
        for thing, events, words in (
            (self.CLIENT, ("READ",), "bytes from 127.0.0.1:50001"),
            (self.CLIENT, ("WRITE",), "room to send to 127.0.0.1:50001"),
            (self.CLIENT, ("READ", "WRITE"), "bytes from 127.0.0.1:50001, and room to send"),
            (self.CLIENT, (), "nothing but the end of 127.0.0.1:50001"),
            (
                Thing("connection", remote=("::1", 5005), state="SYN_SENT"),
                ("WRITE",),
                "an answer from [::1]:5005",
            ),
            (Thing("listener", local=("::", 5005)), ("READ",), "a new client at [::]:5005"),
            (Thing("unix listener", "/tmp/lab"), ("READ",), "a new client at the Unix socket /tmp/lab"),
            (Thing("unix"), ("READ",), "bytes from a Unix socket"),
            (Thing("udp", local=("0.0.0.0", 5005)), ("READ",), "a datagram at 0.0.0.0:5005"),
            (
                Thing("udp", local=("0.0.0.0", 1), unread=768),
                ("READ",),
                "a datagram at 0.0.0.0:1; some have come and are unread",
            ),
            (Thing("pipe"), ("READ",), "bytes from a pipe"),
            (Thing("pipe"), ("WRITE",), "room to send to a pipe"),
            (Thing("pipe", inner=True), ("READ",), "a wake-up: a pipe whose ends are both its own"),
            (Thing("terminal", "/dev/pts/3"), ("READ",), "what is typed at /dev/pts/3"),
            (Thing("event"), ("READ",), "a wake-up (eventfd)"),
            (Thing("closed"), ("READ",), "nothing any more: this descriptor is closed"),
        ):
            self.assertEqual(wanted(thing, events), words)

    def test_of_a_connection_s_state(self) -> None:
        thing = Thing("connection", remote=("127.0.0.1", 1), unread=1, unsent=1234, finished=True)
        state = "1,234 bytes not taken by it yet; 1 byte unread; it has finished (FIN)"
        self.assertEqual(wanted(thing, ("READ",), " (fd 4)"), f"bytes from 127.0.0.1:1 (fd 4); {state}")


class Drawn(Linux):
    """Pictures of this very process, with threads that are made up."""

    def draw(self, threads: Sequence[Thread], **more: object) -> tuple[Picture, list[str]]:
        process = Process(os.getpid(), ("python3", "a b\n.py"), tuple(threads), **more)  # type: ignore[arg-type]
        found = picture([process], networks([os.getpid()]), Names())
        return found, lines(found)

    def test_a_command_is_safe_to_print(self) -> None:
        _, shown = self.draw([Thread(os.getpid(), "python3", "running")])
        self.assertEqual(shown[0], rf"process {os.getpid()}: python3 'a b\n.py'")
        self.assertEqual(shown[2].split(maxsplit=3), ["main", "thread", "running", "nothing: it is at work"])

    def test_threads_with_names_of_their_own(self) -> None:
        pid = os.getpid()
        threads = [
            Thread(pid, "app", "running"),
            Thread(pid + 1, "app", "running"),
            Thread(pid + 2, "\x1b[1m", "running"),
        ]
        _, shown = self.draw(threads)
        self.assertEqual([line[2:13].strip() for line in shown[2:]], ["main thread", "thread 1", r"\x1b[1m"])

    def test_too_many_are_counted(self) -> None:
        found, shown = self.draw(
            [Thread(os.getpid() + number, "app", "running") for number in range(MAX_LINES + 7)],
            more_threads=3,
        )
        self.assertEqual(shown[-1], "  and 10 more threads (--json has them)")
        self.assertEqual(len(as_json(found)["processes"][0]["threads"]), MAX_LINES + 7)

    def test_a_call_that_is_not_known(self) -> None:
        unknown = Thread(os.getpid(), "app", "blocked", None, 999, kernel="do_new")
        found, shown = self.draw([unknown], selectors={3: ()})
        self.assertIn(
            "something that netlab does not know: system call 999, in the kernel's do_new", shown[2]
        )
        self.assertFalse(found.whole)
        self.assertNotIn("no thread waits in", shown)  # it may be the one

    def test_a_process_that_may_not_be_looked_into(self) -> None:
        found, shown = self.draw([], closed=True)
        self.assertEqual(shown[1:], ["  there is no right to look into it"])
        self.assertFalse(found.whole)

    def test_a_descriptor_that_is_another_now(self) -> None:
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        found, shown = self.draw(
            [Thread(os.getpid(), "app", "running")],
            descriptors={5: f"socket:[{os.fstat(ours.fileno()).st_ino}]"},
            selectors={3: (Watch(5, ("READ",), 1), Watch(6, ("READ",), None))},
        )
        self.assertEqual(
            shown[3:],
            [
                "no thread waits in",
                "  a selector (fd 3), which watches",
                "      fd 5  READ  nothing any more: this descriptor is closed",
                "      fd 6  READ  nothing any more: this descriptor is closed",
            ],
        )
        self.assertEqual(found.sockets[0].thing.kind, "unix")


class Tables(Linux):
    def test_both_families_and_unix(self) -> None:
        for family, ip in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.socket(family) as listener:
                try:
                    listener.bind((ip, 0))
                except OSError:
                    continue
                listener.listen()
                found = Network(os.getpid()).find_tcp(os.fstat(listener.fileno()).st_ino)
                assert found is not None
                self.assertEqual(found.local, listener.getsockname()[:2])
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"\0netlab test {os.getpid()}")
            listener.listen()
            unix = Network(os.getpid()).find_unix(os.fstat(listener.fileno()).st_ino)
            assert unix is not None
            self.assertEqual(unix, (f"@netlab test {os.getpid()}", True))

    def test_a_process_that_has_ended(self) -> None:
        with Program("true") as program:
            program.ended()
            self.assertEqual(look.look(program.process.pid).threads, ())
            self.assertEqual(look.processes([program.process.pid]), [])
            self.assertEqual(Watcher(lambda: [program.process.pid]).steady(), Picture())

    def test_threads_that_come_and_go_trouble_nobody(self) -> None:
        code = "import threading\nwhile True: threading.Thread(target=int).start()"
        with Program(PYTHON, "-c", f"print('up', flush=True)\n{code}") as program:
            program.wait_for("up")
            watcher = Watcher(lambda: [program.process.pid])
            for _ in range(50):
                lines(watcher.look())

    def test_this_process_itself(self) -> None:
        released = threading.Event()
        waiting = threading.Thread(target=released.wait)
        waiting.start()
        self.addCleanup(waiting.join)
        self.addCleanup(released.set)

        def waits() -> bool:
            threads = {thread.tid: thread for thread in look.look(os.getpid()).threads}
            call = threads[waiting.native_id or 0].call
            return call is not None and call.wait is Wait.THREAD

        until(waits, "a thread of ours waits for another")
