"""Echoes, directions, ports, lost and doubled segments, ends: what is more than the bytes of one stream."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from itertools import permutations

from twisted.trial.unittest import SynchronousTestCase

from netlab.wire import fixed, variable
from netlab.wire.variable import Layout
from netlab.wire.vectors import VECTORS
from tests.wireshark.reading import PORT, Capture, Packet, Talk, at_once, packets

TWO_PASSES = "-2"


def v2(order: int, text: str) -> bytes:
    """A frame of fixed size."""
    return fixed.frame(order, text).pack()


def v3(order: int, text: str, layout: Layout = Layout.GUIDE) -> bytes:
    """A frame of variable size."""
    return variable.frame(order, text).pack(layout)


HELLO = v3(1, "hello")


class ReadingTestCase(SynchronousTestCase):
    """What is read of a capture, packet by packet."""

    def setUp(self) -> None:
        self.capture = Capture()

    def read(self, *fields: str, options: Sequence[str] = ()) -> dict[int, Packet]:
        """These fields in the packets that have any of them, by the packet's number."""
        found = packets(self.capture, ["frame.number", *fields], *options)
        numbered = {int(packet.pop("frame.number")[0]): packet for packet in found}
        return {number: packet for number, packet in numbered.items() if any(packet.values())}

    def values(self, field: str, *options: str) -> dict[int, list[str]]:
        """The values of one field, by the packet's number."""
        return {number: packet[field] for number, packet in self.read(field, options=options).items()}

    def variants(self, *options: str) -> dict[int, set[str]]:
        """The variants of each packet that is ours."""
        return {number: set(values) for number, values in self.values("netlab.variant", *options).items()}

    def infos(self, *options: str) -> list[str]:
        """The Info column of the packets that are ours."""
        names = ("_ws.col.Info", "netlab.variant")
        found = packets(self.capture, names, *options)
        return [packet["_ws.col.Info"][0] for packet in found if packet["netlab.variant"]]

    def assert_in_both(self, field: str, expected: dict[int, list[str]], *options: str) -> None:
        """In one pass and in two a field has the same values."""
        ways = [partial(self.values, field, *passes, *options) for passes in ((), (TWO_PASSES,))]
        self.assertEqual(at_once(ways), [expected, expected])


