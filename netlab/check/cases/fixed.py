"""What is asked of servers with frames of 29 bytes (docs/protocol.md, F)."""

from __future__ import annotations

from netlab.check.cases import CORE, ROBUST, case
from netlab.check.formats import FIXED, TEXT_LENGTH
from netlab.check.server import Message, Server


@case("v2", "text/3", CORE, "F2", "A text that fills its field, 20 bytes, needs no padding.")
def full(server: Server) -> None:
    server.ask(server.message("exactly twenty bytes"))


@case("v2", "size/1", CORE, "F3 F6", "Size is the length of the text as it was typed, and may be above 20.")
def cut_text(server: Server) -> None:
    server.ask(server.message("a text of more than twenty bytes"))


@case(
    "v2",
    "text/4",
    ROBUST,
    "F4",
    "A text that was cut inside a character at byte 20 is a message like any other.",
)
def cut_character(server: Server) -> None:
    for text in ("nineteen bytes here ü", "x" * 19 + "終わり", "x" * 18 + "🙂"):
        server.ask(server.message(text))


@case("v2", "text/5", ROBUST, "F2 F6", "A text that ends in real dashes comes back unchanged.", echoed=True)
def real_dashes(server: Server) -> None:
    server.ask(server.message("dashes--"))


@case("v2", "padding/1", ROBUST, "F2", "Any padding is taken, and comes back unchanged.", echoed=True)
def other_padding(server: Server) -> None:
    for padding in (b"\0", b" ", b"x"):
        server.ask(Message(FIXED.pack(1, 1, 5, b"hello".ljust(TEXT_LENGTH, padding)), "hello"))


@case("v2", "size/2", ROBUST, "F3", "Size may be any number: nothing is read or taken by it.", echoed=True)
def any_size(server: Server) -> None:
    for size in (21, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        server.ask(server.message("hello", 1, size))


@case(
    "v2",
    "foreign/4",
    ROBUST,
    "R4",
    "A client of the variable format is not answered, and keeps nobody waiting.",
)
def variable_client(server: Server) -> None:
    client = server.connect()
    client.send(b"\x01\x00\x00\x00\x01\x00\x00\x00\x05hello")
    client.expect_nothing("a frame of 14 bytes")
    server.serves("while a client of the variable format waits")
