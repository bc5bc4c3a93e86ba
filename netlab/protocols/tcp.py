"""TCP, text without a delimiter: what one read yields is one message (docs/protocol.md, T1-T6).

Both text servers of the guide are this one: with a thread for each client (netlab-tcp), or on a selector
(netlab-tcpsel). Who runs it is the handler's matter.
"""

from __future__ import annotations

from collections import deque

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from netlab.protocols.client import Client, WrongEcho
from netlab.protocols.factory import ServerFactory
from netlab.protocols.session import Session
from netlab.wire import text
from netlab.wire.framing import Run
from netlab.wire.text import EchoMatcher, Message


class TextServer(Session[Message]):
    """One client of a text server."""

    def makeCutter(self) -> text.Cutter:
        """Bytes come in here: each read is a message; only a character that is split over two reads waits,
        for the print (T5).
        """
        return text.Cutter()

    def respond(self, run: Run[Message]) -> bytes:
        """They are answered here: `ECHO: ` and the same bytes, at once, whether or not a newline ever comes
        (T3).
        """
        return text.reply(run.data)


class TextServerFactory(ServerFactory[Message]):
    """Makes the sessions of a text server."""

    session = TextServer


class TextClient(Client[Message]):
    """A client in lock-step, as in the laboratory: it sends the next message after the answer to the last
    (T4).
    """

    def __init__(self) -> None:
        super().__init__()
        self._queue: deque[tuple[bytes, Deferred[bytes]]] = deque()
        self._matcher: EchoMatcher | None = None

    def makeCutter(self) -> text.Cutter:
        return text.Cutter()

    def send(self, typed: str) -> Deferred[bytes]:
        """Send a text once all before it are answered. Fires with the text's bytes as they came back; fails
        as NumberedClient.send.

        An empty text is no message in a stream: nothing is sent, and it fires at once.
        """
        data = text.encode(typed)
        if self._ended is not None:
            return fail(self._ended)
        if not data:
            return succeed(data)
        answer: Deferred[bytes] = Deferred(self._withdraw)
        self._queue.append((data, answer))
        if len(self._queue) == 1:
            self._send_next()
        return answer

    def _withdraw(self, answer: Deferred[bytes]) -> None:
        """Send no text that nobody waits for any more; one that was sent already keeps its turn."""
        self._queue = deque(each for at, each in enumerate(self._queue) if at == 0 or each[1] is not answer)

    def _send_next(self) -> None:
        data, _ = self._queue[0]
        self._matcher = EchoMatcher(data)
        self.sendData(data)

    def runReceived(self, run: Run[Message]) -> None:
        if self._matcher is None:
            if run.data:
                self.unexpectedReceived(run.data)
            return
        self._matcher.feed(run.data)
        sent, answer = self._queue[0]
        if self._matcher.wrong:
            self._end(Failure(WrongEcho(sent, run.data)))
            self.transport.loseConnection()
        elif self._matcher.whole:
            self._matcher = None
            self._queue.popleft()
            if self._queue:
                self._send_next()
            if not answer.called:  # or nobody waits for it any more
                answer.callback(sent)

    def unexpectedReceived(self, data: bytes) -> None:
        """Bytes came that answer nothing. Override where that matters."""

    def echoesFailed(self, failure: Failure) -> None:
        queue, self._queue, self._matcher = self._queue, deque(), None
        for _, answer in queue:
            if not answer.called:
                answer.errback(failure)


class TextClientFactory(Factory):
    """Makes text clients, for an endpoint's connect()."""

    noisy = False

    def buildProtocol(self, addr: object) -> TextClient:
        return TextClient()
