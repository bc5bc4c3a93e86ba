"""The sockets of a network at one moment, by their inodes: what a descriptor is connected to."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from netlab import proc

STATES = (
    *("ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT"),
    *("LAST_ACK", "LISTEN", "CLOSING", "NEW_SYN_RECV"),
)
"""TCP's states, of the kernel's numbers from 1 on."""

_LISTENS = 0x10000  # a flag of a Unix socket


class Unix(NamedTuple):
    """A Unix socket."""

    path: str
    """Empty where it has none; begins with @ where it is no file."""
    listens: bool


class Network:
    """The sockets of the network that a process is in. Those of Unix are only read when one is looked for."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._unix: dict[int, Unix] | None = None
        self.tcp = list(proc.sockets("tcp", pid))
        self.udp = list(proc.sockets("udp", pid))
        self._tcp = {each.inode: each for each in self.tcp}
        self._udp = {each.inode: each for each in self.udp}

    def find_tcp(self, inode: int) -> proc.Socket | None:
        """A TCP socket that listens or is connected."""
        return self._tcp.get(inode)

    def find_udp(self, inode: int) -> proc.Socket | None:
        """A UDP socket that has a port."""
        return self._udp.get(inode)

    def find_unix(self, inode: int) -> Unix | None:
        """A Unix socket."""
        if self._unix is None:
            self._unix = dict(_unix(self._pid))
        return self._unix.get(inode)


def networks(pids: Iterable[int]) -> dict[int, Network]:
    """The network of each of these processes; most share one, which is read once."""
    read: dict[str, Network] = {}
    found = {}
    for pid in pids:
        try:
            name = os.readlink(f"/proc/{pid}/ns/net")
        except OSError:
            name = f"{pid}"
        if name not in read:
            read[name] = Network(pid)
        found[pid] = read[name]
    return found


def _unix(pid: int) -> Iterable[tuple[int, Unix]]:
    for line in proc.read(f"{pid}/net/unix").decode("utf-8", "backslashreplace").splitlines()[1:]:
        words = line.split(maxsplit=7)
        path = words[7] if len(words) > 7 else ""
        yield int(words[6]), Unix(path, bool(int(words[3], 16) & _LISTENS))
