"""Who waits for what: threads, selectors and sockets of one moment, put together. Data, and no words."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from netlab import proc
from netlab.explain.xray.calls import Wait
from netlab.explain.xray.look import EPOLL, Process, Thread, Watch
from netlab.explain.xray.networks import STATES, Network

_ESTABLISHED, _SYN_SENT, _SYN_RECEIVED, _CLOSE_WAIT = 0x01, 0x02, 0x03, 0x08
_PEER_HAS_FINISHED = (_CLOSE_WAIT, 0x09, 0x0B)
_ANY = ("0.0.0.0", "::")
_CALLED = {
    "[eventfd]": "event",
    "[timerfd]": "timer",
    "[signalfd]": "signals",
    "[io_uring]": "io_uring",
    "inotify": "inotify",
    "[pidfd]": "process",
}


@dataclass(frozen=True)
class Thing:
    """What a descriptor belongs to."""

    kind: str
    """`listener`, `connection`, `udp`, `unix`, `unix listener`, `socket` (of another sort, or not connected),
    `pipe`, `terminal`, `file`, `selector`, `closed`, or an object of the kernel's, by its name.
    """
    name: str = ""
    """A path, where it has one."""
    local: proc.Address | None = None
    remote: proc.Address | None = None
    state: str = ""
    """TCP's."""
    unread: int = 0
    """Bytes that have come and were not read; of UDP, what they take in the kernel's memory."""
    unsent: int = 0
    """Bytes that the peer has not acknowledged."""
    finished: bool = False
    """Has the peer's FIN come?"""
    inner: bool = False
    """Has the same process both ends of the pipe?"""


@dataclass(frozen=True)
class Watched:
    """A descriptor in a selector, a poll() or a select()."""

    fd: int
    events: tuple[str, ...]
    thing: Thing


@dataclass(frozen=True)
class Waiting:
    """A thread, and what it waits for."""

    thread: Thread
    name: str
    """The one to show: its own, or a number."""
    thing: Thing | None = None
    """What its call's descriptor belongs to."""
    watched: tuple[Watched, ...] | None = None
    """What it watches, in whatever way; None where it watches nothing, or where that could not be read."""

    @property
    def called(self) -> str:
        """The name of the call that it is in: what the program calls it. Empty where it is in none, or where
        that is not known.
        """
        call = self.thread.call
        if call is None:
            return ""
        datagrams = self.thing is not None and self.thing.kind == "udp"
        return call.name if datagrams and call.name in ("recvfrom", "sendto") else call.shown


@dataclass(frozen=True)
class Selector:
    """An epoll descriptor."""

    fd: int
    watched: tuple[Watched, ...]
    threads: tuple[str, ...]
    """The names of those that wait in it now."""


@dataclass(frozen=True)
class Held:
    """A socket that is open, and who waits for it."""

    thing: Thing
    holders: tuple[tuple[int, int], ...]
    """Each process that has it, and the number of its descriptor there."""
    threads: tuple[tuple[int, str], ...]
    """Each process and thread that waits for it now, itself or in a selector."""
    selectors: tuple[tuple[int, int], ...]
    """Each process and selector that watches it, whoever waits there."""
    backlog: tuple[Thing, ...] = ()
    """Of a listener: the connections that wait to be accepted."""
    outside: tuple[Thing, ...] = ()
    """Of a listener: those that wait for even that, since there is no room in the backlog."""

    @property
    def forgotten(self) -> bool:
        """Does nobody wait for it, and no selector watch it? A Unix socket without a name does not count: it
        is one of a pair, most likely, with which a program wakes itself.
        """
        return not self.threads and not self.selectors and bool(self.thing.local or self.thing.name)


@dataclass(frozen=True)
class Shown:
    """A process with its threads and selectors."""

    process: Process
    threads: tuple[Waiting, ...]
    selectors: tuple[Selector, ...]


@dataclass(frozen=True)
class Picture:
    """All of it."""

    processes: tuple[Shown, ...] = ()
    sockets: tuple[Held, ...] = ()
    more_processes: int = 0
    """How many there are that were not looked at."""

    @property
    def whole(self) -> bool:
        """Is it known of each thread what it waits for? Else who seems to be forgotten may not be."""
        return not self.more_processes and not any(
            shown.process.closed or shown.process.more_threads or any(map(_hidden, shown.threads))
            for shown in self.processes
        )

    def clients(self) -> int:
        """How many connections have come to these processes: the accepted ones, and those in the backlog."""
        listeners = [held.thing for held in self.sockets if held.thing.kind == "listener"]
        came = {
            (held.thing.local, held.thing.remote)
            for held in self.sockets
            if held.thing.kind == "connection" and any(_belongs(held.thing.local, each) for each in listeners)
        }
        waits = {(thing.local, thing.remote) for held in self.sockets for thing in held.backlog}
        return len(came | waits)

    def has_sockets(self) -> bool:
        """Does any of these processes listen, or have a port?"""
        return any(held.thing.local for held in self.sockets) or any(
            held.thing.kind == "unix listener" for held in self.sockets
        )