class Echoes(ReadingTestCase):
    def assert_links(self, in_: dict[int, str], of: dict[int, str], notes: dict[int, list[str]]) -> None:
        """The links forth and back, and the notes, as the second pass shows them."""
        fields = ("netlab.echo_in", "netlab.echo_of", "netlab.note")
        found = self.read(*fields, options=(TWO_PASSES,))
        got = [{number: packet[name] for number, packet in found.items() if packet[name]} for name in fields]
        links = [{number: [to] for number, to in each.items()} for each in (in_, of)]
        self.assertEqual(got, [*links, notes])

    def test_frames_are_linked_by_order_and_bytes(self) -> None:
        for make in (v2, v3):
            self.capture = Capture()
            talk = self.capture.talk().send(make(1, "one"), make(2, "two"))  # packets 4 and 5
            talk.answer(make(1, "one"), make(2, "two")).finish().close()
            self.assert_links({4: "6", 5: "7"}, {6: "4", 7: "5"}, {})

    def test_the_time_until_an_echo(self) -> None:
        self.capture.talk().send(HELLO).wait(0.25).answer(HELLO)
        self.assert_in_both("netlab.echo_time", {5: ["0.251000000"]})

    def test_the_first_pass_knows_what_an_answer_answers(self) -> None:
        self.capture.talk().send(HELLO).answer(HELLO)
        self.assertEqual(self.values("netlab.echo_of"), {5: ["4"]})

    def test_a_missing_echo(self) -> None:
        for make in (v2, v3):
            self.capture = Capture()
            talk = self.capture.talk().send(make(1, "one"), make(2, "two")).answer(make(2, "two"))
            talk.finish().close()
            self.assert_links(
                {5: "6"}, {6: "5"}, {4: ["missing-echo"], 6: ["order-jump"], 8: ["missing-echo"]}
            )
            self.assertEqual(self.values("netlab.note"), {6: ["order-jump"], 8: ["missing-echo"]})

    def test_no_echo_is_missing_where_the_server_echoes_nothing(self) -> None:
        self.capture.talk().send(HELLO).finish().close()
        self.capture.talk().send(v2(1, "hello")).finish().close()
        self.capture.send(self.capture.client(), b"hello")
        self.assert_in_both("netlab.note", {})

    def test_a_reset_ends_the_waiting_for_echoes(self) -> None:
        self.capture.talk().send(HELLO, v3(2, "b")).answer(HELLO).reset()
        self.assertEqual(self.values("netlab.note", TWO_PASSES), {5: ["missing-echo"], 7: ["missing-echo"]})

    def test_an_echo_that_is_not_what_was_sent(self) -> None:
        self.capture.talk().send(HELLO).answer(v3(1, "HELLO")).finish().close()
        self.assert_links({4: "5"}, {5: "4"}, {5: ["wrong-echo"]})

    def test_an_echo_twice_and_one_of_nothing(self) -> None:
        self.capture.talk().send(HELLO).answer(HELLO, HELLO, v3(2, "b"))
        notes = {6: ["order-repeat", "doubled-echo"], 7: ["stray-echo"]}
        self.assert_links({4: "5"}, {5: "4", 6: "4"}, notes)

    def test_texts_are_answered_in_pieces(self) -> None:
        talk = self.capture.talk().send(b"hello").answer(b"ECHO: he", b"llo")  # packets 4 to 6
        talk.send(b"ECHO: E").answer(b"ECHO: ECHO", b": E").finish().close()  # 7 to 9
        talk = self.capture.talk().send(b"one", b"two").answer(b"ECHO: oneECHO: two")  # 15 to 17
        talk.answer(b"").finish().close()
        self.assertEqual(
            self.values("netlab.echo_in", TWO_PASSES), {4: ["6"], 7: ["9"], 15: ["17"], 16: ["17"]}
        )
        self.assertEqual(self.values("netlab.message", TWO_PASSES)[17], ["onetwo"])
        self.assertEqual(self.values("netlab.text", TWO_PASSES)[17], ["one", "two"])
        self.assertEqual(self.values("netlab.prefix", TWO_PASSES)[17], ["ECHO: ", "ECHO: "])
        self.assertEqual(self.values("netlab.text", TWO_PASSES)[6], ["llo"])

    def test_a_text_without_an_answer(self) -> None:
        self.capture.talk().send(b"hello").answer(b"ECHO: hello").send(b"again").finish().close()
        self.assertEqual(self.values("netlab.note", TWO_PASSES), {6: ["missing-echo"], 8: ["missing-echo"]})

    def test_a_server_of_text_that_never_answers(self) -> None:
        self.capture.talk().send(b"hello").finish().close()
        self.assertEqual(self.values("netlab.note", TWO_PASSES), {4: ["missing-echo"], 6: ["missing-echo"]})

    def test_a_wrong_answer_to_a_text_and_a_right_one_to_the_next(self) -> None:
        talk = self.capture.talk().send(b"hello").answer(b"ECHO: jello").send(b"again").answer(b"ECHO: again")
        talk.finish().close()
        self.assertEqual(self.values("netlab.note", TWO_PASSES), {5: ["wrong-echo"]})
        self.assertEqual(self.values("netlab.echo_of", TWO_PASSES), {7: ["6"]})

    def test_datagrams_are_linked_by_their_bytes_the_oldest_first(self) -> None:
        client = self.capture.client()
        self.capture.send(client, b"one", b"two", b"two")
        self.capture.answer(client, b"two", b"one", b"one", b"three")
        self.assert_links(
            {1: "5", 2: "4"}, {4: "2", 5: "1", 6: "1"}, {6: ["doubled-echo"], 7: ["stray-echo"]}
        )

    def test_a_datagram_whose_echo_did_not_come(self) -> None:
        client = self.capture.client()
        self.capture.send(client, b"one", b"two")
        self.capture.answer(client, b"two")
        self.assertEqual(self.values("netlab.note", TWO_PASSES), {1: ["missing-echo"]})
        self.capture.send(client, b"three")
        self.assertEqual(self.values("netlab.note", TWO_PASSES), {1: ["missing-echo"]})
        self.capture.wait(6)
        self.capture.send(client, b"four")
        self.assertEqual(self.values("netlab.note", TWO_PASSES), {1: ["missing-echo"], 4: ["missing-echo"]})

    def test_every_vector_finds_its_echo(self) -> None:
        for variant in ("tcpv2", "tcpv3", "tcp"):
            self.capture = Capture()
            vectors = [
                v for v in VECTORS if v.variant == variant and v.layout == "auto" and v.max_size == 1 << 20
            ]
            requests = 0
            for vector in vectors:
                self.capture.talk().send(vector.stream).answer(vector.echo).finish().close()
                requests += (len(vector.messages) if variant != "tcp" else bool(vector.stream)) or 0
            option = {
                "tcp": ("-o", "netlab.variant:text"),
                "tcpv2": ("-d", "tcp.port==5005,netlab_v2"),
                "tcpv3": ("-d", "tcp.port==5005,netlab_v3"),
            }[variant]
            found = self.read(
                "netlab.echo_in", "netlab.echo_of", "netlab.note", options=(TWO_PASSES, *option)
            )
            self.assertEqual(
                sum(len(packet["netlab.echo_in"]) for packet in found.values()), requests, variant
            )
            self.assertEqual(
                sum(len(packet["netlab.echo_of"]) for packet in found.values()), requests, variant
            )
            notes = {note for packet in found.values() for note in packet["netlab.note"]}
            self.assertFalse({note for note in notes if "echo" in note}, variant)


