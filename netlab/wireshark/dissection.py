"""Reads a capture file through tshark with netlab.lua: packet by packet, as the tree that Wireshark shows.

Nothing of a user's own configuration takes part, neither plugins nor preferences; and a file that is hostile,
damaged or huge costs no more time and memory than is said here.
"""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import partial
from importlib import resources
from typing import IO, Any

from netlab.wire.text import printable
from netlab.wireshark import tools

MAX_PACKETS = 20_000
"""Packets that are read of a file: tshark needs some 10 seconds for them, and nobody reads on after that."""

MAX_OUTPUT = 1 << 29
"""Bytes that tshark may say, 512 MiB: as much as MAX_PACKETS segments of their greatest size come to."""

MAX_PACKET = 4 << 20
"""Bytes that it may say about one packet: a datagram of the greatest size comes to a quarter of that."""

MAX_MEMORY = 4 << 30
"""Bytes of address space that tshark gets (Linux). It needs less than one GiB for MAX_PACKETS."""

PATIENCE = 60.0
"""Seconds that tshark gets for a file. A file of MAX_PACKETS takes it a fifth of that, on a slow machine."""

LAYERS = "frame pkt_comment ip ipv6 icmp icmpv6 tcp udp netlab netlab_v2 netlab_v3 netlab_streams"
"""What is asked of each packet."""

_CUT_SHORT = re.compile("cut short|less data than|truncated", re.I)
_NOISE = re.compile(r"Running as user|^\*\* \(|^\(tshark:|^ *$|lua")


class CannotRead(Exception):
    """A file cannot be read. status: the exit status that says so."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Tree(list[tuple[str, Any]]):
    """A part of a packet's tree: names and values, in their order; a value is a text or a Tree."""

    def all(self, name: str) -> list[Any]:
        """All values with this name."""
        return [value for key, value in self if key == name]

    def text(self, name: str, default: str = "") -> str:
        """The first value with this name, if it is a text."""
        return next((value for value in self.all(name) if isinstance(value, str)), default)

    def number(self, name: str, default: int = 0) -> int:
        """The same as a number, decimal or with 0x; the default where it is none."""
        try:
            return int(self.text(name), 0)
        except ValueError:
            return default

    def branch(self, name: str) -> Tree | None:
        """The first value with this name, if it is a Tree."""
        return next(iter(self.branches(name)), None)

    def branches(self, *names: str) -> list[Tree]:
        """All Trees with one of these names, in their order."""
        return [value for key, value in self if key in names and isinstance(value, Tree)]


