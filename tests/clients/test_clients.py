"""The clients as people run them, against the plain-socket servers of tests/plain and against our own."""

from __future__ import annotations

import atexit
import errno
import re
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import ClassVar

from twisted.trial.unittest import SkipTest

from netlab.wire import fixed
from tests.clients.running import NETLAB, ClientTestCase, Ended, messages, run
from tests.support import PATIENCE, Program, plain, receive, receive_all, script, serving

WORDS = ["hello", "grüße", "終わり, 20+ Bytes"]


class Server:
    """A server that runs, and what its clients are to be called with."""

    def __init__(self, program: Program, name: str, options: list[str]) -> None:
        self.program = program
        self.port = int(program.wait_for(r"Listening on \S+:(\d+)\b")[0][1])
        self.variant = "tcp" if name == "tcpsel" else name
        self.options = [option for option in options if option != "--echo" or name != "tcp"]

    def __repr__(self) -> str:
        return " ".join(self.program.process.args)  # type: ignore[arg-type]


KINDS = [
    ("udp", ["--echo"]),
    ("tcp", []),
    ("tcpsel", []),
    ("tcpv2", ["--echo"]),
    ("tcpv3", ["--echo", "--layout", "guide"]),
    ("tcpv3", ["--echo", "--layout", "scripts"]),
]


def start(stack: ExitStack, kinds: list[tuple[str, list[str]]]) -> list[Server]:
    """Both servers of each kind: all start at once, and are then waited for."""
    plains = [
        (name, options, stack.enter_context(plain(f"server_{name}", "--port", "0", *options)))
        for name, options in kinds
    ]
    ours = [
        (name, options, stack.enter_context(serving(f"netlab-{name}", *options))) for name, options in kinds
    ]
    return [Server(program, name, options) for name, options, program in [*plains, *ours]]


class Served(ClientTestCase):
    """Has servers that all its tests share: trial has no setUpClass, so the first test starts them."""

    kinds: ClassVar[list[tuple[str, list[str]]]]
    servers: ClassVar[list[Server]] = []

    def setUp(self) -> None:
        if not self.servers:
            with ExitStack() as stack:
                type(self).servers = start(stack, self.kinds)
                atexit.register(stack.pop_all().close)
        for server in self.servers:
            self.addCleanup(lambda server: self.assertNotIn("Traceback", server.program.output), server)

    def of(self, *variants: str) -> list[Server]:
        """The servers of these variants."""
        return [server for server in self.servers if server.variant in variants]

    def ask(self, servers: list[Server], *options: str, stdin: bytes = b"") -> list[tuple[Server, Ended]]:
        """Run a client that fits each server, some at a time; all must be fine."""
        with ThreadPoolExecutor(3) as pool:
            all_ended = pool.map(
                lambda server: self.client(
                    server.variant, server.port, *server.options, *options, stdin=stdin
                ),
                servers,
            )
            asked = list(zip(servers, all_ended, strict=True))
        for server, ended in asked:
            self.assertEqual((ended.status, ended.err), (0, []), (server, ended))
        return asked