class Directions(ReadingTestCase):
    def test_the_client_is_who_sent_the_syn(self) -> None:
        for client, port in ((("10.9.9.9", 80), 7777), (("10.9.9.9", 50_000), 7777)):
            self.capture = Capture()
            self.capture.talk(port, client=client).send(HELLO).answer(HELLO)
            expected = ["v3 → order 1, size 5: hello", "v3 ← order 1, size 5: hello"]
            self.assertEqual(self.infos(), expected)
            self.assertEqual(self.infos(TWO_PASSES), expected)

    def test_without_a_handshake_the_port_says_it(self) -> None:
        self.capture.talk(opened=False).answer(v3(7, "hello"))
        self.capture.talk(opened=False).send(v3(7, "hello"))
        self.assertEqual(self.infos(), ["v3 ← order 7, size 5: hello", "v3 → order 7, size 5: hello"])
        self.assertEqual(self.infos(TWO_PASSES), self.infos())

    def test_a_capture_that_begins_inside_a_frame_waits_for_the_next(self) -> None:
        self.capture.talk(opened=False).send(b"llo", v3(8, "next"))
        option = ("-d", "tcp.port==5005,netlab_v3")
        self.assert_in_both("netlab.v3.order", {5 - 3: ["8"]}, *option)
        self.assert_in_both("netlab.reason", {}, *option)

    def test_ipv6(self) -> None:
        talk = self.capture.talk(7777, client=("2001:db8::2", 40_000), server="2001:db8::1")
        talk.send(HELLO[:9], HELLO[9:]).answer(HELLO).finish()
        self.assertEqual(self.values("netlab.echo_in", TWO_PASSES), {5: ["6"]})

    def test_a_port_that_is_used_again_is_another_connection(self) -> None:
        client = self.capture.client()
        self.capture.talk(client=client).send(HELLO[:11]).reset()
        self.capture._talks += 1  # other sequence numbers
        self.capture.talk(client=client).send(HELLO)
        self.assert_in_both("netlab.message", {9: ["hello"]})


