"""A short soak of three servers; and that what a soak looks for is found, at servers with one fault each."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.soak.__main__ import allowed, arguments, servers
from tests.soak.client import Client, Ending, Missing
from tests.soak.conducts import PRINTABLE, chats, hears_late, is_cut_off, pours, sips, trickles
from tests.soak.datagrams import Asker
from tests.soak.log import Log
from tests.soak.run import BEAT, HOST, LATE, Server, beating, soak
from tests.soak.speech import Fixed, Speech, Text, Variable, WrongAnswer
from tests.support import PATIENCE, reset

SEED = int(os.environ.get("NETLAB_SOAK_SEED", "1"))
SECONDS = 3.0
SEATS = 100


class Soaks(SynchronousTestCase):
    """The real thing, as `python -m tests.soak` does it for longer and with all servers."""

    if not Path("/proc/self/fd").exists():
        skip = "this system does not tell what a process has, in /proc"

    def soak(self, command: str, *options: str, quiet: bool) -> None:
        report = soak(Server(command, options, quiet), SEED, allowed(SEATS), SECONDS)
        self.assertEqual(report.faults, [], f"NETLAB_SOAK_SEED={SEED}")
        self.assertGreater(report.kinds["behaved"], 0)

    def test_threads(self) -> None:
        self.soak("netlab-tcpv3", "--echo", quiet=False)

    def test_a_selector(self) -> None:
        self.soak("netlab-tcpsel", quiet=True)

    def test_datagrams(self) -> None:
        self.soak("netlab-udp", "--echo", quiet=False)


Serve = Callable[[socket.socket], None]


class FaultyServers(SynchronousTestCase):
    """Each is a server with one fault, and a client that behaves finds it."""

    def live(
        self, conduct: Callable[[Client], Coroutine[Any, Any, None]], serve: Serve, speech: type[Speech]
    ) -> Client:
        """The life of a client at a server that does this with its one connection."""

        async def life() -> Client:
            client = Client(listener.getsockname(), speech(Random(SEED)), PRINTABLE)
            try:
                await asyncio.wait_for(conduct(client), PATIENCE)
            finally:
                client.close()
            return client

        def serve_one() -> None:
            with listener.accept()[0] as connection, contextlib.suppress(OSError):
                serve(connection)

        with socket.create_server((HOST, 0)) as listener:
            server = threading.Thread(target=serve_one, daemon=True)
            server.start()
            try:
                return asyncio.run(life())
            finally:
                server.join(PATIENCE)

    def answers(self, answer: Callable[[bytes], bytes], at_end: bytes = b"") -> Serve:
        """A server that answers what each read yields, and then ends as its client does."""

        def serve(connection: socket.socket) -> None:
            while data := connection.recv(65_536):
                connection.sendall(answer(data))
            connection.sendall(at_end)

        return serve

    def test_one_without_a_fault_satisfies_all(self) -> None:
        for conduct in chats, trickles, pours, hears_late, sips:
            for speech in Fixed, Variable:
                client = self.live(conduct, self.answers(lambda data: data), speech)
                self.assertEqual(client.ending.outcomes, ("finished",))
                self.assertEqual(client.ending.counts, (client.sent, client.received))
            self.live(conduct, self.answers(lambda data: b"ECHO: " + data), Text)

    def test_an_echo_that_is_lost_at_half_close(self) -> None:
        def serve(connection: socket.socket) -> None:
            last = b""
            while data := connection.recv(10):
                connection.sendall(last)
                last = data

        for conduct in pours, hears_late, sips:
            self.assertRaises(Missing, self.live, conduct, serve, Fixed)

    def test_a_byte_that_is_lost(self) -> None:
        for conduct in pours, hears_late:
            with self.assertRaises((Missing, WrongAnswer)):
                self.live(conduct, self.answers(lambda data: data[:7] + data[8:]), Fixed)

    def test_bytes_in_the_wrong_order(self) -> None:
        self.assertRaises(WrongAnswer, self.live, pours, self.answers(lambda data: data[::-1]), Fixed)

    def test_an_echo_that_is_doubled(self) -> None:
        self.assertRaises(WrongAnswer, self.live, pours, self.answers(lambda data: 2 * data), Variable)

    def test_a_byte_too_much_at_the_end(self) -> None:
        for conduct in chats, pours:
            self.assertRaises(WrongAnswer, self.live, conduct, self.answers(lambda data: data, b"!"), Fixed)

    def test_a_reset_instead_of_a_fin(self) -> None:
        def serve(connection: socket.socket) -> None:
            self.answers(lambda data: data)(connection)
            reset(connection)

        self.assertRaises(ConnectionError, self.live, chats, serve, Fixed)

    def test_an_answer_without_its_prefix(self) -> None:
        for wrong in b"", b"echo: ", b"ECHO:", b"ECHO: ECHO: ":
            serve = self.answers(lambda data, wrong=wrong: wrong + data)  # type: ignore[misc]
            self.assertRaises(WrongAnswer, self.live, chats, serve, Text)

    def test_an_answer_to_what_is_no_message(self) -> None:
        self.assertRaises(WrongAnswer, self.live, is_cut_off, self.answers(lambda data: data), Variable)


class FaultyDatagrams(SynchronousTestCase):
    def ask(self, answer: Callable[[bytes], list[bytes]]) -> None:
        """Be a client that behaves, at a server that answers so."""

        class Protocol(asyncio.DatagramProtocol):
            def connection_made(self, transport: Any) -> None:
                self.transport = transport

            def datagram_received(self, data: bytes, addr: Any) -> None:
                for each in answer(data):
                    self.transport.sendto(each, addr)

        async def run() -> None:
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(Protocol, (HOST, 0))
            try:
                place = transport.get_extra_info("sockname")
                asker = Asker(place, Random(SEED), Counter(), behaves=True)
                await asyncio.wait_for(asker.live(), PATIENCE)
            finally:
                transport.close()

        asyncio.run(run())

    def test_what_is_right_and_what_is_lost_satisfies_all(self) -> None:
        turns = iter(range(1_000))
        self.ask(lambda data: [data])
        self.ask(lambda data: [data] * (next(turns) % 8 > 0))

    def test_what_is_cut(self) -> None:
        self.assertRaises(WrongAnswer, self.ask, lambda data: [data[:-1]])

    def test_what_is_doubled(self) -> None:
        self.assertRaises(WrongAnswer, self.ask, lambda data: [data, data])


class APulse(SynchronousTestCase):
    def test_is_missed_where_the_driver_was_kept_from_its_work(self) -> None:
        async def kept() -> bool:
            async with beating(lambda: None) as pulse:
                await asyncio.sleep(0)
                begun = time.monotonic()
                time.sleep(2 * BEAT + LATE)
                return pulse.missed_since(begun)

        self.assertTrue(asyncio.run(kept()))


class Logs(SynchronousTestCase):
    """A log is held against what each client deserves."""

    def setUp(self) -> None:
        self.lines: list[str] = []
        server: Any = SimpleNamespace(lines=self.lines)
        self.log = Log(server)

    def written(self, *sentences: str) -> Log:
        """The log, when a client's thread has written these."""
        self.lines += [
            f"2026-01-31T12:00:00+0000 [tcp 127.0.0.1:50001 client-1] {each}" for each in sentences
        ]
        self.log.read()
        self.assertEqual(self.lines, [])
        return self.log

    def closed(self, outcome: str) -> Log:
        """The log, when a client from port 50001 has come and gone."""
        return self.written(
            "Accepted connection from 127.0.0.1:50001",
            "Received Traceback (most recent call last):",
            f"Closed connection from 127.0.0.1:50001 ({outcome}): why; 1,234 bytes received, 5 sent",
        )

    def test_what_is_deserved_is_no_fault(self) -> None:
        log = self.closed("finished")
        self.assertEqual((log.opened, log.closed), (1, 1))
        self.assertEqual(log.settle({50001: [Ending(("finished",), counts=(1234, 5))]}), [])
        self.assertEqual(self.closed("reset").settle({50001: [Ending(("finished", "reset"))]}), [])
        self.assertEqual(log.strange, [])

    def test_two_clients_of_one_port(self) -> None:
        self.closed("reset")
        log = self.closed("finished")
        deserved = [Ending(("finished", "reset")), Ending(("finished",))]
        self.assertEqual(log.settle({50001: deserved}), [])

    def test_another_outcome(self) -> None:
        for ending in Ending(("reset",)), Ending(("finished",), counts=(1234, 6)):
            self.assertEqual(len(self.closed("finished").settle({50001: [ending]})), 1)

    def test_an_end_that_is_not_told_or_told_twice(self) -> None:
        self.assertEqual(len(self.log.settle({50001: [Ending(("finished",))]})), 1)
        self.closed("finished")
        log = self.closed("finished")
        self.assertEqual(len(log.settle({50001: [Ending(("finished",))]})), 1)
        self.assertEqual(len(self.closed("finished").settle({})), 1)

    def test_violations(self) -> None:
        sentence = "Violation {} from 127.0.0.1:50001 at byte {} [47 45]: what; advice"
        deserved = {50001: [Ending(("violation",), ("oversize", 9))]}
        for reason, offset, faults in (("oversize", 9, 0), ("oversize", 8, 2), ("truncated", 9, 2)):
            self.written(sentence.format(reason, offset))
            self.assertEqual(len(self.closed("violation").settle(deserved)), faults)
        self.written(sentence.format("oversize", 9))
        self.assertEqual(len(self.closed("finished").settle({50001: [Ending(("finished",))]})), 1)
        self.written(sentence.format("bad-manners", 9))
        self.assertEqual(len(self.closed("violation").settle({50001: [Ending(("violation",))]})), 1)
        self.assertEqual(self.log.broken, {"oversize": 3, "truncated": 1, "bad-manners": 1})

    def test_lines_that_no_server_may_write(self) -> None:
        for line in (
            "2026-01-31T12:00:00+0000 [stderr#error] Exception in thread",
            "\tTraceback (most recent call last):",
            "ValueError",
            "",
        ):
            self.lines.append(line)
            self.log.read()
            self.assertEqual(self.log.strange.pop(), line)

    def test_the_keys_and_clients_that_are_left(self) -> None:
        self.lines += [
            "2026-01-31T12:00:00+0000 [selector] Registered SelectorKey(fileobj=<socket ...>, fd=9, ...)",
            "2026-01-31T12:00:00+0000 [selector] Registered SelectorKey(fileobj=<socket ...>, fd=10, ...)",
            "2026-01-31T12:00:00+0000 [selector] Unregistered key fd=9, client 127.0.0.1:50001",
            "2026-01-31T12:00:00+0000 [netlab-tcpsel] Stats: clients 1,001, messages 5, ...",
            "2026-01-31T12:00:00+0000 [writer] 1,003 lines dropped here: nobody read them in time",
        ]
        self.log.read()
        self.assertEqual((self.log.keys, self.log.clients, self.log.dropped), (1, 1001, 1003))
        self.assertEqual(self.log.strange, [])

    def test_what_was_dropped_is_not_missed(self) -> None:
        self.closed("reset")
        self.written("7 lines dropped here: nobody read them in time")
        self.assertEqual(self.log.settle({50001: [Ending(("finished",))]}), [])


class Choices(SynchronousTestCase):
    def test_no_more_connections_than_descriptors(self) -> None:
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.assertLess(allowed(10**9), soft)
        self.assertEqual(allowed(1), 1)

    def test_what_makes_no_sense_is_refused(self) -> None:
        for words in ["netlab-tcpv4"], ["--seconds", "0"], ["--clients", "0"], ["--seed", "x"]:
            with contextlib.redirect_stderr(io.StringIO()) as told:
                self.assertRaises(SystemExit, arguments, words)
            self.assertIn("error: ", told.getvalue())

    def test_a_seed_and_the_next_one_soak_each_server_quiet_and_printing(self) -> None:
        both = servers([], 4) + servers([], 5)
        self.assertEqual(len(set(both)), len(both))
        self.assertEqual({str(each).replace(" --quiet", "") for each in servers([], 4)}, {*map(str, _loud())})
        self.assertEqual(len(_loud()), 8)

    def test_some_servers(self) -> None:
        self.assertEqual([each.command for each in servers(["netlab-udp"], 1)], ["netlab-udp"])


def _loud() -> list[Server]:
    return [Server(each.command, each.options) for each in servers([], 0)]
