"""One server and its crowd: keeps all seats taken, and examines the server when everybody is gone."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from tests.soak.client import ANY, Client, Ending, Missing, Place
from tests.soak.conducts import ALL, BEHAVES, PRINTABLE, chosen
from tests.soak.datagrams import Asker
from tests.soak.log import Log
from tests.soak.speech import MAX_SIZE, SPEECHES, WrongAnswer
from tests.support import PATIENCE, Served, serving, until

HOST = "127.0.0.1"
"""Nothing of a soak leaves the machine."""

FRAME_TIMEOUT, STALL_TIMEOUT, IDLE_TIMEOUT = 2, 2, 3
"""The servers' deadlines in seconds: short, so that whoever stalls is dealt with while the soak runs."""

LIFE = 2 * PATIENCE
"""Seconds that a client may live: what it waits for should come at once."""

BEAT = 0.1
"""Seconds between two looks at this process's own clock, and at the log."""

LATE = FRAME_TIMEOUT / 4
"""Seconds by which a beat is late where a client that behaves may pass a deadline all the same."""

MEMORY_GROWTH = 30_000_000
"""Bytes by which a server may have grown from the end of the first half to the end of the second. Up to 18
million come and go by themselves: sessions are garbage in cycles, and the collector comes when it likes. What
leaks grows with every client, for as long as a soak lasts.
"""

LEAN = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "16384"}
"""For glibc: one heap for all threads, and large buffers not in it. Else what is freed is kept for as long as
something small lies behind it, and the first minute looks like a leak of tens of megabytes.
"""

ENOUGH = 10
"""Faults after which no more clients come: there is enough to look at."""


class Server(NamedTuple):
    """A server to soak: its twistd command, its options, and whether it prints no messages."""

    command: str
    options: tuple[str, ...] = ()
    quiet: bool = False

    def __str__(self) -> str:
        return " ".join((self.command, *self.options, *(["--quiet"] if self.quiet else [])))

    @property
    def words(self) -> tuple[str, ...]:
        """Its whole command line."""
        words = [*str(self).split(), "--interface", HOST, "--stats", "0.5"]
        if self.command in SPEECHES:
            words += ["--frame-timeout", str(FRAME_TIMEOUT), "--stall-timeout", str(STALL_TIMEOUT)]
            words += ["--idle-timeout", str(IDLE_TIMEOUT), "--max-clients", "0"]
        if self.command == "netlab-tcpv3":
            words += ["--max-size", str(MAX_SIZE)]
        return tuple(words)


class Vitals(NamedTuple):
    """What a server's process has, while nobody is connected: bytes of memory, descriptors, threads."""

    memory: int
    descriptors: int
    threads: int

    @classmethod
    def of(cls, process: Served) -> Vitals:
        """What it has now."""
        return cls(process.memory(), process.descriptors(), process.threads())


@dataclass
class Report:
    """What came of the soak of one server.

    kinds: how many clients there were of each kind. messages, sent, received: theirs, in all, and in bytes.
    broken: how many violations the log tells, by reason word. dropped: how many lines of the log nobody read
    in time. excused: how many clients missed something while the machine was too busy. vitals: before the
    clients came, after the first half, after the second. faults: what was wrong, a line each.
    """

    server: Server
    kinds: Counter[str] = field(default_factory=Counter)
    messages: int = 0
    sent: int = 0
    received: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    dropped: int = 0
    excused: int = 0
    vitals: list[Vitals] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class Pulse:
    """Tells whether this process was kept from its work: servers lose patience with such clients."""

    def __init__(self) -> None:
        self._due = time.monotonic() + BEAT
        self._missed = float("-inf")

    def missed_since(self, begun: float) -> bool:
        """Has a beat been missed since then (a time of time.monotonic())?"""
        now = time.monotonic()
        if now > self._due + LATE:
            self._missed = now
        return self._missed >= begun

    async def beat(self, at_each: Callable[[], None]) -> None:
        """Beat until cancelled; call something each time."""
        while True:
            self._due = time.monotonic() + BEAT
            await asyncio.sleep(BEAT)
            self.missed_since(self._due)
            at_each()


@contextlib.asynccontextmanager
async def beating(at_each: Callable[[], None]) -> AsyncIterator[Pulse]:
    """A pulse that beats for as long as this lasts."""
    pulse = Pulse()
    task = asyncio.ensure_future(pulse.beat(at_each))
    try:
        yield pulse
    finally:
        task.cancel()