class Ports(ReadingTestCase):
    """Heuristics: ours are found on any port, and nobody else's are taken for ours."""

    def test_frames_on_any_port(self) -> None:
        for stream, variant in (
            (HELLO, "v3"),
            (v3(1, "hello", Layout.SCRIPTS), "v3"),
            (v2(1, "hello"), "v2"),
            (HELLO + v3(2, "b") + v3(3, "c"), "v3"),
        ):
            self.capture = Capture()
            self.capture.talk(7777).send(stream).answer(stream)
            for options in ((), (TWO_PASSES,)):
                self.assertEqual(self.variants(*options), {4: {variant}, 5: {variant}})

    def test_a_long_frame_on_any_port(self) -> None:
        for layout in Layout:
            long = v3(1, 100_000 * "ä", layout)
            self.capture.talk(7777).send(long).answer(long).finish().close()
        found = self.values("netlab.v3.size")
        self.assertEqual(list(found.values()), 4 * [["200000"]])
        self.assertEqual(self.values("netlab.v3.size", TWO_PASSES), found)

    def test_what_came_before_it_was_recognised_is_named_in_the_second_pass(self) -> None:
        self.capture.talk(7777).send(HELLO[:4], HELLO[4:], v3(2, "b"))
        self.assertEqual(self.values("netlab.v3.order", TWO_PASSES), {5: ["1"], 6: ["2"]})
        self.assertEqual(self.variants(TWO_PASSES), {4: {"v3"}, 5: {"v3"}, 6: {"v3"}})

    def test_text_is_recognised_by_its_answer(self) -> None:
        self.capture.talk(7777).send(b"hello").answer(b"ECHO: hello").send(b"again").answer(b"ECHO: again")
        self.assertEqual(self.values("netlab.message"), {5: ["hello"], 6: ["again"], 7: ["again"]})
        self.assertEqual(
            self.values("netlab.message", TWO_PASSES),
            {4: ["hello"], 5: ["hello"], 6: ["again"], 7: ["again"]},
        )

    def test_datagrams_are_recognised_by_their_echo(self) -> None:
        client = self.capture.client()
        self.capture.send(client, b"hello", port=7777)
        self.capture.answer(client, b"hello", port=7777)
        self.capture.send(client, b"again", port=7777)
        self.assertEqual(self.values("netlab.message"), {2: ["hello"], 3: ["again"]})
        self.assertEqual(
            self.values("netlab.message", TWO_PASSES), {1: ["hello"], 2: ["hello"], 3: ["again"]}
        )

    def test_others_are_left_alone(self) -> None:
        chance = random.Random(1)
        streams = [
            bytes.fromhex("1603010200010001fc0303") + chance.randbytes(506),  # a ClientHello
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            bytes.fromhex("101000044d5154540402003c0004") + b"test",  # MQTT
            bytes.fromhex("010000000006010300000001"),  # Modbus, transaction 256
            bytes.fromhex("00010000000601030000000a"),
            bytes.fromhex("002a1234010000010000000000000377777707657861") + b"mple\x03com\0\0\1\0\1",  # DNS
            bytes.fromhex("0100000001000000050102030405"),  # ours but for its text
            bytes.fromhex("010000000900000005") + b"hello",  # and but for its order
            bytes.fromhex("0112050a03666f6f") + chance.randbytes(30),  # protobuf
            bytes.fromhex("0100000000000000000000000000"),
            b"\1" * 64,
            b"hello",
        ]
        streams += [b"\1" + chance.randbytes(chance.randrange(1, 60)) for _ in range(100)]
        streams += [chance.randbytes(chance.randrange(1, 1400)) for _ in range(100)]
        answers = [b"HTTP/1.1 200 OK\r\n\r\n", b"hello", b"ECHO: other", b"\1" * 64]
        for number, stream in enumerate(streams):
            self.capture.talk(20_000 + number).send(stream).answer(
                answers[number % 4], stream
            ).finish().close()
            client = self.capture.client()
            self.capture.send(client, stream, port=20_000 + number)
            self.capture.answer(client, answers[number % 4][::-1], port=20_000 + number)
        claimed = packets(self.capture, ["tcp.stream", "udp.stream"], only="netlab")
        self.assertEqual(claimed, [])
        self.assertEqual(self.values("netlab.variant", TWO_PASSES), {})

    def test_our_own_port_is_told_by_its_content(self) -> None:
        cut = v2(1, "a text of more than twenty bytes")
        for pieces, variant in (
            ([HELLO], "v3"),
            ([v3(1, "hello", Layout.SCRIPTS)], "v3"),
            ([v2(1, "hello")], "v2"),
            ([cut], "v2"),
            ([v3(1, "x" * 4000)], "v3"),
            ([b"hello"], "tcp"),
            ([HELLO[at : at + 1] for at in range(len(HELLO))] + [v3(2, "b")], "v3"),
            ([cut[at : at + 5] for at in range(0, len(cut), 5)] + [v2(2, "b")], "v2"),
        ):
            self.capture = Capture()
            self.capture.talk().send(*pieces).finish()
            for options in ((), (TWO_PASSES,)):
                seen = set[str]().union(*self.variants(*options).values())
                self.assertEqual(seen, {variant}, (pieces, options))

    def test_twenty_bytes_are_the_same_in_v2_and_v3_until_the_next_frame(self) -> None:
        self.capture.talk().send(v2(1, 20 * "a"), v2(2, "b"), v2(3, "c"))
        self.assertEqual(self.variants(), {4: {"v3"}, 5: {"v2"}, 6: {"v2"}})
        self.assertEqual(self.variants(TWO_PASSES), {4: {"v2"}, 5: {"v2"}, 6: {"v2"}})
        self.assert_in_both("netlab.reason", {})
        self.capture.talk().send(v3(1, 20 * "a"), v3(2, "b"), v3(3, "c"))
        self.assertEqual(set(self.values("netlab.v3.order", TWO_PASSES)), {10, 11, 12})

    def test_a_variant_can_be_told(self) -> None:
        self.capture.talk().send(HELLO)
        self.assert_in_both("netlab.variant", {4: ["tcp"]}, "-o", "netlab.variant:text")
        self.assert_in_both("netlab.variant", {4: ["v2"]}, "-o", "netlab.variant:v2")
        self.assert_in_both("netlab.variant", {4: ["v2"]}, "-d", "tcp.port==5005,netlab_v2")

    def test_what_if(self) -> None:
        self.capture.talk(9999).send(b"hello")
        option = ("-d", "tcp.port==9999,netlab_v3")
        self.assert_in_both("netlab.reason", {4: ["wrong-version"]}, *option)
        self.assert_in_both("netlab.message", {4: ["hello"]}, "-d", "tcp.port==9999,netlab")

    def test_udp_on_another_port_by_decode_as(self) -> None:
        self.capture.send(self.capture.client(), b"hello", port=9999)
        self.assert_in_both("netlab.message", {1: ["hello"]}, "-d", "udp.port==9999,netlab")


