"""Runs a measurement: makes the connections, lets the clients send, looks at the clock, ends them."""

from __future__ import annotations

import errno
import math
import os
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from netlab.load.datagrams import Datagrams
from netlab.load.errors import Kind
from netlab.load.measurement import Measurement, Moment
from netlab.load.messages import messages
from netlab.load.poller import READ, WRITE
from netlab.load.streams import Stream
from netlab.load.targets import Address
from netlab.load.work import Client, Work, clock

MOMENTS = 50
"""Points in the plots over time, if that gives each time enough."""

SHORTEST, LONGEST = 0.1, 1.0
"""Seconds of a moment: of a shorter one it could be seen when the system let this program run."""

BURST, PAUSE = 16, 0.005
"""Connections that are begun at once, and seconds until the next: a server has a queue for so many, and is to
be loaded with messages, not with connects.
"""

HURRY = 1.0
"""Seconds that are still waited for answers after Ctrl-C."""

AFTER = 1.0
"""How many times the duration it is waited for answers, as long as some come: a queue that filled up while a
rate was too high needs that.
"""

SAMPLES = 200
"""Waits of one client that are counted one by one in the end, where it has more."""

_BEGUN = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", errno.EWOULDBLOCK))


@dataclass(frozen=True)
class Settings:
    """What load is put on a server."""

    format: str
    """udp, tcp, tcpv2 or tcpv3."""
    echo: bool
    layout: str
    connections: int
    pipeline: int
    size: tuple[int, int]
    duration: float
    rate: float | None
    timeout: float
    late: float
    """Seconds."""


class Stop:
    """Has somebody asked for the end, and how often?"""

    def __init__(self) -> None:
        self.asked = 0


Told = Callable[[float, Moment, Measurement], None]
"""Called after each moment: the seconds so far, what was in it, and all until now."""


