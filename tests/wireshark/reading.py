"""Captures made of bytes, and what the real tshark with our dissector says about them.

A capture is written packet by packet, with netlab's own writer: connections to any port, in any segments.
What tshark shows of it is read field by field. Nothing of a user's own configuration takes part: neither
plugins nor preferences.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from netlab.observers import pcapng
from netlab.observers.packets import Address, Conversation, datagram
from tests.support import ROOT

DISSECTOR = ROOT / "netlab" / "wireshark" / "netlab.lua"
PORT = 5005
SERVER = "192.0.2.1"

PATIENCE = 300.0
"""Seconds for one tshark: what a busy machine may need for a hundred thousand packets."""

SEPARATOR, AGGREGATOR = "\x1e", "\x1f"
"""Between fields, and between a field's values. Control characters, since the dissector escapes them all."""

NOISE = ("Running as user", "** (tshark", "(tshark:")
"""How the lines begin that tshark writes about the machine: about root, and about what libraries warn of."""

T = TypeVar("T")

Packet = dict[str, list[str]]
"""The values of the fields that were asked for, in the order in which they stand in the packet."""


class Talk:
    """One TCP connection of a capture, from its handshake on."""

    def __init__(self, capture: Capture, client: Address, server: Address, number: int, opened: bool) -> None:
        self.capture = capture
        self.conversation = Conversation(client, server, number)
        self._headers = 60 if ":" in client[0] else 40
        handshake = self.conversation.opened()
        if opened:
            capture.add(*handshake)

    def segments(self, from_client: bool, data: bytes) -> list[bytes]:
        """The packets that carry these bytes, without the acknowledgements: they say nothing here."""
        return [packet for packet in self.conversation.data(from_client, data) if len(packet) > self._headers]

    def send(self, *pieces: bytes) -> Talk:
        """The client sends each of these as a segment of its own."""
        for piece in pieces:
            self.capture.add(*self.segments(True, piece))
        return self

    def answer(self, *pieces: bytes) -> Talk:
        """The server does."""
        for piece in pieces:
            self.capture.add(*self.segments(False, piece))
        return self

    def finish(self) -> Talk:
        """The client's FIN."""
        self.capture.add(self.conversation.finished(True)[0])
        return self

    def close(self) -> Talk:
        """The server's FIN."""
        self.capture.add(self.conversation.finished(False)[0])
        return self

    def reset(self, from_client: bool = True) -> Talk:
        """The end, at once."""
        self.capture.add(*self.conversation.reset(from_client))
        return self

    def wait(self, seconds: float) -> Talk:
        """So much time goes by."""
        self.capture.wait(seconds)
        return self


class FileTestCase(SynchronousTestCase):
    """For tests that have tshark read files, which are in `folder`."""

    def setUp(self) -> None:
        if shutil.which("tshark") is None:
            raise SkipTest("there is no tshark")
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name


class Capture:
    """A capture file that is being written. Its packets are a millisecond apart."""

    def __init__(self) -> None:
        self._blocks = [pcapng.head("made for a test", "netlab", "test", "no interface")]
        self._now = 1_700_000_000_000_000_000
        self._talks = 0

    def add(self, *packets: bytes) -> None:
        """Add packets, beginning with their IP header."""
        for packet in packets:
            self._now += 1_000_000
            self._blocks.append(pcapng.packet(self._now, packet))

    def wait(self, seconds: float) -> None:
        """Let so much time go by before the next packet."""
        self._now += round(seconds * 1e9)

    def client(self) -> Address:
        """An address that no one has had yet."""
        self._talks += 1
        number = self._talks
        return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 40_000 + number % 20_000

    def talk(
        self, port: int = PORT, *, opened: bool = True, client: Address | None = None, server: str = SERVER
    ) -> Talk:
        """A TCP connection to this port. opened: whether the capture has its handshake."""
        return Talk(self, client or self.client(), (server, port), self._talks, opened)

    def send(self, client: Address, *datagrams: bytes, port: int = PORT) -> None:
        """Datagrams from a client to the server."""
        self.add(*(datagram(client, (SERVER, port), data) for data in datagrams))

    def answer(self, client: Address, *datagrams: bytes, port: int = PORT) -> None:
        """And the other way."""
        self.add(*(datagram((SERVER, port), client, data) for data in datagrams))

    def write(self, path: Path) -> None:
        """Write the file."""
        path.write_bytes(b"".join(self._blocks))


def tshark(*arguments: str, folder: str, dissector: Path | None = DISSECTOR) -> str:
    """What tshark prints with our dissector, or without; it may not complain. folder: where it finds no
    configuration.
    """
    program = shutil.which("tshark")
    if program is None:
        raise SkipTest("there is no tshark")
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("WIRESHARK", "XDG"))
    }
    environment |= {
        "HOME": folder,
        "XDG_CONFIG_HOME": folder,
        "WIRESHARK_CONFIG_DIR": folder,
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run(
        [program, "-n", *(["-X", f"lua_script:{dissector}"] if dissector else []), *arguments],
        capture_output=True,
        timeout=PATIENCE,
        check=False,
        env=environment,
        cwd=folder,
    )
    printed = done.stdout.decode("utf-8", "backslashreplace")
    complaints = [
        line
        for line in done.stderr.decode("utf-8", "backslashreplace").splitlines()
        if line.strip() and not line.startswith(NOISE)
    ]
    if done.returncode or complaints or "Lua Error" in printed:
        errors = [line for line in printed.splitlines() if "Lua Error" in line]
        raise AssertionError(f"tshark ended with {done.returncode}: {complaints[:10]} {errors[:10]}")
    return printed


def shown(capture: Capture, *options: str, dissector: Path = DISSECTOR) -> str:
    """What tshark prints about a capture."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "capture.pcapng"
        capture.write(path)
        return tshark("-r", str(path), *options, folder=folder, dissector=dissector)


def packets(
    capture: Capture, fields: Sequence[str], *options: str, only: str = "", dissector: Path = DISSECTOR
) -> list[Packet]:
    """The values of these fields in each packet that passes the display filter `only`.

    No packet may have a Lua error.
    """
    names = [*fields, "_ws.lua.error"]
    asked = [word for name in names for word in ("-e", name)]
    if only:
        options = (*options, "-Y", f"({only}) or _ws.lua.error")
    separated = ["-E", f"separator={SEPARATOR}", "-E", f"aggregator={AGGREGATOR}", "-E", "occurrence=a"]
    printed = shown(capture, *options, "-T", "fields", *separated, *asked, dissector=dissector)
    return list(_packets(printed, names))


def _packets(printed: str, names: Sequence[str]) -> Iterator[Packet]:
    for line in printed.split("\n")[:-1]:
        values = [value.split(AGGREGATOR) if value else [] for value in line.split(SEPARATOR)]
        packet = dict(zip(names, values, strict=True))
        if packet.pop("_ws.lua.error"):
            raise AssertionError(f"a Lua error in {packet}")
        yield packet


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """What these return. Each waits for a tshark, so two of them are under way at a time."""
    with ThreadPoolExecutor(2) as pool:
        return [running.result() for running in [pool.submit(call) for call in calls]]


def joined(found: Iterable[Packet]) -> Packet:
    """All values of some packets, one behind the other."""
    together: Packet = {}
    for packet in found:
        for name, values in packet.items():
            together.setdefault(name, []).extend(values)
    return together
