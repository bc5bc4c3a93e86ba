"""Finds the mistake, or the few mistakes, that predict what was seen.

A mistake is named only if it predicts every exchange of the cases that it explains, and the right behaviour
does not, and if nothing else that was seen speaks against it. Where one mistake is not enough, others are
put together with it; where several predict the same, they are named as a tie.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from netlab.check.agreement import Choice
from netlab.check.evidence import Evidence, Fact
from netlab.check.findings import Diagnosis
from netlab.check.models import Mistake, Model, connections, framed, text
from netlab.check.search import Search, asks

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
    "format": "4.1 and 5.1: frames of fixed and of variable size",
    "print": "{0}.1: print(), and what becomes of its output",
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


def model_of(variant: str, echo: bool, layout: str) -> Model:
    """How servers of a variant are written."""
    if variant in ("udp", "tcp"):
        model = text.model(variant == "udp", echo)
    else:
        model = framed.model(variant == "v2", echo, layout == "scripts" and variant == "v3")
    if variant == "udp":
        return Model(model.serve, model.right, [*model.mistakes, connections.MIXED])
    return Model(model.serve, model.right, [*model.mistakes, *connections.MISTAKES])


def diagnose(model: Model, variant: str, evidence: Sequence[Evidence]) -> tuple[list[Diagnosis], list[str]]:
    """What is wrong, and the failed cases that this does not explain."""
    if not any(map(asks, evidence)):
        return [], []
    search = Search(model, evidence)
    found = search.find()
    told = [_told(variant, each, search.ties(each), search.explained(each)) for each in found]
    left = search.unexplained()
    told += _uncaught(left)
    if not any(seen.facts.get(Fact.DIES) for each in found for seen in search.explained(each)):
        told += _ended(left)
    explained = {id for each in told for id in each.ids}
    return told, [each.id for each in left if each.id not in explained]


def _uncaught(left: Sequence[Evidence]) -> Iterator[Diagnosis]:
    """The exceptions that were seen where no mistake explains what happened: nobody has caught them."""
    kinds: dict[str, list[Evidence]] = {}
    for each in left:
        if each.errors:
            kinds.setdefault(each.errors[-1].partition(":")[0], []).append(each)
    for cases in kinds.values():
        yield Diagnosis(
            "uncaught",
            f"an exception that nobody catches: {cases[0].errors[-1]}",
            "It ends the thread, or the whole program, in the midst of its work. Its traceback names the "
            "line where it was raised.",
            "",
            "",
            [each.id for each in cases],
        )


def _ended(left: Sequence[Evidence]) -> Iterator[Diagnosis]:
    ids = [each.id for each in left if not each.errors and each.facts.get(Fact.DIES)]
    if ids:
        yield Diagnosis(
            "ends",
            "the program ends while it is still needed",
            "It raises nothing: it comes to its end, or calls exit(), where it should wait for the next "
            "client.",
            "",
            "",
            ids,
        )


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
