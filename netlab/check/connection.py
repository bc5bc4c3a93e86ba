"""The checker's own end of a connection: it knows when the program has read each piece that it sent."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from collections.abc import Callable

from netlab import proc
from netlab.check import kernel
from netlab.check.evidence import Exchange
from netlab.check.findings import Closing
from netlab.check.judged import fail, timeout
from netlab.check.waiting import ANSWER, CLOSE, GAP, PARTING, QUIET, READ, STUCK, WHOLE, Patience
from netlab.wire.text import REPLY_PREFIX

RECV = 1 << 18
"""Bytes read at a time: what keeps a checker ahead of any program that it judges."""

MAX_DATAGRAM = 65_535
"""Bytes: more than any datagram over IPv4 carries."""

SURPLUS = 1 << 18
"""Bytes that may come beside what is expected: who sends more than that will not stop."""

PREFIXED = len(REPLY_PREFIX) + 1
"""Bytes that may come for each that was sent: a text server may read byte by byte, and answer each."""

TICK = 0.02
"""Seconds between two looks at a deadline."""

_RESET = struct.pack("hh" if hasattr(socket, "SO_EXCLUSIVEADDRUSE") else "ii", 1, 0)


def reset(connection: socket.socket) -> None:
    """Close with a reset: no end of the connection is left behind that would keep the port for a minute."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    connection.close()


