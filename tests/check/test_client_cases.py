"""Right clients pass all that is asked of clients, ours too; each wrong one fails for its own fault alone."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from twisted.trial.unittest import SynchronousTestCase

from netlab.check import arguments, cases
from netlab.check import client as client_module
from netlab.check.agreement import predict
from netlab.check.client import Client
from netlab.check.client_battery import ClientBattery, client_model_of
from netlab.check.diagnosis import PLACES, diagnose
from netlab.check.evidence import Evidence, Exchange
from netlab.check.findings import Closing, Diagnosis, Finding, Level, Verdict
from netlab.check.models import Mistake, Model
from netlab.check.models.simulation import Ended
from netlab.check.programs import CannotStart, Program
from netlab.check.waiting import Patience
from netlab.wire import fixed, variable
from netlab.wire.variable import Layout
from tests.check.test_wrong_servers import FULL
from tests.support import PLAIN

VARIANTS = {id: command for command, id in arguments.VARIANTS.items()}
"""The words in the cases' ids, and those of the commands."""


class Judgement(NamedTuple):
    """What came of all cases."""

    findings: list[Finding]
    evidence: list[Evidence]
    diagnoses: list[Diagnosis]
    unexplained: list[str]

    def ids(self, *verdicts: Verdict) -> set[str]:
        """The cases that ended so, without the variant."""
        return {each.id.partition("/")[2] for each in self.findings if each.verdict in verdicts}

    @property
    def failed(self) -> set[str]:
        return self.ids(Verdict.FAIL, Verdict.TIMEOUT, Verdict.ERROR)

    def why(self) -> str:
        """All that was not passed, for the message of an assertion."""
        return "\n".join(
            f"{each.id} {each.verdict.name}: {each.summary} {list(each.stderr[-1:])}"
            for each in self.findings
            if each.verdict is not Verdict.OK
        )


def judged(
    variant: str, command: Sequence[str], echo: bool = True, layout: str = "guide", only: str = ""
) -> Judgement:
    """Put a client to the cases. only: the ids of some, without the variant."""
    client = Client(variant, echo, layout, Patience(1), port=0)
    client.start = lambda limits: Program(client.command(command), limits, True).__enter__()
    battery = ClientBattery(client)
    prefix = f"client-{variant}"
    try:
        chosen = cases.chosen(prefix, [f"{prefix}/{id}" for id in only.split()])
        findings = [battery.judge(case) for case in chosen]
    finally:
        battery.end()
        client.leave()
    return Judgement(findings, battery.evidence, *battery.diagnosed())


class RightClients(SynchronousTestCase):
    def passes(
        self, variant: str, *command: str, echo: bool = True, layout: str = "guide", only: str = ""
    ) -> None:
        """A client passes all cases, not only so-so; without echoes, all that can be judged."""
        done = judged(variant, (sys.executable, *command), echo, layout, only)
        self.assertEqual(done.failed | done.ids(Verdict.LOOSE), set(), done.why())
        unheard = {each.id.partition("/")[2] for each in cases.chosen(f"client-{variant}") if each.echoed}
        self.assertEqual(done.ids(Verdict.INFO), set() if echo or variant == "tcp" else unheard)
        self.assertEqual((done.diagnoses, done.unexplained), ([], []))

    def plain(self, variant: str, *options: str, echo: bool = True, layout: str = "guide") -> None:
        path = str(PLAIN / f"client_{VARIANTS[variant]}.py")
        self.passes(variant, path, "--port", "{port}", *options, echo=echo, layout=layout)

    def ours(self, variant: str, *options: str, echo: bool = True, only: str = "") -> None:
        words = (VARIANTS[variant], *options, "--timeout", "2", "127.0.0.1:{port}")
        command = ("-m", "netlab", "client", *words)
        self.passes(variant, *command, echo=echo, only=only)

    def test_plain_udp(self) -> None:
        self.plain("udp", "--echo")
        self.plain("udp", echo=False)

    def test_plain_tcp(self) -> None:
        self.plain("tcp")

    def test_plain_tcpv2(self) -> None:
        self.plain("v2", "--echo")
        self.plain("v2", echo=False)

    def test_plain_tcpv3(self) -> None:
        self.plain("v3", "--echo")
        self.plain("v3", echo=False)

    def test_plain_tcpv3_in_the_other_layout(self) -> None:
        self.plain("v3", "--echo", "--layout", "scripts", layout="scripts")

    def test_our_udp(self) -> None:
        self.ours("udp", "--echo")

    def test_our_udp_without_echo(self) -> None:
        self.ours("udp", echo=False)

    def test_our_tcp(self) -> None:
        self.ours("tcp")

    def test_our_tcpv2(self) -> None:
        self.ours("v2", "--echo")

    def test_our_tcpv2_without_echo(self) -> None:
        self.ours("v2", echo=False)

    def test_our_tcpv3(self) -> None:
        self.ours("v3", "--echo")

    def test_our_tcpv3_without_echo(self) -> None:
        self.ours("v3", echo=False)


