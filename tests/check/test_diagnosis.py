"""Each mistake that the checker knows of servers is found, alone and with another, in what the cases see.

The real cases are run against the models of wrong servers, by way of the simulated socket: so each way of
making each mistake is tried, not only those of which there is a program in tests/plain/wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netlab.check import cases
from netlab.check.agreement import Choice, habits, predict, readings
from netlab.check.connection import Connection, DatagramSocket
from netlab.check.diagnosis import diagnose, model_of
from netlab.check.evidence import Evidence, Exchange, Fact
from netlab.check.findings import Closing, Diagnosis
from netlab.check.judged import Judged
from netlab.check.models import Mistake, Model
from netlab.check.models.simulation import Ended, Prediction
from netlab.check.server import Server
from netlab.check.waiting import Patience
from tests.check.test_wrong_servers import FULL, costs

SUBJECTS = (("udp", "guide"), ("tcp", "guide"), ("v2", "guide"), ("v3", "guide"), ("v3", "scripts"))
"""Variants and layouts."""

SEED = 5

PAIRS = 200 if FULL else 4
"""Pairs of mistakes that are drawn for each variant."""

Play = Callable[[Exchange], Prediction]
"""What a program makes of all that was sent until now."""


class NoPatience(Patience):
    """What does not come at once does not come."""

    def over(self, seconds: float) -> Callable[[], bool]:
        return lambda: True


class SimulatedConnection(Connection):
    """A connection to a model."""

    def __init__(self, play: Play) -> None:
        self.exchange = Exchange()
        self.heard = 0, 0
        self._play = play
        self._patience = NoPatience()
        self._ended = False
        self._came = 0
        self._last = float("inf")

    def pour(self, data: bytes, reading: bool = True) -> int:
        self.exchange.known = False
        self.exchange.sent.append(data)
        return len(data)

    def finish(self) -> None:
        self.exchange.finished = True

    def reset(self) -> None:
        self.exchange.reset = not self._ended
        self.drop()

    def drop(self) -> None:
        self.exchange.closing = self.exchange.closing or Closing.OURS

    def _send(self, piece: bytes) -> bool:
        return True

    def _read_by_now(self, seconds: float = 0) -> bool:
        return True

    def _arrives(self, seconds: float = 0) -> bool:
        made = self._play(self.exchange)
        stream = b"".join(made.sent)
        if len(stream) > self._came:
            self.exchange.received.append(stream[self._came :])
            self._came = len(stream)
            return True
        if not self._ended and made.ended in (Ended.CLOSED, Ended.RAISED):
            self._end(Closing.CLEAN if self.exchange.finished else Closing.FIRST)
            return True
        return False


class SimulatedDatagramSocket(DatagramSocket):
    """A datagram socket, and a model that answers it."""

    def __init__(self, play: Play) -> None:
        self.exchange = Exchange(datagrams=True)
        self._play = play

    def send(self, *datagrams: bytes) -> None:
        self.exchange.sent += datagrams

    def take(self, count: int, seconds: float = 0) -> list[bytes]:
        self.exchange.received[:] = self._play(self.exchange).sent
        self.exchange.settled = len(self.exchange.received) < count
        return self.exchange.received

    def drop(self) -> None:
        pass

    part = drop


class SimulatedServer(Server):
    """A server that a model plays; its standard error is seen."""

    def __init__(self, variant: str, layout: str, model: Model, wrong: Any) -> None:
        super().__init__(variant, ("", 0), True, layout)
        self._model = model
        self._wrong = wrong

    def connect(self, narrow: bool = False) -> Connection:
        connection = SimulatedConnection(self._plays)
        self.evidence.exchanges.append(connection.exchange)
        return connection

    def connect_many(self, count: int, narrow: bool = False) -> list[Connection]:
        return [self.connect() for _ in range(count)]

    def datagrams(self) -> DatagramSocket:
        datagrams = SimulatedDatagramSocket(self._plays)
        self.evidence.exchanges.append(datagrams.exchange)
        return datagrams

    @property
    def printed(self) -> str:
        said = [line for each in self.evidence.exchanges for line in self._plays(each).said]
        return "\n".join(f"{line.text} {' '.join(map(str, line.numbers))}" for line in said)

    def rested(self) -> None:
        pass

    def begin(self, evidence: Evidence, limits: object = None) -> None:
        self.evidence = evidence

    def seen(self) -> Evidence:
        """What the case has seen, with all exceptions."""
        self.evidence.errors = [
            error for each in self.evidence.exchanges for error in self._plays(each).errors
        ]
        self.evidence.printed = self.printed
        if any(self._plays(each).ended is Ended.EXITED for each in self.evidence.exchanges):
            self.evidence.facts[Fact.DIES] = self.evidence.failed = True
        return self.evidence

    def _plays(self, exchange: Exchange) -> Prediction:
        return predict(self._model, self._wrong, exchange, readings(exchange)[0])


def judged(variant: str, layout: str, model: Model, choices: Sequence[Choice]) -> list[Evidence]:
    """What all cases but the costly ones see of a server that makes these mistakes."""
    server = SimulatedServer(variant, layout, model, habits(model, choices))
    evidence = []
    for case in cases.chosen(variant):
        name = case.id.partition("/")[2]
        if case.started or costs(name) or cases.matches(name, "urgent"):  # which is no part of the stream
            continue
        server.begin(Evidence(case.id, case.level is cases.CORE))
        try:
            case.run(server)
        except Judged as judged:
            server.evidence.failed = judged.verdict.failed
        evidence.append(server.seen())
    return evidence


def ways(mistakes: Sequence[Mistake]) -> Iterator[Choice]:
    """Each way of making each mistake, of those that rows of bytes show."""
    for mistake in mistakes:
        if mistake.fact is None:
            yield from (Choice(mistake, change) for change in mistake.changes)


def some_ways(mistakes: Sequence[Mistake]) -> Iterator[Choice]:
    """One way of each mistake, drawn from the seed."""
    draw = Random(SEED)
    for mistake in mistakes:
        yield from draw.sample(own := list(ways([mistake])), min(len(own), 1))


def named(diagnoses: Sequence[Diagnosis]) -> list[set[str]]:
    """The names of each diagnosis and its ties."""
    return [{each.name, *(other.name for other in each.ties)} for each in diagnoses]


class Diagnoses(SynchronousTestCase):
    def test_nothing_is_said_of_a_right_one(self) -> None:
        for variant, layout in SUBJECTS:
            model = model_of(variant, True, layout)
            evidence = judged(variant, layout, model, [])
            self.assertEqual([each.id for each in evidence if each.failed], [])
            self.assertEqual(diagnose(model, variant, evidence), ([], []))

    def test_each_mistake_is_found_alone(self) -> None:
        for variant, layout in SUBJECTS if FULL else SUBJECTS[:4]:
            model = model_of(variant, True, layout)
            for choice in ways(model.mistakes) if FULL else some_ways(model.mistakes):
                evidence = judged(variant, layout, model, [choice])
                about = f"{variant} {layout} {choice.mistake.name} {choice.change}"
                self.assertTrue(any(each.failed or each.errors for each in evidence), about)
                diagnoses, unexplained = diagnose(model, variant, evidence)
                self.assertEqual(unexplained, [], about)
                self.assertEqual(len(diagnoses), 1, f"{about}: {named(diagnoses)}")
                self.assertIn(choice.mistake.name, named(diagnoses)[0], about)

    def test_two_mistakes_are_found_together(self) -> None:
        draw = Random(SEED)
        for variant, layout in SUBJECTS[:4]:
            model = model_of(variant, True, layout)
            pairs = [pair for pair in combinations(ways(model.mistakes), 2) if independent(*pair)]
            for pair in draw.sample(pairs, min(len(pairs), PAIRS)):
                evidence = judged(variant, layout, model, pair)
                diagnoses, unexplained = diagnose(model, variant, evidence)
                about = f"{variant} {pair[0]} {pair[1]}: {named(diagnoses)}"
                self.assertEqual(unexplained, [], about)
                own = {each.mistake.name for each in pair}
                strangers = [names for names in named(diagnoses) if not names & own]
                # One may look like two: then it is the likelier.
                self.assertTrue(not strangers or len(diagnoses) < len(pair), about)


def independent(one: Choice, other: Choice) -> bool:
    """Can a program make both mistakes?"""
    return one.mistake.name != other.mistake.name and not set(one.change) & set(other.change)