class WithEcho(Served):
    kinds = KINDS

    def test_every_message_arrives_and_comes_back(self) -> None:
        for server, ended in self.ask(self.servers, *messages(*WORDS)):
            for word in WORDS:
                shown = fixed.frame(1, word).text if server.variant == "tcpv2" else word
                server.program.wait_for(rf"(Received|->) (.* )?{re.escape(shown)}$")
                self.assertTrue(any(line.endswith(shown) for line in ended.said("Sent ")), ended)
                came = [line for line in ended.said("Received ") if f"{shown} (echo of " in line]
                self.assertEqual(len(came), 1, ended)
            self.assertEqual(len(ended.said("Sent ")), len(WORDS), ended)
            self.assertRegex(
                ended.out[-1],
                r"^3 of 3 messages came back; round trip: [\d.]+ ms at least, [\d.]+ ms on average, "
                r"[\d.]+ ms at most$",
            )

    def test_the_first_line_tells_the_source_port_that_the_server_sees(self) -> None:
        for server, ended in self.ask(self.of("udp", "tcpv2"), *messages("whose port?")):
            said = (
                rf"^To 127\.0\.0\.1:{server.port}: datagrams, from source port (\d+), chosen by the kernel$"
                if server.variant == "udp"
                else rf"^Connected to 127\.0\.0\.1:{server.port} from 127\.0\.0\.1:(\d+): source port \1, "
                "chosen by the kernel$"
            )
            self.assertRegex(ended.out[0], said)
            source = ended.out[0].split("source port ")[1].split(",")[0]
            server.program.wait_for(rf"(Accepted connection|Message) from 127\.0\.0\.1:{source}\b")

    def test_what_is_sent_by_v2_is_cut_and_the_client_says_so(self) -> None:
        for server, ended in self.ask(self.of("tcpv2"), *messages("grüße an alle, 20+ Bytes", "x" * 20)):
            self.assertEqual(
                ended.said("  Note: "),
                [
                    "the text has 26 bytes, and a frame carries 20: it is cut, and what arrives is: "
                    "grüße an alle, 20+"
                ],
            )
            server.program.wait_for("-> grüße an alle, 20[+]$")

    def test_a_large_text_comes_back_whole(self) -> None:
        large = "".join(f"{number:5}" for number in range(20_000))
        for _, ended in self.ask(self.of("tcp", "tcpv3")[::2], stdin=f"before\n{large}\nafter\n".encode()):
            self.assertEqual(len(ended.said("Received ")), 3)
            self.assertIn(large, ended.said("Sent ")[1])

    def test_start_order_counts_on_and_0_follows_the_last(self) -> None:
        for server, ended in self.ask(
            self.of("tcpv2", "tcpv3"), "--start-order", "4294967295", *messages("a", "b", "c")
        ):
            orders = [line.split(", ")[1] for line in ended.said("Sent ")]
            self.assertEqual(orders, ["order: 4294967295", "order: 0", "order: 1"])
            server.program.wait_for("order: 4294967295, size: 1 -> a")

    def test_count_sends_the_list_so_many_times(self) -> None:
        for _, ended in self.ask(self.of("udp", "tcp")[::3], "--count", "3", *messages("a", "b")):
            self.assertEqual([line[-1] for line in ended.said("Sent ")], list("ababab"))
            self.assertIn("6 of 6 messages came back", ended.out[-1])

    def test_interval_keeps_the_sequence(self) -> None:
        for _, ended in self.ask(
            self.of("udp", "tcpv2"), "--interval", "0.01", "--count", "3", *messages("a", "b")
        ):
            # Each waits for longer than its echo takes here; but a busy machine may delay any of them.
            self.assertEqual([line[-1] for line in ended.said("Sent ")], list("ababab"))
            self.assertEqual(len(ended.said("Received ")), 6)

    def test_piped_lines_are_messages(self) -> None:
        for server, ended in self.ask(self.servers, stdin=b"one\r\n\r\nno UTF-8: \xe4\xff\nlast without end"):
            skipped = "(an empty text is no message in a stream: nothing is sent)"
            self.assertEqual(ended.out.count(skipped), int(server.variant == "tcp"), ended)
            self.assertEqual(len(ended.said("Sent ")), 4 - (server.variant == "tcp"), ended)
            self.assertIn(r"no UTF-8: \xe4\xff", "\n".join(ended.said("Received ")))
            server.program.wait_for(r"no UTF-8: \\(xe4\\xff|udce4\\udcff)$")  # each in its own way

    def test_more_messages_than_may_be_on_their_way_at_once(self) -> None:
        for _, ended in self.ask(self.of("udp", "tcpv3")[::2], "--count", "150", *messages("many")):
            self.assertIn("150 of 150 messages came back", ended.out[-1])

    def test_a_server_is_found_by_its_name(self) -> None:
        for server in self.of("tcp", "tcpv2")[::3]:
            ended = self.client(server.variant, f"localhost:{server.port}", *server.options, *messages("hi"))
            self.assertEqual((ended.status, ended.err), (0, []), ended)
            self.assertIn(f"Connected to 127.0.0.1:{server.port} from", ended.out[0])

    def test_what_comes_back_unasked_is_shown(self) -> None:
        for server in self.of("tcpv3"):
            options = [option for option in server.options if option != "--echo"]
            ended = self.client("tcpv3", server.port, *options, *messages("hello"))
            self.assertEqual((ended.status, ended.err), (0, []), ended)
            self.assertEqual(
                ended.out[1:],
                ["Sent ver: 1, order: 1, size: 5 -> hello", "Received ver: 1, order: 1, size: 5 -> hello"],
            )

    def test_the_command_that_is_installed_is_the_same(self) -> None:
        for server in self.of("tcp")[:1]:
            ended = run(script("netlab"), "client", "tcp", f"127.0.0.1:{server.port}", "-m", "hello")
            self.assertEqual((ended.status, ended.err, ended.said("Sent ")), (0, [], ["hello"]))


