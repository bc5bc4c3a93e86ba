"""What Linux's /proc says: its files, each read at once, processes and threads, and the tables of sockets.

Nothing here raises and nothing here waits. Where something cannot be known (another system, no right, it is
gone) the answer is empty.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Collection, Iterator
from typing import NamedTuple

Address = tuple[str, int]
"""An IP address as text, and a port."""

TABLES = {"tcp": ("net/tcp", "net/tcp6"), "udp": ("net/udp", "net/udp6")}
"""The files that list a transport's sockets, IPv4's first: those of one network only."""

CHUNK = 1 << 16  # bytes: most files of /proc in one read
STATE, PARENT, USER_TICKS, SYSTEM_TICKS, THREADS, STARTED = 0, 1, 11, 12, 17, 19
"""Fields of a stat file, behind the name."""


LISTEN, UNCONNECTED = 0x0A, 0x07
"""States of a socket: TCP listens, UDP has no peer."""


class Socket(NamedTuple):
    """One socket of a table."""

    table: str
    """The file: TABLES has it."""
    local: Address
    remote: Address
    state: int
    """The kernel's number, of UDP's too."""
    unsent: int
    """Bytes that the peer has not acknowledged; of a socket that listens nothing."""
    unread: int
    """Bytes; of a socket that listens, the connections in its backlog."""
    inode: int
    """0 where no program has it: in a backlog, or closed."""
    last: str
    """Its last column: of UDP, the datagrams that it dropped."""

    @property
    def waits(self) -> bool:
        """Does it wait for clients: of TCP it listens, of UDP it is bound and has no peer?"""
        return self.state == (LISTEN if self.table in TABLES["tcp"] else UNCONNECTED)


def known() -> bool:
    """Does this system tell?"""
    return os.path.exists("/proc/net/tcp")


def read(name: str) -> bytes:
    """A whole file of /proc; nothing where it cannot be read."""
    try:
        file = os.open(os.path.join("/proc", name), os.O_RDONLY)
    except OSError:
        return b""
    try:  # of many processes many times a second: three calls, and no more
        pieces = []
        while piece := os.read(file, CHUNK):
            pieces.append(piece)
        return b"".join(pieces)
    except OSError:
        return b""
    finally:
        os.close(file)


def listed(name: str) -> list[str]:
    """The names in a folder of /proc."""
    try:
        return os.listdir(os.path.join("/proc", name))
    except OSError:
        return []


def stat(of: str) -> list[str]:
    """The fields of a stat file from the state on: the name before them may hold anything.

    of: a process, or `PID/task/TID`.
    """
    return read(f"{of}/stat").rpartition(b")")[2].decode().split()


def pids() -> list[int]:
    """All processes."""
    return [int(name) for name in listed("") if name.isdigit()]


def tasks(pid: int) -> list[str]:
    """The threads of a process."""
    return listed(f"{pid}/task")


def lives(pid: int) -> bool:
    """Is it there, and does not only wait to be reaped?"""
    fields = stat(f"{pid}")
    ended = fields and fields[STATE] in "ZX" and int(fields[THREADS]) < 2  # else only its first thread has
    return bool(fields) and not ended


def descriptors(pid: int) -> dict[int, str]:
    """The open descriptors of a process, and what /proc calls that which each belongs to."""
    found = {}
    for number in listed(f"{pid}/fd"):
        try:
            found[int(number)] = os.readlink(f"/proc/{pid}/fd/{number}")
        except OSError:
            continue
    return found


def inode(target: str) -> int | None:
    """The inode of a socket that descriptors() found; None where it is no socket."""
    return int(target[8:-1]) if target.startswith("socket:[") else None


def sockets(transport: str, pid: int | None = None) -> Iterator[Socket]:
    """The sockets of the network that a process is in, by default this one."""
    for path in TABLES[transport]:
        for line in read(path if pid is None else f"{pid}/{path}").decode().splitlines()[1:]:
            fields = line.split()
            unsent, _, unread = fields[4].partition(":")
            yield Socket(
                table=path,
                local=_address(fields[1]),
                remote=_address(fields[2]),
                state=int(fields[3], 16),
                unsent=int(unsent, 16),
                unread=int(unread, 16),
                inode=int(fields[9]),
                last=fields[-1],
            )


def listening(pids: Collection[int] | None, transport: str) -> list[Address]:
    """The addresses of the sockets of `tcp` that listen, or of `udp` that are bound and have no peer: those
    of these processes, or all of this network's with None.
    """
    if pids is not None and not (inodes := _inodes(pids)):
        return []  # the tables are dear: to read one takes milliseconds
    return [
        entry.local for entry in sockets(transport) if entry.waits and (pids is None or entry.inode in inodes)
    ]


def processes(session: int) -> list[int]:
    """The living processes of a session; those that have ended and wait to be reaped are left out."""
    return [pid for pid in pids() if _session(pid) == session and lives(pid)]


def stats(pids: Collection[int]) -> Iterator[list[str]]:
    """The stat fields of those that are there."""
    for pid in pids:
        if fields := stat(f"{pid}"):
            yield fields


def cpu_ticks(pids: Collection[int]) -> int | None:
    """The processor time that they have used, in clock ticks (commonly 10 ms)."""
    spent = [int(fields[USER_TICKS]) + int(fields[SYSTEM_TICKS]) for fields in stats(pids)]
    return sum(spent) if spent else None


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)  # a hundred times as fast as to read it
    except OSError:
        return None


def _inodes(pids: Collection[int]) -> set[int]:
    """The inodes of all sockets that these processes have open."""
    targets = (target for pid in pids for target in descriptors(pid).values())
    return {found for target in targets if (found := inode(target)) is not None}


def _address(written: str) -> Address:
    """Read `0100007F:138D`: words of 32 bits, each in the order of this machine."""
    ip, _, port = written.partition(":")
    words = [int(ip[at : at + 8], 16) for at in range(0, len(ip), 8)]
    raw = struct.pack(f"={len(words)}I", *words)
    mapped = raw.startswith(bytes(10) + b"\xff\xff")
    family = socket.AF_INET if mapped or len(raw) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, raw[12:] if mapped else raw), int(port, 16)
