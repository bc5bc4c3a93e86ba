"""Break echo loops: two servers that echo answer each other forever (docs/protocol.md, U4 and U6).

One datagram with a forged sender starts such a loop. It ends with the first echo that is not sent, and UDP
may lose any datagram: so it is enough to leave out one echo now and then where a loop is likely.
"""

from __future__ import annotations

import time
from collections.abc import Callable

PRIVILEGED_PORTS = 1024
"""Ports below this belong to services. A service that replies to an echo could cause an endless loop (U4)."""

BURST = 10
"""Echoes that all senders whose port has the server's own number get at once: enough to try one by hand."""

RATE = 1.0
"""Further such echoes a second."""

LOOK_EVERY = 1_000
"""Datagrams from one look at whether an echo has come back to the next: so that looking costs nothing."""

LOOKS = 16
"""Looks in a row that have found the same bytes from the same address before one echo is left out. A loop
ends after some 16,000 rounds, about two seconds; a client that sends the same text as often loses one echo.
"""

MAX_ADDRESSES = 64
"""Addresses whose last look is remembered. With more of them none is behind most of the traffic."""


class LoopGuard:
    """Decides which echoes are left out because they might go round forever.

    Args:
        clock: Seconds, from any start, that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tokens = float(BURST)
        self._filled_at = clock()
        self._looks: dict[object, tuple[bytes, int]] = {}

    def take_token(self) -> bool:
        """Return whether one more echo may go to a sender whose port has the server's own number."""
        now = self._clock()
        self._tokens = min(BURST, self._tokens + (now - self._filled_at) * RATE)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def comes_back(self, datagram: bytes, sender: object) -> bool:
        """Look at one of LOOK_EVERY datagrams.

        Returns:
            Whether the last LOOKS looks at this sender have found these same bytes; then it is forgotten.
        """
        last, count = self._looks.get(sender, (datagram, 0))
        count = count + 1 if last == datagram else 1
        if count >= LOOKS:
            del self._looks[sender]
            return True
        if len(self._looks) >= MAX_ADDRESSES and sender not in self._looks:
            self._looks.clear()
        self._looks[sender] = (datagram, count)
        return False
