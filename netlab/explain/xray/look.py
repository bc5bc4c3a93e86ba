"""One look at a process: where each of its threads is blocked, what it has open, what its selectors watch.

Nothing here stops a process, or raises: it reads /proc, and says what it was not allowed to read.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from netlab import proc
from netlab.explain.xray.calls import Call, Wait, asleep_in, numbers

MAX_THREADS = 1000
"""Threads of a process that are looked at: to read one takes some 50 microseconds."""

MAX_WATCHED = 4096
"""Descriptors of one poll() or select() that are read from a program's memory."""

EPOLL = "anon_inode:[eventpoll]"
"""What /proc calls a selector of Linux."""

DENIED, NOT_TOLD = "no right", "not told by this system"
"""Why it may be unknown in which system calls threads are."""

_EVENTS = {0x41: "READ", 0x104: "WRITE", 0x2: "EXCEPT"}  # the same bits in epoll and poll
_POLLFD = struct.Struct("=ihh")
_TIMES = struct.Struct("=qq")  # struct timespec and struct timeval, of 64 bits
_TIMED = {
    "ppoll": 2,
    "select": 4,
    "pselect6": 4,
    "epoll_pwait2": 3,
    "futex": 3,
    "nanosleep": 0,
    "clock_nanosleep": 2,
}
"""Which argument is the address of the time that a call takes at most; 0 there is no such time."""

_ABSOLUTE = 1  # a flag of clock_nanosleep
_ELF_HEADER = 64  # bytes
_STOPPED = "Tt"  # states of a stat file


@dataclass(frozen=True)
class Watch:
    """A descriptor that is watched."""

    fd: int
    events: tuple[str, ...]
    """READ, WRITE, EXCEPT; none where only errors and the end are waited for."""
    inode: int | None = None
    """Of what was registered, which may be another thing than the descriptor is now; None if not told."""


@dataclass(frozen=True)
class Thread:
    """A thread, and where it is blocked."""

    tid: int
    name: str
    """What it calls itself; may be the name of the program."""
    state: str
    """`running`, `blocked` or `stopped`."""
    call: Call | None = None
    """None where it runs, or where this is not known."""
    number: int | None = None
    """Of the system call; None where it is in none, or where that is not told."""
    fd: int | None = None
    watches: tuple[Watch, ...] | None = None
    """What poll() or select() watches; None where it could not be read."""
    timed: bool = False
    """Does the call return after some time in any case?"""
    timeout: float | None = field(default=None, compare=False)  # it may be another each time
    """Seconds that this takes from its beginning, where that is told."""
    started: int = 0
    """When, in clock ticks since the system's start."""
    kernel: str = ""
    """The function of the kernel that it sleeps in, where nothing better is known."""


@dataclass(frozen=True)
class Process:
    """A process, as one look saw it."""

    pid: int
    command: tuple[str, ...]
    threads: tuple[Thread, ...] = ()
    more_threads: int = 0
    """How many there are that were not looked at."""
    descriptors: dict[int, str] = field(default_factory=dict)
    selectors: dict[int, tuple[Watch, ...]] = field(default_factory=dict)
    """What each epoll descriptor watches."""
    closed: bool = False
    """May we not look into it at all?"""
    silent: str = ""
    """DENIED or NOT_TOLD, where it is not known in which calls its threads are."""


def processes(roots: Iterable[int]) -> list[int]:
    """These processes and all that descend from them, the living ones; who is first comes first."""
    found: list[int] = []
    waiting = list(roots)
    parents: dict[int, list[int]] | None = None if has_children_files() else _by_parent()
    while waiting:
        pid = waiting.pop(0)
        if pid in found:
            continue
        if proc.lives(pid):
            found.append(pid)
        waiting += children(pid) if parents is None else parents.get(pid, [])
    return found


def children(pid: int) -> list[int]:
    """The processes that a process has started, and those that it has adopted."""
    if not has_children_files():
        return _by_parent().get(pid, [])
    written = [proc.read(f"{pid}/task/{task}/children") for task in proc.tasks(pid)]
    return sorted(int(number) for numbers in written for number in numbers.split())


def has_children_files() -> bool:
    """Does the kernel list children (CONFIG_PROC_CHILDREN)? To ask every process for its parent is dear."""
    return os.path.exists(f"/proc/self/task/{os.readlink('/proc/self')}/children")


def _by_parent() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for pid in sorted(proc.pids()):
        if fields := proc.stat(f"{pid}"):
            found.setdefault(int(fields[proc.PARENT]), []).append(pid)
    return found


def look(pid: int) -> Process:
    """Look at a process. One that has ended has no threads."""
    command = tuple(
        word.decode("utf-8", "backslashreplace") for word in proc.read(f"{pid}/cmdline").split(b"\0")
    )
    command = command[:-1]  # what follows the last one's end
    try:
        os.readlink(f"/proc/{pid}/exe")
    except PermissionError:
        return Process(pid, command, closed=True)
    except OSError:
        pass  # it has ended, or is the kernel's
    tids = sorted(map(int, proc.tasks(pid)))
    reader = _Reader(pid)
    try:
        threads = [thread for tid in tids[:MAX_THREADS] if (thread := reader.thread(tid))]
    finally:
        reader.close()
    descriptors = proc.descriptors(pid)
    return Process(
        pid,
        command,
        tuple(sorted(threads, key=lambda thread: (thread.tid != pid, thread.started, thread.tid))),
        max(0, len(tids) - MAX_THREADS),
        descriptors,
        {fd: _watched(pid, fd) for fd, target in descriptors.items() if target == EPOLL},
        silent=reader.silent,
    )


