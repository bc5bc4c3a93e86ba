"""The client protocols of each variant, as links of a conversation (netlab/clients/talk.py)."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone as _connection_done
from twisted.python.failure import Failure

from netlab.clients.talk import Message, Talk
from netlab.events import Observers
from netlab.observers.dialects import DATAGRAM, FIXED, TEXT, Dialect, variable_size
from netlab.protocols.client import Client, NumberedClient
from netlab.protocols.session import unacknowledged
from netlab.protocols.tcp import TextClient
from netlab.protocols.tcpv2 import FixedClient
from netlab.protocols.tcpv3 import VariableClient
from netlab.protocols.udp import UDPClient
from netlab.wire import fields, fixed, text, variable
from netlab.wire.fields import Field
from netlab.wire.fixed import TEXT_LENGTH
from netlab.wire.framing import Run
from netlab.wire.variable import Layout
from netlab.wire.violations import Violation

PIPELINED = 64
"""Frames that may be on their way at once. As many as one person types ahead, and a class's server bears."""

DATAGRAMS = 16
"""Datagrams that may be on their way at once: few, since UDP loses what finds a full buffer."""


class Connected(Client[Any]):
    """What the links over TCP have in common."""

    is_stream = True
    talk: Talk

    def connectionMade(self) -> None:
        """Twisted calls this when the connection is there."""
        super().connectionMade()
        self.talk.link = self  # type: ignore[assignment]
        transport: Any = self.transport
        transport.registerProducer(self.talk, True)

    def dataReceived(self, data: bytes) -> None:
        """What one recv() returned."""
        self.talk.received()
        super().dataReceived(data)

    def frameViolated(self, violation: Violation) -> None:
        self.talk.violated(violation)
        super().frameViolated(violation)

    def connectionLost(self, reason: Failure = _connection_done) -> None:
        """Twisted calls this when the connection is gone."""
        super().connectionLost(reason)
        self.talk.lost(reason)

    def queued(self) -> int | None:
        return unacknowledged(self.transport)

    def finish(self) -> Deferred[None]:
        transport: Any = self.transport
        transport.unregisterProducer()
        return super().finish()

    def abort(self) -> None:
        if not self._is_closed:
            transport: Any = self.transport
            transport.abortConnection()


class Numbered(Connected, NumberedClient[Any]):
    """Frames that bear an order: any number of them may be on their way."""

    window = PIPELINED
    advice: str
    typed = ""

    def send(self, text: str) -> Deferred[Any]:
        self.typed = text
        return super().send(text)

    def packFrame(self, frame: Any) -> bytes:
        self._latest = frame
        return super().packFrame(frame)

    def sent(self) -> Message:
        return self._message(self._latest, self._note(self._latest))

    def echo(self, message: Message, result: Any) -> Message:
        return self._message(result)

    def unexpectedReceived(self, frame: Any) -> None:
        self.talk.unexpected(self._message(frame))

    def _message(self, frame: Any, note: str = "") -> Message:
        return Message(frame.order, f"order {frame.order}", str(frame), [self._fields(frame)], note)

    def _fields(self, frame: Any) -> list[Field]:
        raise NotImplementedError

    def _note(self, frame: Any) -> str:
        return ""


class Fixed(Numbered, FixedClient):
    """Chapter 4: frames of 29 bytes."""

    advice = "is that a tcpv2 server, and does it run with --echo? See its log"

    def _fields(self, frame: fixed.Frame) -> list[Field]:
        return fields.fixed(frame)

    def _note(self, frame: fixed.Frame) -> str:
        length = len(text.encode(self.typed))
        if length <= TEXT_LENGTH:
            return ""
        return (
            f"Note: the text has {length:,} bytes, and a frame carries {TEXT_LENGTH}: it is cut, and what "
            f"arrives is: {text.printable(frame.text)}"
        )


