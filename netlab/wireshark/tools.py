"""The programs that capture and read packets: which of them are here, and what to do where none is."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from typing import NamedTuple

LOOPBACK = {"linux": "lo", "win32": r"\Device\NPF_Loopback"}.get(sys.platform, "lo0")
"""The interface of what stays on this machine: the laboratory mostly does."""

PLACES = {
    "win32": (r"C:\Program Files\Wireshark",),
    "darwin": ("/Applications/Wireshark.app/Contents/MacOS", "/opt/homebrew/bin", "/usr/local/bin"),
}.get(sys.platform, ("/usr/local/sbin", "/usr/sbin", "/sbin"))
"""Folders to look in behind those of PATH."""

STREAMING = {
    "dumpcap": ("-q", "-P", "-B", "16", "-w", "-"),
    "tshark": ("-q", "-F", "pcap", "-B", "16", "-w", "-"),
    "tcpdump": ("--immediate-mode", "-U", "-n", "-w", "-"),
}
"""The tools that capture, best first, and how each is told to stream pcap. -B 16: the kernel keeps 16 MiB for
us, since the command that is watched may take the processors for itself."""

INSTALL = {
    "debian": "sudo apt-get install tshark",
    "fedora": "sudo dnf install wireshark-cli",
    "rhel": "sudo dnf install wireshark-cli",
    "arch": "sudo pacman -S wireshark-cli",
    "suse": "sudo zypper install wireshark",
    "alpine": "sudo apk add tshark",
    "darwin": "brew install wireshark, or https://www.wireshark.org/download.html",
    "freebsd": "sudo pkg install tshark",
}
ELSEWHERE = "https://www.wireshark.org/download.html"

_GROUP = "`sudo usermod -aG wireshark $USER`, then log in again"
RIGHT = {
    "debian": f"`sudo dpkg-reconfigure wireshark-common` (answer Yes), {_GROUP}",
    "fedora": _GROUP,
    "rhel": _GROUP,
    "arch": _GROUP,
    "suse": _GROUP,
    "alpine": _GROUP,
    "darwin": "install ChmodBPF, which is in Wireshark's disk image",
    "win32": "install Npcap (https://npcap.com) with its loopback adapter, not restricted to administrators",
}
OTHERWISE = "`sudo setcap cap_net_raw,cap_net_admin=eip $(command -v dumpcap)`"
IN_A_CONTAINER = "start this container with --cap-add=NET_RAW"


class Tool(NamedTuple):
    """A program that captures."""

    name: str
    path: str

    def command(self, interface: str, filter: str) -> list[str]:
        """How to have it stream what it captures to its standard output."""
        return [self.path, *STREAMING[self.name], "-i", interface, *self._filter(filter)]

    def _filter(self, filter: str) -> list[str]:
        return [filter] if self.name == "tcpdump" else ["-f", filter]


def find(name: str) -> str | None:
    """The path of a program; whether this user may run it is not asked: to try says more."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *PLACES])
    return shutil.which(name, os.F_OK, path)


def that_capture() -> list[Tool]:
    """The tools that are here, best first."""
    return [Tool(name, path) for name in STREAMING if (path := find(name))]


def how_to_install() -> str:
    """How Wireshark's programs are installed on this system."""
    return next((INSTALL[name] for name in _system() if name in INSTALL), ELSEWHERE)


def how_to_get_the_right() -> str:
    """How a user gets the right to capture on this system."""
    if sys.platform == "linux":
        if os.geteuid() == 0:  # root, and yet without: it has been taken away
            return IN_A_CONTAINER
        if find("dumpcap") is None:  # the group and the question come with its package
            return f"`{how_to_install()}`, {_how()}"
    return _how()


def _how() -> str:
    return next((RIGHT[name] for name in _system() if name in RIGHT), OTHERWISE)


def _system() -> list[str]:
    """The names of this system, the most exact first: with a Linux, what it descends from."""
    if sys.platform != "linux":
        return [sys.platform.rstrip("0123456789") if sys.platform != "win32" else "win32"]
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return []
    return [release["ID"], *release.get("ID_LIKE", "").split()]