def _hidden(waiting: Waiting) -> bool:
    """May it wait for a socket that we do not know of?"""
    thread = waiting.thread
    if thread.state == "running":
        return False
    if thread.call is None:
        return True
    wait = thread.call.wait
    if wait is Wait.OTHER:
        return True
    if wait in (Wait.POLL, Wait.SELECT):
        return thread.watches is None
    return thread.call.has_descriptor and waiting.thing is None


@dataclass
class Names:
    """The names of threads, the same in each picture: their own, or numbers in order of their beginnings."""

    _numbers: dict[tuple[int, int, int], int] = field(default_factory=dict)
    _last: dict[int, int] = field(default_factory=dict)

    def of(self, process: Process) -> dict[int, str]:
        """The names of a process's threads."""
        named = {}
        usual = next((thread.name for thread in process.threads if thread.tid == process.pid), "")
        for thread in process.threads:
            if thread.tid == process.pid:
                named[thread.tid] = "main thread"
            elif thread.name and thread.name != usual:
                named[thread.tid] = thread.name
            else:
                key = (process.pid, thread.tid, thread.started)
                if key not in self._numbers:
                    self._last[process.pid] = self._numbers[key] = self._last.get(process.pid, 0) + 1
                named[thread.tid] = f"thread {self._numbers[key]}"
        return named

    def forget(self, processes: Sequence[Process]) -> None:
        """Forget all threads but those of these processes."""
        living = {(each.pid, thread.tid, thread.started) for each in processes for thread in each.threads}
        self._numbers = {key: number for key, number in self._numbers.items() if key in living}
        self._last = {
            pid: last for pid, last in self._last.items() if pid in {each.pid for each in processes}
        }


def picture(processes: Sequence[Process], networks: Mapping[int, Network], names: Names) -> Picture:
    """Put together what was seen at about the same time."""
    shown = tuple(_shown(process, networks[process.pid], names) for process in processes)
    names.forget(processes)
    return Picture(shown, tuple(_held(shown, networks)))


def _shown(process: Process, network: Network, names: Names) -> Shown:
    things = {fd: _thing(target, process, network) for fd, target in process.descriptors.items()}
    called = names.of(process)

    def watched(watches: Sequence[Watch]) -> tuple[Watched, ...]:
        found = []
        for watch in watches:
            thing = things.get(watch.fd, Thing("closed"))
            registered = proc.inode(process.descriptors.get(watch.fd, ""))
            if None not in (watch.inode, registered) and watch.inode != registered:
                thing = Thing("closed")  # its number has been given away anew
            found.append(Watched(watch.fd, watch.events, thing))
        return tuple(found)

    selectors = {fd: watched(watches) for fd, watches in process.selectors.items()}

    def waiting(thread: Thread) -> Waiting:
        fd = thread.fd
        if thread.call is None or thread.state == "running":
            return Waiting(thread, called[thread.tid])
        if thread.call.has_descriptor and fd is None:
            fd = _only(thread.call.wait, things)
        if thread.call.wait is Wait.SELECTOR and fd in selectors:
            return Waiting(_at(thread, fd), called[thread.tid], things.get(fd), selectors[fd])
        if fd is not None:
            return Waiting(_at(thread, fd), called[thread.tid], things.get(fd, Thing("closed")))
        seen = None if thread.watches is None else watched(thread.watches)
        return Waiting(thread, called[thread.tid], None, seen)

    rows = tuple(waiting(thread) for thread in process.threads) if not process.closed else ()
    return Shown(
        process,
        rows,
        tuple(
            Selector(
                fd,
                watches,
                tuple(
                    row.name
                    for row in rows
                    if row.thread.call and row.thread.call.wait is Wait.SELECTOR and row.thread.fd == fd
                ),
            )
            for fd, watches in sorted(selectors.items())
        ),
    )


def _at(thread: Thread, fd: int) -> Thread:
    return thread if thread.fd == fd else replace(thread, fd=fd)


def _only(wait: Wait, things: Mapping[int, Thing]) -> int | None:
    """The descriptor that a thread must be waiting for, where it was not told: there is no other."""
    kinds = {Wait.CLIENT: ("listener", "unix listener"), Wait.SELECTOR: ("selector",)}.get(wait, ())
    fitting = [fd for fd, thing in things.items() if thing.kind in kinds]
    return fitting[0] if len(fitting) == 1 else None


