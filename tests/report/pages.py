"""Reads pages with a parser, which holds that they are well-formed, and with a browser if there is one."""

from __future__ import annotations

import functools
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support import PATIENCE

EMPTY = {"meta"}
"""Elements of ours that have no end."""

ELEMENTS = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "header",
        "section",
        "article",
        "details",
        "summary",
    ),
    *("h1", "h2", "h3", "p", "div", "span", "b", "a", "code", "pre", "ul", "li", "dl", "dt", "dd"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td"),
}
"""All that our pages are made of: nothing among them loads or runs anything."""

ATTRIBUTES = {
    *("class", "id", "href", "title", "lang", "open", "scope", "role", "aria-label"),
    *("charset", "http-equiv", "content", "name"),
}


class Page(HTMLParser):
    """What a page holds. Raises AssertionError where its elements are not nested as they should be."""

    def __init__(self, written: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        """What is to be read on it."""
        self.title = ""
        self.cells: list[list[str]] = []
        """The texts of all tables' rows."""
        self._open: list[str] = []
        self.feed(written)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.cells.append([])
        elif tag in ("td", "th"):
            self.cells[-1].append("")
        if tag not in EMPTY:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if "title" in self._open:
            self.title += data
        elif "style" not in self._open:
            self.text += data
            if "td" in self._open or "th" in self._open:
                self.cells[-1][-1] += data

    def attributes(self, name: str) -> list[str]:
        """The values of an attribute, wherever it stands."""
        return [attributes[name] or "" for _, attributes in self.elements if name in attributes]


@functools.cache
def browser() -> str | None:
    """A browser that can be told what to do, if there is one that starts."""
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        found = shutil.which(name)
        if found and subprocess.run([found, "--version"], capture_output=True, check=False).returncode == 0:
            return found
    return None


NO_BROWSER = "there is no Chromium: apt install chromium"


def opened(written: str) -> str:
    """What a browser has made of a page when all that would run in it has run: its elements, as HTML."""
    command = browser()
    assert command
    with TemporaryDirectory() as folder:
        path = Path(folder, "page.html")
        path.write_text(written, "utf-8", newline="\n")
        done = subprocess.run(
            [
                command,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                f"--user-data-dir={folder}/profile",
                "--dump-dom",
                path.as_uri(),
            ],
            capture_output=True,
            timeout=4 * PATIENCE,
            check=True,
        )
    return done.stdout.decode()
