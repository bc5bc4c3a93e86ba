"""CorkedReactor's UDP ports do what Twisted's do; they only look less at where a datagram came from."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.error import InvalidAddressError, MessageLengthError
from twisted.internet.protocol import DatagramProtocol
from twisted.python import log

from tests.reactors.byhand import HAS_EPOLL, NO_EPOLL, SMALL_TURN, Corked

if not HAS_EPOLL:
    skip = NO_EPOLL

HERE = "127.0.0.1"


class Receiver(DatagramProtocol):
    """Does what it is told with each datagram, and remembers what happens to it."""

    transport: Any

    def __init__(self, doing: Callable[[Any, bytes, Any], Any] = lambda protocol, data, sender: None) -> None:
        self.doing = doing
        self.received: list[tuple[bytes, Any]] = []
        self.told: list[str] = []

    def datagramReceived(self, data: bytes, sender: Any) -> None:
        """A datagram."""
        self.received.append((data, sender))
        self.doing(self, data, sender)

    def connectionRefused(self) -> None:
        """Nobody is where a connected port sends to."""
        self.told.append("refused")

    def stopProtocol(self) -> None:
        """The end."""
        self.told.append("stopped")


def echo(protocol: Any, data: bytes, sender: Any) -> None:
    """Answer with the same."""
    protocol.transport.write(data, sender)


class Datagrams(Corked):
    def listen(self, protocol: Receiver, interface: str = HERE, length: int = 8192) -> Any:
        """Have a protocol listen."""
        return self.reactor.listenUDP(0, protocol, interface=interface, maxPacketSize=length)

    def peer(self, interface: str = HERE) -> socket.socket:
        """A socket on the other side."""
        peer = socket.socket(socket.AF_INET6 if ":" in interface else socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(peer.close)
        peer.bind((interface, 0))
        peer.setblocking(False)
        return peer

    def address(self, port: Any) -> tuple[str, int]:
        """Where a port listens."""
        host = port.getHost()
        return host.host, host.port

    def answer(self, peer: socket.socket) -> bytes:
        """What comes back."""
        got: list[bytes] = []

        def come() -> bool:
            try:
                got.append(peer.recv(65_536))
            except BlockingIOError:
                return False
            return True

        self.until(come, "an answer comes")
        return got[0]

    def test_echo(self) -> None:
        protocol = Receiver(echo)
        port = self.listen(protocol)
        peers = [self.peer() for _ in range(3)]
        for number in range(3):
            for peer in peers:
                peer.sendto(b"%d from %d" % (number, peer.getsockname()[1]), self.address(port))
            self.turn()
            for peer in peers:
                self.assertEqual(peer.recv(100), b"%d from %d" % (number, peer.getsockname()[1]))
        self.assertEqual(
            protocol.received[:3],
            [(b"0 from %d" % peer.getsockname()[1], peer.getsockname()) for peer in peers],
        )
        self.assertEqual(len(protocol.received), 9)

    def test_echo_of_nothing(self) -> None:
        port = self.listen(Receiver(echo))
        peer = self.peer()
        peer.sendto(b"", self.address(port))
        self.assertEqual(self.answer(peer), b"")

    def test_IPv6(self) -> None:
        try:
            peer = self.peer("::1")
        except OSError as error:
            self.skipTest(f"no IPv6: {error}")
        protocol = Receiver(echo)
        port = self.listen(protocol, "::1")
        peer.sendto(b"x", self.address(port))
        self.assertEqual(self.answer(peer), b"x")
        self.assertEqual(protocol.received, [(b"x", peer.getsockname()[:2])])
        self.assertRaises(InvalidAddressError, port.write, b"x", (HERE, 9))
        self.assertRaises(InvalidAddressError, port.write, b"x", ("<broadcast>", 9))

    def test_an_answer_may_come_later_and_go_to_somebody_else(self) -> None:
        protocol = Receiver()
        port = self.listen(protocol)
        first, second = self.peer(), self.peer()
        for peer in first, second:
            peer.sendto(b"?", self.address(port))
        self.turn()
        (_, to_first), (_, to_second) = protocol.received
        self.soon(port.write, b"1", to_first)
        self.soon(port.write, b"2", to_second)
        self.soon(port.write, b"3", second.getsockname())
        self.turn()
        self.assertEqual((first.recv(9), second.recv(9), second.recv(9)), (b"1", b"2", b"3"))
        protocol.doing = lambda protocol, data, sender: port.writeSequence([data, b"!"], to_second)
        first.sendto(b"x", self.address(port))
        self.assertEqual(self.answer(second), b"x!")

    def test_a_name_is_no_address(self) -> None:
        protocol = Receiver(lambda protocol, data, sender: port.write(data, ("localhost", sender[1])))
        port = self.listen(protocol)
        self.assertRaises(InvalidAddressError, port.write, b"x", ("localhost", 9))
        self.assertRaises(InvalidAddressError, port.write, b"x", ("::1", 9))
        self.peer().sendto(b"x", self.address(port))
        self.turn()
        self.assertEqual(len(self.flushLoggedErrors(InvalidAddressError)), 1)

    def test_one_who_is_named_has_no_wrong_address(self) -> None:
        """No address that the socket did not give is taken for one, before a datagram has come and after."""
        port = self.listen(Receiver())
        self.assertRaises(AssertionError, port.write, b"x", None)
        self.assertRaises(AssertionError, port.write, b"x")

    def test_a_datagram_that_is_too_long_is_told(self) -> None:
        errors: list[type] = []

        def answer(protocol: Any, data: bytes, sender: Any) -> None:
            for address in sender, (sender[0], sender[1]):
                try:
                    protocol.transport.write(bytes(70_000), address)
                except MessageLengthError:
                    errors.append(MessageLengthError)
            protocol.transport.write(b"short", sender)

        port = self.listen(Receiver(answer))
        peer = self.peer()
        peer.sendto(b"?", self.address(port))
        self.assertEqual(self.answer(peer), b"short")
        self.assertEqual(errors, [MessageLengthError] * 2)

    def test_no_more_is_read_of_a_datagram_than_was_asked_for(self) -> None:
        protocol = Receiver()
        port = self.listen(protocol, length=5)
        self.peer().sendto(b"too long", self.address(port))
        self.until(lambda: protocol.received, "it comes")
        self.assertEqual(protocol.received[0][0], b"too l")

    def test_an_error_is_logged_and_the_next_is_served(self) -> None:
        systems: list[str] = []

        def hear(event: dict[str, Any]) -> None:
            systems.append(event["system"])

        def answer(protocol: Any, data: bytes, sender: Any) -> None:
            protocol.transport.write(b"%d" % (6 // int(data)), sender)

        port = self.listen(Receiver(answer))
        peer = self.peer()
        for data in b"0", b"1", b"0", b"2":
            peer.sendto(data, self.address(port))
        log.addObserver(hear)
        self.addCleanup(log.removeObserver, hear)
        self.turn()
        self.assertEqual((peer.recv(9), peer.recv(9)), (b"6", b"3"))
        self.assertEqual(systems, ["Receiver (UDP)"] * 2)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_a_port_that_ends_within(self) -> None:
        """What has come already may be told; nothing after the end, and the end once."""

        def stop_once(protocol: Receiver, data: bytes, sender: Any) -> None:
            if len(protocol.received) == 1:
                protocol.transport.stopListening()

        protocol = Receiver(stop_once)
        port = self.listen(protocol)
        peer = self.peer()
        for _ in range(3):
            peer.sendto(b"x", self.address(port))
        self.until(lambda: protocol.told, "it ends")
        count = len(protocol.received)
        self.turn(3)
        self.assertEqual((protocol.told, len(protocol.received)), (["stopped"], count))

    def test_many_at_once_leave_time_for_others(self) -> None:
        """No more are read in a turn than Twisted reads: 256 KiB."""
        protocol = Receiver()
        port = self.listen(protocol)
        port.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        peer = self.peer()
        for _ in range(60):  # should the system drop some, more than enough are left
            peer.sendto(bytes(8000), self.address(port))
        self.turn()
        read = sum(len(data) for data, _ in protocol.received)
        self.assertLessEqual(read, port.maxThroughput + 8000)

    def connected(self, protocol: Receiver) -> tuple[Any, socket.socket]:
        """A port that talks to one peer."""
        peer = self.peer()
        port = self.listen(protocol)
        port.connect(*peer.getsockname())
        return port, peer

    def test_a_connected_one(self) -> None:
        protocol = Receiver(lambda protocol, data, sender: protocol.transport.write(data))
        port, peer = self.connected(protocol)
        for _ in range(2):
            peer.sendto(b"x", self.address(port))
            self.assertEqual(self.answer(peer), b"x")
        protocol.doing = echo
        peer.sendto(b"y", self.address(port))
        self.assertEqual(self.answer(peer), b"y")
        self.assertRaises(AssertionError, port.write, b"x", (HERE, 9))

    def test_a_connected_one_is_told_that_nobody_is_there(self) -> None:
        """In the turn in which datagrams have come, too."""
        protocol = Receiver()
        port, peer = self.connected(protocol)
        peer.sendto(b"last words", self.address(port))
        peer.close()
        port.write(b"is anybody there?")
        self.until(lambda: protocol.received, "it is told")
        self.reactor.iterate(SMALL_TURN)
        self.assertEqual([data for data, _ in protocol.received], [b"last words"])
        self.assertEqual(protocol.told, ["refused"])

    def test_that_nobody_is_there_is_no_matter_where_it_is_not_connected(self) -> None:
        port = self.listen(Receiver(echo))
        gone, peer = self.peer(), self.peer()
        address = gone.getsockname()
        gone.close()
        port.write(b"is anybody there?", address)
        self.turn(2)
        peer.sendto(b"x", self.address(port))
        self.assertEqual(self.answer(peer), b"x")

    def test_one_that_was_opened_by_somebody_else(self) -> None:
        with self.peer() as theirs:
            port = self.reactor.adoptDatagramPort(theirs.fileno(), socket.AF_INET, Receiver(echo))
        peer = self.peer()
        peer.sendto(b"x", self.address(port))
        self.assertEqual(self.answer(peer), b"x")
