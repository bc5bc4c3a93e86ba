"""twistd netlab-tcpsel: text, a selector and one thread."""

from __future__ import annotations

import os
import re
import selectors
import socket
from typing import Any

from twisted.internet.interfaces import IReactorCore, IReactorTCP, IReactorTime
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer_only

from netlab.reactors.selectors import SelectorReactor
from netlab.taps import tcpsel
from tests import support
from tests.support import RUNNER, Program, Served, ServerTestCase, plain, receive, receive_all, reset, runner
from tests.taps.test_tcp import TextBehaviour


class Selector(TextBehaviour, ServerTestCase):
    command = ("netlab-tcpsel",)
    threaded = False


class KeysTestCase(ServerTestCase):
    """For tests of what the log says of the keys: each class names its reactor itself."""

    reactor: str | None = None

    def setUp(self) -> None:
        self.patch(support, "REACTOR", self.reactor)

    def said(self, server: Served) -> list[str]:
        """What the log said, from its brackets on, without what Twisted says itself."""
        found = server.matches(r"\[(?:selector|tcp \S+ \S+|unix \S+ \S+|netlab-tcpsel)\] .*")
        return [each[0] for each in found]

    def has(self, server: Served, *lines: str) -> None:
        """These lines stand in the log, in this order, and no others between the first and the last."""
        server.wait_for(re.escape(lines[-1]) + "$")
        said = self.said(server)
        first = said.index(lines[0])
        self.assertEqual(said[first : first + len(lines)], list(lines))

    def key(self, server: Served, whose: str) -> str:
        """The descriptor's number of this port or client, as it was registered last."""
        pattern = rf"\[selector\] Registered .*, fd=(\d+), events=\S+, data={re.escape(whose)}\)"
        return server.wait_for(pattern)[-1][1]

    def address(self, client: socket.socket) -> str:
        return f"127.0.0.1:{client.getsockname()[1]}"


