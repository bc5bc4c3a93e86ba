"""The server that is judged, as a case sees it: whom to connect to, what to send, what must come back."""

from __future__ import annotations

import re
import select
import socket
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from netlab.check.connection import TICK, Connection, DatagramSocket
from netlab.check.evidence import Evidence, Fact
from netlab.check.findings import Verdict
from netlab.check.formats import TEXT_LENGTH, fixed, variable
from netlab.check.judged import Judged, fail, timeout, unseen
from netlab.check.output import complaint
from netlab.check.programs import Limits, Program
from netlab.check.waiting import ANSWER, QUIET, START, Patience
from netlab.wire.text import REPLY_PREFIX

PACE = 0.003
"""Seconds between two of many connections: without, a short queue of the system's would be what is judged."""

SHOWN = 30
"""Characters of a text that a summary shows."""

LONG = 1 << 16
"""Bytes of a text that is only looked at when most of it has come back."""

NARROW = 1 << 16
"""Bytes of room at the checker's end of a connection that is to fill up."""


class Message(NamedTuple):
    """One message: its bytes as they are sent, and the text that is to be printed."""

    data: bytes
    text: str


class Server:
    """A server that is judged.

    variant: udp, tcp, v2 or v3. echo: does it send messages back (text servers always do)? layout: guide or
    scripts. port: the only one that counts, of a program that is started. evidence: what the case that runs
    has seen so far.
    """

    def __init__(
        self,
        variant: str,
        address: tuple[str, int],
        echo: bool = True,
        layout: str = "guide",
        patience: Patience | None = None,
        port: int | None = None,
    ) -> None:
        self.variant = variant
        self.address = address
        self.echo = echo or variant == "tcp"
        self.layout = layout
        self.patience = patience or Patience()
        self.port = port
        self.program: Program | None = None
        self.start: Callable[[Limits], Program] | None = None
        self.evidence = Evidence("", True)
        self._open: list[Connection | DatagramSocket] = []
        self._marks = (0, 0)

    # What is sent.

    def message(
        self, text: str | bytes = "hello", order: int = 1, size: int | None = None, version: int = 1
    ) -> Message:
        """A message in the variant's format."""
        shown = text if isinstance(text, str) else ""
        if self.variant == "v2":
            cut = shown.encode()[:TEXT_LENGTH].decode(errors="ignore")
            return Message(fixed(order, text, size, version), cut)
        if self.variant == "v3":
            return Message(variable(self.layout, order, text, size, version), shown)
        return Message(text.encode() if isinstance(text, str) else text, shown)

    # With whom.

    def connect(self, narrow: bool = False) -> Connection:
        """A new connection. narrow: with little room for what comes, so that it fills up soon."""
        try:
            ours = self._connected(NARROW if narrow else 0)
        except TimeoutError:
            self.evidence.facts[Fact.FULL] = True
            raise timeout("no connection could be made in time", "a connection") from None
        except OSError as error:
            raise fail(f"no connection could be made: {error.strerror or error}", "a connection") from None
        return self._kept(ours)

    def connect_many(self, count: int, narrow: bool = False) -> list[Connection]:
        """So many connections, one behind the other, with time to accept each."""
        connections = []
        for _ in range(count):
            connections.append(self.connect(narrow))
            time.sleep(PACE)
        return connections

    def connect_at_once(self, count: int) -> list[Connection]:
        """So many connections at once: those that were made in time."""
        kind = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
        waiting = {socket.socket(kind) for _ in range(count)}
        for ours in waiting:
            ours.setblocking(False)
            ours.connect_ex(self.address)
        connections = []
        over = self.patience.over(START)
        while waiting and not over():
            for ours in select.select([], list(waiting), [], TICK)[1]:
                waiting.remove(ours)
                if ours.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    ours.close()
                else:
                    connections.append(self._kept(ours))
        for ours in waiting:
            ours.close()
        return connections

    def _kept(self, ours: socket.socket) -> Connection:
        connection = Connection(ours, self.address, self.patience)
        self.evidence.exchanges.append(connection.exchange)
        self._open.append(connection)
        return connection

    def _connected(self, room: int) -> socket.socket:
        ours = socket.socket(socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET)
        if room:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        ours.settimeout(START * self.patience.factor)
        try:
            ours.connect(self.address)
        except OSError:
            ours.close()
            raise
        return ours

    def datagrams(self) -> DatagramSocket:
        """A new datagram socket."""
        kind = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
        datagrams = DatagramSocket(socket.socket(kind, socket.SOCK_DGRAM), self.address, self.patience)
        self.evidence.exchanges.append(datagrams.exchange)
        self._open.append(datagrams)
        return datagrams

    def client(self) -> Connection | DatagramSocket:
        """A new client of this variant: a connection, or a datagram socket."""
        return self.datagrams() if self.variant == "udp" else self.connect()

    # What must come of it.

    def hear(self, client: Connection | DatagramSocket, *messages: Message) -> None:
        """See that these messages, all that this client has sent, were taken for what they are: by their
        echoes, or by what is printed. Raises Judged where they were not, or where nothing can be seen.
        """
        try:
            if not self.echo:
                self._read(client, *messages)
            elif isinstance(client, DatagramSocket):
                client.expect([message.data for message in messages])
            elif self.variant == "tcp":
                self._hear_text(client, b"".join(message.data for message in messages))
            else:
                client.expect(b"".join(message.data for message in messages), "the echo")
        except Judged as judged:
            judged.exchange = judged.exchange or client.exchange
            raise

    def _read(self, client: Connection | DatagramSocket, *messages: Message) -> None:
        """Look for the messages in what the program prints."""
        if self.program is None:
            if isinstance(client, Connection) and client.ended:
                raise fail("the connection was closed", "it stays open")
            raise unseen("without --echo, and not started by netlab: what it prints cannot be seen")
        for message in messages:
            if message.text:
                self._look_for(message.text)
        if isinstance(client, Connection):
            client.expect_nothing("a message that is only to be printed")
        elif client.settle():
            raise fail("a datagram that is only to be printed was answered", "no answer")

    def _look_for(self, text: str) -> None:
        """Wait until a text is printed, or its bytes as Python writes them."""
        assert self.program is not None
        self.evidence.texts.append(text)
        over = self.patience.over(ANSWER)
        shown = repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")
        as_bytes = repr(text.encode())[2:-1]
        while text not in self.printed:
            if as_bytes != text and as_bytes in self.printed:
                raise Judged(Verdict.LOOSE, f"{shown} was printed as bytes", "the text: decode() makes it")
            if over() and text not in self.printed:
                raise timeout(f"{shown} was not printed in time", f"{shown} is printed")
            self.program.stdout.wait_for(text, TICK, self._marks[0], lambda: True)

    def _hear_text(self, client: Connection, text: bytes) -> None:
        """The answer to a text: all of it, after `ECHO: `, in one piece or several (T3, T4). What was heard
        before of the same text is done with: each message has an answer of its own.
        """
        told, at = client.heard
        owed = text[told:]
        if len(owed) > LONG:
            client.take_bytes(at + len(REPLY_PREFIX + owed))

        def enough(stream: bytes) -> bool:
            back = without_prefixes(stream[at:])
            return back is None or len(back) >= len(owed)

        got = client.take(enough)[at:]
        if without_prefixes(got) == owed:
            client.heard = len(text), at + len(got)
            return
        expected = "`ECHO: ` and the same text (a text that is read in pieces gets one `ECHO: ` a piece)"
        if not (REPLY_PREFIX + owed).startswith(got) or client.ended:
            got = client.settle()[at:]
        back = without_prefixes(got)
        if got and back is None:
            raise fail("the answer does not begin with `ECHO: `", expected)
        if back and back.startswith(owed):
            raise fail(f"{len(back) - len(owed):,} bytes more came than the text", expected)
        if back and not owed.startswith(back):
            raise fail("the answer is not `ECHO: ` and the same text", expected)
        came = f"{len(back or b''):,} of {len(owed):,} bytes of the text came back"
        if client.ended:
            raise fail(f"{came}, then the connection was closed", expected)
        raise timeout(f"{came} in time", expected)

    def ask(self, message: Message, *pieces: bytes) -> None:
        """Have a client say this message, whole or in these pieces, and nothing else; see what comes."""
        client = self.connect()
        client.send(*(pieces or (message.data,)))
        self.hear(client, message)
        if self.echo and not pieces:  # to look for it in each piece of many would take long
            client.expect_no_more()
        client.part()

    def talk(self, client: Connection | DatagramSocket, *texts: str) -> None:
        """Send these texts, each when the one before has been heard."""
        messages: list[Message] = []
        for order, text in enumerate(texts, 1):
            messages.append(self.message(text, order))
            client.send(messages[-1].data)
            self.hear(client, *messages)

    def hear_each(
        self, clients: Sequence[Connection | DatagramSocket], said: Sequence[Sequence[Message]]
    ) -> None:
        """See that each of these clients was heard, and got nothing that another is owed.

        said: all that each has sent; their texts differ.
        """
        for client, messages in zip(clients, said, strict=True):
            try:
                self.hear(client, *messages)
            except Judged as judged:
                raise self._mixed(clients, said) or judged from None

    def _mixed(
        self, clients: Sequence[Connection | DatagramSocket], said: Sequence[Sequence[Message]]
    ) -> Judged | None:
        """What is wrong where one client got what another is owed; None where none did."""
        for client in clients:
            client.settle()
        for number, client in enumerate(clients):
            got = b"".join(client.exchange.received)
            for other, messages in enumerate(said):
                if other != number and any(message.text.encode() in got for message in messages):
                    self.evidence.facts[Fact.MIXES] = True
                    what = f"client {number + 1} was sent what client {other + 1} is owed"
                    return fail(what, "each client gets its own answers", client.exchange)
        return None

    def serves(self, why: str = "meanwhile") -> None:
        """See that another, well-behaved client is served. why: when, in a word, for the summary."""
        message = self.message("are you there?")
        try:
            client = self.client()
            client.send(message.data)
            self.hear(client, message)
            client.part()
        except Judged as judged:
            if not judged.verdict.failed:
                return
            judged.summary = f"another client was not served {why}: {judged.summary}"
            raise

    # The program, where netlab started it.

    @property
    def printed(self) -> str:
        """What the program has printed since the case began."""
        return self.program.stdout.since(self._marks[0]) if self.program else ""

    def rested(self) -> None:
        """Wait until the program has nothing more to do, as far as that can be seen."""
        over = self.patience.over(QUIET)
        while not over():
            time.sleep(QUIET / 5)

    def errors(self) -> list[str]:
        """The exceptions that it has written since the case began."""
        return self.program.errors(self._marks[1]) if self.program else []

    def complaints(self, most: int) -> list[str]:
        """The last lines that it has written to standard error since the case began."""
        return complaint(self.program.stderr.since(self._marks[1]), most) if self.program else []

    def begin(self, evidence: Evidence, limits: Limits | None = None) -> None:
        """Begin a case: with a program that was started afresh, if it is netlab that starts it.

        Raises NotListening.
        """
        self.evidence = evidence
        if self.start is not None and (self.program is None or not self.program.alive):
            self._launch(limits or Limits())
        if self.program is not None:
            self._marks = (self.program.stdout.mark(), self.program.stderr.mark())

    def launch_again(self, limits: Limits | None = None) -> None:
        """End the program with its connections open, and start it at once. Raises NotListening."""
        self.end()
        self._launch(limits or Limits())

    def _launch(self, limits: Limits) -> None:
        assert self.start is not None
        self.program = self.start(limits)
        self.patience.watch(self.program)
        transport = "udp" if self.variant == "udp" else "tcp"
        seconds = START * self.patience.factor
        self.address = self.program.listen(transport, self.port, seconds)
        self._marks = (0, 0)

    def end(self) -> None:
        """End the program."""
        if self.program is not None and self.start is not None:
            self.program.end()

    def leave(self) -> None:
        """Be done with all connections of the case, so that none keeps the port."""
        for each in self._open:
            each.drop()
        self._open.clear()


def without_prefixes(answer: bytes) -> bytes | None:
    """The text in the answer of a text server, as far as it has come; None if it is none.

    For texts without `ECHO: ` in them.
    """
    if not answer.startswith(REPLY_PREFIX[: len(answer)]):
        return None
    begun = b"|".join(REPLY_PREFIX[:n] for n in range(len(REPLY_PREFIX) - 1, 0, -1))
    whole = re.sub(b"(%s)?$" % begun, b"", answer, count=1)
    return whole.replace(REPLY_PREFIX, b"")
