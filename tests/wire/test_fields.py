"""The bytes of a message stand under the names of their fields."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from netlab.wire import fields, fixed, variable
from netlab.wire.variable import Layout


class Fields(SynchronousTestCase):
    def test_a_frame_of_fixed_size(self) -> None:
        self.assertEqual(
            fields.table(fields.fixed(fixed.frame(1, "hello"))),
            [
                "version  order        size         text",
                "01       00 00 00 01  00 00 00 05  " + b"hello---------------".hex(" "),
            ],
        )

    def test_a_frame_of_variable_size_in_the_sequence_of_its_layout(self) -> None:
        frame = variable.frame(1, "hello")
        self.assertEqual(
            fields.table(fields.variable(frame, Layout.GUIDE)),
            ["version  order        size         text", "01       00 00 00 01  00 00 00 05  68 65 6c 6c 6f"],
        )
        self.assertEqual(
            fields.table(fields.variable(frame, Layout.SCRIPTS)),
            ["version  size         order        text", "01       00 00 00 05  00 00 00 01  68 65 6c 6c 6f"],
        )

    def test_a_bar_stands_where_one_read_ended_and_the_next_began(self) -> None:
        numbers = fields.variable(variable.frame(1, "hello"), Layout.GUIDE)
        self.assertEqual(
            fields.table(numbers, (3, 9, 11)),
            ["version  order        size         text", "01       00 00|00 01  00 00 00 05 |68 65|6c 6c 6f"],
        )

    def test_a_field_without_bytes_says_so(self) -> None:
        self.assertEqual(fields.table(fields.text(b"")), ["text", "(no bytes)"])

    def test_of_a_long_field_the_rest_is_counted(self) -> None:
        names, data = fields.table(fields.text(bytes(2000 + fields.SHOWN)))
        self.assertEqual((names, data), ("text", "00 " * fields.SHOWN + "... 2,000 more"))

    def test_an_answer_of_a_text_server(self) -> None:
        self.assertEqual(fields.reply(b"ECHO: you"), [("prefix", b"ECHO: "), ("text", b"you")])
        self.assertEqual(fields.reply(b"echo: you"), [("text", b"echo: you")])

    def test_the_fields_of_a_frame_joined_are_its_bytes(self) -> None:
        for typed in "", "hello", "grüße an alle, 20+ Bytes":
            short = fixed.frame(7, typed)
            self.assertEqual(b"".join(data for _, data in fields.fixed(short)), short.pack())
            for layout in Layout:
                frame = variable.frame(0xFFFFFFFF, typed)
                joined = b"".join(data for _, data in fields.variable(frame, layout))
                self.assertEqual(joined, frame.pack(layout))
