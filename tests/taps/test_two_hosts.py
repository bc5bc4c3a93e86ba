"""netlab-udp on two hosts: echo loops that a forged datagram starts, and IPv6 link-local addresses."""

from __future__ import annotations

import re
import sys
import time
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.hosts import CABLES, Host, add_link_local, play
from tests.support import Program, runner, script, until

PORT, OTHER_PORT = 5005, 5006

ECHOES, ROUNDS = 10, 16_000
"""Where loops end: between servers with the same port, and with different ones. The numbers are written out,
so that these tests notice when the server's own change.
"""

WATCHED = 3.0
"""Seconds from the forged datagrams to the count of messages."""

FEW = 5
"""Messages beyond the expected ones: the echoes of some seconds, or repeated requests of a client."""

REACTORS = ("", "corked", "epoll", "poll", "select", "selectors", "asyncio")
"""All that Linux has; the empty name leaves --reactor out."""

Seen = dict[str, Any]


def forge_to_same_port(left: Host, right: Host, count: int) -> Seen:
    """Start echo loops between two servers with the same port."""
    with (
        left.serve(*runner(), "netlab-udp", "--echo", "--port", str(PORT)) as first,
        right.serve(*runner(), "netlab-udp", "--echo", "--port", str(PORT)) as second,
    ):
        before = ask_both(left, right, PORT, b"before")
        for number in range(count):
            right.forge_ipv4(PORT, (left.ipv4, PORT), b"forged %d" % number)
        time.sleep(WATCHED)
        return {
            "before": before,
            "messages": [len(each.matches("-> forged")) for each in (first, second)],
            "unanswered": find_unanswered(first) + find_unanswered(second),
            "after": ask_both(left, right, PORT, b"after"),
        }


def forge_to_other_port(left: Host, right: Host) -> Seen:
    """Start an echo loop between two servers with different ports."""
    counting = ("netlab-udp", "--echo", "--quiet", "--stats", "0.2")
    with (
        left.serve(*runner(), *counting, "--port", str(PORT)) as first,
        right.serve(*runner(), *counting, "--port", str(OTHER_PORT)) as second,
    ):
        both = first, second
        before = ask_both(left, right, OTHER_PORT, b"before")
        right.forge_ipv4(OTHER_PORT, (left.ipv4, PORT), b"forged")
        until(lambda: any(map(find_unanswered, both)), "an echo that is not sent")
        messages = [read_count(each) for each in both]
        time.sleep(1)
        return {
            "before": before,
            "messages": messages,
            "later": [read_count(each) for each in both],
            "unanswered": find_unanswered(first) + find_unanswered(second),
            "after": ask_both(left, right, OTHER_PORT, b"after"),
        }


def forge_own_address(left: Host, right: Host) -> Seen:
    """Send a server two datagrams with its own link-local address and port as their sender: one from its own
    host, one from the other.
    """
    add_link_local(left, right)
    cable = CABLES[1]
    here = (left.link_local, PORT)
    with left.serve(*runner(), "netlab-udp", "--echo", "--interface", "::", "--port", str(PORT)) as server:
        left.forge_ipv6(here, here, b"forged here", cable)
        server.wait_for("-> forged here")
        right.forge_ipv6(here, here, b"forged there", cable)
        server.wait_for("-> forged there")
        time.sleep(1)
        return {
            "messages": len(server.matches("-> forged")),
            "unanswered": find_unanswered(server),
            "after": right.get_echo((left.link_local, PORT, 0, right.find_scope(cable)), b"after"),
        }


def ask_each_reactor(left: Host, right: Host) -> Seen:
    """Ask a server on each reactor, from sockets that are bound to a link-local address and an interface."""
    add_link_local(left, right)
    seen: Seen = {}
    for reactor in REACTORS:
        chosen = [f"--reactor={reactor}"] if reactor else []
        twistd = (script("twistd"), "--nodaemon", "--pidfile=", *chosen)
        with left.serve(*twistd, "netlab-udp", "--echo", "-i", "::", "--port", str(PORT)) as server:
            echoes = {}
            for cable in CABLES:
                scope = right.find_scope(cable)
                data = f"over {cable}".encode()
                source, target = (right.link_local, 0, 0, scope), (left.link_local, PORT, 0, scope)
                echoes[cable] = right.get_echo(target, data, source)
                server.wait_for(f"-> over {cable}$")
            seen[reactor] = {
                "echoes": echoes,
                "logged": [each[0] for each in server.matches(r"(?<=Message from )\S+ -> over \S+$")],
            }
    return seen


