"""A thread for each client: its messages are decoded, printed and answered there, one after the other.

This is the guide's server "with threads": the thread named client-3 serves the third client and nobody else,
from its first byte to its last, and may block as long as it likes. The sockets stay with the reactor, which
puts what it reads into the thread's mailbox.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import Any

from twisted.internet.interfaces import IReactorFromThreads

from netlab.handlers import Attended
from netlab.wire.framing import Run

MAILBOX_BYTES = 256 * 1024
"""What may wait for a client's thread before nothing more is read from that client: four full reads.

It is read on at half of it.
"""

ITEM_BYTES = 512
"""What an item costs beside its bytes, roughly: so that a mailbox full of tiny messages is bounded, too."""


class ThreadHandler:
    """The thread of one client.

    number: which client it is, from 1. delay: seconds to sleep before each answer, as a slow program would.

    The thread is a daemon, so one that never returns keeps no process alive. All but _serve() runs on the
    reactor's thread.
    """

    def __init__(
        self, session: Attended, number: int, reactor: IReactorFromThreads, delay: float = 0.0
    ) -> None:
        self.name = f"client-{number}"
        self._session = session
        self._reactor = reactor
        self._delay = delay
        self._waiting = 0  # bytes that were submitted and are not settled yet
        self._held = False
        self._hurry = threading.Event()
        self._mailbox: SimpleQueue[Any] = SimpleQueue()
        threading.Thread(target=self._serve, name=self.name, daemon=True).start()

    @property
    def busy(self) -> bool:
        """Is there anything that was submitted and not settled?"""
        return self._waiting > 0

    def submit(self, item: Any) -> None:
        """Put an item into the mailbox.

        More than it should hold is taken, too: then the client is not read from for a while.
        """
        self._waiting += _cost(item)
        if self._waiting > MAILBOX_BYTES and not self._held:
            self._held = True
            self._session.hold(self)
        self._mailbox.put(item)

    def hurry(self) -> None:
        """Sleep no more between messages."""
        self._hurry.set()

    def close(self, last: Any) -> None:
        """Put the last item into the mailbox; after it the thread ends."""
        self.hurry()
        self.submit(last)
        self._mailbox.put(None)

    def _serve(self) -> None:
        """The client's own thread."""
        while (item := self._mailbox.get()) is not None:
            if self._delay and isinstance(item, Run):
                for piece in item.split():
                    self._hurry.wait(self._delay)
                    self._reactor.callFromThread(self._session.settle, piece, self._session.handle(piece))
                self._reactor.callFromThread(self._settled, _cost(item))
            else:
                self._reactor.callFromThread(self._settle, item, self._session.handle(item))

    def _settle(self, item: Any, answer: bytes) -> None:
        self._session.settle(item, answer)
        self._settled(_cost(item))

    def _settled(self, cost: int) -> None:
        self._waiting -= cost
        if self._held and self._waiting <= MAILBOX_BYTES // 2:
            self._held = False
            self._session.release(self)


def _cost(item: Any) -> int:
    return ITEM_BYTES + (len(item.data) if isinstance(item, Run) else 0)
