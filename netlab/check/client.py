"""The client that is judged, as a case sees it: the checker is its server, and types its lines."""

from __future__ import annotations

import contextlib
import re
import select
import shlex
import socket
import time
from collections.abc import Callable, Sequence

from netlab import PORT
from netlab.check import kernel
from netlab.check.connection import MAX_DATAGRAM, SURPLUS, TICK, Connection
from netlab.check.evidence import Evidence, Exchange, Fact
from netlab.check.findings import Closing, Verdict
from netlab.check.formats import HEADER_LENGTH, TEXT_LENGTH, fixed, variable
from netlab.check.judged import Judged, fail, timeout
from netlab.check.output import complaint
from netlab.check.programs import CannotStart, Limits, Program
from netlab.check.waiting import ANSWER, GAP, QUIET, START, Patience
from netlab.wire.text import REPLY_PREFIX, printable

HOST = "127.0.0.1"
"""Where clients of a laboratory look for their server: on this machine."""

PLACEHOLDER = "{port}"
"""What stands in a client's command for the port at which the checker listens."""

RESTED = 0.5
"""Seconds that a program gets to come to rest before it is answered: one that polls never does."""

ABSENCES = 2
"""How often in a row the program may take all of START and not come. After that no disk is cold any more: it
waits for something else, and gets ANSWER, lest a client that never connects take minutes.
"""

ENDED = 2 * START
"""Seconds that a program gets to end when its input has: it may wait for an echo first, with a deadline."""

BACKLOG = 16
"""Connections that may wait: who opens one for each message is to be seen doing so."""

SURPLUS_DATAGRAMS = 1_000
"""Datagrams that may come beside what is expected: who sends more than that will not stop."""


class Mailbox:
    """The checker's datagram socket, to which the program sends, and from which it is answered."""

    def __init__(self, ours: socket.socket, patience: Patience, exchange: Exchange) -> None:
        self.socket = ours
        self.exchange = exchange
        self.sender: tuple[str, int] | None = None
        """Where the latest datagram came from."""
        self._patience = patience
        ours.setblocking(False)

    def take(self, count: int, seconds: float = ANSWER) -> list[bytes]:
        """Read until so many datagrams have come, or none comes for the time; return all that ever came."""
        over = self._patience.over(seconds)
        while len(self.exchange.received) < count:
            last = over()
            if select.select([self.socket], [], [], 0 if last else TICK)[0]:
                with contextlib.suppress(OSError):  # ICMP: who was answered has gone
                    data, self.sender = self.socket.recvfrom(MAX_DATAGRAM)
                    self.exchange.received.append(data)
                    over = self._patience.over(seconds)
            elif last:
                self.exchange.settled = True
                break
        return self.exchange.received

    def settle(self) -> list[bytes]:
        """Read what else comes, until nothing does; return all that ever came."""
        return self.take(len(self.exchange.received) + SURPLUS_DATAGRAMS, QUIET)

    def expect(self, wanted: Sequence[bytes], what: str) -> None:
        """Read so many datagrams as are wanted, and see that these are they, one for one."""
        got = self.take(len(wanted))
        if got == wanted:
            return
        if got != wanted[: len(got)]:
            self.settle()
            raise fail(f"a datagram that came is not {what}", f"{what}, and nothing else in the datagram")
        if len(got) > len(wanted):
            self.settle()
            raise fail(f"{len(got)} datagrams came for {len(wanted)} lines", "one datagram for each line")
        raise timeout(f"{len(got)} of {len(wanted)} datagrams came in time", "one datagram for each line")

    def send(self, *datagrams: bytes) -> None:
        """Send datagrams to whom the latest came from."""
        assert self.sender is not None
        for datagram in datagrams:
            self.exchange.sent.append(datagram)
            with contextlib.suppress(OSError):  # ICMP: it has gone
                self.socket.sendto(datagram, self.sender)

    def drop(self) -> None:
        """Close the socket."""
        self.socket.close()


