"""A client over UDP: each message is a datagram, which may be lost, doubled, or overtaken by another one."""

from __future__ import annotations

import socket
from collections import Counter, deque

from netlab.load.errors import Kind
from netlab.load.messages import Texts
from netlab.load.poller import READ, WRITE
from netlab.load.work import ENDLESS, Work, clock

MOST = 65_536
"""Bytes: more than a datagram has."""

TURN = 32
"""Datagrams that are sent or read before the other clients have their turn."""


class Datagrams:
    """One datagram socket. Its echoes are matched by their bytes, to the oldest that waits for such (E4)."""

    def __init__(self, number: int, ours: socket.socket, work: Work) -> None:
        assert isinstance(work.messages, Texts)
        self.number = number
        self.open = True
        self.answered = 0
        self.limit = 0
        self.heard = 0.0
        self.taken = True
        self.bytes_back = 0
        self._socket = ours
        self._work = work
        self._messages = work.messages
        self._echo = work.echo
        self._took = work.took
        self._queued = 0
        self._writing = self._ending = False
        self._due = self._step = 0.0
        self._waiting: deque[tuple[bytes, float, float]] = deque()
        """Those that were sent and not answered, the oldest first: when each was due, and when sent."""
        self._given_up: Counter[bytes] = Counter()

    @property
    def sent(self) -> int:
        return self._queued

    def begin(self, due: float, step: float) -> None:
        self._due, self._step = due, step
        self.heard = clock()
        if not step:
            self.limit = ENDLESS
            self.fill(self.heard)

    def fill(self, now: float) -> None:
        if not self._writing:
            self._write(now)

    def ready(self, events: int) -> None:
        if events != WRITE:
            self._read()
        if events & WRITE and self.open:
            self._write(clock())

    def check(self, now: float) -> None:
        if self._give_up(now - self._work.timeout):
            self._go_on(now)

    def end(self, now: float) -> None:
        self._ending = True
        if not self._step:
            self.limit = self._queued
        self._go_on(now)

    def drop(self) -> None:
        if self.open:
            self._give_up(float("inf"))
            self._work.leave(self, self._socket)

    def _give_up(self, before: float) -> int:
        """Wait no more for those that were sent before a moment; return how many these were."""
        waiting, count = self._waiting, 0
        while waiting and waiting[0][2] < before:
            self._given_up[waiting.popleft()[0]] += 1
            count += 1
        self._work.errors.add(Kind.LOST, "", count)
        return count

    def _go_on(self, now: float) -> None:
        self.fill(now)
        if self._ending and self._queued >= self.limit and not self._waiting:
            self.drop()

    def _read(self) -> None:
        for _ in range(min(TURN, len(self._waiting)) or 1):
            try:
                data = self._socket.recv(MOST)
            except BlockingIOError:
                break
            except OSError as error:
                self._broken(error)
                return
            now = clock()
            if not self._match(data, now):
                return
        if self.open:
            self._go_on(self.heard)

    def _match(self, data: bytes, now: float) -> bool:
        """Take a datagram that came; can it go on?"""
        waiting = self._waiting
        self.heard = now
        if waiting and waiting[0][0] == data:
            due = waiting.popleft()[1]
        else:
            place = next((place for place, each in enumerate(waiting) if each[0] == data), None)
            if place is None:
                self._stray(data)
                return self.open
            due = waiting[place][1]
            del waiting[place]
        self.answered += 1
        self.bytes_back += len(data)
        self._took[int((now - due) * 1e6)] += 1
        return True

    def _stray(self, data: bytes) -> None:
        """What came answers nothing that waits."""
        errors = self._work.errors
        seen = f"socket {self.number + 1}: {data[:16].hex(' ')}"
        if not self._echo:
            errors.add(Kind.SURPLUS, seen)
            self.drop()
        elif self._given_up[data]:
            self._given_up[data] -= 1
            errors.add(Kind.OVERDUE, seen)
        elif any(data == self._messages.datagram(number) for number in range(min(256, self._queued))):
            errors.add(Kind.DOUBLED, seen)
        else:
            errors.add(Kind.WRONG_ECHO, f"{seen} was never sent")

    def _write(self, now: float) -> None:
        for _ in range(TURN):
            room = self._work.pipeline - len(self._waiting) if self._echo else 1
            if self._queued >= self.limit or room <= 0:
                self._wait(False)
                return
            data = self._messages.datagram(self._queued)
            try:
                self._socket.send(data)
            except BlockingIOError:
                break
            except OSError as error:
                self._broken(error)
                return
            self._queued += 1
            if self._echo:
                due = self._due + (self._queued - 1) * self._step if self._step else now
                self._waiting.append((data, due, now))
            else:
                self.bytes_back += len(data)
                self.heard = now
        self._wait(True)

    def _wait(self, writing: bool) -> None:
        """Wait until there is room to send, or no more."""
        if writing is not self._writing:
            self._writing = writing
            self._work.poller.change(self._socket.fileno(), READ | WRITE if writing else READ)

    def _broken(self, error: OSError) -> None:
        kind = (
            Kind.REFUSED if isinstance(error, (ConnectionRefusedError, ConnectionResetError)) else Kind.FAILED
        )
        self._work.errors.add(kind, f"socket {self.number + 1}: {error.strerror or error}")
        self.taken = False
        self.drop()