class WrongClients(SynchronousTestCase):
    def is_found(
        self,
        variant: str,
        fault: str,
        mistake: str,
        failing: str,
        passing: str = "",
        tie: str = "",
        only: str = "",
    ) -> None:
        """A client fails these cases and no others, and this mistake explains them.

        failing: the ids, without the variant; all: every one but those that are passing. tie: what cannot be
        told from it. only: the cases that it is put to, where all would take long.
        """
        path = PLAIN / "wrong" / f"client_{VARIANTS[variant]}_{fault}.py"
        done = judged(variant, (sys.executable, str(path), "{port}"), only="" if FULL else only)
        every = {case.id.partition("/")[2] for case in cases.chosen(f"client-{variant}")}
        wanted = every - set(passing.split()) if failing == "all" else set(failing.split())
        wanted &= {each.id.partition("/")[2] for each in done.findings}
        self.assertEqual(done.failed, wanted, done.why())
        self.assertEqual(done.ids(Verdict.LOOSE, Verdict.INFO), set(), done.why())
        names = [{each.name, *(other.name for other in each.ties)} for each in done.diagnoses]
        self.assertEqual(names, [{mistake, *tie.split()}], done.why())
        self.assertLessEqual(wanted, {id.partition("/")[2] for id in done.diagnoses[0].ids})
        self.assertEqual(done.unexplained, [])
        for finding in done.findings:
            self.assertEqual(bool(finding.steps), finding.verdict is not Verdict.OK, finding.id)

    def test_tcp_one_recv(self) -> None:
        self.is_found("tcp", "one_recv", "one-recv", "size/1 split/1 split/2 split/3 split/4")

    def test_tcpv2_field_in_characters(self) -> None:
        failing = "text/1 size/2 echo/3 text/4 split/4 bytes/1"
        self.is_found("v2", "field_in_characters", "field-in-characters", failing)

    def test_tcpv2_no_loop(self) -> None:
        failing = "split/1 split/2 split/3 split/4"
        self.is_found("v2", "no_loop", "no-loop", failing, tie="one-recv")

    def test_tcpv2_order_from_zero(self) -> None:
        self.is_found("v2", "order_from_zero", "order-from-zero", "order/1")

    def test_tcpv2_sends_newline(self) -> None:
        self.is_found("v2", "sends_newline", "newline", "all", "nobody/1")

    def test_tcpv2_size_in_bytes(self) -> None:
        failing = "text/1 size/2 echo/3 text/4 split/4 bytes/1"
        self.is_found("v2", "size_in_bytes", "size-in-bytes", failing)

    def test_tcpv2_size_of_field(self) -> None:
        self.is_found("v2", "size_of_field", "size-of-field", "all", "text/3 nobody/1")

    def test_tcpv2_zero_padding(self) -> None:
        passing = "text/3 size/1 size/2 text/4 nobody/1"
        self.is_found("v2", "zero_padding", "zero-padding", "all", passing)

    def test_tcpv3_echo_at_end(self) -> None:
        failing = "echo/1 echo/2 echo/3 split/1 split/2 split/3 split/4 size/1 join/1 late/1 double/1"
        only = "message echo/1 echo/2 split/1 end lost"
        self.is_found("v3", "echo_at_end", "echo-at-end", failing, only=only)

    def test_tcpv3_fields_swapped(self) -> None:
        self.is_found("v3", "fields_swapped", "fields-swapped", "all", "message/3 nobody/1")

    def test_tcpv3_little_endian(self) -> None:
        self.is_found("v3", "little_endian", "little-endian", "all", "nobody/1")

    def test_tcpv3_native_struct(self) -> None:
        self.is_found("v3", "native_struct", "native-struct", "all", "nobody/1")

    def test_tcpv3_never_closed(self) -> None:
        self.is_found("v3", "never_closed", "never-closed", "end/1")

    def test_tcpv3_one_recv(self) -> None:
        self.is_found("v3", "one_recv", "one-recv", "split/1 split/2 split/3 split/4 size/1")

    def test_tcpv3_order_stays(self) -> None:
        self.is_found("v3", "order_stays", "order-stays", "order/1")

    def test_tcpv3_order_twice(self) -> None:
        self.is_found("v3", "order_twice", "order-twice", "order/1")

    def test_tcpv3_size_counts_header(self) -> None:
        self.is_found("v3", "size_counts_header", "size-counts-header", "all", "nobody/1")

    def test_tcpv3_size_in_characters(self) -> None:
        failing = "text/1 echo/3 split/4 bytes/1"
        self.is_found("v3", "size_in_characters", "size-in-characters", failing)

    def test_udp_sends_newline(self) -> None:
        self.is_found("udp", "sends_newline", "newline", "all", "nobody/1")

    def test_udp_waits_for_ever(self) -> None:
        self.is_found("udp", "waits_for_ever", "waits-for-ever", "lost/1")


