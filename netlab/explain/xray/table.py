"""A picture as a table: the words for what each thread waits for."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from netlab import proc
from netlab.explain.xray.calls import Wait
from netlab.explain.xray.look import DENIED, NOT_TOLD, Thread
from netlab.explain.xray.picture import Held, Picture, Shown, Thing, Waiting, Watched
from netlab.wire.text import printable

MAX_LINES = 24
"""Threads of a process, descriptors of a selector, forgotten sockets that are shown: what a person reads. The
others are counted, and JSON has them all.
"""

MAX_COMMAND = 160
"""Characters of a process's command that are shown."""

TITLES = ("thread", "state", "waits in", "for what")

READ, WRITE = ("READ",), ("WRITE",)

OBJECTS = {
    "selector": "a selector",
    "event": "a wake-up (eventfd)",
    "timer": "a timer",
    "signals": "a signal",
    "process": "the end of a process",
    "socket": "a socket that is not connected",
    "closed": "nothing any more: this descriptor is closed",
}


def lines(picture: Picture) -> list[str]:
    """The whole picture, a line each, safe to print. What heads a part begins at the margin."""
    found: list[str] = []
    for shown in picture.processes:
        found += _Table(picture, shown).lines()
    if picture.more_processes:
        found.append(f"and {picture.more_processes:,} more processes")
    return [printable(line).rstrip() for line in found]


def address(of: proc.Address | None) -> str:
    """An address as people write it."""
    if of is None:
        return "?"
    ip, port = of
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def wanted(thing: Thing, events: Sequence[str], how: str = "") -> str:
    """What somebody waits for who waits for these events of a thing. how: what else is to be said of that."""
    return "; ".join([_wanted(thing, events) + how, *_remarkable(thing)])


def _wanted(thing: Thing, events: Sequence[str]) -> str:
    where = _where(thing)
    if thing.kind in OBJECTS:
        return OBJECTS[thing.kind]
    if thing.kind.endswith("listener"):
        return f"a new client at {where}"
    if thing.state == "SYN_SENT":
        return f"an answer from {where}"
    if not events:
        return f"nothing but the end of {where}"
    if "READ" not in events:
        return f"room to send to {where}"
    if thing.kind == "pipe" and thing.inner:
        return "a wake-up: a pipe whose ends are both its own"
    kinds = {"udp": f"a datagram at {address(thing.local)}", "terminal": f"what is typed at {where}"}
    what = kinds.get(thing.kind, f"bytes from {where}")
    return f"{what}, and room to send" if "WRITE" in events else what


def _remarkable(thing: Thing) -> list[str]:
    """How it stands with a connection, where there is something to say."""
    found = []
    if thing.kind == "udp":
        return ["some have come and are unread"] * bool(thing.unread)
    if thing.unsent:
        found.append(f"{_bytes(thing.unsent)} not taken by it yet")
    if thing.unread:
        found.append(f"{_bytes(thing.unread)} unread")
    if thing.finished:
        found.append("it has finished (FIN)")
    return found


def _where(thing: Thing) -> str:
    if thing.kind == "pipe":
        return "a pipe"
    if thing.kind.startswith("unix"):
        return f"the Unix socket {thing.name}" if thing.name else "a Unix socket"
    return thing.name or address(thing.remote or thing.local)


def _bytes(count: int) -> str:
    return f"{count:,} byte{'s' * (count != 1)}"


