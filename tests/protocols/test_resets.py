"""A reset that a reactor takes for a clean end is told as a reset, on real sockets."""

from __future__ import annotations

import select
import socket
from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Protocol
from twisted.internet.protocol import connectionDone as _connection_done
from twisted.internet.tcp import Connection, Server
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from netlab.events import Closed, Observers, Outcome
from netlab.handlers.reactor import ReactorHandler
from netlab.protocols.receivers import FrameReceiver
from netlab.protocols.resets import tell_resets
from netlab.protocols.session import Limits
from netlab.protocols.tcp import TextServerFactory
from netlab.wire import fixed
from netlab.wire.framing import Cutter
from tests.support import PATIENCE, reset


class Lost(Protocol):
    """Remembers why its connection was lost."""

    reason: type[BaseException] | None = None

    def connectionLost(self, reason: Failure = _connection_done) -> None:
        self.reason = reason.type


class Receiver(Lost, FrameReceiver[fixed.Frame]):
    """The same, of frames."""

    def makeCutter(self) -> Cutter[fixed.Frame]:
        return fixed.cutter()


class Ends:
    """Remembers how connections ended."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def listens(self) -> dict[type, Any]:
        return {Closed: lambda event: self.outcomes.append(event.outcome)}


class Resets(SynchronousTestCase):
    def setUp(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.peer = socket.create_connection(listener.getsockname(), PATIENCE)
            self.socket, self.address = listener.accept()
        self.addCleanup(self.peer.close)
        self.addCleanup(self.socket.close)
        self.reactor = MemoryReactorClock()
        self.protocol = Lost()
        self.transport: Any = Connection(self.socket, self.protocol, self.reactor)

    def called_a_clean_end(self) -> None:
        """Do as the epoll reactor does where it is told of a hang-up and of nothing to read."""
        self.assertTrue(select.select([self.socket], [], [], PATIENCE)[0])
        self.transport.readConnectionLost(Failure(ConnectionDone()))

    def test_a_reset_is_lost(self) -> None:
        tell_resets(self.transport)
        reset(self.peer)
        self.called_a_clean_end()
        self.assertIs(self.protocol.reason, ConnectionLost)

    def test_a_fin_is_done(self) -> None:
        tell_resets(self.transport)
        self.peer.close()
        self.called_a_clean_end()
        self.assertIs(self.protocol.reason, ConnectionDone)

    def test_what_wraps_the_connection_is_looked_through(self) -> None:
        wrapper = ProtocolWrapper(WrappingFactory(None), self.protocol)
        wrapper.transport = self.transport
        tell_resets(wrapper)
        reset(self.peer)
        self.called_a_clean_end()
        self.assertIs(self.protocol.reason, ConnectionLost)

    def test_what_has_no_socket_is_left_alone(self) -> None:
        transport = StringTransport()
        before = dict(vars(transport))
        tell_resets(transport)
        self.assertEqual(vars(transport), before)

    def test_every_receiver_is_told(self) -> None:
        self.transport.protocol = receiver = Receiver()
        receiver.makeConnection(self.transport)
        reset(self.peer)
        self.called_a_clean_end()
        self.assertIs(receiver.reason, ConnectionLost)

    def test_a_server_names_its_outcome(self) -> None:
        ends = Ends()
        factory = TextServerFactory(
            lambda session: ReactorHandler(session, self.reactor),
            self.reactor,
            Limits(),
            Observers([ends]),
        )
        session: Any = factory.buildProtocol(None)
        port: Any = None
        self.transport = Server(self.socket, session, self.address, port, 1, self.reactor)
        session.makeConnection(self.transport)
        reset(self.peer)
        self.called_a_clean_end()
        self.assertEqual(ends.outcomes, [Outcome.RESET])
