"""The command `netlab explain`: what it shows, what it refuses, and how it ends."""

from __future__ import annotations

import json
import os
import random
import struct
import subprocess
import sys
from pathlib import Path

from netlab.explain.arguments import EXERCISES
from netlab.explain.reading import read
from netlab.explain.reports.terminal import SHOWN
from netlab.explain.statements import EXERCISES as ANSWERED
from netlab.explain.statements import KINDS, QUESTIONS, numbers
from netlab.explain.telling import tell
from netlab.wireshark.dissection import CannotRead
from tests.explain.scenes import v2, v3
from tests.explain.telling import explained, name, of_kind
from tests.support import Program
from tests.wireshark.reading import Capture, FileTestCase

HOSTILE = "\x1b[2J<script>\u202e"


class CommandTestCase(FileTestCase):
    """Captures that are made, and the real command."""

    def setUp(self) -> None:
        super().setUp()
        self.capture = Capture()

    @property
    def file(self) -> str:
        """The capture, as it is now."""
        path = Path(self.folder, "lab.pcapng")
        self.capture.write(path)
        return str(path)

    def run_(self, *words: str, status: int = 0, env: dict[str, str] | None = None) -> str:
        """What `netlab explain` prints, on both outputs."""
        with Program(sys.executable, "-m", "netlab", "explain", *words, env=env) as program:
            self.assertEqual(program.ended(), status, program.output)
            self.assertNotIn("Traceback", program.output)
            return program.output

    def two_clients(self) -> None:
        """Two sessions of v2 at the same time, with echoes."""
        first, second = self.capture.talk(), self.capture.talk()
        for talk in first, second:
            talk.send(v2(1, "hello")).answer(v2(1, "hello"))
        for talk in first, second:
            talk.finish().close()


