"""A thread for each client: its messages are decoded, printed and answered there, one after the other.

This is the guide's server "with threads": the thread named client-3 serves the third client and nobody else,
from its first byte to its last, and may block as long as it likes. The sockets stay with the reactor, which
puts what it reads into the thread's mailbox.

To hand over costs more than to answer: somebody must be woken, and the two must agree on who runs. So what is
handed over is not a message but a run of them, and the two sides wake each other as rarely as they can: the
reactor wakes a thread when it has read from all who had something to say, and of the threads that have an
answer the first wakes the reactor.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from netlab.handlers import Attended
from netlab.wire.framing import Run

MAILBOX_READS = 4
"""How many full reads may wait for a client's thread before nothing more is read from that client: 256 KiB,
and less where many clients share a turn of the reactor. Reading goes on at half of it.
"""

ITEM_BYTES = 512
"""What an item costs beside its bytes, roughly: so that a mailbox full of tiny messages is bounded, too."""


class Exchange:
    """Where the reactor and the threads of all clients of a server hand over to each other.

    reactor: an IReactorTime that is also an IReactorFromThreads.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._addressees: list[ThreadHandler] = []
        self._answers: deque[tuple[ThreadHandler, Any, bytes, int]] = deque()
        self._is_called = False

    def mail(self, addressee: ThreadHandler) -> None:
        """Wake a thread when this turn of the reactor is done. On the reactor's thread."""
        if not self._addressees:
            self._reactor.callLater(0, self._deliver)
        self._addressees.append(addressee)

    def _deliver(self) -> None:
        addressees, self._addressees = self._addressees, []
        for addressee in addressees:
            addressee.deliver()

    def answer(self, sender: ThreadHandler, item: Any, answer: bytes, cost: int) -> None:
        """Have sender.settle() called with the rest, on the reactor's thread. In any thread."""
        self._answers.append((sender, item, answer, cost))
        if not self._is_called:
            self._is_called = True
            self._reactor.callFromThread(self._settle)

    def _settle(self) -> None:
        self._is_called = False  # first: whoever comes too late for this call makes another one
        answers = self._answers
        while answers:
            sender, item, answer, cost = answers.popleft()
            sender.settle(item, answer, cost)


class ThreadHandler:
    """The thread of one client.

    number: which client it is, from 1. exchange: the server's. delay: seconds to sleep before each answer, as
    a slow program would.

    The thread is a daemon, so one that never returns keeps no process alive. All but _serve() runs on the
    reactor's thread.
    """

    def __init__(self, session: Attended, number: int, exchange: Exchange, delay: float = 0.0) -> None:
        self.name = f"client-{number}"
        self._session = session
        self._exchange = exchange
        self._delay = delay
        self._waiting = 0  # bytes that were submitted and are not settled yet
        self._held = False
        self._hurry = threading.Event()
        self._mail: list[Any] = []  # what goes into the mailbox when the turn is done
        self._mailbox: SimpleQueue[list[Any]] = SimpleQueue()
        threading.Thread(target=self._serve, name=self.name, daemon=True).start()

    at_once = False

    @property
    def busy(self) -> bool:
        """Is there anything that was submitted and not settled?"""
        return self._waiting > 0

    def submit(self, item: Any) -> None:
        """Put an item into the mailbox.

        More than it should hold is taken, too: then the client is not read from for a while.
        """
        self._waiting += _cost(item)
        if self._waiting > MAILBOX_READS * self._session.read_size and not self._held:
            self._held = True
            self._session.hold(self)
        if not self._mail:
            self._exchange.mail(self)
        self._mail.append(item)

    def deliver(self) -> None:
        """The exchange calls this when the turn is done."""
        mail, self._mail = self._mail, []
        self._mailbox.put(mail)

    def hurry(self) -> None:
        """Sleep no more between messages."""
        self._hurry.set()

    def close(self, last: Any) -> None:
        """Put the last item into the mailbox; after it the thread ends."""
        self.hurry()
        self.submit(last)
        self._mail.append(None)

    def _serve(self) -> None:
        """The client's own thread."""
        _give_way()
        while True:
            for item in self._mailbox.get():
                if item is None:
                    return
                cost = _cost(item)
                if self._delay and isinstance(item, Run):
                    for piece in item.split():
                        self._hurry.wait(self._delay)
                        self._exchange.answer(self, piece, self._session.handle(piece), 0)
                    self._exchange.answer(self, None, b"", cost)
                else:
                    self._exchange.answer(self, item, self._session.handle(item), cost)

    def settle(self, item: Any, answer: bytes, cost: int) -> None:
        """The exchange calls this with what the thread has answered, and what of the mailbox that frees."""
        if item is not None:
            self._session.settle(item, answer)
        self._waiting -= cost
        if self._held and self._waiting <= MAILBOX_READS * self._session.read_size // 2:
            self._held = False
            self._session.release(self)


def _give_way() -> None:
    """Let the calling thread interrupt nobody when it is woken.

    Whoever wakes it holds Python's lock: the thread could only wait for that, and would have been switched to
    in vain. Linux asks whether a thread is in such a hurry; elsewhere nothing is changed.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _cost(item: Any) -> int:
    return ITEM_BYTES + (len(item.data) if type(item) is Run else 0)