class Engine:
    """One measurement: connect(), then run()."""

    def __init__(self, settings: Settings, address: Address, stop: Stop, told: Told) -> None:
        self._settings = settings
        self._address = address
        self._stop = stop
        self._told = told
        self._messages = messages(settings.format, settings.size, settings.layout)
        self._work = Work(settings.format, self._messages, settings.echo, settings.pipeline, settings.timeout)
        self._clients: list[Client] = []
        self._dealt = self._total = 0
        self._begun = 0.0
        self._seen = (0, 0, 0.0)  # messages, bytes and the clock at the end of the last moment
        self.measured = Measurement(errors=self._work.errors, echo=settings.echo)

    # The connections.

    def connect(self) -> int:
        """Make the connections; return how many could be made. What went wrong is among the errors."""
        if self._settings.format == "udp":
            self._open_datagrams()
        else:
            self._open_streams()
        self.measured.connections = len(self._clients)
        return len(self._clients)

    def _socket(self, kind: int) -> socket.socket:
        ours = socket.socket(self._address.family, kind)
        ours.setblocking(False)
        return ours

    def _open_datagrams(self) -> None:
        for _ in range(self._settings.connections):
            ours = self._socket(socket.SOCK_DGRAM)
            if self._could(ours, ours.connect_ex(self._address.where)):
                self._enter(Datagrams(len(self._clients), ours, self._work), ours)

    def _open_streams(self) -> None:
        """Not more at once than a server's queue of connections takes."""
        poller = self._work.poller
        waiting: dict[int, tuple[socket.socket, float]] = {}
        left, next_burst = self._settings.connections, clock()
        while (left or waiting) and not self._stop.asked:
            now = clock()
            if left and now >= next_burst:
                next_burst = now + PAUSE
                for _ in range(min(BURST, left)):
                    left -= 1
                    ours = self._socket(socket.SOCK_STREAM)
                    ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    if self._could(ours, ours.connect_ex(self._address.where)):
                        waiting[ours.fileno()] = ours, now + self._settings.timeout
                        poller.add(ours.fileno(), WRITE)
            for descriptor, _ in poller.poll(PAUSE):
                ours, _ = waiting.pop(descriptor)
                poller.remove(descriptor)
                code = ours.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not code and ours.getsockname() == ours.getpeername():
                    code = errno.ECONNREFUSED  # where nobody listens, TCP may connect a socket to itself
                if self._could(ours, code):
                    self._enter(Stream(len(self._clients), ours, self._work), ours)
            now = clock()
            for descriptor in [each for each, (_, until) in waiting.items() if now > until]:
                poller.remove(descriptor)
                waiting.pop(descriptor)[0].close()
                self._work.errors.add(Kind.NOT_CONNECTED, f"within {self._settings.timeout:g} s")
        for ours, _ in waiting.values():  # it is to end
            poller.remove(ours.fileno())
            ours.close()

    def _could(self, ours: socket.socket, code: int) -> bool:
        """Is a connection made, or begun? If not, it is closed and counted."""
        if code in _BEGUN:
            return True
        ours.close()
        kind = {errno.ECONNREFUSED: Kind.REFUSED, errno.ETIMEDOUT: Kind.NOT_CONNECTED}.get(code, Kind.FAILED)
        self._work.errors.add(kind, os.strerror(code))
        return False

    def _enter(self, client: Client, ours: socket.socket) -> None:
        self._clients.append(client)
        self._work.open[ours.fileno()] = client
        self._work.poller.add(ours.fileno(), READ)

    # The load.

    def run(self) -> Measurement:
        """Load the server for as long as it was said, wait for the last answers; say what was measured."""
        own = time.process_time()
        self._begin()
        try:
            self._send()
            self._wait_for_the_rest()
        finally:
            now = clock()
            for client in list(self._work.open.values()):
                client.drop()
            self._settle(now)
            self.measured.own_processor = time.process_time() - own
            self.close()
        return self.measured

    def close(self) -> None:
        """Close what is open."""
        for client in list(self._work.open.values()):
            client.drop()
        self._work.poller.close()

    def _begin(self) -> None:
        rate = self._settings.rate
        self._begun = clock()
        self._seen = 0, 0, self._begun
        if rate is not None:
            self._total = max(1, math.floor(rate * self._settings.duration))
        for client in self._clients:
            client.begin(*self._due(client))

    def _due(self, client: Client) -> tuple[float, float]:
        """When a client's first message is due, and the time from one to the next: 0 without a rate."""
        rate = self._settings.rate
        if rate is None:
            return self._begun, 0.0
        return self._begun + client.number / rate, len(self._clients) / rate

    def _send(self) -> None:
        """Until the time is up, or nobody is there any more."""
        settings, work = self._settings, self._work
        poller, clients = work.poller, work.open
        interval = min(LONGEST, max(SHORTEST, settings.duration / MOMENTS))
        over, moment = self._begun + settings.duration, self._begun + interval
        rate = settings.rate
        while clients and not self._stop.asked:
            now = clock()
            if now >= moment:
                self._look(now)
                moment = now + interval
            if now >= over:
                return
            if rate is None:
                events = poller.poll(min(moment, over) - now)
            else:
                self._deal(now, rate)
                until = min(moment, over, self._begun + self._dealt / rate)
                events = poller.poll_precisely(max(0.0, until - clock()))
            for descriptor, event in events:
                clients[descriptor].ready(event)

    def _deal(self, now: float, rate: float) -> None:
        """Give the messages that have become due to the clients in turn."""
        count = len(self._clients)
        due = min(int((now - self._begun) * rate) + 1, self._total)
        for place in range(self._dealt, min(due, self._dealt + count)):
            client = self._clients[place % count]
            client.limit = self._share(client, due)
            if client.open:
                client.fill(now)
        self._dealt = due

    def _share(self, client: Client, due: int) -> int:
        """How many of the first so many messages are this client's."""
        return (due - 1 - client.number) // len(self._clients) + 1

    def _wait_for_the_rest(self) -> None:
        settings, work, measured = self._settings, self._work, self.measured
        measured.interrupted = self._stop.asked > 0
        now = clock()
        if settings.rate is not None and not measured.interrupted:  # where nobody is left, it is not over yet
            self._deal(min(now, self._begun + settings.duration), settings.rate)
        for client in list(work.open.values()):
            client.end(now)
        over = now + (HURRY if measured.interrupted else settings.timeout + AFTER * settings.duration)
        moment = now + SHORTEST
        while work.open and self._stop.asked < 2 and (now := clock()) < over:
            if now >= moment:
                self._look(now)
                moment = now + SHORTEST
            for descriptor, event in work.poller.poll(min(moment, over) - now):
                work.open[descriptor].ready(event)

    def _look(self, now: float) -> None:
        """A moment is over: what was in it? And is there a client that waits too long?"""
        measured, work = self.measured, self._work
        count = sum(each.answered if measured.echo else each.sent for each in self._clients)
        size = sum(each.bytes_back for each in self._clients)
        before, size_before, then = self._seen
        self._seen = count, size, now
        median, p99, longest = self._gather()
        moment = Moment(
            now - self._begun, now - then, count - before, size - size_before, median, p99, longest
        )
        if measured.moments and moment.seconds < SHORTEST / 2:
            measured.moments[-1] = measured.moments[-1].with_(moment)
        else:
            measured.moments.append(moment)
        for client in list(work.open.values()):
            client.check(now)
        self._told(now - self._begun, moment, measured)

    def _gather(self) -> tuple[float | None, float | None, float | None]:
        """Take the times since the last look; return their median, 99th percentile, maximum, in seconds."""
        took = self._work.took
        if not took:
            return None, None, None
        self.measured.latencies.add(took)
        late = self._settings.late * 1e6
        times = sorted(took)
        total, passed = sum(took.values()), 0
        found: list[float] = []
        for each in times:
            passed += took[each]
            while len(found) < 2 and passed >= total * (0.5, 0.99)[len(found)]:
                found.append(each / 1e6)
        self.measured.late += sum(took[each] for each in times if each > late)
        took.clear()
        return found[0], found[1], times[-1] / 1e6

    def _settle(self, now: float) -> None:
        """Account for every message."""
        measured, clients = self.measured, self._clients
        at_a_rate = self._settings.rate is not None
        counted = [each for each in clients if measured.echo or each.taken]
        measured.sent = sum(each.sent for each in clients)
        measured.due = self._dealt if at_a_rate else measured.sent
        measured.messages = sum(each.answered if measured.echo else each.sent for each in counted)
        measured.size = sum(each.bytes_back for each in counted)
        measured.elapsed = now - self._begun
        heard = [each.heard for each in counted if each.sent]
        measured.seconds = max(heard) - self._begun if measured.messages else measured.elapsed
        if measured.echo:
            measured.late += measured.due - measured.messages
            if self._settings.format != "udp":  # datagrams were given up one by one
                self._work.errors.add(Kind.NO_ANSWER, "", measured.sent - measured.messages)
        self._work.errors.add(Kind.NOT_SENT, "", measured.due - measured.sent)
        self._look(now)
        if at_a_rate and measured.echo:
            for client in clients:
                self._count_waits(client, now)

    def _count_waits(self, client: Client, now: float) -> None:
        """At a fixed rate, those that were never answered have waited until now: so long at least. Many are
        counted as a few that stand for them.
        """
        due, step = self._due(client)
        share = self._share(client, self._dealt)
        first = client.answered
        waits: Counter[int] = Counter()
        if self._settings.format == "udp":  # it is not known which, but how long each was waited for
            waits[int(self._settings.timeout * 1e6)] += client.sent - client.answered
            first = client.sent
        stride = max(1, (share - first) // SAMPLES)
        for number in range(first, share, stride):
            waits[max(0, int((now - due - number * step) * 1e6))] += min(stride, share - number)
        self.measured.latencies.add(+waits)
