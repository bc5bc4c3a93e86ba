"""A reactor that serves any Twisted server faster: the second chapter, after netlab/reactors/selectors.py.

The first chapter is the loop as everybody should know it. This one asks where its time goes when thousands of
small messages come in, and leaves out what is not needed. It does what Twisted's epoll reactor does, whose
tables it has; what differs is how much is done for a message:

    Twisted's epoll reactor                          here
    a log context, a call and a check for each       the connection itself is the log context,
    event                                            and doRead() is called at once
    write() puts bytes in a list, and asks epoll     write() puts bytes in a list (it is *corked*);
    whether they can be sent; the next turn of       what dataReceived() has written leaves in one
    the loop sends them                              send() as soon as that is done; epoll is asked
                                                     only where not all could be sent
    two strings and a bound method a connection      made when somebody asks for them
    a datagram's sender is checked to be an IP       it came from the socket: it is one
    address

Whatever else a transport does (half-close, producers, endings, TLS) is Twisted's code, called as ever: what
is tried early is the same doWrite() that epoll would have called later.

This is the one module of netlab that touches private names of Twisted's; it is tested against the oldest and
the newest Twisted that netlab runs on. Linux only: elsewhere there is no epoll, and netlab runs on the
platform's own reactor, only slower.
"""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Callable
from select import EPOLLIN
from typing import Any

from twisted.internet import tcp, udp
from twisted.internet.address import IPv6Address
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.error import ConnectionLost
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST, installReactor
from twisted.python import context, log
from twisted.python.failure import Failure

MOST_WAITING = tcp.Server.bufferSize
"""Bytes that may wait to be sent before a producer is paused: Twisted's own 65,536."""

_LOST = Failure(ConnectionLost())

_FULL = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS)
"""Why a send() may have sent nothing on a connection that is well."""


_NOTHING = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, errno.ECONNREFUSED)
"""Why a recvfrom() may have brought nothing: the last of them is an answer to a datagram that was sent."""


