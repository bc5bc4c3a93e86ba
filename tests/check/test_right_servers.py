"""Right servers on plain sockets pass all cases: those of tests/plain, with echoes and without.

The costly cases are left out, since our own servers are put to them: NETLAB_TEST_FULL=1 runs them, too.
"""

from __future__ import annotations

import sys

from twisted.trial.unittest import SynchronousTestCase

from netlab.check import cases
from netlab.check.arguments import VARIANTS
from tests.check.judging import judge, skipping
from tests.check.test_wrong_servers import FULL, costs
from tests.support import PLAIN

LOOSE = {"udp/print/1", "tcp/print/1", "v2/print/1", "v3/print/1", "udp/bytes/3"}
"""They print with print(), which waits until somebody reads; and one of them what came as it came."""


class RightServers(SynchronousTestCase):
    def passes(self, variant: str, program: str, *options: str, checked_with: tuple[str, ...] = ()) -> None:
        """A server passes all cases; without echoes, all that can be judged."""
        server = (sys.executable, str(PLAIN / f"{program}.py"), "--port", "0", *options)
        every = [case.id for case in cases.chosen(VARIANTS[variant])]
        skipped = [id for id in every if costs(id.partition("/")[2]) and not FULL]
        done = judge(variant, *checked_with, *skipping(skipped), "--", *server)
        self.assertEqual((done.status, done.failed, done.diagnoses), (0, set(), set()), done.why())
        verdicts = {each["id"]: each["verdict"] for each in done.report["findings"]}
        loose = {id for id, verdict in verdicts.items() if verdict == "LOOSE"}
        self.assertLessEqual(loose, LOOSE, done.why())

    def test_udp(self) -> None:
        self.passes("udp", "server_udp", "--echo", checked_with=("--echo",))

    def test_udp_that_only_prints(self) -> None:
        self.passes("udp", "server_udp")

    def test_tcp(self) -> None:
        self.passes("tcp", "server_tcp")

    def test_tcpsel(self) -> None:
        self.passes("tcp", "server_tcpsel")

    def test_tcpv2(self) -> None:
        self.passes("tcpv2", "server_tcpv2", "--echo", checked_with=("--echo",))

    def test_tcpv3(self) -> None:
        self.passes("tcpv3", "server_tcpv3", "--echo", checked_with=("--echo",))

    def test_tcpv3_that_only_prints_the_other_layout(self) -> None:
        scripts = ("--layout", "scripts")
        self.passes("tcpv3", "server_tcpv3", *scripts, checked_with=scripts)
