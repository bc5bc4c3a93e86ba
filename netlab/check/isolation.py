"""A network of its own for this process and what it starts, so that the guide's port is always free."""

from __future__ import annotations

import os
import sys
import threading

from netlab import namespace


def isolated() -> str:
    """Move this process into a network of its own, which has a loopback and nothing else: there port 5005 is
    free, however many checks run side by side. What it starts has no more rights than before.

    To be called before any thread is started. Returns nothing when that is done, else one line why not;
    then everything is as it was.
    """
    if why := _hindrance():
        return f"no network of its own here: {why}"
    try:
        namespace.enter()
        namespace.forgo()
    except OSError as error:
        return f"no network of its own here: {error.strerror}"
    return ""


def _hindrance() -> str:
    """What keeps a process from it: one that ends at once tries, since half of it could not be taken back."""
    if sys.platform != "linux":
        return "only Linux lends one without root"
    if threading.active_count() > 1:
        return "a thread was started before"
    child = os.fork()
    if child == 0:
        number = 1
        try:
            namespace.enter()
            namespace.forgo()
            number = 0
        except OSError as error:
            number = error.errno or 1
        finally:
            os._exit(number)
    _, status = os.waitpid(child, 0)
    number = os.waitstatus_to_exitcode(status)
    if number == 0:
        return ""
    by = namespace.forbidden_by() or f"the system ({os.strerror(number)})"
    return f"user namespaces are forbidden by {by}"
