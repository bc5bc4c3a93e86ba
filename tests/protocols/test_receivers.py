"""Receivers turn a byte stream into frames, for any header that struct can say."""

from __future__ import annotations

import struct
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

from twisted.internet import error
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netlab.protocols.receivers import FixedFrameReceiver, FrameReceiver, SizedFrameReceiver
from netlab.wire.framing import Remark, Run
from netlab.wire.variable import Cutter, Layout, frame
from netlab.wire.violations import Oversize, Truncated, Violation

F = TypeVar("F")

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "foreign_header.py"


class Point(NamedTuple):
    """A frame of fixed size."""

    x: int
    y: int


class Remembering(FrameReceiver[F]):
    """Remembers what it received."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Any] = []
        self.violations: list[Violation] = []

    def frameReceived(self, frame: F) -> None:
        self.frames.append(frame)

    def frameViolated(self, violation: Violation) -> None:
        self.violations.append(violation)
        super().frameViolated(violation)


class Points(Remembering[Point], FixedFrameReceiver[Point]):
    """Frames of one length."""

    FORMAT = "!hh"
    FRAME = Point


class Marked(Remembering[tuple[int, ...]], FixedFrameReceiver[tuple[int, ...]]):
    """Frames whose first byte is a version."""

    FORMAT = "!BH"
    VERSION = 7


class Lines(Remembering[tuple[Any, ...]], SizedFrameReceiver[tuple[Any, ...]]):
    """Frames whose length stands in the middle of the header."""

    FORMAT = "!BHB"
    SIZE_FIELD = 1
    MAX_LENGTH = 10
    VERSION: ClassVar[int | None] = 4


class Runs(Lines):
    """Takes the frames of a run together."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[Run[tuple[Any, ...]]] = []

    def runReceived(self, run: Run[tuple[Any, ...]]) -> None:
        self.runs.append(run)


class Deciding(FrameReceiver[Any]):
    """Hears what its cutter found out."""

    def makeCutter(self) -> Cutter:
        return Cutter()

    def remarkReceived(self, remark: Remark) -> None:
        super().remarkReceived(remark)
        self.remark = remark


def connected(receiver: FrameReceiver[Any]) -> StringTransport:
    """Give the receiver a transport."""
    transport = StringTransport()
    receiver.makeConnection(transport)
    return transport


def line(tag: int, payload: bytes) -> bytes:
    """The bytes of a frame of Lines."""
    return struct.pack("!BHB", 4, len(payload), tag) + payload


class Coloured:
    """Says how a frame is laid out, for whatever it is mixed with."""

    FORMAT = "!HB"


class Mixed(Coloured, FixedFrameReceiver[Any]):
    """Has its layout from elsewhere."""


class Receiving(SynchronousTestCase):
    """Bytes come in, frames come out."""

    def test_frames_of_one_length_in_any_pieces(self) -> None:
        receiver = Points()
        connected(receiver)
        stream = struct.pack("!hhhh", 1, -2, 3, 4)
        for at in range(0, 8, 3):
            receiver.dataReceived(stream[at : at + 3])
        self.assertEqual(receiver.frames, [Point(1, -2), Point(3, 4)])

    def test_frames_with_a_length_anywhere_in_their_header(self) -> None:
        receiver = Lines()
        connected(receiver)
        for byte in line(1, b"one") + line(2, b""):
            receiver.dataReceived(bytes([byte]))
        self.assertEqual(receiver.frames, [(4, 3, 1, b"one"), (4, 0, 2, b"")])

    def test_frames_that_come_together_can_be_taken_together(self) -> None:
        receiver = Runs()
        connected(receiver)
        stream = line(1, b"one") + line(2, b"two")
        receiver.dataReceived(stream + line(3, b"three")[:-1])
        self.assertEqual([run.data for run in receiver.runs], [stream])
        self.assertEqual(receiver.frames, [])

    def test_what_the_cutter_found_out_is_told(self) -> None:
        receiver = Deciding()
        connected(receiver)
        receiver.dataReceived(frame(1, "hello").pack(Layout.SCRIPTS))
        self.assertEqual(receiver.remark.offset, 0)
        self.assertIn("scripts", receiver.remark.text)

    def test_a_receiver_must_say_what_its_frames_are(self) -> None:
        self.assertRaises(NotImplementedError, FrameReceiver)


