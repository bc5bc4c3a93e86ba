"""The log lines, in the guide's wording: one a message, peer and thread in the brackets (clauses L)."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any

from twisted.logger import Logger

from netlab.events import (
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
from netlab.wire.orders import Orders
from netlab.wire.text import writable

_OUTCOMES = {
    Outcome.FINISHED: "the client was finished",
    Outcome.RESET: "the client or the network reset the connection",
    Outcome.VIOLATION: "the client broke the protocol",
    Outcome.STALLED: "the client did not read what it was sent (--stall-timeout)",
    Outcome.IDLE: "the client was silent for too long (--idle-timeout)",
    Outcome.STOPPED: "the server stops",
    Outcome.FAILED: "an error in this server",
}


class Lines:
    """Writes the log.

    quiet: no line for messages. encoding: what the log is written in; what it lacks is escaped (P2).
    """

    _log = Logger()

    def __init__(self, quiet: bool = False, encoding: str = "utf-8") -> None:
        self._quiet = quiet
        self._encoding = encoding
        self._orders: dict[Peer, _Notes] = {}
        self._writing = Lock()

    def listens(self) -> Mapping[type, Listener]:
        listeners: dict[type, Listener] = {
            Opened: self.opened,
            TurnedAway: self.turned_away,
            Remarked: self.remarked,
            Violated: self.violated,
            Finished: self.finished,
        }
        if not self._quiet:
            listeners[RunHandled] = self.run_handled
            listeners[Unanswered] = self.unanswered
        return listeners

    def opened(self, event: Opened) -> None:
        self._line(event.peer, f"Accepted connection from {event.peer.address}")

    def turned_away(self, event: TurnedAway) -> None:
        self._line(event.peer, f"Refused connection from {event.peer.address}: {event.why}")

    def run_handled(self, event: RunHandled) -> None:
        peer = event.peer
        start = f"Message from {peer.address} ->" if peer.transport == "udp" else "Received"
        for message in event.run:
            self._line(peer, f"{start} {message}")
            order = getattr(message, "order", None)
            if order is not None:
                self._note(peer, order)

    def _note(self, peer: Peer, order: int) -> None:
        """Each kind of note is one line a client: it teaches the first time, and is noise from then on."""
        notes = self._orders.setdefault(peer, _Notes())
        expected = notes.orders.expected
        word = notes.orders.note(order)
        if word is not None and word not in notes.said:
            notes.said.add(word)
            self._line(peer, f"Note {word}: order {order} where {expected} was expected")

    def remarked(self, event: Remarked) -> None:
        self._line(event.peer, f"Recognized {event.remark.text} by the frame at byte {event.remark.offset}")

    def unanswered(self, event: Unanswered) -> None:
        self._line(event.peer, f"No echo to {event.peer.address}: {event.why}")

    def violated(self, event: Violated) -> None:
        peer, violation = event.peer, event.violation
        self._line(
            peer,
            f"Violation {violation.reason} from {peer.address} at byte {violation.offset} "
            f"[{violation.head.hex(' ')}]: {violation.detail}; {violation.advice}",
            self._log.warn,
        )

    def finished(self, event: Finished) -> None:
        self._orders.pop(event.peer, None)
        self._line(
            event.peer,
            f"Closed connection from {event.peer.address} ({event.outcome.value}): "
            f"{_OUTCOMES[event.outcome]}; "
            f"{event.received:,} bytes received, {event.sent:,} sent",
        )

    def _line(self, peer: Peer, line: str, emit: Any = None) -> None:
        line, bracket = writable(line, self._encoding), writable(peer.bracket, self._encoding)
        # One thread at a time: before Python 3.12.4, what two threads write at once may be lost or doubled.
        with self._writing:
            # The line goes in as a value: a format that a peer wrote would be obeyed.
            (emit or self._log.info)("{line}", line=line, log_system=bracket)


class _Notes:
    """What is known of the orders of one client."""

    def __init__(self) -> None:
        self.orders = Orders()
        self.said: set[str] = set()
