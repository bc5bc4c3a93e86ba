"""TCP, frames of fixed size: 29 bytes `!BLL20s` (docs/protocol.md, F1-F6)."""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Factory

from netlab.protocols.client import NumberedClient
from netlab.protocols.factory import ServerFactory
from netlab.protocols.session import Session
from netlab.wire import fixed, orders
from netlab.wire.fixed import Frame
from netlab.wire.framing import Cutter, Run


class FixedServer(Session[Frame]):
    """One client of the server with frames of fixed size."""

    factory: FixedServerFactory

    def makeCutter(self) -> Cutter[Frame]:
        """Bytes come in here, in any pieces, and leave in runs of whole frames, decoded when iterated."""
        return fixed.cutter()

    def respond(self, run: Run[Frame]) -> bytes:
        """They are answered here: with --echo the identical frames go back (F6)."""
        return run.data if self.factory.echo else b""


class FixedServerFactory(ServerFactory[Frame]):
    """Makes the sessions of the server. echo: send every frame back. The rest: ServerFactory."""

    session = FixedServer

    def __init__(self, *args: Any, echo: bool = False, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.echo = echo


class FixedClient(NumberedClient[Frame]):
    """A client of that server. send() cuts the text at byte 20 and pads it with dashes (F2, F3)."""

    def makeCutter(self) -> Cutter[Frame]:
        return fixed.cutter()

    def makeFrame(self, order: int, text: str) -> Frame:
        return fixed.frame(order, text)

    def packFrame(self, frame: Frame) -> bytes:
        return frame.pack()


class FixedClientFactory(Factory):
    """Makes such clients, for an endpoint's connect(). echo: are echoes expected? start_order: of the first
    message.
    """

    noisy = False

    def __init__(self, echo: bool = True, start_order: int = orders.FIRST) -> None:
        self.echo = echo
        self.start_order = start_order

    def buildProtocol(self, addr: object) -> FixedClient:
        return FixedClient(self.echo, self.start_order)
