"""A client's side of a conversation: what is sent, what is expected, what is said of it, and how it ends.

Knows no wire format: a *link* (netlab/clients/variants.py) does, which sends a text and calls back what came.
Everything runs on the reactor's thread.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, MessageLengthError
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from netlab.protocols.client import WrongEcho
from netlab.wire.fields import Field, table
from netlab.wire.violations import Violation

WINDOW_BYTES = 1 << 16
"""Bytes sent whose echo is still awaited: more would fill a socket's buffer, and UDP would lose them."""

REMEMBERED = 1_000
"""Messages whose fate is remembered, so that a late or a doubled echo can be told from any other."""

RIGHT_AFTER = 2.0
"""Seconds from the connection to a reset that is still called one right after it was accepted: more than a
loaded machine needs to report a reset at once, less than it takes a person to type a message."""

RUNS_NAMED = 8
"""Runs of missing messages that one line names: more would fill the screen, and the count is there."""


class Status(IntEnum):
    """The exit status of a client; one that a signal ends has 128 and its number."""

    FINE = 0
    FAULT = 1
    USAGE = 2
    NOT_CONNECTED = 3


@dataclass(frozen=True)
class Message:
    """A message, sent or received, as it is shown."""

    key: object
    """What its echo is found by: its order, or its bytes."""
    label: str
    """What it is called: order 3, message 3."""
    line: str
    """What is printed of it, escaped."""
    fields: list[list[Field]]
    """Its bytes under the names of their fields: one table for each piece that it came in."""
    note: str = ""
    """What is to be said of it, if anything."""


class Link(Protocol):
    """One variant's connection to the server."""

    window: int
    """Messages that may be on their way at once; 1 is lock-step."""
    advice: str
    """What may be the matter where nothing comes back."""
    is_stream: bool
    """Is it a connection, with an end, and nothing lost in between?"""

    def send(self, text: str) -> Deferred[Any]:
        """Send a text; fires with its echo. Raises ValueError where it cannot be sent."""

    def sent(self) -> Message:
        """What send() has just sent."""

    def echo(self, message: Message, result: Any) -> Message:
        """What has come for it."""

    def queued(self) -> int | None:
        """Bytes that wait in the kernel, None where it does not say: who takes some makes progress."""

    def finish(self) -> None:
        """Send no more: half-close."""

    def abort(self) -> None:
        """Drop the connection, or the socket."""


