"""The dissector keeps to what every Lua and every Wireshark since 3.6 have."""

from __future__ import annotations

import re
import shutil
import subprocess

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.support import PATIENCE
from tests.wireshark.reading import DISSECTOR

WIRESHARK = {
    *("Proto", "ProtoField", "ProtoExpert", "Pref", "Field", "DissectorTable", "register_postdissector"),
    *("dissect_tcp_pdus", "ByteArray", "NSTime", "UInt64"),
    *("base", "expert", "frametype", "ENC_NA", "ENC_UTF_8"),
}
"""What the dissector uses of Wireshark: each is in the reference of 3.6."""

LUA = {"ipairs", "math", "table", "tostring"}
"""What it uses of Lua: the same in 5.2, 5.3 and 5.4."""


class Lua(SynchronousTestCase):
    def test_every_lua_compiles_it(self) -> None:
        compilers = [each for each in ("luac5.2", "luac5.3", "luac5.4") if shutil.which(each)]
        if not compilers:
            raise SkipTest("there is no luac")
        for compiler in compilers:
            done = subprocess.run(
                [compiler, "-p", str(DISSECTOR)],
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
            self.assertEqual((done.returncode, done.stderr), (0, ""), compiler)

    def test_it_uses_and_sets_no_other_names(self) -> None:
        compiler = shutil.which("luac5.4")
        if compiler is None:
            raise SkipTest("there is no luac5.4")
        listing = subprocess.run(
            [compiler, "-l", "-p", str(DISSECTOR)],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        ).stdout
        self.assertEqual(set(re.findall(r'GETTABUP.*_ENV "(\w+)"', listing)), WIRESHARK | LUA)
        self.assertEqual(re.findall(r"SETTABUP.*_ENV.*", listing), [])

    def test_it_has_no_operators_of_a_newer_lua(self) -> None:
        code = re.sub(r'"(?:[^"\\]|\\.)*"|--.*', "", DISSECTOR.read_text("utf-8"))
        self.assertEqual(re.findall(r"//|<<|>>|[^~=<>]=?~(?!=)|&|\||\bgoto\b|<const>|<close>", code), [])