class Connection:
    """One TCP connection of the checker's to or from the judged program.

    ours: its socket. theirs: the address of the program's. patience: the deadlines.
    """

    def __init__(self, ours: socket.socket, theirs: tuple[str, int], patience: Patience) -> None:
        self.socket = ours
        self.exchange = Exchange()
        self.heard = 0, 0
        """How many bytes of text, and of the stream that answers them, were found to be right."""
        self._patience = patience
        self._ends = ours.getsockname()[:2], theirs
        self._ended = False
        self._came = 0
        self._last = time.monotonic() + WHOLE * patience.factor
        ours.setblocking(False)
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # What is sent.

    def send(self, *pieces: bytes) -> None:
        """Send these pieces, each only when the program has read the one before, if it reads at all."""
        late = False
        for piece in pieces:
            late = not self._read_by_now(0 if late else READ)
            if late:
                self.exchange.sent[-1] += piece  # they wait there together, and will be read together
            else:
                self.exchange.sent.append(piece)
            if not self._send(piece):
                return

    def pour(self, data: bytes, reading: bool = True) -> int:
        """Send without waiting for anybody to read; return how many bytes were taken.

        reading: read meanwhile what comes back; if not, it ends when nothing more is taken for a while.
        """
        self.exchange.known = False
        self.exchange.sent.append(data)
        rest = memoryview(data)
        seconds = ANSWER if reading else STUCK
        over = self._patience.over(seconds)
        while rest:
            readers = [self.socket] if reading and not self._ended else []
            readable, writable, _ = select.select(readers, [self.socket], [], TICK)
            try:
                if writable:
                    rest = rest[self.socket.send(rest) :]
                if readable:
                    self._receive()
            except OSError as error:
                self._lost(error)
                break
            if self._enough_of_it():
                break
            if readable or writable:
                over = self._patience.over(seconds)
            elif over():
                break
        return len(data) - len(rest)

    def wait_until_stuck(self) -> None:
        """Wait, without reading, until the program has taken all, or takes nothing more."""
        over, before = self._patience.over(STUCK), self.unread()
        while not over() and not self._enough_of_it():
            time.sleep(TICK)
            left = self.unread()
            if left != before:
                over, before = self._patience.over(STUCK), left

    def finish(self) -> None:
        """Send the FIN: nothing more will be sent."""
        self._read_by_now()
        self.exchange.finished = True
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Reset the connection."""
        self.exchange.reset = not self._ended
        self.exchange.closing = self.exchange.closing or Closing.OURS
        reset(self.socket)

    def part(self) -> None:
        """Be done with it in good order: a FIN each way, as far as the program plays along."""
        self.leave()
        self.drop()

    def leave(self) -> None:
        """Send the FIN, and give the program a moment to answer it."""
        if not self._ended:
            self.finish()
            self.take(lambda _: False, PARTING)

    def drop(self) -> None:
        """Be done with it when the case is over: what the program makes of that is no evidence any more."""
        if self.socket.fileno() >= 0:
            self.exchange.closing = self.exchange.closing or Closing.OURS
            reset(self.socket)

    # What comes.

    def take(self, enough: Callable[[bytes], bool], seconds: float = ANSWER) -> bytes:
        """Read until it is enough, nothing comes for the time, or the stream ends; return all that ever came.

        The time begins anew with every byte; but who sends without end is not listened to for ever.
        """
        over = self._patience.over(seconds)
        while not enough(self.exchange.stream) and not self._ended:
            if self._enough_of_it():
                self.exchange.settled = True
                break
            if self._arrives():
                over = self._patience.over(seconds)
            elif over() and not self._arrives(0):  # a last look: to find out took time, too
                self.exchange.settled = True
                self.exchange.stayed = seconds >= ANSWER and not self.exchange.finished
                break
        return self.exchange.stream

    def take_bytes(self, count: int, seconds: float = ANSWER) -> bytes:
        """Read until so many bytes have come in all."""
        over = self._patience.over(seconds)
        while self._came < count and not self._ended and not self._enough_of_it():
            if self._arrives():
                over = self._patience.over(seconds)
            elif over() and not self._arrives(0):  # a last look: to find out took time, too
                self.exchange.settled = True
                break
        return self.exchange.stream

    def settle(self) -> bytes:
        """Read what else comes, until nothing does; return all that ever came."""
        return self.take(lambda _: False, QUIET)

    def expect(self, wanted: bytes, what: str) -> None:
        """Read so many bytes as are wanted, and see that these are they. what: how they are called."""
        got = self.take(lambda got: len(got) >= len(wanted) or not wanted.startswith(got))
        if got == wanted:
            return
        if not wanted.startswith(got):
            got = self.settle()
        expected = f"{what}, {len(wanted):,} bytes"
        if got.startswith(wanted):
            raise fail(f"{len(got) - len(wanted):,} bytes more came than {what}", expected, self.exchange)
        if not wanted.startswith(got):
            at = next(i for i, (a, b) in enumerate(zip(got, wanted, strict=False)) if a != b)
            raise fail(f"what came is not {what}: it differs at byte {at:,}", expected, self.exchange)
        came = f"{len(got):,} of {len(wanted):,} bytes of {what}" if got else f"nothing of {what}"
        if self._ended:
            raise fail(f"{came} came, then the connection was {self._word()}", expected, self.exchange)
        raise timeout(f"{came} came in time", expected, self.exchange)

    def expect_nothing(self, what: str) -> None:
        """See that nothing more comes, for a moment. what: what would be wrong to come."""
        before = len(self.exchange.stream)
        if len(self.settle()) > before:
            raise fail(f"{what} was answered", "no answer", self.exchange)

    def expect_no_more(self) -> None:
        """See that what has come was all, for a moment."""
        before = self._came
        if len(self.settle()) > before:
            raise fail(
                f"{self._came - before:,} bytes more came than were owed", "nothing more", self.exchange
            )

    def expect_end(self, seconds: float = CLOSE) -> Closing:
        """Wait until the program closes; say how it did. Raises Judged where it does not."""
        self.take(lambda _: False, seconds)
        if not self._ended and self._enough_of_it():
            self.exchange.closing = Closing.OPEN
            raise fail(
                "it sends on and on, although all was answered", "the connection is closed", self.exchange
            )
        if not self._ended:
            self.exchange.closing = Closing.OPEN
            after = "after the checker's FIN" if self.exchange.finished else "by the program"
            raise timeout(f"the connection was not closed {after}", "the connection is closed", self.exchange)
        assert self.exchange.closing is not None
        return self.exchange.closing

    def unread(self) -> int | None:
        """How many bytes the program has not read yet, where that can be seen."""
        return kernel.unread(*self._ends)

    @property
    def ended(self) -> bool:
        """Has the program closed its side, or reset the connection, as far as was read?"""
        return self._ended

    @property
    def out_of_time(self) -> bool:
        """Has it taken longer than any connection may?"""
        return time.monotonic() > self._last

    def waits_outside(self) -> bool:
        """Did the program's queue of connections have no room for this one? Then its other end is not there:
        the system has dropped what completes a handshake, without a word.
        """
        return not self._ended and proc.known() and self.unread() is None

    # How it is done.

    def _enough_of_it(self) -> bool:
        """Has it taken too long, or has more come than anybody can owe?"""
        if self.out_of_time:
            return True
        most = SURPLUS + PREFIXED * sum(map(len, self.exchange.sent))
        return self._came > most

    def _read_by_now(self, seconds: float = READ) -> bool:
        """Wait until the program has read what was sent, so that the next piece is a read of its own.

        Returns False where it is known that it has not.
        """
        if not self.exchange.sent or not self.exchange.known:
            return True
        over = self._patience.over(seconds)
        while not self._ended:
            left = self.unread()
            if left is None:
                time.sleep(GAP * self._patience.factor)
            if not left:
                return True
            if over():
                return False
            self._arrives(0.001)
        return True

    def _send(self, piece: bytes) -> bool:
        rest = memoryview(piece)
        over = self._patience.over(ANSWER)
        while rest:
            try:
                rest = rest[self.socket.send(rest) :]
            except BlockingIOError:
                if over():
                    return False
                self._arrives()
            except OSError as error:
                self._lost(error)
                return False
        return True

    def _arrives(self, seconds: float = TICK) -> bool:
        """Wait for a moment for something to come."""
        if self.socket.fileno() < 0 or not select.select([self.socket], [], [], seconds)[0]:
            return False
        try:
            self._receive()
        except OSError as error:
            self._lost(error)
        return True

    def _receive(self) -> None:
        data = self.socket.recv(RECV)
        if data:
            self.exchange.received.append(data)
            self._came += len(data)
        else:
            self._end(Closing.CLEAN if self.exchange.finished else Closing.FIRST)

    def _lost(self, error: OSError) -> None:
        if not isinstance(error, BlockingIOError):
            self._end(Closing.RESET)

    def _end(self, closing: Closing) -> None:
        self._ended = True
        self.exchange.settled = True
        self.exchange.closing = self.exchange.closing or closing

    def _word(self) -> str:
        return "reset" if self.exchange.closing is Closing.RESET else "closed"


class DatagramSocket:
    """One datagram socket of the checker's, and the server that it talks to."""

    def __init__(self, ours: socket.socket, server: tuple[str, int], patience: Patience) -> None:
        self.socket = ours
        self.exchange = Exchange(datagrams=True)
        self._patience = patience
        ours.connect(server)  # so that it is told when nobody is there
        ours.setblocking(False)

    def send(self, *datagrams: bytes) -> None:
        """Send datagrams, without a pause."""
        for datagram in datagrams:
            self.exchange.sent.append(datagram)
            try:
                self.socket.send(datagram)
            except BlockingIOError:
                select.select([], [self.socket], [], ANSWER * self._patience.factor)
                with contextlib.suppress(OSError):
                    self.socket.send(datagram)
            except ConnectionRefusedError:
                raise fail("nobody listens there any more", "the datagram is taken", self.exchange) from None

    def take(self, count: int, seconds: float = ANSWER) -> list[bytes]:
        """Read until so many datagrams have come, or none comes for the time; return all that ever came."""
        over = self._patience.over(seconds)
        while len(self.exchange.received) < count:
            last = over()
            if select.select([self.socket], [], [], 0 if last else TICK)[0]:
                try:
                    self.exchange.received.append(self.socket.recv(MAX_DATAGRAM))
                    over = self._patience.over(seconds)
                except OSError:
                    if last:  # ICMP: nobody is there; it may be a moment's
                        break
            elif last:
                self.exchange.settled = True
                break
        return self.exchange.received

    def settle(self) -> list[bytes]:
        """Read what else comes, until nothing does; return all that ever came."""
        return self.take(len(self.exchange.received) + 1, QUIET)

    def expect(self, wanted: list[bytes]) -> None:
        """See that these datagrams come back, in any order (U5)."""
        got = self.take(len(wanted))
        if sorted(got) == sorted(wanted):
            return
        expected = "the same datagram" if len(wanted) == 1 else f"the same {len(wanted):,} datagrams"
        others = [each for each in got if each not in wanted]
        if others:
            raise fail("what came back is not the datagram that was sent", expected, self.exchange)
        if not got:
            raise timeout("nothing came back in time", expected, self.exchange)
        raise timeout(f"{len(got):,} of {len(wanted):,} datagrams came back in time", expected, self.exchange)

    def drop(self) -> None:
        """Close the socket."""
        self.socket.close()

    part = drop
