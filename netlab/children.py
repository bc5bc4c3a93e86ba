"""Programs that we start: how one has ended, before it is reaped; and that none outlives us."""

from __future__ import annotations

import os
import subprocess

_GUARD = 'read _; kill -s KILL -- "-$1"'
"""A shell's code: nobody ever writes what it reads, so it goes on when we are no more, however we ended."""


def guard(group: int) -> subprocess.Popen[bytes]:
    """Have a process group be killed when we are no more, however we ended. On Unix.

    Returns the guard, a process that only waits: kill it when the group has ended.
    """
    return subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, "netlab", str(group)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def status(process: subprocess.Popen[bytes]) -> int | None:
    """The exit status of a child, negative for the signal that ended it; None while it runs.

    It is not reaped: until somebody waits for it, its number stays its own, and that of its session.
    """
    if process.returncode is not None or not hasattr(os, "waitid"):
        return process.poll()
    try:
        ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return process.poll()  # somebody has waited for it meanwhile, in another thread
    if ended is None:
        return None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