class WithoutEcho(Served):
    kinds: ClassVar = [("udp", []), ("tcpv3", ["--layout", "scripts"])]

    def test_sending_is_all(self) -> None:
        for server, ended in self.ask(self.servers, *messages("hello", "", "bye")):
            self.assertEqual(len(ended.out), 4, ended)
            self.assertEqual([line.split("-> ")[-1] for line in ended.said("Sent ")], ["hello", "", "bye"])
            server.program.wait_for("-> hello$")
            server.program.wait_for("-> bye$")


class Hex(ClientTestCase):
    """--hex shows the bytes of both directions under the names of their fields."""

    def test_frames(self) -> None:
        version, order, size = "01", "00 00 00 01", "00 00 00 02"
        for variant, options, names, numbers in (
            ("tcpv2", [], "version  order        size", (version, order, size)),
            ("tcpv3", [], "version  order        size", (version, order, size)),
            ("tcpv3", ["--layout", "scripts"], "version  size         order", (version, size, order)),
        ):
            padding = 18 if variant == "tcpv2" else 0
            length = 11 + padding

            def echo(connection: socket.socket, length: int = length) -> None:
                connection.sendall(receive(connection, length))
                receive_all(connection)

            stub = self.stub(echo)
            ended = self.client(variant, stub.port, "-e", "--hex", *options, *messages("hi"))
            self.assertEqual((ended.status, ended.err), (0, []))
            titles = [line for line in ended.said("  ") if line.startswith("version")]
            self.assertEqual([title.removesuffix("text").strip() for title in titles], [names] * 2)
            bytes_ = [line for line in ended.said("  ") if line.startswith("01")]
            row = "       ".join(numbers[:1]) + " " * 7 + "  ".join(numbers[1:]) + "  68 69" + " 2d" * padding
            self.assertEqual(bytes_, [row] * 2)

    def test_text_and_its_reply(self) -> None:
        def echo(connection: socket.socket) -> None:
            connection.sendall(b"ECHO: " + receive(connection, 2))
            receive_all(connection)

        ended = self.client("tcp", self.stub(echo).port, "--hex", *messages("hi"))
        self.assertEqual(
            [line for line in ended.out if line.startswith("  ")],
            ["  text", "  68 69", "  prefix             text", "  45 43 48 4f 3a 20  68 69"],
        )