class Dissection:
    """What tshark says of one file: iterate over it once, for the packets' layers.

    ports: TCP and UDP ports that are the laboratory's whatever is spoken there; port 5005 always is.
    """

    def __init__(self, file: str, ports: Collection[int] = ()) -> None:
        self.file = file
        self.cut_short = False
        """Does the file end inside a packet? Known at the end."""
        self.more = False
        """Were there more packets than MAX_PACKETS? Known at the end."""
        self._ports = ports

    def __iter__(self) -> Iterator[Tree]:
        program = tools.find("tshark")
        if program is None:
            raise CannotRead(
                3, f"no tshark is here, Wireshark's reader of captures: {tools.how_to_install()}"
            )
        self._look()
        script = resources.as_file(resources.files("netlab.wireshark") / "netlab.lua")
        with tempfile.TemporaryDirectory() as empty, script as path:
            yield from self._run([program, "-X", f"lua_script:{path}", *self._words()], empty)

    def _look(self) -> None:
        try:
            found = os.stat(self.file)
            if not stat.S_ISREG(found.st_mode):
                raise CannotRead(2, "this is no file")
            if not found.st_size:
                raise CannotRead(2, "the file is empty: was the capture stopped before its first packet?")
            with open(self.file, "rb"):
                pass
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "this is no name of a file"
            raise CannotRead(2, f"cannot be read: {why}") from None

    def _words(self) -> list[str]:
        words = ["-n", "-2", "-r", self.file, "-c", str(MAX_PACKETS + 1), "-T", "json", "-J", LAYERS]
        for port in sorted(self._ports):
            words += ["-d", f"tcp.port=={port},netlab", "-d", f"udp.port=={port},netlab"]
        return words

    def _run(self, command: list[str], empty: str) -> Iterator[Tree]:
        kept = {name: each for name, each in os.environ.items() if not name.startswith(("WIRESHARK", "XDG"))}
        nobodys = dict.fromkeys(("HOME", "APPDATA", "XDG_CONFIG_HOME", "WIRESHARK_CONFIG_DIR"), empty)
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**kept, **nobodys, "LC_ALL": "C.UTF-8"},
            )
        except OSError as error:
            raise CannotRead(3, f"tshark cannot be run: {error.strerror}") from None
        assert process.stdout is not None
        assert process.stderr is not None
        _limit_memory(process.pid)
        complaints: list[str] = []
        reader = threading.Thread(target=_collect, args=(process.stderr, complaints), daemon=True)
        reader.start()
        timer = threading.Timer(PATIENCE, process.kill)
        timer.start()
        count = 0
        try:
            for layers in _packets(process.stdout):
                count += 1
                if count > MAX_PACKETS:
                    self.more = True
                    return
                yield layers
            status = process.wait(PATIENCE)
            out_of_time = timer.finished.is_set()
        finally:
            timer.cancel()
            process.kill()
            process.wait()
            reader.join(PATIENCE)
            process.stdout.close()
            process.stderr.close()
        self._judge(status, out_of_time, count, complaints)

    def _judge(self, status: int, out_of_time: bool, count: int, complaints: list[str]) -> None:
        said = next((line for line in complaints if not _NOISE.search(line)), "")
        if out_of_time:
            raise CannotRead(1, f"tshark was not done with it after {PATIENCE:g} seconds")
        self.cut_short = any(map(_CUT_SHORT.search, complaints))
        if status != 0 and not (self.cut_short and count):
            if "isn't a capture file" in said or "magic" in said:
                raise CannotRead(2, "this is no capture: `netlab capture` and Wireshark write such files")
            if self.cut_short:
                raise CannotRead(2, "the file ends before its first packet is whole")
            said = (
                printable(said.replace(self.file, "the file").removeprefix("tshark: ")) or f"status {status}"
            )
            raise CannotRead(1, f"tshark could not read it: {said}")


def _limit_memory(pid: int) -> None:
    if sys.platform == "linux":
        import resource

        with suppress(OSError, ValueError):  # it has ended already, or has less
            resource.prlimit(pid, resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))


def _collect(pipe: IO[bytes], lines: list[str]) -> None:
    for line in pipe:
        if len(lines) < 100:  # it may complain about each packet
            lines.append(line[:1000].decode("utf-8", "backslashreplace").strip())


def _packets(pipe: IO[bytes]) -> Iterator[Tree]:
    """The packets of tshark's JSON: each stands between two lines of its own, a bracket two columns in."""
    lines: list[bytes] = []
    total = size = 0
    for line in iter(partial(pipe.readline, MAX_PACKET + 1), b""):
        total, size = total + len(line), size + len(line)
        if total > MAX_OUTPUT or size > MAX_PACKET:
            raise CannotRead(1, "there is too much in it to be explained")
        if line.startswith(b"  {"):
            lines, size = [], len(line)
        lines.append(line)
        if line.startswith(b"  }"):
            yield _layers(b"".join(lines).rstrip(b",\r\n").decode("utf-8", "replace"))


def _layers(written: str) -> Tree:
    """The layers of a packet as tshark writes it. What a file holds may make it write no good JSON."""
    try:
        packet: Tree = json.loads(written, object_pairs_hook=Tree, strict=False)
        layers = (packet.branch("_source") or Tree()).branch("layers")
    except (ValueError, AttributeError, RecursionError):
        raise CannotRead(1, "what tshark says of it cannot be understood") from None
    return layers if layers is not None else Tree()
