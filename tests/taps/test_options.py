"""The command line: what is wrong is told in one line, with exit status 1 and no traceback."""

from __future__ import annotations

import os
import socket

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from netlab.taps import tcp, tcpsel, tcpv2, tcpv3, udp
from tests.support import RUNNER, Program, ServerTestCase, receive, runner

COMMANDS = {
    "netlab-udp": udp,
    "netlab-tcp": tcp,
    "netlab-tcpsel": tcpsel,
    "netlab-tcpv2": tcpv2,
    "netlab-tcpv3": tcpv3,
}


class Mistakes(SynchronousTestCase):
    def test_are_named(self) -> None:
        for command, arguments, said in (
            ("netlab-tcp", "--port 80000", "--port 80000: a port is a number from 0 to 65535"),
            ("netlab-tcp", "--port x", "--port x: a whole number is wanted"),
            ("netlab-tcp", "--port -1", "--port -1: it must not be negative"),
            ("netlab-tcp", "--interface nohost", "--interface nohost: an IP address"),
            ("netlab-tcp", "--listen nosuch:1", "--listen nosuch:1: no such endpoint: .*nosuch"),
            ("netlab-tcp", "--listen tcp:1:x=1", "--listen tcp:1:x=1: no such endpoint"),
            ("netlab-tcp", "--listen tcp:1 --port 5005", "--listen and --port"),
            ("netlab-tcp", "--listen tcp:1 --interface ::1", "--listen and --interface"),
            ("netlab-tcp", "--idle-timeout soon", "--idle-timeout soon: a number of seconds"),
            ("netlab-tcp", "--frame-timeout nan", "--frame-timeout nan: it must be 0 or more"),
            ("netlab-tcp", "--stall-timeout=-1", "--stall-timeout -1: it must be 0 or more"),
            ("netlab-tcp", "--drain-timeout inf", "--drain-timeout inf: .*finite"),
            ("netlab-tcp", "--handler processes", "--handler processes: it is one of threads, reactor"),
            ("netlab-tcp", "--max-clients many", "--max-clients many: a whole number"),
            ("netlab-tcp", "5005", "unexpected argument '5005'"),
            ("netlab-tcp", "--echo", "--echo not recognized"),
            ("netlab-tcpsel", "--handler threads", "--handler not recognized"),
            ("netlab-udp", "--listen tcp:0", "--listen not recognized"),
            ("netlab-udp", "--stats often", "--stats often: a number of seconds"),
            ("netlab-tcpv3", "--layout mine", "--layout mine: it is one of auto, guide, scripts"),
            ("netlab-tcpv3", "--max-size 4294967296", "--max-size 4294967296: the size field"),
        ):
            options = COMMANDS[command].Options()
            error = self.assertRaises(UsageError, options.parseOptions, arguments.split())
            self.assertRegex(str(error), said)

    def test_defaults_are_the_guides(self) -> None:
        for module in COMMANDS.values():
            options = module.Options()
            options.parseOptions([])
            self.assertEqual((options["port"], options["interface"]), (5005, "0.0.0.0"))


