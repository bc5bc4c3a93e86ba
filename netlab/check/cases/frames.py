"""What is asked of servers with binary frames, fixed or of variable size (docs/protocol.md, S, F and V)."""

from __future__ import annotations

import re

from netlab.check.cases import CORE, ROBUST, case
from netlab.check.formats import FRAME_LENGTH, HEADER_LENGTH
from netlab.check.judged import fail
from netlab.check.server import Server

BOTH = "v2 v3"


@case(BOTH, "message/1", CORE, "F1 V1", "A frame is one message: it is printed, or with echo sent back.")
def a_frame(server: Server) -> None:
    server.ask(server.message("hello"))


@case(BOTH, "message/2", CORE, "F1 V1 O2", "A connection lasts: each frame on it counts.")
def several_frames(server: Server) -> None:
    server.talk(server.connect(), "first", "second", "the third")


@case(BOTH, "text/1", CORE, "F2 V1", "Text beyond ASCII is UTF-8, and comes through unchanged.")
def beyond_ascii(server: Server) -> None:
    server.ask(server.message("grüße, 終わり"))


@case(BOTH, "text/2", CORE, "F6 V8", "Blanks and line ends belong to the text.", echoed=True)
def blanks(server: Server) -> None:
    server.ask(server.message("  two\nlines \n"))


@case(
    BOTH, "order/1", CORE, "F1 V1", "The numbers are in network byte order, and come back as they were sent."
)
def big_order(server: Server) -> None:
    message = server.message("a big order", 0x01020304)
    client = server.connect()
    client.send(message.data)
    server.hear(client, message)
    lines = [line for line in server.printed.splitlines() if "a big order" in line]
    shown = {int(number) for line in lines for number in re.findall(r"\b\d{8,10}\b", line)}
    server.evidence.numbers = shown
    if shown and 0x01020304 not in shown:
        printed = " and ".join(f"{number:,}" for number in sorted(shown))
        raise fail(
            f"order 16,909,060 was sent, and {printed} was printed",
            "the number that was sent: the header is `!BLL`, 1 + 4 + 4 bytes in network byte order",
            client.exchange,
        )


@case(BOTH, "split/1", CORE, "S1", "A frame whose header and text come in two segments is one frame.")
def header_apart(server: Server) -> None:
    message = server.message("header apart")
    at = HEADER_LENGTH
    server.ask(message, message.data[:at], message.data[at:])


@case(BOTH, "split/2", CORE, "S1 S2", "A frame may be cut into two segments at any place.")
def cut_anywhere(server: Server) -> None:
    message = server.message("cut anywhere")
    for at in range(1, len(message.data)):
        if at != HEADER_LENGTH:
            server.ask(message, message.data[:at], message.data[at:])


@case(BOTH, "split/3", CORE, "S1", "A frame may come byte by byte.")
def byte_by_byte(server: Server) -> None:
    message = server.message("byte by byte")
    server.ask(message, *[bytes((byte,)) for byte in message.data])


@case(
    BOTH,
    "split/4",
    ROBUST,
    "S1",
    "A character of the text that is cut in two by a segment's end harms nobody.",
)
def split_character(server: Server) -> None:
    message = server.message("grüße 終")
    for at in range(HEADER_LENGTH + 1, len(message.data)):
        if message.data[at] & 0xC0 == 0x80:
            server.ask(message, message.data[:at], message.data[at:])


@case(BOTH, "join/1", CORE, "S1", "Two frames in one segment are two messages.")
def two_in_one(server: Server) -> None:
    client = server.connect()
    messages = [server.message("one of two"), server.message("two of two", 2)]
    client.send(b"".join(each.data for each in messages))
    server.hear(client, *messages)


@case(BOTH, "join/2", CORE, "S1", "A frame and a half in one segment, then the rest, are two messages.")
def one_and_a_half(server: Server) -> None:
    client = server.connect()
    messages = [server.message("first of two"), server.message("second of two", 2)]
    data = b"".join(each.data for each in messages)
    at = len(messages[0].data) + 12
    client.send(data[:at], data[at:])
    server.hear(client, *messages)


@case(BOTH, "join/3", ROBUST, "S1", "A hundred frames in one segment are a hundred messages.")
def a_hundred(server: Server) -> None:
    client = server.connect()
    messages = [server.message(f"frame {order:03}", order) for order in range(1, 101)]
    client.exchange.known = False
    client.send(b"".join(each.data for each in messages))
    server.hear(client, *messages)


