"""CorkedReactor and Twisted's EPollReactor, under Hypothesis: whatever is done, it comes to the same.

A *script* is what a server and its client do, step by step. It is played on both reactors, and must come to
the same: the bytes that the client gets, how its connection ends, the bytes that the server gets, and what it
is told. All of that is known without either reactor, too: a script says what it writes.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from netlab.protocols.resets import tell_resets
from tests.reactors.byhand import HAS_EPOLL, NO_EPOLL, Corked, HalfCloseable, Recorded
from tests.reactors.producers import Producer, Pulling, Pushing
from tests.support import reset
from tests.wire import bounded

if not HAS_EPOLL:
    skip = NO_EPOLL

TEXT = random.Random(7).randbytes(1 << 20)
"""What servers write, from its beginning on: bytes that show where they have come from."""


@dataclass(frozen=True)
class Write:
    """Write so many bytes, in pieces of these sizes: with write(), or writeSequence(), or a producer."""

    sizes: tuple[int, ...]
    way: str


@dataclass(frozen=True)
class Call:
    """Call a method of the transport's."""

    method: str


@dataclass(frozen=True)
class Step:
    """What happens one after another; then everybody has time to see it.

    does: by the server. A producer's pieces are awaited: what comes next in the script comes after them.
    place: where the server does its part: in its dataReceived(), in another connection's, or in a timer.
    reads: bytes that the client reads then, at most.
    sends: bytes that the client sends then.
    """

    place: str
    does: tuple[Write | Call, ...]
    reads: int
    sends: int


@dataclass(frozen=True)
class Script:
    """See the module. The last step may end the connection, or its half of it; otherwise the client does."""

    small: bool
    half_closeable: bool
    steps: tuple[Step, ...]
    client_ends: str

    @property
    def endings(self) -> set[str]:
        """How the server ends it."""
        return {
            each.method
            for step in self.steps
            for each in step.does
            if isinstance(each, Call) and each.method not in PAUSES
        }


PAUSES = ("pauseProducing", "resumeProducing")

MORE = TEXT[:1000]
"""What the server writes when its half-closeable client has ended its own half."""

sizes = st.one_of(
    st.integers(0, 100),
    st.sampled_from((65_535, 65_536, 65_537, 70_000, 131_072, 131_073)),
    st.integers(1_000, 150_000),
)
plain_writes = st.builds(
    Write, st.lists(sizes, min_size=1, max_size=4).map(tuple), st.sampled_from(("write", "writeSequence"))
)
producers = st.builds(
    Write, st.lists(sizes, min_size=1, max_size=9).map(tuple), st.sampled_from(("push", "pull"))
)
writes = st.one_of(plain_writes, plain_writes, producers)
pauses = st.builds(Call, st.sampled_from(PAUSES))
endings = st.builds(Call, st.sampled_from(("loseConnection", "loseWriteConnection", "abortConnection")))
places = st.sampled_from(("dataReceived", "another", "timer"))
reads = st.one_of(st.just(len(TEXT)), st.just(0), st.integers(1, 50_000))
sends = st.one_of(st.just(0), st.integers(0, 1_000))


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """Any script."""
    doing = st.lists(st.one_of(writes, pauses), max_size=4).map(tuple)
    steps = draw(st.lists(st.builds(Step, places, doing, reads, sends), max_size=5))
    if draw(st.booleans()):
        before = draw(st.lists(writes, max_size=3))
        after = draw(st.lists(st.one_of(plain_writes, endings), max_size=2))
        steps.append(Step(draw(places), (*before, draw(endings), *after), draw(reads), 0))
    ends = draw(st.sampled_from(("FIN", "half", "reset")))
    return Script(draw(st.booleans()), draw(st.booleans()), tuple(steps), ends)


class Playing:
    """A server's part of a script: what it has still to do, in its order."""

    def __init__(self, protocol: Recorded) -> None:
        self.protocol = protocol
        self.left: list[Write | Call] = []
        self.begun: list[Write | Call] = []  # a step's, until its place is reached
        self.written = 0
        self.paused = False
        self._producing = False

    def begin(self, *ignored: object) -> None:
        """A step's place is reached."""
        for each in self.begun:
            if isinstance(each, Call) and each.method in PAUSES:
                self.pause(each.method == "pauseProducing")
            else:
                self.left.append(each)
        self.begun.clear()
        if not self._producing:
            self.go_on()

    def pause(self, paused: bool) -> None:
        """Read, or do not."""
        self.paused = paused
        getattr(self.protocol.transport, "pauseProducing" if paused else "resumeProducing")()

    def go_on(self) -> None:
        """Do what is left, up to the end of a producer's that has begun."""
        self._producing = False
        while self.left and not self._producing:
            each = self.left.pop(0)
            if isinstance(each, Call):
                getattr(self.protocol.transport, each.method)()
            else:
                self.write(each)

    def write(self, what: Write) -> None:
        """The next bytes of the text."""
        transport = self.protocol.transport
        pieces = []
        for size in what.sizes:
            pieces.append(TEXT[self.written : self.written + size])
            self.written += len(pieces[-1])
        if what.way == "write":
            for piece in pieces:
                transport.write(piece)
        elif what.way == "writeSequence":
            transport.writeSequence(pieces)
        else:
            kind: type[Producer] = Pushing if what.way == "push" else Pulling
            producer = kind(transport, [piece for piece in pieces if piece])  # one that writes nothing waits
            producer.at_its_end = self.go_on
            self._producing = True
            producer.start()


