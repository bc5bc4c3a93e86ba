"""What a server's log says of its clients: who came, how each ended, who broke what (clauses L and R7)."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import NamedTuple

from tests.soak.client import Ending
from tests.soak.speech import REASONS
from tests.support import Program

_LINE = re.compile(
    r"[-\d]{10}T[:\d]{8}\S* "
    r"\[(?:tcp \S+ \S+|udp \S+ \S+|selector|writer|netlab-\w+|-|twisted\.[\w.]+#info)\] (?P<what>.*)"
)
"""A line of ours, or one in which Twisted says that it begins or ends."""

_MESSAGES = "Received ver: ", "Received ", "Message from "
_ACCEPTED = re.compile(r"Accepted connection from \S+:(\d+)$")
_CLOSED = re.compile(
    r"Closed connection from \S+:(\d+) \((\w+)\): [^;]+; ([\d,]+) bytes received, ([\d,]+) sent$"
)
_VIOLATION = re.compile(r"Violation (\S+) from \S+:(\d+) at byte (\d+) \[[0-9a-f ]+\]: .+")
_KEY = re.compile(r"(Registered) SelectorKey\(fileobj=<socket |(Unregistered) key fd=\d+, client ")
_STATS = re.compile(r"Stats: clients ([\d,]+), ")
_DROPPED = re.compile(r"([\d,]+) lines? dropped here: ")

KEPT = 20
"""Lines that are kept of those that no server may write: enough for a traceback."""


class Closed(NamedTuple):
    """What the log says of the end of a connection."""

    outcome: str
    received: int
    sent: int

    def fits(self, ending: Ending) -> bool:
        """Is this what the client deserves?"""
        counts = ending.counts in (None, (self.received, self.sent))
        return self.outcome in ending.outcomes and counts


class Log:
    """The log of a server, from now on. What was read is forgotten, so that it stays small.

    strange: lines that no server may write, such as those of a traceback. opened, closed: how many
    connections were. clients: how many there are, by the server's own count. keys: how many its selector
    has. broken: the reason words of all violations. dropped: how many lines are missing, since this side
    read too slowly (L10).
    """

    def __init__(self, server: Program) -> None:
        self.strange: list[str] = []
        self.opened = 0
        self.closed = 0
        self.clients = 0
        self.keys = 0
        self.dropped = 0
        self.broken: Counter[str] = Counter()
        self._lines = server.lines
        self._lines.clear()
        self._closed: defaultdict[int, list[Closed]] = defaultdict(list)
        self._violations: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)

    def read(self) -> None:
        """Take in what has been written since the last time."""
        lines = list(self._lines)
        del self._lines[: len(lines)]  # what is added meanwhile is added behind
        for line in lines:
            found = _LINE.fullmatch(line)
            if found is None:
                self.strange += [line] * (len(self.strange) < KEPT)
            elif not found["what"].startswith(_MESSAGES):
                self._take(found["what"])

    def _take(self, what: str) -> None:
        if _ACCEPTED.match(what):
            self.opened += 1
        elif found := _CLOSED.match(what):
            port, outcome, received, sent = found.groups()
            self.closed += 1
            self._closed[int(port)].append(Closed(outcome, _number(received), _number(sent)))
        elif found := _VIOLATION.match(what):
            reason, port, offset = found.groups()
            self.broken[reason] += 1
            self._violations[int(port)].append((reason, int(offset)))
        elif found := _KEY.match(what):
            self.keys += 1 if found[1] else -1
        elif found := _STATS.match(what):
            self.clients = _number(found[1])
        elif found := _DROPPED.match(what):
            self.dropped += _number(found[1])

    def settle(self, deserved: dict[int, list[Ending]]) -> list[str]:
        """Compare what was said of each port's clients, since the last time, with what they deserve.

        Returns what differs, in words. Where lines were dropped, nobody can know.
        """
        if self.dropped:
            self._closed.clear()
            self._violations.clear()
            return []
        faults: list[str] = []
        for port, endings in deserved.items():
            faults += self._wrong_endings(port, endings)
            faults += self._wrong_violations(port, endings)
        for port in list(self._closed):
            faults += self._wrong_endings(port, [])
        self._violations.clear()
        return faults

    def _wrong_endings(self, port: int, endings: list[Ending]) -> list[str]:
        said, faults = self._closed.pop(port, []), []
        if len(said) > len(endings):
            faults.append(f"{len(endings)} clients came from port {port}, and the log says {said}")
        for ending in sorted(
            endings, key=lambda each: len(each.outcomes)
        ):  # who deserves one word chooses first
            fitting = next((each for each in said if each.fits(ending)), None)
            if fitting is None:
                faults.append(f"the client from port {port} deserves {_words(ending)}; the log says {said}")
            else:
                said.remove(fitting)
        return faults

    def _wrong_violations(self, port: int, endings: list[Ending]) -> list[str]:
        said = self._violations.pop(port, [])
        faults = [f"port {port}: {reason!r} is no word of R1" for reason, _ in said if reason not in REASONS]
        for violation in filter(None, (each.violation for each in endings)):
            if violation in said:
                said.remove(violation)
            else:
                faults.append(f"the client from port {port} deserves {violation}; the log says {said}")
        unknown = sum("violation" in each.outcomes and each.violation is None for each in endings)
        if len(said) > unknown:
            faults.append(f"the log has violations of port {port} that nobody committed: {said}")
        return faults


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _words(ending: Ending) -> str:
    counts = "" if ending.counts is None else " with {:,} bytes received and {:,} sent".format(*ending.counts)
    return " or ".join(ending.outcomes) + counts
