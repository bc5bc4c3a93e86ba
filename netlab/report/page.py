"""Makes an HTML page that is one file: nothing is loaded, no script is needed, and all text is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from urllib.parse import quote

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""What the browser may do for a page: apply its style. If ever a text got through unescaped, its scripts, its
pictures and its frames would still not be loaded.
"""

COLOURS = """
:root {
  color-scheme: light dark;
  --ground: #ffffff; --raised: #f6f7f9; --line: #d5d9e0; --ink: #1c2129; --soft: #5a6472; --link: #0b57b8;
  --good: #176b3a; --bad: #b3261e; --late: #8a4b00; --odd: #5b4bb0; --quiet: #5a6472;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --ground: #14171c; --raised: #1d2229; --line: #39414d; --ink: #e4e8ee; --soft: #a3adba; --link: #7fb4ff;
    --good: #6fd39a; --bad: #ff8f87; --late: #f0b263; --odd: #b7aaff; --quiet: #a3adba;
  }
}
"""
"""The colours of all pages, in light and dark; paper is light. A picture that is a file has them, too."""

_LAYOUT = """
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 64rem;
  background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere;
}
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; line-height: 1.3; margin: 2.5rem 0 .75rem; }
h3 { font-size: 1.05rem; line-height: 1.35; margin: 0 0 .5rem; }
p, ul, ol { margin: 0 0 .75rem; }
ul, ol { padding-left: 1.25rem; }
a { color: var(--link); text-underline-offset: .15em; }
code, pre { font: .85rem/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
pre { margin: .25rem 0 .75rem; overflow-x: auto; overflow-wrap: normal; }
.soft { color: var(--soft); }
.card {
  margin: 0 0 1rem; padding: 1rem; background: var(--raised); border: 1px solid var(--line);
  border-radius: .5rem;
}
.card > :last-child { margin-bottom: 0; }
.scroll { overflow-x: auto; margin-bottom: .75rem; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; color: var(--soft); padding-bottom: .5rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; overflow-wrap: break-word; }
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
tr + tr > *, thead + tbody > tr > * { border-top: 1px solid var(--line); }
summary { cursor: pointer; }
summary > * { display: inline; }
details[open] > summary { margin-bottom: .75rem; }
@media print {
  html { font-size: 10pt; }
  body { max-width: none; padding: 0; }
  pre, .scroll { overflow: visible; }
  pre { font-size: 7.5pt; white-space: pre-wrap; overflow-wrap: anywhere; }
  a { color: inherit; text-decoration: none; }
  h2, h3, summary { break-after: avoid; }
  tr { break-inside: avoid; }
  .card { background: none; }
}
"""

STYLE = COLOURS + _LAYOUT.lstrip("\n")
"""The look of all pages: a phone's width, a wide screen, light, dark, and paper."""

_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL and C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls: they turn their neighbours round
    "\u2028\u2029"  # line and paragraph separators
    "\ud800-\udfff"  # bytes that were no UTF-8: a file cannot hold them
    "\ufffe\uffff]"  # no characters, by their definition
)
_NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def _visible(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return _NAMED.get(found[0]) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


class Html(str):
    """Text that is HTML already. All other text that these functions take is escaped."""

    __slots__ = ()


def escaped(text: str) -> Html:
    """Text for an element or an attribute. What cannot be seen, or would change what is seen, is written as
    Python would (docs/protocol.md, P1): `\\x1b`, `\\u202e`.
    """
    return text if isinstance(text, Html) else Html(escape(_INVISIBLE.sub(_visible, text)))


def joined(parts: Iterable[str], between: str = "") -> Html:
    """Parts of a page behind each other."""
    return Html(escaped(between).join(map(escaped, parts)))


def tag(name: str, /, *content: str, **attributes: str | bool) -> Html:
    """An element. `class_` and `aria_label` become class and aria-label; a False attribute is left out."""
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + (f'="{escaped(value)}"' if isinstance(value, str) else "")
        for key, value in attributes.items()
        if value is not False
    )
    return Html(f"<{name}{written}>{joined(content)}</{name}>")


def section(heading: str, *content: str) -> Html:
    """A heading, and what stands below it; nothing where that is nothing."""
    return Html(f"{tag('section', tag('h2', heading), *content)}\n") if any(content) else Html()


def card(heading: str, *content: str, **attributes: str | bool) -> Html:
    """Something that belongs together, in a frame of its own."""
    attributes.setdefault("class_", "card")
    return Html(tag("article", tag("h3", heading), *content, **attributes) + "\n")


def details(heading: str, *content: str, open: bool = True, **attributes: str | bool) -> Html:
    """A card that can be folded. Folded, it is not printed whole: so it is open unless told otherwise."""
    head = tag("summary", tag("h3", heading))
    return Html(tag("details", head, *content, class_="card", open=open, **attributes) + "\n")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> Html:
    """A table, which can be moved sideways where it is wider than the screen; nothing without a row."""
    top = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in head)))
    body = (Html(tag("tr", *(tag("td", cell) for cell in row)) + "\n") for row in rows)
    filled = joined(body)
    said = tag("caption", caption) if caption else ""
    return tag("div", tag("table", said, top, tag("tbody", filled)), class_="scroll") if filled else Html()


def bullets(items: Iterable[str]) -> Html:
    """A list; nothing without an item."""
    filled = joined(tag("li", item) for item in items)
    return tag("ul", filled) if filled else Html()


def lines(texts: Iterable[str]) -> Html:
    """Lines that stay as they are, their columns below each other."""
    # A browser drops the newline that a <pre> begins with: this one, and not an empty first line.
    return Html(f"<pre>\n{joined(texts, Html(chr(10)))}</pre>")


def paragraphs(text: str) -> Html:
    """Prose: each line of it is a paragraph."""
    return joined(tag("p", line) for line in text.split("\n") if line.strip())


def code(text: str) -> Html:
    """A word that is meant literally."""
    return tag("code", text)


def link(text: str, address: str) -> Html:
    """A link. address: made by fragment() or beside()."""
    return tag("a", text, href=address)


def fragment(name: str) -> str:
    """The address of an element of the same page, by its id."""
    return f"#{quote(name, safe='/')}"


def beside(path: str) -> str:
    """The address of a file by its path from this page's folder, whatever its name is: never another site,
    never a script.
    """
    return f"./{quote(path, safe='/', errors='surrogateescape')}"


def page(title: str, *content: str, style: str = "") -> str:
    """The whole file. style: more CSS, behind that of all pages."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{tag('title', title)}\n<style>{STYLE}{style}</style>\n</head>\n"
        f"<body>\n{tag('main', *content)}\n</body>\n</html>\n"
    )
