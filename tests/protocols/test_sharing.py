"""Clients share a turn of the reactor: the more there are, the less is read from each at once."""

from __future__ import annotations

from typing import Any

from netlab.events import Observers
from netlab.protocols.factory import MIN_READ_SIZE, READ_SIZE, TURN_SIZE
from tests.protocols.test_session import HELLO, SessionTestCase


class Sharing(SessionTestCase):
    def sizes(self, factory: Any, counts: tuple[int, ...]) -> list[int]:
        """Connect clients until there are so many, each time; return the first one's read size then."""
        session, transport = self.connect(factory)
        sizes = []
        for count in counts:
            while len(factory.sessions) < count:
                self.connect(factory)
            session.dataReceived(HELLO)
            sizes.append(getattr(transport, "bufferSize", READ_SIZE))
            self.assertEqual(session.read_size, sizes[-1])
        return sizes

    def test_where_messages_are_observed(self) -> None:
        few, some, many = TURN_SIZE // READ_SIZE, 20, 1_000
        self.assertEqual(
            self.sizes(self.factory(max_clients=0), (1, few, some, many)),
            [READ_SIZE, READ_SIZE, TURN_SIZE // some, MIN_READ_SIZE],
        )

    def test_more_again_when_clients_leave(self) -> None:
        factory = self.factory()
        session, transport = self.connect(factory)
        others = [self.connect(factory) for _ in range(19)]
        session.dataReceived(HELLO)
        for _, other in others:
            other.loseConnection()
            other.lose(ConnectionError())
        session.dataReceived(HELLO)
        self.assertEqual(transport.bufferSize, READ_SIZE)  # type: ignore[attr-defined]

    def test_not_where_nobody_observes_them(self) -> None:
        factory = self.factory(max_clients=0)
        factory.observers = Observers()
        self.assertEqual(self.sizes(factory, (1, 1_000)), [READ_SIZE, READ_SIZE])
