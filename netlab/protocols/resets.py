"""A reset is told as a reset, and not as the peer's FIN, whatever the reactor (docs/protocol.md, C6)."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure


def unwrap(transport: Any) -> Any:
    """Return the connection under what wraps it: TLS, or a proxy's header."""
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    return transport


def tell_resets(transport: Any) -> None:
    """Have a connection that a reset ends be lost with ConnectionLost.

    Twisted's epoll and poll reactors do not read where the system reports a hang-up or an error but nothing
    to read: they take it for a clean end. While a reset arrives, it looks just so for a moment (of #5377's
    family). Its error is then still there, and whoever asks is told.

    transport: the connection; what wraps it (TLS, a proxy's) is looked through. One that has no socket, as
    in a test, is left as it is.
    """
    transport = unwrap(transport)
    if getattr(transport, "tells_resets", False):
        return
    handle = getattr(transport, "socket", None)
    if not isinstance(handle, socket.socket):
        return
    end = transport.readConnectionLost

    def end_or_reset(reason: Failure) -> None:
        if handle.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            transport.connectionLost(Failure(ConnectionLost()))
        else:
            end(reason)

    transport.readConnectionLost = end_or_reset