class Server(tcp.Server):
    """An accepted TCP connection: corked while it is read from, and sent eagerly."""

    reactor: Any  # a CorkedReactor

    def __init__(
        self,
        sock: socket.socket,
        protocol: Any,
        client: tuple[Any, ...],
        server: tcp.Port,
        sessionno: int,
        reactor: CorkedReactor,
    ) -> None:
        # All that Twisted's own does, but for what most connections never need: see below.
        sock.setblocking(False)
        self.reactor = reactor
        self.socket = sock
        self.protocol = protocol
        self.client = client
        self.server = server
        self.sessionno = sessionno
        # Twisted has these in its classes; an instance's own are sooner read, and all are, for each message.
        self.connected = 1
        self.disconnecting = 0
        self.producer = None
        self.streamingProducer = False
        self.producerPaused = False
        self.dataBuffer = b""
        self._tempDataBuffer = []
        self._tempDataLen = 0
        self._writeDisconnecting = False
        self._aborting = False
        self._plain = True  # bytes can be written to the socket as they are: no TLS, no ending
        self._corked = False  # what is written now is sent when dataReceived() is done
        self._owing = False  # doWrite() is to be called in this turn
        self.is_written = False  # epoll tells when it can be written to
        self.is_read = False  # epoll tells when it can be read from
        if len(client) != 2:
            self._addressType = IPv6Address
        reactor.addReader(self)

    def __repr__(self) -> str:
        port = None if self.server is None else self.server._realPortNumber
        return f"<{type(getattr(self, 'protocol', self)).__name__} #{self.sessionno} on {port}>"

    def fileno(self) -> int:
        """The socket's number; -1 once it is closed."""
        try:
            return self.socket.fileno()
        except AttributeError:
            return -1

    def _log_prefix(self) -> str:
        """What stands in the brackets of its log lines where no log_system is given."""
        return self._lost_as or f"{self._getLogPrefix(self.protocol)},{self.sessionno},{self.hostname}"

    _lost_as = ""  # the same, kept from when there was still a protocol

    # What Twisted makes for each connection: asked for by few.
    hostname = property(lambda self: self.client[0])
    logstr = property(_log_prefix)

    def __getitem__(self, key: object) -> Any:
        """It is the log context of all that happens while it is served (twisted.python.context).

        One deviation: what was put into the log context around reactor.run() is not in it.
        """
        if key is log.ILogContext:
            return {**context.defaultContextDict[log.ILogContext], "system": self.logstr}
        raise KeyError(key)

    # Reading.

    def doRead(self) -> Any:
        """Read once, have it handled, and send what was written meanwhile."""
        try:
            data = self.socket.recv(self.bufferSize)
        except OSError as error:
            return None if error.errno == errno.EAGAIN else CONNECTION_LOST
        if not data:
            return CONNECTION_DONE
        self._corked = True
        self.protocol.dataReceived(data)
        self._corked = False
        if self._owing or (self._tempDataLen and not self.is_written):
            self.pay()
        return None

    # Writing.

    def write(self, data: bytes) -> None:
        """Have bytes sent, behind all that was written before."""
        if not data or not self._plain or type(data) is not bytes:
            super().write(data)
            return
        self._tempDataBuffer.append(data)
        self._tempDataLen = waiting = self._tempDataLen + len(data)
        if not self._corked:
            self.startWriting()
        if waiting > MOST_WAITING or self.dataBuffer:
            self._relieve()

    def _relieve(self) -> None:
        """Much waits. If the kernel takes it, no producer need be paused."""
        if not (self.is_written or self.dataBuffer or self._aborting):
            self._send()  # should that fail, it will fail again in pay(), which tells
            self._owing = True
        self._maybePauseProducer()

    def startWriting(self) -> None:
        """Have doWrite() called: in this turn, or when epoll says so."""
        if not (self._owing or self.is_written):
            self._owing = True
            if not self._corked:
                self.reactor.owing.append(self)

    def stopWriting(self) -> None:
        """Have doWrite() called no more."""
        self._owing = False
        self.reactor.removeWriter(self)

    def pay(self) -> None:
        """Write now; what cannot be sent waits for epoll."""
        self._owing = False
        if self._aborting:
            return
        why = None
        if self._tempDataLen and not self.dataBuffer:
            why = self._send()
        producing = self.producer is not None and (self.producerPaused or not self.streamingProducer)
        if why is None and (producing or self.disconnecting or self._writeDisconnecting):
            why = self.doWrite()  # Twisted's own sees to all that
        if why is not None:
            self.reactor._disconnectSelectable(self, why, False)
        elif (self.dataBuffer or self._tempDataLen) and not (self._owing or self.is_written):
            self.reactor.addWriter(self)

    def _send(self) -> BaseException | None:
        """Send what was written, in one call; what the kernel does not take now is left in dataBuffer."""
        pieces = self._tempDataBuffer
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        try:
            sent = self.socket.send(data)
        except OSError as error:
            if error.errno not in _FULL:
                return CONNECTION_LOST
            sent = 0
        pieces.clear()
        self._tempDataLen = 0
        if sent < len(data):
            self.dataBuffer, self.offset = data, sent
        return None

    def writeSomeData(self, data: bytes) -> Any:
        """Send some bytes now; return how many, or why the connection is lost."""
        return super().writeSomeData(data) if data else 0  # there may only be an ending to be dealt with

    # Endings, and what else is not plain.

    def startTLS(self, *arguments: Any) -> None:
        """From now on TLS is between the protocol and the socket; see Twisted's ITLSTransport."""
        self._plain = False
        super().startTLS(*arguments)

    def _closeWriteConnection(self) -> None:
        self._plain = False
        super()._closeWriteConnection()

    tells_resets = True
    """See netlab/protocols/resets.py: this transport does it by itself."""

    def readConnectionLost(self, reason: Any) -> None:
        """The peer's FIN; or a reset that epoll shows as one."""
        if self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.connectionLost(_LOST)
        else:
            super().readConnectionLost(reason)

    def connectionLost(self, reason: Any) -> None:
        """The connection is gone."""
        self._plain = False
        if hasattr(self, "socket"):
            self._lost_as = self.logstr
            self.fileno = self.fileno  # type: ignore[method-assign]  # Twisted's deletes it, as it is its own
        super().connectionLost(reason)


class Port(tcp.Port):
    """A listening TCP port whose connections are corked."""

    transport = Server  # type: ignore[assignment]


class DatagramPort(udp.Port):
    """A UDP port that does not check the addresses that it got from its socket."""

    _sender: Any = None

    def doRead(self) -> Any:
        """Take what has come, 256 KiB at most; each datagram may be answered at once."""
        if self._connectedAddr:
            return super().doRead()
        read = 0
        receive, received, length = self.socket.recvfrom, self.protocol.datagramReceived, self.maxPacketSize
        while read < self.maxThroughput:
            try:
                data, sender = receive(length)
            except OSError as error:
                if error.errno in _NOTHING:
                    return None
                raise
            read += len(data)
            self._sender = sender = sender[:2]
            try:
                received(data, sender)
            except BaseException:
                log.err()
        return None

    def write(self, datagram: bytes, addr: Any = None) -> Any:
        """Send a datagram. addr: to whom: host, an IP address, and port."""
        if addr is self._sender and addr is not None and not self._connectedAddr:
            try:
                return self.socket.sendto(datagram, addr)
            except OSError:
                pass  # Twisted's own tries again, and knows what it means
        return super().write(datagram, addr)