class Shown(CommandTestCase):
    def test_the_words_of_the_command_line_are_those_of_the_statements(self) -> None:
        self.assertEqual(EXERCISES, tuple(ANSWERED))
        for question in QUESTIONS:
            self.assertLessEqual(set(question.exercises), set(EXERCISES))
        self.assertEqual(sum(len(question.kinds) for question in QUESTIONS), len(KINDS))

    def test_numbers_of_packets(self) -> None:
        self.assertEqual(numbers([3, 1, 2, 7]), "1-3, 7")
        self.assertEqual(numbers([4, 5]), "4, 5")

    def test_each_answer_stands_behind_its_packets(self) -> None:
        self.two_clients()
        printed = self.run_(self.file, env={"COLUMNS": "100"})
        self.assertIn("2 TCP sessions", printed)
        for question in "ports", "begin", "encoding", "echoes", "end":
            self.assertIn(next(each.title for each in QUESTIONS if each.word == question), printed)
        self.assertRegex(
            printed, r"(?m)^    7 +The client's frame of order 1, size 5 \(characters\), `hello`"
        )
        self.assertRegex(printed, r"(?m)^ +01       00 00 00 01  00 00 00 05  68 65 6c 6c 6f 2d ")
        self.assertRegex(printed, r"(?m)^ *7 .*\|-+ PSH, ACK Seq=1 Ack=1 Len=29 -+>\|$")
        self.assertNotIn("What went wrong", printed)

    def test_an_exercise_gets_its_own_answers_from_its_own_conversations(self) -> None:
        self.two_clients()
        self.capture.talk().send(b"text").answer(b"ECHO: text").finish().close()
        said = explained(self.file, "--exercise", "4.2")
        self.assertEqual({each["variant"] for each in said["conversations"]}, {"v2"})
        self.assertLessEqual({each["question"] for each in said["statements"]}, {"encoding", "trouble"})
        self.assertNotIn("Nothing in it is of exercise", self.run_(self.file, "--exercise", "4.2"))
        printed = " ".join(self.run_(self.file, "--exercise", "1.2").split())
        self.assertIn("Nothing in it is of exercise 1.2, which is about UDP text;", printed)
        said = explained(self.file, "--exercise", "2.2")
        self.assertEqual({each["variant"] for each in said["conversations"]}, {"tcp"})
        self.assertIn("begin", {each["question"] for each in said["statements"]})

    def test_long_lists_are_counted_unless_all_is_wanted(self) -> None:
        talk = self.capture.talk()
        for order in range(1, 2 * SHOWN):
            talk.send(v3(order, "x"))
        talk.finish().close()
        self.assertIn("--all shows them", self.run_(self.file))
        whole = self.run_(self.file, "--all")
        self.assertNotIn("--all shows them", whole)
        self.assertIn(f"The client's frame of order {2 * SHOWN - 1}", whole)

    def test_what_a_peer_sent_is_escaped(self) -> None:
        self.capture.talk().send(v3(1, HOSTILE)).answer(v3(1, HOSTILE)).finish().close()
        client = self.capture.client()
        self.capture.send(client, HOSTILE.encode())
        self.capture.answer(client, HOSTILE.encode())
        printed = self.run_(self.file)
        self.assertNotIn("\x1b", printed)
        self.assertNotIn("\u202e", printed)
        self.assertIn(r"\x1b[2J<script>\u202e", printed)

    def test_what_the_console_lacks_is_escaped(self) -> None:
        self.capture.talk().send(v3(1, "grüße")).finish().close()
        self.assertIn(r"gr\xfc\xdfe", self.run_(self.file, env={"PYTHONIOENCODING": "ascii"}))

    def test_a_port_of_which_the_bytes_do_not_tell(self) -> None:
        self.capture.talk(7000).send(b"hello").finish().close()
        said = explained(self.file)
        self.assertEqual([each["variant"] for each in said["conversations"]], [None])
        self.assertIn("Nothing in it was recognised", self.run_(self.file))
        said = explained(self.file, "--port", "7000")
        self.assertEqual([each["variant"] for each in said["conversations"]], ["tcp"])
        self.assertEqual(len(of_kind(said, "text")), 1)

    def test_a_session_whose_beginning_is_not_in_the_capture(self) -> None:
        talk = self.capture.talk(opened=False)
        talk.send(v3(4, "four"), v3(5, "five")).answer(v3(4, "four")).finish().close()
        said = explained(self.file)
        frames = [(each["lines"][1], each["packets"]) for each in of_kind(said, "frame")]
        self.assertEqual(frames[0], ("01       00 00 00 04  00 00 00 04  66 6f 75 72", [1]))
        for kind in "syn", "source-port", "four-tuple", "byte-order":
            told = of_kind(said, kind)
            self.assertEqual(told if kind != "byte-order" else [], [])

    def test_a_close_of_which_the_first_half_is_missing_is_not_called_the_first(self) -> None:
        talk = self.capture.talk().send(v3(1, "x"))
        talk.conversation.finished(True)  # the client's FIN is not captured
        talk.close()
        (fin,) = of_kind(explained(self.file), "fin")
        self.assertTrue(fin["text"].startswith("The server closes, with its FIN."), fin["text"])

    def test_json_goes_to_a_file_and_says_which_format_it_is(self) -> None:
        self.two_clients()
        target = os.path.join(self.folder, "said.json")
        self.assertEqual(self.run_(self.file, "--json", target), "")
        said = json.loads(Path(target).read_text("utf-8"))
        self.assertEqual((said["format"], said["packets"], len(said["conversations"])), (1, 14, 2))

    def test_any_format_of_files_that_wireshark_reads(self) -> None:
        self.two_clients()
        said = explained(self.file)
        for format in "pcap", "nsecpcap":
            converted = os.path.join(self.folder, f"lab.{format}")
            subprocess.run(
                ["tshark", "-r", self.file, "-F", format, "-w", converted], check=True, capture_output=True
            )
            again = explained(converted)
            self.assertEqual(
                [each["text"] for each in again["statements"]], [each["text"] for each in said["statements"]]
            )

    def test_several_reports_at_once(self) -> None:
        self.two_clients()
        page = os.path.join(self.folder, "page.html")
        printed = self.run_(self.file, "--html", page, "--json")
        self.assertTrue(Path(page).read_text("utf-8").startswith("<!DOCTYPE html>"))
        self.assertIn('"statements"', printed)