class Keys(KeysTestCase):
    def test_the_life_of_two_clients(self) -> None:
        server = self.serve("netlab-tcpsel")
        name = selectors.DefaultSelector.__name__
        server.wait_for(rf"netlab-tcpsel: one thread for all clients, on selectors\.{name}; deadlines: ")
        here = f"0.0.0.0:{server.port}"
        port = self.key(server, f"port {here}")
        with server.connect() as client, server.connect() as other:
            at, others = self.address(client), self.address(other)
            for each in client, other:
                server.wait_for(rf"\] Accepted connection from {self.address(each)}$")
            fd, others_fd = self.key(server, f"client {at}"), self.key(server, f"client {others}")
            self.assertEqual(len({port, fd, others_fd}), 3)

            for connection, text in ((client, b"hello"), (other, b"me too")):
                connection.sendall(text)
                receive(connection, 6 + len(text))
                number = {client: fd, other: others_fd}[connection]
                who = f"key fd={number}, client {self.address(connection)}"
                self.has(
                    server,
                    f"[selector] Ready READ: {who}: read of {len(text)} bytes",
                    f"[tcp {self.address(connection)} MainThread] Received {text.decode()}",
                    f"[selector] Modified {who}: events READ -> READ|WRITE "
                    f"(an answer of {6 + len(text)} bytes waits to be sent)",
                    f"[selector] Ready WRITE: {who}: writable",
                    f"[selector] Modified {who}: events READ|WRITE -> READ (all was sent)",
                )

            client.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(client), b"")
            who = f"key fd={fd}, client {at}"
            server.wait_for("Closed connection")
            self.has(
                server,
                f"[selector] Ready READ: {who}: end of stream (the client's FIN)",
                f"[selector] Unregistered {who}",
                f"[selector] Registered SelectorKey(fileobj=<socket 127.0.0.1:{server.port} to {at}>, "
                f"fd={fd}, events=WRITE, data=client {at}) (to be closed)",
                f"[selector] Ready WRITE: {who}: writable, to be closed when all is sent",
                f"[selector] Unregistered {who}",
                f"[tcp {at} MainThread] Closed connection from {at} (finished): the client was finished; "
                "5 bytes received, 11 sent",
            )
        said = self.said(server)
        first = [
            f"[selector] Registered SelectorKey(fileobj=<listening socket {here}>, fd={port}, events=READ, "
            f"data=port {here})",
            f"[selector] Ready READ: key fd={port}, port {here}: accept",
            f"[selector] Registered SelectorKey(fileobj=<socket 127.0.0.1:{server.port} to {at}>, fd={fd}, "
            f"events=READ, data=client {at})",
            f"[tcp {at} MainThread] Accepted connection from {at}",
        ]
        self.assertEqual(
            [line for line in said if line in first], first + first[1:2] * (said.count(first[1]) - 1)
        )

    def test_the_programs_of_the_laboratory(self) -> None:
        server = self.serve("netlab-tcpsel")
        for _ in range(2):
            with plain("client_tcp", "--port", str(server.port), "-m", "hello") as client:
                self.assertEqual(client.ended(), 0, client.output)
        server.wait_for("Closed connection", 2)
        self.assertEqual(len(server.matches(r"\] Ready READ: .*: read of 5 bytes$")), 2)
        self.assertEqual(len(server.matches(r"\] Ready READ: .*: end of stream \(the client's FIN\)$")), 2)

    def test_a_reset(self) -> None:
        server = self.serve("netlab-tcpsel")
        client = server.connect()
        at = self.address(client)
        server.wait_for("Accepted connection")
        reset(client)
        server.wait_for("Closed connection")
        self.assertEqual(
            [line for line in self.said(server) if " (reset)" in line or "lost (" in line or "Unreg" in line][
                :2
            ],
            [
                f"[selector] Ready READ: key fd={self.key(server, f'client {at}')}, client {at}: "
                "lost (the client or the network reset the connection)",
                f"[selector] Unregistered key fd={self.key(server, f'client {at}')}, client {at}",
            ],
        )

    def test_the_port_is_unregistered_at_the_stop(self) -> None:
        server = self.serve("netlab-tcpsel")
        server.signalled()
        server.wait_for(rf"\[selector\] Unregistered key fd=\d+, port 0\.0\.0\.0:{server.port}$")

    def test_the_whole_table(self) -> None:
        server = self.serve("netlab-tcpsel", "--keys")
        with server.connect() as client:
            client.sendall(b"hello")
            receive(client, 11)
            at, here = self.address(client), f"0.0.0.0:{server.port}"
            fd, port = self.key(server, f"client {at}"), self.key(server, f"port {here}")
            server.wait_for(r"\(all was sent\)$")
            pair = f"<socket 127.0.0.1:{server.port} to {at}>"
            wide = len(pair)
            for events, width in (("READ", 6), ("READ|WRITE", 10)):
                server.wait_for(
                    re.escape(f"[selector]   {fd:>2}  {events:{width}}  {pair}  client {at}") + "$"
                )
                server.wait_for(
                    re.escape(
                        f"[selector]   {port:>2}  {'READ':{width}}  "
                        f"{f'<listening socket {here}>':{wide}}  port {here}"
                    )
                    + "$"
                )
        server.wait_for("Closed connection")

    def test_quiet(self) -> None:
        server = self.serve("netlab-tcpsel", "--quiet")
        with server.connect() as client:
            client.sendall(b"hello")
            receive(client, 11)
        server.wait_for("Closed connection")
        words = [found[1] for found in server.matches(r"\[selector\] (\w+)")]
        self.assertEqual(words, ["Registered", *["Registered", "Unregistered"] * 2])

    def test_ipv6(self) -> None:
        server = self.serve("netlab-tcpsel", "--listen", "tcp6:0:interface=\\:\\:1")
        port = int(server.wait_for(r"data=port \[::1\]:(\d+)\)$")[0][1])
        with socket.create_connection(("::1", port), 30) as client:
            client.sendall(b"hello")
            receive(client, 11)
            at = f"[::1]:{client.getsockname()[1]}"
        fd = self.key(server, f"client {at}")
        server.wait_for(re.escape(f"Registered SelectorKey(fileobj=<socket [::1]:{port} to {at}>, fd={fd}, "))
        server.wait_for(re.escape(f"Ready READ: key fd={fd}, client {at}: read of 5 bytes") + "$")

    def test_unix(self) -> None:
        path = self.unix_path()
        server = self.serve("netlab-tcpsel", "--listen", f"unix:{path}")
        self.say_hello_at(path)
        server.wait_for(rf"fileobj=<socket {re.escape(os.path.abspath(path))} to ->, fd=\d+, events=READ, ")
        server.wait_for(r"Ready READ: key fd=\d+, client -: read of 5 bytes$")

    def test_behind_a_proxy_the_key_is_the_true_clients(self) -> None:
        server = self.serve("netlab-tcpsel", "--listen", "haproxy:tcp:0")
        with server.connect() as client:
            at = self.address(client)
            client.sendall(b"PROXY TCP4 203.0.113.7 203.0.113.1 40000 5005\r\n")
            self.say_hello(client)
        server.wait_for(rf"Ready READ: key fd=\d+, client 203\.0\.113\.7:40000 \(through {at}\): read$")

    def test_a_slow_handler_takes_the_key_of_its_client_away_for_so_long(self) -> None:
        server = self.serve("netlab-tcpsel", "--delay", "0.1")
        with server.connect() as client:
            client.sendall(b"hello")
            receive(client, 11)
            at = self.address(client)
            who = f"key fd={self.key(server, f'client {at}')}, client {at}"
            self.has(
                server,
                f"[selector] Ready READ: {who}: read of 5 bytes",
                f"[selector] Unregistered {who}",
                f"[tcp {at} MainThread] Received hello",
            )
            server.wait_for(r"Registered .*, events=WRITE, .* \(an answer of 11 bytes waits to be sent\)$")
            server.wait_for(r"events WRITE -> READ\|WRITE \(read from again\)$")


