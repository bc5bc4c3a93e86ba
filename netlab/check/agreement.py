"""Would a program that makes certain mistakes have been seen as this one was?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from netlab.check.evidence import Evidence, Exchange, Fact
from netlab.check.findings import Closing
from netlab.check.formats import FRAME_LENGTH, HEADER_LENGTH, VERSION
from netlab.check.models import Mistake, Model
from netlab.check.models.simulation import Ended, Prediction, run

SURPLUS = 1 << 14
"""Bytes that may come when it cannot be told what: who sends more than that does so without end."""

ODD = 7
"""Bytes: the pieces in which models are tried where it is not known how the program read; no frame or text is
a multiple of it.
"""

PIECES = 200
"""Pieces at most: of a long message they are longer."""

TELLING: set[Fact | None] = {Fact.STUCK, Fact.EXHAUSTED, Fact.MIXES, Fact.IMPATIENT, Fact.FULL}
"""Facts that say all there is to say of a case: the program is gone, or so is the order of what was seen."""

BEGINNING = 64
"""Bytes that tell which answer it is, where it is not known how the program read: what follows may differ."""

LIVELY = (Fact.HANGS, Fact.AT_END)
"""Facts of programs that no exception has ended."""

UNCLOSED = (Ended.RAISED, Ended.FORGOTTEN)
"""Ends after which a connection may stay open, or be closed when nothing names it any more."""


@dataclass(frozen=True)
class Choice:
    """One way of making one mistake."""

    mistake: Mistake
    change: Mapping[str, Any]


def unseen_exceptions(model: Model, choices: Sequence[Choice], evidence: Evidence) -> int:
    """How many exceptions a program that makes these mistakes would have raised, of which standard error,
    that was seen, shows nothing.
    """
    if evidence.printed is None or evidence.errors:
        return 0
    wrong = habits(model, choices)
    made = [predict(model, wrong, each, readings(each)[0]) for each in evidence.exchanges]
    return sum(bool(each.errors) for each in made)


def may_hang(model: Model, choices: Sequence[Choice], evidence: Evidence) -> int:
    """How many exchanges did not end where it cannot be told whether a program with these mistakes ends."""
    left = [each for each in evidence.exchanges if each.closing is Closing.OPEN]
    made = [predict(model, habits(model, choices), each, readings(each)[0]) for each in left]
    return sum(each.ended is Ended.CONFUSED for each in made)


def distinct(model: Model, evidence: Evidence) -> Evidence:
    """The same for speed: without what says nothing, without what was seen a hundred times, and of long
    streams, whose pieces are not known, the beginning.
    """
    seen: dict[object, Exchange] = {}
    for each in evidence.exchanges:
        if not each.known:
            sent = b"".join(each.sent)
            cut = len(sent) > each.probed
            each = replace(
                each,
                sent=[sent[: each.probed]],
                received=[each.stream[: each.probed] if cut else each.stream],
                cut=cut,
                rightly=rightly_answered(model, each),
            )
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
    if any(true and fact in facts & TELLING for fact, true in evidence.facts.items()):
        return True
    if evidence.facts.get(Fact.FULL) and Fact.WAITS in facts:
        return True
    wrong = habits(model, choices)
    pieces = [readings(each) for each in evidence.exchanges]
    made = [
        predict(model, wrong, each, ways[0]) for each, ways in zip(evidence.exchanges, pieces, strict=True)
    ]
    raised = {error for each in made for error in each.errors}
    exits = any(each.ended is Ended.EXITED for each in made)
    if exits and evidence.printed is not None and not evidence.facts.get(Fact.DIES):
        return False
    odd, torn = bool(raised) or exits, False  # torn: it was read in pieces that are not known
    spreads = exits or (bool(raised) and _spreads(evidence, raised))
    shared = bool(facts & {Fact.WAITS, Fact.MIXES})
    for number, (prediction, exchange, ways) in enumerate(zip(made, evidence.exchanges, pieces, strict=True)):
        if exchange.known:
            if prediction.ended is Ended.FORGOTTEN and number == len(made) - 1:
                # The accepting loop's `conn` still names this one: it is not closed by itself.
                prediction = prediction._replace(ended=Ended.WAITS)
            if Fact.IMPATIENT in facts and prediction.ended is Ended.WAITS and not exchange.finished:
                prediction = prediction._replace(ended=Ended.RAISED)
            partly = (spreads and not prediction.errors) or (shared and number > 0)
            any_order = getattr(wrong, "order", "same") == "counted"
            if (
                (exchange.stayed and _closes_itself(model, wrong, exchange, prediction))
                or (exchange.closing is Closing.OPEN and _ends(prediction, exchange) and not evidence.errors)
                or not agrees(prediction, exchange, partly, any_order, bool(choices))
            ):
                return False
            continue
        foretold = [prediction, *(predict(model, wrong, exchange, each) for each in ways[1:])]
        if foretold != list(exchange.foretold):
            if not _fits(model, wrong, foretold, exchange):
                return False
            odd = torn = True
        elif Fact.LOSES not in facts and not exchange.rightly:
            return False
    confused = any(each.ended is Ended.CONFUSED for each in made)
    leaks = any(each.ended in UNCLOSED for each in made)
    return (
        (leaks or torn or not evidence.facts.get(Fact.LEAKS))
        and _facts_agree(evidence, facts, odd)
        and (confused or torn or _errors_agree(evidence.errors, [each.errors for each in made]))
        and _prints_agree(evidence, made, confused or bool(raised))
    )


def _ends(prediction: Prediction, exchange: Exchange) -> bool:
    """Is it an exception that ends a client? One that a thread of its survives is written."""
    return exchange.typed is not None and prediction.ended is Ended.RAISED


def _spreads(evidence: Evidence, raised: Collection[str]) -> bool:
    """May an exception have taken other connections with it? What it took is not known; but where standard
    error was seen, and shows none, the program has caught it.
    """
    return evidence.printed is None or any(each.startswith(tuple(raised)) for each in evidence.errors)


def _closes_itself(model: Model, wrong: Any, exchange: Exchange, prediction: Prediction) -> bool:
    """Would it have closed before the checker did?"""
    if prediction.ended is not Ended.CLOSED or not exchange.finished:
        return prediction.ended is Ended.CLOSED
    return predict(model, wrong, replace(exchange, finished=False), exchange.sent).ended is Ended.CLOSED


def _fits(model: Model, wrong: Any, foretold: Sequence[Prediction], exchange: Exchange) -> bool:
    """Can an exchange be one of those that are foretold for the ways in which it may have been read?"""
    prefixes = [getattr(each, "prefix", b"") for each in (wrong, model.right)]

    def plain(stream: bytes) -> bytes:
        for prefix in filter(None, prefixes):
            stream = stream.replace(prefix, b"")
        return stream

    if any(each.ended in (Ended.GIVES_UP, Ended.CONFUSED) for each in foretold):
        return True
    wanted = [plain(b"".join(each.sent)) for each in foretold]
    got = plain(exchange.stream)
    if len(set(wanted)) > 1:
        return any(_same_beginning(got[:BEGINNING], each[:BEGINNING], exchange.settled) for each in wanted)
    # However it was read, it comes to the same; of a stream whose end was cut off, as far as both go.
    if exchange.cut:
        least = min(len(got), len(wanted[0]))
        return got[:least] == wanted[0][:least] and least >= min(len(got), BEGINNING)
    whole = exchange.settled and exchange.closing is not Closing.RESET
    return wanted[0].startswith(got) and (not whole or len(got) == len(wanted[0]))


def _same_beginning(got: bytes, wanted: bytes, settled: bool) -> bool:
    least = min(len(got), len(wanted))
    return got[:least] == wanted[:least] and (bool(least) or not (got or (wanted and settled)))


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
    if None not in (exchange.heard, prediction.heard) and exchange.heard != prediction.heard:
        return False
    if prediction.ended in (Ended.GIVES_UP, Ended.STRAYS, Ended.CONFUSED):
        return _begins(prediction, exchange)
    least = 0 if exchange.typed is None or not exchange.settled else sum(map(len, prediction.sent))
    if prediction.ended is Ended.ENDLESS and len(exchange.stream) < least:
        return False  # a client that sends without end is seen to do so
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
    if exchange.closing is Closing.OPEN and prediction.ended is Ended.GIVES_UP:
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
    whole = len(stream) % FRAME_LENGTH == 0
    fixed = whole and all(version == VERSION for version in stream[::FRAME_LENGTH])
    while at + HEADER_LENGTH <= len(zeroed):
        zeroed[at + 1 : at + 5] = bytes(4)
        size = int.from_bytes(zeroed[at + 5 : at + HEADER_LENGTH], "big")
        at += FRAME_LENGTH if fixed else HEADER_LENGTH + size
    return bytes(zeroed)


def _facts_agree(evidence: Evidence, facts: Iterable[Fact | None], odd: bool) -> bool:
    for fact, true in evidence.facts.items():
        if fact is Fact.LEAKS:
            continue
        if true and fact not in facts and (not odd or fact in LIVELY):  # an exception ends it
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
    torn = [each for each in evidence.exchanges if not each.known]
    near = [line.text for each in torn for right in each.foretold for line in right.said]
    for sought in evidence.texts:
        if torn and not any(sought in text for text in near):
            continue  # it came behind what models are tried on
        found, foretold = sought in evidence.printed, any(sought in line.text for line in said)
        if found != foretold and not (partly and foretold):
            return False
    return True