class Variable(Numbered, VariableClient):
    """Chapter 5: frames of any size."""

    advice = "is that a tcpv3 server, with --echo, that reads this --layout? See its log"

    def _fields(self, frame: variable.Frame) -> list[Field]:
        return fields.variable(frame, self._layout)


class Text(Connected, TextClient):
    """Chapters 2 and 3: text, in lock-step."""

    window = 1
    advice = (
        "is that a text server, which sends `ECHO: ` and the text back, or a slow one (--timeout)? "
        "See its log"
    )

    def __init__(self) -> None:
        super().__init__()
        self._count = 0
        self._typed = b""
        self._came: list[bytes] = []

    def send(self, typed: str) -> Deferred[bytes]:
        self._typed = text.encode(typed)
        self._count += bool(self._typed)
        return super().send(typed)

    def sent(self) -> Message:
        if not self._typed:
            return Message(None, "", "", [], "(an empty text is no message in a stream: nothing is sent)")
        return self._message(self._typed, [fields.text(self._typed)])

    def runReceived(self, run: Run[Any]) -> None:
        self._came.append(run.data)
        super().runReceived(run)

    def echo(self, message: Message, result: Any) -> Message:
        came, self._came = self._came, []
        whole = b"".join(came)
        note = "" if whole.startswith(text.REPLY_PREFIX) else "the answer does not begin with `ECHO: `"
        return self._message(whole, [fields.reply(piece) for piece in came], note)

    def unexpectedReceived(self, data: bytes) -> None:
        self._came.clear()
        self.talk.unexpected(Message(None, "no message", text.printable(text.decode(data)), []))

    def _message(self, data: bytes, pieces: list[list[Field]], note: str = "") -> Message:
        return Message(None, f"message {self._count}", text.printable(text.decode(data)), pieces, note)


class Datagrams(UDPClient):
    """Chapter 1: each message is a datagram."""

    window = DATAGRAMS
    advice = "is a server there, and does it run with --echo?"
    is_stream = False

    def __init__(self, talk: Talk, host: str, port: int, observers: Observers | None = None) -> None:
        super().__init__(host, port, observers)
        self.talk = talk
        talk.link = self
        self._count = 0
        self._latest = b""

    def send(self, typed: str, echo: bool = True) -> Deferred[bytes]:
        self._latest = text.encode(typed)
        self._count += 1
        return super().send(typed, self.talk.expects_echo)

    def sent(self) -> Message:
        return self._message(self._latest, f"message {self._count}")

    def echo(self, message: Message, result: bytes) -> Message:
        return self._message(result, message.label)

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Twisted calls this with each datagram; only the server's count."""
        if tuple(addr[:2]) == self._server:
            self.talk.progress()
        super().datagramReceived(datagram, addr)

    def unexpectedReceived(self, datagram: bytes) -> None:
        self.talk.unexpected(self._message(datagram, "a message"))

    def queued(self) -> int | None:
        return None

    def finish(self) -> None:
        """A socket without a connection has no end to send."""

    def abort(self) -> None:
        transport: Any = self.transport
        transport.stopListening()

    def _message(self, data: bytes, label: str) -> Message:
        return Message(data, label, text.printable(text.decode(data)), [fields.text(data)])


def dialect(variant: str, layout: str = "guide") -> Dialect:
    """What a variant speaks, for observers. layout: the name of a Layout."""
    plain = {"udp": DATAGRAM, "tcp": TEXT, "tcpv2": FIXED}
    return plain.get(variant) or variable_size(Layout(layout))


def connected(
    talk: Talk,
    variant: str,
    start_order: int = 1,
    layout: str = "guide",
    observers: Observers | None = None,
) -> Connected:
    """Make the link of a TCP variant. start_order: of the first frame. layout: the name of a Layout."""
    link: Connected
    if variant == "tcp":
        link = Text()
    elif variant == "tcpv2":
        link = Fixed(talk.expects_echo, start_order)
    else:
        link = Variable(talk.expects_echo, start_order, Layout(layout))
    link.talk = talk
    link.observers = observers or Observers()
    return link
