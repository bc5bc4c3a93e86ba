"""netlab/explain/ladder.py, and its drawings: each packet is shown, where it belongs, and all of it fits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from xml.etree import ElementTree

from twisted.trial.unittest import SynchronousTestCase

from netlab.explain import ladder as ladders_
from netlab.explain.facts import End
from netlab.explain.ladder import Arrow, Gap, Ladder, Note, Part, ladder, ladders
from netlab.explain.reports import ladder_text, svg
from netlab.explain.reports.columns import columns, fitted, padded
from netlab.report.terminal import Writer
from tests.explain.drawings import ALL, HOSTILE, UNSEEN, WIDE, explained

UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
COLOUR = re.compile(r"\x1b\[[\d;]*m")

NARROW, NARROW_SMALL = 7.2, 6.3
"""The widths of a character, in pixels, in the font that Linux has: narrower than what is drawn for."""


def only(name: str, at: int = 0) -> Ladder:
    """The ladder of one conversation of an example."""
    capture = explained(name)
    return ladder(capture, capture.conversations[at])


def every() -> Iterator[tuple[str, Ladder]]:
    """All ladders of all examples, those of two clients, too."""
    for name in ALL:
        capture = explained(name)
        for together in (False, True):
            for each in ladders(capture, capture.conversations, together=together):
                yield f"{name}: {each.title}", each
    yield "the greatest that may be", greatest(1)
    yield "the greatest of two", greatest(2)


def greatest(clients: int) -> Ladder:
    """A ladder whose numbers, names and texts are as long as they can be."""
    most = 0xFFFFFFFF
    numbers = (("version", 1), ("size", 1 << 20), ("order", most))
    parts = tuple(
        Part(kind, text * 300, numbers, prefix, 20, place, not place, not place, 20_000)
        for kind in ("request", "echo", "answer", "rest")
        for text in ("x", "\u6f22", "\U0001f44b")
        for prefix in ("", "ECHO: ")
        for place in ("", f"bytes {1 << 20} to {(1 << 20) + 8} of {(1 << 20) + 9}")
    )
    label = f"Seq={most} Ack={most} Len=65535"
    rows = [
        Arrow(
            20_000,
            123_456.789012,
            forth,
            client,
            "FIN, SYN, RST, PSH, ACK",
            label,
            shown,
            1_000,
            (Note("x" * 300), Note("\u6f22" * 99, True)),
            again,
            broken,
            made_up,
            "\u6f22" * 40,
        )
        for forth in (True, False)
        for client in range(clients)
        for shown in (parts, tuple(replace(part, ends=True) for part in parts), ())
        for again, broken, made_up in ((True, False, False), (False, True, False), (False, False, True))
    ]
    end = End("2001:db8:1234:5678:9abc:def0:1234:5678", 65_535)
    gap = Gap(
        123_456.0, "packets 10000 to 20000: " + "client [2001:db8::1]:65535 and " * 9, "12,345 more packets"
    )
    return Ladder(("session 12345",) * clients, (end,) * clients, end, (rows[0], gap, *rows[1:]))


def arrow(found: Ladder, number: int) -> Arrow:
    """The row of a packet."""
    return next(each for each in found.arrows if each.number == number)


class Model(SynchronousTestCase):
    def test_a_session_from_its_syn_to_its_last_fin(self) -> None:
        found = only("plain")
        self.assertEqual(
            [(each.number, each.forth, each.label) for each in found.arrows],
            [
                (1, True, "SYN Seq=0"),
                (2, False, "SYN, ACK Seq=0 Ack=1"),
                (3, True, "ACK Seq=1 Ack=1"),
                (4, True, "PSH, ACK Seq=1 Ack=1 Len=14"),
                (5, False, "PSH, ACK Seq=1 Ack=15 Len=14"),
                (6, True, "FIN, ACK Seq=15 Ack=15"),
                (7, False, "FIN, ACK Seq=15 Ack=16"),
            ],
        )
        self.assertEqual([row for row in found.rows if isinstance(row, Gap)], [])
        self.assertAlmostEqual(found.arrows[3].at, 0.003)
        fields = (("version", 1), ("order", 1), ("size", 5))
        self.assertEqual(found.arrows[3].parts, (Part("request", "hello", fields),))
        self.assertEqual(found.arrows[4].parts, (Part("echo", "hello", fields, echo_of=4),))

    def test_frames_do_not_end_where_segments_do(self) -> None:
        found = only("pieces")
        begun, rest = arrow(found, 4), arrow(found, 5)
        self.assertEqual([each.words for each in begun.parts], ["order 1, bytes 0 to 4 of a frame"])
        self.assertEqual(
            [each.words for each in rest.parts],
            ["size 5, bytes 5 to 13 of 14: hello", "order 2, size 1: x", r"2 bytes: \x01\x00"],
        )
        self.assertEqual(
            [(each.begins, each.ends) for each in (*begun.parts, rest.parts[0])],
            [(True, False), (False, True)],
        )
        self.assertEqual([each.text for each in arrow(found, 7).notes], ["truncated"])
        self.assertTrue(arrow(found, 7).notes[0].wrong)

    def test_padding_is_no_text(self) -> None:
        parts = arrow(only("padded"), 4).parts
        self.assertEqual(
            [(each.text, each.padding) for each in parts], [("hello", 15), ("a text that is certa", 0)]
        )

    def test_what_is_sent_again_and_what_ends_at_once(self) -> None:
        found = only("damaged")
        again = arrow(found, 5)
        self.assertEqual((again.again, again.parts), (True, arrow(found, 4).parts))
        self.assertEqual([each.text for each in again.notes], ["retransmission (first: packet 4)"])
        self.assertEqual([each.number for each in found.arrows if each.broken], [7])
        self.assertEqual(found.rows[4], Gap(pause=again.at - found.arrows[3].at))
        self.assertEqual(found.rows[4].words, "0.201 s later")
        refused = only("damaged", 1).arrows
        self.assertEqual([(each.forth, each.broken) for each in refused], [(True, False), (False, True)])

    def test_texts_and_their_answers(self) -> None:
        found = only("answered")
        self.assertEqual(arrow(found, 4).parts, (Part("request", "hello"),))
        self.assertEqual(arrow(found, 5).parts, (Part("echo", "hello", prefix="ECHO: ", echo_of=4),))
        self.assertEqual(arrow(found, 5).parts[0].words, "ECHO: hello")

    def test_datagrams_and_what_icmp_says_of_them(self) -> None:
        found = only("datagrams")
        self.assertEqual([each.label for each in found.arrows], ["UDP Len=5", "UDP Len=5", "UDP Len=0"])
        self.assertEqual([each.parts[0].words for each in found.arrows], ["hello", "hello", "(empty)"])
        lost = only("datagrams", 1).arrows
        self.assertEqual(
            [(each.number, each.forth, each.broken) for each in lost], [(4, True, False), (5, False, True)]
        )
        self.assertEqual(lost[1].label, "ICMP unreachable")

    def test_who_handled_it_and_what_is_made_up(self) -> None:
        found = only("recorded")
        self.assertEqual([each.made_up for each in found.arrows], [True, True, True, False, False])
        self.assertEqual([each.handled for each in found.arrows], ["", "", "", "client-1", "client-1"])

    def test_many_messages_of_one_segment_are_counted(self) -> None:
        sent = arrow(only("crowded"), 4)
        self.assertEqual((len(sent.parts), sent.more), (ladders_.MAX_PARTS, 30 - ladders_.MAX_PARTS))
        self.assertEqual(sent.counted, "and 24 more messages")

    def test_of_a_long_session_the_middle_is_counted_but_for_what_is_remarkable(self) -> None:
        capture = explained("long")
        session = capture.sessions[0]
        for most in (6, 12, 30, 100):
            found = ladder(capture, session, most)
            self.assertLessEqual(len(found.arrows), most)
            shown = {each.number for each in found.arrows}
            self.assertLessEqual({1, 2, 3, 243}, shown)
            left_out = [
                int(row.left_out.split(" ")[0]) for row in found.rows if isinstance(row, Gap) and row.left_out
            ]
            self.assertEqual(len(shown) + sum(left_out), len(session.segments))
        jump = next(each.number for each in ladder(capture, session).arrows if each.notes)
        self.assertIn(jump, [each.number for each in ladder(capture, session, 30).arrows])
        self.assertEqual(len(ladder(capture, session).arrows), ladders_.MAX_ROWS)

    def test_what_was_captured_between_is_named(self) -> None:
        found = only("two", 1)
        said = [row.words for row in found.rows if isinstance(row, Gap)]
        self.assertEqual(said, ["packets 7 to 8: session 1", "packets 11 to 12: session 1; 1.5 s later"])
        self.assertEqual(
            [row.words for row in only("three").rows if isinstance(row, Gap)],
            [
                "packets 4 to 9: session 2 and session 3",
                "packets 12 to 15: session 2 and session 3",
            ],
        )

    def test_two_at_once_share_a_ladder_with_the_server_in_its_middle(self) -> None:
        capture = explained("two")
        found = ladders(capture, capture.conversations, together=True)
        self.assertEqual([each.names for each in found], [("session 1", "session 2"), ("session 3",)])
        self.assertEqual([each.number for each in found[0].arrows], list(range(1, 15)))
        self.assertEqual([each.client for each in found[0].arrows[:8]], [0, 0, 0, 1, 1, 1, 0, 0])
        self.assertEqual(found[0].title, "session 1 and session 2")

    def test_three_at_once_do_not(self) -> None:
        capture = explained("three")
        found = ladders(capture, capture.conversations, together=True)
        self.assertEqual([each.names for each in found], [("session 1",), ("session 2",), ("session 3",)])

    def test_each_packet_is_in_one_ladder(self) -> None:
        for name in ALL:
            capture = explained(name)
            numbers = [
                each.number
                for found in ladders(capture, capture.conversations, 1000, together=True)
                for each in found.arrows
            ]
            self.assertEqual(sorted(numbers), list(range(1, capture.count + 1)), name)


class Columns(SynchronousTestCase):
    def test_wide_and_combining_characters(self) -> None:
        self.assertEqual(
            [columns(each) for each in ("hello", "\u6f22", "e\u0301", "\U0001f44b", "")], [5, 2, 1, 2, 0]
        )

    def test_what_is_fitted_fits(self) -> None:
        for text in ("hello world", "\u6f22\u5b57" * 5, "e\u0301" * 9, WIDE):
            for room in range(12):
                for ellipsis in ("\u2026", "..."):
                    self.assertLessEqual(columns(fitted(text, room, ellipsis)), room)
            self.assertEqual(fitted(text, 30), text)
            self.assertEqual(columns(padded(text, 30)), 30)
        self.assertEqual(fitted("hello world", 8), "hello w\u2026")


class Text(SynchronousTestCase):
    def drawn(self, name: str, width: int = 80, at: int = 0) -> list[str]:
        return list(ladder_text.render(only(name, at), Writer(width, False)))

    def test_a_session(self) -> None:
        self.assertEqual(
            self.drawn("pieces"),
            [
                "#   seconds  client                                                       server",
                "             10.0.0.1:40001                                       192.0.2.1:5005",
                "1  0.000000  |----------- SYN Seq=0 ------------------------------------------>|",
                "2  0.001000  |<---------- SYN, ACK Seq=0 Ack=1 --------------------------------|",
                "3  0.002000  |----------- ACK Seq=1 Ack=1 ------------------------------------>|",
                "4  0.003000  |----------- PSH, ACK Seq=1 Ack=1 Len=5 ------------------------->|",
                "             |            order 1, bytes 0 to 4 of a frame                     |",
                "5  0.004000  |----------- PSH, ACK Seq=6 Ack=1 Len=21 ------------------------>|",
                "             |            size 5, bytes 5 to 13 of 14: hello                   |",
                "             |            order 2, size 1: x                                   |",
                r"             |            2 bytes: \x01\x00                                    |",
                "             |            ! unfinished                                         |",
                "6  0.005000  |<---------- PSH, ACK Seq=1 Ack=27 Len=24 ------------------------|",
                "             |            order 1, size 5: hello (echo of 5)                   |",
                "             |            order 2, size 1: x (echo of 5)                       |",
                "7  0.006000  |----------- FIN, ACK Seq=27 Ack=25 ----------------------------->|",
                "             |            ! truncated                                          |",
                "8  0.007000  |<---------- FIN, ACK Seq=25 Ack=28 ------------------------------|",
            ],
        )

    def test_what_is_sent_again_what_is_made_up_and_what_is_gone(self) -> None:
        drawn = self.drawn("damaged")
        self.assertTrue(any(re.search(r"\|- - -.* PSH, ACK .* - - *->\|", line) for line in drawn), drawn)
        self.assertTrue(any(re.search(r"\|<-+ RST, ACK .* -+X\|", line) for line in drawn), drawn)
        drawn = self.drawn("recorded")
        self.assertTrue(any(re.search(r"\|<\.+ SYN, ACK .* \.+\|$", line) for line in drawn), drawn)
        self.assertTrue(any(re.search(r"\|-+ PSH, ACK .* -+>\| client-1$", line) for line in drawn), drawn)

    def test_two_clients(self) -> None:
        capture = explained("two")
        both = ladders(capture, capture.conversations, together=True)[0]
        drawn = list(ladder_text.render(both, Writer(ladder_text.TOGETHER, False)))
        self.assertRegex(drawn[0], r"client +server +client$")
        self.assertTrue(any(re.search(r"\|-+ SYN Seq=0 -+>\| +\|$", line) for line in drawn))
        self.assertTrue(any(re.search(r"\| +\|<-+ SYN Seq=0 -+\|$", line) for line in drawn))

    def test_at_each_width_the_lines_of_client_and_server_are_straight(self) -> None:
        for name, found in every():
            widths = (80, 81, 97, 120) if len(found.clients) == 1 else (ladder_text.TOGETHER, 120)
            for width in widths:
                drawn = list(ladder_text.render(found, Writer(width, False)))
                self.assertLessEqual(max(map(columns, drawn)), width, name)
                self.assertGreaterEqual(max(map(columns, drawn)), width - 30, name)
                rows = [line for line in drawn if re.search("[|:]", line)][1:]
                edges = {self.edges(line) for line in rows if line.lstrip(" 0123456789.")[:1] in "|:"}
                self.assertEqual(len(edges), 1, (name, width, edges))

    def edges(self, line: str) -> tuple[int, int]:
        """In which columns the first line stands, and the server's, or the second client's."""
        before, bar, after = re.match(r"([ \d.]*)([|:])(.*)$", line).groups()  # type: ignore[union-attr]
        last = re.sub(r"(?<=[|:]) [^|:]*$", "", after) if not after.endswith(bar) else after
        return columns(before), columns(before + bar + last)

    def test_only_what_was_sent_is_not_plain(self) -> None:
        for name in ("plain", "pieces", "damaged", "datagrams", "two", "long", "crowded", "recorded"):
            self.assertTrue("".join(self.drawn(name)).isascii(), name)

    def test_nothing_that_was_sent_is_obeyed(self) -> None:
        for _, found in every():
            for line in ladder_text.render(found, Writer(120, False)):
                self.assertIsNone(UNSAFE.search(line))
        self.assertIn(r"\x1b[2J", "".join(self.drawn("hostile")))

    def test_colours_change_no_character(self) -> None:
        for name, found in every():
            plain = list(ladder_text.render(found, Writer(120, False)))
            coloured = list(ladder_text.render(found, Writer(120, True)))
            self.assertEqual([COLOUR.sub("", line) for line in coloured], plain, name)
        self.assertNotEqual(coloured, plain)


SVG = "{http://www.w3.org/2000/svg}"


def parsed(found: Ladder) -> ElementTree.Element:
    """The picture as XML: it must be well-formed."""
    return ElementTree.fromstring(svg.standalone(found))


def numbers(element: ElementTree.Element, *names: str) -> list[float]:
    return [float(element.get(name, "0")) for name in names]


class Pictures(SynchronousTestCase):
    def test_all_is_inside(self) -> None:
        for name, found in every():
            picture = parsed(found)
            _, _, width, height = map(float, picture.get("viewBox", "").split())
            self.assertEqual(numbers(picture, "width", "height"), [width, height])
            for each in picture.iter():
                kind = each.tag.removeprefix(SVG)
                if kind == "line":
                    xs, ys = numbers(each, "x1", "x2"), numbers(each, "y1", "y2")
                elif kind == "rect":
                    x, y, w, h = numbers(each, "x", "y", "width", "height")
                    xs, ys = [x, x + w], [y, y + h]
                elif kind == "path":
                    xs, ys = map(list, zip(*points(each.get("d", "")), strict=True))
                else:
                    continue
                self.assertTrue(0 <= min(xs) <= max(xs) <= width, (name, each.attrib))
                self.assertTrue(0 <= min(ys) <= max(ys) <= height, (name, each.attrib))

    def test_no_text_leaves_the_picture_nor_its_lane(self) -> None:
        for name, found in every():
            picture = parsed(found)
            width = float(picture.get("width", "0"))
            for each in picture.iter(f"{SVG}text"):
                left, right = extent(each)
                self.assertTrue(0 <= left <= right <= width, (name, "".join(each.itertext())))

    def test_no_text_leaves_its_cell(self) -> None:
        cells = 0
        for name, found in every():
            for row in parsed(found).iter(f"{SVG}g"):
                boxes = [
                    points(each.get("d", ""))
                    for each in row.iter(f"{SVG}path")
                    if "box" in each.get("class", "")
                ]
                walls = [
                    numbers(each, "x1", "y1")
                    for each in row.iter(f"{SVG}line")
                    if each.get("class") == "cell"
                ]
                for box in boxes:
                    left, right = min(x for x, _ in box), max(x for x, _ in box)
                    top, bottom = min(y for _, y in box), max(y for _, y in box)
                    edges = [x for x, y in walls if left < x < right and y == top]
                    self.assertEqual(edges, sorted(edges), name)
                    for text in row.iter(f"{SVG}text"):
                        x, y = numbers(text, "x", "y")
                        if not (left <= x <= right and top <= y <= bottom):
                            continue
                        end = min([edge for edge in edges if edge > x] + [right])
                        self.assertLessEqual(extent(text)[1], end, (name, "".join(text.itertext())))
                        cells += 1
        self.assertGreater(cells, 500)

    def test_text_of_any_width_is_clipped(self) -> None:
        for each in parsed(only("hostile")).iter(f"{SVG}g"):
            for text in each.findall(f"{SVG}text"):
                self.assertTrue("".join(text.itertext()).replace("\u2026", "").isascii())
        clipped = list(parsed(only("hostile")).iter(f"{SVG}svg"))[1:]
        self.assertGreater(len(clipped), 4)
        for each in clipped:
            self.assertGreater(min(numbers(each, "width", "height")), 0)

    def test_what_is_shown_is_told_too(self) -> None:
        for name, found in every():
            picture = parsed(found)
            self.assertEqual(picture.get("role"), "img")
            titles = [each.findtext(f"{SVG}title") for each in picture.iter(f"{SVG}g")]
            self.assertEqual(len(titles), len(found.rows))
            for row, title in zip(found.rows, titles, strict=True):
                self.assertTrue(title, (name, row))
                self.assertIn(title or "", picture.get("aria-label", ""))
        self.assertIn(
            "packet 5 at 0.004000 s, server to client: PSH, ACK Seq=1 Ack=15 Len=14; order 1, size 5: hello "
            "(echo of 4)",
            parsed(only("plain")).get("aria-label", ""),
        )

    def test_frames_are_in_their_segment_field_by_field(self) -> None:
        rows = list(parsed(only("pieces")).iter(f"{SVG}g"))
        texts = ["".join(text.itertext()) for text in rows[4].iter(f"{SVG}text")]
        self.assertEqual(
            [text for text in texts if text],
            [
                *("5", "0.004000", "PSH, ACK Seq=6 Ack=1 Len=21"),
                *("size", "5", "bytes 5 to 13 of 14", "hello"),
                *("ver", "1", "order", "2", "size", "1", "x"),
                *("2 bytes", r"\x01\x00", "! unfinished"),
            ],
        )
        kinds = [each.get("class") for each in rows[4].iter(f"{SVG}path")]
        self.assertEqual(kinds, ["segment", "box request", "box request", "box rest"])

    def test_a_torn_edge(self) -> None:
        rows = list(parsed(only("pieces")).iter(f"{SVG}g"))
        begun, ended, whole = (
            next(each.get("d", "") for each in list(rows[at].iter(f"{SVG}path"))[place:])
            for at, place in ((3, 1), (4, 1), (4, 2))
        )
        self.assertEqual([len(points(each)) for each in (begun, ended, whole)], [7, 8, 4])

    def test_it_stands_alone(self) -> None:
        made = svg.standalone(only("hostile"), f"about {HOSTILE}{UNSEEN}")
        self.assertNotIn("url(", made)
        self.assertNotIn("<script", made)
        self.assertIsNone(UNSAFE.search(made.replace("\n", "")))
        self.assertIn("prefers-color-scheme: dark", made)
        for name in re.findall(r"var\((--\w+)\)", made):
            self.assertIn(f"{name}: #", made)

    def test_on_a_page_each_packet_is_a_row_that_can_be_gone_to(self) -> None:
        found = only("long")
        made = svg.svg(found)
        table = ElementTree.fromstring(made)
        rows = [each for each in table.iter("tr") if each.get("id")]
        self.assertEqual([each.get("id") for each in rows], [f"p{each.number}" for each in found.arrows])
        self.assertEqual(len(list(table.iter("thead"))), 1)
        for each in table.findall(".//tbody/tr/td/svg"):
            self.assertEqual(each.get("role"), "img")
            self.assertTrue(each.findtext("title"))


def points(drawn: str) -> list[tuple[float, float]]:
    """The corners of a path of ours."""
    found: list[tuple[float, float]] = []
    x = y = 0.0
    for command, written in re.findall(r"([MLlhvzm])([-\d. ]*)", drawn):
        values = [float(each) for each in re.findall(r"-?[\d.]+", written)]
        if command in "ML":
            x, y = values
        elif command in "lm":
            x, y = x + values[0], y + values[1]
        elif command == "h":
            x += values[0]
        elif command == "v":
            y += values[0]
        else:
            continue
        found.append((x, y))
    return found


def extent(text: ElementTree.Element) -> tuple[float, float]:
    """From where to where a text reaches, in a font that is common."""
    kind = text.get("class", "").split()
    written = "".join(text.itertext())
    width = columns(written) * (NARROW_SMALL if "small" in kind else NARROW)
    x = float(text.get("x", "0"))
    left = x - width if "end" in kind else x - width / 2 if "middle" in kind else x
    return left, left + width