def _watched(pid: int, selector: int) -> tuple[Watch, ...]:
    """What an epoll descriptor watches: `tfd:  5 events:  19 data: 5  pos:0 ino:49a1dd sdev:9`."""
    found = []
    for line in proc.read(f"{pid}/fdinfo/{selector}").decode("ascii", "replace").splitlines():
        words = line.replace(":", " ").split()
        if words[:1] == ["tfd"]:
            said = dict(zip(words[::2], words[1::2], strict=False))
            inode = int(said["ino"], 16) if "ino" in said else None  # since Linux 5.?
            found.append(Watch(int(said["tfd"]), _events(int(said["events"], 16)), inode))
    return tuple(sorted(found, key=lambda watch: watch.fd))


def _events(mask: int) -> tuple[str, ...]:
    return tuple(name for bits, name in _EVENTS.items() if mask & bits)


class _Reader:
    """Reads the threads of one process."""

    def __init__(self, pid: int) -> None:
        self.silent = ""
        self._pid = pid
        self._memory: int | None = None
        self._calls = numbers(self._executable())

    def close(self) -> None:
        if self._memory is not None:
            os.close(self._memory)

    def thread(self, tid: int) -> Thread | None:
        """One of them; None if it is gone."""
        where = f"{self._pid}/task/{tid}"
        fields = proc.stat(where)
        if not fields or fields[proc.STATE] in "ZX":
            return None
        name = proc.read(f"{where}/comm").decode("utf-8", "backslashreplace").rstrip("\n")
        started = int(fields[proc.STARTED])
        state = "stopped" if fields[proc.STATE] in _STOPPED else "blocked"
        words = self._syscall(where)
        if words == ["running"] or (words is None and fields[proc.STATE] == "R"):
            return Thread(tid, name, "running", started=started)
        number, *arguments = (int(word, 0) for word in words or ["-1"])
        call = self._calls.get(number)
        if call is None:
            function = proc.read(f"{where}/wchan").decode("ascii", "replace").strip("\0\n0")
            told = number if number >= 0 else None  # else it waits for its memory, say, and is in no call
            return Thread(tid, name, state, asleep_in(function), told, started=started, kernel=function)
        watches = self._watches(call, arguments)
        timed, timeout = self._timeout(call, arguments)
        if watches == () and timed:  # so programs slept in former times
            call = call._replace(shown="sleep", wait=Wait.TIME)
        fd = _as_int(arguments[0]) if call.has_descriptor else None
        return Thread(tid, name, state, call, number, fd, watches, timed, timeout, started)

    def _syscall(self, where: str) -> list[str] | None:
        """The words of a thread's syscall file; None where it is not told, and `silent` then says why."""
        try:
            with open(f"/proc/{where}/syscall", "rb", buffering=0) as file:
                return file.read().decode("ascii").split() or None
        except ProcessLookupError:
            return None
        except PermissionError:
            self.silent = DENIED
        except OSError:
            if os.path.exists(f"/proc/{where}"):
                self.silent = NOT_TOLD
        return None

    def _watches(self, call: Call, arguments: list[int]) -> tuple[Watch, ...] | None:
        if call.wait is Wait.POLL:
            data = self._read(arguments[0], _POLLFD.size * min(arguments[1], MAX_WATCHED))
            if data is None:
                return None
            asked = _POLLFD.iter_unpack(data)
            return tuple(Watch(fd, _events(events)) for fd, events, _ in asked if fd >= 0)
        if call.wait is Wait.SELECT:
            return self._sets(min(_as_int(arguments[0]), MAX_WATCHED), arguments[1:4])
        return None

    def _sets(self, count: int, addresses: Collection[int]) -> tuple[Watch, ...] | None:
        """The three sets of select(): bit n of a set is descriptor n."""
        found: dict[int, list[str]] = {}
        for address, name in zip(addresses, ("READ", "WRITE", "EXCEPT"), strict=True):
            if address == 0 or count <= 0:
                continue
            data = self._read(address, (count + 7) // 8)
            if data is None:
                return None
            bits = int.from_bytes(data, "little")
            for fd in range(count):
                if bits >> fd & 1:
                    found.setdefault(fd, []).append(name)
        return tuple(Watch(fd, tuple(names)) for fd, names in sorted(found.items()))

    def _timeout(self, call: Call, arguments: list[int]) -> tuple[bool, float | None]:
        """Does the call return after some time, and after how many seconds, where that is told?"""
        if call.name in ("poll", "epoll_wait", "epoll_pwait"):
            milliseconds = _as_int(arguments[2 if call.name == "poll" else 3])
            return milliseconds >= 0, milliseconds / 1000 if milliseconds >= 0 else None
        if call.name not in _TIMED or not (address := arguments[_TIMED[call.name]]):
            return False, None
        if call.name == "futex" or (call.name == "clock_nanosleep" and arguments[1] & _ABSOLUTE):
            return True, None  # it says when, not how long
        data = self._read(address, _TIMES.size)
        if data is None:
            return True, None
        seconds, parts = _TIMES.unpack(data)
        return True, seconds + parts / (1e6 if call.name == "select" else 1e9)

    def _executable(self) -> bytes:
        try:
            with open(f"/proc/{self._pid}/exe", "rb", buffering=0) as file:
                return file.read(_ELF_HEADER)
        except OSError:
            return b""

    def _read(self, address: int, length: int) -> bytes | None:
        """Bytes of the process's memory; None where they cannot be read."""
        try:
            if self._memory is None:
                self._memory = os.open(f"/proc/{self._pid}/mem", os.O_RDONLY)
            data = os.pread(self._memory, length, address)
        except (OSError, OverflowError):
            return None
        return data if len(data) == length else None


def _as_int(argument: int) -> int:
    """The lower half of a register, as the kernel reads it for an int."""
    return (argument & 0x7FFFFFFF) - (argument & 0x80000000)