class Segments(ReadingTestCase):
    """Segments that come twice, late or never."""

    PIECES = (HELLO[:7], HELLO[7:] + v3(2, "abc")[:5], v3(2, "abc")[5:] + v3(3, "d"), v3(4, "end"))

    def segments(self) -> tuple[Talk, list[bytes]]:
        """A connection, and the packets that it would send."""
        talk = self.capture.talk()
        return talk, [talk.segments(True, piece)[0] for piece in self.PIECES]

    def sent(self, *sequence: int) -> None:
        """A connection whose segments are in the capture in this sequence."""
        talk, packets_ = self.segments()
        self.capture.add(*(packets_[number] for number in sequence))
        talk.finish()

    def assert_all_four(self, *options: str) -> None:
        """In each connection all four frames are found, once, in their order, and nothing is wrong."""
        fields = ("tcp.stream", "netlab.v3.order", "netlab.reason")
        ways = [partial(packets, self.capture, fields, *passes, *options) for passes in ((), (TWO_PASSES,))]
        for passes, read in enumerate(at_once(ways), 1):
            orders: dict[str, list[str]] = defaultdict(list)
            for packet in read:
                orders[packet["tcp.stream"][0]] += packet["netlab.v3.order"] + packet["netlab.reason"]
            wrong = {stream: found for stream, found in orders.items() if found != ["1", "2", "3", "4"]}
            self.assertEqual(wrong, {}, (passes, options))

    def test_a_retransmission_counts_once(self) -> None:
        for again in range(4):
            for later in range(again, 4):
                self.sent(*range(later + 1), again, *range(later + 1, 4))
        self.assert_all_four()
        self.assert_all_four("-o", "tcp.no_subdissector_on_error:FALSE")

    def test_segments_in_every_order(self) -> None:
        for sequence in permutations(range(4)):
            self.sent(*sequence)
        self.assert_all_four()
        self.assert_all_four("-o", "tcp.reassemble_out_of_order:TRUE")
        self.assert_all_four("-o", "tcp.no_subdissector_on_error:FALSE")

    def test_two_segments_change_places(self) -> None:
        for sequence in ((1, 0, 2, 3), (0, 2, 1, 3), (0, 1, 3, 2)):
            self.sent(*sequence)
        notes = self.values("netlab.note", TWO_PASSES)
        self.assertEqual(list(notes.values()), 3 * [["out-of-order"]])

    def test_a_retransmission_that_holds_more(self) -> None:
        talk = self.capture.talk()
        first, _ = talk.segments(True, HELLO), talk.segments(True, v3(2, "b"))
        other = Talk(Capture(), ("10.0.0.1", 40_001), ("192.0.2.1", PORT), 1, opened=True)
        both = other.segments(True, HELLO + v3(2, "b"))
        self.capture.add(*first, *both)
        talk.finish()
        self.assertEqual(
            [v for values in self.values("netlab.v3.order").values() for v in values], ["1", "2"]
        )

    def test_a_segment_that_is_not_in_the_capture(self) -> None:
        talk, sent = self.segments()
        self.capture.add(sent[0], sent[1], sent[3])
        talk.answer(HELLO, v3(2, "abc"))  # acknowledges all of it
        self.assertEqual(self.values("netlab.v3.order", TWO_PASSES), {5: ["1"], 7: ["1", "4"], 8: ["2"]})
        self.assertEqual(self.values("netlab.reason", TWO_PASSES), {})
        self.assertIn("lost", self.values("netlab.note", TWO_PASSES)[7])

    def test_a_mebibyte_in_segments_is_one_message(self) -> None:
        frame = v3(1, "x" * (1 << 20))
        self.capture.talk().send(frame).answer(frame).finish().close()
        found = self.values("netlab.v3.size", TWO_PASSES)
        self.assertEqual(list(found.values()), [["1048576"], ["1048576"]])

    def test_without_reassembly_by_tcp(self) -> None:
        self.sent(0, 1, 2, 3)
        self.assert_all_four("-o", "tcp.desegment_tcp_streams:FALSE")


