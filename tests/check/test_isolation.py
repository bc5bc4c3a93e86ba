"""In a network of its own a check has the guide's port to itself, and what it starts has no more rights."""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.support import PATIENCE, ROOT

ALONE = "from netlab.check.isolation import isolated\nif why := isolated(): exit('NOT ISOLATED: ' + why)\n"
"""Python code for a process that goes into a network of its own, or ends."""

START = f"""
import os, socket, sys
{ALONE}
from netlab.check.programs import Program
code = '''
import os, socket, time
names = 'CapInh', 'CapPrm', 'CapEff', 'CapAmb'
print(os.getuid(), *[line.split()[1] for line in open('/proc/self/status') if line.startswith(names)])
server = socket.create_server(('127.0.0.1', 5005))
server.accept()
time.sleep(600)
'''
with Program([sys.executable, '-c', code]) as program:
    where = program.listen('tcp', None, {PATIENCE})
    socket.create_connection(where).close()
    print(*where, program.stdout.text, end='', flush=True)
    sys.stdin.readline()
"""

STAYS = """
import os
from netlab import namespace
from netlab.check.isolation import isolated

def place():
    links = [os.readlink('/proc/self/ns/' + name) for name in ('net', 'user')]
    return links, os.getuid(), os.geteuid(), open('/proc/self/status').read().partition('CapInh')[2][:90]

before = place()
%s
why = isolated()
assert place() == before, (place(), before)
print(why)
"""


def python(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


class Isolated(SynchronousTestCase):
    def setUp(self) -> None:
        _, errors = python(ALONE).communicate(timeout=PATIENCE)
        if "NOT ISOLATED" in errors:
            raise SkipTest(errors.strip())

    def test_two_checks_have_the_same_port_at_once_and_no_rights(self) -> None:
        checks = [python(START) for _ in range(2)]
        try:
            for check in checks:
                assert check.stdout is not None
                ip, port, uid, *capabilities = check.stdout.readline().split()
                self.assertEqual((ip, port, int(uid)), ("127.0.0.1", "5005", os.getuid()))
                self.assertEqual([int(each, 16) for each in capabilities], [0, 0, 0, 0])
        finally:
            ends = [check.communicate("\n", timeout=PATIENCE) for check in checks]
        self.assertEqual(ends, [("", "")] * 2)


class NotIsolated(SynchronousTestCase):
    """Why not is said in one line, and all is as it was."""

    def setUp(self) -> None:
        if not os.path.exists("/proc/self/ns/user"):
            raise SkipTest("this system has no namespaces")

    def check(self, hindrance: str) -> str:
        """Why not, when this was done before."""
        printed, errors = python(STAYS % hindrance).communicate(timeout=PATIENCE)
        self.assertEqual(errors, "")
        self.assertEqual(printed.count("\n"), 1)
        beginning = "no network of its own here: "
        self.assertTrue(printed.startswith(beginning), printed)
        return printed.removeprefix(beginning).strip()

    def test_a_system_that_forbids_half_of_it(self) -> None:
        # As Ubuntu does: there is a namespace, and then it may not be made use of.
        why = self.check("def no(): raise OSError(1, 'no')\nnamespace._loopback_up = no")
        self.assertTrue(why.startswith("user namespaces are forbidden by "), why)

    def test_the_system_s_switch_is_named(self) -> None:
        switch = f"{self.mktemp()}.switch"
        with open(switch, "w") as file:
            file.write("0\n")
        hindrance = "def no(): raise OSError(1, 'no')\nnamespace.enter = no\n"
        hindrance += f"namespace.SWITCHES = {{{os.path.abspath(switch)!r}: ('0', 'a switch')}}"
        self.assertEqual(self.check(hindrance), "user namespaces are forbidden by a switch")

    def test_another_thread(self) -> None:
        code = "import threading, time\nthreading.Thread(target=time.sleep, args=(1,), daemon=True).start()"
        self.assertEqual(self.check(code), "a thread was started before")

    def test_another_system(self) -> None:
        self.assertEqual(
            self.check("import sys\nsys.platform = 'win32'"), "only Linux lends one without root"
        )
