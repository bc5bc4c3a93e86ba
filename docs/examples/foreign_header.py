"""A protocol with a header of your own, on netlab's receivers: it answers questions in capital letters.

A frame is a length (2 bytes), a kind (1 byte), in network byte order, and then as many bytes of payload as
the length says. The receiver finds the frames in whatever pieces they come; frameReceived gets them whole.
"""

from __future__ import annotations

from typing import NamedTuple

from twisted.internet.protocol import Factory

from netlab.protocols.receivers import SizedFrameReceiver
from netlab.wire.violations import Violation

QUESTION, ANSWER, COMPLAINT = 1, 2, 3


class Letter(NamedTuple):
    """One frame: what stands in the header, and the payload."""

    length: int
    kind: int
    payload: bytes


class Shouting(SizedFrameReceiver[Letter]):
    """Answers every question, and complains before it closes."""

    FORMAT = "!HB"  # as for struct: the header
    SIZE_FIELD = 0  # which of its fields says how long the payload is
    MAX_LENGTH = 1_000  # a longer payload is refused when its header is there
    FRAME = Letter

    def frameReceived(self, frame: Letter) -> None:
        if frame.kind == QUESTION:
            self.sendFrame(ANSWER, payload=frame.payload.upper())

    def frameViolated(self, violation: Violation) -> None:
        self.sendFrame(COMPLAINT, payload=violation.reason.encode())
        self.transport.loseConnection()


if __name__ == "__main__":
    from twisted.internet import endpoints, reactor

    endpoints.serverFromString(reactor, "tcp:5005").listen(Factory.forProtocol(Shouting))
    reactor.run()
