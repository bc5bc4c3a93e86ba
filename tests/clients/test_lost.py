"""Servers that disappear: right after they accepted, or with many echoes outstanding. One line says so."""

from __future__ import annotations

import errno
import itertools
import select
import socket
import struct
import subprocess
import sys
import time
from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure

from netlab.clients.talk import RIGHT_AFTER, RUNS_NAMED, Status
from netlab.protocols.client import EchoMissing
from tests.clients.running import NETLAB, ClientTestCase, Ended, Stub, messages, run
from tests.clients.test_faults import ADVICE, RESET_AT_ONCE
from tests.clients.test_prompt import AtATerminal
from tests.clients.test_talk import Link, TalkTestCase
from tests.support import PATIENCE, receive, reset

ROUNDS = 50
"""Clients of a server that resets at once: the moment at which the reset arrives varies."""

MOMENT = 0.2
"""Seconds until a server resets a connection that the client's connect() is to return before."""

HELD = """
import select, socket, sys

moment = sys.argv.pop(1)

def wait(connection):
    poll = select.poll()
    poll.register(connection, 0)
    while not any(event & select.POLLHUP for _, event in poll.poll()):
        pass

class Held(socket.socket):
    def connect(self, address):
        if moment == "connect":
            self.setblocking(False)
            self.connect_ex(address)
            wait(self)
            raise OSError(self.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), "as the kernel says")
        super().connect(address)
        if moment == "adopt":
            wait(self)

    def send(self, data, *flags):
        if moment == "send":
            wait(self)
        return super().send(data, *flags)

def addresses(host, port, type=0):
    return [(socket.AF_INET, type, 6, "", (each, port)) for each in host.split("+")]

socket.socket, socket.getaddrinfo = Held, addresses
from netlab.cli import main
sys.exit(main())
"""
"""A client that a reset reaches at a moment of the test's choice: in connect(), before Twisted gets the
socket, or in the first send(). Its host may be several addresses, joined with a plus sign."""


def fin_and_reset(connection: socket.socket) -> None:
    """Close with a FIN, and then reset."""
    connection.shutdown(socket.SHUT_WR)
    reset(connection)


def reset_later(connection: socket.socket) -> None:
    """Let connect() return, and reset then."""
    time.sleep(MOMENT)
    reset(connection)


class ResetTestCase(ClientTestCase):
    def assert_reset_at_once(self, ended: Ended) -> None:
        """One line reports the reset, with a hint at the server's log, and the status is 1."""
        self.assertEqual((ended.status, len(ended.err)), (1, 1), ended)
        self.assertRegex(ended.err[0], f"^{RESET_AT_ONCE}; .*[Ss]ee (its|the server's) log$")

    def held(self, moment: str, target: str, *options: str) -> Ended:
        """Run a client that the reset reaches at this moment."""
        return run(sys.executable, "-c", HELD, moment, "client", "tcpv3", target, *options)