class Talk:
    """One conversation.

    say, complain: write a line, to standard output or standard error. clock: for deadlines; now: for the
    round-trip times, in seconds. echo: is every message to come back? timeout: seconds since the last
    progress. interval: seconds between messages. hex: show bytes. asks: does a person type the messages?
    lock_step: wait for each echo before the next message.

    `done` fires with the exit status.
    """

    link: Link

    def __init__(
        self,
        say: Callable[[str], None],
        complain: Callable[[str], None],
        clock: IReactorTime,
        now: Callable[[], float],
        echo: bool,
        timeout: float,
        interval: float = 0.0,
        hex: bool = False,
        asks: bool = False,
        lock_step: bool = False,
    ) -> None:
        self.done: Deferred[int] = Deferred()
        self.expects_echo = echo
        self._say, self._complain = say, complain
        self._clock, self._now = clock, now
        self._timeout, self._interval, self._hex, self._asks = timeout, interval, hex, asks
        self._lock_step = lock_step
        self._status = Status.FINE
        self._outstanding: OrderedDict[Deferred[Any], tuple[Message, int]] = OrderedDict()
        self._bytes = 0
        self._fates: OrderedDict[object, int] = OrderedDict()  # how many echoes of it never came in time
        self._times: list[float] = [0, float("inf"), 0.0, 0.0]  # round trips: count, least, sum, most
        self._count = 0
        self._advised = False
        self._missing: list[str] = []  # labels of messages that the connection's end left without an echo
        self._connected_at = float("-inf")
        self._has_received = False
        self._last_sent: float | None = None
        self._room: Deferred[None] | None = None
        self._deadline: IDelayedCall | None = None
        self._queued: int | None = None
        self._paused = False
        self._offering = False
        self._gone = False  # the server has closed, and only who offers knows whether there was more
        self._ending = False
        self._over = False

    # Sending.

    async def offer(self, text: str) -> bool:
        """Send a message as soon as there is room for it. False: the conversation is over."""
        if self._gone:
            self._closed_too_soon()
            return False
        self._offering = True
        await self._until_it_may_be_sent()
        self._offering = False
        if not self._over:
            self._send(text)
        if self._asks:
            await self._until_there_is_room()  # who has to wait for an answer is not asked before it is there
        return not self._over

    async def _until_it_may_be_sent(self) -> None:
        await self._until_there_is_room()
        if self._interval and self._last_sent is not None and not self._over:
            wait = self._last_sent + self._interval - self._now()
            if wait > 0:
                await deferLater(self._clock, wait, lambda: None)

    def _send(self, text: str) -> None:
        at = self._last_sent = self._now()
        self._count += 1
        try:
            answer = self.link.send(text)
            message = self.link.sent()
        except (ValueError, MessageLengthError) as error:
            why = "no datagram can carry it" if isinstance(error, MessageLengthError) else error
            self.refuse(f"Message {self._count} cannot be sent: {why}")
            return
        if answer.called and self.expects_echo:
            self._count -= 1  # nothing had to be sent
            self._say(message.note)
            return
        self._show("Sent", message)
        if not self.expects_echo:
            self.progress()
            return
        size = sum(len(data) for piece in message.fields for _, data in piece)
        self._outstanding[answer] = (message, size)
        self._bytes += size
        answer.addCallbacks(
            self._echoed, self._failed, callbackArgs=(answer, message, at), errbackArgs=(answer, message)
        )
        self.progress()

    def refuse(self, why: str) -> None:
        """Something that was to be sent cannot be."""
        self._complain(why)
        self._status = max(self._status, Status.USAGE)

    async def _until_there_is_room(self) -> None:
        while not self._over and (
            len(self._outstanding) >= self._window or self._bytes > WINDOW_BYTES or self._paused
        ):
            self._room = self._room or Deferred()
            self._watch()
            await self._room

    @property
    def _window(self) -> int:
        return 1 if self._lock_step else self.link.window

    def pauseProducing(self) -> None:
        """Twisted calls this when the server does not take what is sent."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Twisted calls this when it has taken all."""
        self._paused = False
        self.progress()

    def stopProducing(self) -> None:
        """Twisted calls this when the connection is gone."""

    # What comes back.

    def connected(self) -> None:
        """Note that the connection is made, and when."""
        self._connected_at = self._now()

    def received(self) -> None:
        """Note that bytes came from the server: the time begins anew."""
        self._has_received = True
        self.progress()

    def _echoed(self, result: Any, answer: Deferred[Any], message: Message, at: float) -> None:
        self._advised = True
        elapsed = self._now() - at
        count, least, total, most = self._times
        self._times = [count + 1, min(least, elapsed), total + elapsed, max(most, elapsed)]
        self._remember(message.key, 0)
        self._show(
            "Received",
            self.link.echo(message, result),
            f" (echo of {message.label} after {milliseconds(elapsed)})",
        )
        self._settled(answer)
        self._make_room()

    def _failed(self, failure: Failure, answer: Deferred[Any], message: Message) -> None:
        if self._over:
            return  # what ended the conversation was told
        if isinstance(failure.value, WrongEcho):
            self._advised = True
            came = self.link.echo(message, failure.value.args[1])
            self._fault(f"Wrong echo of {message.label}: it is not what was sent:")
            self._complain(f"  sent     {message.line}")
            self._complain(f"  received {came.line}")
            self._complain(f"  {came.note or _difference(message.fields, came.fields)}")
            if self.link.window == 1:
                self.conclude()  # what comes from now on cannot be told apart
                return
        elif failure.check(CancelledError):
            self._remember(message.key, 1)  # _expired() has reported it
        else:
            self._missing.append(message.label)  # lost() comes next, and reports it
        self._settled(answer)
        if isinstance(failure.value, WrongEcho):
            self._make_room()  # after the other failures, the connection or whoever set the deadline does

    def _advice(self) -> str:
        """What to look at, said once, and only where nothing at all has come back."""
        advised, self._advised = self._advised, True
        return "" if advised else f"; {self.link.advice}"

    def _settled(self, answer: Deferred[Any]) -> None:
        _, size = self._outstanding.pop(answer)
        self._bytes -= size
        if self._ending and not self._outstanding and not self.link.is_stream:
            self.conclude()

    def unexpected(self, message: Message) -> None:
        """Something came that nobody waits for."""
        if not self.expects_echo:
            self._show("Received", message)
            return
        missing = self._fates.get(message.key)
        if missing is None:
            self._fault(f"Received what answers no message that was sent: {message.line}")
        elif missing:
            self._fates[message.key] = missing - 1
            self._complain(f"Late echo of {message.label}, after it was given up: {message.line}")
        else:
            self._fault(f"Doubled echo of {message.label}: it came once more: {message.line}")

    def violated(self, violation: Violation) -> None:
        """The server broke the protocol."""
        self._fault(
            f"Violation {violation.reason} from the server at byte {violation.offset} "
            f"[{violation.head.hex(' ')}]: {violation.detail}{self._advice()}"
        )
        self.conclude()

    def lost(self, reason: Failure) -> None:
        """The connection is gone."""
        if self._over:
            return
        missing = f"; no {_echoes(self._missing)}{self._advice()}" if self._missing else ""
        if not reason.check(ConnectionDone):
            self._fault(self._reset(missing))
        elif missing:
            self._fault(f"The server closed the connection{missing}")
        elif self._offering and not self._asks:
            self._closed_too_soon()
        elif not self._ending:
            if not self._asks:
                self._gone = True
                self.progress()
                return
            self._complain("The server closed the connection")
        self.conclude()

    def _reset(self, missing: str) -> str:
        line = "The connection was lost: the server or the network reset it"
        if self._has_received or self._now() - self._connected_at > RIGHT_AFTER:
            return line + missing
        return f"{line} right after it was accepted" + (missing or "; see the server's log")

    def _closed_too_soon(self) -> None:
        if not self._over:
            self._fault("The server closed the connection, and there was more to be sent")
            self.conclude()

    def _remember(self, key: object, missing: int) -> None:
        self._fates[key] = self._fates.pop(key, 0) + missing
        while len(self._fates) > REMEMBERED:
            self._fates.popitem(last=False)

    # Endings.

    def end(self) -> None:
        """Nothing more is to be sent: half-close, and wait for what is owed."""
        if self._over:
            return
        self._ending = True
        if self._gone:
            self.conclude()
        elif self.link.is_stream:
            self.link.finish()
            self.progress()
        elif not self._outstanding:
            self.conclude()

    def conclude(self, status: int | None = None) -> None:
        """The conversation is over. status: another one than it has earned."""
        if self._over:
            return
        self._over = True
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._make_room()
        if hasattr(self, "link"):
            self.link.abort()
        if self._times[0] and self.expects_echo:
            self._say(self._summary())
        self.done.callback(self._status if status is None else status)

    def _summary(self) -> str:
        count, least, total, most = self._times
        return (
            f"{int(count)} of {self._count} messages came back; round trip: {milliseconds(least)} at least, "
            f"{milliseconds(total / count)} on average, {milliseconds(most)} at most"
        )

    # Deadlines.

    def progress(self) -> None:
        """Something was sent or came: the time begins anew."""
        self._make_room()
        if self._deadline is not None:
            self._deadline.reset(self._timeout)
        else:
            self._watch()

    def _watch(self) -> None:
        if self._waits() and not self._over and self._deadline is None:
            self._deadline = self._clock.callLater(self._timeout, self._expired)

    def _waits(self) -> bool:
        stream_ends = self._ending and self.link.is_stream
        return bool(self._outstanding or self._paused or self._gone or stream_ends)

    def _expired(self) -> None:
        self._deadline = None
        if not self._waits():
            return  # all has come: whoever sends may take as long as he likes
        if self._gone:
            self._closed_too_soon()
            return
        before, self._queued = self._queued, self.link.queued()
        if self._queued and before != self._queued:
            self._watch()  # the server is slow, and takes what was sent: that is progress
            return
        owed = list(self._outstanding)
        if owed:
            labels = [message.label for message, _ in self._outstanding.values()]
            self._fault(f"No {_echoes(labels, f' within {self._timeout:g} s')}{self._advice()}")
        for answer in owed:
            answer.cancel()
        if not self._over and self.link.is_stream:
            if self._paused and self._queued != 0:  # a half-closed transport does not resume
                self._fault(f"The server took nothing of what was sent for {self._timeout:g} s")
            if self._ending and not owed:
                self._complain(f"The server did not close the connection within {self._timeout:g} s")
            if self._ending or self._paused or not self._asks or self.link.window == 1:
                self.conclude()
        self._make_room()
        self._watch()

    def _make_room(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.callback(None)

    # What is said.

    def _show(self, what: str, message: Message, more: str = "") -> None:
        self._say(f"{what} {message.line}{more}")
        if message.note:
            self._say(f"  {message.note}")
        if self._hex:
            for piece in message.fields:
                for line in table(piece):
                    self._say(f"  {line}")

    def _fault(self, line: str) -> None:
        self._complain(line)
        self._status = max(self._status, Status.FAULT)


def milliseconds(seconds: float) -> str:
    """A time as people read it: 0.42 ms."""
    return f"{seconds * 1000:.2f} ms"


def _echoes(labels: list[str], when: str = "") -> str:
    """Name the echoes of messages: echo of order 3; echo of 64 messages: order 37 to 100."""
    if len(labels) == 1:
        return f"echo of {labels[0]}{when}"
    word = labels[0].partition(" ")[0]
    kind = "number" if word == "message" else word
    names = _runs([label.partition(" ")[2] for label in labels])
    return f"echo of {len(labels):,} messages{when}: {kind} {names}"


def _runs(names: list[str]) -> str:
    """Name messages, those in a row by their first and last: 1, 2 and 5 to 9."""
    runs: list[list[str]] = []
    for name in names:
        last = runs[-1][-1] if runs else ""
        if last.isdecimal() and name.isdecimal() and int(name) == int(last) + 1:
            runs[-1].append(name)
        else:
            runs.append([name])
    named: list[str] = []
    for run in runs[:RUNS_NAMED]:
        named += [f"{run[0]} to {run[-1]}"] if len(run) > 2 else run
    unnamed = sum(len(run) for run in runs[RUNS_NAMED:])
    if unnamed:
        named.append(f"{unnamed:,} more")
    *others, final = named
    return f"{', '.join(others)} and {final}" if others else final


def _difference(sent: list[list[Field]], came: list[list[Field]]) -> str:
    """Where the bytes of two messages differ first; a text server's prefix belongs to neither."""
    ours, theirs = (
        b"".join(data for piece in pieces for name, data in piece if name != "prefix")
        for pieces in (sent, came)
    )
    at = next((i for i, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one != other), None)
    if at is not None:
        return f"they differ first at byte {at}: {ours[at]:02x} was sent, {theirs[at]:02x} came"
    return f"{len(ours):,} bytes were sent, {len(theirs):,} came"