class Crowd:
    """The clients of one server, which is at `place`. What each chooses comes from the seed and its number.

    deserved: how the log must tell the end of each connection, by its port. connections: how many there were.
    """

    def __init__(self, place: Place, seed: int, report: Report) -> None:
        self.deserved: defaultdict[int, list[Ending]] = defaultdict(list)
        self.connections = 0
        self._place = place
        self._seed = seed
        self._report = report
        self._numbers = itertools.count(1)
        self._strays: Counter[int] = Counter()
        self._live = self._connect if report.server.command in SPEECHES else self._ask

    async def come(self, seats: int, seconds: float, at_each_beat: Callable[[], None]) -> None:
        """Take so many seats for so long, one client after the other, and let the last come to their ends."""
        end = time.monotonic() + seconds

        async def seat() -> None:
            while time.monotonic() < end and len(self._report.faults) < ENOUGH:
                await self._live(next(self._numbers), pulse)

        async with beating(at_each_beat) as pulse:
            await asyncio.gather(*(seat() for _ in range(seats)))

    async def greet(self, at_each_beat: Callable[[], None]) -> None:
        """Be one fresh client that behaves."""
        async with beating(at_each_beat) as pulse:
            await self._live(next(self._numbers), pulse, behaves=True)

    async def _connect(self, number: int, pulse: Pulse, behaves: bool = False) -> None:
        """The life of a TCP client."""
        rng, begun = self._random(number), time.monotonic()
        server = self._report.server
        speech = SPEECHES[server.command](rng)
        conduct = BEHAVES if behaves else chosen(rng, speech.can_break, prints=not server.quiet)
        client, ending = Client(self._place, speech, ALL if server.quiet else PRINTABLE), ANY
        try:
            await asyncio.wait_for(conduct.live(client), LIFE)
            ending = client.ending
        except (WrongAnswer, Missing, OSError, asyncio.TimeoutError) as error:
            who, why = f"{conduct.live.__name__}, from port {client.port}", client.wrong_answer() or error
            self._failed(who, number, why, pulse, begun)
        finally:
            client.close()
        self._counted(conduct.kind, speech.said, client.sent, client.received)
        if client.port is not None:
            self.connections += 1
            self.deserved[client.port].append(ANY if pulse.missed_since(begun) else ending)

    async def _ask(self, number: int, pulse: Pulse, behaves: bool = False) -> None:
        """The life of a UDP client."""
        asker, begun = Asker(self._place, self._random(number), self._strays, behaves), time.monotonic()
        try:
            await asyncio.wait_for(asker.live(), LIFE)
        except (WrongAnswer, OSError, asyncio.TimeoutError) as error:
            self._failed(asker.kind, number, error, pulse, begun)
        self._counted(asker.kind, asker.messages, asker.sent, asker.received)

    def _random(self, number: int) -> Random:
        return Random(f"{self._seed} {self._report.server} {number}")

    def _failed(self, who: str, number: int, error: Exception, pulse: Pulse, begun: float) -> None:
        if pulse.missed_since(begun) and not isinstance(error, WrongAnswer):
            self._report.excused += 1
        else:
            what = str(error) or f"not at its end after {LIFE:g} s"
            self._report.faults.append(f"client {number} ({who}): {what}")

    def _counted(self, kind: str, messages: int, sent: int, received: int) -> None:
        self._report.kinds[kind] += 1
        self._report.messages += messages
        self._report.sent += sent
        self._report.received += received


def soak(server: Server, seed: int, seats: int, seconds: float) -> Report:
    """Start a server, let clients come for so many seconds in two halves, and examine it after each."""
    report = Report(server)
    try:
        with serving(*server.words, env=LEAN) as process:
            visit(process, Crowd((HOST, process.port), seed, report), report, seats, seconds)
    except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
        report.faults.append(str(error))
    return report


def visit(process: Served, crowd: Crowd, report: Report, seats: int, seconds: float) -> None:
    """Let the clients come, and stop the server, unless there were faults: then it is ended as it is."""
    report.vitals.append(Vitals.of(process))
    log = Log(process)
    for _ in range(2):
        asyncio.run(crowd.come(seats, seconds / 2, log.read))
        asyncio.run(crowd.greet(log.read))
        examine(process, log, crowd, report)
        if report.faults:
            break
    else:
        process.signalled()
    log.read()
    report.faults += [f"a line that no server may write: {line}" for line in log.strange]
    report.broken, report.dropped = log.broken, log.dropped


def examine(process: Served, log: Log, crowd: Crowd, report: Report) -> None:
    """All clients are gone: was all given back, and does the log say what they deserve?"""
    try:
        wait_for_rest(process, log, crowd, report.vitals[0])
    except (AssertionError, OSError) as error:
        status = process.process.poll()
        report.faults.append(str(error) if status is None else f"the server has ended with status {status}")
        return
    report.faults += log.settle(crowd.deserved)
    crowd.deserved.clear()
    report.vitals.append(Vitals.of(process))
    _, *halves = report.vitals
    grown = halves[-1].memory - halves[0].memory
    if grown > MEMORY_GROWTH:
        report.faults.append(f"the server has grown by {grown:,} bytes in the second half")


def wait_for_rest(process: Served, log: Log, crowd: Crowd, before: Vitals) -> None:
    """Wait until the server has nothing of its clients any more. Raises AssertionError where it keeps it."""

    def all_told() -> bool:
        log.read()
        return log.opened == log.closed == crowd.connections or log.dropped > 0

    def nobody_counted() -> bool:
        log.read()
        return log.clients == log.keys == 0 or log.dropped > 0

    until(all_told, f"{crowd.connections:,} connections are told to be open, and closed")
    until(nobody_counted, "the server counts no clients any more, and its selector has no keys of theirs")
    until(lambda: process.descriptors() == before.descriptors, f"descriptors are {before.descriptors} again")
    until(lambda: process.threads() == before.threads, f"threads are {before.threads} again")
