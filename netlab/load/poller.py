"""Waits for sockets: epoll itself where there is one, elsewhere the standard library's selectors."""

from __future__ import annotations

import select
import selectors
import sys

MOST = 256
"""Events of one look: who comes after these has its turn in the next one."""

PRECISE = 0.0002
"""Seconds before a moment at which it is no more waited but looked: timers come some 50 µs late."""

if sys.platform == "linux":
    READ, WRITE = select.EPOLLIN, select.EPOLLOUT

    class Poller:
        """The sockets that are waited for, by their descriptors. What is neither READ nor WRITE in an event
        is an error, which the next read tells.
        """

        def __init__(self) -> None:
            self._epoll = select.epoll()
            self._readable = [self._epoll.fileno()]
            self.add = self._epoll.register
            self.change = self._epoll.modify
            self.remove = self._epoll.unregister

        def poll(self, seconds: float) -> list[tuple[int, int]]:
            """The descriptors with something to do, and what; nothing when the time is up."""
            return self._epoll.poll(seconds, MOST)

        def poll_precisely(self, seconds: float) -> list[tuple[int, int]]:
            """The same, when it must not take longer: epoll counts in milliseconds."""
            if seconds > PRECISE:
                select.select(self._readable, (), (), seconds - PRECISE)
            return self._epoll.poll(0, MOST)

        def close(self) -> None:
            """Be done with it; the sockets are not closed."""
            self._epoll.close()

else:
    READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

    class Poller:
        """The sockets that are waited for, by their descriptors."""

        def __init__(self) -> None:
            self._selector = selectors.DefaultSelector()
            self.add = self._selector.register
            self.change = self._selector.modify
            self.remove = self._selector.unregister

        def poll(self, seconds: float) -> list[tuple[int, int]]:
            """The descriptors with something to do, and what; nothing when the time is up."""
            return [(key.fd, events) for key, events in self._selector.select(seconds)]

        poll_precisely = poll

        def close(self) -> None:
            """Be done with it; the sockets are not closed."""
            self._selector.close()
