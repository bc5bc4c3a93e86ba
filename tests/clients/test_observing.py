"""`netlab client` with --trace and --record: what it draws, what it writes, and that nothing else changes."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

from netlab.observers.dialects import DATAGRAM, FIXED, TEXT, Dialect, variable_size
from netlab.wire import fixed
from netlab.wire.variable import Layout, frame
from tests.clients.running import NETLAB, ClientTestCase, Ended, messages, run
from tests.observers.recordings import Recording, analysis, recording
from tests.observers.terminals import Terminal
from tests.observers.test_trace import STYLE, Drawing
from tests.support import PATIENCE, ServerTestCase, receive, receive_all, reset

WORDS = ["hello", "grüße", "終わり"]

KINDS = {
    "netlab-udp": ("udp", ["--echo"]),
    "netlab-tcp": ("tcp", []),
    "netlab-tcpsel": ("tcp", []),
    "netlab-tcpv2": ("tcpv2", ["--echo"]),
    "netlab-tcpv3": ("tcpv3", ["--echo", "--layout", "scripts"]),
}
"""Each server, the client for it, and what both are called with."""


class ObservingTestCase(ClientTestCase, ServerTestCase):
    def path(self) -> Path:
        return Path(self.mktemp()).absolute()

    def echo(self) -> int:
        """The port of a server that sends everything back."""

        def serve(client: socket.socket) -> None:
            while data := client.recv(1 << 16):
                client.sendall(data)

        return self.stub(serve).port


def said_of(recorded: Recording, received: bool) -> list[str]:
    """The messages that the comments name, of what came or of what was sent."""
    start = "recv()" if received else "send()"
    comments = [
        each for each in recorded.comments if each.startswith(start) and " 0 bytes: the end" not in each
    ]
    parts = [part for each in comments for part in each.split("; ")[1:] if "segment " not in each]
    return [part for part in parts if not part.startswith("handled by") and "not whole" not in part]


class BothSides(ObservingTestCase):
    """What a client and a server record of the same run is the same run."""

    def test_both_recordings_show_the_same(self) -> None:
        for command, (variant, options) in KINDS.items():
            ours, theirs = self.path(), self.path()
            server = self.serve(command, *options, "--record", str(theirs))
            ended = self.client(variant, server.port, *options, *messages(*WORDS), "--record", str(ours))
            self.assertEqual((ended.status, ended.err), (0, []), ended)
            self.assertRegex(
                ended.out[-1], rf"^Recorded \d+ packets in {ours}; look at them: wireshark {ours}$"
            )
            if variant != "udp":
                server.wait_for("Closed connection")
            server.signalled()
            self.are_the_same(recording(ours), recording(theirs), command)
            self.assertEqual(recording(ours).interface, f"netlab client {variant}")
            self.assertTrue(recording(ours).comment.startswith("Reconstructed, not captured"))
            shown = analysis(ours, int(variant != "udp"))
            self.assertEqual(shown.warnings, [])
            self.assertEqual(
                shown.followed, [(each.sent, each.received) for each in recording(ours).conversations]
            )

    def are_the_same(self, ours: Recording, theirs: Recording, command: str) -> None:
        self.assertEqual(said_of(ours, False), said_of(theirs, True), command)
        self.assertEqual(said_of(ours, True), said_of(theirs, False), command)
        self.assertEqual(len(said_of(ours, True)), 3)
        if command == "netlab-udp":
            ports = {each.source[1] for each in ours.packets}
            self.assertEqual(len(ports), 2)
            for port in ports:  # each side sees the other's a little later
                mine, its = (
                    [each.data for each in side.packets if each.source[1] == port] for side in (ours, theirs)
                )
                self.assertEqual(mine, its)
            return
        (here,), (there,) = ours.conversations, theirs.conversations
        self.assertEqual((here.client, here.server), (there.client, there.server))
        self.assertEqual((here.sent, here.received), (there.sent, there.received))
        self.assertIn("connect() of connection 1", here.comments[0])


class Traces(ObservingTestCase):
    def test_draw_what_was_sent_and_what_each_recv_returned(self) -> None:
        hello = frame(1, "hello").pack()
        for variant, dialect, sent, answer, options in (
            ("tcp", TEXT, b"hello", b"ECHO: hello", ()),
            ("tcpv2", FIXED, fixed.frame(1, "hello").pack(), fixed.frame(1, "hello").pack(), ("--echo",)),
            ("tcpv3", variable_size(Layout.GUIDE), hello, hello, ("--echo",)),
            (
                "tcpv3",
                variable_size(Layout.SCRIPTS),
                frame(1, "hello").pack(Layout.SCRIPTS),
                frame(1, "hello").pack(Layout.SCRIPTS),
                ("--echo", "--layout", "scripts"),
            ),
        ):
            self.draws(variant, dialect, sent, answer, *options)

    def draws(self, variant: str, dialect: Dialect, sent: bytes, answer: bytes, *options: str) -> None:
        def serve(client: socket.socket) -> None:
            self.assertEqual(receive(client, len(sent)), sent)
            client.sendall(answer)
            receive_all(client)

        ended = self.client(variant, self.stub(serve).port, "--trace", *options, "-m", "hello")
        self.assertEqual((ended.status, ended.err), (0, []), ended)
        drawing = Drawing(dialect, is_server=False).sent(sent).received(answer).ended().lines
        self.assertEqual([line for line in ended.out if line in drawing], drawing)
        others = [line.split()[0] for line in ended.out if line not in drawing]
        self.assertEqual(others, ["Connected", "Sent", "Received", "1"])

    def test_draw_datagrams(self) -> None:
        def serve(port: socket.socket) -> None:
            data, client = port.recvfrom(99)
            port.sendto(data, client)

        port = self.stub(serve, socket.SOCK_DGRAM).port
        ended = self.client("udp", port, "--trace", "--echo", "-m", "hello")
        self.assertEqual((ended.status, ended.err), (0, []), ended)
        drawing = Drawing(DATAGRAM, is_server=False).sent(b"hello").received(b"hello").lines
        self.assertEqual([line for line in ended.out if line in drawing], drawing)

    def test_have_colours_on_a_terminal_that_has_some(self) -> None:
        drawn = []
        for env in {}, {"NO_COLOR": "1"}, {"TERM": "dumb"}:
            terminal = Terminal(
                *NETLAB, "client", "tcpv3", f":{self.echo()}", "--trace", "-m", "hello", **env
            )
            self.addCleanup(terminal.close)
            self.assertEqual(terminal.ended(), 0, terminal.output)
            drawn.append([line for line in terminal.lines if not line.startswith(("Connected", "1 of"))])
        self.assertIn("\x1b[1msend() 1: 14 bytes, 0 to 13 of what is sent\x1b[0m", drawn[0])
        self.assertEqual([STYLE.sub("", line) for line in drawn[0]], drawn[1])
        self.assertNotIn("\x1b", "".join(drawn[1] + drawn[2]))


class Recordings(ObservingTestCase):
    def test_on_standard_output_leave_it_to_them(self) -> None:
        for options in (), ("--trace",):
            target = f":{self.echo()}"
            done = subprocess.run(
                [*NETLAB, "client", "tcpv3", target, "--echo", "-m", "hello", "--record", "-", *options],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )
            lines = done.stderr.decode().splitlines()
            self.assertEqual(done.returncode, 0, lines)
            (conversation,) = Recording(done.stdout).conversations
            self.assertEqual(conversation.sent, frame(1, "hello").pack())
            self.assertEqual(conversation.received, conversation.sent)
            self.assertRegex(lines[0], "^Connected to ")
            self.assertRegex(lines[-1], r"^Recorded \d+ packets in standard output$")
            self.assertEqual(any(line.startswith("send() 1") for line in lines), bool(options))

    def test_of_what_went_wrong(self) -> None:
        path = self.path()

        def serve(client: socket.socket) -> None:
            receive(client, 5)
            reset(client)

        ended = self.client("tcp", self.stub(serve, close=False).port, "-m", "hello", "--record", str(path))
        self.assertEqual(ended.status, 1, ended)
        (conversation,) = recording(path).conversations
        self.assertEqual(conversation.packets[-1].flags, "RA")
        self.assertEqual(conversation.packets[-1].source, conversation.server)
        self.assertEqual(conversation.comments[-1], "the peer, or the network, has reset the connection")

    def test_of_a_server_that_breaks_the_protocol(self) -> None:
        path = self.path()

        def serve(client: socket.socket) -> None:
            client.sendall(b"\2")
            receive_all(client)

        port = self.stub(serve).port
        ended = self.client("tcpv3", port, "--echo", "-m", "hello", "--record", str(path))
        self.assertEqual(ended.status, 1, ended)
        (conversation,) = recording(path).conversations
        self.assertTrue(any("wrong-version: " in comment for comment in conversation.comments))
        self.assertEqual(conversation.packets[-1].flags, "RA")
        self.assertEqual(conversation.packets[-1].source, conversation.client)

    def test_change_no_exit_status(self) -> None:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            for options in ("--trace",), ("--record", str(self.path())):
                ended = self.client("tcp", nobody.getsockname()[1], "-m", "hello", *options)
                self.assertEqual((ended.status, len(ended.err)), (3, 1), ended)

    def test_that_cannot_be_are_one_line_and_a_status_of_their_own(self) -> None:
        for path, why in (
            ("/nowhere/f.pcapng", "No such file or directory; choose another file for --record"),
            (os.curdir, "Is a directory; choose another file for --record"),
            ("/dev/full", "No space left on device"),
        ):
            if path != "/dev/full" or os.path.exists(path):
                ended = self.client("udp", 5005, "-m", "hello", "--record", path)
                self.assertEqual(ended, Ended(2, [], [f"cannot record in {path}: {why}"]))

    def test_are_not_for_a_terminal(self) -> None:
        terminal = Terminal(*NETLAB, "client", "udp", "-m", "hello", "--record", "-")
        self.addCleanup(terminal.close)
        self.assertEqual(terminal.ended(), 2)
        self.assertEqual(
            terminal.lines,
            ["cannot record on a terminal: pipe it, --record - | wireshark -k -i -, or give it a file"],
        )


class Troubles(ObservingTestCase):
    """They are told once, and all messages come back."""

    def test_a_disk_that_fills(self) -> None:
        path = self.path()
        ended = run(
            "/bin/sh",
            "-c",
            # A file that does not get whole is to be the recording, and no other.
            'ulimit -f 8; PYTHONDONTWRITEBYTECODE=1 exec "$0" "$@"',
            *NETLAB,
            *("client", "tcpv3", f":{self.echo()}", "--echo", "-m", "hello", "--count", "100"),
            *("--record", str(path)),
        )
        self.assertEqual(ended.status, 0, ended)
        self.assertEqual(len(ended.err), 1, ended.err)
        self.assertRegex(ended.err[0], r"ends here, after \d+ packets: File too large; all else goes on$")
        self.assertRegex(ended.out[-1], "^100 of 100 messages came back")
        self.assertEqual(analysis(path).warnings, [])
        self.assertIn(f" after {len(recording(path).packets)} packets", ended.err[0])

    def test_a_reader_who_goes_away(self) -> None:
        with subprocess.Popen(
            [*NETLAB, "client", "tcpv3", f":{self.echo()}", "--echo", "--record", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdin
            assert process.stdout
            assert process.stderr
            self.assertEqual(process.stdout.read(4), b"\x0a\x0d\x0d\x0a")
            process.stdout.close()
            process.stdin.write(b"hello\nhello\n")
            process.stdin.close()
            lines = process.stderr.read().decode().splitlines()
            self.assertEqual(process.wait(PATIENCE), 0, lines)
        self.assertEqual(
            len([line for line in lines if "nobody reads it any more; all else goes on" in line]), 1
        )
        self.assertEqual(len([line for line in lines if line.startswith("2 of 2 messages came back")]), 1)
        self.assertEqual([line for line in lines if "Traceback" in line], [])
