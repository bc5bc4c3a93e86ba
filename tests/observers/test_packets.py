"""Rebuilt packets and the blocks of a pcapng file: right in all that Wireshark follows."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netlab.observers import pcapng
from netlab.observers.packets import Conversation, checksum, datagram
from tests.observers.recordings import (
    TCP,
    UDP,
    Recording,
    analysis,
    dissect,
    fields,
    folded,
    tshark,
)
from tests.wire import bounded

FOUR = ("192.0.2.7", 50_001), ("192.0.2.1", 5005)
SIX = ("2001:db8::7", 50_001), ("2001:db8::1", 5005)
MAPPED = ("::ffff:192.0.2.7", 50_001), ("::ffff:192.0.2.1", 5005)

HEAD = pcapng.head("a comment", "a program", "a name", "a description")

lengths = st.one_of(
    st.integers(0, 20), st.sampled_from((1459, 1460, 1461, 2920, 65_536)), st.integers(0, 5000)
)
"""Bytes that are sent at once."""

turns = st.lists(st.tuples(st.booleans(), lengths), max_size=6)
"""Who sends, and how much."""


class Checksums(SynchronousTestCase):
    @bounded
    @given(st.binary(max_size=200))
    def test_are_what_a_sum_of_words_with_its_carries_is(self, data: bytes) -> None:
        # The byte in front, since of nothing but zeros both zeros of ones' complement would be right.
        self.assertEqual(checksum(b"\x45" + data), 0xFFFF - folded(b"\x45" + data))

    def test_of_words_that_add_up_to_all_ones(self) -> None:
        self.assertEqual(checksum(b"\xff\xff"), 0)
        self.assertEqual(checksum(b"\x80\x00\x7f\xff"), 0)


class Datagrams(SynchronousTestCase):
    def test_of_both_kinds_of_addresses(self) -> None:
        for source, destination in FOUR, SIX:
            for data in b"", b"x", b"hello!", bytes(65_507):
                packet = dissect(datagram(source, destination, data))
                self.assertEqual(packet.protocol, UDP)
                self.assertEqual((packet.source, packet.destination), (source, destination))
                self.assertEqual(packet.data, data)

    def test_an_ipv4_address_that_is_written_as_an_ipv6_one_is_ipv4(self) -> None:
        packet = dissect(datagram(*MAPPED, b"x"))
        self.assertEqual((packet.source, packet.destination), FOUR)

    def test_an_address_with_a_zone_is_the_address(self) -> None:
        packet = dissect(datagram(("fe80::1%eth0", 1), ("fe80::2%2", 2), b"x"))
        self.assertEqual((packet.source, packet.destination), (("fe80::1", 1), ("fe80::2", 2)))

    def test_a_checksum_that_is_zero_is_written_as_all_ones(self) -> None:
        word = datagram(*FOUR, b"\0\0")[26:28]  # what is missing from the sum to all ones
        packet = datagram(*FOUR, word)
        self.assertEqual(packet[26:28], b"\xff\xff")
        self.assertEqual(dissect(packet).data, word)


class Conversations(SynchronousTestCase):
    """A connection, as an endpoint of a few lines sees it."""

    def numbers(self, packets: list[bytes]) -> None:
        """Each segment has the number that the one before it leads to, and acknowledges all that came."""
        next_: dict[tuple[str, int], int] = {}
        for packet in map(dissect, packets):
            self.assertEqual(packet.protocol, TCP)
            if "S" not in packet.flags:
                self.assertEqual(packet.sequence, next_[packet.source])
            if "A" in packet.flags:
                self.assertEqual(packet.acknowledged, next_[packet.destination])
            taken = len(packet.data) + ("S" in packet.flags) + ("F" in packet.flags)
            next_[packet.source] = (packet.sequence + taken) & 0xFFFFFFFF

    @bounded
    @given(turns, st.sampled_from((FOUR, SIX, MAPPED)), st.integers(0, 10_000))
    def test_numbers_and_checksums_are_right(
        self, turns: list[tuple[bool, int]], ends: tuple[tuple[str, int], tuple[str, int]], number: int
    ) -> None:
        conversation = Conversation(*ends, number)
        packets = conversation.opened()
        for from_client, length in turns:
            data = os.urandom(length)
            sent = conversation.data(from_client, data)
            carrying = [packet for packet in map(dissect, sent) if packet.data]
            self.assertEqual(b"".join(packet.data for packet in carrying), data)
            self.assertTrue(all(len(packet.data) == conversation.mss for packet in carrying[:-1]))
            packets += sent
        packets += conversation.finished(True) + conversation.finished(False)
        self.numbers(packets)
        self.assertLessEqual(max(map(len, packets)), 1500, "what an Ethernet carries")

    def test_the_handshake(self) -> None:
        for ends, mss in (FOUR, 1460), (SIX, 1440):
            handshake = [dissect(packet) for packet in Conversation(*ends).opened()]
            self.assertEqual([packet.flags for packet in handshake], ["S", "SA", "A"])
            self.assertEqual(
                [(packet.source, packet.destination) for packet in handshake[:2]], [ends, ends[::-1]]
            )
            for packet in handshake[:2]:
                self.assertEqual(packet.options[:4], b"\x02\x04" + mss.to_bytes(2, "big"))

    def test_the_ends(self) -> None:
        conversation = Conversation(*FOUR)
        conversation.opened()
        ends = [dissect(packet) for packet in conversation.finished(False) + conversation.reset(True)]
        self.assertEqual([packet.flags for packet in ends], ["FA", "A", "RA"])
        self.assertEqual([packet.source == FOUR[0] for packet in ends], [False, True, True])

    def test_what_is_no_address_and_no_port_is_refused(self) -> None:
        for client in ("no address", 1), ("2001:db8::7", 1), ("192.0.2.7", 65_536), ("192.0.2.7", -1):
            self.assertRaises(ValueError, Conversation, client, FOUR[1])
        self.assertRaises(ValueError, Conversation, FOUR[0], ("192.0.2.1", 1_000_000))

    def test_no_bytes_are_no_segments(self) -> None:
        self.assertEqual(Conversation(*FOUR).data(True, b""), [])

    def test_the_last_segment_is_pushed_and_no_read_is_acknowledged_late(self) -> None:
        conversation = Conversation(*FOUR)
        packets = [dissect(packet) for packet in conversation.data(True, bytes(1_000_000))]
        self.assertEqual([packet.flags for packet in packets if packet.data][-1], "PA")
        unacknowledged = 0
        for packet in packets:
            unacknowledged = unacknowledged + len(packet.data) if packet.data else 0
            self.assertLess(unacknowledged, packet.window << 7)
            self.assertLessEqual(unacknowledged, (1 << 16) + 1460)
        self.assertEqual(unacknowledged, 0)

    def test_each_has_initial_numbers_of_its_own(self) -> None:
        first = {dissect(Conversation(*FOUR, number).opened()[0]).sequence for number in range(4000)}
        self.assertEqual(len(first), 4000)

    def test_numbers_begin_again_after_the_last(self) -> None:
        conversation = Conversation(*FOUR, 4293)  # 4,294,000,000 of 4,294,967,296
        packets = conversation.opened() + conversation.data(True, bytes(2_000_000))
        self.numbers(packets)
        sequences = [packet.sequence for packet in map(dissect, packets) if packet.data]
        self.assertLess(sequences[-1], sequences[0])
        self.numbers([*packets, *conversation.finished(True), *conversation.finished(False)])


class Files(SynchronousTestCase):
    """The blocks of a file, read back."""

    def comment(self, text: str) -> str:
        (packet,) = Recording(HEAD + pcapng.packet(1, datagram(*FOUR, b"x"), text)).packets
        return packet.comment

    def test_the_head_says_what_it_is(self) -> None:
        recording = Recording(HEAD)
        self.assertEqual(
            (recording.comment, recording.application, recording.interface, recording.description),
            ("a comment", "a program", "a name", "a description"),
        )
        self.assertEqual(recording.packets, [])

    def test_every_length_is_padded(self) -> None:
        for length in range(9):
            data = datagram(*FOUR, b"x" * length)
            for comment in "", "a", "ab", "abc", "abcd":
                (packet,) = Recording(HEAD + pcapng.packet(1, data, comment)).packets
                self.assertEqual((packet.data, packet.comment), (b"x" * length, comment))

    def test_times_are_nanoseconds(self) -> None:
        for at in 0, 1, 0xFFFFFFFF, 0x100000000, 1_795_478_950_636_793_261:
            (packet,) = Recording(HEAD + pcapng.packet(at, datagram(*FOUR, b""))).packets
            self.assertEqual(packet.at, at)

    @bounded
    @given(st.text(max_size=50))
    def test_a_comment_may_be_any_text(self, text: str) -> None:
        self.assertEqual(self.comment(text), text.encode("utf-8", "backslashreplace").decode())

    def test_what_has_no_utf8_is_escaped(self) -> None:
        self.assertEqual(
            self.comment("a lone \udce4, a pair \U0001f600"), "a lone \\udce4, a pair \U0001f600"
        )

    def test_a_comment_that_is_too_long_is_cut_between_two_characters(self) -> None:
        most = pcapng.MAX_COMMENT
        for character in "xü€\U0001f600":
            width = len(character.encode())
            for before in range(5):
                said = self.comment("-" * before + character * most)
                self.assertEqual(said, "-" * before + character * ((most - before) // width))


class ToWireshark(SynchronousTestCase):
    """What tshark says of them."""

    def written(self, *packets: tuple[bytes, str]) -> str:
        path: str = self.mktemp()
        with open(path, "wb") as file:
            file.write(HEAD + b"".join(pcapng.packet(at, *each) for at, each in enumerate(packets)))
        return path

    def test_no_checksum_and_no_number_is_wrong(self) -> None:
        packets: list[bytes] = []
        said = {True: b"", False: b""}
        for number, ends in ((1, FOUR), (2, SIX), (4293, (("192.0.2.8", 1), FOUR[1]))):
            conversation = Conversation(*ends, number)
            packets += conversation.opened()
            for from_client, length in ((True, 1), (False, 1 << 20), (True, 1 << 20), (False, 3)):
                data = (b"%07d " % number * length)[:length]
                said[from_client] += data
                packets += conversation.data(from_client, data)
            packets += conversation.finished(True) + conversation.finished(False)
        packets += [datagram(*ends, data) for ends in (FOUR, SIX) for data in (b"", b"x", bytes(65_507))]
        path = self.written(*((packet, "") for packet in packets))
        found = analysis(path, 3)
        self.assertEqual(found.warnings, [])
        self.assertEqual(len(found.conversations), 3)
        self.assertTrue(b"".join(sent for sent, _ in found.followed) == said[True])
        self.assertTrue(b"".join(received for _, received in found.followed) == said[False])

    def test_a_wrong_checksum_would_be_told(self) -> None:
        packet = datagram(*FOUR, b"hello")
        self.assertNotEqual(analysis(self.written((packet[:-1] + b"!", ""))).warnings, [])

    def test_comments_are_shown(self) -> None:
        texts = ["plain", "grüße €", "\U0001f600 beyond 16 bits", "x" * pcapng.MAX_COMMENT]
        path = self.written(*((datagram(*FOUR, b"hello"), text) for text in texts))
        self.assertEqual([said for (said,) in fields(path, "frame.comment")][:3], texts[:3])
        self.assertIn(b"hello".hex(), tshark(path, "-T", "fields", "-e", "udp.payload"))
