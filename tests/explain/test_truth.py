"""What is said of a capture is true: of real runs, whose truth is known from their sockets."""

from __future__ import annotations

import re
from tempfile import TemporaryDirectory
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.explain.scenes import CHOSEN_PORT, NOBODYS_PORT, OTHER_PORT, PORT, Truth, capture
from tests.explain.telling import explained, of_kind


class SceneTestCase(SynchronousTestCase):
    """One scene, captured and explained."""

    scene = ""
    said: dict[str, Any]
    truth: Truth

    def play(self) -> None:
        """Play it, and have it explained."""
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file, self.truth = capture(self.scene, folder.name)
        self.said = explained(self.file)
        self.places = {
            f"{conversation['client'][0]}:{conversation['client'][1]}": conversation["name"]
            for conversation in self.said["conversations"]
        }

    def conversation(self, client: str) -> dict[str, Any]:
        """What is said of one client."""
        name = self.places[client]
        return next(each for each in self.said["conversations"] if each["name"] == name)

    def told(self, kind: str, client: str) -> list[str]:
        """The sentences of one kind about one client."""
        return [each["text"] for each in of_kind(self.said, kind) if each["where"] == self.places[client]]

    def assert_clients(self, transport: str, port: int = PORT) -> None:
        """All clients are told of, in the order in which they began, with the ports of their sockets."""
        clients = [":".join(map(str, each["client"])) for each in self.said["conversations"]]
        self.assertEqual(clients, self.truth["clients"])
        for each in self.said["conversations"]:
            self.assertEqual((each["transport"], each["server"]), (transport, ["127.0.0.1", port]))
        for client in clients:
            (text,) = self.told("source-port", client)
            self.assertIn(f"has port {client.rpartition(':')[2]}, and calls the server's port {port}.", text)

    def assert_streams(self) -> None:
        """All bytes that each client sent are told, in frames; each of them came back."""
        for client, sent in self.truth["streams"].items():
            messages = self.conversation(client)["messages"]
            forth = [each for each in messages if each["from"] == "client"]
            self.assertEqual("".join(each["bytes"] for each in forth), sent)
            self.assertTrue(all(each["echoes"] for each in forth))
            back = "".join(each["bytes"] for each in messages if each["from"] == "server")
            self.assertEqual(back, sent)
            tables = [
                each["lines"][1]
                for each in of_kind(self.said, "frame")
                if each["where"] == self.places[client]
            ]
            shown = re.sub(r"[ |]|\(no bytes\)", "", "".join(tables))
            self.assertEqual(shown, sent)


class Datagrams(SceneTestCase):
    scene = "datagrams"

    def test_what_is_told(self) -> None:
        self.play()
        self.assert_clients("udp")
        first, second, chosen, again, late = self.truth["clients"]
        for client in first, second, again, late:
            self.assertIn("the kernel gives it out", self.told("source-port", client)[0])
        self.assertEqual(chosen, f"127.0.0.1:{CHOSEN_PORT}")
        self.assertIn("the program asked for it", self.told("source-port", chosen)[0])
        self.assertIn("All 3 datagrams", self.told("port-stays", first)[0])
        self.assertEqual(
            [self.told("port-stays", client) for client in (second, chosen, again)], [[], [], []]
        )
        sent = [
            (":".join(map(str, each["client"])), message["packets"][0], message["text"])
            for each in self.said["conversations"]
            for message in each["messages"]
            if message["from"] == "client" and message["echoes"]
        ]
        in_order = [[client, text] for client, _, text in sorted(sent, key=lambda each: each[1])]
        self.assertEqual(in_order, self.truth["sent"])
        (differ,) = of_kind(self.said, "ports-differ")
        ports = ", ".join(client.rpartition(":")[2] for client in self.truth["clients"])
        self.assertIn(f"5 sockets on 127.0.0.1 have 5 ports: {ports}.", differ["text"])
        (refused,) = of_kind(self.said, "refused")
        self.assertEqual(refused["where"], self.places[late])


class Texts(SceneTestCase):
    """Of a server of netlab's there are two files: the capture, and its recording."""

    def assert_session(self, threads: list[str]) -> None:
        """What the capture shows, and what only the recording knows."""
        self.play()
        self.assert_clients("tcp")
        first, second = self.truth["clients"]
        for client in first, second:
            for kind in "syn", "syn-ack", "established", "four-tuple":
                self.assertEqual(len(self.told(kind, client)), 1, kind)
            ends = self.told("fin", client)
            self.assertTrue(ends[0].startswith("The client closes first"), ends)
            self.assertEqual(len(ends), 2)
            sent = [text for name, text in self.truth["sent"] if name == client]
            messages = self.conversation(client)["messages"]
            self.assertEqual([each["text"] for each in messages if each["from"] == "client"], sent)
            self.assertEqual([each["text"] for each in messages if each["from"] == "server"], sent)
            self.assertEqual(len(self.told("echo", client)), len(sent))
            self.assertEqual(len(self.told("acknowledged", client)), 2 * len(sent))
        (apart,) = of_kind(self.said, "sessions-differ")
        self.assertIn(f"{first} (session 1), {second} (session 2)", apart["text"])
        self.assertEqual(of_kind(self.said, "handled"), [])
        self.said = explained(self.truth["recording"])
        self.assertTrue(self.said["recording"])
        handled = {
            ":".join(map(str, each["client"])): {
                (message["thread"], message["key"])
                for message in each["messages"]
                if message["from"] == "client"
            }
            for each in self.said["conversations"]
        }
        keys = self.truth["keys"]
        true = {
            client: {(thread, keys.get(client))}
            for client, thread in zip((first, second), threads, strict=True)
        }
        self.assertEqual(handled, true)
        self.assertEqual(len(of_kind(self.said, "handled")), 3)
        for kind in "syn", "syn-ack", "established", "acknowledged":
            self.assertEqual(of_kind(self.said, kind), [], "made up in a recording")


