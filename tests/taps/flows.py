"""Clients that send all the time, and read at a pace of their own."""

from __future__ import annotations

import os
import select
import socket
import ssl
import struct
import time

from tests.support import PATIENCE

READ_SIZE = 65_536
SLOW = 300_000
"""Bytes per second that a slow client reads."""

_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def frame(payload: bytes) -> bytes:
    """A frame of variable size, packed by hand."""
    return struct.pack("!BLL", 1, 1, len(payload)) + payload


PLAIN = frame(b"x" * 20_000)
"""A frame that costs little to print."""
RANDOM = frame(os.urandom(1 << 20))
"""One that costs much: nearly each of its bytes is escaped."""


def connect(address: tuple[str, int] | str) -> socket.socket:
    """A connection to a port or to a Unix socket; its receive buffer is small, so that the peer sees how much
    is read.
    """
    connection = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, READ_SIZE)
    connection.settimeout(PATIENCE)
    connection.connect(address)
    return connection


class Flow:
    """A client, plain or TLS, that sends the same frame again and again. One thread suffices for it."""

    def __init__(self, connection: socket.socket, data: bytes) -> None:
        connection.setblocking(False)
        self.connection = connection
        self._data = self._rest = memoryview(data)

    def converse(self, seconds: float, rate: float | None = None) -> int:
        """Send, and read meanwhile.

        Args:
            seconds: How long, at least; longer on a busy machine, where nothing has come back by then.
            rate: Bytes per second that are read, 64 KiB at once; None for all there is.

        Returns:
            How many bytes were read.

        Raises:
            ConnectionError: The peer has ended the connection.
        """
        total = 0
        due = begun = time.monotonic()
        while (now := time.monotonic()) < begun + (seconds if total else PATIENCE):
            moved = self._send()
            if now >= due and (count := self._read()):
                moved = True
                total += count
                due = now + count / rate if rate else now
            if not moved:
                wait = 0.05 if now >= due else min(0.05, due - now)
                select.select([self.connection] if now >= due else [], [], [], wait)
        return total

    def stop_reading(self) -> None:
        """Send, and read nothing, until nothing more is taken."""
        last = time.monotonic()
        while time.monotonic() - last < 0.5:
            if self._send():
                last = time.monotonic()
            else:
                time.sleep(0.01)

    def _send(self) -> bool:
        try:
            self._rest = self._rest[self.connection.send(self._rest) :] or self._data
        except _LATER:
            return False
        return True

    def _read(self) -> int:
        """Read 64 KiB if they are there, in several pieces where TLS has cut them."""
        count = 0
        while count < READ_SIZE:
            try:
                piece = self.connection.recv(READ_SIZE - count)
            except _LATER:
                break
            if not piece:
                raise ConnectionResetError("the peer has ended the connection")
            count += len(piece)
        return count