class OnTheWire(ClientTestCase):
    """What goes out, byte by byte."""

    LINES = b"one\r\n\n\xe4\xff\r\r\nlast"

    def test_frames(self) -> None:
        texts = [b"one", b"", b"\xe4\xff\r", b"last"]
        frames = [(number.to_bytes(4, "big"), text) for number, text in enumerate(texts, 1)]
        v2 = [order + len(text).to_bytes(4, "big") + text.ljust(20, b"-") for order, text in frames]
        guide = [order + len(text).to_bytes(4, "big") + text for order, text in frames]
        scripts = [len(text).to_bytes(4, "big") + order + text for order, text in frames]
        for variant, options, expected in (
            ("tcpv2", [], v2),
            ("tcpv3", [], guide),
            ("tcpv3", ["--layout", "scripts"], scripts),
        ):
            stub = self.stub(receive_all)
            ended = self.client(variant, stub.port, *options, stdin=self.LINES)
            self.assertEqual((ended.status, ended.err), (0, []))
            self.assertEqual(stub.result(), b"".join(b"\1" + frame for frame in expected))

    def test_text(self) -> None:
        def echo(connection: socket.socket) -> bytes:
            came = b""
            while data := connection.recv(99):
                came += data
                connection.sendall(b"ECHO: " + data)
            return came

        stub = self.stub(echo)
        ended = self.client("tcp", stub.port, stdin=self.LINES)
        self.assertEqual((ended.status, ended.err), (0, []))
        self.assertEqual(stub.result(), b"one\xe4\xff\rlast")

    def test_datagrams(self) -> None:
        stub = self.stub(lambda server: [server.recv(99) for _ in range(4)], socket.SOCK_DGRAM)
        ended = self.client("udp", stub.port, stdin=self.LINES)
        self.assertEqual((ended.status, ended.err), (0, []))
        self.assertEqual(stub.result(), [b"one", b"", b"\xe4\xff\r", b"last"])

    def test_no_message_at_all_is_fine(self) -> None:
        stub = self.stub(receive_all)
        ended = self.client("tcpv3", stub.port, "-e")
        self.assertEqual((ended.status, ended.err, len(ended.out)), (0, [], 1))
        self.assertEqual(stub.result(), b"")


class SourcePort(ClientTestCase):
    def free(self, kind: socket.SocketKind) -> int:
        """A port that nobody has."""
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            return port

    def peers(self, connection: socket.socket) -> int:
        """Serve a client to its end; return its port."""
        receive_all(connection)
        port: int = connection.getpeername()[1]
        return port

    def test_is_the_one_asked_for_and_can_be_had_again_at_once(self) -> None:
        own = self.free(socket.SOCK_STREAM)
        for _ in range(2):  # two servers, since one could be a minute without this client's port
            stub = self.stub(self.peers)
            ended = self.client("tcpv2", stub.port, "--local-port", str(own), *messages("hi"))
            self.assertEqual((ended.status, ended.err), (0, []), ended)
            self.assertEqual(
                ended.out[0],
                f"Connected to 127.0.0.1:{stub.port} from 127.0.0.1:{own}: source port {own}, "
                "the one asked for",
            )
            self.assertEqual(stub.result(), own)

    def test_to_the_same_server_again_it_works_or_is_told_to_be_held(self) -> None:
        own = self.free(socket.SOCK_STREAM)
        with plain("server_tcp", "--port", "0") as server:
            port = int(server.wait_for(r"Listening on \S+:(\d+)")[0][1])
            first, second = (
                self.client("tcp", port, "--local-port", str(own), *messages("hi")) for _ in range(2)
            )
        self.assertEqual((first.status, first.err), (0, []))
        held = (
            f"local port {own} is still held: an earlier connection from it to 127.0.0.1:{port} is in "
            "TIME_WAIT, for a minute after its end (the side that closed first keeps it); wait, or choose "
            "another --local-port"
        )
        self.assertIn((second.status, second.err), [(0, []), (3, [held])])

    def test_of_datagrams_is_the_one_asked_for(self) -> None:
        own = self.free(socket.SOCK_DGRAM)
        for _ in range(2):
            stub = self.stub(lambda server: server.recvfrom(99), socket.SOCK_DGRAM)
            ended = self.client("udp", stub.port, "--local-port", str(own), *messages("hi"))
            self.assertEqual((ended.status, ended.err), (0, []))
            self.assertTrue(ended.out[0].endswith(f"from source port {own}, the one asked for"), ended)
            self.assertEqual(stub.result(), (b"hi", ("127.0.0.1", own)))

    def test_that_another_program_has_is_told_in_one_line(self) -> None:
        for variant, kind in ("udp", socket.SOCK_DGRAM), ("tcp", socket.SOCK_STREAM):
            with socket.socket(socket.AF_INET, kind) as other:
                other.bind(("0.0.0.0", 0))
                if kind is socket.SOCK_STREAM:
                    other.listen()
                own = other.getsockname()[1]
                stub = self.stub(receive_all, kind)
                ended = self.client(variant, stub.port, "--local-port", str(own), *messages("hi"))
            line = f"local port {own} is still held: another program has it; end that, or choose another "
            self.assertEqual(ended, Ended(3, [], [f"{line}--local-port"]))