class CorkedReactor(EPollReactor):
    """Runs any Twisted application; its TCP servers send eagerly and in one piece, and cost less."""

    def __init__(self) -> None:
        self.owing: list[Server] = []
        """Who has written in this turn, and not to the kernel yet."""
        super().__init__()

    # The loop.

    def doIteration(self, delay: float | None) -> None:
        """Wait for events, `delay` seconds at most (None: as long as it takes), and serve who is ready."""
        if self.owing:
            self._serve(self._pay)
            delay = 0  # whoever was told that all is sent may have more to do, and may have set a timer
        ready = self._poller.poll(-1 if delay is None else delay, len(self._selectables))
        if ready:
            self._serve(self._read, ready)

    doPoll = doIteration

    def addReader(self, reader: Any) -> None:
        """Call its doRead() when there is something to read."""
        if type(reader) is Server:
            reader.is_read = True
        super().addReader(reader)

    def removeReader(self, reader: Any) -> None:
        """Call its doRead() no more. An ending says so several times: only once is there something to do."""
        if type(reader) is Server:
            if not reader.is_read:
                return
            reader.is_read = False
        super().removeReader(reader)

    def addWriter(self, writer: Any) -> None:
        """Call its doWrite() when it can be written to."""
        if type(writer) is Server:
            writer.is_written = True
        super().addWriter(writer)

    def removeWriter(self, writer: Any) -> None:
        """Call its doWrite() no more."""
        if type(writer) is Server:
            if not writer.is_written:
                return
            writer.is_written = False
        super().removeWriter(writer)

    def _serve(self, serve: Callable[..., None], *what: Any) -> None:
        """Let these be served, each with itself as the log context: the last of the contexts is replaced."""
        contexts = context.theContextTracker.currentContext().contexts
        contexts.append({})
        try:
            serve(contexts, *what)
        finally:
            contexts.pop()

    def _read(self, contexts: list[Any], ready: list[tuple[int, int]]) -> None:
        descriptor = self._selectables.get
        for number, event in ready:
            selectable = descriptor(number)
            if event == EPOLLIN and type(selectable) is Server:
                contexts[-1] = selectable
                try:
                    why = selectable.doRead()
                    if why is not None:
                        self._disconnectSelectable(selectable, why, True)
                except BaseException:
                    self._failed(selectable)
            elif selectable is not None:
                log.callWithLogger(selectable, self._doReadOrWrite, selectable, number, event)

    def _pay(self, contexts: list[Any]) -> None:
        """Send what was written outside of dataReceived()."""
        owing, self.owing = self.owing, []
        for connection in owing:
            if connection._owing:
                contexts[-1] = connection
                try:
                    connection.pay()
                except BaseException:
                    self._failed(connection)

    def _failed(self, connection: Server) -> None:
        """An error of the application's is being handled: it ends its connection, never the loop."""
        why = sys.exc_info()[1]
        log.err()
        try:
            self._disconnectSelectable(connection, why, False)
        except BaseException:  # in connectionLost() there was another one
            log.err()

    # Who listens.

    def listenTCP(self, port: Any, factory: Any, backlog: int = 50, interface: str = "") -> Port:
        """Listen on a TCP port; see Twisted's IReactorTCP."""
        listening = Port(port, factory, backlog, interface, self)
        listening.startListening()
        return listening

    def listenUDP(
        self, port: int, protocol: Any, interface: str = "", maxPacketSize: int = 8192
    ) -> DatagramPort:
        """Listen on a UDP port; see Twisted's IReactorUDP."""
        listening = DatagramPort(port, protocol, interface, maxPacketSize, self)
        listening.startListening()
        return listening

    def adoptStreamPort(self, fileDescriptor: int, addressFamily: Any, factory: Any) -> Any:
        """Listen on a socket that was opened by somebody else; see Twisted's IReactorSocket."""
        if addressFamily not in (socket.AF_INET, socket.AF_INET6):
            return super().adoptStreamPort(fileDescriptor, addressFamily, factory)
        listening = Port._fromListeningDescriptor(self, fileDescriptor, addressFamily, factory)
        listening.startListening()
        return listening


def install() -> None:
    """Make it the reactor of this process: twistd calls this for --reactor=corked.

    Raises ReactorAlreadyInstalledError where there is one already.
    """
    installReactor(CorkedReactor())