def _thing(target: str, process: Process, network: Network) -> Thing:
    inode = proc.inode(target)
    if inode is not None:
        if (tcp := network.find_tcp(inode)) is not None:
            return _tcp(tcp)
        if (udp := network.find_udp(inode)) is not None:
            remote = udp.remote if udp.state == _ESTABLISHED else None
            return Thing("udp", local=udp.local, remote=remote, unread=udp.unread, unsent=udp.unsent)
        if (unix := network.find_unix(inode)) is not None:
            return Thing("unix listener" if unix.listens else "unix", unix.path)
        return Thing("socket")
    if target.startswith("pipe:["):
        ends = [each for each in process.descriptors.values() if each == target]
        return Thing("pipe", inner=len(ends) > 1)
    if target == EPOLL:
        return Thing("selector")
    if target.startswith("anon_inode:"):
        called = target.removeprefix("anon_inode:")
        return Thing(_CALLED.get(called, called.strip("[]")))
    if target.startswith(("/dev/pts/", "/dev/tty", "/dev/console")):
        return Thing("terminal", target)
    return Thing("file", os.fsencode(target).decode("utf-8", "backslashreplace"))


def _tcp(entry: proc.Socket) -> Thing:
    state = STATES[entry.state - 1] if entry.state <= len(STATES) else ""
    if entry.state == proc.LISTEN:
        return Thing("listener", local=entry.local, state=state)
    finished = entry.state in _PEER_HAS_FINISHED
    return Thing(
        "connection",
        local=entry.local,
        remote=entry.remote,
        state=state,
        unread=max(0, entry.unread - finished),  # a FIN counts as a byte, until it is read
        unsent=entry.unsent,
        finished=finished,
    )


_SOCKETS = ("listener", "connection", "udp", "unix", "unix listener")


def _held(processes: Sequence[Shown], networks: Mapping[int, Network]) -> Iterator[Held]:
    """The sockets of these processes, each once."""
    things: dict[int, Thing] = {}
    holders: dict[int, list[tuple[int, int]]] = {}
    threads: dict[int, list[tuple[int, str]]] = {}
    selectors: dict[int, list[tuple[int, int]]] = {}
    network_of: dict[int, Network] = {}
    for shown in processes:
        pid, network = shown.process.pid, networks[shown.process.pid]
        inodes = {}
        for fd, target in sorted(shown.process.descriptors.items()):
            inode = proc.inode(target)
            if inode is None or (thing := _thing(target, shown.process, network)).kind not in _SOCKETS:
                continue
            inodes[fd] = inode
            things[inode] = thing
            network_of[inode] = network
            holders.setdefault(inode, []).append((pid, fd))
        for row in shown.threads:
            fds = [watched.fd for watched in row.watched or () if watched.thing.kind != "closed"]
            for fd in {*fds, *([] if row.thread.fd is None else [row.thread.fd])} & set(inodes):
                threads.setdefault(inodes[fd], []).append((pid, row.name))
        for selector in shown.selectors:
            for watched in selector.watched:
                if watched.fd in inodes and watched.thing.kind != "closed":
                    selectors.setdefault(inodes[watched.fd], []).append((pid, selector.fd))
    for inode, thing in things.items():
        backlog, outside = _in_line(thing, network_of[inode]) if thing.kind == "listener" else ([], [])
        yield Held(
            thing,
            tuple(holders[inode]),
            tuple(threads.get(inode, ())),
            tuple(selectors.get(inode, ())),
            tuple(backlog),
            tuple(outside),
        )


def _in_line(listener: Thing, network: Network) -> tuple[list[Thing], list[Thing]]:
    """Who waits to be accepted: what is connected and belongs to no program yet. And who waits for even that:
    a client whose last ACK was not taken, or one on this machine whose SYN is not answered.
    """
    backlog, outside = [], []
    for entry in network.tcp:
        if entry.inode == 0 and _belongs(entry.local, listener):
            if entry.state in (_ESTABLISHED, _CLOSE_WAIT):
                backlog.append(_tcp(entry))
            elif entry.state == _SYN_RECEIVED:
                outside.append(_tcp(entry))
        elif entry.state == _SYN_SENT and _belongs(entry.remote, listener):
            outside.append(Thing("connection", local=entry.remote, remote=entry.local, state="SYN_SENT"))
    return backlog, outside


def _belongs(local: proc.Address | None, listener: Thing) -> bool:
    """Is this an address of the listener's?"""
    assert listener.local is not None
    return local is not None and local[1] == listener.local[1] and listener.local[0] in (*_ANY, local[0])
