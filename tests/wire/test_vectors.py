"""The golden table holds, in whatever pieces its streams arrive, and covers every rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from netlab.wire import fixed, text, variable
from netlab.wire.framing import StreamCutter
from netlab.wire.orders import NOTES, Orders
from netlab.wire.text import EchoMatcher
from netlab.wire.variable import Layout
from netlab.wire.vectors import VECTORS, Vector
from netlab.wire.violations import REASONS
from tests.wire import Reading, bounded, every_way, in_reads, read, reads

PROTOCOL = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"
UNSEEN = {"U4", "U5", "U6", "U7"}
"""Rules that no client's bytes show: they are about addresses, and about datagrams that are lost."""


def cutter_for(vector: Vector) -> StreamCutter[Any]:
    """What a server that is set like this reads the stream with."""
    if vector.variant == "tcp":
        return text.Cutter()
    if vector.variant == "tcpv2":
        return fixed.cutter()
    return variable.Cutter(None if vector.layout == "auto" else Layout(vector.layout), vector.max_size)


def seen(vector: Vector, pieces: Iterable[bytes]) -> Vector:
    """The vector as it comes out when it is read in these pieces."""
    if vector.variant == "udp":
        run = text.datagram(vector.stream)
        return replace(vector, messages=tuple(map(str, run)), echo=run.data)
    reading = read(cutter_for(vector), pieces, vector.end)
    reason, offset = reading.fault or (None, None)
    return replace(
        vector,
        messages=tuple(map(str, reading.frames)),
        echo=echo_of(vector, reading),
        reason=reason,
        offset=offset,
        hint=reading.hint,
        decided=reading.decided,
        notes=() if vector.variant == "tcp" else notes_of(reading),
    )


def echo_of(vector: Vector, reading: Reading[Any]) -> bytes:
    """What is sent back: to text an answer to each piece."""
    if vector.variant == "tcp":
        return b"".join(text.reply(run.data) for run in reading.runs)
    return reading.data


def notes_of(reading: Reading[Any]) -> tuple[str, ...]:
    """The notes of the frames' orders."""
    orders = Orders()
    return tuple(note for frame in reading.frames if (note := orders.note(frame.order)))


class Vectors(SynchronousTestCase):
    """Each vector, whole, byte by byte and split at every point. A test for each is added below."""

    def holds(self, vector: Vector) -> None:
        """Whole, it gives what the table says, in any pieces the same."""
        self.assertEqual(seen(vector, [vector.stream]), vector)
        if vector.variant != "udp":
            for pieces in every_way(vector.stream):
                self.holds_in(vector, pieces)

    def holds_in(self, vector: Vector, pieces: list[bytes]) -> None:
        """In these pieces it gives what the table says."""
        got = seen(vector, pieces)
        if vector.variant == "tcp":
            self.assertEqual("".join(got.messages), "".join(vector.messages), pieces)
            self.assert_answers(vector.stream, got.echo)
        else:
            self.assertEqual(got, vector, pieces)

    def assert_answers(self, sent: bytes, answer: bytes) -> None:
        """A client takes the answer, in however many pieces, for what it sent (T4)."""
        matcher = EchoMatcher(sent)
        matcher.feed(answer)
        self.assertFalse(matcher.wrong)
        self.assertTrue(matcher.whole or not sent)

    @bounded
    @given(st.sampled_from([vector for vector in VECTORS if vector.variant != "udp"]), reads)
    def test_every_stream_gives_the_same_in_any_pieces(self, vector: Vector, sizes: list[int]) -> None:
        self.holds_in(vector, in_reads(vector.stream, sizes))


def _test_of(vector: Vector) -> Callable[[Vectors], None]:
    def test(self: Vectors) -> None:
        self.holds(vector)

    return test


for _vector in VECTORS:
    setattr(Vectors, f"test_{_vector.name.replace('-', '_')}", _test_of(_vector))


class TheTable(SynchronousTestCase):
    """What is asked of the table itself."""

    def test_names_are_unique_words_and_dashes(self) -> None:
        names = [vector.name for vector in VECTORS]
        self.assertEqual(len(set(names)), len(names))
        self.assertEqual([name for name in names if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)], [])

    def test_every_clause_exists_and_every_clause_that_shows_on_the_wire_has_a_vector(self) -> None:
        clauses = set(re.findall(r"^- \*\*([A-Z]\d+)\*\*", PROTOCOL.read_text("utf-8"), re.MULTILINE))
        covered = {vector.clause for vector in VECTORS}
        self.assertEqual(covered - clauses, set())
        needed = {clause for clause in clauses if clause[0] in "OTFVU"} | {"R2", "R3", "R4", "R5", "R6"}
        self.assertEqual(needed - covered, UNSEEN)

    def test_every_word_occurs(self) -> None:
        self.assertEqual({vector.reason for vector in VECTORS}, {None, *REASONS})
        self.assertEqual({note for vector in VECTORS for note in vector.notes}, set(NOTES))
        self.assertEqual({vector.hint for vector in VECTORS}, {None, "guide", "scripts"})
        self.assertEqual({vector.decided for vector in VECTORS}, {None, "guide", "scripts"})
        self.assertEqual({vector.layout for vector in VECTORS}, {"auto", "guide", "scripts"})

    def test_the_parts_of_a_vector_fit_together(self) -> None:
        for vector in VECTORS:
            self.assertIn(vector.variant, ("udp", "tcp", "tcpv2", "tcpv3"), vector.name)
            self.assertIn(vector.end, ("fin", "deadline"), vector.name)
            self.assertEqual(vector.reason is None, vector.offset is None, vector.name)
            self.assertTrue(vector.hint is None or vector.reason is not None, vector.name)
            if vector.offset is not None:
                self.assertEqual(vector.echo, vector.stream[: vector.offset], vector.name)

    def test_the_limit_of_a_vector_is_the_servers_own_unless_it_says_otherwise(self) -> None:
        self.assertEqual(Vector("", "", "", "tcpv3", b"", (), b"").max_size, variable.MAX_SIZE)
