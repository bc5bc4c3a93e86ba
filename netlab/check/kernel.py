"""What else the system knows of programs and their sockets: how much they use, what they have not read.

Nothing here raises and nothing here waits. Where something cannot be known (another system, no right, it is
gone) the answer is None, or empty.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Collection

from netlab import proc

Address = proc.Address
"""An IP address as text, and a port."""

_BY_FAMILY, _REQUEST, _NO_COOKIE = 20, 1, 0xFFFFFFFF  # of linux/sock_diag.h
_SOCK_DIAG = 4  # the netlink family
_HEADER, _SOCKET = 16, 48  # bytes of a netlink header, of a struct inet_diag_sockid


def unread(ours: Address, theirs: Address) -> int | None:
    """How many bytes the other end of a TCP connection has received and its program has not read yet, if that
    end is on this machine. A FIN that it has not seen may count as one byte.

    ours: the address of our end; theirs: that of the other.
    """
    if (asked := _ask(theirs, ours)) is not None:
        return asked
    for entry in proc.sockets("tcp"):
        if entry.local == theirs and entry.remote == ours:
            return entry.unread
    return None


def udp_dropped(port: int) -> int | None:
    """How many datagrams for this local port the kernel has dropped, since its socket's buffer was full."""
    dropped = [entry.last for entry in proc.sockets("udp") if entry.local[1] == port]
    return sum(map(int, dropped)) if dropped else None


def marked(mark: str) -> list[int]:
    """The living processes that began with this `NAME=value` in their environment, wherever they are."""
    wanted = mark.encode()
    return [pid for pid in proc.pids() if wanted in proc.read(f"{pid}/environ").split(b"\0")]


def at_work(pids: Collection[int]) -> bool | None:
    """Does a thread of theirs run now, or wait for a processor or a disk?"""
    states = [
        fields[proc.STATE]
        for pid in pids
        for task in proc.tasks(pid)
        if (fields := proc.stat(f"{pid}/task/{task}"))
    ]
    return any(state in "RD" for state in states) if states else None


def cpu_time(pids: Collection[int]) -> float | None:
    """The same of the threads that they have now, in seconds; finer, where the kernel counts finer."""
    spent = [
        int(counted.split()[0])
        for pid in pids
        for task in proc.tasks(pid)
        if (counted := proc.read(f"{pid}/task/{task}/schedstat"))
    ]
    if any(spent):
        return sum(spent) / 1e9
    ticks = proc.cpu_ticks(pids)
    return None if ticks is None else ticks / os.sysconf("SC_CLK_TCK")


def descriptors(pids: Collection[int]) -> int | None:
    """How many descriptors they have open."""
    counts = [len(found) for pid in pids if (found := proc.listed(f"{pid}/fd"))]
    return sum(counts) if counts else None


def memory(pids: Collection[int]) -> int | None:
    """Their resident memory in bytes; what they share is counted for each."""
    pages = [int(fields.split()[1]) for pid in pids if (fields := proc.read(f"{pid}/statm"))]
    return sum(pages) * os.sysconf("SC_PAGE_SIZE") if pages else None


def threads(pids: Collection[int]) -> int | None:
    """How many threads they have."""
    counts = [int(fields[proc.THREADS]) for fields in proc.stats(pids)]
    return sum(counts) if counts else None


def _ask(local: Address, remote: Address) -> int | None:
    """What waits in the receive queue of this one TCP socket: the same question as a table answers, 200 times
    as fast, where the kernel has the diagnosis of sockets.
    """
    if sys.platform != "linux":
        return None
    try:
        family = socket.AF_INET6 if ":" in local[0] else socket.AF_INET
        ends = [socket.inet_pton(family, ip).ljust(16, b"\0") for ip in (local[0], remote[0])]
        question = struct.pack(
            "=IHHIIBBBxI2s2s16s16sIII",
            *(_HEADER + 8 + _SOCKET, _BY_FAMILY, _REQUEST, 0, 0),
            *(family, socket.IPPROTO_TCP, 0, 0xFFFFFFFF),
            *(local[1].to_bytes(2, "big"), remote[1].to_bytes(2, "big"), *ends),
            *(0, _NO_COOKIE, _NO_COOKIE),
        )
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as kernel:
            kernel.setblocking(False)  # it has answered when the question is sent
            kernel.send(question)
            answer = kernel.recv(4096)
    except (OSError, ValueError, OverflowError):
        return None
    kind, state = struct.unpack_from("=4xH", answer)[0], answer[_HEADER + 1]
    if kind != _BY_FAMILY or state == proc.LISTEN:
        return None  # it is gone: the kernel may offer its listener instead
    queued: int = struct.unpack_from("=I", answer, _HEADER + 4 + _SOCKET + 4)[0]
    return queued
