"""Two hosts and the cables between them: network namespaces, in which programs run as on two machines.

A scene is a function that uses them and returns what was seen. It runs in a process of its own, whose network
is the first host's: see play().
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest import SkipTest

from tests.support import ALONE, PATIENCE, ROOT, Program

CABLES = ("lab0", "lab1")
"""Each is the name of an interface on both hosts. The first has IPv4 addresses."""

DEADLINE = 2 * PATIENCE
"""Seconds that a scene may take."""

_NEW_NETWORK = 0x40000000
_PERFORM = "import sys; from tests.hosts import perform; perform(*sys.argv[1:])"


class NoHosts(Exception):
    """This system has no such hosts; the argument is the reason."""


class Host:
    """One of the two: what is begun inside of `with host:`, a socket or a program, belongs to it.

    Args:
        ipv4: Its address on the first cable.
        link_local: Its address on every cable: as it is the same, only the interface tells them apart.
    """

    def __init__(self, ipv4: str, link_local: str) -> None:
        self.ipv4 = ipv4
        self.link_local = link_local
        self.network = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._left: list[int] = []

    def __enter__(self) -> Host:
        self._left.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        _call("setns", self.network, _NEW_NETWORK)
        return self

    def __exit__(self, *error: object) -> None:
        network = self._left.pop()
        _call("setns", network, _NEW_NETWORK)
        os.close(network)

    def start(self, *command: str) -> Program:
        """Start a program on this host."""
        with self:
            return Program(*command)

    @contextmanager
    def serve(self, *command: str) -> Iterator[Program]:
        """Run a server of netlab's on this host, from when it listens."""
        with self.start(*command) as server:
            server.wait_for("Listening on ")
            yield server
            if "Traceback" in server.output:
                raise AssertionError(f"an error in the server:\n{server.tail}")

    def open(
        self, family: socket.AddressFamily, kind: socket.SocketKind = socket.SOCK_DGRAM, protocol: int = 0
    ) -> socket.socket:
        """Open a socket on this host."""
        with self:
            return socket.socket(family, kind, protocol)

    def find_scope(self, cable: str) -> int:
        """Return the number that an interface has on this host."""
        with self:
            return socket.if_nametoindex(cable)

    def get_echo(self, server: tuple[Any, ...], data: bytes, source: tuple[Any, ...] | None = None) -> bool:
        """Send a datagram from this host, repeatedly where no echo comes; return whether one came.

        Args:
            server: The server's address, as the socket module has it.
            data: What is sent.
            source: The client's address; without one the kernel chooses it.
        """
        family = socket.AF_INET if len(server) == 2 else socket.AF_INET6
        with self.open(family) as client:
            if source is not None:
                client.bind(source)
            client.settimeout(0.5)
            for _ in range(6):
                with suppress(TimeoutError):
                    client.sendto(data, server)
                    return client.recv(65_535) == data
        return False

    def forge_ipv4(self, source: int, server: tuple[str, int], data: bytes) -> None:
        """Send a datagram from a port of this host's, even one that a program has bound."""
        udp = struct.pack("!4H", source, server[1], 8 + len(data), 0)
        with self.open(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw:
            raw.sendto(udp + data, (server[0], 0))

    def forge_ipv6(self, source: tuple[str, int], server: tuple[str, int], data: bytes, cable: str) -> None:
        """Send a datagram with any sender's address and port to a link-local address."""
        packed = [socket.inet_pton(socket.AF_INET6, address) for address in (source[0], server[0])]
        length = 8 + len(data)
        pseudo = struct.pack("!16s16sI3xB", *packed, length, socket.IPPROTO_UDP)
        check = _compute_checksum(pseudo + struct.pack("!4H", source[1], server[1], length, 0) + data)
        header = struct.pack("!IHBB16s16s", 6 << 28, length, socket.IPPROTO_UDP, 64, *packed)
        udp = struct.pack("!4H", source[1], server[1], length, check)
        with self.open(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            raw.sendto(header + udp + data, (server[0], 0, 0, self.find_scope(cable)))


Scene = Callable[..., Any]


def play(scene: Scene, *arguments: Any) -> Any:
    """Play a scene on two new hosts and return what it returns.

    Args:
        scene: A function of a module that takes both hosts, and then the arguments.
        arguments: What JSON can say.

    Raises:
        SkipTest: This system gives no such hosts.
    """
    for program in "ip", "unshare":
        if shutil.which(program) is None:
            raise SkipTest(f"there is no {program}")
    probe = subprocess.run([*ALONE, "true"], check=False, capture_output=True, text=True)
    if probe.returncode:
        raise SkipTest(f"no network namespace can be had here: {probe.stderr.strip()}")
    command = [
        *ALONE,
        sys.executable,
        "-c",
        _PERFORM,
        scene.__module__,
        scene.__name__,
        json.dumps(arguments),
    ]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        output, errors = process.communicate(timeout=DEADLINE + PATIENCE)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode:
        raise AssertionError(f"the scene failed:\n{output}{errors}")
    told = json.loads(output)
    if "skip" in told:
        raise SkipTest(told["skip"])
    return told["seen"]


def perform(module: str, name: str, arguments: str) -> None:
    """Play a scene in this process, whose network is the first host's, and print what was seen as JSON."""
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(int(DEADLINE))
    try:
        with _make_hosts() as hosts:
            told = {"seen": getattr(importlib.import_module(module), name)(*hosts, *json.loads(arguments))}
    except NoHosts as why:
        told = {"skip": str(why)}
    sys.stdout.write(json.dumps(told))


def _give_up(number: int, frame: object) -> None:
    raise AssertionError(f"the scene has not ended within {DEADLINE:g} s")


def add_link_local(*hosts: Host) -> None:
    """Give hosts their link-local addresses, for a scene that needs IPv6."""
    for host in hosts:
        with host:
            for cable in CABLES:
                # Without nodad an address can be used only after two seconds, when no other host has it.
                done = _run_ip("address", "add", f"{host.link_local}/64", "dev", cable, "nodad")
                if done.returncode:
                    raise NoHosts(f"no link-local address can be had here: {done.stderr.strip()}")


@contextmanager
def _make_hosts() -> Iterator[tuple[Host, Host]]:
    """Make the second host and the cables; the system removes them with the process."""
    first = Host("10.0.0.1", "fe80::1")
    with first:
        try:
            _call("unshare", _NEW_NETWORK)
        except OSError as error:
            raise NoHosts(f"no second network namespace can be had here: {error.strerror}") from None
        second = Host("10.0.0.2", "fe80::2")
    for cable in CABLES:
        peer = f"/proc/{os.getpid()}/fd/{second.network}"
        done = _run_ip("link", "add", cable, "type", "veth", "peer", "name", cable, "netns", peer)
        if done.returncode:
            raise NoHosts(f"no cable between two hosts can be had here: {done.stderr.strip()}")
    for host in first, second:
        with host:
            _set_up("link", "set", "lo", "up")
            for cable in CABLES:
                _run_ip("link", "set", cable, "addrgenmode", "none")  # fails without IPv6
                _set_up("link", "set", cable, "up")
            _set_up("address", "add", f"{host.ipv4}/24", "dev", CABLES[0])
    try:
        yield first, second
    finally:
        os.close(first.network)
        os.close(second.network)


def _set_up(*command: str) -> None:
    done = _run_ip(*command)
    if done.returncode:
        raise AssertionError(f"ip {' '.join(command)}: {done.stderr}")


def _run_ip(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *command], check=False, capture_output=True, text=True, timeout=PATIENCE)


def _compute_checksum(data: bytes) -> int:
    """Return the checksum of UDP over IPv6 (RFC 8200, section 8.1)."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF or 0xFFFF


def _call(name: str, *arguments: int) -> None:
    """Call a function of the C library."""
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
