"""A capture tool at work: when it has begun, what it catches, and how it ends with nothing left behind.

That it has begun is known by the header of its stream: every tool writes that when the kernel already keeps
packets for it. That it has told all is known by a mark: a datagram from ourselves to ourselves over the
loopback. When the mark comes out of the tool, all that was on the wire before it has come out, too.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import IO, Any

from netlab import namespace
from netlab.wireshark import tools
from netlab.wireshark.stream import HEADER, NotUnderstood, Stream

BEGIN = 10.0
"""Seconds that a tool gets to begin: some load all of Wireshark before."""

END = 5.0
"""Seconds that a tool gets to end when it is told to, and then its last bytes to be written."""

SILENCE = 0.25
"""Seconds without a packet after which a conversation is over: when a command has ended, its last FIN may
still be unanswered, and the other side may be slow."""

TRAFFIC = 3.0
"""Seconds after which a capture ends although packets still come, of others or of what a command left."""

MARKED = 5.0
"""Seconds that a mark has, on the loopback, to come out of the tool; dumpcap holds packets for 0.25 s."""

UNMARKED = 1.0
"""Seconds that the last packets have to come out of the tool on an interface that no mark is seen on."""

AGAIN = 0.5
"""Seconds after which a mark is sent once more: where there is too much traffic, one may be lost."""

CHUNK = 1 << 16
MAX_COMPLAINT = 1 << 16  # bytes of what a tool says of itself

_NO_RIGHT = re.compile("permission|not permitted|access is denied", re.IGNORECASE)
_NO_INTERFACE = re.compile("no such device|no device named|cannot find the device", re.IGNORECASE)
_DROPPED = re.compile(r"received/dropped on .*: \d+/(\d+) \(|^(\d+) packets dropped by kernel", re.MULTILINE)


class CannotCapture(Exception):
    """There is no capture; the argument says why and what to do."""

    status = 1


class NoRight(CannotCapture):
    """There is none because this user may not."""

    status = 3


class Sniffer:
    """A tool that captures these ports on this interface. Leaving the context ends it."""

    def __init__(self, tool: tools.Tool, interface: str, ports: list[int]) -> None:
        self.tool = tool
        self.failure: Exception | None = None
        """Why no more could be written."""
        self.broke_off = False
        """Had the tool ended before it was told to?"""
        self._interface = interface
        self._mark = b"netlab capture: " + os.urandom(16)
        self._open = ExitStack()
        self._marks = self._open.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self._marks.bind(("127.0.0.1", 0))
        own = self._marks.getsockname()[1]
        filter = " or ".join(f"tcp port {port} or udp port {port} or {_nobody(port)}" for port in ports)
        self._stream = Stream(self._mark, tool.name, interface, filter)
        self._command = tool.command(interface, f"{filter} or (udp src port {own} and udp dst port {own})")
        self._complaints = self._open.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        self._beginning = b""
        self._changed = threading.Condition()
        self._ended = False
        self._copier: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Sniffer:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._open.close()

    @property
    def packets(self) -> int:
        """How many were caught so far."""
        return self._stream.packets

    def begin(self) -> None:
        """Begin to capture. Raises CannotCapture."""
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                # Ctrl-C is for us: the tool has to live until its last packet is out.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                preexec_fn=namespace.end_with_parent if sys.platform == "linux" else None,
            )
        except PermissionError:
            raise NoRight(f"{self.tool.path} may not be run by you") from None
        except OSError as error:
            raise CannotCapture(f"cannot run {self.tool.path}: {error.strerror}; install it anew") from None
        try:
            self._beginning = self._stream.begin(self._header(self._process))
        except NotUnderstood as error:
            raise CannotCapture(f"{self.tool.path} writes no pcap: {error}; install it anew") from None

    def write_to(self, sink: IO[bytes], when_ended: Callable[[], None]) -> None:
        """Write what was caught and will be to an unbuffered file, in a thread."""
        self._copier = threading.Thread(target=self._copy, args=(sink, when_ended), daemon=True)
        self._copier.start()

    def finish(self, settle: bool) -> None:
        """End the capture when all is written. settle: wait until the conversations are over, too."""
        self.broke_off = self._ended
        deadline = time.monotonic() + TRAFFIC
        wait = SILENCE if settle else 0.0
        while not self._ended_within(wait) and self._marked() and settle and time.monotonic() < deadline:
            wait = SILENCE - self._stream.silence
            if wait <= 0:
                break
        self._end()

    def abandon(self, why: Exception) -> None:
        """Write no more: nobody reads it, or it cannot be written."""
        self.failure = why
        if self._process is not None:
            self._process.terminate()

    def dropped(self) -> int:
        """How many packets came too fast for the tool: what it told when it ended."""
        return sum(int(found[1] or found[2]) for found in _DROPPED.finditer(self._said()))

    def last_words(self) -> str:
        """What the tool said of its trouble when it ended, in one line."""
        found = re.search(rf"^{self.tool.name}(?:\.exe)?: (.+)", self._said(), re.MULTILINE)
        return found[1].strip() if found else "it does not say why"

    def _header(self, process: subprocess.Popen[bytes]) -> bytes:
        """The beginning of what the tool writes. Raises CannotCapture where it ends instead."""
        too_late = threading.Event()

        def give_up() -> None:
            too_late.set()
            process.kill()

        timer = threading.Timer(BEGIN, give_up)
        timer.start()
        try:
            header = _output(process).read(HEADER)
        finally:
            timer.cancel()
            timer.join()  # see namespace.enter()
        if too_late.is_set():
            raise CannotCapture(f"{self.tool.path} did not begin within {BEGIN:g} s; try once more")
        if len(header) < HEADER:
            raise self._explained()
        return header

    def _copy(self, sink: IO[bytes], when_ended: Callable[[], None]) -> None:
        assert self._process is not None
        source: Any = _output(self._process)
        try:
            _write(sink, self._beginning)
            while piece := source.read1(CHUNK):
                _write(sink, self._stream.feed(piece))
                with self._changed:
                    self._changed.notify_all()
        except (OSError, NotUnderstood) as error:
            self.abandon(error)
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        when_ended()

    def _ended_within(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._ended, seconds)

    def _marked(self) -> bool:
        """Send a mark and wait until it has come out of the tool."""
        number = os.urandom(4)  # an older one may come late
        wait = MARKED if self._interface in (tools.LOOPBACK, "any") else UNMARKED
        deadline = time.monotonic() + wait
        with self._changed:
            while (left := deadline - time.monotonic()) > 0 and not self._ended:
                self._marks.sendto(self._mark + number, self._marks.getsockname())
                self._changed.wait_for(lambda: self._ended or self._stream.marked == number, min(left, AGAIN))
                if self._stream.marked == number:
                    return True
        return False

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(END)
        if self._copier is None:
            _output(self._process).close()
        else:
            self._copier.join(END)

    def _explained(self) -> CannotCapture:
        """Why the tool did not begin."""
        self._end()
        said = self._said()
        if _NO_RIGHT.search(said):
            return NoRight(f"no right to capture on {self._interface}")
        if _NO_INTERFACE.search(said):
            there = f"`{self.tool.path} -D` lists those that there are"
            return CannotCapture(f"there is no interface {self._interface!r}: {there}")
        return CannotCapture(f"{self.tool.path} cannot capture on {self._interface}: {self.last_words()}")

    def _said(self) -> str:
        """What the tool said on standard error; not before it has ended, since the file has one position."""
        self._complaints.seek(0)
        return self._complaints.read(MAX_COMPLAINT).decode("utf-8", "replace")


def _output(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdout is not None
    return process.stdout


def _write(sink: IO[bytes], data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[sink.write(rest) :]


def _nobody(port: int) -> str:
    """The filter for an ICMP that says that nobody had this UDP port: the datagram's beginning is in it."""
    return f"(icmp[0] == 3 and icmp[17] == 17 and icmp[30:2] == {port})"
