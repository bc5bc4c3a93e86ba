"""Who is loaded: an address on this machine, or a command that starts a server."""

from __future__ import annotations

import ipaddress
import os
import re
import shlex
import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from netlab import proc
from netlab.wire.text import printable

USAGE, CANNOT = 2, 3
"""Exit statuses: the command line is wrong, or it could not begin."""

LABEL = 28
"""Characters of a name in a table."""

_PLACE = re.compile(r"(\[[^]\s]+\]|[^\s:/\[\]=]*):([0-9]{1,5})")
_NAMED = re.compile(r"([\w+-]{1,28})=(\S.*)", re.DOTALL)


class CannotLoad(Exception):
    """It cannot begin; the argument says why and what to do, in one line."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True)
class Address:
    """Where a server is, as the functions of a socket want it."""

    family: int
    where: tuple[Any, ...]


@dataclass(frozen=True)
class Target:
    """A server: where it listens, or the words of the command that starts it."""

    written: str
    """As it stood on the command line, without its name."""
    name: str = ""
    place: tuple[str, int] | None = None
    command: tuple[str, ...] = ()


def target(written: str) -> Target:
    """Read HOST:PORT or a command, with NAME= in front or not. Raises CannotLoad."""
    name = ""
    if found := _NAMED.fullmatch(written):
        name, written = found[1], found[2]
    if (place := _place(written)) is not None:
        return Target(written, name, place)
    if written.isdecimal():
        raise CannotLoad(USAGE, f"{written!r} is no HOST:PORT: for this machine say 127.0.0.1:{written}")
    try:
        command = tuple(shlex.split(written))
    except ValueError as error:
        raise CannotLoad(USAGE, f"{printable(written)}: the quotes do not match ({error})") from None
    if not command:
        raise CannotLoad(USAGE, "an empty target: HOST:PORT or a command is wanted")
    return Target(written, name, None, command)


def place(written: str) -> Target:
    """Read HOST:PORT. Raises CannotLoad."""
    found = target(written)
    if found.place is None:
        raise CannotLoad(
            USAGE,
            f"{printable(written)!r} is no HOST:PORT; a server's command belongs to --compare, in quotes",
        )
    return found


def _place(written: str) -> tuple[str, int] | None:
    found = _PLACE.fullmatch(written)
    if found is None:
        return None
    port = int(found[2])
    if not 0 < port < 65_536:
        raise CannotLoad(USAGE, f"{written}: a port is a number from 1 to 65535")
    return found[1].strip("[]") or "127.0.0.1", port


def named(targets: Sequence[Target]) -> list[str]:
    """A name for each: its own; else of its words those that not all have. No two are the same."""
    words = [[*map(os.path.basename, each.command)] or [each.written] for each in targets]
    common = Counter(word for each in words for word in set(each))
    names = []
    for each, its in zip(targets, words, strict=True):
        own = " ".join(word for word in its if common[word] < len(targets))
        names.append(each.name or printable(own or " ".join(its)))
    twice = Counter(names)
    return [_cut(f"{number}: {name}" if twice[name] > 1 else name) for number, name in enumerate(names, 1)]


def _cut(name: str) -> str:
    return name if len(name) <= LABEL else f"{name[: LABEL - 3]}..."


def resolved(place: tuple[str, int], transport: str, owned: bool) -> Address:
    """The address of a server. transport: tcp or udp. owned: it may be on another machine.

    Raises CannotLoad where nobody knows the name, or the address is not this machine's.
    """
    host, port = place
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    try:
        found = socket.getaddrinfo(host, port, type=kind)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise CannotLoad(CANNOT, f"{printable(host)}: no such host ({why})") from None
    found.sort(key=lambda each: each[0] is not socket.AF_INET)  # as the laboratory's servers listen
    family, _, _, _, where = found[0]
    if not owned and not is_here(family, where):
        raise CannotLoad(
            USAGE,
            f"{printable(host)} ({where[0]}) is not this machine: load is for servers of your own; if it is "
            "yours, or its owner has agreed, say --i-own-this-host",
        )
    return Address(family, where)


def is_here(family: int, where: tuple[object, ...]) -> bool:
    """Is this an address of this machine's? Then a socket can be bound to it."""
    address = ipaddress.ip_address(str(where[0]).partition("%")[0])
    if address.is_loopback:
        return True
    if address.is_multicast or _may_bind_anywhere(family):
        return False
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((where[0], 0, *where[2:]))
        except OSError:
            return False
    return True


def _may_bind_anywhere(family: int) -> bool:
    """Does this system let programs bind to addresses that it does not have (of Linux's, a setting)?"""
    name = "ipv6" if family == socket.AF_INET6 else "ipv4"
    return proc.read(f"sys/net/{name}/ip_nonlocal_bind").strip() == b"1"