class StudentsClients(SynchronousTestCase):
    """Clients as they are handed in: right in what the guide asks for, and careless in the rest."""

    def judged(self, variant: str, code: str, only: str = "") -> Judgement:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name) / "client.py"
        path.write_text("import socket, struct, sys\n" + textwrap.dedent(code), "utf-8")
        return judged(variant, (sys.executable, str(path), "{port}"), only=only)

    def named(self, done: Judgement) -> set[str]:
        self.assertEqual(done.unexplained, [], done.why())
        return {each.name for each in done.diagnoses}

    def test_input_that_ends_in_an_exception_is_tolerated(self) -> None:
        code = """
        s = socket.create_connection(("localhost", int(sys.argv[1])))
        while True:
            s.sendall(input("Message: ").encode())
            print(s.recv(1024).decode())
        """
        done = self.judged("tcp", code, "message echo end")
        self.assertEqual((done.failed, done.ids(Verdict.LOOSE)), (set(), {"end/1"}), done.why())

    def test_an_empty_line_may_be_the_end(self) -> None:
        code = """
        s = socket.create_connection(("localhost", int(sys.argv[1])))
        while text := input("Message: ").encode():
            s.sendall(struct.pack("!BLL", 1, 1, len(text)) + text)
            print(s.recv(1024)[9:].decode())
        """
        done = self.judged("v3", code, "empty")
        self.assertEqual(done.ids(Verdict.LOOSE), {"empty/1"}, done.why())

    def test_a_connection_for_each_message(self) -> None:
        code = """
        for line in sys.stdin:
            with socket.create_connection(("localhost", int(sys.argv[1]))) as s:
                s.sendall(line.rstrip().encode())
                print(s.recv(8192).decode())
        """
        done = self.judged("tcp", code, "message text/1 echo end")
        self.assertEqual(done.failed, {"message/2", "text/1", "echo/2"}, done.why())
        self.assertEqual(self.named(done), {"connection-each"})

    def test_a_connection_for_each_message_to_a_server_that_has_gone(self) -> None:
        code = """
        for line in sys.stdin:
            with socket.create_connection(("localhost", int(sys.argv[1]))) as s:
                s.sendall(line.rstrip().encode())
                print(s.recv(8192).decode())
        """
        done = self.judged("tcp", code, "message/2 lost/3 nobody/1")
        self.assertEqual(done.failed, {"message/2", "lost/3", "nobody/1"}, done.why())
        self.assertEqual(self.named(done), {"connection-each", "loss-uncaught"})
        explained = {each.name: set(each.ids) for each in done.diagnoses}
        self.assertIn("client-tcp/lost/3", explained["loss-uncaught"] & explained["connection-each"])

    def test_one_message_only(self) -> None:
        code = """
        s = socket.create_connection(("localhost", int(sys.argv[1])))
        text = input("Message: ").encode()
        s.sendall(struct.pack("!BLL", 1, 1, len(text)) + text)
        print(s.recv(1024)[9:].decode())
        """
        done = self.judged("v3", code, "message echo end")
        self.assertEqual(done.failed, {"message/2", "echo/2"}, done.why())
        self.assertEqual(self.named(done), {"one-message"})

    def test_an_echo_that_nobody_reads(self) -> None:
        code = """
        s = socket.create_connection(("localhost", int(sys.argv[1])))
        for order, line in enumerate(sys.stdin, 1):
            text = line.rstrip("\\n").encode()
            print("Sent:", text.decode())
            s.sendall(struct.pack("!BLL", 1, order, len(text)) + text)
        """
        done = self.judged("v3", code, "message/1 order echo")
        self.assertEqual(done.failed, {"echo/1", "echo/2", "echo/3"}, done.why())
        self.assertEqual(self.named(done), {"echo-unread"})

    def test_an_echo_that_is_compared_and_not_printed(self) -> None:
        code = """
        s = socket.create_connection(("localhost", int(sys.argv[1])))
        for order, line in enumerate(sys.stdin, 1):
            text = line.rstrip("\\n").encode()
            frame = struct.pack("!BLL", 1, order, len(text)) + text
            s.sendall(frame)
            if s.recv(len(frame), socket.MSG_WAITALL) != frame:
                sys.exit("wrong echo")
        """
        done = self.judged("v3", code, "echo/1")
        self.assertEqual([(each.name, list(each.ties)) for each in done.diagnoses], [("echo-unprinted", [])])
        done = self.judged("v3", code, "wrong/1 end")
        self.assertEqual(done.failed, set(), done.why())
        ended = {each.id.partition("/")[2]: each.exchanges[0].input_ended for each in done.evidence}
        self.assertEqual(ended, {"wrong/1": False, "end/1": True})

    def test_who_notices_a_doubled_echo_may_end_in_the_midst_of_a_frame(self) -> None:
        code = """
        s = socket.create_connection(("localhost", int(sys.argv[1])))
        for order, line in enumerate(sys.stdin, 1):
            text = line.rstrip("\\n").encode()
            header = struct.pack("!BLL", 1, order, len(text))
            s.sendall(header)
            if order == 1:
                s.sendall(text)
            if s.recv(9, socket.MSG_WAITALL) != header:
                print("this is no echo of mine", flush=True)
                sys.exit()
            print(s.recv(len(text), socket.MSG_WAITALL).decode(), flush=True)
        """
        done = self.judged("v3", code, "double")
        self.assertEqual(done.ids(Verdict.OK), {"double/1"}, done.why())
        silent = code.replace('print("this is no echo of mine", flush=True)', "pass")
        self.assertEqual(self.judged("v3", silent, "double").failed, {"double/1"})

    def test_who_prompts_and_ends_has_not_said_that_the_connection_is_lost(self) -> None:
        code = """
        s = socket.create_connection(("localhost", int(sys.argv[1])))
        try:
            while True:
                s.sendall(input("Message: ").encode())
                data = s.recv(8192)
                if not data:
                    raise OSError("the server has closed")
                print(data.decode())
        except (EOFError, OSError) as error:
            SAY
        """
        done = self.judged("tcp", code.replace("SAY", "print(error)"), "lost")
        self.assertEqual(done.ids(Verdict.OK), {"lost/1", "lost/2", "lost/3"}, done.why())
        done = self.judged("tcp", code.replace("SAY", "print('Message: ')"), "lost")
        self.assertEqual(done.ids(Verdict.LOOSE), {"lost/1", "lost/2", "lost/3"}, done.why())

    def test_a_receiver_that_is_waited_for_is_the_only_mistake_of_who_does_not_end(self) -> None:
        code = """
        import threading
        s = socket.create_connection(("localhost", int(sys.argv[1])))
        def receive(file):
            while header := file.read(9):
                version, order, size = struct.unpack("!BLL", header)
                print(order, file.read(size).decode(errors="replace"), flush=True)
        receiver = threading.Thread(target=receive, args=(s.makefile("rb"),))
        receiver.start()
        for order, line in enumerate(sys.stdin, 1):
            text = line.rstrip("\\n").encode()
            s.sendall(struct.pack("!BLL", 1, order, len(text)) + text)
        receiver.join()
        """
        done = self.judged("v3", code, "end double bytes")
        self.assertEqual(done.failed, {"end/1", "double/1", "bytes/1"}, done.why())
        model = client_model_of("v3", True, "guide")
        for evidence in (done.evidence, *([each] for each in done.evidence)):
            found, unexplained = diagnose(model, "v3", evidence)
            named = [(each.name, list(each.ties)) for each in found]
            self.assertEqual((named, unexplained), ([("never-closed", [])], []), evidence[0].id)

    def test_pieces_that_are_printed_one_by_one_are_tolerated(self) -> None:
        code = """
        import threading
        s = socket.create_connection(("localhost", int(sys.argv[1])))
        def receive():
            while data := s.recv(1024):
                sys.stdout.buffer.write(data + b"\\n")
                sys.stdout.buffer.flush()
        threading.Thread(target=receive, daemon=True).start()
        for line in sys.stdin:
            s.sendall(line.rstrip("\\n").encode())
        """
        done = self.judged("tcp", code, "echo split size")
        self.assertEqual(done.ids(Verdict.LOOSE), {"split/3", "split/4", "size/1"}, done.why())
        self.assertEqual((done.failed, done.diagnoses), (set(), []), done.why())

    def test_what_is_printed_instead_is_told(self) -> None:
        code = """
        s = socket.create_connection(("localhost", int(sys.argv[1])))
        for line in sys.stdin:
            s.sendall(line.rstrip().encode())
            print("Got:", s.recv(2).decode(), flush=True)
        """
        done = self.judged("tcp", code, "echo/1")
        self.assertRegex(done.findings[0].summary, "not printed in time; what was printed is 'Got: EC'$")

    def test_what_ended_it_before_it_could_send_is_told(self) -> None:
        code = """
        with socket.create_connection(("localhost", int(sys.argv[1]))) as s:
            for line in sys.stdin:
                s.sendall(line.rstrip().encode("latin-1"))
        """
        done = self.judged("tcp", code, "echo/3")
        self.assertRegex(done.findings[0].summary, r"the connection was closed \(UnicodeEncodeError: .*\)$")

    def test_who_never_comes_is_not_waited_for_again_and_again(self) -> None:
        start = 10.0
        self.patch(client_module, "START", start)
        self.patch(client_module, "ABSENCES", 0)
        done = self.judged("v3", "sys.stdin.read()", "message/1")
        self.assertEqual(done.ids(Verdict.TIMEOUT), {"message/1"}, done.why())
        self.assertLess(done.findings[0].seconds, start)

    def test_nothing_is_caught(self) -> None:
        code = """
        s = socket.create_connection(("localhost", int(sys.argv[1])))
        order = 1
        while True:
            text = input("Message: ").encode()
            s.sendall(struct.pack("!BLL", 1, order, len(text)) + text)
            version, number, size = struct.unpack("!BLL", s.recv(9))
            print(version, number, size, s.recv(size).decode())
            order += 1
        """
        done = self.judged("v3", code)
        failing = "split/2 split/3 split/4 bytes/1 limit/1 lost/1 lost/2 lost/3 nobody/1"
        self.assertEqual(done.failed - {"limit/1"}, set(failing.split()) - {"limit/1"}, done.why())
        wanted = {"no-loop", "strict-decode", "end-unseen", "loss-uncaught"}
        self.assertEqual(self.named(done) - {"no-limit"}, wanted)

    def test_who_reads_on_at_the_end_of_the_stream_does_not_end(self) -> None:
        code = """
        s = socket.create_connection(("localhost", int(sys.argv[1])))
        for line in sys.stdin:
            s.sendall(line.rstrip().encode())
            answer = b""
            while len(answer) < len(line) + 5:
                answer += s.recv(1024)
            print(answer.decode())
        """
        done = self.judged("tcp", code, "message/1 lost/1")
        self.assertEqual(done.ids(Verdict.TIMEOUT), {"lost/1"}, done.why())
        self.assertEqual(self.named(done), {"end-unseen"})

    def test_a_thread_that_reads(self) -> None:
        code = """
        import threading
        s = socket.create_connection(("localhost", int(sys.argv[1])))
        def read(length, data=b""):
            while len(data) < length:
                data += s.recv(length - len(data)) or sys.exit(1)
            return data
        def show():
            try:
                while True:
                    version, order, size = struct.unpack("!BLL", read(9))
                    print(order, read(size).decode(errors="replace"), flush=True)
            except OSError as error:
                print(error, flush=True)
        threading.Thread(target=show, daemon=True).start()
        for order, line in enumerate(sys.stdin, 1):
            text = line.rstrip("\\n").encode()
            s.sendall(struct.pack("!BLL", 1, order, len(text)) + text)
        """
        done = self.judged("v3", code, "message echo split join double wrong end lost")
        self.assertEqual(done.failed, {"lost/3"}, done.why())  # by a reset, or by a broken pipe
        self.assertEqual(self.named(done), {"loss-uncaught"})

    def test_datagrams_of_anybody(self) -> None:
        code = """
        s = socket.socket(type=socket.SOCK_DGRAM)
        s.settimeout(1)
        for line in sys.stdin:
            s.sendto(line.rstrip("\\n").encode(), ("127.0.0.1", int(sys.argv[1])))
            print(s.recvfrom(65535)[0].decode(errors="replace"))
        """
        done = self.judged("udp", code, "message echo stranger lost")
        self.assertEqual(done.failed, {"stranger/1", "lost/1"}, done.why())
        self.assertEqual(self.named(done), {"takes-from-anybody", "timeout-uncaught"})

    def test_who_ends_at_once_is_not_waited_for(self) -> None:
        for variant in VARIANTS:
            done = self.judged(variant, "raise SystemExit('no such option')", "message/1")
            self.assertEqual(done.ids(Verdict.FAIL), {"message/1"})
            self.assertIn("the program ended before it", done.findings[0].summary)
            self.assertEqual(done.findings[0].stderr, ["no such option"])


