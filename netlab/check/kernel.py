"""What the system knows about programs and their sockets: from Linux's /proc, and its diagnosis of sockets.

Nothing here raises and nothing here waits. Where something cannot be known (another system, no right, it is
gone) the answer is None, or empty.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Collection, Iterator

from netlab import proc

Address = proc.Address
"""An IP address as text, and a port."""

_LISTEN, _UNCONNECTED = 0x0A, 0x07  # states of a socket: TCP listens, UDP has no peer
_BY_FAMILY, _REQUEST, _NO_COOKIE = 20, 1, 0xFFFFFFFF  # of linux/sock_diag.h
_SOCK_DIAG = 4  # the netlink family
_HEADER, _SOCKET = 16, 48  # bytes of a netlink header, of a struct inet_diag_sockid


def known() -> bool:
    """Does this system tell?"""
    return os.path.exists("/proc/net/tcp")


def listening(pids: Collection[int] | None, transport: str) -> list[Address]:
    """The addresses of the sockets of `tcp` that listen, or of `udp` that are bound and have no peer: those
    of these processes, or all of this network's with None.
    """
    if pids is not None and not (inodes := _sockets(pids)):
        return []  # the tables are dear: to read one takes milliseconds
    return [
        entry.local
        for entry in proc.sockets(transport)
        if entry.state == (_LISTEN if transport == "tcp" else _UNCONNECTED)
        and (pids is None or entry.inode in inodes)
    ]


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


def processes(session: int) -> list[int]:
    """The living processes of a session; those that have ended and wait to be reaped are left out."""
    return [pid for pid in proc.pids() if _session(pid) == session and proc.lives(pid)]


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


def cpu_ticks(pids: Collection[int]) -> int | None:
    """The processor time that they have used, in clock ticks (commonly 10 ms)."""
    spent = [int(fields[proc.USER_TICKS]) + int(fields[proc.SYSTEM_TICKS]) for fields in _stats(pids)]
    return sum(spent) if spent else None


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
    ticks = cpu_ticks(pids)
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
    counts = [int(fields[proc.THREADS]) for fields in _stats(pids)]
    return sum(counts) if counts else None


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)  # a hundred times as fast as to read it
    except OSError:
        return None


def _stats(pids: Collection[int]) -> Iterator[list[str]]:
    for pid in pids:
        if fields := proc.stat(f"{pid}"):
            yield fields


def _sockets(pids: Collection[int]) -> set[int]:
    """The inodes of all sockets that these processes have open."""
    targets = (target for pid in pids for target in proc.descriptors(pid).values())
    return {inode for target in targets if (inode := proc.inode(target)) is not None}


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
    if kind != _BY_FAMILY or state == _LISTEN:
        return None  # it is gone: the kernel may offer its listener instead
    queued: int = struct.unpack_from("=I", answer, _HEADER + 4 + _SOCKET + 4)[0]
    return queued
