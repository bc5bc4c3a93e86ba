"""Looks for the mistake, or the few mistakes, that predict what was seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations

from netlab.check.agreement import (
    Choice,
    distinct,
    habits,
    may_hang,
    predict,
    predicts,
    readings,
    unseen_exceptions,
)
from netlab.check.evidence import Evidence
from netlab.check.models import Mistake, Model

MOST = 8
"""Mistakes that are put together at most: more than that are not mistakes, but another program."""

BEGINS = 6
"""Mistakes that the search begins with, one after the other."""


def asks(evidence: Evidence) -> bool:
    """Does it ask for an explanation: has the program failed, or written an exception?"""
    return evidence.failed or bool(evidence.errors)


class Search:
    """Looks for the fewest mistakes that predict what was seen.

    Each that is taken predicts, with the others, all of a case in which the program failed and which nothing
    else predicts, and contradicts nothing that was as it should be. So a case is explained whole or not at
    all; and what no mistake predicts stays unexplained.
    """

    def __init__(self, model: Model, evidence: Sequence[Evidence]) -> None:
        self._model = model
        self._evidence: list[Evidence] = []
        self._others: list[Evidence] = []
        for seen in (distinct(model, each) for each in evidence):
            # What went well, and yet not as expected, is no reason to look for a mistake.
            telling = asks(seen) or predicts(model, (), seen)
            (self._evidence if telling else self._others).append(seen)
        self._facts = {fact for each in evidence for fact, true in each.facts.items() if true}
        self._known: dict[tuple[tuple[int, ...], int], bool] = {}
        self._worths: dict[tuple[int, ...], tuple[int, int, int, int]] = {}
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
        while needless := [each for each in self._taken if not self._needed(each)]:
            self._taken = self._rest(needless[-1])
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
            for other in range(len(self._choices)):
                taken = tuple(sorted((*self._rest(one), other)))
                if self._possible(taken):
                    best = max(best, taken, key=self._worth)
        return best if self._worth(best) > self._worth(self._taken) else ()

    def unexplained(self) -> list[Evidence]:
        """The failed cases that are not predicted, or that the right behaviour predicts as well."""
        explained = self._predicted(self._taken) - self._predicted(())
        return [seen for each, seen in enumerate(self._evidence) if seen.failed and each not in explained]

    def explained(self, choice: Choice) -> list[Evidence]:
        """The cases that one of the mistakes that were found explains: without it they are not predicted, or
        it predicts them alone.
        """
        return [self._evidence[each] for each in self._explained(choice)]

    def _explained(self, choice: Choice) -> list[int]:
        number = self._choices.index(choice)
        alone = self._predicted((number,)) - self._predicted(())
        return sorted(self._lost(number) | (self._predicted(self._taken) & alone))

    def _rest(self, number: int) -> tuple[int, ...]:
        """What is taken, without this one."""
        return tuple(each for each in self._taken if each != number)

    def _lost(self, number: int) -> frozenset[int]:
        """The cases that are not predicted without this one."""
        return self._predicted(self._taken) - self._predicted(self._rest(number))

    def _needed(self, number: int) -> bool:
        """Is there a case that is not predicted without this one, and shows it for certain?"""
        return any(asks(self._evidence[each]) and self._certain(each) for each in self._lost(number))

    def _certain(self, number: int) -> bool:
        """Is something wrong also where it is known in which pieces the program read?"""
        seen = self._evidence[number]
        wrong = habits(self._model, [self._choices[each] for each in self._taken])
        known = [
            each
            for each in seen.exchanges
            if each.known or len({predict(self._model, wrong, each, how) for how in readings(each)}) == 1
        ]
        return any(seen.facts.values()) or not predicts(self._model, (), replace(seen, exchanges=known))

    def ties(self, choice: Choice) -> list[Mistake]:
        """The mistakes that predict the same in the place of this one."""
        rest = self._rest(self._choices.index(choice))
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

    def _worth(self, taken: tuple[int, ...]) -> tuple[int, int, int, int]:
        """How much is predicted; how many exceptions would have been seen, and were not; how much is
        predicted of what went well all the same; and how often it is not excluded that it never ends.
        """
        if taken not in self._worths:
            self._worths[taken] = self._valued(taken)
        return self._worths[taken]

    def _valued(self, taken: tuple[int, ...]) -> tuple[int, int, int, int]:
        predicted = self._predicted(taken)
        choices = [self._choices[each] for each in taken]
        unseen = sum(unseen_exceptions(self._model, choices, self._evidence[each]) for each in predicted)
        others = sum(predicts(self._model, choices, each) for each in self._others)
        vague = sum(may_hang(self._model, choices, self._evidence[each]) for each in predicted)
        return len(predicted), -unseen, others, -vague

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
