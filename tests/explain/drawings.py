"""Captures made to be drawn: what a ladder must show is known, since each packet was made for it."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SkipTest

from netlab.explain import facts
from netlab.explain.reading import read
from netlab.observers import pcapng
from netlab.observers.packets import Address, checksum, datagram
from netlab.wire import fixed, variable
from netlab.wire.variable import Layout
from tests.wireshark.reading import SERVER, Capture

HOSTILE = "<script>document.title='owned'</script>\"'><img src=x onerror=\"document.title='owned'\">&lt;`a`"
UNSEEN = "\x1b[2J\r\n\t\x7f\x9b\u202e\u2066\u2028"
WIDE = "\u6f22\u5b57 gr\u00fc\u00dfe e\u0301 \U0001f44b"
"""Characters of two columns, of one, of none."""

ICMP, UNREACHABLE, PORT_UNREACHABLE = 1, 3, 3


def v3(order: int, text: str) -> bytes:
    """A frame of variable size."""
    return variable.frame(order, text).pack(Layout.GUIDE)


def v2(order: int, text: str) -> bytes:
    """A frame of 29 bytes."""
    return fixed.frame(order, text).pack()


class Recording(Capture):
    """A capture whose packets have comments, as a recording's."""

    comment = ""

    def add(self, *packets: bytes) -> None:
        """Add packets with the comment that is set."""
        for packet in packets:
            self._now += 1_000_000
            self._blocks.append(pcapng.packet(self._now, packet, self.comment))

    def told(self, comment: str) -> Recording:
        """What follows has this comment."""
        self.comment = comment
        return self


def plain() -> Capture:
    """A session with an echo."""
    capture = Capture()
    capture.talk().send(v3(1, "hello")).answer(v3(1, "hello")).finish().close()
    return capture


def pieces() -> Capture:
    """A frame in two segments, two in one, and two bytes of a third that never comes."""
    capture = Capture()
    first = v3(1, "hello")
    talk = capture.talk().send(first[:5], first[5:] + v3(2, "x") + b"\1\0")
    talk.answer(first + v3(2, "x")).finish().close()
    return capture


def padded() -> Capture:
    """Frames of 29 bytes: one padded, one cut."""
    capture = Capture()
    both = v2(1, "hello") + v2(2, "a text that is certainly too long for it")
    capture.talk().send(both).answer(both).finish().close()
    return capture


def damaged() -> Capture:
    """A segment that is sent again after a while, and a reset; then a session that is refused."""
    capture = Capture()
    talk = capture.talk()
    first = talk.segments(True, v3(1, "hello"))
    capture.add(*first)
    capture.wait(0.2)
    capture.add(*first)
    talk.answer(v3(1, "hello")).reset(False)
    refused = capture.talk(5006, opened=False).conversation
    capture.add(refused.opened()[0])
    capture.add(*refused.reset(False))
    return capture


def answered() -> Capture:
    """Texts over TCP, with a wide one."""
    capture = Capture()
    talk = capture.talk()
    for text in ("hello", WIDE):
        talk.send(text.encode()).answer(b"ECHO: " + text.encode())
    talk.finish().close()
    return capture


def datagrams() -> Capture:
    """UDP: an echo, an empty one, and one to nobody."""
    capture = Capture()
    client = ("10.0.0.1", 50001)
    capture.send(client, b"hello")
    capture.answer(client, b"hello")
    capture.send(client, b"")
    lost = ("10.0.0.1", 50002)
    capture.send(lost, b"anyone?")
    capture.add(unreachable(lost, b"anyone?"))
    return capture


def unreachable(client: Address, data: bytes) -> bytes:
    """What ICMP says about a datagram that nobody took."""
    about = datagram(client, (SERVER, 5005), data)
    message = struct.pack("!BBHL", UNREACHABLE, PORT_UNREACHABLE, 0, 0) + about[:28]
    message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
    head = (
        struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(message), 0, 0, 64, ICMP, 0) + about[16:20] + about[12:16]
    )
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + message


def two() -> Capture:
    """Two clients at once, then a third by itself."""
    capture = Capture()
    one, other = capture.talk(), capture.talk()
    for talk in (one, other):
        talk.send(v3(1, "hello")).answer(v3(1, "hello"))
    one.finish().close()
    other.wait(1.5).finish().close()
    capture.talk().send(v3(1, "third")).answer(v3(1, "third")).finish().close()
    return capture


def three() -> Capture:
    """Three clients at once."""
    capture = Capture()
    talks = [capture.talk() for _ in range(3)]
    for talk in talks:
        talk.send(v3(1, "hello")).answer(v3(1, "hello"))
    for talk in talks:
        talk.finish().close()
    return capture


def long() -> Capture:
    """A session of 243 packets; one of them, in its middle, is remarkable."""
    capture = Capture()
    talk = capture.talk()
    for order in range(1, 120):
        talk.send(v2(order + (order == 80), f"message {order}")).answer(
            v2(order + (order == 80), f"message {order}")
        )
    talk.finish().close()
    return capture


def crowded() -> Capture:
    """Many frames in one segment."""
    capture = Capture()
    frames = b"".join(v3(order, f"m{order}") for order in range(1, 31))
    capture.talk().send(frames).answer(frames).finish().close()
    return capture


def recorded() -> Capture:
    """A recording: who handled what, and what is made up in it."""
    capture = Recording()
    talk = capture.talk(opened=False)
    handshake = talk.conversation.opened()
    by = "handled by client-1"
    capture.told(f"rebuilt by netlab, not captured: accept() of connection 1; {by}").add(handshake[0])
    capture.told("made up: what the kernels do by themselves, no program sees").add(*handshake[1:])
    capture.told(f"recv() 1: 5 bytes; {by}")
    talk.send(b"hello")
    capture.told(f"send() 1: 11 bytes; {by}")
    talk.answer(b"ECHO: hello")
    return capture


def hostile() -> Capture:
    """What a peer, or a file, may try: in frames, in texts, in comments."""
    capture = Recording()
    texts = (
        HOSTILE,
        UNSEEN,
        "\u05e9\u05dc\u05d5\u05dd",
        "\ufdfd" * 60,
        "Z" + "\u0301" * 400,
        "\u6f22" * 700,
        "",
    )
    talk = capture.told(f"recv() 1: 5 bytes; handled by {HOSTILE}{UNSEEN}, key fd=7").talk()
    for order, text in enumerate(texts, 1):
        talk.send(v3(order, text)).answer(v3(order, text))
    talk.send(b"\1" + b"\xff" * 40).finish().close()
    talk = capture.talk()
    for text in texts[:-1]:
        talk.send(text.encode()).answer(b"ECHO: " + text.encode())
    capture.send(("10.0.0.9", 50001), HOSTILE.encode(), UNSEEN.encode())
    return capture


ALL: dict[str, Callable[[], Capture]] = {
    each.__name__: each
    for each in (
        *(plain, pieces, padded, damaged, answered, datagrams),
        *(two, three, long, crowded, recorded, hostile),
    )
}


@cache
def explained(name: str) -> facts.Capture:
    """The facts of one of these."""
    if shutil.which("tshark") is None:
        raise SkipTest("there is no tshark")
    with TemporaryDirectory() as folder:
        path = Path(folder, f"{name}.pcapng")
        ALL[name]().write(path)
        return read(str(path))
