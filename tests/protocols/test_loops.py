"""Echo loops: which echoes are left out, and which never."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.testing import FakeDatagramTransport
from twisted.trial.unittest import SynchronousTestCase

from netlab.events import Observers, Unanswered
from netlab.protocols.loops import BURST, LOOK_EVERY, LOOKS, MAX_ADDRESSES, RATE, LoopGuard
from netlab.protocols.udp import UDPServer

ELSEWHERE = "192.0.2.7"
"""An address that no machine has (TEST-NET-1)."""

OWN_PORT = 5005


class Port(FakeDatagramTransport):
    """A port that notes what it sends."""

    def getHost(self) -> IPv4Address:
        return IPv4Address("UDP", "0.0.0.0", OWN_PORT)

    def fileno(self) -> int:
        return -1


class Guard(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = 1_000.0
        self.guard = LoopGuard(lambda: self.now)

    def take_all(self) -> int:
        """Take tokens until there are none; return how many there were."""
        count = 0
        while self.guard.take_token():
            count += 1
        return count

    def test_a_burst_and_then_a_rate(self) -> None:
        self.assertEqual(self.take_all(), BURST)
        self.now += 3 / RATE
        self.assertEqual(self.take_all(), 3)
        self.now += 1_000_000
        self.assertEqual(self.take_all(), BURST)

    def looks(self, *seen: tuple[bytes, object]) -> list[bool]:
        return [self.guard.comes_back(datagram, sender) for datagram, sender in seen]

    def test_the_same_bytes_again_and_again(self) -> None:
        found = self.looks(*[(b"same", "a")] * (2 * LOOKS))
        self.assertEqual([at for at, each in enumerate(found, 1) if each], [LOOKS, 2 * LOOKS])

    def test_beside_others(self) -> None:
        found = self.looks(*[(b"same", "a"), (b"same", "b")] * LOOKS)
        self.assertEqual(found, [False] * (2 * LOOKS - 2) + [True, True])

    def test_other_bytes_in_between(self) -> None:
        seen = [(b"same", "a")] * (LOOKS - 1) + [(b"other", "a")] + [(b"same", "a")] * (LOOKS - 1)
        self.assertNotIn(True, self.looks(*seen))

    def test_addresses_are_bounded(self) -> None:
        self.looks(*[(b"x", number) for number in range(10 * MAX_ADDRESSES)])
        self.assertLessEqual(len(self.guard._looks), MAX_ADDRESSES)


class Servers(SynchronousTestCase):
    """A server in whose place no network is."""

    def setUp(self) -> None:
        self.unanswered: list[Any] = []
        observer: Any = self
        self.server = UDPServer(echo=True, observers=Observers([observer]))
        self.port = Port()
        self.server.makeConnection(self.port)

    def listens(self) -> dict[type, Any]:
        return {Unanswered: self.unanswered.append}

    def sends(self, data: bytes, host: str, port: int) -> bool:
        """Return whether the server has echoed this datagram."""
        before = len(self.port.written)
        self.server.datagramReceived(data, (host, port))
        return len(self.port.written) > before

    def test_senders_with_the_own_port_number_share_a_budget(self) -> None:
        answered = [self.sends(b"%d" % number, f"192.0.2.{100 + number}", OWN_PORT) for number in range(20)]
        self.assertEqual(answered, [True] * BURST + [False] * BURST)
        self.assertIn("its port has this server's number", self.unanswered[0].why)

    def test_other_senders_have_none(self) -> None:
        self.assertTrue(all(self.sends(b"%d" % number, ELSEWHERE, 50_001) for number in range(10_000)))

    def test_the_same_bytes_lose_one_echo_of_many(self) -> None:
        rounds = LOOKS * LOOK_EVERY
        answered = [self.sends(b"same", ELSEWHERE, 50_001) for _ in range(rounds + 10)]
        self.assertEqual([at for at, each in enumerate(answered, 1) if not each], [rounds])
        self.assertIn("the same bytes again and again", self.unanswered[0].why)

    def test_privileged_ports_get_none(self) -> None:
        self.assertFalse(self.sends(b"x", ELSEWHERE, 1023))
        self.assertTrue(self.sends(b"x", ELSEWHERE, 1024))
