"""What a server must know of its machine: its addresses, and its limit of descriptors."""

from __future__ import annotations

import socket
import struct
import sys
from contextlib import suppress

_SIOCGIFADDR = 0x8915  # Linux: the IPv4 address of an interface
_M_ARENA_MAX = -8  # glibc: malloc.h
_NOWHERE = (
    "192.0.2.1",
    9,
)  # TEST-NET-1: to connect a datagram socket sends nothing, but chooses the address to send from


def ipv4_addresses() -> list[str]:
    """This machine's IPv4 addresses without the loopback's, as far as the system tells them without asking a
    network.
    """
    if sys.platform == "linux":
        found = _interface_addresses()
    elif sys.platform == "win32":
        found = _own_name_addresses()
    else:
        found = _outgoing_address()
    return [address for address in dict.fromkeys(found) if not address.startswith("127.")]


def _interface_addresses() -> list[str]:
    from fcntl import ioctl

    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            try:
                answer = ioctl(probe, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:
                continue  # an interface without an IPv4 address
            found.append(socket.inet_ntoa(answer[20:24]))
    return found


def _own_name_addresses() -> list[str]:
    try:
        return socket.gethostbyname_ex(socket.gethostname())[2]
    except OSError:
        return []


def _outgoing_address() -> list[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_NOWHERE)
        except OSError:
            return []
        return [str(probe.getsockname()[0])]


def share_memory() -> None:
    """Let all threads of this process take memory from the same two arenas, on Linux with glibc.

    Else each thread gets one of its own, which keeps what a long message needed for a moment: half a MiB a
    client. Two are enough where one thread runs at a time.
    """
    if sys.platform == "linux":
        import ctypes

        with suppress(AttributeError, OSError):  # another C library
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def raise_descriptor_limit() -> tuple[int, int] | None:
    """Let this process open as many descriptors as it may.

    Returns the limit before and after, None where nothing changed.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return None
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):  # macOS reports a hard limit that it does not accept
        return None
    return soft, hard
