"""What the system tells is what real sockets, threads and processes do."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from netlab import proc
from netlab.check import kernel
from tests.support import PATIENCE, until

NOBODY = 1 << 30
"""A number that no process can have."""


class Known(SynchronousTestCase):
    """For tests of what is told: where nothing is, there is nothing to see."""

    def setUp(self) -> None:
        if not proc.known():
            raise SkipTest("this system does not tell")

    def listener(self, ip: str = "127.0.0.1", both: bool = False) -> socket.socket:
        """A socket that listens for TCP; both: of IPv6, and of IPv4, too."""
        listener = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET)
        self.addCleanup(listener.close)
        if ":" in ip:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not both)
        listener.bind((ip, 0))
        listener.listen()
        return listener

    def datagrams(self) -> socket.socket:
        """A bound UDP socket."""
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(server.close)
        server.bind(("127.0.0.1", 0))
        return server

    def run_python(self, code: str, session: bool = False) -> subprocess.Popen[bytes]:
        """A Python program that has begun when it has printed something."""
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=session
        )
        assert process.stdout is not None
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait, PATIENCE)
        self.addCleanup(process.kill)
        process.stdout.read(1)
        return process


def address(of: socket.socket) -> tuple[str, int]:
    ip, port = of.getsockname()[:2]
    return ip, port


class Listening(Known):
    def test_a_listener_is_its_process_s(self) -> None:
        listener = self.listener()
        self.assertIn(address(listener), proc.listening([os.getpid()], "tcp"))
        self.assertIn(address(listener), proc.listening(None, "tcp"))
        code = "import socket; s = socket.create_server(('127.0.0.1', 0));" + SLEEPER
        other = self.run_python(code)
        found = proc.listening([other.pid], "tcp")
        self.assertEqual(len(found), 1)
        self.assertNotIn(address(listener), found)
        self.assertEqual(set(proc.listening([other.pid, os.getpid()], "tcp")), {address(listener), *found})

    def test_it_is_gone_with_its_socket(self) -> None:
        listener = self.listener()
        where = address(listener)
        listener.close()
        self.assertNotIn(where, proc.listening([os.getpid()], "tcp"))

    def test_addresses_of_both_families(self) -> None:
        try:
            six, any_six = self.listener("::1"), self.listener("::", both=True)
        except OSError:
            raise SkipTest("no IPv6 here") from None
        any_four = self.listener("0.0.0.0")
        found = proc.listening([os.getpid()], "tcp")
        self.assertIn(("::1", six.getsockname()[1]), found)
        self.assertIn(("::", any_six.getsockname()[1]), found)
        self.assertIn(("0.0.0.0", any_four.getsockname()[1]), found)

    def test_what_is_connected_or_only_bound_does_not_listen(self) -> None:
        listener = self.listener()
        with socket.socket() as bound, socket.create_connection(address(listener)) as connection:
            bound.bind(("127.0.0.1", 0))
            found = proc.listening([os.getpid()], "tcp")
            self.assertIn(address(listener), found)
            self.assertNotIn(address(bound), found)
            self.assertNotIn(address(connection), found)

    def test_udp_that_is_bound_but_not_connected(self) -> None:
        server, client = self.datagrams(), self.datagrams()
        client.connect(address(server))
        found = proc.listening([os.getpid()], "udp")
        self.assertIn(address(server), found)
        self.assertNotIn(address(client), found)
        self.assertNotIn(address(server), proc.listening([os.getpid()], "tcp"))

    def test_of_nobody(self) -> None:
        self.listener()
        self.assertEqual(proc.listening([NOBODY], "tcp"), [])
        self.assertEqual(proc.listening([], "tcp"), [])


class Unread(Known):
    def check(self, ip: str, both: bool = False) -> None:
        listener = self.listener(ip, both)
        theirs = ("127.0.0.1" if both else ip, listener.getsockname()[1])
        with socket.create_connection(theirs, PATIENCE) as connection:
            ours = address(connection)
            self.assertEqual(kernel.unread(ours, theirs), 0)
            connection.sendall(bytes(1000))
            until(lambda: kernel.unread(ours, theirs) == 1000, "not accepted yet, it receives all the same")
            accepted = listener.accept()[0]
            with accepted:
                accepted.recv(300)
                self.assertEqual(kernel.unread(ours, theirs), 700)
                accepted.recv(700)
                self.assertEqual(kernel.unread(ours, theirs), 0)
                accepted.sendall(b"theirs is not ours")
                self.assertEqual(kernel.unread(ours, theirs), 0)
        until(lambda: not kernel.unread(ours, theirs), "the connection is gone")
        self.assertIsNone(kernel.unread(ours, (theirs[0], 1)))

    def check_all(self) -> None:
        self.check("127.0.0.1")
        with contextlib.suppress(OSError):  # where there is IPv6
            self.check("::1")
            self.check("::", both=True)

    def test_the_diagnosis_tells(self) -> None:
        if kernel._ask(("127.0.0.1", 1), ("127.0.0.1", 2)) is None:
            listener = self.listener()
            with socket.create_connection(address(listener)) as connection:
                if kernel._ask(address(listener), address(connection)) is None:
                    raise SkipTest("this kernel has no diagnosis of sockets")
        self.patch(proc, "TABLES", {"tcp": (), "udp": ()})
        self.check_all()

    def test_without_the_diagnosis_the_tables_tell(self) -> None:
        self.patch(kernel, "_ask", lambda local, remote: None)
        self.check_all()

    def test_a_listener_alone_has_no_connection(self) -> None:
        listener = self.listener()
        self.assertIsNone(kernel.unread(("127.0.0.1", 9), address(listener)))

    def test_nonsense_is_nowhere(self) -> None:
        self.assertIsNone(kernel.unread(("localhost", 1), ("127.0.0.1", 5005)))
        self.assertIsNone(kernel.unread(("::1", 1), ("127.0.0.1", 5005)))
        self.assertIsNone(kernel.unread(("127.0.0.1", -1), ("127.0.0.1", 1 << 20)))


class Dropped(Known):
    def test_what_does_not_fit(self) -> None:
        server, client = self.datagrams(), self.datagrams()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        port = address(server)[1]
        self.assertEqual(kernel.udp_dropped(port), 0)
        for _ in range(100):
            client.sendto(bytes(1000), address(server))
        server.setblocking(False)
        kept = 0
        with contextlib.suppress(BlockingIOError):
            while server.recv(2000):
                kept += 1
        self.assertLess(kept, 100)
        self.assertEqual(kernel.udp_dropped(port), 100 - kept)

    def test_where_nobody_listens(self) -> None:
        server = self.datagrams()
        port = address(server)[1]
        server.close()
        self.assertIsNone(kernel.udp_dropped(port))


SLEEPER = "import time; print('', flush=True); time.sleep(600)"
FAMILY = """
import os, sys, time
if os.fork() == 0:
    os.setpgid(0, 0)  # it leaves the group, not the session
    if os.fork() == 0:
        os._exit(0)  # nobody reaps it
    time.sleep(0.05)
    print('', flush=True)
    time.sleep(600)
