"""A capture is read through tshark in bounded time and memory, whatever the file holds and whoever asks."""

from __future__ import annotations

import gzip
import os
import random
import sys
import time
from pathlib import Path

from twisted.trial.unittest import SkipTest

from netlab.observers import pcapng
from netlab.observers.packets import datagram
from netlab.wireshark import dissection, tools
from netlab.wireshark.dissection import CannotRead, Dissection, Tree
from tests.wireshark.reading import Capture, FileTestCase

SLOW = """#!/bin/sh
echo '['; echo '  {'
exec sleep 600
"""
"""A tshark that never comes to an end."""

ENDLESS = """#!/bin/sh
exec yes '    "tcp.payload": "00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00",'
"""
"""One that says ever more about one packet."""

FAILING = """#!/bin/sh
printf 'tshark: The file isn\\047t what \\033[31mit was\\n' >&2
exit 4
"""
"""One that has a complaint with a colour in it."""


class Reading(FileTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.file = os.path.join(self.folder, "capture.pcapng")

    def capture(self) -> bytes:
        """A capture of 6 packets."""
        capture = Capture()
        capture.talk().send(b"hello").answer(b"ECHO: hello").finish()
        capture.write(Path(self.file))
        return Path(self.file).read_bytes()

    def numbers(self) -> list[int]:
        """The numbers of the packets that are read."""
        frames = [layers.branch("frame") or Tree() for layers in Dissection(self.file)]
        return [frame.number("frame.number") for frame in frames]

    def refused(self, data: bytes | None = None) -> tuple[int, str]:
        """The status and the line with which a file is refused."""
        if data is not None:
            Path(self.file).write_bytes(data)
        with self.assertRaises(CannotRead) as caught:
            list(Dissection(self.file))
        return caught.exception.status, str(caught.exception)

    def stand_in(self, script: str) -> None:
        """A program in tshark's place."""
        path = Path(self.folder, "tshark")
        path.write_text(script)
        path.chmod(0o755)
        self.patch(tools, "find", lambda _: str(path))

    def test_all_packets_in_their_order(self) -> None:
        self.capture()
        self.assertEqual(self.numbers(), [1, 2, 3, 4, 5, 6])

    def test_a_file_that_is_cut_short_is_read_as_far_as_it_is_whole(self) -> None:
        whole = self.capture()
        Path(self.file).write_bytes(whole[:-30])
        read = Dissection(self.file)
        self.assertEqual((len(list(read)), read.cut_short, read.more), (5, True, False))

    def test_compressed_captures_are_read(self) -> None:
        Path(self.file).write_bytes(gzip.compress(self.capture()))
        self.assertEqual(len(self.numbers()), 6)

    def test_what_is_no_capture(self) -> None:
        self.assertEqual(self.refused(b"")[0], 2)
        self.assertIn("empty", self.refused(b"")[1])
        self.assertEqual(self.refused(b"no capture, but a text\n")[0], 2)
        self.assertIn("no capture", self.refused(b"no capture, but a text\n")[1])
        os.unlink(self.file)
        self.assertEqual(self.refused(), (2, "cannot be read: No such file or directory"))
        os.mkfifo(self.file)
        self.assertEqual(self.refused(), (2, "this is no file"))

    def test_garbage_is_read_or_refused_in_one_line(self) -> None:
        whole, chance = self.capture(), random.Random(5)
        for _ in range(12):
            damaged = bytearray(whole)
            for _ in range(chance.randrange(1, 30)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            Path(self.file).write_bytes(damaged)
            try:
                self.numbers()
            except CannotRead as error:
                self.assertNotIn("\n", str(error))

    def test_a_comment_that_is_no_text(self) -> None:
        whole = self.capture()
        commented = pcapng.packet(0, datagram(("10.0.0.1", 40000), ("10.0.0.2", 5005), b"hi"), 'COMMENT "\\')
        Path(self.file).write_bytes(whole + commented.replace(b"COMMENT", b"\xff\xc3(\x01\x80\n\0"))
        comments = [layers.branch("pkt_comment") for layers in Dissection(self.file)]
        self.assertEqual(len(comments), 7)
        assert comments[-1] is not None
        self.assertIn("\ufffd", comments[-1].text("frame.comment"))

    def test_only_so_many_packets_are_read(self) -> None:
        self.capture()
        self.patch(dissection, "MAX_PACKETS", 4)
        read = Dissection(self.file)
        self.assertEqual((len(list(read)), read.more), (4, True))

    def test_a_reader_that_never_ends_is_ended(self) -> None:
        self.capture()
        self.stand_in(SLOW)
        self.patch(dissection, "PATIENCE", 0.5)
        began = time.monotonic()
        self.assertEqual(self.refused(), (1, "tshark was not done with it after 0.5 seconds"))
        self.assertLess(time.monotonic() - began, 10 * 0.5)

    def test_a_packet_without_end_is_given_up(self) -> None:
        self.capture()
        self.stand_in(ENDLESS)
        self.assertEqual(self.refused(), (1, "there is too much in it to be explained"))

    def test_what_a_reader_complains_of_is_escaped(self) -> None:
        self.capture()
        self.stand_in(FAILING)
        status, line = self.refused()
        self.assertEqual((status, line), (1, r"tshark could not read it: The file isn't what \x1b[31mit was"))

    def test_a_reader_that_is_missing_or_cannot_be_run(self) -> None:
        self.capture()
        self.patch(tools, "find", lambda _: None)
        status, line = self.refused()
        self.assertEqual(status, 3)
        self.assertIn("no tshark is here", line)
        self.patch(tools, "find", lambda _: os.path.join(self.folder, "nothing"))
        self.assertEqual(self.refused(), (3, "tshark cannot be run: No such file or directory"))

    def test_the_memory_of_the_reader_is_limited(self) -> None:
        if sys.platform != "linux":
            raise SkipTest("of Linux")
        self.capture()
        self.stand_in("#!/bin/sh\nwhile [ $(ulimit -v) = unlimited ]; do :; done\nulimit -v >&2\nexit 4\n")
        self.assertEqual(self.refused(), (1, f"tshark could not read it: {dissection.MAX_MEMORY >> 10}"))

    def test_nothing_of_the_users_own_settings_takes_part(self) -> None:
        self.capture()
        settings = Path(self.folder, "settings", "wireshark")
        settings.mkdir(parents=True)
        settings.joinpath("preferences").write_text("tcp.relative_sequence_numbers: FALSE\n")
        self.patch(os, "environ", {**os.environ, "XDG_CONFIG_HOME": str(settings.parent)})
        first = next(iter(Dissection(self.file)))
        tcp = first.branch("tcp")
        assert tcp is not None
        self.assertEqual((tcp.text("tcp.seq"), tcp.number("tcp.seq_raw") > 0), ("0", True))
