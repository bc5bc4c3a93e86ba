"""Captures of very many conversations: how many are explained, and what the reports say of the others."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from netlab.explain import reading
from netlab.explain.audit import NAMED
from netlab.explain.telling import MAX_CONVERSATIONS
from netlab.observers.packets import Conversation
from netlab.wireshark import dissection
from netlab.wireshark.dissection import MAX_PACKETS
from tests.wireshark.reading import PORT, SERVER, Capture, FileTestCase

MANY = 25_000
"""Conversations of a large capture: more than there are packets that are read."""

DEADLINE = 100.0
"""Seconds for one report: ten times what a slow machine needs."""

UNREAD = f"Only its first {MAX_PACKETS:,} packets are read"


def left_out(count: int) -> str:
    """The beginning of the sentence about so many conversations."""
    return f"Only {MAX_CONVERSATIONS} of {count:,} conversations are explained"


class LimitsTestCase(FileTestCase):
    """Large captures, and the real command."""

    def setUp(self) -> None:
        super().setUp()
        self.capture = Capture()

    @property
    def file(self) -> str:
        """The capture, as it is now."""
        path = Path(self.folder, "many.pcapng")
        self.capture.write(path)
        return str(path)

    def explain(self, *words: str, statuses: tuple[int, ...] = (0,)) -> str:
        """Standard output, with one space between words."""
        done = subprocess.run(
            [sys.executable, "-m", "netlab", "explain", *words],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=DEADLINE,
            check=False,
        )
        self.assertIn(done.returncode, statuses, done.stderr)
        return " ".join(done.stdout.split())

    def explained(self, file: str, *words: str) -> dict[str, Any]:
        """The JSON report."""
        found: dict[str, Any] = json.loads(self.explain(file, "--json", *words))
        return found

    def assert_bounded(self, file: str, count: int, head: str) -> None:
        """Each report explains MAX_CONVERSATIONS of so many, and says so once; `head` counts them all."""
        page, data = Path(self.folder, "page.html"), Path(self.folder, "said.json")
        printed = self.explain(file)
        self.explain(file, "--html", str(page), "--json", str(data))
        said = json.loads(data.read_text("utf-8"))
        names = {each["name"] for each in said["conversations"]}
        self.assertEqual(len(said["conversations"]), MAX_CONVERSATIONS)
        self.assertEqual(said["conversations_left_out"], count - MAX_CONVERSATIONS)
        self.assertLessEqual({each["where"] for each in said["statements"]}, {*names, "all"})
        self.assertEqual(sum(each.startswith(left_out(count)) for each in said["limits"]), 1)
        for report in printed, page.read_text("utf-8"):
            self.assertEqual(report.count(left_out(count)), 1)
            self.assertEqual(report.count(UNREAD), 1)
            self.assertIn(head, report)

    def refuse(self, count: int) -> None:
        """So many connections to the laboratory's port that are refused."""
        for number in range(count):
            connection = Conversation(self.capture.client(), (SERVER, PORT), number)
            self.capture.add(connection.opened()[0], *connection.reset(False))

    def texts(self, count: int) -> None:
        """So many sessions with a text, one after the other, all of one machine."""
        for number in range(count):
            talk = self.capture.talk(client=("10.0.0.1", 1_024 + number)).send(b"hello")
            talk.answer(b"ECHO: hello").finish().close()


class ManyConversations(LimitsTestCase):
    def test_connections(self) -> None:
        self.refuse(MANY)
        count = MAX_PACKETS // 2
        self.assert_bounded(self.file, count, f"{count:,} TCP sessions")

    def test_datagrams(self) -> None:
        for _ in range(MANY):
            self.capture.send(self.capture.client(), b"hello")
        self.assert_bounded(self.file, MAX_PACKETS, f"{MAX_PACKETS:,} UDP clients")

    def test_an_audit_names_few_sessions_and_the_packets_that_are_read(self) -> None:
        count = MAX_PACKETS // 5
        talks = [self.capture.talk().send(b"hello") for _ in range(count)]
        for _ in range(2):
            for talk in talks:
                talk.answer(b"ECHO: hello")
        printed = self.explain(self.file, "--audit", "--exercise", "2.2", statuses=(1,))
        self.assertEqual(printed.count(UNREAD), 1)
        self.assertIn("there two clients at the same time", printed)
        self.assertIn("missing the end of each session", printed)
        self.assertRegex(printed, rf"session {NAMED} and {count - NAMED:,} more\.")


