"""What is generated is as the code is, and the printable page is one page."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

from twisted.application.service import ServiceMaker
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from docs.generate.__main__ import main
from docs.generate.files import DOCS, PICTURES, files, left_out, stale, stray
from docs.generate.frames import PICTURES as FRAMES
from docs.generate.ladders import PICTURES as LADDERS
from docs.generate.one_page import FIRST, known_mistakes, one_page
from docs.generate.reference import SERVERS, commands, pages
from netlab.cli import parser
from netlab.taps.tcpv3 import Options
from netlab.wireshark import tools
from tests.report.pages import NO_BROWSER, browser
from tests.support import PATIENCE, ROOT
from twisted.plugins import netlab_plugins

TELL = """
import json, sys
from docs.generate.files import DOCS, files
json.dump({path.relative_to(DOCS).as_posix(): text for path, text in files().items()}, sys.stdout)
"""

SVG = "{http://www.w3.org/2000/svg}"


def ladder(name: str) -> ElementTree.Element:
    """A ladder, drawn by the real tshark."""
    if name in left_out():
        raise SkipTest("there is no tshark")
    return ElementTree.fromstring(PICTURES[name]())


def told(name: str) -> list[str]:
    """A ladder's packets in words."""
    return [each.findtext(f"{SVG}title") or "" for each in ladder(name).findall(f"{SVG}g")]


class Files(SynchronousTestCase):
    def test_they_are_as_the_code_is(self) -> None:
        self.assertEqual(stale(), [], "mend it: .venv/bin/python -m docs.generate")

    def test_without_tshark_only_the_ladders_are_left_as_they_are(self) -> None:
        ladders = {DOCS / "pictures" / f"{name}.svg" for name in LADDERS}
        all_names = {*files(), *ladders}
        self.patch(os, "environ", {**os.environ, "PATH": ""})
        self.patch(tools, "PLACES", ())
        self.assertEqual({*files()}, all_names - ladders)
        self.assertEqual((stray(), stale()), ([], []))
        with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as errors:
            self.assertEqual(main(), 0)
        self.assertEqual(out.getvalue(), "")
        self.assertRegex(errors.getvalue(), r"\Aleft as they are: .*ladder-v3; no tshark is here: .+\n\Z")
        self.assertEqual([path for path in ladders if not path.exists()], [])

    def test_they_depend_on_no_terminal_and_no_language(self) -> None:
        elsewhere = {**os.environ, "COLUMNS": "30", "LC_ALL": "C", "LANGUAGE": "de", "PYTHONUTF8": "0"}
        done = subprocess.run(
            [sys.executable, "-c", TELL],
            cwd=ROOT,
            env=elsewhere,
            capture_output=True,
            check=True,
            timeout=PATIENCE,
        )
        here = {path.relative_to(DOCS).as_posix(): text for path, text in files().items()}
        self.assertEqual(json.loads(done.stdout), here)


class Reference(SynchronousTestCase):
    def test_every_command_of_netlab_has_its_page_with_all_of_its_options(self) -> None:
        written = pages()
        top = commands(parser())
        self.assertIn("check-client", top)
        for name, (_, command) in top.items():
            page = written[f"netlab-{name}.md"]
            self.assertIn(f"(netlab-{name}.md)", written["index.md"])
            for each in [command, *(variant for _, variant in commands(command).values())]:
                for option in each._option_string_actions:
                    if option not in ("-h", "--help"):
                        self.assertRegex(page, rf"`{option}[ `]")

    def test_every_server_has_its_page_with_all_of_its_options(self) -> None:
        plugins = [each for each in vars(netlab_plugins).values() if isinstance(each, ServiceMaker)]
        self.assertEqual({each.tapname for each in plugins}, {f"netlab-{name}" for name in SERVERS})
        page = pages()["twistd-netlab-tcpv3.md"]
        for option in Options().longOpt:
            if option not in ("help", "version"):
                self.assertRegex(page, rf"`--{option}[V`]")

    def test_defaults_and_exit_statuses_are_told(self) -> None:
        client = pages()["netlab-client.md"]
        self.assertIn("| `--start-order N` | `1` |", client)
        self.assertIn("| `3` | could not connect |", client)
        self.assertIn("| `--frame-timeout=VALUE` | `30` |", pages()["twistd-netlab-tcp.md"])


