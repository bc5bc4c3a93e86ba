"""How the TCP clients of a soak behave: each conduct is a coroutine that says what its client deserves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import NamedTuple

from tests.soak.client import Client, Ending, Missing, Volume
from tests.soak.speech import WrongAnswer

PAUSE = 0.3
"""Seconds, at most, in which a client that behaves does nothing: far below every deadline of the servers."""

SHORT = 300
"""Bytes of a text, at most, where a message follows an answer."""

ALL = Volume(20_000, 500_000)
"""More than a server takes before it stops reading from whoever does not read."""

PRINTABLE = Volume(1_000, 8_000)
"""Where the server prints all that is said. A line of the log costs more than its message, and a byte that is
escaped costs four: it would become a soak of the log.
"""

SMALL_BUFFER = 32_768
"""Bytes that the system holds for a client that is slow or deaf, so that its server soon feels it."""

SIP = 8_192
"""Bytes that a slow client reads at a time."""

REST = 200_000
"""Bytes behind what breaks a stream, at most: more than one read yields, so the server must discard (S5)."""

DEAF_BYTES = 64_000_000
"""Bytes that a server may take from a client that never reads: far above all the buffers between them."""


def stream(client: Client) -> bytes:
    """Some messages, few as often as many."""
    text, messages = client.volume
    return client.speech.messages(int(messages ** client.rng.random()), text)


# Those that behave.


async def chats(client: Client) -> None:
    """One message after the other, each when the answer to the last is there."""
    await client.connect()
    for _ in range(client.rng.randint(1, 15)):
        await client.say(client.speech.message(SHORT))
        await client.hear_answers()
        await asyncio.sleep(PAUSE * client.rng.random() ** 4)
    await client.say(b"", finish=True)
    await client.hear_out()
    client.deserves("finished")


async def trickles(client: Client) -> None:
    """The beginning of a message byte by byte."""
    await client.connect()
    message = client.speech.message(SHORT)
    client.owe(message)
    for byte in message[:SHORT]:
        await client.send(bytes([byte]))
    await client.send(message[SHORT:])
    await client.hear_answers()
    await client.say(b"", finish=True)
    await client.hear_out()
    client.deserves("finished")


async def pours(client: Client) -> None:
    """Many messages in a few pieces, while the answers are read."""
    await client.connect()
    await client.while_hearing(client.say(stream(client), finish=True), client.hear_out())
    client.deserves("finished")


# Those that half-close with much owed.


async def hears_late(client: Client) -> None:
    """Nothing is read before the FIN has left, or the server has stopped reading."""
    await client.connect(SMALL_BUFFER)

    async def late() -> None:
        await asyncio.sleep(PAUSE)
        await client.hear_out()

    await client.while_hearing(client.say(stream(client), finish=True), late())
    client.deserves("finished")


async def sips(client: Client) -> None:
    """A FIN behind many messages, and a slow reader."""
    await client.connect(SMALL_BUFFER)
    pause = PAUSE * client.rng.random() * SIP / ALL.messages
    await client.while_hearing(client.say(stream(client), finish=True), client.hear_out(SIP, pause))
    client.deserves("finished")


# Those that misbehave: their valid messages are owed all the same (R7).


async def breaks(client: Client) -> None:
    """Valid messages, something that is none, and much behind it."""
    await client.connect()
    valid = stream(client) if client.rng.random() < 0.5 else b""
    broken = client.speech.broken()
    rest = broken.data[broken.valid :] + client.rng.randbytes(client.rng.choice((0, 0, SHORT, REST)))
    await client.while_hearing(client.say(valid + broken.data[: broken.valid], rest), client.hear_out())
    client.deserves("violation", reason=broken.reason)


async def is_cut_off(client: Client) -> None:
    """A FIN inside a message."""
    await client.connect()
    valid = stream(client)
    half = client.speech.half()
    await client.while_hearing(client.say(valid, half, finish=True), client.hear_out())
    client.deserves("violation", reason="truncated")


# Those that stall.


async def stops_inside_a_message(client: Client) -> None:
    """Half a message, and silence."""
    await client.connect()
    valid = stream(client) if client.rng.random() < 0.5 else b""
    half = client.speech.half()
    await client.while_hearing(client.say(valid, half), client.hear_out())
    client.deserves("violation", reason="deadline")


async def says_nothing(client: Client) -> None:
    """Silence."""
    await client.connect()
    await client.hear_out()
    client.deserves("idle")


async def never_reads(client: Client) -> None:
    """Sends for ever, and never reads."""
    await client.connect(SMALL_BUFFER)
    much = client.speech.messages(client.volume.messages, client.volume.text)
    try:
        while client.sent < DEAF_BYTES:
            await client.send(much)
    except ConnectionError:
        client.ending = Ending(("stalled",))
    else:
        raise WrongAnswer(f"the server took {client.sent:,} bytes from a client that never reads")


# Those that are gone without a word.


async def resets(client: Client) -> None:
    """A reset at any moment, also inside a message."""
    await client.connect(client.rng.choice((None, SMALL_BUFFER)))
    valid = stream(client)
    half = client.speech.half() if client.speech.can_break else b""
    talk = client.while_hearing(client.say(valid, half), client.hear_out())
    try:
        await asyncio.wait_for(talk, PAUSE * client.rng.random() ** 3)
    except asyncio.TimeoutError:
        client.check(whole=False)
        client.reset()
        client.ending = Ending(("reset",))
    else:
        raise Missing("the server closed a connection that was not at its end")


async def leaves(client: Client) -> None:
    """Connects, perhaps says something, and is gone, whatever it is owed."""
    await client.connect()
    if client.rng.random() < 0.5:
        valid = stream(client)
        await client.say(valid, client.speech.half() if client.speech.can_break else b"")
    client.close()
    client.ending = Ending(("finished", "reset", "violation"))


class Conduct(NamedTuple):
    """One way to behave."""

    kind: str
    """What it is counted as."""
    share: int
    """How often it is chosen, compared with the others."""
    live: Callable[[Client], Awaitable[None]]
    needs_frames: bool = False
    """Does it need something that can be wrong?"""
    needs_quiet: bool = False
    """Does it fill all buffers on the way, so that a server that prints would print megabytes?"""


CONDUCTS = (
    Conduct("behaved", 24, chats),
    Conduct("behaved", 4, trickles),
    Conduct("behaved", 12, pours),
    Conduct("half-closed", 8, hears_late),
    Conduct("half-closed", 4, sips),
    Conduct("misbehaved", 12, breaks, needs_frames=True),
    Conduct("misbehaved", 6, is_cut_off, needs_frames=True),
    Conduct("stalled", 3, stops_inside_a_message, needs_frames=True),
    Conduct("stalled", 3, never_reads, needs_quiet=True),
    Conduct("stalled", 2, says_nothing),
    Conduct("reset", 12, resets),
    Conduct("left", 10, leaves),
)
"""All of them. Those that stall have small shares, since each takes its seat for seconds."""

BEHAVES = CONDUCTS[0]
"""The plainest."""


def chosen(rng: Random, can_break: bool, prints: bool) -> Conduct:
    """One of those that a client of this server can have."""
    frames = [each for each in CONDUCTS if can_break or not each.needs_frames]
    possible = [each for each in frames if not (prints and each.needs_quiet)]
    return rng.choices(possible, [each.share for each in possible])[0]