class Ends(ReadingTestCase):
    """A frame that began and did not end."""

    def test_the_fin_inside_a_frame(self) -> None:
        self.capture.talk().send(HELLO + v3(2, "abc")[:5]).finish()
        self.assert_in_both("netlab.reason", {5: ["truncated"]})
        self.assert_in_both("netlab.offset", {5: ["14"]})
        self.assertEqual(self.values("netlab.note", TWO_PASSES), {4: ["unfinished"]})
        self.assertIn("truncated at byte 14", self.infos()[-1])
        self.assertIn("[FIN, ACK]", self.infos()[-1])

    def test_the_receiver_closes_first(self) -> None:
        self.capture.talk().send(HELLO + v3(2, "abc")[:5]).close()
        self.assert_in_both("netlab.reason", {5: ["deadline"]})

    def test_the_rest_comes_too_late(self) -> None:
        self.capture.talk().send(HELLO[:9]).wait(31).send(HELLO[9:])
        self.assert_in_both("netlab.reason", {5: ["deadline"]})
        self.assert_in_both("netlab.v3.order", {})
        self.assert_in_both("netlab.v3.order", {5: ["1"]}, "-o", "netlab.frame_timeout:60")
        self.assert_in_both("netlab.v3.order", {5: ["1"]}, "-o", "netlab.frame_timeout:0")

    def test_the_time_begins_with_each_frame(self) -> None:
        talk = self.capture.talk().send(HELLO[:9]).wait(20)
        talk.send(HELLO[9:] + v3(2, "b")[:3]).wait(20).send(v3(2, "b")[3:])
        self.assert_in_both("netlab.reason", {})

    def test_a_reset_inside_a_frame_is_no_violation(self) -> None:
        self.capture.talk().send(HELLO[:9]).reset()
        self.assert_in_both("netlab.reason", {})
        self.assertEqual(self.values("netlab.note", TWO_PASSES), {4: ["unfinished"], 5: ["reset-inside"]})

    def test_the_capture_ends_inside_a_frame(self) -> None:
        self.capture.talk().send(HELLO, v3(2, "b")[:9])
        self.assertEqual(self.values("netlab.note"), {})
        self.assertEqual(self.values("netlab.note", TWO_PASSES), {5: ["unfinished"]})

    def test_what_follows_a_violation_is_discarded(self) -> None:
        self.capture.talk().send(HELLO + b"!", HELLO, HELLO)
        self.assertEqual(self.infos()[0], "v3 → order 1, size 5: hello; v3 → wrong-version at byte 14")
        self.assert_in_both("netlab.v3.order", {4: ["1"]})
        self.assert_in_both("netlab.reason", {4: ["wrong-version"]})
        self.assert_in_both("netlab.discarded", {5: [HELLO.hex()], 6: [HELLO.hex()]})

    def test_the_other_layout_would_fit(self) -> None:
        self.capture.talk().send(v3(1, "hello", Layout.SCRIPTS))
        option = ("-o", "netlab_v3.layout:guide")
        self.assert_in_both("netlab.v3.hint", {4: ["scripts"]}, *option)
        self.assert_in_both("netlab.note", {4: ["order-jump", "other-layout", "other-layout"]}, *option)
        found = packets(self.capture, ["_ws.expert.message"], *option, only="netlab")
        self.assertTrue(
            all(word in found[0]["_ws.expert.message"][-1] for word in ("scripts", "netlab_v3.layout"))
        )