class TheCommand(ServerTestCase):
    def fails(self, *arguments: str) -> list[str]:
        """It ends with status 1; return what it printed that is not twistd's own starting up."""
        with Program(*runner(), *arguments) as program:
            self.assertEqual(program.ended(), 1, program.output)
            self.assertNotIn("Traceback", program.output)
            return [line for line in program.lines if "twistd_unix" not in line]

    def test_a_mistake_is_one_line(self) -> None:
        for command in COMMANDS:
            (line,) = self.fails(command, "--port", "80000")
            self.assertTrue(line.startswith(f"{command}: --port 80000: a port is "), line)

    def test_a_busy_port_is_one_line(self) -> None:
        for kind, commands in (
            (socket.SOCK_STREAM, ("netlab-tcp", "netlab-tcpsel", "netlab-tcpv2", "netlab-tcpv3")),
            (socket.SOCK_DGRAM, ("netlab-udp",)),
        ):
            with socket.socket(socket.AF_INET, kind) as holder:
                holder.bind(("0.0.0.0", 0))
                if kind == socket.SOCK_STREAM:
                    holder.listen()
                port = holder.getsockname()[1]
                for command in commands:
                    last = self.fails(command, "--port", str(port))[-1]
                    self.assertRegex(last, rf"{command}: cannot listen on 0\.0\.0\.0:{port}: .*in use")

    def test_a_busy_port_leaves_no_pid_file(self) -> None:
        if RUNNER != "twistd":
            self.skipTest("only twistd writes one")
        with socket.create_server(("127.0.0.1", 0)) as holder:
            port = str(holder.getsockname()[1])
            with Program(*runner()[:1], "-n", "netlab-tcp", "-p", port, "-i", "127.0.0.1") as program:
                program.ended()
                self.assertEqual(os.listdir(program.folder), [])

    def test_a_busy_port_is_told_to_who_starts_a_daemon(self) -> None:
        if RUNNER != "twistd":
            self.skipTest("only twistd makes daemons")
        with socket.create_server(("127.0.0.1", 0)) as holder:
            port = str(holder.getsockname()[1])
            with Program(*runner()[:1], "-l", "log", "netlab-tcp", "-p", port, "-i", "127.0.0.1") as program:
                self.assertEqual(program.ended(), 1)
                self.assertRegex(program.output, rf"netlab-tcp: cannot listen on 127\.0\.0\.1:{port}")
                self.assertEqual(os.listdir(program.folder), ["log"])

    def test_an_address_that_is_not_ours(self) -> None:
        last = self.fails("netlab-tcp", "--port", "0", "--interface", "203.0.113.9")[-1]
        self.assertIn("this machine does not have that address", last)

    def test_a_socket_that_cannot_be_made(self) -> None:
        last = self.fails("netlab-tcp", "--listen", "unix:/nowhere/lab")[-1]
        self.assertRegex(last, "netlab-tcp: cannot listen on unix:/nowhere/lab: No such file or directory; ")

    def test_help_is_there_for_each(self) -> None:
        for command in COMMANDS:
            with Program(*runner(), command, "--help") as program:
                self.assertEqual(program.ended(), 0, program.output)
                self.assertRegex(program.output, rf"Usage: twistd -n {command} \[options\]")
                self.assertIn("of the guide", program.output)

    def test_the_version(self) -> None:
        with Program(*runner(), "netlab-tcp", "--version") as program:
            self.assertEqual(program.ended(), 0)
            self.assertRegex(program.output, r"^netlab \d+\.\d+\.\d+, Twisted \d+\.\d+\.\d+$")

    def test_the_first_lines_say_what_is_on(self) -> None:
        server = self.serve("netlab-tcp", "--frame-timeout", "0", "--idle-timeout", "90")
        server.wait_for(
            r"\[netlab-tcp\] netlab-tcp: a thread for each client; (reactor corked; )?"
            r"deadlines: idle 90 s, stall 60 s, drain 1 s$"
        )
        server.wait_for(r"Listening on 0\.0\.0\.0:\d+ \(tcp\); this machine's IPv4 addresses: ")


class Endpoints(ServerTestCase):
    def test_several_at_once(self) -> None:
        server = self.serve(
            "netlab-tcp", "--listen", "tcp:0:interface=127.0.0.1", "--listen", "tcp:0:interface=127.0.0.1"
        )
        ports = [int(found[1]) for found in server.wait_for(r"Listening on 127\.0\.0\.1:(\d+) \(tcp\)", 2)]
        for port in ports:
            with socket.create_connection(("127.0.0.1", port), 30) as client:
                self.say_hello(client)

    def test_ipv6(self) -> None:
        server = self.serve("netlab-tcp", "--interface", "::1")
        port = int(server.wait_for(r"Listening on \[::1\]:(\d+) \(tcp\)")[0][1])
        with socket.create_connection(("::1", port), 30) as client:
            self.say_hello(client)
        server.wait_for(r"\[tcp \[::1\]:\d+ client-1\] Received hello$")

    def test_unix(self) -> None:
        path = self.unix_path()
        server = self.serve("netlab-tcp", "--listen", f"unix:{path}")
        self.say_hello_at(path)
        server.wait_for(r"\[unix - client-1\] Received hello$")

    def test_haproxy_names_the_true_client_and_keeps_the_half_close(self) -> None:
        server = self.serve("netlab-tcp", "--listen", "haproxy:tcp:0")
        with server.connect() as client:
            client.sendall(b"PROXY TCP4 203.0.113.7 203.0.113.1 40000 5005\r\n")
            client.sendall(b"hello")
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(receive(client, 99), b"ECHO: hello")
        server.wait_for(
            r"\[tcp 203\.0\.113\.7:40000 client-1\] Accepted connection from 203\.0\.113\.7:40000$"
        )
        server.wait_for(r"Closed connection from 203\.0\.113\.7:40000 \(finished\)")
