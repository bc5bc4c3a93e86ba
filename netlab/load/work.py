"""What all clients of a measurement share, and what is asked of each of them."""

from __future__ import annotations

import socket
from collections import defaultdict
from time import perf_counter
from typing import Protocol

from netlab.load.errors import Errors
from netlab.load.messages import Messages
from netlab.load.poller import Poller

ENDLESS = 1 << 62
"""The number of messages that may be sent in a closed loop, where only the answers set the pace."""

clock = perf_counter
"""Seconds: for durations only."""


class Client(Protocol):
    """One client: a TCP connection, or a datagram socket."""

    number: int
    """Which of the clients it is, from 0."""
    open: bool
    answered: int
    """Messages that have come back, and were right."""
    limit: int
    """How many messages may have been sent by now: at a fixed rate, those that were due."""
    heard: float
    """When it last got on: with an answer, or without echoes with the sending."""
    taken: bool
    """Without echoes: has the server read all that was sent, as far as that can be known?"""

    def begin(self, due: float, step: float) -> None:
        """Begin to send. due, step: when its first message is due, and the time from one to the next; without
        a step each is sent when there is room for it.
        """

    def fill(self, now: float) -> None:
        """Send what may be sent: there is a new limit."""

    def ready(self, events: int) -> None:
        """Something has happened at its socket."""

    def check(self, now: float) -> None:
        """A moment has passed: see whether something has not come in time."""

    def end(self, now: float) -> None:
        """No more messages will become due: be done when those that were sent are answered."""

    def drop(self) -> None:
        """Be done with it in any case."""

    @property
    def bytes_back(self) -> int:
        """Bytes of messages that have come back; without echoes those that were sent."""
        raise NotImplementedError

    @property
    def sent(self) -> int:
        """How many messages were sent; with echoes one that was begun counts, since its answer is owed."""
        raise NotImplementedError


class Work:
    """What the clients share."""

    def __init__(self, format: str, messages: Messages, echo: bool, pipeline: int, timeout: float) -> None:
        self.format = format
        self.messages = messages
        self.echo = echo
        self.pipeline = pipeline
        self.timeout = timeout
        self.poller = Poller()
        self.errors = Errors()
        self.open: dict[int, Client] = {}
        """The clients that are not done yet, by their descriptors."""
        self.took: defaultdict[int, int] = defaultdict(int)
        """How many messages took so many microseconds, since it was last emptied."""

    def leave(self, client: Client, ours: socket.socket) -> None:
        """A client is done: nothing more is waited for."""
        if client.open:
            client.open = False
            self.poller.remove(ours.fileno())
            del self.open[ours.fileno()]
            ours.close()
