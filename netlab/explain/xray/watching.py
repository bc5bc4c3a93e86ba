"""Looks at a program again and again, until two looks agree: one alone may have seen it in motion."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from netlab.explain.xray.look import look, processes
from netlab.explain.xray.networks import networks
from netlab.explain.xray.picture import Names, Picture, picture

LOOKS = 4
"""How many looks a picture gets at most: a program that is busy never agrees with what was seen before."""

BETWEEN = 0.03
"""Seconds between two looks: what a server needs many times to take a client and to wait for the next."""

SHARE = 10
"""To look may take a tenth of the time, and no more, however many threads there are."""

MAX_PROCESSES = 64
"""Processes that are looked at."""


class Watcher:
    """Looks at some processes and all that descend from them."""

    def __init__(self, roots: Callable[[], Sequence[int]]) -> None:
        self.rest = 0.0
        """Seconds that nobody should look now, so that it stays cheap."""
        self._roots = roots
        self._ours = int(os.readlink("/proc/self"))  # to look is not to wait
        self._names = Names()

    def look(self) -> Picture:
        """What is to be seen at this moment; threads first, and then what they may be waiting for."""
        pids = [pid for pid in processes(self._roots()) if pid != self._ours]
        seen = [look(pid) for pid in pids[:MAX_PROCESSES]]
        seen = [process for process in seen if process.threads or process.closed]
        found = picture(seen, networks(process.pid for process in seen), self._names)
        return replace(found, more_processes=max(0, len(pids) - MAX_PROCESSES))

    def steady(self) -> Picture:
        """A picture that was the same twice, or the last one of a program that is busy."""
        begun = time.thread_time()
        last = self.look()
        for _ in range(LOOKS - 1):
            time.sleep(BETWEEN)
            before, last = last, self.look()
            if before == last:
                break
        self.rest = (time.thread_time() - begun) * SHARE
        return last
