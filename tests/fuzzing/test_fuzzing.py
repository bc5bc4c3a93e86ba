"""A short campaign finds nothing; and it finds the one fault of each of these codecs and servers."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netlab.observers import dialects
from netlab.protocols.tcpv2 import FixedServer, FixedServerFactory
from netlab.wire import fixed, text, variable
from netlab.wire.framing import Held, Item, Run, StreamCutter
from netlab.wire.variable import Layout
from netlab.wire.violations import Violation
from tests.fuzzing.campaign import TARGETS, Broken, Campaign
from tests.fuzzing.cases import Breach, Case, Target
from tests.fuzzing.cutters import FORMATS, CutterTarget
from tests.fuzzing.minimise import TRIES, minimised
from tests.fuzzing.mutations import MOST, WAYS, Mutator, corpus
from tests.fuzzing.sessions import SessionTarget

SEED = int(os.environ.get("NETLAB_FUZZING_SEED", "1"))

CASES = 3_000
"""Cases of a short campaign: a few seconds."""


class Campaigns(SynchronousTestCase):
    def test_nothing_breaks(self) -> None:
        campaign = Campaign(SEED)
        for number in range(CASES):
            broken = campaign.broken(number)
            self.assertIsNone(broken, f"python -m tests.fuzzing --seed {SEED} --case {number}\n{broken}")

    def test_all_is_tried(self) -> None:
        campaign = Campaign(SEED)
        tried = [campaign.case(number) for number in range(CASES)]
        self.assertEqual({target.name for target, _ in tried}, {target.name for target in TARGETS})
        for target, case in tried:
            self.assertIn(case.end, target.ends)
            self.assertLessEqual(len(case.stream), MOST)

    def test_a_seed_and_a_number_are_a_case(self) -> None:
        self.assertEqual(Campaign(5).case(7), Campaign(5).case(7))
        self.assertNotEqual(Campaign(5).case(7), Campaign(6).case(7))


class LosesBytes(fixed.Cutter):
    """Of seven bytes it takes six."""

    def feed(self, data: bytes) -> list[Item[fixed.Frame]]:
        return super().feed(data[:6] if len(data) == 7 else data)


class Hoards(fixed.Cutter):
    """Keeps what it has given out."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = b""

    def feed(self, data: bytes) -> list[Item[fixed.Frame]]:
        self.kept += data
        return super().feed(data)


class SeesNoEnd(fixed.Cutter):
    """Does not say that a frame was cut off."""

    def finish(self) -> list[Item[fixed.Frame]]:
        super().finish()
        return []


class GoesOn(fixed.Cutter):
    """Understands what comes after a violation."""

    def feed(self, data: bytes) -> list[Item[fixed.Frame]]:
        self.violation = None
        return super().feed(data)


class WaitsForAHeader(variable.Cutter):
    """Judges a version only when the header is there."""

    def feed(self, data: bytes) -> list[Item[variable.Frame]]:
        if not self.pending and len(data) < variable.HEADER_LENGTH:
            self._held = Held(data)
            return []
        return super().feed(data)


class DecidesByThePieces(variable.Cutter):
    """Takes what comes in one piece for the guide's."""

    def feed(self, data: bytes) -> list[Item[variable.Frame]]:
        if len(data) > 40:
            self._prelude._forced = variable.Layout.GUIDE
        return super().feed(data)


class Raises(variable.Cutter):
    """Cannot cope with a size."""

    def feed(self, data: bytes) -> list[Item[variable.Frame]]:
        if b"\x7f\xff\xff\xff" in data:
            raise OverflowError("too large")
        return super().feed(data)


class Misplaces(variable.Cutter):
    """Says of a violation that it stands elsewhere."""

    def _violated(self, violation: Violation) -> Violation:
        violation.offset += violation.offset > 20
        return super()._violated(violation)


class ForgetsCharacters(text.Cutter):
    """Reads each piece for itself."""

    def feed(self, data: bytes) -> list[Item[text.Message]]:
        self._begun = b""
        return super().feed(data)


class Drops(FixedServer):
    """Does not answer the second of two frames."""

    def respond(self, run: Run[Any]) -> bytes:
        return super().respond(run)[: fixed.FRAME_LENGTH if len(run) == 2 else None]


class StaysOpen(FixedServer):
    """Does not close after a FIN behind a violation."""

    def readConnectionLost(self) -> None:
        if not self._discarding:
            super().readConnectionLost()

    def sweep(self, now: float) -> None:
        pass


