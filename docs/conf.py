"""How Sphinx makes the site: sphinx-build -W --keep-going -n -b html docs BUILD, and -t instructor for all.

The pages are Markdown that GitHub shows as it is. What only the site needs stands in comments, and links lead
to files of the clone; this module gives both their meaning.

- `<!-- contents: Exercises: exercises/* -->`: a part of the site's contents, with its heading, if any, and
  its pages.
- `<!-- include ../README.md -->`: a page that consists of this file, which stands outside of docs.
- A link to a file of the clone leads to a page that shows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_for_filename
from pygments.util import ClassNotFound
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent

project = "netlab"
author = "the netlab project"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "index"
exclude_patterns = ["generate", "examples", "build"]
if not tags.has("instructor"):  # type: ignore[name-defined] # noqa: F821
    exclude_patterns.append("instructor")
nitpicky = True
myst_heading_anchors = 3
myst_links_external_new_tab = False
smartquotes = False  # -- in a sentence is an option's beginning
html_theme = "furo"
html_title = "netlab"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_extra_path = ["one_page.html"]
html_theme_options: dict[str, Any] = {"top_of_page_buttons": []}
highlight_language = "text"
pygments_style = "default"

CONTENTS = re.compile(r"^<!-- contents: (.*?): (.*) -->$", re.MULTILINE)
INCLUDED = re.compile(r"^<!-- include (\S+) -->$", re.MULTILINE)
LINKED = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s]+)")

STANDS_IN = {ROOT / "README.md": "start"}
"""Files outside of docs that are pages of the site: their names there."""

SHOWN = "file"
"""The folder of the site in which the clone's files are shown."""


def expand(app: Sphinx, docname: str, source: list[str]) -> None:
    """Give the comments in a page their meaning."""

    def contents(found: re.Match[str]) -> str:
        names = [f"/{name}" for pattern in found[2].split() for name in matching(app, pattern)]
        head = [f":caption: {found[1]}"] if found[1] else []
        return "\n".join(["```{toctree}", ":hidden:", *head, "", *names, "```"]) if names else ""

    included = INCLUDED.search(source[0])
    if included is not None:
        file = (DOCS / docname).parent / included[1]
        app.env.note_dependency(str(file))
        source[0] = LINKED.sub(lambda link: moved(link[1]), file.read_text("utf-8"))
    source[0] = CONTENTS.sub(contents, source[0])


def outdated(app: Sphinx, env: Any, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """Pages with contents are to be read again when there are other pages than before."""
    return [root_doc, "reference/index"] if added or removed else []


def matching(app: Sphinx, pattern: str) -> list[str]:
    """The pages that this build has of a pattern's, index first."""
    paths = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.glob(f"{pattern}.md")}
    return sorted(paths & app.env.found_docs, key=lambda name: (not name.endswith("index"), name))


def moved(link: str) -> str:
    """A link from the clone's folder as one from docs."""
    return link.removeprefix("docs/") if link.startswith("docs/") else f"../{link}"


class Files(SphinxTransform):
    """Turns what MyST takes for downloads, links to files, into links to the pages that show them."""

    default_priority = 500  # before what collects the files to be downloaded

    def apply(self, **_: Any) -> None:
        here = Path(self.env.doc2path(self.env.docname)).parent
        for node in list(self.document.findall(addnodes.download_reference)):
            self.point(node, (here / node["reftarget"]).resolve())
        for node in list(self.document.findall(addnodes.pending_xref)):
            target = (here / node["reftarget"]).resolve()
            page = Path(f"{target}.md")  # Markdown is known to MyST without its suffix
            if node.get("refdomain") == "doc" and not page.is_relative_to(DOCS) and page.is_file():
                self.point(node, page)
            elif target.is_dir() and node.get("refdomain") != "doc":
                self.point(node, target)

    def point(self, node: nodes.Element, path: Path) -> None:
        """Have a link lead to the page of a file; a folder, or what is outside of the clone, has none."""
        inner = list(node.children)
        if not path.is_relative_to(ROOT) or not path.is_file():
            node.replace_self(inner)
            return
        page = STANDS_IN.get(path) or f"{SHOWN}/{path.relative_to(ROOT).as_posix()}"
        if path.parent == DOCS and path.suffix == ".html":
            page = path.stem
        elif path not in STANDS_IN:
            shown = getattr(self.env, "netlab_shown", {})
            shown.setdefault(self.env.docname, set()).add(path)
            self.env.netlab_shown = shown  # type: ignore[attr-defined]
        new = addnodes.pending_xref("", *inner, reftype="page", reftarget=page, refdoc=self.env.docname)
        node.replace_self(new)


def resolve(app: Sphinx, env: Any, node: addnodes.pending_xref, text: nodes.Element) -> nodes.Node | None:
    """Make the links that Files has left."""
    if node["reftype"] != "page":
        return None
    uri = app.builder.get_relative_uri(node["refdoc"], node["reftarget"])
    return nodes.reference("", "", *node.children, refuri=uri, internal=True)


def forget(_: Sphinx, env: Any, docname: str) -> None:
    """Before a page is read again."""
    getattr(env, "netlab_shown", {}).pop(docname, None)


def show(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """The pages that show files."""
    pages: dict[str, set[Path]] = getattr(app.env, "netlab_shown", {})
    for path in sorted({path for paths in pages.values() for path in paths}):
        name = path.relative_to(ROOT).as_posix()
        try:
            lexer = get_lexer_for_filename(name)
        except ClassNotFound:
            lexer = TextLexer()
        body = highlight(path.read_text("utf-8"), lexer, HtmlFormatter(linenos="inline"))
        yield f"{SHOWN}/{name}", {"title": name, "parents": [], "body": f"<h1>{name}</h1>{body}"}, "page.html"


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("source-read", expand)
    app.connect("env-get-outdated", outdated)
    app.connect("env-purge-doc", forget)
    app.connect("missing-reference", resolve)
    app.connect("html-collect-pages", show)
    app.add_transform(Files)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
