"""Finds the mistake, or the few mistakes, that predict what was seen.

A mistake is named only if it predicts every exchange of the cases that it explains, and the right behaviour
does not, and if nothing else that was seen speaks against it. Where one mistake is not enough, others are
put together with it; where several predict the same, they are named as a tie.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any

from netlab.check.evidence import Evidence, Exchange, Fact
from netlab.check.findings import Closing, Diagnosis
from netlab.check.models import Mistake, Model, connections, framed, text
from netlab.check.models.simulation import Ended, Prediction, run

MOST = 8
"""Mistakes that are put together at most: more than that are not mistakes, but another program."""

SURPLUS = 1 << 14
"""Bytes that may come when it cannot be told what: who sends more than that does so without end."""

BEGINS = 6
"""Mistakes that the search begins with, one after the other."""

ODD = 7
"""Bytes: the pieces in which models are tried where it is not known how the program read; no frame or text is
a multiple of it.
"""

PIECES = 200
"""Pieces at most: of a long message they are longer."""

PLACES = {
    "recv": "{0}.1 and {0}.2: how the server reads from the socket",
    "loop": "{0}.1 and {0}.2: the loop that serves one client",
    "threads": "{0}.1: the loop that accepts, and what it starts for each client",
    "send": "3.1: events, and what a selector is for",
    "bind": "2.1: how the server's socket is made",
    "reset": "{0}.1: how a client's end is dealt with",
    "struct": "{0}.1: the struct format of the frame",
    "header": "{0}.1: the fields of the header",
    "size": "{0}.1: what the size field counts",
    "padding": "4.1: the text field and its padding",
    "decode": "{0}.1: bytes and text, encode() and decode()",
    "echo": "{1}: the server's ECHO response",
    "recvfrom": "1.1: recvfrom() and its buffer",
    "input": "{0}.1: how the client reads messages and sends them",
    "client-recv": "{1}: how the client reads the ECHO response from its socket",
    "client-echo": "{1}: what the client does with the ECHO response",
    "client-loss": "{0}.1: how the client connects, and how its connection ends",
}
"""Where in the lab guide to look, by topic; {0} is the chapter, {1} the exercise that asks for the echo."""

CHAPTERS = {"udp": ("1", "1.2"), "tcp": ("2", "2.2"), "v2": ("4", "4.3"), "v3": ("5", "5.3")}


ENDS: set[Fact | None] = {Fact.STUCK, Fact.EXHAUSTED}
"""Facts of programs that are gone: not started again, or ended."""

UNCLOSED = (Ended.RAISED, Ended.FORGOTTEN)
"""Ends after which a connection may stay open, or be closed when nothing names it any more."""


@dataclass(frozen=True)
class Choice:
    """One way of making one mistake."""

    mistake: Mistake
    change: Mapping[str, Any]


def model_of(variant: str, echo: bool, layout: str) -> Model:
    """How servers of a variant are written."""
    if variant in ("udp", "tcp"):
        model = text.model(variant == "udp", echo)
    else:
        model = framed.model(variant == "v2", echo, layout == "scripts" and variant == "v3")
    if variant == "udp":
        return model
    return Model(model.serve, model.right, [*model.mistakes, *connections.MISTAKES])


def diagnose(model: Model, variant: str, evidence: Sequence[Evidence]) -> tuple[list[Diagnosis], list[str]]:
    """What is wrong, and the failed cases that this does not explain."""
    if not any(map(asks, evidence)):
        return [], []
    search = Search(model, evidence)
    found = search.find()
    told = [_told(variant, each, search.ties(each), search.explained(each)) for each in found]
    return told, search.unexplained()


class Search:
    """Looks for the fewest mistakes that predict what was seen.

    Each that is taken predicts, with the others, all of a case in which the program failed and which nothing
    else predicts, and contradicts nothing that was as it should be. So a case is explained whole or not at
    all; and what no mistake predicts stays unexplained.
    """

    def __init__(self, model: Model, evidence: Sequence[Evidence]) -> None:
        self._model = model
        self._evidence = [distinct(model, each) for each in evidence]
        self._facts = {fact for each in evidence for fact, true in each.facts.items() if true}
        self._known: dict[tuple[tuple[int, ...], int], bool] = {}
        self._worths: dict[tuple[int, ...], tuple[int, int]] = {}
        self._choices = list(self._promising())
        self._taken: tuple[int, ...] = ()

    def find(self) -> list[Choice]:
        """The mistakes, the one that costs most first."""
        right = self._predicted(())
        found: list[tuple[int, ...]] = [()]
        # What explains most at first sight may be a neighbour of the true mistake: so several are begun with.
        for begin in self._begins():
            self._taken = begin
            while better := self._grown() or self._exchanged():
                self._taken = better
            if self._predicted(self._taken) >= right:
                found.append(self._taken)
            if len(self._predicted(self._taken)) == len(self._evidence):
                break
        self._taken = max(found, key=lambda taken: (*self._worth(taken), -len(taken)))
        needed = [each for each in self._taken if self.explained(self._choices[each])]
        self._taken = tuple(needed)
        return sorted((self._choices[each] for each in self._taken), key=self._costs, reverse=True)

    def _costs(self, choice: Choice) -> tuple[int, int, int]:
        """How many core cases a mistake costs, how many others, and in how many it shows."""
        failed = [self._evidence[each] for each in self._explained(choice) if self._evidence[each].failed]
        core = sum(each.core for each in failed)
        return core, len(failed) - core, len(self._explained(choice))

    def _begins(self) -> list[tuple[int, ...]]:
        """The mistakes, or pairs of them, that predict most, each of another name."""
        now = self._worth(())
        ones = [(each,) for each in range(len(self._choices)) if self._worth((each,)) > now]
        best: dict[tuple[str, ...], tuple[int, ...]] = {}
        self._taken = ()
        alone = any(len(self._predicted(one)) == len(self._evidence) for one in ones)
        pairs = [] if alone else list(filter(None, [self._better(2)]))
        for taken in sorted([*ones, *pairs], key=self._worth, reverse=True):
            best.setdefault(tuple(self._choices[each].mistake.name for each in taken), taken)
        return list(best.values())[:BEGINS]

    def _grown(self) -> tuple[int, ...]:
        """What is taken, and one more, or two."""
        if len(self._taken) > MOST - 2:
            return ()
        now = len(self._predicted(self._taken))
        one = self._better(1)
        if one and len(self._predicted(one)) > now + 1:
            return one
        # Two may explain what neither does alone: swapped fields, in half a loop.
        return self._better(2) or one

    def _exchanged(self) -> tuple[int, ...]:
        """What is taken, with another in the place of one, where that predicts more."""
        best = self._taken
        for one in self._taken:
            rest = [each for each in self._taken if each != one]
            for other in range(len(self._choices)):
                taken = tuple(sorted((*rest, other)))
                if self._possible(taken):
                    best = max(best, taken, key=self._worth)
        return best if self._worth(best) > self._worth(self._taken) else ()

    def unexplained(self) -> list[str]:
        """The failed cases that are not predicted, or that the right behaviour predicts as well."""
        explained = self._predicted(self._taken) - self._predicted(())
        return [seen.id for each, seen in enumerate(self._evidence) if seen.failed and each not in explained]

    def explained(self, choice: Choice) -> list[Evidence]:
        """The cases that are not predicted without this one of the mistakes that were found."""
        return [self._evidence[each] for each in self._explained(choice)]

    def _explained(self, choice: Choice) -> list[int]:
        rest = tuple(each for each in self._taken if self._choices[each] is not choice)
        return sorted(self._predicted(self._taken) - self._predicted(rest))

    def ties(self, choice: Choice) -> list[Mistake]:
        """The mistakes that predict the same in the place of this one."""
        rest = tuple(each for each in self._taken if self._choices[each] is not choice)
        wanted, worth = self._predicted(self._taken), self._worth(self._taken)
        found: dict[str, Mistake] = {}
        for each in range(len(self._choices)):
            mistake = self._choices[each].mistake
            taken = tuple(sorted((*rest, each)))
            other = mistake.name != choice.mistake.name and self._possible(taken)
            if other and self._predicted(taken) >= wanted and self._worth(taken) >= worth:
                found.setdefault(mistake.name, mistake)
        return list(found.values())

    def _better(self, more: int) -> tuple[int, ...]:
        """What is taken, and so many more, that predict most; nothing if that is no more than before."""
        now = self._predicted(self._taken)
        best: tuple[int, ...] = ()
        right = self._predicted(())
        open_ = [
            each
            for each, seen in enumerate(self._evidence)
            if each not in now and (asks(seen) or each in right)
        ]
        for added in combinations(range(len(self._choices)), more):
            taken = tuple(sorted((*self._taken, *added)))
            if not self._possible(taken) or not any(self._predicts(taken, each) for each in open_):
                continue
            if len(self._predicted(taken)) <= len(now):
                continue
            if not best or self._worth(taken) > self._worth(best):
                best = taken
        return best

    def _worth(self, taken: tuple[int, ...]) -> tuple[int, int]:
        """How much is predicted; and how many exceptions would have been seen, and were not."""
        if taken not in self._worths:
            self._worths[taken] = self._valued(taken)
        return self._worths[taken]

    def _valued(self, taken: tuple[int, ...]) -> tuple[int, int]:
        predicted = self._predicted(taken)
        choices = [self._choices[each] for each in taken]
        return len(predicted), -sum(
            unseen_exceptions(self._model, choices, self._evidence[each]) for each in predicted
        )

    def _predicted(self, taken: tuple[int, ...]) -> frozenset[int]:
        return frozenset(each for each in range(len(self._evidence)) if self._predicts(taken, each))

    def _predicts(self, taken: tuple[int, ...], number: int) -> bool:
        known = self._known.get((taken, number))
        if known is None:
            choices = [self._choices[each] for each in taken]
            known = predicts(self._model, choices, self._evidence[number])
            self._known[taken, number] = known
        return known

    def _possible(self, taken: Iterable[int]) -> bool:
        """Are they about different habits?"""
        names = [self._choices[each].mistake.name for each in taken]
        traits = [trait for each in taken for trait in self._choices[each].change]
        return len(set(names)) == len(names) and len(set(traits)) == len(traits)

    def _promising(self) -> Iterator[Choice]:
        """The choices that nothing speaks against at first sight."""
        for mistake in self._model.mistakes:
            if mistake.fact is None or mistake.fact in self._facts:
                yield from (Choice(mistake, change) for change in mistake.changes)


def asks(evidence: Evidence) -> bool:
    """Does it ask for an explanation: has the program failed, or written an exception?"""
    return evidence.failed or bool(evidence.errors)


def unseen_exceptions(model: Model, choices: Sequence[Choice], evidence: Evidence) -> int:
    """How many exceptions a program that makes these mistakes would have raised, of which standard error,
    that was seen, shows nothing.
    """
    if evidence.printed is None or evidence.errors:
        return 0
    wrong = habits(model, choices)
    made = [predict(model, wrong, each, readings(each)[0]) for each in evidence.exchanges]
    return sum(bool(each.errors) for each in made)


def distinct(model: Model, evidence: Evidence) -> Evidence:
    """The same for speed: without what says nothing, without what was seen a hundred times, and of long
    streams, whose pieces are not known, the beginning.
    """
    seen: dict[object, Exchange] = {}
    for each in evidence.exchanges:
        if not each.known:
            rightly = rightly_answered(model, each)
            sent, received = b"".join(each.sent)[: each.probed], each.stream[: each.probed]
            each = replace(each, sent=[sent], received=[received])
            each.rightly = rightly
            each.foretold = [predict(model, model.right, each, pieces) for pieces in readings(each)]
        if each.sent or each.received or each.typed is not None or not seen:
            ends = (each.known, each.finished, each.reset, each.settled, each.closing, each.rightly)
            seen.setdefault((tuple(each.sent), tuple(each.received), tuple(each.typed or ()), ends), each)
    return replace(evidence, exchanges=list(seen.values()))


def habits(model: Model, choices: Iterable[Choice]) -> Any:
    """The habits of a program that makes these mistakes."""
    changes: dict[str, Any] = {}
    for choice in choices:
        changes.update(choice.change)
    return replace(model.right, **changes)


def predict(model: Model, wrong: Any, exchange: Exchange, pieces: Sequence[bytes]) -> Prediction:
    """What a program with these habits makes of these pieces."""
    return run(lambda socket: model.serve(socket, wrong), exchange, pieces)


def readings(exchange: Exchange) -> list[list[bytes]]:
    """The pieces in which the program may have read what was sent."""
    if exchange.known or exchange.datagrams:
        return [exchange.sent]
    data = b"".join(exchange.sent)
    step = ODD * (1 + len(data) // (ODD * PIECES))
    return [[data], [data[at : at + step] for at in range(0, len(data), step)]]


def predicts(model: Model, choices: Sequence[Choice], evidence: Evidence) -> bool:
    """Would a program that makes these mistakes have been seen as this one was?"""
    facts = {each.mistake.fact for each in choices}
    if any(true and fact in facts & ENDS for fact, true in evidence.facts.items()):
        return True  # it was not there any more: nothing else was seen of it
    wrong = habits(model, choices)
    made = [predict(model, wrong, each, readings(each)[0]) for each in evidence.exchanges]
    raised = {error for each in made for error in each.errors}
    odd, torn = bool(raised), False  # torn: it was read in pieces that are not known
    spreads = bool(raised) and _spreads(evidence, raised)
    for number, (prediction, exchange) in enumerate(zip(made, evidence.exchanges, strict=True)):
        if exchange.known:
            others = spreads and not prediction.errors
            waits = Fact.WAITS in facts and number > 0
            if prediction.ended is Ended.FORGOTTEN and number == len(made) - 1:
                # The accepting loop's `conn` still names this one: it is not closed by itself.
                prediction = prediction._replace(ended=Ended.WAITS)
            if not agrees(
                prediction,
                exchange,
                others or waits,
                getattr(wrong, "order", "same") == "counted",
                bool(choices),
            ):
                return False
        elif any(
            predict(model, wrong, exchange, pieces) != right
            for pieces, right in zip(readings(exchange), exchange.foretold, strict=True)
        ):
            odd = torn = True
        elif Fact.LOSES not in facts and not exchange.rightly:
            return False
    confused = any(each.ended is Ended.CONFUSED for each in made)
    return (
        _facts_agree(evidence, facts, odd)
        and (confused or torn or _errors_agree(evidence.errors, [each.errors for each in made]))
        and _prints_agree(evidence, made, confused or bool(raised))
    )


def _spreads(evidence: Evidence, raised: Collection[str]) -> bool:
    """May an exception have taken other connections with it? What it took is not known; but where standard
    error was seen, and shows none, the program has caught it, and only its end is the end of others.
    """
    seen = any(error.startswith(tuple(raised)) for error in evidence.errors)
    return seen or evidence.printed is None or evidence.facts.get(Fact.DIES, False)


def rightly_answered(model: Model, exchange: Exchange) -> bool:
    """Is all that came back of a long stream what a right program sends?"""
    if exchange.finished and exchange.closing is Closing.OPEN:
        return False
    got, sent = exchange.stream, b"".join(exchange.sent)
    prefix = getattr(model.right, "prefix", b"")
    if got and prefix:
        if not got.startswith(prefix):
            return False
        got = got.replace(prefix, b"")
    if not getattr(model.right, "echo", True):
        return not got
    return got == sent or (not exchange.settled and sent.startswith(got))


def agrees(
    prediction: Prediction, exchange: Exchange, partly: bool, any_order: bool = False, rude: bool = False
) -> bool:
    """Is the exchange as predicted?

    partly: less may have come. any_order: orders are not compared. rude: a reset may have eaten what was
    sent, as where a connection is closed with input unread.
    """
    if prediction.ended in (Ended.GIVES_UP, Ended.CONFUSED):
        return _begins(prediction, exchange)
    if exchange.datagrams and prediction.ended is Ended.ENDLESS:
        return all(one == other for one, other in zip(exchange.received, prediction.sent, strict=False))
    if exchange.datagrams:
        got, wanted = sorted(exchange.received), sorted(prediction.sent)
        return got == wanted or ((not exchange.settled or partly) and all(each in wanted for each in got))
    stream, wanted_stream = exchange.stream, b"".join(prediction.sent)
    if any_order:
        stream, wanted_stream = _without_orders(stream), _without_orders(wanted_stream)
    if prediction.ended is Ended.ENDLESS:
        least = min(len(stream), len(wanted_stream))
        return stream[:least] == wanted_stream[:least]
    eaten = rude and exchange.closing is Closing.RESET
    whole = exchange.settled and not partly and not eaten
    if stream != wanted_stream and (whole or not wanted_stream.startswith(stream)):
        return False
    if partly or exchange.closing in (None, Closing.OURS) or prediction.ended in UNCLOSED:
        return True
    return (prediction.ended is Ended.CLOSED) != (exchange.closing is Closing.OPEN)


def _begins(prediction: Prediction, exchange: Exchange) -> bool:
    """Did it begin as predicted, where more cannot be predicted?"""
    if exchange.closing is Closing.OPEN and prediction.ended is not Ended.CONFUSED:
        return False
    got: Sequence[object] = exchange.received if exchange.datagrams else exchange.stream
    wanted: Sequence[object] = list(prediction.sent) if exchange.datagrams else b"".join(prediction.sent)
    if len(got) > len(wanted) + SURPLUS:
        return False
    return got[: len(wanted)] == wanted or (not exchange.settled and wanted[: len(got)] == got)


def _without_orders(stream: bytes) -> bytes:
    """The stream of frames with all orders 0; fixed if it looks so."""
    zeroed = bytearray(stream)
    at = 0
    fixed = len(stream) % 29 == 0 and all(stream[i] == 1 for i in range(0, len(stream), 29))
    while at + 9 <= len(zeroed):
        zeroed[at + 1 : at + 5] = bytes(4)
        at += 29 if fixed else 9 + int.from_bytes(zeroed[at + 5 : at + 9], "big")
    return bytes(zeroed)


def _facts_agree(evidence: Evidence, facts: Iterable[Fact | None], odd: bool) -> bool:
    for fact, true in evidence.facts.items():
        if true and fact not in facts and (not odd or fact is Fact.HANGS):  # an exception ends it
            return False
        if not true and fact in facts:
            return False
    return True


def _errors_agree(seen: Sequence[str], chains: Sequence[Sequence[str]]) -> bool:
    """Is each exception that was seen a predicted one, and of each chain all or none? One that was not seen
    may have been caught.
    """
    for chain in chains:
        found = [any(error.startswith(each) for error in seen) for each in chain]
        if any(found) and not all(found):
            return False
    return all(any(error.startswith(each) for chain in chains for each in chain) for error in seen)


def _prints_agree(evidence: Evidence, made: Iterable[Prediction], partly: bool) -> bool:
    if evidence.printed is None:
        return True
    said = [line for each in made for line in each.said]
    if evidence.numbers and not any(number in evidence.numbers for line in said for number in line.numbers):
        return False
    for sought in evidence.texts:
        found, foretold = sought in evidence.printed, any(sought in line.text for line in said)
        if found != foretold and not (partly and foretold):
            return False
    return True


def _told(
    variant: str, choice: Choice, instead: Sequence[Mistake], explained: Sequence[Evidence]
) -> Diagnosis:
    ids = [each.id for each in explained if each.failed]
    also = [each.id for each in explained if not each.failed]
    make = partial(_diagnosis, variant, ids, also)
    return replace(make(choice.mistake), ties=[make(each) for each in instead])


def _diagnosis(variant: str, ids: Sequence[str], also: Sequence[str], mistake: Mistake) -> Diagnosis:
    return Diagnosis(
        mistake.name,
        mistake.title,
        mistake.explanation,
        mistake.code,
        PLACES[mistake.guide].format(*CHAPTERS[variant]),
        ids,
        also,
    )
