"""What a program saw at its sockets becomes packets, each with a comment."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netlab.events import (
    ChunkReceived,
    ChunkSent,
    Closed,
    Discarding,
    Expired,
    HalfClosed,
    Opened,
    Outcome,
    Peer,
    PeerHalfClosed,
    TurnedAway,
)
from netlab.observers import pcapng
from netlab.observers.dialects import DATAGRAM, TEXT, Dialect, variable_size
from netlab.observers.rebuild import MADE_UP, MAX_LINE, MAX_MESSAGES, Rebuild
from netlab.wire.variable import frame
from tests.observers.recordings import Packet, dissect

CLIENT, SERVER = ("192.0.2.7", 50_001), ("192.0.2.1", 5005)

AT_SERVER = Peer("tcp", "192.0.2.7:50001", "client-3", CLIENT, SERVER, 9)
AT_CLIENT = Peer("tcp", "192.0.2.1:5005", "MainThread", SERVER, CLIENT, 4)
BY_KEY = Peer("tcp", "192.0.2.7:50001", "MainThread", CLIENT, SERVER, 9)

KERNELS = "made up: what the kernels do by themselves, no program sees"


class RebuildTestCase(SynchronousTestCase):
    def rebuild(self, *events: Any, dialect: Dialect = TEXT, is_server: bool = True) -> list[Packet]:
        """The packets of these events."""
        rebuild = Rebuild(dialect, is_server)
        packets = [each for event in events for each in rebuild.packets(event)]
        self.connections = rebuild._connections
        return [dissect(packet, 0, comment) for packet, comment in packets]

    def comments(self, *events: Any, dialect: Dialect = TEXT, is_server: bool = True) -> list[str]:
        """Their comments; of what the kernels do, none."""
        packets = self.rebuild(*events, dialect=dialect, is_server=is_server)
        return [packet.comment for packet in packets if packet.comment != KERNELS]


class Connections(RebuildTestCase):
    def test_one_whose_frame_was_not_ended_in_time(self) -> None:
        comments = self.comments(
            Opened(AT_SERVER),
            ChunkReceived(AT_SERVER, frame(1, "hello").pack()[:11]),
            Expired(AT_SERVER),
            Discarding(AT_SERVER),
            HalfClosed(AT_SERVER),
            ChunkReceived(AT_SERVER, b"llo"),
            dialect=variable_size(),
        )
        self.assertEqual(
            comments[2:],
            [
                "this side sends no more; deadline: its time was up after 11 bytes of a frame that needs 14",
                "recv() 2: 3 bytes; handled by client-3; discarded",
            ],
        )

    def test_a_whole_one_at_the_server(self) -> None:
        packets = self.rebuild(
            Opened(AT_SERVER),
            ChunkReceived(AT_SERVER, b"hello"),
            ChunkSent(AT_SERVER, b"ECHO: hello"),
            PeerHalfClosed(AT_SERVER),
            HalfClosed(AT_SERVER),
            Closed(AT_SERVER, Outcome.FINISHED),
        )
        self.assertEqual(
            [(each.source == CLIENT, each.flags, each.data, each.comment) for each in packets],
            [
                (
                    True,
                    "S",
                    b"",
                    "rebuilt by netlab, not captured: accept() of connection 1; handled by client-3",
                ),
                (False, "SA", b"", KERNELS),
                (True, "A", b"", KERNELS),
                (True, "PA", b"hello", "recv() 1: 5 bytes; handled by client-3; hello"),
                (False, "A", b"", KERNELS),
                (False, "PA", b"ECHO: hello", "send() 1: 11 bytes; handled by client-3; ECHO: hello"),
                (True, "A", b"", KERNELS),
                (True, "FA", b"", "recv() returned 0 bytes: the end of the stream"),
                (False, "A", b"", KERNELS),
                (False, "FA", b"", "this side sends no more"),
                (True, "A", b"", KERNELS),
            ],
        )
        self.assertEqual({each.source for each in packets}, {CLIENT, SERVER})
        self.assertEqual(self.connections, {})

    def test_the_same_one_at_the_client(self) -> None:
        packets = self.rebuild(
            Opened(AT_CLIENT),
            ChunkSent(AT_CLIENT, b"hello"),
            ChunkReceived(AT_CLIENT, b"ECHO: hello"),
            HalfClosed(AT_CLIENT),
            PeerHalfClosed(AT_CLIENT),
            Closed(AT_CLIENT, Outcome.FINISHED),
            is_server=False,
        )
        told = [each for each in packets if each.comment != KERNELS]
        self.assertEqual(
            [(each.source == CLIENT, each.flags, each.comment) for each in told],
            [
                (True, "S", "rebuilt by netlab, not captured: connect() of connection 1"),
                (True, "PA", "send() 1: 5 bytes; hello"),
                (False, "PA", "recv() 1: 11 bytes; ECHO: hello"),
                (True, "FA", "this side sends no more"),
                (False, "FA", "recv() returned 0 bytes: the end of the stream"),
            ],
        )

    def test_two_at_once_are_kept_apart(self) -> None:
        other = Peer("tcp", "192.0.2.8:50001", "client-4", ("192.0.2.8", 50_001), SERVER, 10)
        packets = self.rebuild(
            Opened(AT_SERVER),
            Opened(other),
            ChunkReceived(AT_SERVER, b"x\xe2"),
            ChunkReceived(other, b"\x82"),
            ChunkReceived(AT_SERVER, b"\x82\xac"),
            Closed(other, Outcome.RESET),
        )
        carrying = [(each.source[0], each.comment.split("; ", 1)) for each in packets if each.data]
        self.assertEqual(
            carrying,
            [
                ("192.0.2.7", ["recv() 1: 2 bytes", "handled by client-3; x"]),
                ("192.0.2.8", ["recv() 1: 1 byte", "handled by client-4; \\x82"]),
                ("192.0.2.7", ["recv() 2: 2 bytes", "handled by client-3; €"]),
            ],
        )
        self.assertEqual(list(self.connections), [AT_SERVER])

    def test_one_thread_for_all_names_the_key(self) -> None:
        said = self.comments(Opened(BY_KEY), ChunkReceived(BY_KEY, b"hello"))
        self.assertIn("; handled by MainThread, key fd=9", said[0])
        self.assertEqual(said[1], "recv() 1: 5 bytes; handled by MainThread, key fd=9; hello")

    def test_one_that_was_turned_away(self) -> None:
        packets = self.rebuild(TurnedAway(AT_SERVER, "too many"))
        self.assertEqual([each.flags for each in packets], ["S", "SA", "A", "FA", "A"])
        self.assertEqual((packets[3].source, packets[3].comment), (SERVER, "refused: too many"))
        self.assertEqual(self.connections, {})

    def test_one_that_was_lost_ends_with_a_reset_from_who_sent_it(self) -> None:
        for outcome, aborted, source, said in (
            (Outcome.RESET, False, CLIENT, "the peer, or the network, has reset the connection"),
            (Outcome.STALLED, True, SERVER, "this side drops the connection: stalled"),
            (Outcome.STOPPED, True, SERVER, "this side drops the connection: stopped"),
        ):
            last = self.rebuild(Opened(AT_SERVER), Closed(AT_SERVER, outcome, aborted))[-1]
            self.assertEqual((last.flags, last.source, last.comment), ("RA", source, said))

    def test_one_that_ended_well_does_not(self) -> None:
        for outcome in Outcome:
            if outcome is not Outcome.RESET:
                self.assertEqual(len(self.rebuild(Opened(AT_SERVER), Closed(AT_SERVER, outcome))), 3)


class Messages(RebuildTestCase):
    """What a comment says of them."""

    def received(self, *chunks: bytes, dialect: Dialect | None = None) -> list[str]:
        """The comments of what a client sent, and of its FIN."""
        events = [ChunkReceived(AT_SERVER, chunk) for chunk in chunks]
        said = self.comments(
            Opened(AT_SERVER), *events, PeerHalfClosed(AT_SERVER), dialect=dialect or variable_size()
        )
        return [each.replace("; handled by client-3", "") for each in said[1:]]

    def test_each_stands_where_it_ended(self) -> None:
        stream = frame(1, "one").pack() + frame(2, "two").pack()
        self.assertEqual(
            self.received(stream[:5], stream[5:20], stream[20:]),
            [
                "recv() 1: 5 bytes; 5 bytes of a frame that is not whole",
                "recv() 2: 15 bytes; ver: 1, order: 1, size: 3 -> one; 8 bytes of a frame that is not whole",
                "recv() 3: 4 bytes; ver: 1, order: 2, size: 3 -> two",
                "recv() returned 0 bytes: the end of the stream",
            ],
        )

    def test_a_violation_and_what_is_discarded(self) -> None:
        self.assertEqual(
            self.received(frame(1, "one").pack() + b"\2", b"more"),
            [
                "recv() 1: 13 bytes; ver: 1, order: 1, size: 3 -> one; wrong-version: a frame begins with "
                "the byte 0x02 where the version, 0x01, belongs",
                "recv() 2: 4 bytes; discarded",
                "recv() returned 0 bytes: the end of the stream",
            ],
        )

    def test_a_fin_inside_a_frame(self) -> None:
        self.assertEqual(
            self.received(b"\1")[-1],
            "recv() returned 0 bytes: the end of the stream; truncated: the connection was closed after "
            "1 bytes of a frame that needs 9",
        )

    def test_a_character_that_never_ends(self) -> None:
        self.assertEqual(
            self.received(b"5 \xe2", dialect=TEXT),
            ["recv() 1: 3 bytes; 5 ", r"recv() returned 0 bytes: the end of the stream; \xe2"],
        )

    def test_what_the_peer_sent_is_escaped(self) -> None:
        self.assertIn(
            r"; \x1b[31m\n\u202e\xff", self.received(b"\x1b[31m\n\xe2\x80\xae\xff", dialect=TEXT)[0]
        )

    def test_many_and_long_ones_are_counted(self) -> None:
        (said, *_) = self.received(b"".join(frame(order, "x" * 500).pack() for order in range(1, 101)))
        self.assertEqual(said.count("-> x"), MAX_MESSAGES)
        self.assertTrue(said.endswith("...; 92 more frames"), said)
        self.assertLess(len(said), MAX_MESSAGES * (MAX_LINE + 10) + 100)
        self.assertLess(len(said), pcapng.MAX_COMMENT)

    def test_of_a_large_read_each_segment_says_which_it_is(self) -> None:
        packets = self.rebuild(Opened(AT_SERVER), ChunkReceived(AT_SERVER, bytes(3_000)))
        carrying = [each for each in packets if each.data]
        self.assertEqual([len(each.data) for each in carrying], [1460, 1460, 80])
        self.assertTrue(carrying[0].comment.startswith("recv() 1: 3,000 bytes; handled by client-3; "))
        self.assertEqual(
            [each.comment for each in carrying[1:]],
            [f"recv() 1: segment {number} of 3; handled by client-3" for number in (2, 3)],
        )


class Addresses(RebuildTestCase):
    def test_of_a_unix_socket_are_made_up_and_it_is_said(self) -> None:
        peers = [Peer("unix", "-", "client-1", None, None, 9) for _ in range(2)]
        packets = self.rebuild(*map(Opened, peers))
        clients = [each.source for each in packets if each.flags == "S"]
        self.assertEqual({host for host, _ in clients}, {MADE_UP[1][0]})
        self.assertEqual(len(set(clients)), 2, "each has a port of its own")
        self.assertEqual(packets[0].destination, MADE_UP[0])
        self.assertIn("; the addresses are made up: a Unix socket has no address", packets[0].comment)
        self.assertEqual(packets[1].comment, KERNELS)

    def test_that_a_proxy_has_made_up_are_none(self) -> None:
        for named in ("no address", 1), ("2001:db8::7", 1), ("192.0.2.7", 65_536):
            peer = Peer("tcp", "no address:1", "client-1", named, SERVER, 9)
            packets = self.rebuild(Opened(peer), ChunkReceived(peer, b"x"))
            self.assertIn("; the addresses are made up: ", packets[0].comment)

    def test_made_up_ports_are_ports_however_many_there_are(self) -> None:
        rebuild = Rebuild(TEXT, True)
        for count in 0, 16_382, 16_383, 16_384, 1_000_000:
            rebuild._count = count
            (packet, _), *_ = rebuild.packets(Opened(Peer("unix", "-", "client-1")))
            self.assertGreaterEqual(dissect(packet).source[1], MADE_UP[1][1])

    def test_of_a_datagram(self) -> None:
        peer = Peer("udp", "192.0.2.7:50001", "MainThread", CLIENT, SERVER, 7)
        packets = self.rebuild(ChunkReceived(peer, b"caf\xc3"), ChunkSent(peer, b""), dialect=DATAGRAM)
        self.assertEqual(
            [(each.source, each.destination, each.data, each.comment) for each in packets],
            [
                (
                    CLIENT,
                    SERVER,
                    b"caf\xc3",
                    r"recv() 1: 4 bytes; handled by MainThread, key fd=7; caf\xc3",
                ),
                (SERVER, CLIENT, b"", "send() 1: 0 bytes; handled by MainThread, key fd=7; "),
            ],
        )

    def test_a_port_on_all_addresses_has_that_of_the_way_to_the_peer(self) -> None:
        for host, loopback in ("0.0.0.0", "127.0.0.1"), ("::", "::1"):
            peer = Peer("udp", "", "MainThread", (loopback, 50_001), (host, 5005), 7)
            try:
                (packet,) = self.rebuild(ChunkReceived(peer, b"x"), dialect=DATAGRAM)
            except ValueError:
                if host == "0.0.0.0":
                    raise
                continue  # this machine has no IPv6
            self.assertEqual(packet.destination, (loopback, 5005))
