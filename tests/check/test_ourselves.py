"""All our own servers pass the whole battery, core and robust: handlers and reactors pairwise."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.check.judging import judge
from tests.support import script


class Servers(SynchronousTestCase):
    def passes(self, variant: str, reactor: str, *options: str, checked_with: tuple[str, ...] = ()) -> None:
        """A server passes all cases of its variant."""
        command = {"udp": "netlab-udp", "tcp": "netlab-tcp", "tcpv2": "netlab-tcpv2", "tcpv3": "netlab-tcpv3"}
        named = [] if reactor == "own" else [f"--reactor={reactor}"]
        server = options[0] if options and options[0].startswith("netlab-") else command[variant]
        rest = [each for each in options if each != server]
        twistd = [script("twistd"), "-n", "--pidfile=", *named, server, "--port", "0", *rest]
        echo = ["--echo"] if "--echo" in options else []
        done = judge(variant, *echo, *checked_with, "--keep", "--", *twistd)
        self.assertEqual((done.status, done.failed), (0, set()), done.why() + done.output + done.errors)
        self.assertEqual(done.report["diagnoses"], [])
        judged = [each for each in done.report["findings"] if each["verdict"] != "INFO"]
        self.assertGreater(len(judged), 10)

    def test_udp(self) -> None:
        self.passes("udp", "own", "--echo")

    def test_udp_that_only_prints(self) -> None:
        self.passes("udp", "select")

    def test_tcp_with_threads(self) -> None:
        self.passes("tcp", "own")

    def test_tcp_on_the_reactor(self) -> None:
        self.passes("tcp", "poll", "--handler", "reactor")

    def test_tcpsel(self) -> None:
        self.passes("tcp", "own", "netlab-tcpsel")

    def test_tcpv2_with_threads(self) -> None:
        self.passes("tcpv2", "asyncio", "--echo")

    def test_tcpv2_on_the_reactor(self) -> None:
        self.passes("tcpv2", "own", "--echo", "--handler", "reactor")

    def test_tcpv2_that_only_prints(self) -> None:
        self.passes("tcpv2", "epoll")

    def test_tcpv3_with_threads(self) -> None:
        self.passes("tcpv3", "own", "--echo")

    def test_tcpv3_on_the_reactor(self) -> None:
        self.passes("tcpv3", "own", "--echo", "--handler", "reactor")

    def test_tcpv3_in_the_other_layout(self) -> None:
        scripts = ("--layout", "scripts")
        self.passes("tcpv3", "selectors", "--echo", *scripts, checked_with=scripts)
