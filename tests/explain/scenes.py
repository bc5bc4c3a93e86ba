"""Real runs that are captured, and what is true of each: known from the sockets, never from the capture.

    python -m tests.explain.scenes NAME FOLDER

plays one scene in a network namespace of its own, where port 5005 is free, and writes what is true of it as
JSON; capture() has `netlab capture` record its packets meanwhile.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest

from netlab.wire import fixed, variable
from netlab.wire.variable import Layout
from tests.support import ALONE, PATIENCE, PLAIN, ROOT, Program, Served, receive, reset, script

PORT, OTHER_PORT, NOBODYS_PORT = 5005, 6000, 5006
"""The guide's, one that the dissector must find by itself, and one where nobody listens."""

CHOSEN_PORT = 20_000
"""A source port that no system gives out by itself."""

Truth = dict[str, Any]
SCENES: dict[str, Callable[[Path], Truth]] = {}


def scene(play: Callable[[Path], Truth]) -> Callable[[Path], Truth]:
    """Makes a function a scene, by its own name."""
    SCENES[play.__name__] = play
    return play


def capture(name: str, folder: str) -> tuple[str, Truth]:
    """Play a scene while it is captured: the capture's file, and what is true."""
    for program in "unshare", "tshark", "dumpcap":
        if shutil.which(program) is None:
            raise SkipTest(f"there is no {program}")
    if subprocess.run([*ALONE, "true"], check=False, capture_output=True).returncode:
        raise SkipTest("no network namespace can be had here")
    file = os.path.join(folder, f"{name}.pcapng")
    ports = [word for port in (PORT, OTHER_PORT, NOBODYS_PORT) for word in ("--port", str(port))]
    play = (sys.executable, "-m", "tests.explain.scenes", name, folder)
    command = [*ALONE, script("netlab"), "capture", "-w", file, *ports, "--", *play]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=10 * PATIENCE, check=False
    )
    if done.returncode:
        raise AssertionError(f"the scene failed:\n{done.stdout}{done.stderr}")
    truth: Truth = json.loads(Path(folder, f"{name}.json").read_text("utf-8"))
    return file, truth


@contextmanager
def plain(name: str, *options: str) -> Iterator[Program]:
    """A plain-socket server that listens on port 5005."""
    path = PLAIN / f"{name}.py"
    wrong = PLAIN / "wrong" / f"{name}.py"
    words = [str(path), "--port", str(PORT), *options] if path.exists() else [str(wrong), str(PORT)]
    with Program(sys.executable, *words) as server:
        _wait_until_it_listens()
        yield server


def _wait_until_it_listens() -> None:
    deadline = time.monotonic() + PATIENCE
    listening = f":{PORT:04X} 00000000:0000 0"
    while not any(
        listening in line
        for name in ("tcp", "udp")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()
    ):
        if time.monotonic() > deadline:
            raise AssertionError("the server does not listen")
        time.sleep(0.01)


@contextmanager
def netlabs(command: str, *options: str, port: int = PORT) -> Iterator[Served]:
    """A server of netlab's."""
    words = (script("twistd"), "-n", "--pidfile=", command, "--interface", "127.0.0.1", "--port", str(port))
    with Served(*words, *options) as server:
        assert isinstance(server, Served)
        server.port = port
        server.wait_for("Listening on ")
        yield server
        server.signalled()


def connected(port: int = PORT) -> socket.socket:
    """A client that is connected; what it sends goes out at once."""
    client = socket.create_connection(("127.0.0.1", port), PATIENCE)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def name_of(client: socket.socket) -> str:
    """Its address and port, as the system knows them; a datagram's socket is bound to no address."""
    host, port = client.getsockname()
    return f"{host.replace('0.0.0.0', '127.0.0.1')}:{port}"


def ask(client: socket.socket, data: bytes, answer: bytes | None = None) -> None:
    """Send, and wait for the answer: by default the same."""
    answer = data if answer is None else answer
    client.sendall(data)
    came = receive(client, len(answer))
    assert came == answer, (came, answer)


def finish(client: socket.socket) -> None:
    """Close first, and wait until the server has closed, too."""
    client.shutdown(socket.SHUT_WR)
    assert receive(client, 1) == b""
    client.close()


def v2(order: int, text: str) -> bytes:
    """A frame of fixed size."""
    return fixed.frame(order, text).pack()


def v3(order: int, text: str, layout: Layout = Layout.GUIDE) -> bytes:
    """A frame of variable size."""
    return variable.frame(order, text).pack(layout)


