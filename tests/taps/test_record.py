"""--record: what a real server writes, as Wireshark reads it; and that it never stops traffic."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from netlab.observers.recorder import MAX_WAITING
from netlab.wire import fixed
from netlab.wire.variable import Layout, frame
from tests.observers.recordings import (
    Conversation,
    Recording,
    analysis,
    recording,
    tshark,
)
from tests.observers.terminals import Terminal
from tests.support import (
    PATIENCE,
    RUNNER,
    Program,
    Served,
    ServerTestCase,
    receive,
    receive_all,
    reset,
    runner,
    until,
)

MEBIBYTE = 1 << 20

Exchange = tuple[bytes, bytes]
"""What a client has sent, and what came back."""


class RecordTestCase(ServerTestCase):
    def setUp(self) -> None:
        self.exchanges: dict[int, Exchange] = {}

    def record(self, command: str, *options: str) -> Served:
        """A server that records in a new file."""
        self.path = Path(self.mktemp()).absolute()
        return self.serve(command, *options, "--record", str(self.path))

    def stop(self, server: Served) -> Recording:
        """Stop the server; return what it has recorded."""
        server.signalled()
        recorded = recording(self.path)
        (found,) = server.matches(r"\[record\] Recorded ([\d,]+) packets in (.*); look at them: wireshark ")
        self.assertEqual(int(found[1].replace(",", "")), len(recorded.packets))
        self.assertEqual(found[2], str(self.path))
        self.assertTrue(recorded.comment.startswith("Reconstructed, not captured"))
        return recorded

    def exchange(self, client: socket.socket, *pieces: Exchange) -> None:
        """Send each piece and get what comes back for it."""
        port = client.getsockname()[1]
        for piece, answer in pieces:
            client.sendall(piece)
            self.assertEqual(receive(client, len(answer)), answer)
            sent, received = self.exchanges.get(port, (b"", b""))
            self.exchanges[port] = sent + piece, received + answer

    def holds(self, recorded: Recording) -> None:
        """Each client's bytes are in the recording, as they came; Wireshark finds them, and no fault."""
        found = {each.client[1]: each for each in recorded.conversations}
        self.assertEqual(set(found), set(self.exchanges))
        shown = analysis(self.path, len(found))
        for each, followed in zip(recorded.conversations, shown.followed, strict=True):
            exchange = self.exchanges[each.client[1]]
            self.assertTrue((each.sent, each.received) == exchange, each.client)
            self.assertTrue(followed == exchange, each.client)
        self.assertEqual(len(shown.conversations), len(self.exchanges))
        self.assertEqual(shown.warnings, [])

    def of(self, recorded: Recording, client: socket.socket) -> Conversation:
        """A client's conversation."""
        return next(each for each in recorded.conversations if each.client == client.getsockname()[:2])