class _Table:
    """The lines of one process."""

    def __init__(self, picture: Picture, shown: Shown) -> None:
        self._picture = picture
        self._shown = shown
        self._process = shown.process
        self._drawn: set[int] = set()  # selectors
        pid = shown.process.pid
        self._held = {fd: held for held in picture.sockets for holder, fd in held.holders if holder == pid}

    def lines(self) -> list[str]:
        command = shlex.join(self._process.command)
        command = command if len(command) <= MAX_COMMAND else f"{command[:MAX_COMMAND]} ..."
        found = [f"process {self._process.pid}: {command}"]
        if self._process.closed:
            return [*found, "  there is no right to look into it"]
        rows: list[Sequence[str]] = [TITLES]
        below = [[""]]
        for waiting in self._shown.threads[:MAX_LINES]:
            first, *further = self._sought(waiting)
            rows.append((waiting.name, waiting.thread.state, waiting.called, first))
            below.append(further)
        indent = " " * max(len(row[0]) for row in rows)
        for row, further in zip(_aligned(rows), below, strict=True):
            found += [row, *(f"  {indent}{line}" for line in further if line)]
        if more := len(self._shown.threads[MAX_LINES:]) + self._process.more_threads:
            found.append(f"  and {more:,} more threads (--json has them)")
        return found + self._idle() + self._forgotten() + self._remarks()

    def _sought(self, waiting: Waiting) -> list[str]:
        """For what a thread waits: a line, and perhaps more below it."""
        thread, call = waiting.thread, waiting.thread.call
        if thread.state == "running":
            return ["nothing: it is at work"]
        if call is None:
            return [self._unknown(thread)]
        if call.wait is Wait.SELECTOR:
            return self._in_selector(waiting)
        if call.wait in (Wait.POLL, Wait.SELECT):
            return self._in_poll(waiting)
        if call.wait is Wait.TIME:
            return [f"time to pass{'' if thread.timeout is None else f': {thread.timeout:g} s'}"]
        until = ", with a timeout" if thread.timed else ""
        words = {
            Wait.THREAD: f"another thread: a lock, a queue or an event{until}",
            Wait.PROCESS: "the end of a process that it has started",
            Wait.SIGNAL: "a signal",
        }
        if call.wait in words:
            return [words[call.wait]]
        if waiting.thing is None or thread.fd is None:
            what = {Wait.CLIENT: "a new client", Wait.DATA: "bytes", Wait.ROOM: "room to send"}
            return [f"{what.get(call.wait, 'something')}; of which descriptor is not told"]
        if call.wait is Wait.FILE:
            return [f"{_where(waiting.thing)} (fd {thread.fd})"]
        events = WRITE if call.wait is Wait.ROOM else READ
        return [wanted(waiting.thing, events, f" (fd {thread.fd})") + self._about(thread.fd)]

    def _unknown(self, thread: Thread) -> str:
        inside = f", in the kernel's {thread.kernel}" if thread.kernel else ""
        if thread.number is not None:
            return f"something that netlab does not know: system call {thread.number}{inside}"
        if self._process.silent:
            return f"something that is not told{inside}"
        return f"no system call{inside}: its memory, or whoever has stopped it"

    def _in_selector(self, waiting: Waiting) -> list[str]:
        fd = waiting.thread.fd
        if waiting.watched is None or fd is None:
            return ["a selector; which one is not told"]
        if fd in self._drawn:
            return [f"the same selector, fd {fd}"]
        self._drawn.add(fd)
        return [f"a selector (fd {fd}), which watches", *self._watched(waiting.watched)]

    def _in_poll(self, waiting: Waiting) -> list[str]:
        until = ", with a timeout" if waiting.thread.timed else ""
        if waiting.watched is None:
            return ["some descriptors; which ones is not told"]
        if not waiting.watched:
            return ["no descriptor at all"]
        if len(waiting.watched) > 1:
            return [f"one of these{until}", *self._watched(waiting.watched)]
        (only,) = waiting.watched
        return [wanted(only.thing, only.events, f" (fd {only.fd}){until}") + self._about(only.fd)]

    def _watched(self, watched: Sequence[Watched]) -> list[str]:
        """The descriptors of a selector."""
        rows = [
            (
                f"fd {each.fd}",
                "|".join(each.events) or "-",
                wanted(each.thing, each.events) + self._about(each.fd),
            )
            for each in watched
        ]
        return _cut(_aligned(rows), "descriptors")

    def _about(self, fd: int) -> str:
        """What is to be said besides of a socket: who waits in its backlog, who has it open, too."""
        held = self._held.get(fd)
        if held is None:
            return ""
        found = []
        if count := len(held.backlog):
            found.append(f"{count:,} wait{'s' * (count == 1)} in its backlog")
        if count := len(held.outside):
            found.append(f"{count:,} find{'s' * (count == 1)} no room there")
        others = sorted({pid for pid, _ in held.holders} - {self._process.pid})
        if others and held.thing.kind == "connection":
            found.append(f"also open in process {', '.join(map(str, others))}")
        return "".join(f"; {each}" for each in found)

    def _idle(self) -> list[str]:
        """The selectors that nobody waits in now."""
        found: list[str] = []
        for selector in self._shown.selectors:
            if not selector.threads and selector.fd not in self._drawn and self._picture.whole:
                found.append(f"  a selector (fd {selector.fd}), which watches")
                found += [f"    {line}" for line in self._watched(selector.watched)]
        return ["no thread waits in", *found] if found else []

    def _forgotten(self) -> list[str]:
        """The sockets that nobody waits for, and who waits to be accepted."""
        here = {fd: held for fd, held in self._held.items() if held.holders[0] == (self._process.pid, fd)}
        found = []
        for fd, held in sorted(here.items()):
            if held.forgotten and self._picture.whole:
                found.append(f"  {self._words(fd, held)}")
            found += [f"  {_in_line(thing)}" for thing in (*held.backlog, *held.outside)]
        return ["nobody waits for", *_cut(found, "sockets")] if found else []

    def _words(self, fd: int, held: Held) -> str:
        return wanted(held.thing, READ, f" (fd {fd})") + self._about(fd)

    def _remarks(self) -> list[str]:
        """What could not be seen."""
        found = []
        if self._process.silent == DENIED:
            found.append(
                "  in which system call a thread is, and of which descriptor: there is no right to read it"
            )
        elif self._process.silent == NOT_TOLD:
            found.append(
                "  in which system call a thread is, and of which descriptor: this system does not tell"
            )
        if "anon_inode:[io_uring]" in self._process.descriptors.values():
            found.append("  what it has asked of io_uring: nothing tells")
        loose = [self._words(fd, held) for fd, held in sorted(self._held.items()) if not held.threads]
        if loose and not self._picture.whole:
            found += ["  who waits for each of these:", *(f"    {line}" for line in _cut(loose, "sockets"))]
        return ["not known", *found] if found else []


def _in_line(thing: Thing) -> str:
    """A connection that waits at a listener."""
    how = {
        "SYN_SENT": "its SYN is not answered: there is no room in the backlog",
        "SYN_RECV": "its connection is not complete: there may be no room in the backlog",
    }.get(thing.state, "connected, waits to be accepted")
    return "; ".join([f"{address(thing.remote)}: {how}", *_remarkable(thing)])


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows in columns, the last of any width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, [*widths[:-1], 0], strict=True))
        for row in rows
    ]


def _cut(found: list[str], what: str) -> list[str]:
    if len(found) <= MAX_LINES:
        return found
    return [*found[:MAX_LINES], f"  and {len(found) - MAX_LINES:,} more {what} (--json has them)"]
