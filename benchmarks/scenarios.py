"""What is asked of the servers: one table of scenarios, each with the servers that it is asked of."""

from __future__ import annotations

from dataclasses import dataclass

NETLAB = ("netlab", "netlab-threads", "netlab-epoll")
PLAIN = ("plain-selector", "plain-threads")
ASYNC = ("uvloop", "asyncio", "streams")
COMPILED = ("go", "c")

FRAMES = (*NETLAB, "receivers", "twisted", *PLAIN, *ASYNC, *COMPILED)
"""Whoever speaks tcpv2 and tcpv3."""
TEXT = (*NETLAB, "twisted", *PLAIN, *ASYNC, *COMPILED)
DATAGRAMS = ("netlab", "netlab-epoll", "twisted", "plain-threads", "uvloop", "asyncio", *COMPILED)
PRINTING = ("netlab", "netlab-threads", "plain-printing")

BULK = "65536"
"""Bytes of a payload of bulk: what one recv() of Twisted brings at most."""


@dataclass(frozen=True)
class Scenario:
    """One kind of load. kind says how it is measured: `measure` has a function for each."""

    name: str
    kind: str
    """echo, connects, idle, fairness, printing or start-up."""
    format: str
    """udp, text, tcpv2 or tcpv3."""
    servers: tuple[str, ...]
    title: str
    connections: int = 64
    pipeline: int = 1
    """Messages outstanding on each connection."""
    size: str = "32"
    """Bytes of a payload, or A-B for evenly from A to B. The text of tcpv2 has 20."""
    output: str = "file"
    """Where the server's output goes: a file, or a pipe that is read."""
    times: int = 1
    """How often it is measured in a round."""


SCENARIOS = (
    Scenario("v2-64x1", "echo", "tcpv2", FRAMES, "tcpv2, 64 x 1", size="20"),
    Scenario("v3-64x1", "echo", "tcpv3", FRAMES, "tcpv3, 64 x 1"),
    Scenario("text-64x1", "echo", "text", TEXT, "text, 64 x 1"),
    Scenario("v2-64x64", "echo", "tcpv2", FRAMES, "tcpv2, 64 x 64", pipeline=64, size="20"),
    Scenario("v3-64x64", "echo", "tcpv3", FRAMES, "tcpv3, 64 x 64, 32 bytes each", pipeline=64),
    Scenario("v3-mixed", "echo", "tcpv3", FRAMES, "tcpv3, 64 x 64, 1 to 64 bytes", pipeline=64, size="1-64"),
    Scenario("v2-1x256", "echo", "tcpv2", FRAMES, "tcpv2, 1 x 256", connections=1, pipeline=256, size="20"),
    Scenario("v3-1x256", "echo", "tcpv3", FRAMES, "tcpv3, 1 x 256", connections=1, pipeline=256),
    Scenario("bulk", "echo", "tcpv3", FRAMES, "tcpv3, 64 KiB, 4 x 4", connections=4, pipeline=4, size=BULK),
    Scenario("udp", "echo", "udp", DATAGRAMS, "UDP, 64 x 1"),
    Scenario("connects", "connects", "tcpv2", FRAMES, "connects", connections=16, size="20"),
    Scenario("idle", "idle", "tcpv2", FRAMES, "idle connections", connections=5000, size="20"),
    Scenario(
        "fairness",
        "fairness",
        "tcpv3",
        FRAMES,
        "a ping-pong beside four streams",
        connections=4,
        pipeline=16,
        size=BULK,
    ),
    Scenario(
        "printing-file",
        "printing",
        "tcpv2",
        PRINTING,
        "printing to a file",
        pipeline=64,
        size="20",
        output="file",
    ),
    Scenario(
        "printing-pipe",
        "printing",
        "tcpv2",
        PRINTING,
        "printing to a pipe",
        pipeline=64,
        size="20",
        output="pipe",
    ),
    Scenario("start-up", "start-up", "tcpv3", ("netlab-command", "empty-command"), "start-up", times=5),
)

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
