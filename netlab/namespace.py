"""A user and network namespace for this process and all that it starts: there it may capture, without root.

What `unshare --user --map-current-user --net` does, done here, so that nothing runs in between: signals,
terminal and exit status stay as they are, and whoever runs in it is the same user as before. Linux only.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import struct
import time
from pathlib import Path
from typing import Any

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
_SET_INTERFACE_FLAGS, _UP = 0x8914, 1
_DEATH_SIGNAL = 1  # of prctl
_AMBIENT, _RAISE = 47, 2  # of prctl
_SECURE_BITS, _NO_ROOT = 28, 0b11  # of prctl: who becomes root gets nothing, for good
_CAPABILITIES_VERSION = 0x20080522
_NET_ADMIN, _NET_RAW = 12, 13

THREADS = 1.0
"""Seconds that threads have to go after they were joined: they need less than a thousandth."""

SWITCHES = {
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": ("1", "AppArmor"),
    "/proc/sys/kernel/unprivileged_userns_clone": ("0", "kernel.unprivileged_userns_clone = 0"),
    "/proc/sys/user/max_user_namespaces": ("0", "user.max_user_namespaces = 0"),
}
"""Files whose content says that a system forbids user namespaces, and how that is called."""


def enter() -> None:
    """Move into namespaces of our own, with the loopback up. Raises OSError where they cannot be had.

    What is started from now on may capture, until forgo(). All threads must have been joined.
    """
    user, group = os.geteuid(), os.getegid()
    _wait_for_threads()
    _call("unshare", _NEW_USER | _NEW_NET)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _loopback_up()
    _make_inheritable(1 << _NET_ADMIN | 1 << _NET_RAW)
    for capability in _NET_ADMIN, _NET_RAW:
        _call("prctl", _AMBIENT, _RAISE, capability, 0, 0)


def forgo() -> None:
    """What is started from now on gets no capability, not even as root. To be called after enter()."""
    _call("prctl", _SECURE_BITS, _NO_ROOT, 0, 0, 0)
    _make_inheritable(0)  # the ambient ones go with it


def end_with_parent() -> None:
    """To be called in a new process: SIGTERM comes when its parent ends, however that ends."""
    _call("prctl", _DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)


def forbidden_by() -> str:
    """What of this system forbids user namespaces, or nothing where that cannot be seen."""
    for path, (value, name) in SWITCHES.items():
        try:
            if Path(path).read_text().strip() == value:
                return name
        except OSError:
            continue
    return ""


def _wait_for_threads() -> None:
    """The kernel lets a single thread only go, and one that was joined is still there for a moment."""
    deadline = time.monotonic() + THREADS
    while len(os.listdir("/proc/self/task")) > 1 and time.monotonic() < deadline:
        time.sleep(0.001)


def _loopback_up() -> None:
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SET_INTERFACE_FLAGS, struct.pack("16sh14x", b"lo", _UP))


def _make_inheritable(capabilities: int) -> None:
    header = struct.pack("=Li", _CAPABILITIES_VERSION, 0)
    sets = ctypes.create_string_buffer(24)
    _call("capget", header, sets)
    low = list(struct.unpack("=6L", sets.raw))  # effective, permitted, inheritable; then the same for 32 on
    low[2] = capabilities
    _call("capset", header, struct.pack("=6L", *low))


def _call(name: str, *arguments: Any) -> None:
    # As long as the kernel reads them: of a number, ctypes would pass an int's half only.
    passed = [ctypes.c_ulong(each) if isinstance(each, int) else each for each in arguments]
    if getattr(_library(), name)(*passed) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _library() -> Any:
    """The C library: loaded when it is wanted, since Windows has none."""
    global _loaded
    if _loaded is None:
        _loaded = ctypes.CDLL(None, use_errno=True)
    return _loaded


_loaded: Any = None
