"""Makes streams that nobody has thought of from those of the golden vectors; all choices are a Random's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from netlab.wire.vectors import VECTORS

MOST = 4_096
"""Bytes of a stream at most, so that a second has room for many."""

MUTATIONS = 5
"""Changes to a stream, at most."""

BYTES = b"\x00\x01\x02\x05-EG\x7f\x80\xc3\xe2\xed\xf0\xff\n"
"""Bytes that something depends on: versions, padding, the beginnings of characters and of prefixes."""

NUMBERS = (
    0,
    1,
    2,
    3,
    4,
    5,
    20,
    21,
    255,
    256,
    1_024,
    65_535,
    65_536,
    1 << 20,
    1 << 24,
    (1 << 31) - 1,
    1 << 31,
)
"""Numbers that something depends on, or once did; so do their neighbours, and the same from above."""


def corpus(variant: str) -> list[bytes]:
    """The streams of a variant's vectors: what others say, too, is tried on it, since people do that."""
    return [each.stream for each in VECTORS if each.variant == variant and len(each.stream) <= MOST]


class Mutator:
    """Makes streams for one variant."""

    def __init__(self, variant: str) -> None:
        self._own = corpus(variant)
        self._all = [each for name in ("udp", "tcp", "tcpv2", "tcpv3") for each in corpus(name)]

    def stream(self, rng: Random) -> bytes:
        """A stream of the corpus, changed a little, or not at all."""
        stream = self._seed(rng)
        for _ in range(rng.randrange(MUTATIONS + 1)):
            stream = rng.choice(WAYS)(rng, stream, self._seed)[:MOST]
        return stream

    def _seed(self, rng: Random) -> bytes:
        return rng.choice(self._own if rng.random() < 0.8 else self._all)


Seed = Callable[[Random], bytes]


def flip_bit(rng: Random, stream: bytes, seed: Seed) -> bytes:
    at = rng.randrange(len(stream) or 1)
    return (
        stream[:at] + bytes(byte ^ 1 << rng.randrange(8) for byte in stream[at : at + 1]) + stream[at + 1 :]
    )


def set_byte(rng: Random, stream: bytes, seed: Seed) -> bytes:
    at = rng.randrange(len(stream) or 1)
    return stream[:at] + bytes([rng.choice(BYTES)]) + stream[at + 1 :]


def set_number(rng: Random, stream: bytes, seed: Seed) -> bytes:
    """Overwrite one of the numbers of a header, which stand behind a version, or both with the same."""
    headers = [at for at, byte in enumerate(stream) if byte == 1] or [0]
    at = rng.choice(headers) + rng.choice((1, 1, 5))
    boundary = (rng.choice((*NUMBERS, len(stream))) + rng.choice((-1, 0, 0, 1))) * rng.choice((1, 1, 1, -1))
    number = rng.choice((boundary, boundary, rng.randrange(32)))
    fields = (number % 2**32).to_bytes(4, rng.choice(("big", "big", "big", "little"))) * rng.choice((1, 1, 2))
    return stream[:at] + fields + stream[at + len(fields) :]


def splice(rng: Random, stream: bytes, seed: Seed) -> bytes:
    """The beginning of one stream, and the end of another."""
    other = seed(rng)
    return stream[: rng.randint(0, len(stream))] + other[rng.randint(0, len(other)) :]


def join(rng: Random, stream: bytes, seed: Seed) -> bytes:
    """One stream behind another."""
    return stream + seed(rng)


def double(rng: Random, stream: bytes, seed: Seed) -> bytes:
    begin, end = sorted((rng.randint(0, len(stream)), rng.randint(0, len(stream))))
    return stream[:end] + stream[begin:]


def repeat(rng: Random, stream: bytes, seed: Seed) -> bytes:
    """The same again and again."""
    return stream * rng.randint(2, 9)


def drop(rng: Random, stream: bytes, seed: Seed) -> bytes:
    begin, end = sorted((rng.randint(0, len(stream)), rng.randint(0, len(stream))))
    return stream[:begin] + stream[end:]


def truncate(rng: Random, stream: bytes, seed: Seed) -> bytes:
    return stream[: rng.randint(0, len(stream))]


def insert(rng: Random, stream: bytes, seed: Seed) -> bytes:
    at = rng.randint(0, len(stream))
    return stream[:at] + rng.randbytes(rng.choice((1, 1, 2, 9, 29, 300))) + stream[at:]


WAYS: Sequence[Callable[[Random, bytes, Seed], bytes]] = (
    flip_bit,
    set_byte,
    set_number,
    set_number,
    splice,
    join,
    double,
    repeat,
    drop,
    truncate,
    insert,
)


def sizes(rng: Random) -> tuple[int, ...]:
    """How many bytes each read yields, over and over: few, or all, or as it comes."""
    return tuple(int(rng.choice((3, 40, 300, MOST)) ** rng.random()) for _ in range(rng.randint(1, 6)))