class NamedReactor(KeysTestCase):
    reactor = "selectors"

    def test_is_the_same(self) -> None:
        server = self.serve("netlab-tcpsel")
        server.wait_for(r"one thread for all clients, on selectors\.")
        with server.connect() as client:
            client.sendall(b"hello")
            receive(client, 11)
        server.wait_for(r"\[selector\] Ready READ: .* read of 5 bytes$")

    def test_another_command_shows_no_keys(self) -> None:
        server = self.serve("netlab-tcp")
        with server.connect() as client:
            self.say_hello(client)
        server.wait_for("Closed connection")
        if RUNNER == "twistd":
            server.wait_for(r"reactor class: netlab\.reactors\.selectors\.SelectorReactor\.$")
        self.assertEqual(server.matches(r"\[selector\]"), [])

    def test_is_in_the_list(self) -> None:
        option = {"twistd": "--help-reactors", "twist": "--help"}[RUNNER]
        with Program(*runner()[:1], option) as program:
            program.ended()
            self.assertRegex(program.output, r'(?m)^ +selectors\s|"selectors"')


class PollReactor(KeysTestCase):
    """A reactor of Twisted's: what it watches is looked at after each event."""

    reactor = "poll"
    name = "PollReactor"

    def test_what_it_watches_is_shown(self) -> None:
        server = self.serve("netlab-tcpsel", "--keys")
        server.wait_for(rf"on reactor {self.name}: what it watches is shown after each event; ")
        port = self.key(server, f"port 0.0.0.0:{server.port}")
        with server.connect() as client, server.connect() as other:
            fds = set()
            for number, connection in enumerate((client, other), 1):
                at = self.address(connection)
                connection.sendall(b"hello")
                self.assertEqual(receive(connection, 11), b"ECHO: hello")
                fds.add(self.key(server, f"client {at}"))
                server.wait_for(rf"\[selector\]  +\d+  READ .*  client {at}$")
                server.wait_for(r"\] Received hello$", number)
            self.assertEqual(len({port, *fds}), 3)
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(client), b"")
            server.wait_for(rf"\[selector\] Unregistered key fd=\d+, client {self.address(client)}$")
            self.assertEqual(server.matches(rf"Unregistered .*{self.address(other)}"), [])
        self.assertEqual(server.matches(r"\[selector\] Ready"), [])

    def test_quiet(self) -> None:
        server = self.serve("netlab-tcpsel", "--quiet")
        with server.connect() as client:
            client.sendall(b"hello")
            receive(client, 11)
            server.wait_for(r"\[selector\] Registered .*, data=client ")
        server.wait_for(r"\[selector\] Unregistered ")
        self.assertEqual(server.matches(r"\[selector\] (?!Reg|Unreg)"), [])


class AsyncioReactor(PollReactor):
    reactor = "asyncio"
    name = "AsyncioSelectorReactor"


class InProcess(SynchronousTestCase):
    """As a library: makeService() is called with any reactor."""

    def about(self, reactor: Any) -> str:
        options = tcpsel.Options()
        options.parseOptions(["--interface", "127.0.0.1"])
        tcpsel.makeService(options, reactor)
        return options.about()[0]

    def test_a_reactor_that_lets_one_look(self) -> None:
        self.assertEqual(
            self.about(MemoryReactorClock()),
            "one thread for all clients, on reactor MemoryReactorClock: "
            "what it watches is shown after each event",
        )

    def test_a_reactor_that_does_not(self) -> None:
        @implementer_only(IReactorCore, IReactorTime, IReactorTCP)
        class Blind(MemoryReactorClock):
            pass

        self.assertEqual(
            self.about(Blind()),
            "one thread for all clients, on reactor Blind: "
            "it does not tell what it watches, so no keys are shown",
        )

    def test_ours(self) -> None:
        reactor = SelectorReactor()
        self.addCleanup(reactor.fireSystemEvent, "shutdown")
        self.assertRegex(self.about(reactor), r"on selectors\.\w+Selector$")
        self.assertIsNotNone(reactor.watcher)
