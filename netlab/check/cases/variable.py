"""What is asked of servers with frames of variable size (docs/protocol.md, V)."""

from __future__ import annotations

from netlab.check.cases import CORE, ROBUST, case
from netlab.check.cases.frames import refused
from netlab.check.formats import HEADER, fixed
from netlab.check.judged import fail
from netlab.check.server import Server


@case("v3", "size/1", CORE, "V1", "A text of one byte is a message like any other.")
def one_byte(server: Server) -> None:
    server.ask(server.message("x"))


@case("v3", "size/2", CORE, "V1", "A text longer than one read is one message.")
def longer_than_a_read(server: Server) -> None:
    message = server.message("long " * 4_000)
    client = server.connect()
    client.exchange.known = False
    client.exchange.probed = len(message.data)  # of a part of it nothing can be told
    client.send(message.data)
    server.hear(client, message)


@case("v3", "size/3", ROBUST, "V4", "A text of nearly a mebibyte is taken whole.", echoed=True)
def nearly_a_mebibyte(server: Server) -> None:
    message = server.message("m" * ((1 << 20) - 1))
    client = server.connect()
    client.exchange.probed = len(message.data)
    client.pour(message.data)
    client.take_bytes(len(message.data))
    server.hear(client, message)


@case("v3", "join/4", ROBUST, "S1", "Frames of different sizes in one segment are told apart.")
def mixed_sizes(server: Server) -> None:
    client = server.connect()
    messages = [server.message("y" * size + "!", order) for order, size in enumerate((0, 40, 3, 900, 1), 1)]
    client.send(b"".join(each.data for each in messages))
    server.hear(client, *messages)


@case("v3", "limit/1", ROBUST, "V4 R3", "A size of 2 GiB is refused when the header is there.")
def two_gibibytes(server: Server) -> None:
    refused(server, server.message("", 1, 0x80000000).data, "a header that announces 2 GiB")


@case("v3", "limit/2", ROBUST, "V4 R3", "A size of 4,294,967,295 is refused, before memory is taken for it.")
def four_gibibytes(server: Server) -> None:
    refused(server, server.message("x" * 20, 1, 0xFFFFFFFF).data, "a header that announces 4 GiB")


@case(
    "v3",
    "limit/3",
    ROBUST,
    "V4",
    "Two hundred clients that each announce 64 KiB and send one byte cost little.",
)
def announced(server: Server) -> None:
    header = server.message("", 1, 65_536).data
    for client in server.connect_many(200):
        client.exchange.known = False
        client.send(header + b"x")
    server.serves("while two hundred clients have announced much")


@case(
    "v3",
    "short/3",
    ROBUST,
    "R4",
    "More announced than sent, then FIN: no answer, and the connection is closed.",
)
def more_announced(server: Server) -> None:
    client = server.connect()
    client.send(server.message("only this much", 1, 500).data)
    client.finish()
    client.expect_end()
    if client.exchange.stream:
        raise fail("a frame of which most is missing was answered", "no answer", client.exchange)
    server.serves("after a frame of which most was missing")


@case(
    "v3",
    "short/4",
    ROBUST,
    "R2",
    "Less announced than sent: the framing is lost, and the connection is closed.",
)
def less_announced(server: Server) -> None:
    client = server.connect()
    client.send(server.message("much more than announced", 1, 4).data)
    client.settle()
    server.serves("after a frame that was longer than it said")
    client.expect_end()


@case("v3", "foreign/4", ROBUST, "R2", "A client of the fixed format is refused at the first padding.")
def fixed_client(server: Server) -> None:
    client = server.connect()
    client.send(fixed(1, "hello") + fixed(2, "hello"))
    client.settle()
    server.serves("after a client of the fixed format")
    client.expect_end()


@case(
    "v3", "foreign/5", ROBUST, "R3", "Numbers in little-endian are refused: the size they announce is absurd."
)
def little_endian(server: Server) -> None:
    header = HEADER.pack(1, int.from_bytes((1).to_bytes(4, "little"), "big"), 0x05000000)
    refused(server, header + b"hello", "a header in little-endian")
