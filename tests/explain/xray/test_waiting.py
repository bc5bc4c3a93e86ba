"""Who waits for what: real servers and clients, and the addresses that their sockets themselves tell."""

from __future__ import annotations

import os
import socket
import tempfile

from tests.explain.xray.watched import (
    PYTHON,
    Object,
    Watched,
    XrayTestCase,
    forgotten,
    name,
    names,
    one,
    threads,
    waits_for,
    watches,
)
from tests.support import script

TWISTD = (script("twistd"), "-n", "--pidfile=")

SELECTING = """
import selectors, socket, sys, time
selector = getattr(selectors, sys.argv[1])()
server = socket.create_server(("127.0.0.1", 0))
selector.register(server, selectors.EVENT_READ)
print("Listening on %s:%d" % server.getsockname(), flush=True)
while True:
    for key, _ in selector.select():
        if key.fileobj is server:
            selector.register(server.accept()[0], selectors.EVENT_READ)
        elif key.fileobj.recv(100) == b"sleep":
            time.sleep(600)
        else:
            selector.modify(key.fileobj, selectors.EVENT_READ | selectors.EVENT_WRITE)
            selector.unregister(server)
            while True:
                time.sleep(600)
"""
"""A server with a selector of a kind. A client's `sleep` has it sleep; all else, too, with other keys."""

FLOOD = """
import socket, threading
server = socket.create_server(("127.0.0.1", 0))
print("Listening on %s:%d" % server.getsockname(), flush=True)
while True:
    threading.Thread(target=server.accept()[0].sendall, args=(bytes(1 << 26),), daemon=True).start()
"""

SLEEPS = """
import socket, time
server = socket.create_server(("127.0.0.1", 0), backlog=int(__import__("sys").argv[1]))
print("Listening on %s:%d" % server.getsockname(), flush=True)
time.sleep(600)
"""

KEEPS = """
import os, socket, time
server = socket.create_server(("127.0.0.1", 0))
print("Listening on %s:%d" % server.getsockname(), flush=True)
while True:
    connection, _ = server.accept()
    if os.fork() == 0:
        server.close()
        while connection.recv(100):
            pass
        time.sleep(600)
"""
"""A server with a process for each client: it forgets to close its own copy of each connection."""

OTHERS = """
import os, select, subprocess, threading, time
subprocess.Popen(["sleep", "600"])
lock = threading.Lock()
lock.acquire()
never_written, never_read = os.pipe()[0], os.pipe()[1]
for wait in (
    lambda: lock.acquire(timeout=500),
    lambda: time.sleep(600),
    lambda: select.select([], [], [], 600),
    lambda: os.read(never_written, 1),
    lambda: os.write(never_read, bytes(1 << 24)),
    lambda: os.wait(),
):
    threading.Thread(target=wait).start()
"""