class Overtakes(FixedServer):
    """Closes at a FIN, whatever is still to be answered."""

    def readConnectionLost(self) -> None:
        self._read_closed = True
        self._close()


class Fails(FixedServer):
    """Raises."""

    def respond(self, run: Run[Any]) -> bytes:
        if len(run) == 3:
            raise ZeroDivisionError
        return super().respond(run)


class Faults(SynchronousTestCase):
    """Each is found within a short campaign, and what is shown of it is small."""

    def found(self, target: Target) -> Broken:
        """What a campaign finds in this target."""
        campaign = Campaign(SEED, [target])
        broken = next(filter(None, map(campaign.broken, range(CASES))), None)
        assert broken is not None, f"{target.name}: nothing found"
        self.assertLess(len(broken.case.stream), 100, broken)
        self.assertIn(broken.case.stream.hex(), str(broken))
        return broken

    def in_cutter(self, name: str, make: Callable[[], StreamCutter[Any]]) -> Broken:
        """What it finds in these cutters, where those of this name belong."""
        (format,) = (each for each in FORMATS if each.name == name)
        return self.found(CutterTarget(format._replace(make=make)))

    def in_server(self, server: type[FixedServer]) -> Broken:
        """What it finds in a server with these sessions."""

        class Factory(FixedServerFactory):
            session = server

        (format,) = (each for each in FORMATS if each.name == "tcpv2")
        return self.found(SessionTarget(format, partial(Factory, echo=True), dialects.FIXED))

    def test_in_cutters_of_text(self) -> None:
        self.assertIsInstance(self.in_cutter("tcp", ForgetsCharacters).error, Breach)

    def test_in_cutters_of_fixed_frames(self) -> None:
        for make in LosesBytes, Hoards, SeesNoEnd, GoesOn:
            self.assertIsInstance(self.in_cutter("tcpv2", make).error, Breach, make)

    def test_in_cutters_of_variable_frames(self) -> None:
        for make in WaitsForAHeader, DecidesByThePieces, Misplaces:
            broken = self.in_cutter("tcpv3, layout auto, max size 1,024", partial(make, None, 1_024))
            self.assertIsInstance(broken.error, Breach, make)

    def test_an_exception_is_told_as_it_is(self) -> None:
        broken = self.in_cutter("tcpv3, layout guide, max size 12", partial(Raises, Layout.GUIDE, 12))
        self.assertIsInstance(broken.error, OverflowError)
        self.assertEqual(broken.case.stream, b"\x7f\xff\xff\xff")
        self.assertIn("OverflowError: too large", str(broken))

    def test_in_servers(self) -> None:
        for server in Drops, StaysOpen, Overtakes:
            self.assertIsInstance(self.in_server(server).error, Breach, server)

    def test_a_handler_that_raises(self) -> None:
        self.in_server(Fails)
        self.assertNotEqual(self.flushLoggedErrors(ZeroDivisionError), [])


class Streams(SynchronousTestCase):
    def test_every_mutation_gives_a_stream_from_any_stream(self) -> None:
        for way in WAYS:
            rng = Random(SEED)
            changed = 0
            for stream in b"", b"\1", bytes(range(64)):
                for _ in range(100):
                    new = way(rng, stream, lambda rng: b"another")
                    self.assertIsInstance(new, bytes)
                    changed += new != stream
            self.assertGreater(changed, 100, way)

    def test_some_are_as_they_were(self) -> None:
        for variant in "udp", "tcp", "tcpv2", "tcpv3":
            mutator = Mutator(variant)
            streams = {mutator.stream(Random(number)) for number in range(1_000)}
            self.assertGreater(len(streams & set(corpus(variant))), 5)
            self.assertGreater(len(streams), 500)


class Minimising(SynchronousTestCase):
    def test_leaves_out_and_simplifies(self) -> None:
        case = Case(bytes(range(200)) + b"\7\1\7" + bytes(100), (3, 2, 5), "fin", 2)
        smallest = minimised(case, lambda each: b"\7\1" in each.stream and len(each.stream) > 4)
        self.assertEqual(sorted(smallest.stream), sorted(b"aaa\7\1"))
        self.assertEqual((smallest.sizes, smallest.lag), ((5,), 0))

    def test_leaves_what_is_needed(self) -> None:
        case = Case(b"abc", (1, 2), "deadline", 1)
        self.assertEqual(minimised(case, lambda each: each == case), case)

    def test_ends(self) -> None:
        tries = []
        minimised(Case(bytes(range(256)) * 16), lambda each: bool(tries.append(each)))  # type: ignore[func-returns-value]
        self.assertEqual(len(tries), TRIES)
