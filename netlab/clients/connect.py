"""How a client's socket comes about: names resolved, each address tried, the source port bound.

Plain sockets, and blocking, for a thread of its own: Twisted's endpoints cannot set SO_REUSEADDR before they
bind, and without it a source port is held for a minute after each connection.
"""

from __future__ import annotations

import errno
import socket

from netlab.clients.arguments import Target
from netlab.events import address_text
from netlab.scopes import socket_address, with_scope


class CannotConnect(Exception):
    """There is no connection; the argument is the one line that says why and what to do."""


def resolve(target: Target, kind: socket.SocketKind) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    """The IP addresses of a target, in the order in which the system prefers them.

    Raises CannotConnect where its name has none.
    """
    try:
        found = socket.getaddrinfo(target.host, target.port, type=kind)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "that is no name of a host"
        raise CannotConnect(f"cannot find the host {target.host!r}: {why}; check its name") from None
    inet = (socket.AF_INET, socket.AF_INET6)
    return [
        (family, (with_scope(str(at[0]), at[3]) if len(at) == 4 else str(at[0]), int(at[1])))
        for family, _, _, _, at in found
        if family in inet
    ]


def connect(target: Target, local_port: int | None, timeout: float) -> tuple[socket.socket, tuple[str, int]]:
    """Make a TCP connection, to the first of the target's addresses that accepts one.

    Args:
        target: The server.
        local_port: The source port; None leaves the choice to the kernel.
        timeout: Seconds for each address.

    Returns:
        The connection, not blocking, and the address that it leads to. It may have been reset already: then
        its peer's address can no longer be read.

    Raises:
        CannotConnect: None of the addresses accepts a connection.
    """
    why = ""
    for family, address in resolve(target, socket.SOCK_STREAM):
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.settimeout(timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if local_port is not None:
                # What is left of an earlier connection from this port (TIME_WAIT) must not keep it.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                connection.bind(("", local_port))
            connection.connect(socket_address(*address))
        except (ConnectionResetError, BrokenPipeError):
            # The connection was made, and a reset came before connect() could return (EPIPE: behind a FIN). A
            # reset that answers the SYN itself is ECONNREFUSED. The next address is not tried: what happens
            # there would be reported in place of this reset.
            pass
        except OSError as error:
            connection.close()
            why = explain(error, address, local_port, timeout)
            continue
        connection.setblocking(False)
        return connection, address
    raise CannotConnect(why or f"{target.host!r} has no IP address")


def explain(
    error: OSError, address: tuple[str, int], local_port: int | None = None, timeout: float = 0
) -> str:
    """Why it failed, and what to do, in one line."""
    where = address_text(*address)
    if local_port is not None and error.errno == errno.EADDRINUSE:
        return (
            f"local port {local_port} is still held: another program has it; end that, or choose another "
            "--local-port"
        )
    if local_port is not None and error.errno == errno.EADDRNOTAVAIL:
        return (
            f"local port {local_port} is still held: another client is connected from it to {where}, or was "
            "until a minute ago (TIME_WAIT: the side that closed first keeps it for so long); end that "
            "client, wait, or choose another --local-port"
        )
    if local_port is not None and error.errno == errno.EACCES:
        return f"local port {local_port} is for privileged users: choose a --local-port above 1023"
    if isinstance(error, TimeoutError):
        return (
            f"cannot connect to {where}: no answer within {timeout:g} s; check the address, and that no "
            "firewall is in between"
        )
    if isinstance(error, ConnectionRefusedError):
        return (
            f"cannot connect to {where}: refused; nothing listens there: start the server, or check the port"
        )
    return f"cannot connect to {where}: {error.strerror or error}; check the address"