class Threads(XrayTestCase):
    def test_a_thread_for_each_client(self) -> None:
        server = self.watch_plain("server_tcp")
        clients = [server.connect(b"hello"), server.connect()]
        picture = server.wait_for(lambda seen: waits_for(seen, "recv") == names(clients), "two threads")
        listens = {f"0.0.0.0:{server.port}": ["READ"]}  # with a timeout, accept() waits in poll()
        main, *others = threads(picture)
        self.assertEqual((main["name"], main["call"], watches(main)), ("main thread", "poll", listens))
        self.assertEqual(main["tid"], picture["processes"][0]["pid"])
        self.assertEqual(main["timeout"], 1.0)
        self.assertEqual([thread["name"] for thread in others], ["thread 1", "thread 2"])
        self.assertEqual([thread["thing"]["remote"] for thread in others], [name(each) for each in clients])
        self.assertEqual({thread["syscall"] for thread in others}, {"recvfrom"})
        self.assertEqual((forgotten(picture), picture["whole"]), ([], True))

    def test_a_thread_keeps_its_number(self) -> None:
        server = self.watch_plain("server_tcp")
        first = server.connect()
        server.wait_for(lambda seen: waits_for(seen, "recv") == names([first]), "one thread")
        second = server.connect()
        server.wait_for(lambda seen: len(waits_for(seen, "recv")) == 2, "two threads")
        first.close()
        picture = server.wait_for(lambda seen: waits_for(seen, "recv") == names([second]), "one is left")
        self.assertEqual([thread["name"] for thread in threads(picture)], ["main thread", "thread 2"])

    def test_accept_itself(self) -> None:
        server = self.watch_plain("wrong/server_tcp_one_client_at_a_time", "0")
        listens = [f"0.0.0.0:{server.port}"]
        server.wait_for(lambda seen: waits_for(seen, "accept") == listens, "it accepts")

    def test_one_client_at_a_time(self) -> None:
        server = self.watch_plain("wrong/server_tcp_one_client_at_a_time", "0")
        first = server.connect()
        server.wait_for(lambda seen: waits_for(seen, "recv") == names([first]), "it serves the first")
        second = server.connect(b"hello")
        picture = server.wait_for(
            lambda seen: [each["unread"] for each in one(seen, "listener")["backlog"]] == [5], "one waits"
        )
        self.assertEqual(forgotten(picture), [f"0.0.0.0:{server.port}"])
        self.assertEqual([each["remote"] for each in one(picture, "listener")["backlog"]], [name(second)])
        self.assertEqual(waits_for(picture, "recv"), names([first]))
        first.close()
        picture = server.wait_for(lambda seen: waits_for(seen, "recv") == names([second]), "it is its turn")
        self.assertEqual(one(picture, "listener")["backlog"], [])

    def test_a_backlog_that_is_full(self) -> None:
        server = self.watch_code(SLEEPS, "1")
        clients = []
        for _ in range(5):
            client = socket.socket()
            self.addCleanup(client.close)
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", server.port))
            clients.append(client)
        picture = server.wait_for(lambda seen: one(seen, "listener")["outside"], "there is no room")
        listener = one(picture, "listener")
        # How many fit is the kernel's business: one more than was asked for, with Linux.
        inside, outside = ([each["remote"] for each in listener[where]] for where in ("backlog", "outside"))
        self.assertEqual(sorted(inside + outside), names(clients))
        self.assertTrue(inside)

    def test_stuck_in_send(self) -> None:
        server = self.watch_code(FLOOD)
        client = server.connect()
        picture = server.wait_for(lambda seen: waits_for(seen, "send") == names([client]), "it is stuck")
        (stuck,) = (thread for thread in threads(picture) if thread["call"] == "send")
        self.assertEqual((stuck["waits_for"], stuck["state"]), ("room", "blocked"))
        self.assertGreater(stuck["thing"]["unsent"], 0)

    def test_a_connection_that_its_client_has_left(self) -> None:
        server = self.watch_code(SELECTING, "EpollSelector")
        sleeper, leaver = server.connect(), server.connect()
        server.wait_for(lambda seen: len(seen["sockets"]) == 3, "both are there")
        sleeper.sendall(b"sleep")
        server.wait_for(lambda seen: threads(seen)[0]["call"] == "sleep", "it does nothing")
        where = name(leaver)
        leaver.close()
        picture = server.wait_for(
            lambda seen: [each["remote"] for each in seen["sockets"] if each["finished"]] == [where],
            "its FIN has come",
        )
        # A FIN counts as a byte, with Linux, until it is read: it is none.
        self.assertEqual([each["unread"] for each in picture["sockets"]], [0, 0, 0])

    def test_a_process_for_each_client(self) -> None:
        server = self.watch_code(KEEPS)
        client = server.connect()
        picture = server.wait_for(lambda seen: waits_for(seen, "recv") == names([client]), "a process")
        parent, child = picture["processes"]
        holders = {each["pid"] for each in one(picture, "connection")["holders"]}
        self.assertEqual(holders, {parent["pid"], child["pid"]})
        self.assertEqual([each["pid"] for each in one(picture, "connection")["threads"]], [child["pid"]])
        self.assertEqual(waits_for(picture, "accept"), [f"127.0.0.1:{server.port}"])

    def test_datagrams(self) -> None:
        server = self.watch_plain("server_udp")
        listens = [f"0.0.0.0:{server.port}"]
        picture = server.wait_for(lambda seen: waits_for(seen, "recvfrom") == listens, "it receives")
        self.assertEqual(one(picture, "udp")["remote"], None)

    def test_what_is_no_socket(self) -> None:
        program = self.watch_code(OTHERS)
        kinds = ["data", "process", "room", "thread", "time", "time"]
        picture = program.wait_for(
            lambda seen: sorted(each["waits_for"] or "" for each in threads(seen)[1:-1]) == kinds,
            "each waits for something else",
        )
        of = {each["waits_for"]: each for each in threads(picture)[1:-1]}
        self.assertEqual(of["data"]["thing"]["kind"], "pipe")
        self.assertEqual(
            {each["call"] for each in threads(picture)}, {"futex", "sleep", "read", "write", "wait"}
        )
        self.assertEqual(picture["processes"][1]["command"], ["sleep", "600"])
        self.assertEqual(picture["processes"][1]["threads"][0]["waits_for"], "time")


