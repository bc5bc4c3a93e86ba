"""Echo with Twisted as it comes: a Protocol on the epoll reactor, one transport.write() a frame."""

from __future__ import annotations

import argparse
from typing import Any

from twisted.application.reactors import installReactor

installReactor("epoll")

from twisted.internet import reactor as _reactor  # noqa: E402
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol  # noqa: E402

from benchmarks.peers.frames import ECHO, FORMATS, MAX_DATAGRAM, Violation, say_where  # noqa: E402

reactor: Any = _reactor


class Server(Protocol):
    """A connection. It stops reading while its client does not take what it is owed."""

    transport: Any  # what a TCP port gives it: ITCPTransport and IConsumer

    def __init__(self, format: str) -> None:
        self.echo = ECHO[format]
        self.rest = b""

    def connectionMade(self) -> None:
        self.transport.registerProducer(self.transport, True)

    def dataReceived(self, data: bytes) -> None:
        try:
            self.rest = self.echo(self.rest + data, self.transport.write)
        except Violation:
            self.transport.unregisterProducer()
            self.transport.loseConnection()


class Datagrams(DatagramProtocol):
    """The port of datagrams."""

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        assert self.transport is not None
        self.transport.write(datagram, addr)


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("format", choices=FORMATS)
    format = parser.parse_args().format
    if format == "udp":
        port = reactor.listenUDP(0, Datagrams(), interface="127.0.0.1", maxPacketSize=MAX_DATAGRAM)
    else:
        factory = Factory.forProtocol(lambda: Server(format))
        factory.noisy = False
        port = reactor.listenTCP(0, factory, interface="127.0.0.1", backlog=1024)
    reactor.callWhenRunning(say_where, port.getHost().port)
    reactor.run()


if __name__ == "__main__":
    main()