class Repetitions(LimitsTestCase):
    def test_each_cites_itself_and_the_first_packet_only(self) -> None:
        talk = self.capture.talk()
        self.capture.add(*talk.segments(True, b"hello") * 50)
        said = self.explained(self.file)
        repeated = [
            each
            for each in said["statements"]
            if each["kind"] == "analysis" and "retransmission" in each["about"]
        ]
        self.assertEqual(len(repeated), 49)
        self.assertEqual({len(each["packets"]) for each in repeated}, {2})

    def test_as_many_as_are_read_are_explained(self) -> None:
        talk = self.capture.talk()
        self.capture.add(*talk.segments(True, b"hello") * MAX_PACKETS)
        self.assertIn("1 TCP session", self.explain(self.file))


class Chosen(LimitsTestCase):
    def test_as_many_as_are_explained_are_no_reason_for_a_remark(self) -> None:
        self.texts(MAX_CONVERSATIONS)
        said = self.explained(self.file)
        self.assertEqual((len(said["conversations"]), said["limits"]), (MAX_CONVERSATIONS, []))
        self.assertEqual(said["conversations_left_out"], 0)
        self.assertFalse([each for each in said["statements"] if each["text"].startswith("Among the ")])

    def test_a_statement_about_several_is_restricted_to_those_that_are_explained(self) -> None:
        self.texts(MAX_CONVERSATIONS + 1)
        said = self.explained(self.file)
        together = [each["text"] for each in said["statements"] if each["where"] == "all"]
        self.assertTrue(together)
        for text in together:
            self.assertTrue(text.startswith("Among the conversations that are explained: "), text)

    def test_recognized_conversations_come_before_others(self) -> None:
        self.refuse(MAX_CONVERSATIONS + 10)
        self.texts(2)
        said = self.explained(self.file)
        self.assertEqual([each["variant"] for each in said["conversations"]][-2:], ["tcp", "tcp"])
        self.assertEqual(len(said["conversations"]), MAX_CONVERSATIONS)

    def test_the_display_filter_that_is_named_selects_a_conversation_that_was_left_out(self) -> None:
        self.texts(MAX_CONVERSATIONS + 1)
        said = self.explained(self.file)
        found = re.search(r"such as (.+?), then", said["limits"][0])
        assert found is not None
        selected = str(Path(self.folder, "selected.pcapng"))
        subprocess.run(
            ["tshark", "-r", self.file, "-Y", found[1], "-w", selected], check=True, capture_output=True
        )
        clients = [each["client"] for each in self.explained(selected)["conversations"]]
        self.assertEqual(len(clients), 1)
        self.assertNotIn(clients[0], [each["client"] for each in said["conversations"]])

    def test_the_command_line_names_only_ports_of_conversations_that_may_be_explained(self) -> None:
        for number in range(2 * MAX_CONVERSATIONS):
            self.capture.talk(20_000 + number, opened=False).send(b"hello").answer(b"ECHO: hello")
        named = list[int]()

        class Watched(dissection.Dissection):
            def _words(self) -> list[str]:
                named.append(len(self._ports))
                return super()._words()

        self.patch(reading, "Dissection", Watched)
        self.patch(reading, "_has_unnamed_data", lambda conversation: conversation.ours)
        captured = reading.read(self.file)
        self.assertEqual(named, [0, MAX_CONVERSATIONS])
        self.assertEqual(len(captured.sessions), 2 * MAX_CONVERSATIONS)