class Facade(SynchronousTestCase):
    def test_what_differs_is_named_by_its_field(self) -> None:
        path = PLAIN / "wrong" / "client_tcpv2_size_in_bytes.py"
        done = judged("v2", (sys.executable, str(path), "{port}"), only="text/1")
        self.assertEqual(done.findings[0].summary, "frame 1: size is 23, and should be 20")

    def test_pieces_that_nobody_reads_are_one_piece(self) -> None:
        path = PLAIN / "wrong" / "client_tcp_one_recv.py"
        done = judged("tcp", (sys.executable, str(path), "{port}"), only="split/3")
        self.assertEqual(done.evidence[0].exchanges[0].sent, [b"E", b"CHO: byte by byte"])

    def test_a_port_that_is_taken_is_told_in_one_line(self) -> None:
        for variant in VARIANTS:
            first, second = Client(variant, port=0), Client(variant)
            self.addCleanup(first.leave)
            first.begin(Evidence("", True))
            second.port = first.port
            found = self.assertRaises(CannotStart, second.begin, Evidence("", True))
            self.assertRegex(str(found), rf"^(UDP|TCP) port {first.port}, where the client is to find")

    def test_the_port_stays_the_same(self) -> None:
        client = Client("v3", port=0)
        self.addCleanup(client.leave)
        client.begin(Evidence("", True))
        port = client.port
        client.begin(Evidence("", True))
        self.assertEqual(client.port, port)
        self.assertEqual(client.command(["run", "--to=:{port}"]), ["run", f"--to=:{port}"])


