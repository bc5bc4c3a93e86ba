"""netlab/report/page.py: whatever a text holds, a page only shows it."""

from __future__ import annotations

from html import escape
from urllib.parse import unquote, urljoin, urlsplit

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from netlab.report import page
from netlab.report.page import Html, escaped, tag
from netlab.wire.text import printable
from tests.report.pages import ATTRIBUTES, ELEMENTS, NO_BROWSER, Page, browser, opened

HOSTILE = "<script>document.title='owned'</script>\"'><img src=x onerror=\"document.title='owned'\">&lt;&#60;"
UNSEEN = "\x00\x1b[2J\r\n\t\x7f\x9b\u061c\u202e\u2066\u2028\udcff\ud800\ufffe"

WRITTEN = r"\x00\x1b[2J\r\n\t\x7f\x9b\u061c\u202e\u2066\u2028\xff\ud800\ufffe"


class Escaping(SynchronousTestCase):
    def test_what_cannot_be_seen_is_written_as_everywhere_else(self) -> None:
        for code in (*range(0x3000), *range(0xD7F0, 0xE010), *range(0xFFE0, 0xFFFE), 0x1F44B, 0x10FFFF):
            self.assertEqual(escaped(chr(code)), escape(printable(chr(code))), hex(code))

    def test_what_no_file_can_hold_is_visible(self) -> None:
        self.assertEqual(escaped(UNSEEN), WRITTEN)
        escaped(UNSEEN).encode()

    def test_html_is_escaped_once(self) -> None:
        self.assertEqual(escaped(escaped("a < b & c")), "a &lt; b &amp; c")

    def test_text_is_text_in_an_element_and_in_an_attribute(self) -> None:
        read = Page(tag("p", HOSTILE, tag("b", HOSTILE), title=HOSTILE))
        self.assertEqual(read.text, 2 * HOSTILE)
        self.assertEqual(read.elements, [("p", {"title": HOSTILE}), ("b", {})])

    def test_what_was_joined_with_html_is_text_again(self) -> None:
        self.assertEqual(escaped(tag("b", "x") + "<i>"), "&lt;b&gt;x&lt;/b&gt;&lt;i&gt;")


class Elements(SynchronousTestCase):
    def test_attributes(self) -> None:
        made = tag("a", "x", class_="one two", aria_label="y", open=True, hidden=False, href="")
        self.assertEqual(made, '<a class="one two" aria-label="y" open href="">x</a>')

    def test_what_is_empty_is_left_out(self) -> None:
        self.assertEqual(page.section("Failures", "", Html()), "")
        self.assertEqual(page.table(("a",), ()), "")
        self.assertEqual(page.bullets(()), "")
        self.assertEqual(page.paragraphs("\n \n"), "")

    def test_a_section_a_list_and_paragraphs(self) -> None:
        made = page.section("A & B", page.bullets(["<1>", "2"]), page.paragraphs("one\n\ntwo <3"))
        within = "<h2>A &amp; B</h2><ul><li>&lt;1&gt;</li><li>2</li></ul><p>one</p><p>two &lt;3</p>"
        self.assertEqual(made, f"<section>{within}</section>\n")

    def test_a_table(self) -> None:
        read = Page(page.table(("name", "a<b"), [("x", tag("b", "1")), (HOSTILE, "2")], "all & sundry"))
        self.assertEqual(read.cells, [["name", "a<b"], ["x", "1"], [HOSTILE, "2"]])
        self.assertIn("all & sundry", read.text)

    def test_lines_stay_as_they_are(self) -> None:
        made = page.lines(["", "  a  b", "c <d>"])
        self.assertEqual(made, "<pre>\n\n  a  b\nc &lt;d&gt;</pre>")

    def test_a_newline_in_a_line_is_no_line(self) -> None:
        self.assertEqual(page.lines(["a\nb"]), "<pre>\na\\nb</pre>")

    def test_details_are_open_unless_told_otherwise(self) -> None:
        self.assertIn(("details", {"class": "card", "open": None}), Page(page.details("x", "y")).elements)
        self.assertIn(("details", {"class": "card"}), Page(page.details("x", "y", open=False)).elements)


class Addresses(SynchronousTestCase):
    FOLDER = "https://lab.example/results/"

    def test_a_file_s_name_never_leads_elsewhere(self) -> None:
        for name in (
            "a.html",
            "a b#c?d=e&f.html",
            "javascript:alert(1)",
            "//other.example/x",
            "https:other.example",
            "100%.html",
            "%2e%2e.html",
            "gr\u00fc\u00dfe.html",
            "a\\b\x1b\n\udcff.html",
        ):
            address = urljoin(self.FOLDER, page.beside(name))
            parts = urlsplit(address)
            self.assertTrue(address.startswith(self.FOLDER), address)
            self.assertEqual((parts.query, parts.fragment), ("", ""))
            again = unquote(parts.path, errors="surrogateescape").removeprefix("/results/")
            self.assertEqual(again, name.removeprefix("//"))

    def test_a_fragment_finds_its_element(self) -> None:
        for name in ("v3/split/2", 'a b"<>%#\u00fc'):
            self.assertEqual(unquote(page.fragment(name)), f"#{name}")
            self.assertNotIn('"', page.fragment(name))


class Pages(SynchronousTestCase):
    written = page.page(
        f"1 < 2 {HOSTILE}", tag("h1", UNSEEN), page.card(HOSTILE, tag("p", HOSTILE, id=HOSTILE))
    )

    def test_it_is_made_of_nothing_that_loads_or_runs(self) -> None:
        read = Page(self.written)
        self.assertLessEqual({element for element, _ in read.elements}, ELEMENTS)
        self.assertLessEqual({name for _, attributes in read.elements for name in attributes}, ATTRIBUTES)
        self.assertNotIn("url(", self.written)
        self.assertNotIn("@import", self.written)

    def test_the_policy_comes_before_what_it_is_for(self) -> None:
        self.assertIn("default-src 'none'", page.POLICY)
        self.assertNotIn("script", page.POLICY)
        self.assertLess(self.written.index("Content-Security-Policy"), self.written.index("<style>"))
        self.assertLess(self.written.index('charset="utf-8"'), self.written.index("<title>"))

    def test_all_text_is_there(self) -> None:
        read = Page(self.written)
        self.assertEqual(read.title, f"1 < 2 {HOSTILE}")
        self.assertIn(WRITTEN, read.text)
        self.assertEqual(read.text.count(HOSTILE), 2)

    def test_it_can_be_written(self) -> None:
        self.written.encode()

    def test_style_of_one_s_own(self) -> None:
        self.assertIn(".mine { color: red }\n</style>", page.page("x", style=".mine { color: red }\n"))


class Browsers(SynchronousTestCase):
    """What a real browser makes of it."""

    def setUp(self) -> None:
        if browser() is None:
            raise SkipTest(NO_BROWSER)

    def test_no_script_runs_and_all_text_is_there(self) -> None:
        read = Page(opened(Pages.written))
        self.assertEqual(read.title, f"1 < 2 {HOSTILE}")
        self.assertIn(WRITTEN, read.text)
        self.assertEqual(read.text.count(HOSTILE), 2)
        self.assertLessEqual({element for element, _ in read.elements}, ELEMENTS)

    def test_even_a_script_that_came_through_does_not_run(self) -> None:
        leaked = Html(
            "<script>document.title = 'owned'</script>"
            "<img src='data:image/gif;base64,x' onerror=\"document.title = 'owned'\" alt=''>"
        )
        made = opened(page.page("mine", tag("p", leaked)))
        self.assertIn("<script>", made)
        self.assertIn("<title>mine</title>", made)
