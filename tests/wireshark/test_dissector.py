"""On every vector, in any pieces and damaged, tshark shows what the codec decodes, with the same words."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import accumulate
from typing import NamedTuple

from twisted.trial.unittest import SynchronousTestCase

from netlab.wire.fixed import FRAME_LENGTH
from netlab.wire.orders import NOTES
from netlab.wire.vectors import VECTORS, Vector
from tests.wire.test_vectors import seen
from tests.wireshark.reading import Capture, Packet, at_once, joined, packets

FIELDS = (
    "tcp.stream",
    "netlab.variant",
    "netlab.message",
    "netlab.v2.version",
    "netlab.v2.order",
    "netlab.v2.size",
    "netlab.v3.version",
    "netlab.v3.order",
    "netlab.v3.size",
    "netlab.v3.layout",
    "netlab.v3.decided",
    "netlab.v3.hint",
    "netlab.reason",
    "netlab.offset",
    "netlab.start",
    "netlab.note",
)

FRAMED = [vector for vector in VECTORS if vector.variant in ("tcpv2", "tcpv3")]
SMALL = 256
"""Bytes of a stream up to which it is split at every one of them."""


class Case(NamedTuple):
    """A stream in pieces, and what must be shown of it."""

    expected: Vector
    pieces: list[bytes]


def options_of(vector: Vector) -> tuple[str, ...]:
    """How tshark is told what a server is told."""
    if vector.variant == "tcp":
        return ("-o", "netlab.variant:text")
    if vector.variant == "tcpv2":
        return ("-d", "tcp.port==5005,netlab_v2")
    return (
        *("-d", "tcp.port==5005,netlab_v3"),
        *("-o", f"netlab_v3.layout:{vector.layout}"),
        *("-o", f"netlab_v3.max_size:{vector.max_size}"),
    )


def lines_of(packet: Packet) -> list[str]:
    """The messages of a packet as a server prints them, without what stands in front."""
    for variant in ("v2", "v3"):
        if orders := packet[f"netlab.{variant}.order"]:
            numbers = zip(
                packet[f"netlab.{variant}.version"], orders, packet[f"netlab.{variant}.size"], strict=True
            )
            messages = packet["netlab.message"] or [""]  # one that is empty looks like none
            return [
                f"ver: {version}, order: {order}, size: {size} -> {message}"
                for (version, order, size), message in zip(numbers, messages, strict=True)
            ]
    return packet["netlab.message"]


def read_as(expected: Vector, found: list[Packet]) -> Vector:
    """The vector as tshark shows it."""
    lines = [line for packet in found for line in lines_of(packet)]
    all_of = joined(found)
    text = expected.variant == "tcp"
    sizes = [9 + int(size) for size in all_of.get("netlab.v3.size", [])]
    ends = list(accumulate(sizes or [FRAME_LENGTH] * len(all_of.get("netlab.v2.size", []))))
    starts = [int(start) for start in all_of.get("netlab.start", [])]
    assert starts == [0, *ends][:-1], f"the frames begin at {starts}, and end at {ends}"
    return replace(
        expected,
        messages=("".join(lines),) if text else tuple(lines),
        reason=_one(all_of, "netlab.reason"),
        offset=int(offset) if (offset := _one(all_of, "netlab.offset")) is not None else None,
        hint=_one(all_of, "netlab.v3.hint"),
        decided=_one(all_of, "netlab.v3.decided"),
        notes=tuple(note for note in all_of.get("netlab.note", []) if note in NOTES),
    )


def _one(found: Packet, name: str) -> str | None:
    values = found.get(name, [])
    assert len(values) <= 1, (name, values)
    return values[0] if values else None


def cases_of(vectors: Iterable[Vector], cut: str) -> Iterator[Case]:
    """The vectors, cut in one of the ways."""
    for vector in vectors:
        stream = vector.stream
        if cut == "whole":
            yield Case(vector, [stream] if stream else [])
        elif cut == "bytes" and len(stream) <= SMALL:
            yield Case(vector, [stream[at : at + 1] for at in range(len(stream))])
        elif cut == "two":
            points = range(1, len(stream))
            if len(stream) > SMALL:
                points = range(1, len(stream), max(1, len(stream) // 40))
            for point in points:
                yield Case(vector, [stream[:point], stream[point:]])


class VectorTestCase(SynchronousTestCase):
    """Many streams at once: each is a connection of its own, and those with the same settings one capture."""

    def assert_shown(self, cases: Iterable[Case], *more: str) -> None:
        """Each stream is shown as expected."""
        groups: dict[tuple[str, ...], list[Case]] = defaultdict(list)
        for case in cases:
            groups[options_of(case.expected)].append(case)
        self.assertTrue(groups)
        at_once([partial(self.assert_group, options + more, group) for options, group in groups.items()])

    def assert_group(self, options: tuple[str, ...], cases: list[Case]) -> None:
        capture = Capture()
        for case in cases:
            talk = capture.talk().send(*case.pieces)
            if case.expected.end == "fin":
                talk.finish()
            else:
                talk.close()
        streams: dict[int, list[Packet]] = defaultdict(list)
        # A filter would have the first of two passes find fields, which it has none of without.
        only = "" if "-2" in options else "netlab"
        for packet in packets(capture, FIELDS, *options, only=only):
            streams[int(packet["tcp.stream"][0])].append(packet)
        wrong = []
        for number, case in enumerate(cases):
            expected = case.expected
            if expected.variant == "tcp":
                expected = replace(expected, messages=("".join(expected.messages),))
            got = read_as(expected, streams[number])
            if got != expected:
                wrong.append(
                    (expected.name, [piece.hex(" ") for piece in case.pieces], difference(expected, got))
                )
        self.assertEqual(wrong[:5], [], f"{len(wrong)} of {len(cases)} with {options}")


def difference(expected: Vector, got: Vector) -> list[tuple[str, object, object]]:
    """The fields in which they differ."""
    return [
        (name, getattr(expected, name), getattr(got, name))
        for name in expected.__dataclass_fields__
        if getattr(expected, name) != getattr(got, name)
    ]


class Vectors(VectorTestCase):
    def test_whole(self) -> None:
        self.assert_shown(cases_of([each for each in VECTORS if each.variant != "udp"], "whole"))

    def test_byte_by_byte(self) -> None:
        self.assert_shown(cases_of([each for each in VECTORS if each.variant != "udp"], "bytes"))

    def test_split_at_every_byte(self) -> None:
        self.assert_shown(cases_of([each for each in VECTORS if each.variant != "udp"], "two"))

    def test_in_two_passes(self) -> None:
        self.assert_shown(cases_of(FRAMED, "two"), "-2")

    def test_datagrams(self) -> None:
        vectors = [vector for vector in VECTORS if vector.variant == "udp"]
        capture = Capture()
        for vector in vectors:
            capture.send(capture.client(), vector.stream)
        found = packets(capture, FIELDS, only="netlab")
        self.assertEqual([packet["netlab.variant"] for packet in found], [["udp"]] * len(vectors))
        self.assertEqual(
            [("".join(packet["netlab.message"]),) for packet in found], [v.messages for v in vectors]
        )


class Damaged(VectorTestCase):
    """Streams of which no vector says what comes of them: the codec does."""

    def test_a_byte_is_another(self) -> None:
        self.assert_shown(self.damaged(), "-2")

    def damaged(self) -> Iterator[Case]:
        chance = random.Random(5005)
        for vector in FRAMED:
            for at in range(min(len(vector.stream), SMALL)):
                byte = chance.choice((0, 1, 2, 0xFF, vector.stream[at] ^ 1, chance.randrange(256)))
                stream = vector.stream[:at] + bytes((byte,)) + vector.stream[at + 1 :]
                point = chance.randrange(1, len(stream) + 1)
                pieces = [piece for piece in (stream[:point], stream[point:]) if piece]
                expected = seen(replace(vector, stream=stream), pieces)
                yield Case(expected, pieces)

    def test_two_streams_joined(self) -> None:
        chance = random.Random(2)
        cases = []
        for vector in FRAMED:
            others = [
                other for other in FRAMED if other.variant == vector.variant and len(other.stream) <= SMALL
            ]
            for other in chance.sample(others, 10):
                stream = vector.stream + other.stream
                if stream:
                    cases.append(Case(seen(replace(vector, stream=stream), [stream]), [stream]))
        self.assert_shown(cases)
