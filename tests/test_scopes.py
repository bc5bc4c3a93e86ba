"""Link-local addresses keep their interface."""

from __future__ import annotations

import socket

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.trial.unittest import SynchronousTestCase

from netlab.events import address_text, place
from netlab.scopes import socket_address, with_scope

NUMBER, NAME = socket.if_nameindex()[0]
NOBODY = 0x7FFF_FFFF
"""The number of an interface that no machine has."""


class Scopes(SynchronousTestCase):
    def test_there_and_back(self) -> None:
        host = with_scope("fe80::1", NUMBER)
        self.assertEqual(host, f"fe80::1%{NAME}")
        self.assertEqual(socket_address(host, 5005), ("fe80::1", 5005, 0, NUMBER))

    def test_addresses_without_one(self) -> None:
        self.assertEqual(with_scope("2001:db8::1", 0), "2001:db8::1")
        self.assertEqual(socket_address("127.0.0.1", 5005), ("127.0.0.1", 5005))

    def test_named_already(self) -> None:
        self.assertEqual(with_scope("fe80::1%eth7", NUMBER), "fe80::1%eth7")

    def test_an_interface_that_has_gone(self) -> None:
        host = with_scope("fe80::1", NOBODY)
        self.assertEqual(host, f"fe80::1%{NOBODY}")
        self.assertEqual(socket_address(host, 1), ("fe80::1", 1, 0, NOBODY))
        self.assertRaises(OSError, socket_address, "fe80::1%not-there", 1)

    def test_addresses_of_twisted(self) -> None:
        self.assertEqual(place(IPv6Address("TCP", "fe80::1", 7, 0, NUMBER)), (f"fe80::1%{NAME}", 7))
        self.assertEqual(place(IPv6Address("TCP", "::1", 7)), ("::1", 7))
        self.assertEqual(place(IPv4Address("TCP", "127.0.0.1", 7)), ("127.0.0.1", 7))
        self.assertEqual(address_text(f"fe80::1%{NAME}", 7), f"[fe80::1%{NAME}]:7")