class Cases(SynchronousTestCase):
    def test_there_are_enough_for_each_variant(self) -> None:
        for variant, least in (("udp", 6), ("tcp", 7), ("v2", 10), ("v3", 10)):
            own = cases.chosen(f"client-{variant}")
            self.assertEqual(len({case.id for case in own}), len(own))
            self.assertGreater(sum(case.level is Level.CORE for case in own), least)
            self.assertGreater(sum(case.level is Level.ROBUST for case in own), least)

    def test_what_needs_no_echo_is_judged_without(self) -> None:
        for variant in "udp", "v2", "v3":
            silent = {
                case.id.partition("/")[2] for case in cases.chosen(f"client-{variant}") if not case.echoed
            }
            self.assertLess({"message/1", "message/2", "text/1", "end/1", "empty/1", "nobody/1"}, silent)


LINES = ["hello", "  two and three   ", "grüße, auch an Ärzte", "終わり", "", "x" * 19 + "終", "long " * 300]


def said(model: Model, lines: Sequence[str]) -> list[bytes]:
    """The messages that a right client sends for these lines."""
    silent = replace(model.right, echo=False)
    return [
        b"".join(predict(Model(model.serve, silent, ()), silent, Exchange(typed=list(lines[:n])), []).sent)
        for n in range(len(lines) + 1)
    ]