class Words(ReadingTestCase):
    """What a student reads: the Info column, the titles, the expert notes."""

    def test_several_frames_in_one_segment_are_bounded(self) -> None:
        self.capture.talk().send(b"".join(v3(order, "m") for order in range(1, 100)))
        info = self.infos()[0]
        self.assertTrue(info.startswith("v3 → order 1, size 1: m; v3 → order 2, size 1: m; "), info)
        self.assertTrue(info.endswith("…"), info)
        self.assertLess(len(info), 250)

    def test_a_long_message_is_shortened(self) -> None:
        self.capture.talk().send(v3(1, "x" * 1000))
        self.assertEqual(self.infos(), ["v3 → order 1, size 1000: " + "x" * 60 + "…"])
        self.assert_in_both("netlab.message", {4: ["x" * 1000]})

    def test_pending_bytes_are_counted(self) -> None:
        self.capture.talk().send(HELLO[:2], HELLO[2:9], HELLO[9:])
        infos = self.infos(TWO_PASSES)
        self.assertIn("[2 of at least 9 bytes of a frame]", infos[0])
        self.assertIn("[9 of 14 bytes of a frame]", infos[1])
        self.assertEqual(infos[2], "v3 → order 1, size 5: hello")

    def test_what_a_peer_sent_is_escaped(self) -> None:
        evil = "\x1b[2J\u202e%s\n"
        self.capture.talk().send(v3(1, evil))
        self.capture.talk().send(v2(1, evil))
        self.capture.talk().send(evil.encode()).answer(b"ECHO: " + evil.encode())
        self.capture.send(self.capture.client(), evil.encode())
        infos = self.infos()
        self.assertEqual(len(infos), 5)
        for info in infos:
            self.assertIn(r"\x1b[2J\u202e%s\n", info)

    def test_notes_of_cut_texts(self) -> None:
        typed = "a text of more than twenty"
        self.capture.talk().send(v2(1, typed), v2(2, "äöüäöüäöüäöü"), v2(3, "just twenty letters!"))
        self.assert_in_both("netlab.note", {4: ["text-cut"], 5: ["text-cut"]})
        self.assert_in_both(
            "netlab.v2.padding",
            {},
        )
        self.capture.talk().send(v2(1, "hello"))
        self.assert_in_both("netlab.v2.padding", {10: ["2d" * 15]})
        self.assert_in_both(
            "netlab.v2.text", {4: [typed[:20]], 5: ["äöüäöüäöüä"], 6: ["just twenty letters!"], 10: ["hello"]}
        )

    def test_every_word_is_an_expert_note_in_a_sentence(self) -> None:
        talk = self.capture.talk()
        talk.send(v3(0, "aa"), v3(0, "b"), v3(7, "c"), v3(7, "d")).answer(v3(0, "aa")).send(
            b"!"
        ).finish().close()
        self.capture.talk().send(HELLO + b"\1").finish()
        found = packets(self.capture, ["netlab.note", "netlab.reason", "_ws.expert.message"], TWO_PASSES)
        words = {word for packet in found for word in packet["netlab.note"] + packet["netlab.reason"]}
        self.assertGreaterEqual(
            words,
            {
                "order-zero",
                "order-repeat",
                "order-jump",
                "wrong-version",
                "truncated",
                "missing-echo",
                "unfinished",
            },
        )
        for packet in found:
            messages = packet["_ws.expert.message"]
            for word in packet["netlab.note"] + packet["netlab.reason"]:
                sentences = [message for message in messages if message.startswith(word)]
                self.assertTrue(sentences, (word, messages))
                self.assertTrue(
                    all(re.match(rf"{word}( at byte \d+ \[.*\])?: \w.* \w", s) for s in sentences), sentences
                )

    def test_the_filter_of_the_umbrella_finds_all_variants(self) -> None:
        self.capture.talk().send(HELLO)
        self.capture.talk().send(v2(1, "hello"))
        self.capture.talk().send(b"hello")
        self.capture.send(self.capture.client(), b"hello")
        found = packets(self.capture, ["netlab.variant"], only='netlab and netlab.message contains "hell"')
        self.assertEqual([packet["netlab.variant"][0] for packet in found], ["v3", "v2", "tcp", "udp"])


