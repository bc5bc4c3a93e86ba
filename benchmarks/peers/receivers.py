"""Echo with netlab's receivers, as for a protocol of one's own: frameReceived and one sendFrame a frame."""

from __future__ import annotations

import argparse
from typing import Any

from twisted.application.reactors import installReactor
from twisted.internet.protocol import Factory

from benchmarks.peers.frames import FIXED, HEADER, MAX_SIZE, say_where
from benchmarks.peers.frames import VERSION as THE_VERSION
from netlab.protocols.receivers import FixedFrameReceiver, SizedFrameReceiver


class Fixed(FixedFrameReceiver[Any]):
    """Frames of 29 bytes."""

    FORMAT = FIXED.format
    VERSION = THE_VERSION

    def frameReceived(self, frame: Any) -> None:
        self.sendFrame(*frame)


class Variable(SizedFrameReceiver[Any]):
    """Frames of a header and as many bytes as it says."""

    FORMAT = HEADER.format
    SIZE_FIELD = 2
    MAX_LENGTH = MAX_SIZE
    VERSION = THE_VERSION

    def frameReceived(self, frame: Any) -> None:
        version, order, _size, payload = frame
        self.sendFrame(version, order, payload=payload)


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("format", choices=("tcpv2", "tcpv3"))
    parser.add_argument("--reactor", default="corked", help="as for twistd (default: %(default)s)")
    arguments = parser.parse_args()
    installReactor(arguments.reactor)
    from twisted.internet import reactor as _reactor

    reactor: Any = _reactor
    factory = Factory.forProtocol(Fixed if arguments.format == "tcpv2" else Variable)
    factory.noisy = False
    port = reactor.listenTCP(0, factory, interface="127.0.0.1", backlog=1024)
    reactor.callWhenRunning(say_where, port.getHost().port)
    reactor.run()


if __name__ == "__main__":
    main()