def answers(variant: str, model: Model, lines: Sequence[str]) -> list[bytes]:
    """The right answer to each line."""
    whole = said(model, lines)
    messages = [after[len(before) :] for before, after in pairwise(whole)]
    if variant == "tcp":
        return [b"ECHO: " + each for each in messages if each]
    return messages


def inputs(variant: str, model: Model) -> Iterator[Exchange]:
    """What the cases put a client to."""
    udp = variant == "udp"
    right = answers(variant, model, LINES)
    yield Exchange(udp, list(right), typed=LINES, input_ended=True)
    for line in LINES:
        yield Exchange(udp, answers(variant, model, [line]), typed=[line], input_ended=True)
    first = answers(variant, model, ["grüße"])[0]
    if udp:
        yield Exchange(udp, [], typed=["lost"])
        yield Exchange(udp, [first.replace(b"\xc3", b"\xff")], typed=["grüße"])
        return
    head = 6 if variant == "tcp" else 9
    for pieces in (
        [first[:head], first[head:]],
        [first[:3], first[3:]],
        [first[: head + 3], first[head + 3 :]],
    ):
        yield Exchange(sent=pieces, typed=["grüße"], input_ended=True)
    yield Exchange(sent=[first[:head], first[head : head + 2], first[head + 2 :]], typed=["grüße"])
    yield Exchange(sent=[first.replace(b"\xc3", b"\xff")], typed=["grüße"], input_ended=True)
    yield Exchange(sent=[], finished=True, typed=["hello"], input_ended=True)
    yield Exchange(sent=[], reset=True, typed=["hello"], input_ended=True)
    yield Exchange(sent=[], refused=True, typed=["hello"], input_ended=True)
    if variant == "tcp":
        yield Exchange(sent=[b"ECHO: left", b"ECHO:  right"], typed=["left right"], input_ended=True)
    if variant == "v3":
        yield Exchange(sent=[b"\1\0\0\0\1\xff\xff\xff\xff"], typed=["hello"], input_ended=True)