class Threads(Texts):
    scene = "threads"

    def test_what_is_told(self) -> None:
        self.assert_session(["client-1", "client-2"])
        (differ,) = of_kind(self.said, "threads-differ")
        first, second = self.truth["clients"]
        self.assertIn(f"{first}: client-1; {second}: client-2", differ["text"])
        self.assertEqual(of_kind(self.said, "one-thread"), [])


class Selector(Texts):
    scene = "selector"

    def test_what_is_told(self) -> None:
        self.assert_session(["MainThread", "MainThread"])
        (one,) = of_kind(self.said, "one-thread")
        self.assertIn("One thread, MainThread, served both clients", one["text"])
        (differ,) = of_kind(self.said, "keys-differ")
        for client in self.truth["clients"]:
            self.assertIn(f"{client}: fd={self.truth['keys'][client]}", differ["text"])
        self.assertEqual(of_kind(self.said, "threads-differ"), [])


class PlainText(SceneTestCase):
    scene = "plain_text"

    def test_what_is_told(self) -> None:
        self.play()
        self.assert_clients("tcp")
        first, second, late = self.truth["clients"]
        self.assertTrue(self.told("fin", first)[0].startswith("The client closes first"))
        (reset,) = of_kind(self.said, "reset")
        self.assertEqual(reset["where"], self.places[self.truth["reset_by"]])
        self.assertTrue(reset["text"].startswith("The client ends the session with a reset"))
        self.assertEqual(self.told("fin", second), [])
        (after,) = of_kind(self.said, "after-fin")
        self.assertEqual(after["where"], self.places[late])
        self.assertIn("the server still sends 11 bytes", after["text"])


class FixedFrames(SceneTestCase):
    scene = "fixed_frames"

    def test_what_is_told(self) -> None:
        self.play()
        self.assert_clients("tcp")
        self.assert_streams()
        first, second = self.truth["clients"]
        long = self.truth["cut"]
        self.assertEqual(
            self.told("cut", first),
            [
                f"The text was cut: {len(long)} characters were typed (size), and the field's 20 bytes had "
                f"room for 20 of them: `{long[:20]}`."
            ],
        )
        self.assertEqual(
            [text.partition(";")[0] for text in self.told("padded", first)],
            ["The text was padded: 15 bytes 2d (`-`) fill the field up to 20"],
        )
        joined = [text for text in self.told("joined", second) if "order 1, 2, 3:" in text]
        self.assertEqual(len(joined) >= 1, True, self.told("joined", second))
        (split,) = self.told("split", second)
        self.assertIn("The frame of order 4 came in 2 segments (7 + 22 bytes;", split)


class VariableFrames(SceneTestCase):
    scene = "variable_frames"

    def test_what_is_told(self) -> None:
        self.play()
        self.assert_clients("tcp", OTHER_PORT)
        self.assert_streams()
        guide, scripts = self.truth["clients"]
        self.assertIn(
            "version, order, size (netlab calls this layout `guide`)", self.told("layout", guide)[0]
        )
        self.assertIn(
            "version, size, order (netlab calls this layout `scripts`)", self.told("layout", scripts)[0]
        )
        (split,) = self.told("split", guide)
        self.assertIn("The frame of order 3 came in 3 segments (4 + 7 + 24 bytes;", split)
        ends = [text.rpartition("so byte ")[2] for text in self.told("size-tells", guide)]
        self.assertEqual(
            ends, ["14 begins the next frame.", "23 begins the next frame.", "58 begins the next frame."]
        )


class Trouble(SceneTestCase):
    scene = "trouble"

    EXPECTED = (
        ("refused", "refused", f"nobody listens on port {NOBODYS_PORT}"),
        ("wrong-version", "violation", "a frame begins with the byte 0x47"),
        ("truncated", "violation", "the FIN came after 12 bytes of a frame that needs 18"),
        ("oversize", "violation", "This is a header with its numbers in little-endian"),
        ("order-jump", "note", "the order is 7, and 2 was due"),
        ("retransmission", "analysis", "Seq 1 to 14, is sent again"),
        ("reset-inside", "reset", "It came after 10 bytes of a frame that needs 13"),
        ("missing-echo", "missing-echo", "No echo came of the message order 3"),
        ("doubled-echo", "note", "this message has been echoed before"),
        ("little-endian", "little-endian", "order 16777216 would be 1"),
        ("zero_window", "analysis", "has no room any more (window 0)"),
        ("unanswered", "unanswered", "1 SYN, and no SYN, ACK"),
    )
    """Of which client, which kind of statement, and what is in it."""

    def test_what_is_told(self) -> None:
        self.play()
        clients = self.truth["clients"]
        for what, kind, sentence in self.EXPECTED:
            told = self.told(kind, clients[what])
            self.assertTrue(any(sentence in text for text in told), f"{what}: {kind}: {told}")
        wrong = {"violation", "note", "missing-echo", "reset", "little-endian", "refused", "unanswered"}
        accused = {each["where"] for each in self.said["statements"] if each["kind"] in wrong}
        innocent = {"retransmission"}
        self.assertEqual(
            accused & {self.places[clients[what]] for what in innocent}, set(), "of these nothing is wrong"
        )
