"""What is asked of TCP text servers, with threads or a selector (docs/protocol.md, T)."""

from __future__ import annotations

from netlab.check.cases import CORE, ROBUST, case
from netlab.check.judged import fail
from netlab.check.server import Server, without_prefixes


def one(server: Server, *pieces: str | bytes) -> None:
    """A text in these pieces, and its answer."""
    data = [piece.encode() if isinstance(piece, str) else piece for piece in pieces]
    server.ask(server.message(b"".join(data)), *(data if len(data) > 1 else ()))


@case("tcp", "message/1", CORE, "T3", "A text is answered with `ECHO: ` and the same text.", echoed=True)
def a_text(server: Server) -> None:
    one(server, "hello")


@case("tcp", "message/2", CORE, "T3", "A connection lasts: each message on it is answered.", echoed=True)
def several_texts(server: Server) -> None:
    server.talk(server.connect(), "one", "two", "a third message")


@case(
    "tcp",
    "message/3",
    CORE,
    "T1",
    "What one read yields is a message: nothing waits for a line end.",
    echoed=True,
)
def one_byte(server: Server) -> None:
    one(server, "x")


@case("tcp", "text/1", CORE, "T3", "Text beyond ASCII is UTF-8, and comes back unchanged.", echoed=True)
def beyond_ascii(server: Server) -> None:
    one(server, "grüße an alle, 終わり")


@case("tcp", "text/2", CORE, "T3", "Blanks and line ends come back as they were sent.", echoed=True)
def blanks(server: Server) -> None:
    one(server, "  two blanks before,\na line end within, and behind\n")


@case("tcp", "text/3", CORE, "T3 T4", "A text longer than one read comes back whole.", echoed=True)
def longer_than_a_read(server: Server) -> None:
    client = server.connect()
    text = b"".join(b"line %d of many\n" % number for number in range(1_000))
    client.exchange.known = False
    client.send(text)
    server.hear(client, server.message(text))


@case(
    "tcp", "split/1", ROBUST, "T5", "A character that is split over two segments harms nobody.", echoed=True
)
def split_character(server: Server) -> None:
    for text in ("grüße", "終わり", "a 🙂 b"):
        data = text.encode()
        for at in range(1, len(data)):
            if data[at] & 0xC0 == 0x80:
                one(server, data[:at], data[at:])


@case("tcp", "split/2", ROBUST, "T1 T5", "A text that comes byte by byte comes back whole.", echoed=True)
def byte_by_byte(server: Server) -> None:
    one(server, *[bytes((byte,)) for byte in "päckchen für päckchen: 終".encode()])


@case("tcp", "bytes/1", ROBUST, "T2", "Bytes that are no UTF-8 come back unchanged.", echoed=True)
def no_text(server: Server) -> None:
    one(server, b"caf\xe9 \xff\xfe\x80 end")
    server.serves("after bytes that are no UTF-8")


@case("tcp", "bytes/2", ROBUST, "T2 P1", "NUL and control characters come back unchanged.", echoed=True)
def controls(server: Server) -> None:
    one(server, b"\x00\x01\x07\x1b[2J\x7f end")
    server.serves("after control characters")


@case("tcp", "big/1", ROBUST, "T3 T4 C3", "Ten megabytes come back, not a byte lost.", echoed=True)
def ten_megabytes(server: Server) -> None:
    client = server.connect()
    text = bytes(range(0x61, 0x7B)) * (10_000_000 // 26)
    client.pour(text)
    server.hear(client, server.message(text))


@case("tcp", "half/1", ROBUST, "C2", "After the client's FIN, all that it is owed still comes.", echoed=True)
def half_close(server: Server) -> None:
    client = server.connect()
    text = b"all of this is owed, " * 2_000
    client.exchange.known = False
    client.send(text)
    client.finish()
    server.hear(client, server.message(text))
    client.expect_end()


@case("tcp", "foreign/1", ROBUST, "T2", "HTTP, TLS and binary frames on this port are bytes like any other.")
def foreign(server: Server) -> None:
    for data in (
        b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)),
        b"\x01\x00\x00\x00\x01\x00\x00\x00\x05hello",
    ):
        client = server.connect()
        client.send(data)
        got = client.take(lambda got, data=data: len(without_prefixes(got) or b"") >= len(data))  # type: ignore[misc]
        if without_prefixes(got) != data:
            what, expected = "bytes of another protocol came back changed", "`ECHO: ` and the same bytes"
            raise fail(what, expected, client.exchange)
        client.part()
    server.serves("after bytes of other protocols")
