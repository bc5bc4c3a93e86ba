"""Counts what happens, and says it in one line: clients, messages, bytes, violations by reason word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from threading import Lock

from netlab.events import (
    ChunkReceived,
    ChunkSent,
    Closed,
    DatagramsDropped,
    Listener,
    Opened,
    RunHandled,
    Violated,
)


class Stats:
    """The counts since the start; `clients` is how many are connected now."""

    def __init__(self) -> None:
        self.clients = 0
        self.messages = 0
        self.received = 0
        self.sent = 0
        self.dropped = 0
        self.violations: Counter[str] = Counter()
        self._lock = Lock()  # messages are counted by the threads of all clients

    def listens(self) -> Mapping[type, Listener]:
        return {
            Opened: self.opened,
            Closed: self.closed,
            ChunkReceived: self.chunk_received,
            ChunkSent: self.chunk_sent,
            RunHandled: self.run_handled,
            Violated: self.violated,
            DatagramsDropped: self.datagrams_dropped,
        }

    def opened(self, event: Opened) -> None:
        self.clients += 1

    def closed(self, event: Closed) -> None:
        self.clients -= 1

    def chunk_received(self, event: ChunkReceived) -> None:
        self.received += len(event.data)

    def chunk_sent(self, event: ChunkSent) -> None:
        self.sent += len(event.data)

    def run_handled(self, event: RunHandled) -> None:
        with self._lock:
            self.messages += len(event.run)

    def violated(self, event: Violated) -> None:
        with self._lock:
            self.violations[event.violation.reason] += 1

    def datagrams_dropped(self, event: DatagramsDropped) -> None:
        self.dropped = event.total

    def __str__(self) -> str:
        violations = (
            ", ".join(f"{word} {count:,}" for word, count in sorted(self.violations.items())) or "none"
        )
        return (
            f"Stats: clients {self.clients:,}, messages {self.messages:,}, bytes received {self.received:,}, "
            f"bytes sent {self.sent:,}, violations: {violations}"
            + (f", datagrams dropped by the kernel {self.dropped:,}" if self.dropped else "")
        )
