"""IPv6 link-local addresses: each interface has its own fe80:: network, so that it belongs to the address.

It is written fe80::1%eth0. The socket module has it apart, as a number (the scope), and takes it from there
alone: an address of host and port only leads to any interface.
"""

from __future__ import annotations

import socket
from typing import Any


def with_scope(host: str, scope: int) -> str:
    """Return a link-local address with the name of its interface, any other address as it is.

    Args:
        host: The IP address.
        scope: The number of the interface; 0 for none.
    """
    if not scope or "%" in host:
        return host
    try:
        return f"{host}%{socket.if_indextoname(scope)}"
    except OSError:  # the interface has gone in the meantime
        return f"{host}%{scope}"


def socket_address(host: str, port: int) -> tuple[Any, ...]:
    """Return an address for the socket module, with the number of the interface where one is named.

    Raises:
        OSError: There is no such interface.
    """
    address, _, name = host.partition("%")
    if not name:
        return host, port
    return address, port, 0, int(name) if name.isdecimal() else socket.if_nametoindex(name)