@case(BOTH, "size/0", CORE, "F5 V3", "An empty message, of size 0, is a message.")
def empty(server: Server) -> None:
    client = server.connect()
    messages = [server.message("", 1), server.message("after the empty one", 2)]
    client.send(messages[0].data)
    client.send(messages[1].data)
    server.hear(client, *messages)


@case(
    BOTH,
    "order/2",
    ROBUST,
    "O2 O3",
    "Orders that repeat, go back or wrap around are no reason to break.",
    echoed=True,
)
def odd_orders(server: Server) -> None:
    client = server.connect()
    messages = [server.message(f"number {order}", order) for order in (7, 7, 3, 0xFFFFFFFF, 0, 1)]
    for count, message in enumerate(messages, 1):
        client.send(message.data)
        server.hear(client, *messages[:count])


@case(
    BOTH,
    "bytes/1",
    ROBUST,
    "F4 V5",
    "Text that is no UTF-8 does not end the server, and comes back unchanged.",
)
def no_text(server: Server) -> None:
    message = server.message(b"caf\xe9 \xff\xfe\x80")
    client = server.connect()
    client.send(message.data)
    if server.echo:
        server.hear(client, message)
    server.serves("after text that is no UTF-8")


@case(BOTH, "bytes/2", ROBUST, "P1", "Control characters in a text do no harm.")
def controls(server: Server) -> None:
    message = server.message(b"\x00\x07\x1b[2J\x7f")
    client = server.connect()
    client.send(message.data)
    if server.echo:
        server.hear(client, message)
    server.serves("after control characters")


def refused(server: Server, data: bytes, what: str) -> None:
    """Something that is no frame: it is not answered, the connection is closed, and others are served."""
    client = server.connect()
    client.send(data)
    client.settle()
    if client.exchange.stream:
        raise fail(f"{what} was answered", "no answer, and the connection closed", client.exchange)
    server.serves(f"after {what}")
    client.expect_end()


@case(
    BOTH, "version/1", ROBUST, "R2", "A frame of another version is not answered; the connection is closed."
)
def wrong_version(server: Server) -> None:
    refused(server, server.message("version two", version=2).data, "a frame of version 2")


@case(BOTH, "foreign/1", ROBUST, "R2", "Plain text on this port is not answered; the connection is closed.")
def text(server: Server) -> None:
    refused(server, b"Hello, is anybody there? " * 3, "plain text")


@case(BOTH, "foreign/2", ROBUST, "R2", "A browser that comes by is not answered; the connection is closed.")
def http(server: Server) -> None:
    refused(server, b"GET / HTTP/1.1\r\nHost: lab:5005\r\nUser-Agent: x\r\n\r\n", "an HTTP request")


@case(BOTH, "foreign/3", ROBUST, "R2", "A TLS handshake is not answered; the connection is closed.")
def tls(server: Server) -> None:
    refused(server, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)), "a TLS handshake")


@case(
    BOTH,
    "valid/1",
    ROBUST,
    "R7",
    "The valid frames before a wrong one are answered all the same.",
    echoed=True,
)
def valid_before(server: Server) -> None:
    client = server.connect()
    messages = [server.message("valid one"), server.message("valid two", 2)]
    client.send(b"".join(each.data for each in messages) + b"\xff" * FRAME_LENGTH)
    server.hear(client, *messages)
    client.expect_end()


@case(BOTH, "short/1", ROBUST, "R4", "A frame that a FIN cuts off is not answered; the connection is closed.")
def cut_off(server: Server) -> None:
    message = server.message("cut off before its end")
    for length in (3, HEADER_LENGTH, len(message.data) - 1):
        client = server.connect()
        client.send(message.data[:length])
        client.finish()
        client.expect_end()
        if client.exchange.stream:
            what = f"{length} of {len(message.data)} bytes of a frame were answered"
            raise fail(what, "no answer", client.exchange)
    server.serves("after frames that were cut off")


@case(BOTH, "short/2", ROBUST, "R5", "Who stops in the middle of a frame keeps nobody else waiting.")
def stops_midway(server: Server) -> None:
    message = server.message("stops midway")
    for length in (1, HEADER_LENGTH, len(message.data) - 1):
        server.connect().send(message.data[:length])
    server.serves("while others have stopped in the middle of a frame")


@case(
    BOTH,
    "half/1",
    ROBUST,
    "C2",
    "After the client's FIN, all echoes that it is owed still come.",
    echoed=True,
)
def half_close(server: Server) -> None:
    client = server.connect()
    messages = [server.message(f"owed {order}", order) for order in range(1, 4)]
    client.exchange.known = False
    client.send(b"".join(each.data for each in messages))
    client.finish()
    server.hear(client, *messages)
    client.expect_end()