@scene
def datagrams(folder: Path) -> Truth:
    """Two clients at once, a third that chose its port, the first once more; then the server is gone."""
    with ExitStack() as stack:
        first, second, chosen, again, late = (
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(5)
        )
        sent: list[tuple[str, str]] = []
        for client in again, late:  # now, or by chance one gets the port that the first gives back
            client.bind(("127.0.0.1", 0))

        def send(client: socket.socket, text: str) -> None:
            client.settimeout(PATIENCE)
            client.sendto(text.encode(), ("127.0.0.1", PORT))
            sent.append((name_of(client), text))
            assert client.recv(100) == text.encode()

        with plain("server_udp", "--echo"):
            send(first, "one")
            send(second, "grüße")
            send(first, "")
            send(first, "<b>& three")
            chosen.bind(("127.0.0.1", CHOSEN_PORT))
            send(chosen, "chosen")
            names = [name_of(client) for client in (first, second, chosen)]
            first.close()
            send(again, "again")
            names.append(name_of(again))
        late.settimeout(PATIENCE)
        late.connect(("127.0.0.1", PORT))
        late.send(b"anybody there?")
        try:
            late.recv(100)
        except ConnectionRefusedError:
            names.append(name_of(late))
        return {"clients": names, "sent": sent}


def _texts(folder: Path, command: str, recording: str) -> Truth:
    record = str(folder / recording)
    with netlabs(command, "--record", record) as server:
        first = connected()
        server.wait_for(f"Accepted connection from {name_of(first)}")
        second = connected()
        server.wait_for(f"Accepted connection from {name_of(second)}")
        names = [name_of(first), name_of(second)]
        sent = [(names[0], "hello"), (names[1], "grüße"), (names[0], "bye")]
        for client, (_, text) in zip((first, second, first), sent, strict=True):
            ask(client, text.encode(), b"ECHO: " + text.encode())
        finish(second)
        finish(first)
        keys = {
            found[2]: int(found[1])
            for found in server.matches(r"Registered SelectorKey\(.*fd=(\d+).*data=client (\S+)\)")
        }
    return {"clients": names, "sent": sent, "keys": keys, "recording": record}


@scene
def threads(folder: Path) -> Truth:
    """netlab-tcp: two clients, accepted in this order."""
    return _texts(folder, "netlab-tcp", "threads-record.pcapng")


@scene
def selector(folder: Path) -> Truth:
    """netlab-tcpsel: the same; the log says which descriptor is whose."""
    return _texts(folder, "netlab-tcpsel", "selector-record.pcapng")


@scene
def plain_text(folder: Path) -> Truth:
    """A plain thread-a-client server, and a client that resets; then a server that answers after the FIN."""
    with plain("server_tcp"):
        first, second = connected(), connected()
        names = [name_of(first), name_of(second)]
        ask(first, b"one", b"ECHO: one")
        ask(second, b"two", b"ECHO: two")
        finish(first)
        reset(second)
    with socket.create_server(("127.0.0.1", PORT)) as late:
        third = connected()
        names.append(name_of(third))
        accepted, _ = late.accept()
        third.sendall(b"three")
        third.shutdown(socket.SHUT_WR)
        while accepted.recv(100):
            pass
        accepted.sendall(b"ECHO: three")
        accepted.close()
        assert receive(third, 12) == b"ECHO: three"
        third.close()
    sent = [(name, text) for name, text in zip(names, ("one", "two", "three"), strict=True)]
    return {"clients": names, "sent": sent, "reset_by": names[1], "late": names[2]}


@scene
def fixed_frames(folder: Path) -> Truth:
    """A plain server of v2 that echoes: a text that is cut, frames that are joined, one that is split."""
    with plain("server_tcpv2", "--echo"):
        first, second = connected(), connected()
        names = [name_of(first), name_of(second)]
        long = "a text that is much too long"
        ask(first, v2(1, "hello"))
        ask(first, v2(2, long))
        joined = v2(1, "one") + v2(2, "two") + v2(3, "grüße")
        ask(second, joined)
        frame = v2(4, "four")
        second.sendall(frame[:7])
        _until_acknowledged(second)
        second.sendall(frame[7:])
        assert receive(second, len(frame)) == frame
        finish(first)
        finish(second)
    streams = {names[0]: v2(1, "hello") + v2(2, long), names[1]: joined + frame}
    return {"clients": names, "streams": {name: data.hex() for name, data in streams.items()}, "cut": long}


def _until_acknowledged(client: socket.socket) -> None:
    """So that the next bytes are another segment, even if the first had to be sent again."""
    deadline = time.monotonic() + PATIENCE
    while struct.unpack_from("=8B24L", client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192))[12]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@scene
def variable_frames(folder: Path) -> Truth:
    """netlab-tcpv3 on a port of no name: both layouts, no text, a frame in three segments."""
    with netlabs("netlab-tcpv3", "--echo", port=OTHER_PORT):
        guide, scripts = connected(OTHER_PORT), connected(OTHER_PORT)
        names = [name_of(guide), name_of(scripts)]
        ask(guide, v3(1, "hello") + v3(2, ""))
        frame = v3(3, "any size you like, grüße")
        for piece in frame[:4], frame[4:11]:
            guide.sendall(piece)
            _until_acknowledged(guide)
        ask(guide, frame[11:], frame)
        ask(scripts, v3(1, "scripts", Layout.SCRIPTS))
        finish(guide)
        finish(scripts)
    streams = {
        names[0]: v3(1, "hello") + v3(2, "") + frame,
        names[1]: v3(1, "scripts", Layout.SCRIPTS),
    }
    return {"clients": names, "streams": {name: data.hex() for name, data in streams.items()}}


