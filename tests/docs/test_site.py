"""The site is built without a warning, with the instructors' pages and without, and no link of it is dead."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.support import ROOT

DOCS = ROOT / "docs"


class Links(HTMLParser):
    """What a page leads to, and where it can be led to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.ids: set[str] = set()
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value is not None and not value.startswith("data:"):
                self.targets.add(value)
            elif name == "id" and value is not None:
                self.ids.add(value)


def dead(site: Path) -> list[str]:
    """The links of a site that lead to nothing in it, or out of it without saying so."""
    pages = {page: Links(page) for page in site.rglob("*.html")}
    found = []
    for page, links in pages.items():
        for target in links.targets:
            if ":" in target.partition("/")[0]:
                continue  # another site
            path, _, anchor = target.partition("#")
            file = (page.parent / unquote(path.partition("?")[0])).resolve() if path else page
            if not file.is_file() or (anchor and file in pages and unquote(anchor) not in pages[file].ids):
                found.append(f"{page.relative_to(site)}: {target}")
    return sorted(found)


LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)")
"""Where a link of Markdown leads to, if that is a file."""


def shown(site: Path, file: Path) -> Path:
    """The page of the site on which a file of the clone is shown."""
    if file == ROOT / "README.md":
        return site / "start.html"
    if not file.is_relative_to(DOCS):
        return site / "file" / f"{file.relative_to(ROOT)}.html"
    if file.suffix in (".md", ".html"):
        return site / file.relative_to(DOCS).with_suffix(".html")
    return site / "file" / "docs" / f"{file.relative_to(DOCS)}.html"


def lost(site: Path) -> list[str]:
    """The links of Markdown pages that the site's pages do not have."""
    found = []
    for page in site.rglob("*.html"):
        source = (DOCS / page.relative_to(site)).with_suffix(".md")
        if source == DOCS / "start.md" or not source.is_file():
            continue
        targets = {(page.parent / unquote(each.partition("#")[0])).resolve() for each in Links(page).targets}
        for link in LINK.findall(re.sub(r"^```.*?^```$", "", source.read_text("utf-8"), flags=re.M | re.S)):
            file = (source.parent / link).resolve()
            if file.is_file() and file.suffix != ".svg" and shown(site, file) not in targets:
                found.append(f"{source.relative_to(ROOT)}: {link}")
    return found


class Site(SynchronousTestCase):
    def built(self, *options: str) -> Path:
        """Build the site as CONTRIBUTING says."""
        if importlib.util.find_spec("sphinx") is None:
            raise SkipTest("there is no Sphinx: pip install -e '.[check]'")
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        site = Path(folder.name)
        command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-n", "-b", "html", *options]
        done = subprocess.run(
            [*command, "docs", str(site)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))
        return site

    def test_for_students_it_has_nothing_of_the_instructors(self) -> None:
        site = self.built()
        self.assertEqual((dead(site), lost(site)), ([], []))
        self.assertEqual([str(each) for each in site.rglob("*instructor*")], [])
        self.assertTrue((site / "one_page.html").is_file())
        self.assertTrue((site / "file/netlab/wireshark/netlab.lua.html").is_file())

    def test_for_instructors_it_has_all(self) -> None:
        site = self.built("-t", "instructor")
        self.assertEqual((dead(site), lost(site)), ([], []))
        wanted = {page.stem for page in (DOCS / "instructor").glob("*.md")}
        self.assertEqual({page.stem for page in site.glob("instructor/*.html")}, wanted)
