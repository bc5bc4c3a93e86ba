"""The log lines, in the guide's wording: one a message, peer and thread in the brackets (clauses L)."""

from __future__ import annotations

from collections.abc import Mapping

from netlab.events import (
    DatagramsDropped,
    Finished,
    Listener,
    Opened,
    Outcome,
    Peer,
    Remarked,
    RunHandled,
    TurnedAway,
    Unanswered,
    Violated,
)
from netlab.observers.fairness import FairLock
from netlab.observers.log import Log
from netlab.wire.orders import Orders
from netlab.wire.text import PRINT_LIMIT

_OUTCOMES = {
    Outcome.FINISHED: "the client was finished",
    Outcome.RESET: "the client or the network reset the connection",
    Outcome.VIOLATION: "the client broke the protocol",
    Outcome.STALLED: "the client did not read what it was sent (--stall-timeout)",
    Outcome.IDLE: "the client was silent for too long (--idle-timeout)",
    Outcome.STOPPED: "the server stops",
    Outcome.FAILED: "an error in this server",
}


MAX_UNANSWERED = 1_000
"""Addresses that are remembered to have got no echo, so that each is named once: senders can be forged."""


class Lines:
    """Writes the lines of the servers.

    Args:
        log: Where they go.
        quiet: Whether to leave out the lines of messages.
        limit: How many bytes of a message are printed; 0 for all (P4).
        threaded: Whether several threads print. Then they do so in turn: if all did at once, the reactor
            would wait for Python's lock, and each would hold the lines of its own run in memory.
    """

    def __init__(
        self, log: Log, quiet: bool = False, limit: int = PRINT_LIMIT, threaded: bool = False
    ) -> None:
        self._log = log
        self._threaded = threaded
        self._limit = limit
        self._quiet = quiet
        self._printing = FairLock()
        self._orders: dict[Peer, _Notes] = {}
        self._unanswered: set[tuple[str, str]] = set()

    def listens(self) -> Mapping[type, Listener]:
        listeners: dict[type, Listener] = {
            Opened: self.opened,
            TurnedAway: self.turned_away,
            Remarked: self.remarked,
            Violated: self.violated,
            Unanswered: self.unanswered,
            DatagramsDropped: self.datagrams_dropped,
            Finished: self.finished,
        }
        if not self._quiet:
            listeners[RunHandled] = self.run_handled_in_turn if self._threaded else self.run_handled
        return listeners

    def opened(self, event: Opened) -> None:
        self._line(event.peer, f"Accepted connection from {event.peer.address}")

    def turned_away(self, event: TurnedAway) -> None:
        self._line(event.peer, f"Refused connection from {event.peer.address}: {event.why}")

    def run_handled_in_turn(self, event: RunHandled) -> None:
        with self._printing:
            self.run_handled(event)

    def run_handled(self, event: RunHandled) -> None:
        peer = event.peer
        start = f"Message from {peer.address} -> " if peer.transport == "udp" else "Received "
        texts, orders = event.run.printed(self._limit)
        notes = self._notes(peer, orders)
        if not notes:
            self._log.lines(peer.bracket, start, texts)
            return
        lines = [f"{start}{text}" for text in texts]
        for at, note in reversed(notes):
            lines.insert(at + 1, note)
        self._log.lines(peer.bracket, "", lines)

    def _notes(self, peer: Peer, orders: list[int | None]) -> list[tuple[int, str]]:
        """What is to be said of the orders of a run, and behind which of its messages."""
        if orders[0] is None:
            return []
        known = self._orders.get(peer)
        if known is None:
            known = self._orders[peer] = _Notes()
        if known.orders.follow(orders):
            return []
        found = ((at, known.note(order)) for at, order in enumerate(orders) if order is not None)
        return [(at, note) for at, note in found if note]

    def remarked(self, event: Remarked) -> None:
        offset, text, advice = event.remark
        where = f"at byte {offset}: {advice}" if advice else f"by the frame at byte {offset}"
        self._line(event.peer, f"Recognized {text} {where}")

    def unanswered(self, event: Unanswered) -> None:
        known = (event.peer.address, event.why)
        if known in self._unanswered:
            return  # it may come with each datagram
        if len(self._unanswered) >= MAX_UNANSWERED:
            self._unanswered.clear()
        self._unanswered.add(known)
        self._line(event.peer, f"No echo to {event.peer.address}: {event.why}", warn=True)

    def datagrams_dropped(self, event: DatagramsDropped) -> None:
        """They were never received, so that no peer can be named."""
        line = (
            f"Datagrams dropped by the kernel: {event.more:,} more, {event.total:,} in all; they came "
            "faster than they were read"
        )
        self._log.line("netlab-udp", line, warn=True)

    def violated(self, event: Violated) -> None:
        peer, violation = event.peer, event.violation
        self._line(
            peer,
            f"Violation {violation.reason} from {peer.address} at byte {violation.offset} "
            f"[{violation.head.hex(' ')}]: {violation.detail}; {violation.advice}",
            warn=True,
        )

    def finished(self, event: Finished) -> None:
        self._orders.pop(event.peer, None)
        self._line(
            event.peer,
            f"Closed connection from {event.peer.address} ({event.outcome.value}): "
            f"{_OUTCOMES[event.outcome]}; "
            f"{event.received:,} bytes received, {event.sent:,} sent",
        )

    def _line(self, peer: Peer, line: str, warn: bool = False) -> None:
        self._log.line(peer.bracket, line, warn)


class _Notes:
    """What is known of the orders of one client."""

    def __init__(self) -> None:
        self.orders = Orders()
        self._said: set[str] = set()

    def note(self, order: int) -> str:
        """Take the next order; return the line that it deserves, if any.

        Each kind of note is one line a client: it teaches the first time, and is noise from then on.
        """
        expected = self.orders.expected
        word = self.orders.note(order)
        if word is None or word in self._said:
            return ""
        self._said.add(word)
        return f"Note {word}: order {order} where {expected} was expected"
