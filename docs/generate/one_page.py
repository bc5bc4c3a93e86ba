"""The printable page: the five formats and the ten diagnoses that are met first, on one sheet of A4."""

from __future__ import annotations

from docs.generate.frames import EXAMPLES, PICTURES, STYLE
from netlab import PORT
from netlab.check.diagnosis import CHAPTERS, model_of
from netlab.check.models import Mistake
from netlab.report.page import Html, code, joined, page, section, table, tag
from netlab.wire.fixed import FRAME_LENGTH, PADDING, TEXT_LENGTH
from netlab.wire.text import REPLY_PREFIX
from netlab.wire.variable import HEADER_LENGTH, MAX_SIZE, VERSION

TITLE = "The socket laboratory on one page"

FIRST = (
    *("one-recv", "no-loop", "size-in-characters", "native-struct", "strict-decode"),
    *("end-unseen", "reset-uncaught", "one-at-a-time", "no-prefix", "no-reuseaddr"),
)
"""The mistakes that are met first: how a stream is read, what is in a frame, how a client leaves, how a
server begins.
"""

LARGEST = len(EXAMPLES["udp-largest"].stream)

HEAD = (
    f"All servers listen on port {PORT}. All numbers are unsigned and in network byte order, the big end "
    "first: that is what ! says in a struct format. B is 1 byte, L is 4, 20s is 20."
)

ABOUT = {
    "frame-udp": (
        "UDP: a datagram",
        f"Chapter 1. A datagram is a message of UTF-8 text, 0 to {LARGEST:,} bytes. It may be lost, doubled "
        "or overtaken.",
        "the same datagram, to the address that it came from (1.2)",
    ),
    "frame-tcp": (
        "TCP: text",
        "Chapters 2 and 3. A stream of UTF-8 text without a delimiter: what one recv() returns is a message.",
        f"{REPLY_PREFIX.decode()!r} and the same bytes, always",
    ),
    "frame-v2": (
        f"TCP: frames of {FRAME_LENGTH} bytes",
        f"Chapter 4. Version is {VERSION}, order counts from 1. Size is the text's length in characters, as "
        f"it was typed: of its bytes the first {TEXT_LENGTH} are sent, padded with {PADDING.decode()!r}.",
        "the identical frame (4.3)",
    ),
    "frame-v3": (
        "TCP: frames of any size",
        f"Chapter 5. A header of {HEADER_LENGTH} bytes, then the text. Size is the text's length in bytes; "
        f"netlab refuses more than {MAX_SIZE:,}.",
        "the identical frame (5.3)",
    ),
    "frame-v3-scripts": (
        "TCP: size before order",
        "Chapter 5, as some labs' scripts have it.",
        "the identical frame",
    ),
}
"""What stands beside each picture: its name, the format, the echo."""

LAYOUT = """
body { max-width: 60rem; }
header p { margin: 0; }
h2 { margin: 1rem 0 .25rem; }
.format { display: grid; grid-template-columns: 64% 1fr; gap: .25rem 1rem; align-items: center; }
.format { padding: .4rem 0; }
.format + .format { border-top: 1px solid var(--line); }
.format h3 { margin: 0; }
.format p { margin: 0; font-size: .85rem; line-height: 1.35; }
.format svg { display: block; height: auto; max-width: 100%; }
.mistakes td { font-size: .8rem; line-height: 1.3; }
.mistakes td:first-child { width: 24%; }
.mistakes td:last-child { width: 34%; }
.mistakes code { font-size: .75rem; }
.mistakes b { display: block; }
.wrong { color: var(--soft); text-decoration: line-through; }
@media (max-width: 40rem) { .format { grid-template-columns: 1fr; } }
@page { size: A4; margin: 9mm 11mm 8mm; }
@media print {
  html { font-size: 8.4pt; }
  h1 { font-size: 12pt; }
  h2 { margin: .5rem 0 0; }
  .format { grid-template-columns: 60% 1fr; padding: .15rem 0; break-inside: avoid; }
  th, td { padding-top: .1rem; padding-bottom: .1rem; }
  .mistakes td { line-height: 1.2; }
}
"""
"""The look of this page, beside that of all pages."""


def one_page() -> str:
    """The page as a file of HTML."""
    return page(
        TITLE,
        tag("header", tag("h1", TITLE), tag("p", HEAD)),
        section("The five formats", *map(_format, ABOUT)),
        section("The ten diagnoses of netlab check that are met first", _mistakes()),
        style=LAYOUT + STYLE,
    )


def _format(name: str) -> Html:
    heading, about, echo = ABOUT[name]
    picture = PICTURES[name]
    words = tag("div", tag("h3", heading), tag("p", about), tag("p", tag("b", "Echo: "), echo))
    widest = max(each.width for each in PICTURES.values())
    drawn = tag("div", picture.drawn(), style=f"max-width: {100 * picture.width / widest:.1f}%")
    return tag("div", tag("div", drawn), words, class_="format")


def _mistakes() -> Html:
    known = known_mistakes()
    rows = [_row(known[name]) for name in FIRST]
    return tag("div", table(("word", "what goes wrong", "write"), rows), class_="mistakes")


def _row(mistake: Mistake) -> tuple[Html, Html, Html]:
    wrong, _, right = mistake.code.partition("   ->   ")
    cure = joined([tag("div", code(wrong), class_="wrong"), tag("div", code(right))])
    return joined([tag("b", mistake.name), _literals(mistake.title)]), _literals(mistake.explanation), cure


def _literals(text: str) -> Html:
    """Text with what stands between backquotes as code."""
    return joined(code(part) if i % 2 else part for i, part in enumerate(text.split("`")))


def known_mistakes() -> dict[str, Mistake]:
    """All mistakes of servers that netlab check can name, by their words."""
    models = (model_of(variant, echo=True, layout="guide") for variant in CHAPTERS)
    return {mistake.name: mistake for model in models for mistake in model.mistakes}
