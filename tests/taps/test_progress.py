"""--stall-timeout ends clients that have stopped reading, and none that reads (docs/protocol.md, C3)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.support import Served, ServerTestCase, is_chosen, runner, until
from tests.taps.flows import PLAIN, RANDOM, SLOW, Flow, connect

STALL = 1.0
"""Seconds that are given for --stall-timeout."""
AT_MOST = 10 * STALL


class Brief(Served):
    """A server of whose lines only the beginnings are kept: each is some megabytes long."""

    def __init__(self, *command: str) -> None:
        super().__init__(*command)
        self.kept = 300


def converse_all(handler: str, reactor: str | None, *options: str) -> list[str]:
    """Start a server for three clients: one reads fast, one slowly, and one stops reading.

    Returns:
        The port of the client that has stopped, and those of all that were called stalled.
    """
    command = ("netlab-tcpv3", "--echo", "--handler", handler, "--stall-timeout", f"{STALL:g}", *options)
    where = ("--listen", "tcp:0:interface=127.0.0.1")
    with Brief(*runner(reactor), *command, *where) as server, ThreadPoolExecutor(2) as pool:
        address = "127.0.0.1", int(server.wait_for(r"Listening on \S+?:(\d+) ")[0][1])

        def read(data: bytes, rate: float | None = None) -> int:
            flow = Flow(connect(address), data)
            with flow.connection:  # one that reads no more must be gone
                try:
                    return flow.converse(4 * STALL, rate)
                except ConnectionError as error:
                    raise AssertionError(f"a client that reads was ended:\n{server.tail}") from error

        stopped = Flow(connect(address), PLAIN)
        with stopped.connection:
            port = stopped.connection.getsockname()[1]
            slow = pool.submit(read, PLAIN, SLOW)
            stopped.stop_reading()
            reads = slow, pool.submit(read, RANDOM)
            until(lambda: server.matches(rf":{port} \(stalled\)") != [], "one has stopped reading", AT_MOST)
            assert all(each.result() > 0 for each in reads), server.tail
        assert "Traceback" not in server.output, server.tail
        return [str(port), *(found[1] for found in server.matches(r"from \S+:(\d+) \(stalled\)"))]


class Progress(ServerTestCase):
    """Each reactor, with both handlers at the same time: a core for each."""

    def is_seen_on(self, reactor: str | None, *options: str) -> None:
        """Only the client that has stopped reading is ended."""
        if not is_chosen(reactor):
            self.skipTest("this reactor is not there, or another one is chosen")
        with ThreadPoolExecutor(2) as pool:
            judged = {
                handler: pool.submit(converse_all, handler, reactor, *options)
                for handler in ("threads", "reactor")
            }
            for handler, each in judged.items():
                stopped, *stalled = each.result()
                self.assertEqual(stalled, [stopped], handler)

    def test_on_the_reactor_that_a_user_gets(self) -> None:
        self.is_seen_on(None, "--print-limit", "0")

    def test_where_nothing_is_printed(self) -> None:
        self.is_seen_on(None, "--quiet")

    def test_on_epoll(self) -> None:
        self.is_seen_on("epoll", "--print-limit", "0")

    def test_on_selectors(self) -> None:
        self.is_seen_on("selectors", "--print-limit", "0")

    def test_on_poll(self) -> None:
        self.is_seen_on("poll", "--print-limit", "0")

    def test_on_select(self) -> None:
        self.is_seen_on("select", "--print-limit", "0")

    def test_on_asyncio(self) -> None:
        self.is_seen_on("asyncio", "--print-limit", "0")


class UnixSockets(ServerTestCase):
    def is_ended(self, server: Served) -> bool:
        return bool(server.matches(r"Closed connection from .* \(stalled\)"))

    def test_only_who_has_stopped_reading_is_ended(self) -> None:
        for handler in "threads", "reactor":
            path = self.unix_path()
            server = self.serve(
                *("netlab-tcpv3", "--echo", "--quiet", "--handler", handler),
                *("--stall-timeout", f"{STALL:g}", "--listen", f"unix:{path}"),
            )
            slow, stopped = Flow(connect(path), PLAIN), Flow(connect(path), PLAIN)
            with slow.connection, stopped.connection:
                stopped.stop_reading()
                self.assertGreater(slow.converse(4 * STALL, SLOW), 0)
                until(partial(self.is_ended, server), "one has stopped reading", AT_MOST)
                self.assertGreater(slow.converse(STALL / 2, SLOW), 0)
                self.assertEqual(len(server.matches("Closed connection")), 1, server.output)
