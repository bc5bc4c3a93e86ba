"""The codecs as targets: in whatever pieces a stream comes, a cutter says of it what the rules say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from netlab.wire import fixed, text, variable
from netlab.wire.framing import Held, Remark, Run, StreamCutter
from netlab.wire.strangers import FIRST_BYTES
from netlab.wire.variable import MAX_SIZE, Layout
from netlab.wire.violations import REASONS, Violation
from tests.fuzzing import rules
from tests.fuzzing.cases import Case, must
from tests.fuzzing.rules import Verdict
from tests.wire import Reading, in_reads

LIMITS = (0, 4, 12, 1_024, MAX_SIZE)
"""The --max-size of servers, in bytes: so small that streams meet them, and the default."""

SHOWN = 16
"""Bytes of an offending frame that a violation keeps, at most (R7)."""

UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What may not be printed as it is (P1)."""


class Format(NamedTuple):
    """A way to read streams."""

    name: str
    variant: str
    make: Callable[[], StreamCutter[Any]]
    holds: int
    """Bytes that its cutters may hold at most (S4)."""
    rules: Callable[[bytes, str], Verdict] | None = None
    """What must come of a stream and its end; None for text, where nothing can be wrong (T6)."""
    settings: Mapping[str, Any] = {}
    """What the server must be told to read so."""


def _variable(layout: Layout | None, limit: int) -> Format:
    told = None if layout is None else layout.value
    return Format(
        f"tcpv3, layout {told or 'auto'}, max size {limit:,}",
        "tcpv3",
        lambda: variable.Cutter(layout, limit),
        rules.HEADER + limit - 1,
        lambda stream, end: rules.variable(stream, end, told, limit),
        {"layout": layout, "max_size": limit},
    )


FORMATS = (
    Format("tcp", "tcp", text.Cutter, 3 + FIRST_BYTES),
    Format("tcpv2", "tcpv2", fixed.cutter, rules.FIXED - 1, rules.fixed),
    *(_variable(layout, limit) for layout in (None, *Layout) for limit in LIMITS),
)


class CutterTarget:
    """The cutters of a format."""

    ends = ("fin", "deadline")

    def __init__(self, format: Format) -> None:
        self.name = f"cutter {format.name}"
        self.variant = format.variant
        self._format = format

    def check(self, case: Case) -> None:
        """Read the stream as the case has it, whole, and byte by byte."""
        remarks = []
        for pieces in case.pieces, [case.stream], in_reads(case.stream, [1]):
            reading = read(self._format, pieces, case.end)
            for run in reading.runs:
                check_run(run)
            if self._format.rules is None:
                self._check_text(case, reading)
            else:
                self._check_frames(case.stream, reading, self._format.rules(case.stream, case.end))
            remarks.append([(remark.offset, remark.text) for remark in reading.remarks])
        must(remarks[0] == remarks[1] == remarks[2], f"the pieces change what is remarked (R8): {remarks}")

    def _check_text(self, case: Case, reading: Reading[Any]) -> None:
        must(reading.violation is None, "nothing in a text is a violation (T6)")
        must(reading.data == case.stream, "every byte is in a message (T2)")
        whole = case.stream.decode("utf-8", "surrogateescape")
        shown = "".join(message.text for message in reading.frames)
        if case.end == "fin":
            must(shown == whole, "the texts joined are the stream's (T5)")
        else:
            must(whole.startswith(shown), "the texts joined are the beginning of the stream's (T5)")

    def _check_frames(self, stream: bytes, reading: Reading[Any], expected: Verdict) -> None:
        reason, offset = reading.fault or (None, len(reading.data))
        frames = [piece.data for run in reading.runs for piece in run.split()]
        found = Verdict(frames, reason, reading.hint, reading.decided)
        must(found == expected, f"by the rules it is {expected}, found was {found}")
        must(reading.data == stream[:offset], "what was accepted are the bytes up to the violation")
        if reading.violation is not None:
            check_violation(stream, reading.violation)


def check_run(run: Run[Any]) -> None:
    """A run's frames are its bytes, one by one and all together, and can be printed."""
    frames, pieces = list(run), list(run.split())
    must(len(run) == len(frames) == len(pieces), "a run has as many frames as it says")
    must(b"".join(piece.data for piece in pieces) == run.data, "a run's frames are its bytes")
    for frame, piece in zip(frames, pieces, strict=True):
        must(piece.data in packed(frame), "a frame is packed into the bytes from which it was read")
        must(not UNSAFE.search(str(frame)), f"a message is one line that can be printed (P1): {str(frame)!r}")
    repr(run)


def packed(frame: Any) -> Sequence[bytes]:
    """The bytes of a frame, in each layout that it has."""
    if isinstance(frame, text.Message):
        return [frame.data]
    if isinstance(frame, variable.Frame):
        return [frame.pack(layout) for layout in Layout]
    return [frame.pack()]


def check_violation(stream: bytes, violation: Violation) -> None:
    """A violation has a documented word, shows the frame that it is about, and can be printed."""
    begin = violation.offset
    must(violation.reason in REASONS, f"{violation.reason} is a documented word (R1)")
    must(0 < len(violation.head) <= SHOWN, "some of the offending frame is shown (R7)")
    must(stream[begin:].startswith(violation.head), "these are the offending frame's first bytes (R7)")
    must(str(violation).isprintable(), f"it can be printed: {violation!s}")


def held(cutter: object) -> int:
    """How many bytes an object keeps, in whatever attributes."""
    return sum(len(value) for value in vars(cutter).values() if isinstance(value, bytes | bytearray | Held))


def read(format: Format, pieces: Sequence[bytes], end: str) -> Reading[Any]:
    """What a new cutter makes of a stream. What holds at each of its bytes is asserted on the way.

    end: fin, deadline, or anything else for a stream that just goes no further.
    """
    cutter = format.make()
    items = [item for piece in pieces for item in _fed(format, cutter, piece)]
    if end in ("fin", "deadline"):
        items += cutter.finish() if end == "fin" else cutter.expire()
        must(not cutter.pending, "nothing waits after the end")
    violations = [item for item in items if isinstance(item, Violation)]
    runs = [item for item in items if isinstance(item, Run)]
    remarks = [item for item in items if isinstance(item, Remark)]
    must(len(violations) + len(runs) + len(remarks) == len(items), "there are no other items")
    must(items[len(items) - len(violations) :] == violations[:1], "a violation is the last item (S5)")
    must(cutter.offset == sum(len(run.data) for run in runs), "the offset is that of what is in no run")
    if violations:
        must(violations[0].offset == cutter.offset, "what is wrong stands behind what was accepted")
        must(not [*cutter.feed(b"\1" * 64), *cutter.finish(), *cutter.expire()], "no more is understood (S5)")
        must(held(cutter) == 0, "nothing is held after a violation")
    return Reading(runs, remarks, violations[0] if violations else None)


def _fed(format: Format, cutter: StreamCutter[Any], piece: bytes) -> Iterator[Any]:
    before, needed = held(cutter), cutter.needed
    items = cutter.feed(piece)
    if cutter.pending and items:
        must(before + len(piece) >= needed, f"nothing new is said before {needed} bytes are there")
    must(held(cutter) <= format.holds, f"{held(cutter):,} bytes are held, and {format.holds:,} may be (S4)")
    must(cutter.needed >= 1, "at least one byte is needed")
    yield from items
