"""Each server of tests/plain/wrong fails the cases of its own fault, passes the others, and it explains them.

The costly cases are left out where a fault has nothing to do with them: NETLAB_TEST_FULL=1 runs them, too.
"""

from __future__ import annotations

import os
import sys

from twisted.trial.unittest import SynchronousTestCase

from netlab.check import cases
from netlab.check.arguments import VARIANTS
from netlab.check.findings import Level
from tests.check.judging import WRONG, isolation_is_possible, judge, skipping

FULL = bool(os.environ.get("NETLAB_TEST_FULL"))

COSTLY = (
    *("big", "late", "never", "silent", "burst", "descriptors", "restart", "limit/3", "gone", "many"),
    *("print", "pause"),
)
"""Cases, or their beginnings, that take a second and more."""

ALMOST = "all but: "

PATIENCE = "0.5"
"""Deadlines run only while the program rests, so a busy machine does not shorten them."""


PORT = () if isolation_is_possible() else ("0",)
"""In a network of its own a server can have the guide's port; elsewhere any that is free."""


def costs(id: str) -> bool:
    """Is this one of the costly cases?"""
    return any(cases.matches(id, each) for each in COSTLY)


def all_but(prefix: str, *passed: str) -> str:
    """The ids of all cases that are judged, but these: who fails almost all need not be asked more."""
    asked = [case for case in cases.chosen(prefix) if FULL or case.level is Level.CORE]
    ids = [case.id.removeprefix(f"{prefix}/") for case in asked]
    return ALMOST + " ".join(id for id in ids if id not in passed)