class Refused(CommandTestCase):
    def test_one_line_and_a_status(self) -> None:
        self.capture.add(
            struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20, 0, 0, 64, 47, 0, b"\x0a\0\0\1", b"\x0a\0\0\2")
        )
        empty = self.file
        text = Path(self.folder, "text")
        text.write_text("no capture")
        missing = os.path.join(self.folder, "missing")
        for file, words in (
            (empty, "there is no TCP session in it"),
            (str(text), "this is no capture"),
            (missing, "cannot be read: No such file or directory"),
            (self.folder, "this is no file"),
        ):
            printed = self.run_(file, status=2)
            self.assertEqual(printed.count("\n"), 0, printed)
            self.assertTrue(printed.startswith(f"netlab explain: {file}: "), printed)
            self.assertIn(words, printed)

    def test_a_damaged_capture_is_explained_or_refused(self) -> None:
        chance = random.Random(6)
        for _ in range(4):
            talk = self.capture.talk().send(b"hello", b"you").answer(b"ECHO: hello").finish()
            talk.answer(b"ECHO: you").close()
            client = self.capture.client()
            self.capture.send(client, b"one", b"")
            self.capture.answer(client, b"one")
        self.two_clients()
        whole = Path(self.file).read_bytes()
        for _ in range(12):
            damaged = bytearray(whole)
            for _ in range(chance.randrange(1, 40)):
                damaged[chance.randrange(200, len(damaged))] = chance.randrange(256)
            damaged_file = Path(self.folder, "damaged.pcapng")
            damaged_file.write_bytes(damaged)
            try:
                names = [name(each) for each in tell(read(str(damaged_file)))]
            except CannotRead:
                continue
            self.assertEqual(sorted(names), sorted(set(names)))

    def test_without_tshark_it_says_how_to_get_it(self) -> None:
        self.two_clients()
        hidden = (
            "import sys; from netlab.wireshark import tools; tools.PLACES = ()\n"
            "from netlab.cli import main; sys.exit(main())"
        )
        with Program(sys.executable, "-c", hidden, "explain", self.file, env={"PATH": ""}) as program:
            self.assertEqual(program.ended(), 3)
            self.assertEqual(len(program.lines), 1)
            self.assertIn("no tshark is here, Wireshark's reader of captures: ", program.output)

    def test_a_file_that_cannot_be_written(self) -> None:
        self.two_clients()
        printed = self.run_(self.file, "--html", os.path.join(self.folder, "no", "such.html"), status=1)
        self.assertIn("netlab explain: cannot write", printed)
        self.assertIn("make it first", printed)

    def test_a_file_that_is_cut_short_is_explained_as_far_as_it_goes(self) -> None:
        self.two_clients()
        whole = Path(self.file).read_bytes()
        cut = Path(self.folder, "cut.pcapng")
        cut.write_bytes(whole[:-50])
        printed = self.run_(str(cut))
        self.assertIn("The file ends inside a packet", printed)
        self.assertIn("The client's frame of order 1", printed)


class Audited(CommandTestCase):
    def audit(self, exercise: str | None = None, status: int = 0) -> dict[str, bool]:
        """Which requirements are met."""
        words = ["--exercise", exercise] if exercise else []
        printed = self.run_(self.file, "--audit", "--json", *words, status=status)
        return {each["requirement"]: each["met"] for each in json.loads(printed)["audit"]}

    def lacking(self, exercise: str | None = None) -> list[str]:
        """Which are not."""
        met = self.audit(exercise, 1)
        return [requirement for requirement, is_met in met.items() if not is_met]

    def test_all_is_there(self) -> None:
        self.two_clients()
        met = self.audit("4.3")
        self.assertTrue(met.pop("an echo of each frame, byte for byte"))
        self.assertEqual(self.audit(), {"an echo of each frame, byte for byte": True, **met}, "it is guessed")

    def test_each_requirement_can_be_missing(self) -> None:
        self.capture.talk().send(v2(1, "hello")).finish()
        lacking = self.lacking("4.3")
        for requirement in (
            "two clients at least",
            "data in both directions in each session",
            "the end of each session: a FIN of both sides, or a reset",
            "an echo of each frame, byte for byte",
        ):
            self.assertIn(requirement, lacking)
        self.assertIn("messages of this exercise: frames of v3", self.lacking("5.2"))
        self.capture.talk(opened=False).send(v2(1, "x")).finish().close()
        self.assertIn("the handshake of each session", self.lacking("4.2"))

    def test_one_after_the_other_is_not_at_the_same_time(self) -> None:
        for _ in range(2):
            self.capture.talk().send(b"hello").answer(b"ECHO: hello").finish().close()
        self.assertEqual(self.lacking("2.2")[0], "two clients at the same time")

    def test_a_wrong_echo_is_none(self) -> None:
        for _ in range(2):
            self.capture.talk().send(v3(1, "hello")).answer(v3(1, "HELLO")).finish().close()
        self.assertIn("an echo of each frame, byte for byte", self.lacking("5.3"))

    def test_datagrams(self) -> None:
        first, second = self.capture.client(), self.capture.client()
        self.capture.send(first, b"one")
        self.capture.send(second, b"two")
        lacking = self.lacking("1.2")
        self.assertEqual(
            lacking[0], "a client that sends more than one datagram, so that its port can be seen to stay"
        )
        self.capture.send(second, b"three")
        self.assertTrue(all(self.audit("1.2").values()))

    def test_what_is_missing_is_told_with_how_to_get_it(self) -> None:
        self.capture.talk().send(v2(1, "hello")).finish().close()
        printed = self.run_(self.file, "--audit", "--exercise", "4.2", status=1)
        self.assertIn("    netlab capture -w lab.pcapng -- sh -c 'netlab client tcpv2 -m one", printed)
        self.assertIn("missing    two clients at least", printed)

    def test_an_exercise_that_cannot_be_guessed_is_asked_for(self) -> None:
        self.capture.talk(80).send(b"GET / HTTP/1.0\r\n\r\n").finish().close()
        self.assertIn(
            "say which exercise it is for: --exercise 1.2", self.run_(self.file, "--audit", status=2)
        )