def run_client(left: Host, right: Host, variant: str, *options: str) -> Seen:
    """Run `netlab client` against a server at a link-local address, over each cable."""
    add_link_local(left, right)
    seen: Seen = {}
    server_options = (f"netlab-{variant}", *options, "-i", "::", "--port", str(PORT))
    with left.serve(*runner(), *server_options) as server:
        for cable in CABLES:
            target = f"[{left.link_local}%{cable}]:{PORT}"
            command = ("client", variant, target, "--echo", "-m", f"over {cable}")
            with right.start(script("netlab"), *command) as client:
                seen[cable] = {"status": client.ended(), "said": client.output}
            if seen[cable]["status"] == 0:
                server.wait_for(f"over {cable}$")
        seen["logged"] = [each[0] for each in server.matches(r"\[\S+ \[fe80\S+ .*over lab\d$")]
    return seen


def ask_both(left: Host, right: Host, right_port: int, data: bytes) -> list[bool]:
    """Return whether each server echoes to a client on the other host; the left one listens on PORT."""
    return [right.get_echo((left.ipv4, PORT), data), left.get_echo((right.ipv4, right_port), data)]


def find_unanswered(server: Program) -> list[str]:
    """Return a server's log lines about echoes that were not sent."""
    return [each[0] for each in server.matches("No echo to .*")]


def read_count(server: Program) -> int:
    """Wait for a new line of counts; return the number of messages in it."""
    line = r"Stats: .* messages ([\d,]+)"
    found = server.wait_for(line, len(server.matches(line)) + 1)
    return int(found[-1][1].replace(",", ""))


class TwoHosts(SynchronousTestCase):
    """Echo loops between two hosts, and link-local addresses."""

    if sys.platform != "linux":
        skip = "network namespaces are Linux's"

    def check_same_port(self, count: int) -> Seen:
        """Check that the loops of so many forged datagrams end, and that clients are served afterwards."""
        seen: Seen = play(forge_to_same_port, count)
        self.assertEqual((seen["before"], seen["after"]), ([True, True], [True, True]), seen)
        first, second = seen["messages"]
        self.assertTrue(count < first <= ECHOES + count + FEW, seen)
        self.assertTrue(0 < second <= ECHOES + FEW, seen)
        self.assertEqual(len(set(seen["unanswered"])), len(seen["unanswered"]), seen)
        for line in seen["unanswered"]:
            self.assertRegex(line, rf"No echo to 10\.0\.0\.[12]:{PORT}: its port has this server's number")
        return seen

    def test_same_port(self) -> None:
        seen = self.check_same_port(1)
        self.assertEqual(len(seen["unanswered"]), 1, seen)

    def test_same_port_several_datagrams(self) -> None:
        seen = self.check_same_port(5)
        self.assertIn(len(seen["unanswered"]), (1, 2), seen)

    def test_different_ports(self) -> None:
        seen: Seen = play(forge_to_other_port)
        self.assertEqual((seen["before"], seen["after"]), ([True, True], [True, True]), seen)
        self.assertEqual(seen["messages"], seen["later"], seen)
        self.assertTrue(all(ROUNDS / 2 < each <= ROUNDS + FEW for each in seen["messages"]), seen)
        (line,) = seen["unanswered"]
        again = "it sends the same bytes again and again"
        self.assertRegex(line, rf"No echo to 10\.0\.0\.(2:{OTHER_PORT}|1:{PORT}): {again}")

    def test_own_link_local_address(self) -> None:
        seen: Seen = play(forge_own_address)
        self.assertEqual(seen["messages"], 2, seen)
        (line,) = seen["unanswered"]
        sender = re.escape(f"[fe80::1%{CABLES[1]}]:{PORT}")
        self.assertRegex(line, f"No echo to {sender}: it came from this server's own address and port")
        self.assertTrue(seen["after"], seen)

    def test_link_local_echo_on_each_reactor(self) -> None:
        seen: dict[str, Seen] = play(ask_each_reactor)
        self.assertEqual(set(seen), set(REACTORS))
        for reactor, each in seen.items():
            which = f"on the reactor {reactor or 'that the server chooses'}: {each}"
            self.assertEqual(each["echoes"], dict.fromkeys(CABLES, True), which)
            self.assertEqual(len(each["logged"]), len(CABLES), which)
            for cable, line in zip(CABLES, each["logged"], strict=True):
                self.assertRegex(line, rf"^\[fe80::2%{cable}\]:\d+ -> over {cable}$", which)

    def check_client(self, variant: str, *options: str) -> None:
        """Check that `netlab client` gets its echo over each cable, whose interface the server logs."""
        seen: Seen = play(run_client, variant, *options)
        for cable in CABLES:
            self.assertEqual(seen[cable]["status"], 0, seen)
        for cable, line in zip(CABLES, seen["logged"], strict=True):
            self.assertRegex(line, rf"^\[{variant} \[fe80::2%{cable}\]:\d+ .* over {cable}$", seen)

    def test_client_udp(self) -> None:
        self.check_client("udp", "--echo")

    def test_client_tcp(self) -> None:
        self.check_client("tcp")
