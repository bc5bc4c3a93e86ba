"""What another reactor than ours watches, shown as the keys that a selector would have (clause L8)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from selectors import EVENT_READ, EVENT_WRITE, SelectorKey
from typing import Any

from twisted.internet.interfaces import IDelayedCall

from netlab.events import ChunkReceived, ChunkSent, Closed, Listener, Opened, PeerHalfClosed, TurnedAway
from netlab.observers.keys import Keys

AGAIN = 0.1
"""Seconds until the next look while somebody waits to write: no event tells when all was sent."""


class Glances:
    """Shows Keys what another reactor watches: compared when it starts, and in the turn after each event.

    What lasts shorter is not seen. reactor: an IReactorFDSet that is also IReactorCore and IReactorTime.
    """

    def __init__(self, keys: Keys, reactor: Any) -> None:
        self._keys = keys
        self._reactor = reactor
        self._next: IDelayedCall | None = None
        reactor.callWhenRunning(self._look_in, 0)

    def listens(self) -> Mapping[type, Listener]:
        kinds = (Opened, TurnedAway, ChunkReceived, ChunkSent, PeerHalfClosed, Closed)
        return dict.fromkeys(kinds, self.happened)

    def happened(self, event: object) -> None:
        self._look_in(0)

    def _look_in(self, seconds: float) -> None:
        if self._next is None:
            self._next = self._reactor.callLater(seconds, self._look)
        else:
            self._next.reset(seconds)

    def _look(self) -> None:
        self._next = None
        self._keys.show(self._table())

    def _table(self) -> Iterator[SelectorKey]:
        """What the reactor watches, as the keys that a selector would have.

        A generator, so that all of it runs inside Keys.show(), which bears an error: then no look follows.
        """
        readers, writers = set(self._reactor.getReaders()), set(self._reactor.getWriters())
        for descriptor in readers | writers:
            number = descriptor.fileno()
            if number >= 0:  # or it was closed in this turn
                events = EVENT_READ * (descriptor in readers) | EVENT_WRITE * (descriptor in writers)
                yield SelectorKey(getattr(descriptor, "socket", descriptor), number, events, descriptor)
        if writers:
            self._look_in(AGAIN)