class TCPRecordings(RecordTestCase):
    """Each TCP server: clients of every kind, two and more at once, and 1 MiB both ways."""

    def records(
        self,
        message: Callable[[int, bytes], bytes],
        command: str,
        *options: str,
        threaded: bool = True,
        frames: bool = True,
    ) -> None:
        """message: the bytes of one, of its order and its text."""
        server = self.record(command, *options)
        one, two, three, half = clients = [server.connect() for _ in range(4)]
        server.wait_for("Accepted connection", 4)
        with contextlib.ExitStack() as stack:
            for client in clients:
                stack.enter_context(client)
            hello = message(1, "grüße".encode())
            prefix = b"" if frames else b"ECHO: "
            self.exchange(one, (hello, prefix + hello))
            self.exchange(three, (hello, prefix + hello))  # and is there until the server's end
            self.large(two, message)
            if frames:
                self.exchange(one, (b"\2garbage", b""))
                self.assertEqual(receive_all(one), b"")
            self.exchange(half, (message(1, "€".encode())[:-1], b"" if frames else b"ECHO: \xe2\x82"))
            for client in one, half:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_WR)
            for client in one, two, half:
                self.assertEqual(receive_all(client), b"")
                server.wait_for(rf"Closed connection from 127\.0\.0\.1:{client.getsockname()[1]} ")
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(receive_all(three), b"")
            server.ended()
            recorded = self.stop(server)
            self.holds(recorded)
            shown = (
                "ver: 1, order: 1, size: {} -> grüße".format(5 if "v2" in command else 7)
                if frames
                else "grüße"
            )
            for number, client in enumerate(clients, 1):
                self.says_who(server, self.of(recorded, client), client, number, threaded)
            said = self.of(recorded, one).comments
            self.assertIn("accept() of connection ", said[0])
            self.assertRegex(said[1], rf"^recv\(\) 1: {len(hello)} bytes; handled by .*; {shown}$")
            self.assertRegex(
                said[2],
                rf"^send\(\) 1: {len(prefix + hello)} bytes; handled by .*; {prefix.decode()}{shown}$",
            )
            if frames:
                self.assertRegex(
                    said[3], r"^recv\(\) 2: 8 bytes; .*; wrong-version: a frame begins with the byte 0x02"
                )
                self.assertRegex(
                    self.of(recorded, half).comments[-2], "^recv.*end of the stream; truncated: "
                )
            else:
                self.assertRegex(self.of(recorded, half).comments[-2], r"end of the stream; \\xe2\\x82$")
            self.assertEqual(self.of(recorded, three).comments[-1], "this side sends no more")

    def large(self, client: socket.socket, message: Callable[[int, bytes], bytes]) -> None:
        """1 MiB, and all that comes back for it."""
        sent = message(1, b"abcdefgh" * (MEBIBYTE // 8))  # no E, so that replies' prefixes can be taken out

        def send() -> None:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        received = receive_all(client)
        thread.join(PATIENCE)
        self.assertTrue(received.replace(b"ECHO: ", b"") == sent)
        self.exchanges[client.getsockname()[1]] = sent, received

    def says_who(
        self, server: Served, found: Conversation, client: socket.socket, number: int, threaded: bool
    ) -> None:
        """Each comment on what was received or sent says which recv() it was, and who handled it."""
        port = client.getsockname()[1]
        if threaded:
            who = server.matches(rf"\[tcp 127\.0\.0\.1:{port} (client-\d+)\] Accepted")[0][1]
        else:
            who = r"MainThread, key fd=\d+"
            for line in server.matches(rf"Registered .*, fd=(\d+), .*data=client 127\.0\.0\.1:{port}\)"):
                who = f"MainThread, key fd={line[1]}"  # as the log of netlab-tcpsel names it
        carrying = [packet for packet in found.packets if packet.data]
        for packet in carrying:
            self.assertRegex(
                packet.comment,
                rf"^(recv|send)\(\) \d+: ([\d,]+ bytes?|segment \d+ of \d+); handled by {who}(; |$)",
            )
        for side, word in ((found.client, "recv"), (found.server, "send")):
            numbers = [
                int(packet.comment.split()[1].rstrip(":"))
                for packet in carrying
                if packet.source == side and "segment" not in packet.comment
            ]
            self.assertEqual(numbers, list(range(1, len(numbers) + 1)), word)

    def text(self, order: int, text: bytes) -> bytes:
        return text

    def fixed(self, order: int, text: bytes) -> bytes:
        if len(text) <= 20:
            return fixed.frame(order, text.decode()).pack()
        return b"".join(fixed.frame(at + 1, "x" * 20).pack() for at in range(len(text) // 29))

    def variable(self, order: int, text: bytes) -> bytes:
        return frame(order, text.decode()).pack()

    def test_netlab_tcp(self) -> None:
        self.records(self.text, "netlab-tcp", frames=False)

    def test_netlab_tcp_on_the_reactor(self) -> None:
        self.records(self.text, "netlab-tcp", "--handler", "reactor", frames=False, threaded=False)

    def test_netlab_tcpsel(self) -> None:
        self.records(self.text, "netlab-tcpsel", frames=False, threaded=False)

    def test_netlab_tcpv2(self) -> None:
        self.records(self.fixed, "netlab-tcpv2", "--echo", "--quiet")

    def test_netlab_tcpv3(self) -> None:
        self.records(self.variable, "netlab-tcpv3", "--echo")


class OtherRecordings(RecordTestCase):
    def test_datagrams(self) -> None:
        server = self.record("netlab-udp", "--echo")
        sent = [b"hello", b"", b"caf\xc3", b"x" * 65_507]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(PATIENCE)
            client.bind(("127.0.0.1", 0))
            for data in sent:
                client.sendto(data, ("127.0.0.1", server.port))
                self.assertEqual(client.recv(65_535), data)
            ends = ("127.0.0.1", client.getsockname()[1]), ("127.0.0.1", server.port)
        packets = self.stop(server).packets
        self.assertEqual([packet.data for packet in packets[::2]], sent)
        self.assertEqual([packet.data for packet in packets[1::2]], sent)
        for packet in packets[::2]:
            self.assertEqual((packet.source, packet.destination), ends)
        for packet in packets[1::2]:
            self.assertEqual((packet.destination, packet.source), ends)
        self.assertRegex(
            packets[0].comment, r"^recv\(\) 1: 5 bytes; handled by MainThread, key fd=\d+; hello$"
        )
        self.assertRegex(packets[5].comment, r"^send\(\) 3: 4 bytes; handled by .*; caf\\xc3$")
        self.assertEqual(analysis(self.path).warnings, [])

    def test_clients_that_are_lost_dropped_or_turned_away(self) -> None:
        server = self.record("netlab-tcp", "--quiet", "--stall-timeout", "0.5", "--max-clients", "1")
        lost = server.connect()
        self.exchange(lost, (b"hello", b"ECHO: hello"))
        with server.connect() as turned_away:
            self.assertEqual(turned_away.recv(1), b"")
        name = lost.getsockname()
        reset(lost)
        server.wait_for(r"\(reset\)")
        with server.connect() as stalled:
            stalled.settimeout(1)
            with contextlib.suppress(TimeoutError, ConnectionError):
                while True:
                    stalled.sendall(b"x" * MEBIBYTE)
            server.wait_for(r"\(stalled\)")
        recorded = self.stop(server)
        first, second, third = recorded.conversations
        self.assertEqual(
            (first.client, first.packets[-1].source, first.packets[-1].flags), (name, name, "RA")
        )
        self.assertEqual(first.comments[-1], "the peer, or the network, has reset the connection")
        self.assertEqual(second.flags, ["S", "SA", "A", "FA", "A"])
        self.assertRegex(second.comments[-1], "^refused: 1 clients are connected")
        self.assertEqual((third.packets[-1].source, third.packets[-1].flags), (third.server, "RA"))
        self.assertEqual(third.comments[-1], "this side drops the connection: stalled")
        said = analysis(self.path).warnings  # to the experts, a reset itself is worth a warning
        self.assertEqual(said, ["2 Sequence TCP Connection reset (RST)"])

    def test_other_roads_to_a_server(self) -> None:
        path = self.unix_path()
        ipv6 = ["--listen", "tcp6:0:interface=\\:\\:1"] if _has_ipv6() else []
        server = self.record(
            "netlab-tcp",
            "--listen",
            f"unix:{path}",
            "--listen",
            "haproxy:tcp:0:interface=127.0.0.1",
            *ipv6,
        )
        self.say_hello_at(path)
        proxy = int(server.wait_for(r"Listening on 127\.0\.0\.1:(\d+)")[0][1])
        headers = (
            b"TCP4 192.0.2.7 192.0.2.1 40000 5005",
            b"TCP6 2001:db8::7 2001:db8::1 40000 5005",
            b"TCP4 2001:db8::7 192.0.2.1 40000 5005",  # these two lie
            b"TCP4 192.0.2.7 192.0.2.1 99999 5005",
        )
        for count, header in enumerate(headers, 2):
            with socket.create_connection(("127.0.0.1", proxy), PATIENCE) as client:
                client.sendall(b"PROXY " + header + b"\r\n")
                self.say_hello(client)
            server.wait_for("Closed connection", count)
        if ipv6:
            port = int(server.wait_for(r"Listening on \[::1\]:(\d+)")[0][1])
            with socket.create_connection(("::1", port), PATIENCE) as client:
                self.say_hello(client)
            server.wait_for("Closed connection", 6)
        recorded = self.stop(server)
        self.assertEqual(server.matches("ends here"), [])
        found = recorded.conversations
        shown = analysis(self.path, len(found))
        for each, followed in zip(found, shown.followed, strict=True):
            self.assertEqual((each.sent, each.received), (b"hello", b"ECHO: hello"))
            self.assertEqual(followed, (b"hello", b"ECHO: hello"))
        self.assertEqual(shown.warnings, [])
        made_up = "; the addresses are made up: "
        self.assertEqual(
            [made_up in each.comments[0] for each in found],
            [True, False, False, True, True, False][: len(found)],
        )
        self.assertEqual(found[1].client, ("192.0.2.7", 40_000))
        self.assertEqual((found[2].client, found[2].server), (("2001:db8::7", 40_000), ("2001:db8::1", 5005)))
        if ipv6:
            self.assertEqual(found[5].server, ("::1", port))

    def test_the_scripts_layout(self) -> None:
        server = self.record("netlab-tcpv3", "--echo")
        stream = frame(1, "hello").pack(Layout.SCRIPTS)
        with server.connect() as client:
            self.exchange(client, (stream, stream))
        server.wait_for("Closed connection")
        (conversation,) = self.stop(server).conversations
        for comment in conversation.comments[1:3]:
            self.assertIn("; ver: 1, order: 1, size: 5 -> hello", comment)

    def test_a_daemon(self) -> None:
        if RUNNER != "twistd":
            self.skipTest("only twistd makes daemons")
        path = Path(self.mktemp()).absolute()
        with Program(
            *runner()[:1],
            "--pidfile=pid",
            "--logfile=log",
            "netlab-tcp",
            "--listen",
            "tcp:0:interface=127.0.0.1",
            "--record",
            str(path),
        ) as program:
            self.assertEqual(program.ended(), 0, program.output)
            log, pid = Path(program.folder, "log"), Path(program.folder, "pid")
            self.addCleanup(_end, int(pid.read_text()))
            until(lambda: "Listening on" in log.read_text(), "it listens")
            port = int(re.findall(r"Listening on 127\.0\.0\.1:(\d+)", log.read_text())[0])
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
                self.say_hello(client)
            until(lambda: "Closed connection" in log.read_text(), "the client is gone")
            os.kill(int(pid.read_text()), signal.SIGTERM)
            until(lambda: not pid.exists(), "it has ended")
            self.assertIn("[record] Recorded 11 packets in ", log.read_text())
            (conversation,) = recording(path).conversations
            self.assertEqual((conversation.sent, conversation.received), (b"hello", b"ECHO: hello"))


class StandardOutput(RecordTestCase):
    """--record -: the recording alone goes to standard output."""

    def start(self, standard_output: str, *options: str, command: str = "netlab-tcp") -> Served:
        """A server whose standard output goes where the shell is told; its log is on standard error."""
        script = f'exec "$0" "$@" 3>&1 2>&3 3>&- {standard_output}'
        where = ["--listen", "tcp:0:interface=127.0.0.1"]
        server = Served("/bin/sh", "-c", script, *runner(), command, *where, *options, "--record", "-")
        self.addCleanup(server.__exit__, None, None, None)
        self.addCleanup(lambda: self.assertNotIn("Traceback", server.output))
        assert isinstance(server, Served)
        server.port = int(server.wait_for(r"Listening on \S+?:(\d+) ")[0][1])
        return server

    def pipe(self) -> tuple[str, int]:
        """A named pipe, and its end that reads."""
        path = os.path.abspath(self.mktemp())
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        return f'>"{path}"', reader

    def test_carries_the_recording_and_standard_error_the_log(self) -> None:
        for command in "netlab-tcp", "netlab-tcpsel":
            where, reader = self.pipe()
            server = self.start(where, "--trace", command=command)
            os.set_blocking(reader, True)
            data = bytearray()
            with os.fdopen(reader, "rb") as file:
                thread = threading.Thread(target=_drain, args=(file, data), daemon=True)
                thread.start()
                with server.connect() as client:
                    self.say_hello(client)
                server.wait_for("Closed connection")
                server.wait_for(r"\[trace tcp .*\] recv\(\) 1 returned 5 bytes")
                server.signalled()
                thread.join(PATIENCE)
            server.wait_for(r"\[record\] Recorded 11 packets in standard output$")
            (conversation,) = Recording(bytes(data)).conversations
            self.assertEqual((conversation.sent, conversation.received), (b"hello", b"ECHO: hello"))

    def test_is_what_wireshark_reads_from_a_pipe(self) -> None:
        program = shutil.which("tshark")
        if program is None:
            self.skipTest("tshark, which comes with Wireshark, is not installed")
        folder = os.path.abspath(self.mktemp())
        os.mkdir(folder)
        where, reader = self.pipe()
        server = self.start(where)
        os.set_blocking(reader, True)
        with subprocess.Popen(
            [program, "-n", "-r", "-", "-T", "fields", "-e", "frame.comment"],
            stdin=reader,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": folder, "XDG_CONFIG_HOME": folder},
        ) as wireshark:
            os.close(reader)
            with server.connect() as client:
                self.say_hello(client)
            server.wait_for("Closed connection")
            server.signalled()
            said, _ = wireshark.communicate(timeout=PATIENCE)
        self.assertEqual(wireshark.returncode, 0)
        self.assertIn(b"\nrecv() 1: 5 bytes; handled by client-1; hello\n", said)

    def test_a_reader_who_goes_away_stops_nothing(self) -> None:
        where, reader = self.pipe()
        server = self.start(where)
        with server.connect() as client:
            self.say_hello(client)
            os.close(reader)
            for _ in range(3):
                self.say_hello(client)
            server.wait_for(
                r"\[record\] The recording in standard output ends here, after \d+ packets: "
                "nobody reads it any more; all else goes on$"
            )
            self.say_hello(client)
        server.wait_for("Closed connection")
        server.signalled()
        self.assertEqual(len(server.matches(r"\[record\]")), 1)

    def test_a_reader_who_never_reads_stops_nothing(self) -> None:
        where, reader = self.pipe()
        self.addCleanup(os.close, reader)
        server = self.start(where, "--quiet")
        with server.connect() as client:
            self.say_hello(client)
            before = server.memory()
            piece = b"x" * 60_000
            total = 0
            while total < 2 * MAX_WAITING:
                client.sendall(piece)
                total += len(piece)
                back = 0
                while back < len(piece):
                    back += len(client.recv(1 << 20).replace(b"ECHO: ", b""))
            server.wait_for(
                r"\[record\] .* ends here, .*: \d+ MiB wait to be written: the disk, or who reads, "
            )
            self.assertLess(server.memory() - before, 2 * MAX_WAITING)
        server.wait_for("Closed connection")
        begun = time.monotonic()
        server.signalled()
        self.assertLess(time.monotonic() - begun, 20)
        self.assertEqual(len(server.matches(r"\[record\]")), 1)

    def test_a_pipe_that_is_full_at_the_stop_is_waited_for_no_longer_than_promised(self) -> None:
        where, reader = self.pipe()
        self.addCleanup(os.close, reader)
        server = self.start(where, "--quiet")
        with server.connect() as client:
            for _ in range(10):
                client.sendall(b"x" * 20_000)
                back = 0
                while back < 20_000:
                    back += len(client.recv(1 << 20).replace(b"ECHO: ", b""))
        server.wait_for("Closed connection")
        begun = time.monotonic()
        self.assertEqual(server.signalled(), -signal.SIGTERM)
        self.assertLess(time.monotonic() - begun, 20)  # LAST_WORDS are promised
        (line,) = server.matches(r"\[record\] .*")
        self.assertRegex(
            line[0],
            "ends here, after [0-9]+ packets: the program stops, and [0-9,]+ bytes of what it saw are not "
            "written$",
        )

    def test_a_terminal_is_refused(self) -> None:
        terminal = Terminal(*runner(), "netlab-tcp", "--port", "0", "--record", "-")
        self.addCleanup(terminal.close)
        self.assertEqual(terminal.ended(), 1)
        said = [line for line in terminal.lines if "twistd_unix" not in line]
        self.assertEqual(
            said[-1:],
            [
                "netlab-tcp: cannot record on a terminal: pipe it, --record - | wireshark -k -i -, or give "
                "it a file"
            ],
        )
        self.assertNotIn("Traceback", terminal.output)


class Troubles(RecordTestCase):
    def test_a_file_that_cannot_be_is_one_line(self) -> None:
        pipe = os.path.abspath(self.mktemp())
        os.mkfifo(pipe)
        for command, path, why in (
            (
                "netlab-tcp",
                "/nowhere/f.pcapng",
                "No such file or directory; choose another file for --record",
            ),
            ("netlab-udp", pipe, "nobody reads this pipe; choose another file for --record"),
            ("netlab-tcpsel", "/dev/full", "No space left on device"),
        ):
            if path == "/dev/full" and not os.path.exists(path):
                continue
            with Program(*runner(), command, "--port", "0", "--record", path) as program:
                self.assertEqual(program.ended(), 1, program.output)
                self.assertNotIn("Traceback", program.output)
                lines = [line for line in program.lines if "twistd_unix" not in line]
                self.assertEqual(lines[-1], f"{command}: cannot record in {path}: {why}")
                self.assertEqual(len([line for line in lines if "cannot record" in line]), 1)

    def test_a_disk_that_fills_stops_nothing_and_leaves_a_whole_file(self) -> None:
        path = Path(self.mktemp()).absolute()
        server = Served(
            "/bin/sh",
            "-c",
            'ulimit -f 64; exec "$0" "$@"',
            *runner(),
            *("netlab-tcp", "--listen", "tcp:0:interface=127.0.0.1", "--record", str(path)),
            # A file that does not get whole is to be the recording, and no other.
            env={"PYTHONDONTWRITEBYTECODE": "1"},
        )
        self.addCleanup(server.__exit__, None, None, None)
        assert isinstance(server, Served)
        server.port = int(server.wait_for(r"Listening on \S+?:(\d+) ")[0][1])
        with server.connect() as client:
            for number in range(100):
                text = b"%05d" % number + b"x" * 1_000
                client.sendall(text)
                self.assertEqual(receive(client, 6 + len(text)), b"ECHO: " + text)
            server.wait_for(
                r"\[record\] The recording in .* ends here, .*: File too large; all else goes on$"
            )
            self.say_hello(client)
        server.wait_for("Closed connection")
        server.signalled()
        (warned,) = server.matches(r"\[record\] .* after (\d+) packets")
        self.assertNotIn("Traceback", server.output)
        recorded = recording(path)
        self.assertEqual(len(recorded.packets), int(warned[1]))
        (conversation,) = recorded.conversations
        self.assertTrue(conversation.sent.startswith(b"00000x"))
        self.assertGreater(len(conversation.sent), 5_000)
        self.assertEqual(
            len(tshark(path, "-T", "fields", "-e", "frame.number").split()), len(recorded.packets)
        )
        self.assertEqual(analysis(path).warnings, [])

    def test_a_stop_while_much_is_still_to_be_recorded(self) -> None:
        server = self.record("netlab-tcpv2", "--echo", "--quiet")
        frames = fixed.frame(1, "hello").pack() * 2_000
        with server.connect() as client:
            reader = threading.Thread(target=_read_on, args=(client,), daemon=True)
            reader.start()
            for _ in range(25_000_000 // len(frames)):
                client.sendall(frames)
            begun = time.monotonic()
            status = server.signalled()
            self.assertLess(time.monotonic() - begun, 20)  # two seconds are promised
            reader.join(PATIENCE)
        self.assertEqual(status, -signal.SIGTERM)
        recorded = recording(self.path)
        self.is_told(server, len(recorded.packets))
        (conversation,) = recorded.conversations
        for carried in conversation.sent, conversation.received:
            self.assertTrue(carried == (frames * (len(carried) // len(frames) + 1))[: len(carried)])
        numbers = tshark(self.path, "-T", "fields", "-e", "frame.number").split()
        self.assertEqual(len(numbers), len(recorded.packets))

    def is_told(self, server: Served, count: int) -> None:
        """The log says how many packets are recorded, and what is missing, if anything is."""
        (line,) = server.matches(r"\[record\] (.*)$")
        whole = re.match(r"Recorded ([\d,]+) packets in ", line[1])
        if whole is not None:
            self.assertEqual(int(whole[1].replace(",", "")), count)
            return
        cut = re.fullmatch(
            r"The recording in .* ends here, after ([\d,]+) packets: the program stops, and ([\d,]+) bytes "
            "of what it saw are not written",
            line[1],
        )
        assert cut is not None, line[1]
        self.assertGreater(int(cut[2].replace(",", "")), 0)
        # What was being written then is still written: a read's 64 KiB at most, in segments.
        self.assertIn(count - int(cut[1].replace(",", "")), range(100))

    def test_without_it_nothing_is_said_of_it(self) -> None:
        server = self.serve("netlab-tcp")
        with server.connect() as client:
            self.say_hello(client)
        server.signalled()
        self.assertEqual(server.matches("record"), [])


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _read_on(client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        receive_all(client)


def _drain(file: BinaryIO, data: bytearray) -> None:
    data += file.read()


def _end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