class Selectors(XrayTestCase):
    def check(self, kind: str) -> None:
        """A selector of the standard library watches the listener and each client."""
        server = self.watch_code(SELECTING, kind)
        listens = f"127.0.0.1:{server.port}"
        clients = [server.connect(), server.connect()]
        all_read = {name: ["READ"] for name in (listens, *names(clients))}
        picture = server.wait_for(lambda seen: watches(threads(seen)[0]) == all_read, "all are watched")
        self.assertEqual((forgotten(picture), picture["whole"]), ([], True))
        self.assertEqual(threads(picture)[0]["timeout"], None)

    def test_epoll(self) -> None:
        self.check("EpollSelector")

    def test_poll(self) -> None:
        self.check("PollSelector")

    def test_select(self) -> None:
        self.check("SelectSelector")

    def test_the_plain_server(self) -> None:
        server = self.watch_plain("server_tcpsel")
        clients = [server.connect(b"hello"), server.connect()]
        all_read = {name: ["READ"] for name in (f"0.0.0.0:{server.port}", *names(clients))}
        picture = server.wait_for(lambda seen: watches(threads(seen)[0]) == all_read, "all are watched")
        (selector,) = picture["processes"][0]["selectors"]
        self.assertEqual((selector["threads"], watches(selector)), (["main thread"], all_read))
        self.assertEqual(threads(picture)[0]["fd"], selector["fd"])

    def test_events_are_told_and_nobody_waits(self) -> None:
        server = self.watch_code(SELECTING, "EpollSelector")
        client, other = server.connect(), server.connect()
        both = {name(client): ["READ", "WRITE"], name(other): ["READ"]}
        server.wait_for(lambda seen: len(seen["sockets"]) == 3, "both are there")
        client.sendall(b"wake")
        picture = server.wait_for(
            lambda seen: (
                watches(seen["processes"][0]["selectors"][0]) == both and threads(seen)[0]["call"] == "sleep"
            ),
            "another key",
        )
        self.assertEqual(picture["processes"][0]["selectors"][0]["threads"], [])
        self.assertEqual(forgotten(picture), [f"127.0.0.1:{server.port}"])  # no selector watches it any more
        self.assertEqual([each["threads"] for each in picture["sockets"]], [[], [], []])

    def test_poll_forgets_when_it_does_not_wait(self) -> None:
        server = self.watch_code(SELECTING, "PollSelector")
        client, other = server.connect(), server.connect(b"unread")
        server.wait_for(lambda seen: len(seen["sockets"]) == 3, "both are there")
        client.sendall(b"sleep")
        everybody = sorted([*names([client, other]), f"127.0.0.1:{server.port}"])
        server.wait_for(lambda seen: forgotten(seen) == everybody, "nobody is waited for")


class Netlab(XrayTestCase):
    """netlab's own servers."""

    def wait_for_watched(self, server: Watched, wanted: set[str]) -> Object:
        """Wait until the main thread waits for all of these, and perhaps for others."""
        return server.wait_for(
            lambda seen: seen["processes"] and wanted <= set(watches(threads(seen)[0])), "all are watched"
        )

    def test_a_thread_for_each_client(self) -> None:
        server = self.watch(*TWISTD, "netlab-tcp", "--port", "0")
        clients = [server.connect(), server.connect(b"hello")]
        picture = self.wait_for_watched(server, {f"0.0.0.0:{server.port}", *names(clients)})
        self.assertEqual(forgotten(picture), [])
        server.wait_for(
            lambda seen: (
                [each["call"] for each in threads(seen)][1:] == ["futex"] * (len(threads(seen)) - 1)
                and len(threads(seen)) > 2
            ),
            "their threads wait for the reactor's",
        )

    def test_a_selector(self) -> None:
        for reactor in "epoll", "poll", "select", "selectors":
            server = self.watch(*TWISTD, f"--reactor={reactor}", "netlab-tcpsel", "--port", "0")
            client = server.connect(b"hello")
            self.wait_for_watched(server, {f"0.0.0.0:{server.port}", name(client)})

    def test_a_unix_socket(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "lab")
        server = self.watch(*TWISTD, "netlab-tcp", "--listen", f"unix:{path}")
        picture = self.wait_for_watched(server, {path})
        self.assertEqual(one(picture, "unix listener")["name"], path)

    def test_a_daemon_is_seen_and_ended(self) -> None:
        code = "import os, sys; os.chdir(sys.argv[1]); os.execv(sys.argv[2], sys.argv[2:])"
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        server = self.watch(PYTHON, "-c", code, folder.name, script("twistd"), "netlab-tcpsel", "--port", "0")
        picture = server.wait_for(
            lambda seen: (
                any(each["kind"] == "listener" for each in seen["sockets"]) and len(seen["processes"]) == 1
            ),
            "the daemon listens",
        )
        pid = picture["processes"][0]["pid"]
        with open(os.path.join(folder.name, "twistd.pid"), encoding="ascii") as file:
            self.assertEqual(int(file.read()), pid)
        self.assertEqual(server.program.signalled(), 0)
        self.assertFalse(os.path.exists(os.path.join(folder.name, "twistd.pid")))  # it has ended itself
