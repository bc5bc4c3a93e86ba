"""What a capture holds, as tshark reads it with netlab.lua: conversations, and the laboratory's messages."""

from __future__ import annotations

import subprocess
from collections import Counter
from importlib import resources

from netlab.wireshark import tools

PATIENCE = 10.0
"""Seconds that tshark gets. It reads some 10,000 packets in one."""

MAX_PACKETS = 200_000
"""Of more packets only the count is told: to read them would take longer than people wait for a summary."""

FIELDS = ("tcp.stream", "udp.stream", "netlab.v2.order", "netlab.v3.order", "netlab.variant", "netlab.text")
"""What is asked of each packet. A frame has one order, a packet with a message of text one netlab.text."""

NAMES = {
    "v2": ("frame of v2", "frames of v2"),
    "v3": ("frame of v3", "frames of v3"),
    "tcp": ("text over TCP", "texts over TCP"),
    "udp": ("datagram", "datagrams"),
}


def summary(file: str, ports: list[int], packets: int) -> str:
    """What is in a file, to be put behind its name; nothing where no tshark can tell."""
    tshark = tools.find("tshark")
    if tshark is None or not 0 < packets <= MAX_PACKETS:
        return ""
    with resources.as_file(resources.files("netlab.wireshark") / "netlab.lua") as script:
        command = [tshark, "-X", f"lua_script:{script}", "-r", file, "-n", "-T", "fields"]
        for port in ports:
            command += ["-d", f"tcp.port=={port},netlab", "-d", f"udp.port=={port},netlab"]
        for field in FIELDS:
            command += ["-e", field]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
    lines = done.stdout.decode("utf-8", "replace").split("\n")
    return f": {told}" if done.returncode == 0 and (told := _told(lines)) else ""


def _told(lines: list[str]) -> str:
    tcp: set[str] = set()
    udp: set[str] = set()
    messages = Counter[str]()
    for line in lines:
        stream, conversation, v2, v3, variants, text = line.split("\t") if line else [""] * 6
        tcp.update(filter(None, (stream,)))
        udp.update(filter(None, (conversation,)))
        messages["v2"] += _values(v2)
        messages["v3"] += _values(v3)
        if text:
            messages[variants.partition(",")[0]] += 1
    conversations = [
        _count(len(tcp), "TCP connection", "TCP connections"),
        _count(len(udp), "UDP conversation", "UDP conversations"),
    ]
    ours = [_count(messages[variant], *names) for variant, names in NAMES.items()]
    return "; ".join(", ".join(filter(None, part)) for part in (conversations, ours) if any(part))


def _values(written: str) -> int:
    return len(written.split(",")) if written else 0


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}" if number else ""