@scene
def trouble(folder: Path) -> Truth:
    """What can go wrong, each with a client of its own: its name, by what happens to it."""
    names: dict[str, str] = {}

    def client(what: str, port: int = PORT) -> socket.socket:
        found = connected(port)
        names[what] = name_of(found)
        return found

    refused = socket.socket()  # it keeps its port to the end: another client is not to get that
    refused.bind(("127.0.0.1", 0))
    names["refused"] = name_of(refused)
    assert refused.connect_ex(("127.0.0.1", NOBODYS_PORT))
    with netlabs("netlab-tcpv3", "--echo"):
        with client("wrong-version") as wrong:
            wrong.sendall(v3(1, "good"))
            assert receive(wrong, 13) == v3(1, "good")
            wrong.sendall(b"GET / HTTP/1.1\r\n\r\n")
            finish(wrong)
        with client("truncated") as cut:
            ask(cut, v3(1, "whole"))
            cut.sendall(v3(2, "not whole")[:12])
            finish(cut)
        with client("oversize") as little:
            little.sendall(struct.pack("<BLL", 1, 1, 5) + b"hello")
            finish(little)
        with client("order-jump") as jumping:
            ask(jumping, v3(1, "one") + v3(7, "seven"))
            finish(jumping)
        again = client("retransmission")
        ask(again, v3(1, "again"))
        _send_again(again, v3(1, "again"))
        finish(again)
        reset_inside = client("reset-inside")
        ask(reset_inside, v3(1, "x"))
        reset_inside.sendall(v3(2, "lost")[:10])
        _until_acknowledged(reset_inside)
        reset(reset_inside)
    with plain("server_tcpv3_one_recv"), client("missing-echo") as lacking:
        ask(lacking, v3(1, "one"))
        ask(lacking, v3(2, "two") + v3(3, "three"), v3(2, "two"))
        finish(lacking)
    with plain("server_tcpv3_echo_twice"), client("doubled-echo") as doubled:
        ask(doubled, v3(1, "one"), 2 * v3(1, "one"))
        finish(doubled)
    with plain("server_tcpv2", "--echo"), client("little-endian") as swapped:
        ask(swapped, struct.pack("<BLL20s", 1, 1, 5, b"hello---------------"))
        finish(swapped)
    with socket.create_server(("127.0.0.1", PORT)) as lazy, client("zero_window") as eager:
        accepted, _ = lazy.accept()
        eager.setblocking(False)
        _fill(eager)
        accepted.close()
    with socket.create_server(("127.0.0.1", OTHER_PORT), backlog=0), ExitStack() as stack:
        names["unanswered"] = name_of(_unanswered(stack))
    refused.close()
    return {"clients": names}


def _send_again(client: socket.socket, data: bytes) -> None:
    """Put the client's last segment on the wire again, as its kernel does where an answer fails to come."""
    host, port = client.getsockname()
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
        info = _numbers(client)
        start = (info[0] - len(data)) & 0xFFFFFFFF
        header = struct.pack("!HHLLBBHHH", port, PORT, start, info[1], 5 << 4, 0x18, 512, 0, 0)
        address = socket.inet_aton(host)
        pseudo = address + address + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(header) + len(data))
        checksum = _checksum(pseudo + header + data)
        header = header[:16] + struct.pack("!H", checksum) + header[18:]
        raw.sendto(header + data, (host, 0))
    time.sleep(0.05)  # the answer to it comes before what is sent next, as a reader of the capture expects


def _numbers(client: socket.socket) -> tuple[int, int]:
    """The next sequence number in each direction: TCP_REPAIR tells them, and changes nothing."""
    TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21  # noqa: N806 -- the system's names
    found = []
    client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    for queue in 2, 1:  # what is sent, what is received
        client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)
        found.append(client.getsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ) & 0xFFFFFFFF)
    client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 0)
    return found[0], found[1]


def _checksum(data: bytes) -> int:
    total: int = sum(word for (word,) in struct.iter_unpack("!H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _unanswered(stack: ExitStack) -> socket.socket:
    """A client whose SYN is dropped, since the backlog is full of others that nobody accepts."""
    while True:
        client = stack.enter_context(socket.socket())
        client.settimeout(0.2)
        try:
            client.connect(("127.0.0.1", OTHER_PORT))
        except TimeoutError:
            return client


def _fill(client: socket.socket) -> None:
    """Send until nothing is taken any more."""
    quiet = time.monotonic() + 0.5
    while time.monotonic() < quiet:
        try:
            client.send(bytes(1 << 16))
            quiet = time.monotonic() + 0.5
        except BlockingIOError:
            time.sleep(0.05)


def main() -> None:
    """Play the scene that the command line names."""
    name, folder = sys.argv[1:]
    truth = SCENES[name](Path(folder))
    Path(folder, f"{name}.json").write_text(json.dumps(truth), "utf-8")


if __name__ == "__main__":
    main()