class Sending(SynchronousTestCase):
    """Values go in, bytes go out."""

    def test_a_frame_of_one_length(self) -> None:
        receiver = Points()
        transport = connected(receiver)
        receiver.sendFrame(1, -2)
        self.assertEqual(transport.value(), b"\0\1\xff\xfe")

    def test_the_length_is_filled_in_where_it_belongs(self) -> None:
        receiver = Lines()
        transport = connected(receiver)
        receiver.sendFrame(4, 9, payload=b"0123456789")
        self.assertEqual(transport.value(), b"\4\0\x0a\x090123456789")

    def test_its_layout_may_come_from_what_it_is_mixed_with(self) -> None:
        receiver = Mixed()
        transport = connected(receiver)
        receiver.sendFrame(7, 1)
        self.assertEqual(transport.value(), b"\0\7\1")

    def test_what_the_other_side_would_refuse_is_not_sent(self) -> None:
        receiver = Lines()
        transport = connected(receiver)
        self.assertRaises(ValueError, receiver.sendFrame, 4, 9, payload=b"0123456789+")
        self.assertRaises(struct.error, receiver.sendFrame, 4, 256, payload=b"")
        self.assertRaises(struct.error, receiver.sendFrame, 4, payload=b"")
        self.assertEqual(transport.value(), b"")


class Violations(SynchronousTestCase):
    """The stream holds something that is no frame."""

    def refused(self, receiver: Remembering[Any], data: bytes) -> Violation:
        """Feed it; return the one violation, after which it closes and receives no more."""
        transport = connected(receiver)
        receiver.dataReceived(data)
        (violation,) = receiver.violations
        self.assertTrue(transport.disconnecting)
        before = list(receiver.frames)
        receiver.dataReceived(line(1, b"one") * 3)
        receiver.connectionLost(Failure(error.ConnectionDone()))
        self.assertEqual((receiver.frames, receiver.violations), (before, [violation]))
        return violation

    def test_a_payload_that_is_too_long_is_refused_before_it_is_read(self) -> None:
        violation = self.refused(Lines(), struct.pack("!BHB", 4, 11, 0))
        self.assertIsInstance(violation, Oversize)
        self.assertEqual(violation.offset, 0)

    def test_the_frames_before_it_are_received(self) -> None:
        receiver = Lines()
        violation = self.refused(receiver, line(1, b"one") + struct.pack("!BHB", 4, 11, 0))
        self.assertEqual((receiver.frames, violation.offset), ([(4, 3, 1, b"one")], 7))

    def test_a_version_is_judged_at_the_first_byte(self) -> None:
        for receiver in (Lines(), Marked()):
            self.assertEqual(self.refused(receiver, b"\5").reason, "wrong-version")

    def test_without_a_version_any_first_byte_will_do(self) -> None:
        receiver = Points()
        connected(receiver)
        receiver.dataReceived(b"\xff\xff\xff\xff")
        self.assertEqual(receiver.frames, [Point(-1, -1)])

    def test_a_frame_that_the_end_cuts_off_is_a_violation(self) -> None:
        receiver = Lines()
        connected(receiver)
        receiver.dataReceived(line(1, b"one") + line(2, b"two")[:-1])
        receiver.connectionLost(Failure(error.ConnectionDone()))
        (violation,) = receiver.violations
        self.assertIsInstance(violation, Truncated)
        self.assertEqual(violation.offset, 7)

    def test_an_end_between_two_frames_is_none(self) -> None:
        receiver = Lines()
        connected(receiver)
        receiver.dataReceived(line(1, b"one"))
        receiver.connectionLost()
        self.assertEqual(receiver.violations, [])

    def test_a_reset_is_none(self) -> None:
        receiver = Lines()
        connected(receiver)
        receiver.dataReceived(b"\4")
        receiver.connectionLost(Failure(error.ConnectionLost()))
        self.assertEqual(receiver.violations, [])


class TheExample(SynchronousTestCase):
    """docs/examples/foreign_header.py does what it says."""

    def setUp(self) -> None:
        spec = spec_from_file_location("foreign_header", EXAMPLE)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        self.receiver = module.Shouting()
        self.transport = connected(self.receiver)

    def test_questions_are_answered_and_nothing_else_is(self) -> None:
        for byte in b"\0\5\1hello" + b"\0\2\2no" + b"\0\0\1":
            self.receiver.dataReceived(bytes([byte]))
        self.assertEqual(self.transport.value(), b"\0\5\2HELLO" + b"\0\0\2")
        self.assertFalse(self.transport.disconnecting)

    def test_too_long_a_question_is_answered_with_a_complaint(self) -> None:
        self.receiver.dataReceived(b"\0\1\1?" + (1_001).to_bytes(2, "big") + b"\1")
        self.assertEqual(self.transport.value(), b"\0\1\2?" + b"\0\x08\3oversize")
        self.assertTrue(self.transport.disconnecting)