class Client:
    """A client that is judged.

    variant: udp, tcp, v2 or v3. echo: does it wait for echoes (text clients always do)? layout: guide or
    scripts. start: starts the program, with a pipe for its input, and returns it; it is called in each case.
    port: where it looks for its server, the guide's unless told otherwise; 0: any that is free, and the same
    for all cases. evidence: what the case that runs has seen so far.
    """

    def __init__(
        self,
        variant: str,
        echo: bool = True,
        layout: str = "guide",
        patience: Patience | None = None,
        start: Callable[[Limits], Program] | None = None,
        port: int | None = None,
    ) -> None:
        self.variant = variant
        self.port = PORT if port is None else port
        self.echo = echo or variant == "tcp"
        self.layout = layout
        self.patience = patience or Patience()
        self.program: Program | None = None
        self.start = start
        self.evidence = Evidence("", True)
        self.exchange = Exchange()
        self.lines: list[str] = []
        """The lines that it has to send, in their order."""
        self._server: socket.socket | None = None
        self._peer: Connection | Mailbox | None = None
        self._mark: int | None = None
        self._shown = ""
        self._familiar: set[str] = set()
        self._answered = 0  # pieces that were sent before the latest reply
        self._absences = 0
        self._came = False  # has it ever, in any case?

    def command(self, words: Sequence[str]) -> list[str]:
        """The words of a command, with the real port for each `{port}`: to be called by `start`."""
        return [word.replace(PLACEHOLDER, str(self.port)) for word in words]

    # What is typed.

    def type(self, *lines: str) -> None:
        """Type these lines. The program is started with the first."""
        program = self._running()
        self._keep()
        for line in lines:
            assert self.exchange.typed is not None
            self.exchange.typed.append(line)
            self.lines.append(line)
            program.feed(line + "\n")

    def end_input(self) -> None:
        """Let its input end: Ctrl-D. Who is gone by then has not ended because of it."""
        program = self._running()
        self.exchange.input_ended = program.alive
        program.end_input()

    def say(self, *lines: str) -> None:
        """Type each line, see that it is sent, and answer it in one piece."""
        for line in lines:
            self.type(line)
            self.hear()
            if self.echo:
                self.reply(self.answer())

    # What comes of it.

    @property
    def connection(self) -> Connection:
        """Its connection: it is waited for. Raises Judged where it does not come."""
        if not isinstance(self._peer, Connection):
            ours, theirs = self._accept()
            self._peer = Connection(ours, theirs, self.patience)
            self._peer.exchange = self.exchange
        return self._peer

    @property
    def mailbox(self) -> Mailbox:
        """Where its datagrams arrive."""
        assert isinstance(self._peer, Mailbox)
        return self._peer

    def hear(self) -> None:
        """See that the bytes of all lines that were typed have come, and no others.

        Any order will do in a frame: one case asks for the right ones, the others for the rest.
        """
        if self.variant == "udp":
            if not self.exchange.received:
                self._wait_for("sent a datagram")
            self.mailbox.expect([line.encode() for line in self.lines], "the text that was typed")
            return
        came = self.connection
        came.take(lambda got: len(got) >= len(wanted := self.wanted(got)) or not wanted.startswith(got))
        try:
            came.expect(self.wanted(self.exchange.stream), self._what())
        except Judged as judged:
            self._see_whether_it_comes_again()
            if self._difference():
                raise fail(self._difference(), judged.expected) from None
            if came.ended:
                self.rest()  # what it raised may be written when its connection is closed
                raise Judged(judged.verdict, judged.summary + self._why(), judged.expected) from None
            raise

    def _what(self) -> str:
        """What is to come, for people."""
        frame = "text" if self.variant == "tcp" else "frame"
        if len(self.lines) == 1:
            return f"the {frame} of the line"
        return f"the {frame}{'s' * (frame == 'frame')} of the {len(self.lines)} lines"

    def _difference(self) -> str:
        """Where a frame differs from what it should be, by its fields; nothing where none does."""
        got, at = self.exchange.stream, 0
        if self.variant == "tcp":
            return ""
        names = ("size", "order") if self._size_first else ("order", "size")
        for number, frame in enumerate(self.frames(got), 1):
            came = got[at : at + len(frame)]
            for name, begin in (("version", 0), (names[0], 1), (names[1], 5)):
                end = begin + (1 if name == "version" else 4)
                if came[begin:end] != frame[begin : min(end, len(came))]:
                    numbers = (int.from_bytes(each[begin:end], "big") for each in (came, frame))
                    return "frame {}: {} is {:,}, and should be {:,}".format(number, name, *numbers)
            if came != frame[: len(came)]:
                first = next(i for i, byte in enumerate(came) if byte != frame[i])
                return f"frame {number}: the text differs at its byte {first - HEADER_LENGTH}"
            at += len(frame)
        return ""

    def expect_no_more(self) -> None:
        """See that nothing more comes, for a moment."""
        before = len(self.exchange.received)
        self._settle()
        if len(self.exchange.received) > before:
            raise fail("more came than the line that was typed", "the bytes of the line, and nothing behind")

    def _settle(self) -> None:
        (self.mailbox if self.variant == "udp" else self.connection).settle()

    def frames(self, got: bytes) -> list[bytes]:
        """The frames of the lines (or the texts), with the orders that stand in these bytes."""
        made: list[bytes] = []
        at = 0
        for number, line in enumerate(self.lines, 1):
            came = got[at + 5 : at + 9] if self._size_first else got[at + 1 : at + 5]
            order = int.from_bytes(came, "big") if len(came) == 4 else number
            if self.variant == "v2":
                made.append(fixed(order, line))
            elif self.variant == "v3":
                made.append(variable(self.layout, order, line))
            else:
                made.append(line.encode())
            at += len(made[-1])
        return made

    def wanted(self, got: bytes) -> bytes:
        """What is to come over the connection in all."""
        return b"".join(self.frames(got))

    def orders(self) -> list[int]:
        """The orders that came."""
        at = 5 if self._size_first else 1
        return [int.from_bytes(each[at : at + 4], "big") for each in self.frames(self.exchange.stream)]

    @property
    def _size_first(self) -> bool:
        return self.variant == "v3" and self.layout == "scripts"

    # How it is answered.

    def answer(self, number: int = -1) -> bytes:
        """The right answer to a line that has come, the latest unless told otherwise."""
        if self.variant == "udp":
            return self.exchange.received[number]
        return (REPLY_PREFIX if self.variant == "tcp" else b"") + self.frames(self.exchange.stream)[number]

    def reply(self, *pieces: bytes) -> None:
        """Send this, in these pieces, when the program has come to rest: what it prints from now on is what
        it makes of it.
        """
        self.rest()
        self._keep()
        self._mark = self._running().stdout.mark()
        self._answered = len(self.exchange.sent)
        peer = self.mailbox if self.variant == "udp" else self.connection
        peer.send(*pieces)

    def shows(self, text: str, *parts: str) -> None:
        """See that the reply was taken: its text is printed, whole or in these parts."""
        program = self._running()
        over = self.patience.over(ANSWER)
        while True:
            last = over() or not program.alive
            shown = self.shown
            if text in shown or (parts and _in_this_order(parts, shown)):
                break
            if last:
                self.evidence.texts.append(text)
                self._settle()
                raise self._not_shown(text)
            program.stdout.wait_for(text, TICK, self._mark or 0)
        self.evidence.facts.setdefault(Fact.AT_END, False)
        if text in shown:
            self.evidence.texts.append(text)

    def _not_shown(self, text: str) -> Judged:
        what, expected = _quoted(text), f"{_quoted(text)} is printed when its echo has come"
        if not self._running().alive:
            return fail(f"the program ended{self._why()}, and has not printed the echo {what}", expected)
        shown = self.shown
        if self.variant == "tcp" and _piece_by_piece(text, self.exchange.sent[self._answered :], shown):
            summary = f"the echo {what} is printed in pieces, each as if it were all"
            return Judged(Verdict.LOOSE, summary, f"{what} is printed when all of it has come")
        if not self._listens() and self._shows_at_the_end(text):
            self.evidence.facts[Fact.AT_END] = self.exchange.heard = True
            return timeout(f"the echo {what} was printed only when the input had ended", expected)
        instead = f"; what was printed is {_quoted(shown)}" if shown.strip() else ""
        return timeout(f"the echo {what} came, and was not printed in time{instead}", expected)

    def _listens(self) -> bool | None:
        """Has the program read anything of the replies? None where that cannot be seen."""
        if self.variant != "udp" and self.exchange.sent:
            unread = self.connection.unread()
            self.exchange.heard = None if unread is None else unread < sum(map(len, self.exchange.sent))
        return self.exchange.heard

    def _shows_at_the_end(self, text: str) -> bool:
        """Is it printed when the input ends?"""
        self.end_input()
        program, over = self._running(), self.patience.over(ANSWER)
        while program.alive and not over() and text not in self.shown:
            time.sleep(TICK)
        return text in self.shown

    @property
    def shown(self) -> str:
        """What the program has printed since the latest reply."""
        return self.program.stdout.since(self._mark) if self.program and self._mark is not None else ""

    def shape(self) -> str:
        """The same, without what differs from one message to the next: its text, and all numbers."""
        return re.sub(r"\d+", "0", self.shown.replace(self.lines[-1], "")).strip()

    def learn(self) -> None:
        """Learn its words when it has come to rest: what else it says from now on is news."""
        self.rest()
        self._familiar = self._words()

    def tells(self) -> bool:
        """Has it said more than before, in other words than those that were typed?"""
        return bool(self._words() - self._familiar)

    def _words(self) -> set[str]:
        """What it has printed, without the lines that it was given; all numbers are the same."""
        text = self._running().stdout.text
        for line in sorted(self.lines, key=len, reverse=True):
            text = text.replace(line, " ")
        return set(re.sub(r"\d+", "0", text).split())

    def complains(self) -> bool:
        """Has it written to standard error, or ended with a status that says that not all was well?"""
        program = self._running()
        return bool(program.stderr.text.strip()) or program.status not in (None, 0)

    def stranger(self, datagram: bytes) -> None:
        """Send a datagram to where the latest came from, from another port than it was sent to."""
        assert self.mailbox.sender is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(datagram, self.mailbox.sender)

    # How it ends.

    @property
    def running(self) -> bool:
        """Does the program run?"""
        return self._running().alive

    def ends(self) -> int:
        """End its input, and see that it ends and closes its connection; return its exit status."""
        program = self._running()
        self.end_input()
        # Not longer for one that is at work: who is that now may be at work for ever.
        deadline = time.monotonic() + ENDED * self.patience.factor
        while program.alive:
            last = time.monotonic() > deadline
            self._drain()
            if last and program.alive:
                if self.variant != "udp":
                    self.exchange.closing = self.exchange.closing or Closing.OPEN
                raise timeout("it did not end in time after its input had ended", "it ends by itself")
        self._drain()
        assert program.status is not None
        return program.status

    def _drain(self) -> None:
        """Read what comes at the end, and let the program see that the checker has closed, too."""
        if isinstance(self._peer, Mailbox):
            self._peer.take(len(self.exchange.received) + SURPLUS_DATAGRAMS, TICK)
            if len(self.exchange.received) > len(self.lines) + SURPLUS_DATAGRAMS:
                raise fail("it sends on and on after its input has ended", "it ends by itself")
        elif self._peer is None or self._peer.socket.fileno() < 0:
            time.sleep(TICK)
        elif not self._peer.ended:
            before = len(self.exchange.stream)
            self._peer.take(lambda _: False, TICK)
            if len(self.exchange.stream) > before + SURPLUS:
                self.exchange.closing = Closing.OPEN
                raise fail("it sends on and on after its input has ended", "it ends by itself")
        elif not self.exchange.finished:
            self._peer.finish()
        else:
            time.sleep(TICK)

    # The program.

    def rest(self) -> None:
        """Wait until the program has nothing more to do, as far as that can be seen."""
        program = self._running()
        deadline = time.monotonic() + RESTED * self.patience.factor
        while (resting := program.resting()) is not True:
            if resting is None:
                time.sleep(GAP * self.patience.factor)
                return
            if time.monotonic() > deadline:
                return

    rested = rest

    @property
    def printed(self) -> str:
        """What the program has printed of all replies since the case began."""
        return self._shown + self.shown

    def errors(self) -> list[str]:
        """The exceptions that it has written, but for that of an input that has ended."""
        return [each for each in self._all_errors() if not each.startswith("EOFError")]

    def stumbles(self) -> bool:
        """Has it not expected that its input ends?"""
        return len(self._all_errors()) > len(self.errors())

    def _all_errors(self) -> list[str]:
        return self.program.errors() if self.program else []

    @property
    def silent(self) -> bool:
        """Has it written nothing at all?"""
        program = self._running()
        return not (program.stdout.text + program.stderr.text).strip()

    def memory(self) -> int | None:
        """The bytes of memory that it has, where that is known."""
        return kernel.memory(self._running().pids)

    def complaints(self, most: int) -> list[str]:
        """The last lines that it has written to standard error."""
        return complaint(self.program.stderr.text if self.program else "", most)

    def begin(self, evidence: Evidence) -> None:
        """Begin a case: listen. The program is started with the first line. Raises CannotStart."""
        self.leave()
        self.program = None
        self.evidence = evidence
        self.exchange = Exchange(datagrams=self.variant == "udp", typed=[])
        evidence.exchanges.append(self.exchange)
        self.lines = []
        self._mark, self._shown = None, ""
        self._familiar = set()
        self._server = self._bound()
        if self.variant == "udp":
            self._peer = Mailbox(self._server, self.patience, self.exchange)
        else:
            self._server.listen(BACKLOG)

    def refuse(self) -> None:
        """Listen no more. A port of TCP stays taken, so that nobody else is found there."""
        self.exchange.refused = True
        self.leave()
        if self.variant != "udp":
            self._server = self._bound()

    def close_down(self) -> None:
        """Take no further connection: the server has gone for good."""
        if self._server is not None:
            self._server.close()
        self._server = None

    def end(self) -> None:
        """End the program."""
        if self.program is not None:
            self.program.end()

    def leave(self) -> None:
        """Be done with all sockets of the case. What the program says of that is no evidence any more."""
        if self._peer is not None:
            self._peer.drop()
        if self._server is not None:
            self._server.close()
        self._peer = self._server = None

    # How it is done.

    def _running(self) -> Program:
        if self.program is None:
            assert self.start is not None
            program = self.program = self.start(Limits())
            self.patience.watch(program)
        return self.program

    def _bound(self) -> socket.socket:
        ours = socket.socket(
            socket.AF_INET, socket.SOCK_DGRAM if self.variant == "udp" else socket.SOCK_STREAM
        )
        try:
            if self.variant != "udp" and not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
                ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            ours.bind((HOST, self.port))
        except OSError as error:
            ours.close()
            what = "UDP" if self.variant == "udp" else "TCP"
            raise CannotStart(
                f"{what} port {self.port}, where the client is to find the checker, cannot be had: "
                f"{error.strerror or error}; end the program that has it"
            ) from None
        self.port = ours.getsockname()[1]
        return ours

    def _accept(self) -> tuple[socket.socket, tuple[str, int]]:
        self._wait_for("connected")
        assert self._server is not None
        ours, theirs = self._server.accept()
        return ours, theirs[:2]

    def _wait_for(self, what: str) -> None:
        """Wait until it has connected, or sent its first datagram."""
        program, server = self._running(), self._server
        assert server is not None
        over = self.patience.over(START if self._absences < ABSENCES else ANSWER)
        while True:
            last = over() or not program.alive
            if select.select([server], [], [], 0 if last else TICK)[0]:
                self._absences, self._came = 0, True
                return
            if last:
                break
        self.exchange.settled = True
        expected = f"what was typed is sent to {HOST}:{self.port}"
        if not program.alive:
            if not self._came and self._wants_arguments():
                raise CannotStart(
                    f"it ended at once{self._why()}: it may want arguments, such as "
                    f"`-- {shlex.join(program.command)} {HOST} {PLACEHOLDER}`"
                )
            raise fail(f"the program ended before it {what}{self._why()}", expected)
        self._absences += 1
        raise timeout(f"the program has not {what} in time", expected)

    def _wants_arguments(self) -> bool:
        """Does it look as if it ended because of its command line?"""
        program = self._running()
        if not program.status or any(str(self.port) in word for word in program.command):
            return False
        said = program.stderr.text + program.stdout.text
        missing = "sys.argv" in said and (program.last_error() or "").startswith(("IndexError", "ValueError"))
        return missing or re.search(r"^usage\b", said, re.IGNORECASE | re.MULTILINE) is not None

    def _see_whether_it_comes_again(self) -> None:
        """Has it opened another connection for the next message?"""
        program, listener = self._running(), self._server
        assert listener is not None
        over = self.patience.over(ANSWER if self.connection.ended and len(self.lines) > 1 else 0)
        while True:
            last = over() or not program.alive
            if select.select([listener], [], [], 0 if last else TICK)[0]:
                self.evidence.facts[Fact.RECONNECTS] = True
                raise fail("each message comes on a connection of its own", "one connection for all messages")
            if last:
                return

    def _why(self) -> str:
        """Why the program ended, as far as that is known."""
        program = self._running()
        why = program.last_error() or (f"exit status {program.status}" if program.status else "")
        return f" ({printable(why)})" if why else ""

    def _keep(self) -> None:
        """Keep what was printed of the latest reply."""
        self._shown += self.shown
        self._mark = None


def _quoted(text: str) -> str:
    """The beginning of a text, for people."""
    text = text.strip("\n")
    return f"{printable(text[:TEXT_LENGTH])!r}{'...' if len(text) > TEXT_LENGTH else ''}"


def _piece_by_piece(text: str, pieces: Sequence[bytes], shown: str) -> bool:
    """Is each piece printed on a line of its own? Of a long text it is not known where the pieces ended."""
    lines = iter(shown.splitlines())
    found = [any(piece.decode(errors="ignore").strip() in line for line in lines) for piece in pieces]
    return text in shown.replace("\n", "") or (len(found) > 1 and all(found))


def _in_this_order(parts: Sequence[str], shown: str) -> bool:
    at = 0
    for part in parts:
        found = shown.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return True