class Names(ClientTestCase):
    """How a server is found."""

    def test_ipv6(self) -> None:
        try:
            with socket.socket(socket.AF_INET6) as probe:
                probe.bind(("::1", 0))
        except OSError as error:
            raise SkipTest(f"IPv6 is missing here: {error}") from None
        for variant, options in ("udp", ["--echo"]), ("tcp", []):
            with serving(f"netlab-{variant}", "--interface", "::1", *options) as server:
                target = f"[::1]:{server.port}"
                ended = self.client(variant, target, *options, *messages("hello"))
                self.assertEqual((ended.status, ended.err), (0, []), ended)
                self.assertIn(target, ended.out[0])
                source = ended.out[0].split("source port ")[1].split(",")[0]
                server.wait_for(rf"from \[::1\]:{source}\b")

    def test_nobody_listens(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))  # and no listen(): whoever connects is refused
            port = probe.getsockname()[1]
            for variant in "tcp", "tcpv2", "tcpv3":
                ended = self.client(variant, port, *messages("hi"))
                line = (
                    f"cannot connect to 127.0.0.1:{port}: refused; nothing listens there: start the server, "
                )
                self.assertEqual(ended, Ended(3, [], [f"{line}or check the port"]))

    def test_no_such_host(self) -> None:
        for variant in "udp", "tcp":
            ended = self.client(variant, "no-such-host.invalid", *messages("hi"))
            self.assertEqual((ended.status, ended.out, len(ended.err)), (3, [], 1), ended)
            self.assertRegex(
                ended.err[0], r"^cannot find the host 'no-such-host\.invalid': .+; check its name$"
            )

    def test_a_server_that_does_not_answer_is_given_up(self) -> None:
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen(0)
            address = server.getsockname()
            waiting = [socket.socket() for _ in range(8)]
            for each in waiting:  # its queue is full now: the kernel answers nobody any more
                each.setblocking(False)
                self.assertIn(each.connect_ex(address), (0, errno.EINPROGRESS, errno.EAGAIN))
                self.addCleanup(each.close)
            ended = self.client("tcp", address[1], "--timeout", "0.5", *messages("hi"))
        self.assertEqual((ended.status, ended.out), (3, []), ended)
        self.assertEqual(
            ended.err,
            [
                f"cannot connect to 127.0.0.1:{address[1]}: no answer within 0.5 s; check the address, and "
                "that no firewall is in between"
            ],
        )


class TheEnds(ClientTestCase):
    """Nobody reads what a client says: it goes on without a word."""

    def test_a_closed_standard_output_gives_no_traceback(self) -> None:
        stub = self.stub(receive_all)
        with subprocess.Popen(
            [*NETLAB, "client", "tcpv3", f"127.0.0.1:{stub.port}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            self.assertIn(b"Connected to", process.stdout.readline())
            process.stdout.close()
            for _ in range(3):
                process.stdin.write(b"hello\n")
            process.stdin.close()
            self.assertEqual(process.stderr.read(), b"")
            self.assertEqual(process.wait(PATIENCE), 0)
        self.assertEqual(len(stub.result()), 3 * 14)