class ResetRightAfterAccept(ResetTestCase):
    def test_at_whatever_moment_it_arrives(self) -> None:
        said = itertools.cycle(([], messages("hello"), messages("hello", "world")))
        variants = itertools.cycle(("tcp", "tcpv2", "tcpv3", "tcpv3"))
        echo = itertools.cycle(((), ("--echo",), (), ("--echo", "--hex"), ("--echo",)))
        for _ in range(ROUNDS):
            ended = self.client(next(variants), self.stub(reset).port, *next(echo), *next(said))
            self.assert_reset_at_once(ended)

    def test_options_change_nothing(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        for options in (
            ["--trace"],
            ["--record", self.mktemp()],
            ["--local-port", port],
            ["--interval", "0.1"],
        ):
            for _ in range(3):
                ended = self.client("tcpv3", self.stub(reset).port, *options, *messages("hello", "world"))
                self.assert_reset_at_once(ended)

    def test_a_fin_and_then_a_reset(self) -> None:
        for _ in range(5):
            ended = self.client("tcpv3", self.stub(fin_and_reset).port, "--echo", *messages("hello"))
            self.assertEqual((ended.status, len(ended.err)), (1, 1), ended)
            self.assertRegex(ended.err[0], f"^({RESET_AT_ONCE}|The server closed the connection)[,;] ")

    def test_a_fin_alone(self) -> None:
        for _ in range(5):
            ended = self.client(
                "tcpv3", self.stub(lambda _: None).port, "--echo", *messages("hello", "world")
            )
            self.assertEqual((ended.status, len(ended.err)), (1, 1), ended)
            self.assertRegex(ended.err[0], f"^({RESET_AT_ONCE}|The server closed the connection)[,;] ")

    def test_a_client_that_has_nothing_to_send_yet(self) -> None:
        stub = self.stub(reset_later)
        with subprocess.Popen(
            [*NETLAB, "client", "tcpv3", f"127.0.0.1:{stub.port}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            status = process.wait(PATIENCE)
            out, err = (each.read().decode().splitlines() for each in (process.stdout, process.stderr))
        self.assert_reset_at_once(Ended(status, out, err))


class ChosenMoments(ResetTestCase):
    if sys.platform != "linux":
        skip = "what poll() says of a connection that was reset is Linux's"

    def test_each_moment(self) -> None:
        for moment, serve in (
            ("connect", reset),
            ("connect", fin_and_reset),
            ("adopt", reset_later),
            ("send", reset_later),
        ):
            for options in ("-m", "hello"), ("--echo", "-m", "hello"):
                ended = self.held(moment, f"127.0.0.1:{self.stub(serve).port}", *options)
                self.assert_reset_at_once(ended)
                self.assertRegex(ended.out[0], "^Connected to 127.0.0.1:")

    def test_the_next_address_is_not_tried(self) -> None:
        stub = self.stub(reset)
        with socket.create_server(("127.0.0.2", stub.port)) as other:
            other.setblocking(False)
            ended = self.held("connect", f"127.0.0.1+127.0.0.2:{stub.port}", "--timeout", "1", "-m", "hello")
            self.assert_reset_at_once(ended)
            self.assertRaises(BlockingIOError, other.accept)

    def test_the_next_address_is_tried_where_one_refuses(self) -> None:
        stub = self.stub(reset)
        ended = self.held("adopt", f"127.0.0.2+127.0.0.1:{stub.port}", "-m", "hello")
        self.assert_reset_at_once(ended)

    def test_a_reset_that_answers_a_syn_is_a_refusal(self) -> None:
        """So that the other errors of connect() mean a connection that was made."""
        with socket.socket() as probe, socket.socket() as client:
            probe.bind(("127.0.0.1", 0))
            self.assertEqual(client.connect_ex(probe.getsockname()), errno.ECONNREFUSED)
        for serve, error in (reset, errno.ECONNRESET), (fin_and_reset, errno.EPIPE):
            with socket.socket() as client:
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", self.stub(serve).port))
                poll = select.poll()
                poll.register(client, 0)
                while not poll.poll()[0][1] & select.POLLHUP:
                    pass
                self.assertEqual(client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), error)


class AtThePrompt(AtATerminal):
    if sys.platform == "win32":
        skip = "Windows has no pseudo-terminals"

    def test_a_reset_right_after_accept(self) -> None:
        for serve in reset, reset_later:
            for self.fallback in False, True:
                stub = Stub(serve)
                self.addCleanup(stub.end)
                terminal = self.terminal("tcpv3", f"127.0.0.1:{stub.port}")
                self.assertEqual(terminal.ended(), 1, terminal.lines)
                self.assertIn(f"{RESET_AT_ONCE}; see the server's log", "".join(terminal.lines))
                self.assertEqual(terminal.settings(), terminal.at_first)


class ManyOutstanding(ClientTestCase):
    """Of 100 messages, 36 come back, and 64 are on their way as the server disappears."""

    SIZES = (("tcpv2", 29), ("tcpv3", 14))

    def ends(self, how: str, *options: str) -> list[Ended]:
        """How clients end, one a variant, whose server ends in one of these ways: fin, reset, silence."""
        ended = []
        for variant, size in self.SIZES:

            def serve(connection: socket.socket, size: int = size) -> None:
                connection.sendall(receive(connection, 36 * size))
                receive(connection, 64 * size)
                if how == "reset":
                    reset(connection)

            stub = self.stub(serve, close=how == "fin")
            ended.append(self.client(variant, stub.port, "--echo", *options, stdin=b"hello\n" * 100))
        return ended

    def assert_one_line(self, how: str, line: str, *options: str) -> None:
        for ended in self.ends(how, *options):
            self.assertEqual((ended.status, ended.err), (1, [line]), ended)
            self.assertIn("36 of 100 messages came back", ended.out[-1])

    def test_a_fin(self) -> None:
        self.assert_one_line(
            "fin", "The server closed the connection; no echo of 64 messages: order 37 to 100"
        )

    def test_a_reset(self) -> None:
        self.assert_one_line(
            "reset",
            "The connection was lost: the server or the network reset it; "
            "no echo of 64 messages: order 37 to 100",
        )

    def test_a_deadline(self) -> None:
        self.assert_one_line(
            "silence", "No echo of 64 messages within 0.5 s: order 37 to 100", "--timeout", "0.5"
        )

    def test_nothing_came_back(self) -> None:
        stub = self.stub(lambda connection: receive(connection, 64 * 14))
        ended = self.client("tcpv3", stub.port, "--echo", stdin=b"hello\n" * 100)
        line = f"The server closed the connection; no echo of 64 messages: order 1 to 64; {ADVICE['tcpv3']}"
        self.assertEqual((ended.status, ended.err), (1, [line]), ended)

    def test_where_orders_begin_anew(self) -> None:
        stub = self.stub(lambda connection: receive(connection, 4 * 14))
        ended = self.client("tcpv3", stub.port, "--echo", "--start-order", "4294967293", stdin=b"hello\n" * 4)
        self.assertEqual((ended.status, len(ended.err)), (1, 1), ended)
        self.assertIn("no echo of 4 messages: order 4294967293 to 4294967295 and ", ended.err[0])

    def test_those_in_between(self) -> None:
        def serve(connection: socket.socket) -> None:
            receive(connection, 10 * 14)
            for order in 1, 3, 4, 10:
                connection.sendall(struct.pack("!BLL", 1, order, 5) + b"hello")

        ended = self.client("tcpv3", self.stub(serve).port, "--echo", stdin=b"hello\n" * 10)
        line = "The server closed the connection; no echo of 6 messages: order 2 and 5 to 9"
        self.assertEqual((ended.status, ended.err), (1, [line]), ended)

    def test_datagrams(self) -> None:
        stub = self.stub(lambda server: [server.recv(99) for _ in range(16)], socket.SOCK_DGRAM, close=False)
        ended = self.client("udp", stub.port, "--echo", "--timeout", "0.5", stdin=b"hello\n" * 16)
        line = f"No echo of 16 messages within 0.5 s: number 1 to 16; {ADVICE['udp']}"
        self.assertEqual((ended.status, ended.err), (1, [line]), ended)


class Summaries(TalkTestCase):
    def sent(self, *texts: str, **options: Any) -> Link:
        """A link over which these were sent, and none came back."""
        link = Link(window=1_000)
        self.talk(link, **options)
        for text in texts:
            self.successResultOf(self.offer(text))
        return link

    def loses(self, link: Link, reason: Exception) -> list[str]:
        """What is said when the connection is lost."""
        for answer in link.answers:
            if not answer.called:
                answer.errback(EchoMissing())
        self._talk.lost(Failure(reason))
        self.assertEqual(self.successResultOf(self._talk.done), Status.FAULT)
        return self.complained

    def test_runs_are_named_by_their_ends_and_only_so_many(self) -> None:
        for sent, named in (
            ((1, 2), "1 and 2"),
            ((1, 2, 3), "1 to 3"),
            ((1, 3, 4, 5, 8), "1, 3 to 5 and 8"),
            (range(1, 2 * RUNS_NAMED + 4, 2), "1, 3, 5, 7, 9, 11, 13, 15 and 2 more"),
        ):
            link = self.sent(*map(str, sent))
            said = self.loses(link, ConnectionDone())
            line = f"The server closed the connection; no echo of {len(sent)} messages: number {named}"
            self.assertEqual(said, [f"{line}; is it there?"])

    def test_late_echoes_are_recognized_after_a_summary(self) -> None:
        link = Link(is_stream=False)
        talk = self.talk(link)
        for text in "123":
            self.successResultOf(self.offer(text))
        self.clock.advance(5)
        self.assertEqual(self.complained, ["No echo of 3 messages within 5 s: number 1 to 3; is it there?"])
        for text in "213":
            talk.unexpected(link.message(text))
            late = f"Late echo of message {text}, after it was given up: {text}"
            self.assertEqual(self.complained[-1], late)
        talk.conclude()

    def test_a_prompt_goes_on_after_a_summary(self) -> None:
        link = self.sent("1", "2", asks=True)
        self.clock.advance(5)
        self.assertEqual(self.complained, ["No echo of 2 messages within 5 s: number 1 and 2; is it there?"])
        self.successResultOf(self.offer("3"))
        said = self.loses(link, ConnectionDone())
        self.assertEqual(said[1:], ["The server closed the connection; no echo of message 3"])

    def test_a_reset_is_right_after_accept_only_so_long_and_if_nothing_came(self) -> None:
        lost = "The connection was lost: the server or the network reset it"
        for wait, came, more in (
            (0.0, False, " right after it was accepted; see the server's log"),
            (RIGHT_AFTER, False, " right after it was accepted; see the server's log"),
            (RIGHT_AFTER + 0.5, False, ""),
            (0.0, True, ""),
        ):
            talk = self.talk(Link())
            talk.connected()
            self.clock.advance(wait)
            if came:
                talk.received()
            self.assertEqual(self.loses(Link(), ConnectionLost()), [lost + more])
