"""Draws the exercises' ladders: packets are made of bytes, read through tshark, and drawn by netlab explain.

The packets are rebuilt ones, as a recording holds them. What they carry is made by netlab.wire, what is drawn
of them is what the dissector finds. Their times are made up, and always the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from netlab import PORT
from netlab.explain.ladder import ladders
from netlab.explain.reading import read
from netlab.explain.reports.svg import standalone
from netlab.observers import pcapng
from netlab.observers.packets import Conversation, datagram
from netlab.wire import fixed, variable
from netlab.wire.text import REPLY_PREFIX, encode
from netlab.wireshark import tools

SERVER, ONE, TWO = ("127.0.0.1", PORT), ("127.0.0.1", 50001), ("127.0.0.1", 50002)
"""The ends, with the clients' ports as in the pages."""

START = 1_700_000_000_000_000_000
"""When the first packet was seen, in nanoseconds since 1970; a ladder counts from there."""

KERNEL, PROGRAM = 20_000, 250_000
"""Nanoseconds until a kernel acknowledges, and until a program sends: about what the loopback takes."""

Turns = Iterable[Sequence[bytes]]
"""Packets in their order. Each turn begins when a program does something; the kernels do the rest of it."""


def udp() -> Turns:
    """Two clients, whose datagrams are echoed to where they came from."""
    hello, bye, other = encode("hello"), encode("bye"), encode("grüße")
    for client, data in (ONE, hello), (TWO, other):
        yield [datagram(client, SERVER, data)]
    for client, data in (ONE, hello), (TWO, other):
        yield [datagram(SERVER, client, data)]
    yield [datagram(ONE, SERVER, bye)]
    yield [datagram(SERVER, ONE, bye)]


def tcp() -> Turns:
    """A session of text, from its first packet to its last."""
    talk = Conversation(ONE, SERVER)
    hello = encode("hello")
    yield talk.opened()
    yield talk.data(True, hello)
    yield talk.data(False, REPLY_PREFIX + hello)
    yield from _closed(talk)


def tcp_two() -> Turns:
    """Two of them at the same time."""
    talks = [(Conversation(ONE, SERVER, 0), encode("hello")), (Conversation(TWO, SERVER, 1), encode("grüße"))]
    for talk, _ in talks:
        yield talk.opened()
    for talk, text in talks:
        yield talk.data(True, text)
    for talk, text in talks:
        yield talk.data(False, REPLY_PREFIX + text)
    for talk, _ in talks:
        yield from _closed(talk)


def v2() -> Turns:
    """A frame of fixed size that is padded, and one whose text is cut, in a character of two bytes."""
    talk = Conversation(ONE, SERVER)
    yield talk.opened()
    for order, text in enumerate(["hello", "Liebe Grüße aus Köln"], 1):
        frame = fixed.frame(order, text).pack()
        yield talk.data(True, frame)
        yield talk.data(False, frame)
    yield from _closed(talk)


def v3() -> Turns:
    """Frames of variable size: two in one segment, then one in two segments, parted in its text."""
    talk = Conversation(ONE, SERVER)
    one, two, three = (
        variable.frame(order, text).pack() for order, text in enumerate(["one", "two", "three"], 1)
    )
    parted = variable.HEADER_LENGTH + 2
    yield talk.opened()
    yield talk.data(True, one + two)
    yield talk.data(False, one + two)
    yield talk.data(True, three[:parted])
    yield talk.data(True, three[parted:])
    yield talk.data(False, three)
    yield from _closed(talk)


def _closed(talk: Conversation) -> Turns:
    """The client finishes, then the server, whose FIN acknowledges the client's: it comes soon enough."""
    yield talk.finished(True)[:1]
    yield talk.finished(False)


PICTURES: dict[str, tuple[str, Callable[[], Turns]]] = {
    "ladder-udp": ("Two clients send datagrams, and the server echoes each", udp),
    "ladder-tcp": ("A session of text over TCP, from the handshake to the close", tcp),
    "ladder-tcp-two": ("Two sessions of text over TCP at the same time", tcp_two),
    "ladder-v2": ("Frames of fixed size: one is padded, one is cut, both are echoed", v2),
    "ladder-v3": ("Frames of variable size: two in one segment, one in two segments", v3),
}
"""The ladders, by their names in docs/pictures: what each shows, and its packets."""


def can_be_drawn() -> bool:
    """Is a tshark here?"""
    return tools.find("tshark") is not None


@cache  # tshark is run for it, and whoever compares asks more than once
def svg(name: str) -> str:
    """One of the PICTURES as a file. Raises netlab.wireshark.dissection.CannotRead where tshark fails."""
    title, play = PICTURES[name]
    with TemporaryDirectory() as folder:
        path = Path(folder, f"{name}.pcapng")
        path.write_bytes(_file(title, play()))
        capture = read(str(path))
    (ladder,) = ladders(capture, capture.conversations, together=True)
    return standalone(ladder, title)


def _file(title: str, turns: Turns) -> bytes:
    """A capture file of these packets."""
    blocks = [pcapng.head(title, "netlab", "made up", "packets for a picture")]
    now = START
    for turn in turns:
        for packet in turn:
            blocks.append(pcapng.packet(now, packet))
            now += KERNEL
        now += PROGRAM
    return b"".join(blocks)