class WrongServers(SynchronousTestCase):
    def is_found(
        self,
        variant: str,
        program: str,
        mistake: str,
        failing: str,
        unexplained: str = "",
        only: str = "",
    ) -> None:
        """A server fails these cases and no others, and this mistake, and no other, explains it.

        failing: the ids, without the variant. all: every case. only: the cases that it is put to, where the
        others would take long.
        """
        prefix = VARIANTS[variant]
        named = set(failing.removeprefix(ALMOST).split())
        ids = [case.id.removeprefix(f"{prefix}/") for case in cases.chosen(prefix)]
        skipped = [f"{prefix}/{id}" for id in ids if costs(id) and not FULL and id not in named]
        if not FULL and (failing == "all" or failing.startswith(ALMOST)):
            skipped = [case.id for case in cases.chosen(prefix) if case.level is Level.ROBUST]
        options = ["--echo"] if variant != "tcp" else []
        options += skipping(skipped)
        if only and not FULL:
            options += [word for each in only.split() for word in ("--only", f"{prefix}/{each}")]
        server = (sys.executable, str(WRONG / f"{program}.py"))
        done = judge(variant, *options, "--patience", PATIENCE, "--", *server, *PORT)
        judged = {each["id"] for each in done.report["findings"] if each["verdict"] != "INFO"}
        wanted = judged if failing == "all" else {f"{prefix}/{id}" for id in named} & judged
        self.assertEqual(done.failed, wanted, done.why())
        self.assertEqual(done.diagnoses, {mistake}, done.why())
        open_ = {f"{prefix}/{id}" for id in unexplained.split()} & judged
        self.assertEqual(set(done.report["unexplained"]), open_, done.why())

    def test_udp_echo_prefix(self) -> None:
        self.is_found("udp", "server_udp_echo_prefix", "echo-prefix", "all", "size/4")

    def test_udp_first_client_only(self) -> None:
        failing = "clients/1 size/2 size/4 bytes/1 bytes/2 bytes/3" + " burst/1 gone/1 many/1 print/1" * FULL
        self.is_found("udp", "server_udp_first_client_only", "mixed-up", failing, "burst/1 print/1")

    def test_udp_small_buffer(self) -> None:
        self.is_found("udp", "server_udp_small_buffer", "small-buffer", "size/1 size/3 size/4")

    def test_udp_strict_decode(self) -> None:
        self.is_found("udp", "server_udp_strict_decode", "strict-decode", "bytes/1")

    def test_udp_strips(self) -> None:
        self.is_found("udp", "server_udp_strips", "stripped", "text/2")

    def test_tcp_close_without_break(self) -> None:
        self.is_found("tcp", "server_tcp_close_without_break", "close-without-break", "close/2")

    def test_tcp_never_ends(self) -> None:
        self.is_found(
            "tcp",
            "server_tcp_never_ends",
            "end-unseen",
            "close/1 half/1 close/2",
            only="message text close half",
        )

    def test_tcp_no_prefix(self) -> None:
        failing = all_but("tcp", "late/1")
        self.is_found("tcp", "server_tcp_no_prefix", "no-prefix", failing)

    def test_tcp_no_reuseaddr(self) -> None:
        self.is_found("tcp", "server_tcp_no_reuseaddr", "no-reuseaddr", "restart/1")

    def test_tcp_one_client_at_a_time(self) -> None:
        failing = "clients/1 clients/2 never/1 urgent/1" + " silent/1 burst/1 never/2" * FULL
        self.is_found("tcp", "server_tcp_one_client_at_a_time", "one-at-a-time", failing, "silent/1 burst/1")

    def test_tcp_one_message(self) -> None:
        failing = "message/2 text/3 clients/2 split/1 split/2 half/1" + " pause/1 big/1 late/1 print/1" * FULL
        self.is_found("tcp", "server_tcp_one_message", "one-message", failing)

    def test_tcp_prefix_once(self) -> None:
        failing = "message/2 clients/2" + " pause/1" * FULL
        self.is_found("tcp", "server_tcp_prefix_once", "prefix-once", failing)

    def test_tcp_ends_with_client(self) -> None:
        failing = (
            "message/1 message/3 text/1 text/2 clients/3 close/1 split/1 split/2 bytes/1 bytes/2 half/1 "
            "foreign/1 close/2 close/3 reset/1 reset/2 reset/3 urgent/1"
            + " silent/1 burst/1 never/1 never/2 descriptors/1 restart/1 print/1"
            * FULL
        )
        self.is_found("tcp", "server_tcp_ends_with_client", "ends-with-client", failing, "print/1")

    def test_tcp_sends_repr(self) -> None:
        self.is_found("tcp", "server_tcp_sends_repr", "bytes-as-text", "all")

    def test_tcp_short_backlog(self) -> None:
        self.is_found("tcp", "server_tcp_short_backlog", "small-backlog", "burst/1", only="message burst")

    def test_tcp_strict_decode(self) -> None:
        self.is_found("tcp", "server_tcp_strict_decode", "strict-decode", "split/1 split/2 bytes/1 foreign/1")

    def test_tcp_strips(self) -> None:
        failing = "text/2 text/3 split/2 half/1 foreign/1" + " late/1" * FULL
        self.is_found("tcp", "server_tcp_strips", "stripped", failing)

    def test_tcp_waits_for_newline(self) -> None:
        failing = all_but("tcp", "text/2", "text/3", "half/1")
        self.is_found("tcp", "server_tcp_waits_for_newline", "waits-for-newline", failing)

    def test_tcpsel_getpeername(self) -> None:
        self.is_found(
            "tcp", "server_tcpsel_getpeername", "getpeername", "reset/1 reset/2 reset/3 descriptors/1"
        )

    def test_tcpsel_send_drops(self) -> None:
        self.is_found("tcp", "server_tcpsel_send_drops", "send-drops", "late/1")

    def test_tcpv2_cuts_size(self) -> None:
        self.is_found("tcpv2", "server_tcpv2_cuts_size", "size-cut", "size/1 text/4 size/2")

    def test_tcpv2_little_endian(self) -> None:
        self.is_found("tcpv2", "server_tcpv2_little_endian", "little-endian", "order/1")

    def test_tcpv2_native_struct(self) -> None:
        self.is_found("tcpv2", "server_tcpv2_native_struct", "native-struct", "all")

    def test_tcpv2_no_loop(self) -> None:
        failing = "split/1 split/2 split/3 join/2 split/4" + " late/1" * FULL
        self.is_found("tcpv2", "server_tcpv2_no_loop", "no-loop", failing)

    def test_tcpv2_one_recv(self) -> None:
        failing = "split/1 split/2 split/3 join/1 join/2 split/4 join/3 valid/1 half/1" + " late/1" * FULL
        self.is_found("tcpv2", "server_tcpv2_one_recv", "one-recv", failing)

    def test_tcpv2_padding_stripped(self) -> None:
        failing = all_but("v2", "text/3", "size/1", "text/4", "padding/1")
        self.is_found("tcpv2", "server_tcpv2_padding_stripped", "padding-stripped", failing)

    def test_tcpv2_strict_decode(self) -> None:
        self.is_found("tcpv2", "server_tcpv2_strict_decode", "strict-decode", "bytes/1 text/4")

    def test_tcpv2_text_echo(self) -> None:
        self.is_found("tcpv2", "server_tcpv2_text_echo", "text-echo", "all")

    def test_tcpv3_decode_early(self) -> None:
        self.is_found("tcpv3", "server_tcpv3_decode_early", "decode-early", "split/4 bytes/1")

    def test_tcpv3_echo_prefix(self) -> None:
        self.is_found("tcpv3", "server_tcpv3_echo_prefix", "echo-prefix", "all")

    def test_tcpv3_fields_swapped(self) -> None:
        failing = all_but("v3", "size/1")
        self.is_found("tcpv3", "server_tcpv3_fields_swapped", "fields-swapped", failing)

    def test_tcpv3_little_endian(self) -> None:
        self.is_found("tcpv3", "server_tcpv3_little_endian", "little-endian", "all")

    def test_tcpv3_native_struct(self) -> None:
        self.is_found("tcpv3", "server_tcpv3_native_struct", "native-struct", "all")

    def test_tcpv3_no_limit(self) -> None:
        self.is_found("tcpv3", "server_tcpv3_no_limit", "no-limit", "limit/1 limit/2 foreign/5")

    def test_tcpv3_no_loop(self) -> None:
        failing = "split/2 split/3 join/2 split/4 short/1 size/3 short/3" + " late/1" * FULL
        self.is_found("tcpv3", "server_tcpv3_no_loop", "no-loop", failing)

    def test_tcpv3_one_recv(self) -> None:
        failing = (
            "split/1 split/2 split/3 join/1 join/2 size/2 split/4 join/3 valid/1 short/1 half/1 size/3 "
            "join/4 short/3 short/4 foreign/4" + " late/1" * FULL
        )
        self.is_found("tcpv3", "server_tcpv3_one_recv", "one-recv", failing)

    def test_tcpv3_echo_twice(self) -> None:
        self.is_found("tcpv3", "server_tcpv3_echo_twice", "twice", "all")

    def test_tcpv3_impatient(self) -> None:
        failing = "pause/1" + " burst/1" * FULL
        only = "message/1 pause"  # on a busy machine, half a second is soon over
        self.is_found("tcpv3", "server_tcpv3_impatient", "impatient", failing, "burst/1", only)

    def test_tcpv3_quad_words(self) -> None:
        self.is_found("tcpv3", "server_tcpv3_quad_words", "number-width", "all")

    def test_tcpv3_over_read(self) -> None:
        failing = "join/1 join/2 join/3 valid/1 half/1 join/4 short/4 foreign/4" + " late/1" * FULL
        self.is_found("tcpv3", "server_tcpv3_over_read", "over-read", failing, "late/1")

    def test_tcpv3_own_order(self) -> None:
        failing = (
            "order/1 split/2 clients/2 clients/3 split/4 order/2 bytes/1 bytes/2 short/4 foreign/4 reset/1 "
            "reset/2" + " burst/1 never/1 never/2" * FULL
        )
        self.is_found("tcpv3", "server_tcpv3_own_order", "own-order", failing, "burst/1")

    def test_tcpv3_size_in_characters(self) -> None:
        self.is_found("tcpv3", "server_tcpv3_size_in_characters", "size-in-characters", "text/1 split/4")

    def test_tcpv3_text_echo(self) -> None:
        self.is_found("tcpv3", "server_tcpv3_text_echo", "text-echo", "all")

    def test_tcpv3_zero_is_the_end(self) -> None:
        self.is_found("tcpv3", "server_tcpv3_zero_is_the_end", "zero-is-the-end", "size/0")
