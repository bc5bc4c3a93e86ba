"""A client over TCP: sends the stream of messages, compares what comes back, takes the time."""

from __future__ import annotations

import socket
from collections import deque

from netlab.load.echoes import Surplus, Wrong, echoes
from netlab.load.errors import Kind
from netlab.load.messages import SMALL
from netlab.load.poller import READ, WRITE
from netlab.load.work import ENDLESS, Work, clock
from netlab.wire.text import REPLY_PREFIX

CHUNK = 1 << 18
"""Bytes that are sent at once, and read at once: more would make the other clients wait."""

FEW = 1 << 16
"""Bytes that are read at once where fewer than this can be owed: a smaller buffer is made faster."""


class Stream:
    """One TCP connection.

    number: which of the clients it is. ours: its socket, connected. Messages are sent up to `limit`, and with
    echoes no more than the pipeline's beyond those that were answered.
    """

    def __init__(self, number: int, ours: socket.socket, work: Work) -> None:
        self.number = number
        self.open = True
        self.answered = 0
        self.limit = 0
        self.heard = 0.0
        self.taken = False
        self._socket = ours
        self._work = work
        self._messages = work.messages
        self._echo = work.echo
        self._echoes = echoes(work.format, work.messages)
        self._pipeline = work.pipeline
        self._took = work.took
        self._receive, self._send = ours.recv, ours.send
        longest = max(work.messages.sizes) * work.pipeline
        self._most = FEW if longest < FEW else CHUNK
        self._queued = 0  # messages that are sent, or are being sent
        self._position = self._end = 0  # bytes of the stream, and up to where it is to be sent
        self._writing = False  # is it waited until it can be written to?
        self._finished = False  # our FIN was sent
        self._ending = False
        self._due = self._step = 0.0
        self._alone = False  # is there never more than one message on its way, a short one?
        self._asked = 0.0  # when that was sent
        self._expected = b""
        """The whole answer to it, which mostly comes in one piece; nothing where it has not or will not."""
        self._before = REPLY_PREFIX if work.format == "tcp" else b""
        self._marks: deque[tuple[int, float]] = deque()
        """Up to which message it was sent when, of those that are not answered; not at a fixed rate."""

    @property
    def bytes_back(self) -> int:
        return self._messages.offset(self.answered) if self._echo else self._position

    @property
    def sent(self) -> int:
        return self._queued if self._echo else min(self._queued, self._messages.before(self._position))

    def begin(self, due: float, step: float) -> None:
        self._due, self._step = due, step
        self.heard = clock()
        if not step:
            self._alone = self._echo and self._pipeline == 1 and max(self._messages.sizes) <= SMALL
            self.limit = ENDLESS
            self.fill(self.heard)

    def fill(self, now: float) -> None:
        if self._alone:
            if self.answered == self._queued < self.limit:
                self._ask(now)
            return
        target = min(self.limit, self.answered + self._pipeline) if self._echo else self.limit
        if target > self._queued:
            if self._echo and not self._step:
                self._marks.append((target, now))
            self._queued = target
            self._end = self._messages.offset(target)
            if not self._writing:
                self._write()

    def _ask(self, now: float) -> None:
        """Send one message, and know what its answer must be."""
        data = self._messages.message(self._queued)
        self._queued += 1
        self._asked = now
        try:
            sent = self._send(data)
        except OSError:  # no room, or something that is told when it is tried again
            sent = 0
        self._position += sent
        if sent == len(data):
            self._expected = self._before + data
        else:
            self._take_longer_way()
            self._write()

    def _take_longer_way(self) -> None:
        """The one message was not sent whole, or its answer has not come whole."""
        self._expected = b""
        self._marks.append((self._queued, self._asked))
        self._echoes.resume(self.answered)
        self._end = self._messages.offset(self._queued)

    def ready(self, events: int) -> None:
        if events != WRITE:
            self._read()
        if events & WRITE and self.open:
            self._write()

    def check(self, now: float) -> None:
        if now - self._since() <= self._work.timeout:
            return
        if not self._echo:
            self._lose(Kind.NOT_TAKEN, f"the server has read nothing for {self._work.timeout:g} s")
        else:  # what it owes is counted as not answered in the end
            self.drop()

    def end(self, now: float) -> None:
        self._ending = True
        if not self._step:  # what was begun is sent to its end
            begun = self._messages.before(self._position)
            self.limit = (
                self._queued if self._echo else begun + (self._messages.offset(begun) < self._position)
            )
            self._queued = self.limit
            self._end = self._messages.offset(self.limit)
        self._finish()

    def drop(self) -> None:
        self._work.leave(self, self._socket)

    def _since(self) -> float:
        """The moment from which on it is waited for the server; never, where nothing is owed."""
        if not self._echo:
            return self.heard if self._finished or self._writing else float("inf")
        if self.answered >= self._queued:
            return float("inf")
        if self._step:
            return max(self.heard, self._due + self.answered * self._step)
        return max(self.heard, self._marks[0][1] if self._marks else self._asked)

    def _read(self) -> None:
        try:
            data = self._receive(self._most)
        except BlockingIOError:
            return
        except OSError as error:
            self._broken(error)
            return
        now = self.heard = clock()
        if data == self._expected != b"":
            self._expected = b""
            self._took[int((now - self._asked) * 1e6)] += 1
            self.answered += 1
            if self._ending:
                self._finish()
            else:
                self._ask(now)
            return
        if not data:
            self._closed()
            return
        if self._expected:
            self._take_longer_way()
        if not self._echo:
            self._lose(Kind.SURPLUS, data[:16].hex(" "))
            return
        try:
            back = self._echoes.feed(data, self._position)
        except Wrong as wrong:
            self._lose(Kind.WRONG_ECHO, str(wrong))
        except Surplus as surplus:
            self._lose(Kind.SURPLUS, str(surplus))
        else:
            if back > self.answered:
                self._count(back, now)
                self.fill(now)
                if self._ending:
                    self._finish()

    def _count(self, back: int, now: float) -> None:
        """So many messages are back now."""
        answered, self.answered = self.answered, back
        took = self._took
        if self._step:
            for number in range(answered, back):
                took[int((now - self._due - number * self._step) * 1e6)] += 1
            return
        marks = self._marks
        while answered < back:
            until, at = marks[0]
            if until <= back:
                marks.popleft()
            else:
                until = back
            took[int((now - at) * 1e6)] += until - answered
            answered = until

    def _write(self) -> None:
        """Send once, and wait for room if there is more."""
        sent = self._position
        pieces = self._messages.slices(sent, min(self._end, sent + CHUNK))
        try:
            if len(pieces) == 1:
                sent += self._send(pieces[0])
            elif pieces:
                sent += _send_all_of(self._socket, pieces)
        except BlockingIOError:
            pass
        except OSError:
            self._end = sent  # why, the next read tells: what came before is still there
        if not self._echo and sent > self._position:
            self.heard = clock()
        self._position = sent
        more = sent < self._end
        if more is not self._writing:
            self._writing = more
            self._work.poller.change(self._socket.fileno(), READ | WRITE if more else READ)
        if self._ending and not self._echo:
            self._finish()

    def _finish(self) -> None:
        """Be done, if all is: with echoes when all is answered, without when the server has read all."""
        if self._echo:
            if self.answered >= self.limit:
                self.drop()
        elif self._position >= self._end and not self._finished:
            self._finished = True
            self.heard = clock()
            try:
                self._socket.shutdown(socket.SHUT_WR)
            except OSError as error:
                self._broken(error)

    def _closed(self) -> None:
        if self._finished:
            self.taken = True
            self.drop()
            return
        waiting = self._queued - self.answered if self._echo else 0
        self._lose(
            Kind.CLOSED_EARLY,
            f"after {self.answered:,} answers; {waiting:,} more were owed"
            if self._echo
            else f"after {self._position:,} bytes were sent",
        )

    def _broken(self, error: OSError) -> None:
        if isinstance(error, (ConnectionResetError, BrokenPipeError, ConnectionAbortedError)):
            self._lose(
                Kind.RESET, f"after {self.bytes_back:,} bytes {'came back' if self._echo else 'were sent'}"
            )
        elif isinstance(error, ConnectionRefusedError):
            self._lose(Kind.REFUSED, error.strerror or "")
        else:
            self._lose(Kind.FAILED, error.strerror or str(error))

    def _lose(self, kind: Kind, seen: str) -> None:
        self._work.errors.add(kind, f"connection {self.number + 1}: {seen}")
        self.drop()


def _send_all_of(ours: socket.socket, pieces: list[bytes | memoryview]) -> int:
    """Send several pieces as one; return how many bytes were taken."""
    if hasattr(ours, "sendmsg"):
        return ours.sendmsg(pieces)
    return ours.send(b"".join(pieces))
