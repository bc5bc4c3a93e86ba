"""TCP, frames of variable size: a header `!BLL`, then the text, in either layout (docs/protocol.md, V)."""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Factory

from netlab.protocols.client import NumberedClient
from netlab.protocols.factory import ServerFactory
from netlab.protocols.session import Session
from netlab.wire import orders, variable
from netlab.wire.framing import Run
from netlab.wire.variable import MAX_SIZE, Cutter, Frame, Layout


class VariableServer(Session[Frame]):
    """One client of the server with frames of variable size."""

    factory: VariableServerFactory

    def makeCutter(self) -> Cutter:
        """Bytes come in here, in any pieces, and leave in runs of whole frames, decoded when iterated."""
        return Cutter(self.factory.layout, self.factory.max_size)

    def respond(self, run: Run[Frame]) -> bytes:
        """They are answered here: with --echo the identical frames go back, as they came (V8)."""
        return run.data if self.factory.echo else b""


class VariableServerFactory(ServerFactory[Frame]):
    """Makes the sessions of the server.

    echo: send every frame back. layout: how headers are read, None to find out for each connection (V6).
    max_size: the longest payload let in, in bytes (V4). The rest: ServerFactory.
    """

    session = VariableServer

    def __init__(
        self,
        *args: Any,
        echo: bool = False,
        layout: Layout | None = None,
        max_size: int = MAX_SIZE,
        **keywords: Any,
    ) -> None:
        super().__init__(*args, **keywords)
        self.echo = echo
        self.layout = layout
        self.max_size = max_size


class VariableClient(NumberedClient[Frame]):
    """A client of that server, in one layout.

    max_size: the longest payload, in bytes; send() raises ValueError for a longer one.
    """

    def __init__(
        self,
        echo: bool = True,
        start_order: int = orders.FIRST,
        layout: Layout = Layout.GUIDE,
        max_size: int = MAX_SIZE,
    ) -> None:
        self._layout = layout
        self._max_size = max_size
        super().__init__(echo, start_order)

    def makeCutter(self) -> Cutter:
        return Cutter(self._layout, self._max_size)

    def makeFrame(self, order: int, text: str) -> Frame:
        frame = variable.frame(order, text)
        if frame.size > self._max_size:
            raise ValueError(
                f"a text of {frame.size:,} bytes is over this client's limit, {self._max_size:,}"
            )
        return frame

    def packFrame(self, frame: Frame) -> bytes:
        return frame.pack(self._layout)


class VariableClientFactory(Factory):
    """Makes such clients, for an endpoint's connect(). The arguments are VariableClient's."""

    noisy = False

    def __init__(self, *args: Any, **keywords: Any) -> None:
        self._make = lambda: VariableClient(*args, **keywords)

    def buildProtocol(self, addr: object) -> VariableClient:
        return self._make()
