"""System calls that a thread can be blocked in: their numbers, and what each waits for."""

from __future__ import annotations

import enum
import struct
from typing import NamedTuple


class Wait(enum.Enum):
    """What a system call waits for."""

    CLIENT = "client"
    CONNECTION = "connection"
    """An answer to a SYN."""
    DATA = "data"
    ROOM = "room"
    """That more can be sent, since somebody has read."""
    SELECTOR = "selector"
    POLL = "poll"
    """Descriptors in an array."""
    SELECT = "select"
    """Descriptors in three sets."""
    THREAD = "thread"
    """Another thread: a lock or the like."""
    TIME = "time"
    PROCESS = "process"
    """The end of another process."""
    SIGNAL = "signal"
    FILE = "file"
    OTHER = "other"


class Call(NamedTuple):
    """A system call."""

    name: str
    """The kernel's name."""
    shown: str
    """The name under which programs know it."""
    wait: Wait

    @property
    def has_descriptor(self) -> bool:
        """Is its first argument the descriptor that it waits for?"""
        return self.wait in _WITH_DESCRIPTOR


_WITH_DESCRIPTOR = {Wait.CLIENT, Wait.CONNECTION, Wait.DATA, Wait.ROOM, Wait.SELECTOR, Wait.FILE}

_ROWS = (
    # name, number of x86-64, number of the others, shown as
    ("accept", 43, 202, "accept", Wait.CLIENT),
    ("accept4", 288, 242, "accept", Wait.CLIENT),
    ("connect", 42, 203, "connect", Wait.CONNECTION),
    ("read", 0, 63, "read", Wait.DATA),
    ("readv", 19, 65, "readv", Wait.DATA),
    ("pread64", 17, 67, "pread", Wait.DATA),
    ("recvfrom", 45, 207, "recv", Wait.DATA),
    ("recvmsg", 47, 212, "recvmsg", Wait.DATA),
    ("recvmmsg", 299, 243, "recvmmsg", Wait.DATA),
    ("write", 1, 64, "write", Wait.ROOM),
    ("writev", 20, 66, "writev", Wait.ROOM),
    ("pwrite64", 18, 68, "pwrite", Wait.ROOM),
    ("sendto", 44, 206, "send", Wait.ROOM),
    ("sendmsg", 46, 211, "sendmsg", Wait.ROOM),
    ("sendmmsg", 307, 269, "sendmmsg", Wait.ROOM),
    ("sendfile", 40, 71, "sendfile", Wait.ROOM),
    ("epoll_wait", 232, None, "epoll_wait", Wait.SELECTOR),
    ("epoll_pwait", 281, 22, "epoll_wait", Wait.SELECTOR),
    ("epoll_pwait2", 441, 441, "epoll_wait", Wait.SELECTOR),
    ("poll", 7, None, "poll", Wait.POLL),
    ("ppoll", 271, 73, "poll", Wait.POLL),
    ("select", 23, None, "select", Wait.SELECT),
    ("pselect6", 270, 72, "select", Wait.SELECT),
    ("futex", 202, 98, "futex", Wait.THREAD),
    ("futex_waitv", 449, 449, "futex", Wait.THREAD),
    ("nanosleep", 35, 101, "sleep", Wait.TIME),
    ("clock_nanosleep", 230, 115, "sleep", Wait.TIME),
    ("wait4", 61, 260, "wait", Wait.PROCESS),
    ("waitid", 247, 95, "wait", Wait.PROCESS),
    ("pause", 34, None, "pause", Wait.SIGNAL),
    ("rt_sigsuspend", 130, 133, "sigsuspend", Wait.SIGNAL),
    ("rt_sigtimedwait", 128, 137, "sigwait", Wait.SIGNAL),
    ("close", 3, 57, "close", Wait.FILE),
    ("shutdown", 48, 210, "shutdown", Wait.FILE),
    ("fcntl", 72, 25, "fcntl", Wait.FILE),
    ("ioctl", 16, 29, "ioctl", Wait.FILE),
    ("flock", 73, 32, "flock", Wait.FILE),
    ("fsync", 74, 82, "fsync", Wait.FILE),
    ("fdatasync", 75, 83, "fdatasync", Wait.FILE),
    ("openat", 257, 56, "open", Wait.OTHER),
    ("splice", 275, 76, "splice", Wait.OTHER),
    ("io_uring_enter", 426, 426, "io_uring_enter", Wait.OTHER),
)

_X86_64 = {number: Call(name, shown, wait) for name, number, _, shown, wait in _ROWS}
_GENERIC = {number: Call(name, shown, wait) for name, _, number, shown, wait in _ROWS if number is not None}

_OF_MACHINES = {62: _X86_64, 183: _GENERIC, 243: _GENERIC, 258: _GENERIC}
"""The numbers, by the machine that an ELF header names: x86-64; AArch64, RISC-V and LoongArch, which share
theirs.
"""

_ELF = struct.Struct("<4sBB12xH")
"""The beginning of an ELF file: the magic number, the class, the order of bytes, and the machine."""

_IN_THE_KERNEL = (
    # what the function's name begins with, the call that it may be, and what is waited for
    ("inet_csk_accept", "accept", Wait.CLIENT),
    ("inet_csk_wait_for_connect", "accept", Wait.CLIENT),
    ("inet_wait_for_connect", "connect", Wait.CONNECTION),
    ("sk_stream_wait_memory", "send", Wait.ROOM),
    ("sk_wait_data", "recv", Wait.DATA),
    ("__skb_wait_for_more_packets", "recv", Wait.DATA),
    ("do_epoll_wait", "epoll_wait", Wait.SELECTOR),
    ("ep_poll", "epoll_wait", Wait.SELECTOR),
    ("poll_schedule_timeout", "poll or select", Wait.OTHER),
    ("do_poll", "poll", Wait.OTHER),
    ("do_sys_poll", "poll", Wait.OTHER),
    ("do_select", "select", Wait.OTHER),
    ("futex_", "futex", Wait.THREAD),
    ("do_futex", "futex", Wait.THREAD),
    ("hrtimer_nanosleep", "sleep", Wait.TIME),
    ("do_nanosleep", "sleep", Wait.TIME),
    ("do_wait", "wait", Wait.PROCESS),
    ("kernel_wait", "wait", Wait.PROCESS),
    ("wait_woken", "recv or send", Wait.OTHER),
)
"""Functions of the kernel that threads sleep in: they let the call be guessed where it is not told."""


def numbers(executable: bytes) -> dict[int, Call]:
    """The system calls of the machine that a program is for, by number; empty where it is not known.

    executable: the beginning of its file, 20 bytes at least. A 32-bit program has other numbers than the
    64-bit kernel that it runs on: hence not os.uname().
    """
    if len(executable) < _ELF.size:
        return {}
    magic, width, order, machine = _ELF.unpack_from(executable)
    return _OF_MACHINES.get(machine, {}) if (magic, width, order) == (b"\x7fELF", 2, 1) else {}


def asleep_in(function: str) -> Call | None:
    """The call that a thread is likely in which sleeps in this function of the kernel."""
    for beginning, shown, wait in _IN_THE_KERNEL:
        if function.startswith(beginning):
            return Call("", shown, wait)
    return None
