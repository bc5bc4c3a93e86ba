"""Who runs a client's messages: `reactor`, one thread for all clients, or `threads`, a thread for each.

A handler is made for each session. It gets the items of that client's road in order (submit), has the session
treat each (session.handle, wherever the handler runs), and brings the answer back (session.settle, always on
the reactor's thread).
"""

from __future__ import annotations

from typing import Any, Protocol


class Attended(Protocol):
    """What a handler needs of a session."""

    @property
    def read_size(self) -> int:
        """Bytes that are read from the client at once."""

    def handle(self, item: Any) -> bytes:
        """Treat an item; return the answer. Never raises."""

    def settle(self, item: Any, answer: bytes) -> None:
        """Send the answer, and take the step that the item asks for."""

    def hold(self, gate: object) -> None:
        """Read nothing more from the client for now."""

    def release(self, gate: object) -> None:
        """Read on."""