class Pictures(SynchronousTestCase):
    def test_they_are_well_formed_and_told_in_words(self) -> None:
        for name in PICTURES.keys() - left_out():
            svg = ElementTree.fromstring(PICTURES[name]())
            self.assertEqual(svg.get("role"), "img", name)
            self.assertTrue(svg.get("aria-label"), name)
            self.assertTrue(svg.findtext(f"{SVG}title"), name)

    def test_frames_show_every_byte_at_its_place(self) -> None:
        for name, picture in FRAMES.items():
            texts = ElementTree.fromstring(picture.svg()).findall(f"{SVG}text")
            data = [b"".join(data for _, data in message.fields) for message in picture.messages]
            shown = [each.text for each in texts if each.get("class") == "byte"]
            self.assertEqual(shown, [f"{byte:02x}" for message in data for byte in message], name)
            places = [each.text for each in texts if each.get("class") == "place"]
            self.assertEqual(places, [str(place) for message in data for place in range(len(message))], name)

    def test_a_character_of_several_bytes_stands_below_them_once(self) -> None:
        texts = ElementTree.fromstring(FRAMES["frame-v3"].svg()).findall(f"{SVG}text")
        below = [each.text for each in texts if each.get("class") == "meaning"]
        self.assertEqual(below, ["1", "1", "13 bytes", *"grüße␣€␣1"])

    def test_ladders_are_of_the_loopback_with_the_ports_of_the_pages(self) -> None:
        for name in LADDERS:
            texts = [each.text or "" for each in ladder(name).findall(f"{SVG}text")]
            ends = [text for text in texts if text.startswith(("port ", "127."))]
            clients = ["50001", "50002"] if name in ("ladder-udp", "ladder-tcp-two") else ["50001"]
            self.assertCountEqual(ends[1::2], [f"port {port}" for port in ("5005", *clients)], name)
            self.assertEqual({*ends[::2]}, {"127.0.0.1"}, name)

    def test_ladders_have_every_message_and_its_echo_and_nothing_is_wrong(self) -> None:
        for name, messages, notes in (
            ("ladder-udp", 3, []),
            ("ladder-tcp", 1, []),
            ("ladder-tcp-two", 2, []),
            ("ladder-v2", 2, ["! text-cut"] * 2),
            ("ladder-v3", 3, []),
        ):
            packets = told(name)
            self.assertEqual(" ".join(packets).count("(echo of "), messages, name)
            self.assertEqual([each for each in packets if not each.startswith("packet ")], [], name)
            found = [
                each.text for each in ladder(name).iter(f"{SVG}text") if (each.text or "").startswith("!")
            ]
            self.assertEqual(found, notes, name)

    def test_a_ladder_of_tcp_goes_from_the_handshake_to_the_close(self) -> None:
        for name in LADDERS.keys() - {"ladder-udp"}:
            flags = [re.sub(r".*(?:server|client): (.*?) Seq=.*", r"\1", each) for each in told(name)]
            self.assertEqual(flags[:3], ["SYN", "SYN, ACK", "ACK"], name)
            self.assertEqual(flags[-3:], ["FIN, ACK", "FIN, ACK", "ACK"], name)

    def test_the_ladder_of_fixed_frames_has_one_padded_and_one_cut(self) -> None:
        shown = " ".join("".join(each.itertext()) for each in ladder("ladder-v2").iter(f"{SVG}text"))
        self.assertEqual(shown.count("hello" + 15 * "-"), 2)
        self.assertEqual(shown.count("Liebe Grüße aus K "), 2)

    def test_the_ladder_of_variable_frames_has_two_joined_and_one_parted(self) -> None:
        words = "\n".join(told("ladder-v3"))
        self.assertIn("Len=24; order 1, size 3: one; order 2, size 3: two\n", words)
        self.assertIn("order 3, size 5, bytes 0 to 10 of 14", words)
        self.assertIn("; bytes 11 to 13 of 14: three", words)


class OnePage(SynchronousTestCase):
    def test_its_diagnoses_are_those_of_netlab_check(self) -> None:
        page = one_page()
        self.assertEqual(len(FIRST), 10)
        for name in FIRST:
            self.assertIn(f"<b>{name}</b>", page)
            self.assertIn(name, known_mistakes())

    def test_it_is_printed_on_one_sheet(self) -> None:
        command = browser()
        if command is None:
            raise SkipTest(NO_BROWSER)
        with TemporaryDirectory() as folder:
            sheet = Path(folder, "page.pdf")
            options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile"]
            subprocess.run(
                [
                    command,
                    *options,
                    f"--print-to-pdf={sheet}",
                    "--no-pdf-header-footer",
                    (DOCS / "one_page.html").as_uri(),
                ],
                capture_output=True,
                timeout=4 * PATIENCE,
                check=True,
            )
            self.assertEqual(len(re.findall(rb"/Type ?/Page\b", sheet.read_bytes())), 1)