class TellsResets(Recorded):
    """Twisted's epoll reactor tells them with this only."""

    def connectionMade(self) -> None:
        """See netlab.protocols.resets."""
        tell_resets(self.transport)


class HalfCloseableTellsResets(TellsResets, HalfCloseable):
    """The same, half-closeable."""


@dataclass(frozen=True)
class Outcome:
    """What has come of a script. reset: whether the client's stream has ended with a reset."""

    ends: tuple[str, ...]
    length: int
    right: bool
    reset: bool
    received: bytes


class Alike(Corked):
    def setUp(self) -> None:
        """Both reactors."""
        from twisted.internet.epollreactor import EPollReactor

        super().setUp()
        self.reactors = [self.reactor, EPollReactor()]

    def tearDown(self) -> None:
        """Both are closed."""
        for reactor in self.reactors:
            with self.on(reactor):
                super().tearDown()

    @contextmanager
    def on(self, reactor: Any) -> Iterator[None]:
        """With that reactor for the other methods."""
        before, self.reactor = self.reactor, reactor
        try:
            yield
        finally:
            self.reactor = before

    @bounded
    @given(scripts())
    def test_any_script_comes_to_the_same(self, script: Script) -> None:
        outcomes = []
        for reactor in self.reactors:
            with self.on(reactor):
                outcomes.append(self.play(script))
        for outcome in outcomes:
            self.assertEqual(outcome.ends, self.expected_ends(script))
            self.assertTrue(outcome.right, "other bytes than were written, or in another order")
            self.assertEqual(outcome.reset, "abortConnection" in script.endings)
        corked, twisteds = outcomes
        self.assertEqual(corked.received, twisteds.received)
        if not corked.reset:
            self.assertEqual(corked.length, twisteds.length)

    def expected_ends(self, script: Script) -> tuple[str, ...]:
        """What the server is told of ends."""
        if "abortConnection" in script.endings:
            return ("ConnectionAborted",)
        if "loseConnection" in script.endings:
            return ("ConnectionDone",)
        ours = ("write",) if script.endings and script.half_closeable else ()
        if script.client_ends == "reset":
            return (*ours, "ConnectionLost")
        return (*ours, *(("read",) if script.half_closeable else ()), "ConnectionDone")

    def play(self, script: Script) -> Outcome:
        """Play it on the reactor that there is."""
        protocol = HalfCloseableTellsResets() if script.half_closeable else TellsResets()
        client = self.serve(protocol, small=script.small)
        playing = Playing(protocol)
        another = Recorded(playing.begin)
        others = self.serve(another)
        protocol.doing = lambda protocol, data: playing.begin()
        got, sent = bytearray(), bytearray()
        resets: list[bool] = []

        def send(data: bytes) -> None:
            client.send(data)
            sent.extend(data)

        def all_received() -> bool:
            return len(protocol.received) == len(sent)

        def read(most: int = len(TEXT)) -> bool:
            """Read all that is there, or so much of it. Whether it was the end."""
            try:
                while most and (piece := client.recv(most)):
                    got.extend(piece)
                    most -= len(piece)
                return most > 0
            except BlockingIOError:
                return False
            except ConnectionResetError:
                resets.append(True)
                return True

        for step in script.steps:
            if any(isinstance(each, Call) and each.method not in PAUSES for each in step.does):
                playing.pause(False)  # what is unread at its end would make a reset of it
                self.until(all_received, "the server reads")
            playing.begun += step.does
            if step.place == "another":
                others.send(b"?")
            elif step.place == "timer" or playing.paused:
                self.soon(playing.begin)
            else:
                send(b"?")
            self.turn(3)
            if step.sends:
                send(TEXT[: step.sends])
                self.turn(2)
            read(step.reads)
        if script.endings:
            self.until(read, "the stream ends")
        else:
            if not protocol.ends:
                playing.pause(False)
            self.until(lambda: read() or (not playing.left and len(got) >= playing.written), "all comes")
            self.until(all_received, "the server reads")
        written = playing.written
        if not {"loseConnection", "abortConnection"} & script.endings:
            if script.client_ends == "FIN":
                client.close()
            elif script.client_ends == "reset":
                reset(client)
            else:
                client.shutdown(socket.SHUT_WR)
            self.until(lambda: set(protocol.ends) - {"write"}, "the server is told")
            if protocol.ends[-1] == "read":
                if not script.endings and script.client_ends == "half":
                    protocol.transport.write(MORE)
                    written += len(MORE)
                protocol.transport.loseConnection()
            if script.client_ends == "half":
                self.until(read, "the stream ends")
        self.until(lambda: protocol.ends and protocol.ends[-1].startswith("Connection"), "it is lost")
        self.turn(2)
        client.close()
        others.close()
        self.until_lost(another)
        text = TEXT[: playing.written] + MORE
        return Outcome(
            tuple(protocol.ends),
            len(got),
            got == text[: len(got)] and (len(got) == written or bool(resets)),
            bool(resets),
            bytes(protocol.received),
        )