class Garbage(ReadingTestCase):
    def test_garbage_is_no_error_of_ours(self) -> None:
        """reading.packets() fails where there is a Lua error."""
        chance = random.Random(3)
        for _ in range(200):
            talk = self.capture.talk(opened=chance.random() < 0.7)
            for _ in range(chance.randrange(1, 6)):
                length = chance.choice((1, 3, 9, 14, 29, 100))
                start = chance.choice((b"", b"\1", HELLO, b"\1\0\0\0\1", b"ECHO: "))
                data = start + (
                    chance.randbytes(length)
                    if chance.random() < 0.5
                    else bytes(chance.choices(b"\0\1\2a", k=length))
                )
                way = chance.random()
                if way < 0.5:
                    talk.send(data)
                elif way < 0.8:
                    talk.answer(data)
                elif way < 0.9:
                    sent = talk.segments(True, data) + talk.segments(True, data)
                    chance.shuffle(sent)
                    self.capture.add(*sent, chance.choice(sent))
                else:
                    talk.segments(True, data)  # lost
            chance.choice((talk.finish, talk.close, talk.reset, lambda talk=talk: talk.finish().close()))()
            client = self.capture.client()
            self.capture.send(client, chance.randbytes(chance.randrange(30)))
            self.capture.answer(client, chance.randbytes(chance.randrange(3)))
        variants: tuple[tuple[str, ...], ...] = (
            (),
            ("-d", f"tcp.port=={PORT},netlab_v2"),
            ("-d", f"tcp.port=={PORT},netlab_v3"),
            ("-o", "netlab.variant:text"),
        )
        ways: tuple[tuple[str, ...], ...] = (
            (),
            (TWO_PASSES,),
            (TWO_PASSES, "-o", "tcp.reassemble_out_of_order:TRUE"),
            ("-o", "tcp.no_subdissector_on_error:FALSE"),
        )
        chosen = [
            (*variant, *way) for number, variant in enumerate(variants) for way in ways[number % 2 :: 2]
        ]
        read = at_once([partial(self.read, "netlab.variant", options=options) for options in chosen])
        self.assertTrue(all(read))