class Models(SynchronousTestCase):
    def each(self) -> Iterator[tuple[str, Model, Mistake]]:
        for variant in VARIANTS:
            model = client_model_of(variant, True, "guide")
            for mistake in model.mistakes:
                yield variant, model, mistake

    def test_right_clients_send_what_the_wire_says(self) -> None:
        lines = LINES[:5]
        v2 = b"".join(fixed.frame(order, line).pack() for order, line in enumerate(lines, 1))
        for layout in Layout:
            v3 = [variable.frame(order, line).pack(layout) for order, line in enumerate(lines, 1)]
            self.assertEqual(said(client_model_of("v3", True, layout.value), lines)[-1], b"".join(v3))
        self.assertEqual(said(client_model_of("v2", True, "guide"), lines)[-1], v2)
        self.assertEqual(said(client_model_of("tcp", True, "guide"), lines)[-1], "".join(lines).encode())

    def test_right_clients_take_all_that_is_right_and_end(self) -> None:
        for variant in VARIANTS:
            model = client_model_of(variant, True, "guide")
            for exchange in inputs(variant, model):
                made = predict(model, model.right, exchange, exchange.sent)
                self.assertIn(made.ended, (Ended.CLOSED, Ended.GIVES_UP, Ended.WAITS))
                self.assertEqual(made.errors, ())
            whole = next(inputs(variant, model))
            made = predict(model, model.right, whole, whole.sent)
            self.assertIs(made.ended, Ended.CLOSED)
            self.assertEqual(len(made.said), len(whole.sent))

    def test_each_mistake_makes_a_difference(self) -> None:
        for variant, model, mistake in self.each():
            for change in mistake.changes if mistake.fact is None else ():
                wrong = replace(model.right, **change)
                differences = [
                    exchange
                    for exchange in inputs(variant, model)
                    if predict(model, wrong, exchange, exchange.sent)
                    != predict(model, model.right, exchange, exchange.sent)
                ]
                self.assertTrue(differences, f"{variant} {mistake.name} {change}")

    def test_each_mistake_is_told_in_full(self) -> None:
        for _, _, mistake in self.each():
            self.assertIn(mistake.guide, PLACES, mistake.name)
            self.assertIn("->", mistake.code, mistake.name)
            self.assertTrue(mistake.title and mistake.explanation.endswith((".", ")")), mistake.name)
        for variant in VARIANTS:
            names = [mistake.name for own, _, mistake in self.each() if own == variant]
            self.assertEqual(len(names), len(set(names)))

    def test_a_client_that_goes_on_at_the_end_of_its_input_is_endless(self) -> None:
        for variant in VARIANTS:
            model = client_model_of(variant, False, "guide")
            wrong = replace(model.right, eof="unseen")
            made = predict(model, wrong, Exchange(variant == "udp", typed=["x"], input_ended=True), [])
            self.assertIs(made.ended, Ended.ENDLESS)

    def test_a_line_after_the_connection_was_lost_cannot_be_sent(self) -> None:
        model = client_model_of("v3", False, "guide")
        lost = Exchange(reset=True, typed=["sent", "lost"], lost_after=1, closing=Closing.OURS)
        self.assertIs(predict(model, model.right, lost, []).ended, Ended.GIVES_UP)
        made = predict(model, replace(model.right, losses="uncaught"), lost, [])
        self.assertRegex(made.errors[0], "^ConnectionResetError")
        self.assertEqual(made.sent, (said(model, ["sent"])[-1],))