time.sleep(600)
"""


class Processes(Known):
    def test_a_session_without_its_dead(self) -> None:
        parent = self.run_python(FAMILY, session=True)
        found = proc.processes(parent.pid)
        self.assertIn(parent.pid, found)
        self.assertEqual(len(found), 2, found)
        for pid in found:
            os.kill(pid, 9)
        until(lambda: not proc.processes(parent.pid), "both are dead, and one is not reaped")
        self.assertIsNone(parent.returncode)

    def test_whoever_has_the_mark(self) -> None:
        name = f"NETLAB_TEST_{os.getpid()}"
        self.assertEqual(kernel.marked(f"{name}=1"), [])
        os.environ[name] = "1"
        self.addCleanup(os.environ.pop, name)
        process = self.run_python(SLEEPER, session=True)
        self.assertEqual(kernel.marked(f"{name}=1"), [process.pid])
        self.assertEqual(kernel.marked(f"{name}="), [])

    def test_a_name_may_hold_anything(self) -> None:
        code = "open('/proc/self/comm', 'w').write(') R 1 1 (');" + SLEEPER
        process = self.run_python(code, session=True)
        self.assertEqual(proc.processes(process.pid), [process.pid])
        self.assertEqual(kernel.threads([process.pid]), 1)

    def test_at_work_or_not(self) -> None:
        sleeping = self.run_python(SLEEPER)
        until(lambda: kernel.at_work([sleeping.pid]) is False, "it sleeps")
        beside = "import threading, time; threading.Thread(target=time.sleep, args=(600,)).start();"
        spinning = self.run_python(beside + "print('', flush=True)\nwhile True: pass")
        until(lambda: kernel.at_work([sleeping.pid, spinning.pid]) is True, "one of them is at work")

    def test_the_work_of_another_thread_counts(self) -> None:
        code = "import threading\ndef spin():\n  while True: pass\nthreading.Thread(target=spin).start()\n"
        process = self.run_python(code + SLEEPER)
        until(lambda: kernel.at_work([process.pid]) is True, "its second thread is at work")

    def test_processor_time_grows_with_work(self) -> None:
        process = self.run_python("print('', flush=True)\nwhile True: pass")
        ticks, seconds = proc.cpu_ticks([process.pid]), kernel.cpu_time([process.pid])
        assert ticks is not None
        assert seconds is not None
        until(lambda: (proc.cpu_ticks([process.pid]) or 0) > ticks + 5, "it uses the processor")
        grown = (kernel.cpu_time([process.pid]) or 0) - seconds
        self.assertGreater(grown, 0.03)

    def test_without_a_fine_count_the_ticks_tell(self) -> None:
        read = proc.read
        until(lambda: bool(proc.cpu_ticks([os.getpid()])), "we use the processor")
        for none in b"", b"0 0 0\n":

            def without(name: str, none: bytes = none) -> bytes:
                return none if name.endswith("schedstat") else read(name)

            self.patch(proc, "read", without)
            ticks = proc.cpu_ticks([os.getpid()])
            assert ticks is not None
            self.assertGreaterEqual(kernel.cpu_time([os.getpid()]) or 0, ticks / os.sysconf("SC_CLK_TCK"))

    def test_descriptors_threads_and_memory(self) -> None:
        code = "import threading, time\nfiles = [open('/dev/null') for _ in range(10)]\n"
        code += "block = b'x' * (50 << 20)\n"
        code += "for _ in range(3): threading.Thread(target=time.sleep, args=(600,)).start()\n"
        small, large = self.run_python(SLEEPER), self.run_python(code + SLEEPER)
        self.assertEqual(kernel.threads([large.pid]), 4)
        self.assertEqual(kernel.threads([small.pid, large.pid]), 5)
        self.assertEqual(
            (kernel.descriptors([large.pid]) or 0) - (kernel.descriptors([small.pid]) or 0),
            10,
        )
        grown = (kernel.memory([large.pid]) or 0) - (kernel.memory([small.pid]) or 0)
        self.assertGreater(grown, 49 << 20)
        self.assertLess(grown, 80 << 20)

    def test_what_has_ended_is_not_known(self) -> None:
        for pids in ([], [NOBODY]):
            for asked in (
                kernel.at_work,
                proc.cpu_ticks,
                kernel.cpu_time,
                kernel.descriptors,
                kernel.memory,
                kernel.threads,
            ):
                self.assertIsNone(asked(pids), asked)
        self.assertEqual(proc.processes(NOBODY), [])

    def test_processes_that_come_and_go_trouble_nobody(self) -> None:
        over = threading.Event()

        def fork() -> None:
            while not over.is_set():
                subprocess.run(["/bin/true"], check=False)

        forking = threading.Thread(target=fork)
        forking.start()
        try:
            ends = time.monotonic() + 0.5
            while time.monotonic() < ends:
                everybody = [int(name) for name in os.listdir("/proc") if name.isdigit()]
                self.assertIn(os.getpid(), proc.processes(os.getsid(0)))
                proc.listening(everybody, "tcp")
                kernel.at_work(everybody)
                kernel.descriptors(everybody)
                kernel.memory(everybody)
        finally:
            over.set()
            forking.join(PATIENCE)


class NotKnown(SynchronousTestCase):
    """Another system: there is no /proc."""

    def test_nothing_is_told_and_nothing_raised(self) -> None:
        self.patch(proc, "read", lambda name: b"")
        self.patch(proc, "listed", lambda name: [])
        self.patch(kernel, "_ask", lambda local, remote: None)
        pids = [os.getpid()]
        self.assertEqual(proc.listening(None, "tcp"), [])
        self.assertEqual(proc.listening(pids, "udp"), [])
        self.assertIsNone(kernel.unread(("127.0.0.1", 1), ("127.0.0.1", 2)))
        self.assertIsNone(kernel.udp_dropped(5005))
        self.assertEqual(proc.processes(os.getpid()), [])
        self.assertIsNone(kernel.at_work(pids))
        self.assertIsNone(kernel.memory(pids))
