"""What is asked of UDP servers (docs/protocol.md, U)."""

from __future__ import annotations

from netlab.check.cases import CORE, ROBUST, case
from netlab.check.findings import Verdict
from netlab.check.judged import Judged, fail
from netlab.check.server import Message, Server
from netlab.check.waiting import QUIET

LARGEST = 65_507
"""Bytes: what UDP over IPv4 can carry."""

BURST = 10_000
"""Datagrams sent without a pause."""


def one(server: Server, text: str | bytes) -> None:
    """One datagram, and what comes of it."""
    client = server.datagrams()
    message = server.message(text)
    client.send(message.data)
    server.hear(client, message)


@case("udp", "message/1", CORE, "U1 U3", "A datagram is one message: it is printed, or with echo sent back.")
def a_datagram(server: Server) -> None:
    one(server, "hello, datagram")


@case("udp", "message/2", CORE, "U1 U3", "Each datagram of a client counts, not the first alone.")
def several_datagrams(server: Server) -> None:
    server.talk(server.datagrams(), *[f"message {number}" for number in range(1, 6)])


@case("udp", "message/3", CORE, "U1", "A text of one byte is a message like any other.")
def one_byte(server: Server) -> None:
    one(server, b"x" if server.echo else "x")


@case(
    "udp",
    "clients/1",
    CORE,
    "U3",
    "Each client gets its own echo, at the port that it sent from.",
    echoed=True,
)
def two_clients(server: Server) -> None:
    first, second = server.datagrams(), server.datagrams()
    said: tuple[list[Message], list[Message]] = [], []
    for text in ("one", "two", "three"):
        to_first, to_second = server.message(f"{text} of the first"), server.message(f"{text} of the second")
        first.send(to_first.data)
        second.send(to_second.data)
        said[0].append(to_first)
        said[1].append(to_second)
        server.hear_each((first, second), said)


@case("udp", "text/1", CORE, "U1", "Text beyond ASCII is UTF-8, and comes through unchanged.")
def beyond_ascii(server: Server) -> None:
    one(server, "grüße an alle, 終わり")


@case("udp", "text/2", CORE, "U1 U3", "Blanks and line ends belong to the message.", echoed=True)
def blanks(server: Server) -> None:
    one(server, "  two blanks before, a line end behind\n")


@case(
    "udp",
    "size/1",
    CORE,
    "U2",
    "A datagram as long as an Ethernet frame carries (1,472 bytes) is taken whole.",
)
def an_ethernet_frame(server: Server) -> None:
    one(server, "e" * 1_469 + "end")


@case("udp", "size/2", ROBUST, "U1", "An empty datagram is a message: the server goes on.")
def empty(server: Server) -> None:
    client = server.datagrams()
    client.send(b"")
    echoes = client.take(1) if server.echo else client.settle()
    server.serves("after an empty datagram")
    if server.echo and not echoes:
        server.evidence.exchanges.clear()  # some libraries send no empty datagrams
        raise Judged(
            Verdict.LOOSE, "an empty datagram was not sent back", "an empty datagram", client.exchange
        )


@case(
    "udp",
    "size/3",
    ROBUST,
    "U2",
    "A datagram of 9,000 bytes, which the network carries in pieces, is taken whole.",
)
def nine_thousand(server: Server) -> None:
    one(server, "j" * 8_997 + "end")


@case(
    "udp",
    "size/4",
    ROBUST,
    "U2",
    "The largest datagram that there is, of 65,507 bytes, is never cut in silence.",
)
def the_largest(server: Server) -> None:
    one(server, "L" * (LARGEST - 3) + "end")
    server.serves("after the largest datagram")


@case("udp", "bytes/1", ROBUST, "U1 P1", "A datagram that is no UTF-8 does not end the server.")
def no_text(server: Server) -> None:
    client = server.datagrams()
    client.send(b"caf\xe9 \xff\xfe\x80")
    if server.echo:
        client.expect([b"caf\xe9 \xff\xfe\x80"])
    else:
        client.settle()
    server.serves("after a datagram that is no UTF-8")


@case(
    "udp",
    "bytes/2",
    ROBUST,
    "P1",
    "Control characters, escapes and NUL are a message: sent back as they are.",
)
def controls(server: Server) -> None:
    client = server.datagrams()
    data = b"\x00\x07\x1b[2Jbell\x7f\xc2\x9b \xe2\x80\xae"
    client.send(data)
    if server.echo:
        client.expect([data])
    else:
        client.settle()
    server.serves("after control characters")


@case(
    "udp",
    "bytes/3",
    ROBUST,
    "P1",
    "What a client sent is escaped before it is printed.",
    started=True,
)
def escaped(server: Server) -> None:
    client = server.datagrams()
    client.send(b"before\x1b]0;gotcha\x07after")
    client.take(1) if server.echo else client.settle()
    server.serves("after an escape sequence")
    if "\x1b]0;gotcha" in server.printed:
        raise Judged(
            Verdict.LOOSE,
            "an escape sequence that a client sent went to the terminal, which obeys it",
            "it is printed as \\x1b",
        )


@case("udp", "burst/1", ROBUST, "U5", "Ten thousand datagrams in a burst: the server lives, and serves on.")
def burst(server: Server) -> None:
    client = server.datagrams()
    client.exchange.known = False
    for number in range(BURST // 100):
        client.send(*[b"burst %d" % each for each in range(number * 100, number * 100 + 100)])
        client.settle() if number % 20 == 19 else None
    client.take(BURST, QUIET * 4)
    server.serves("after a burst")
    if server.echo and not client.exchange.received:
        raise fail("of a burst, not one datagram came back", "those that the kernel did not drop")


@case("udp", "gone/1", ROBUST, "U3", "Who leaves before the answer comes does not disturb the others.")
def sender_gone(server: Server) -> None:
    for _ in range(20):
        client = server.datagrams()
        client.exchange.known = False
        client.send(b"do not wait for me")
        client.part()
    server.serves("after senders that did not wait")
    server.serves("after senders that did not wait")


@case(
    "udp",
    "amplify/1",
    ROBUST,
    "U3",
    "No answer is longer than what it answers: nobody can be flooded through it.",
)
def never_longer(server: Server) -> None:
    client = server.datagrams()
    for data in (b"", b"a", b"amplify me"):
        before = len(client.exchange.received)
        client.send(data)
        got = client.settle()[before:]
        if sum(map(len, got)) > len(data) or len(got) > 1:
            raise fail(
                f"{len(data)} bytes were answered with {sum(map(len, got))}", "the same datagram, once"
            )


@case("udp", "many/1", ROBUST, "U3", "Two hundred clients are all served.")
def many(server: Server) -> None:
    clients = [server.datagrams() for _ in range(200)]
    for number, client in enumerate(clients):
        message = server.message(f"client {number} of many")
        client.send(message.data)
        server.hear(client, message)
