"""What is asked of clients: the bytes that they send, how they take the answers, and how they end."""

from __future__ import annotations

import time
from collections.abc import Callable

from netlab.check.cases import CORE, ROBUST, case
from netlab.check.client import Client
from netlab.check.evidence import Fact
from netlab.check.findings import Verdict
from netlab.check.formats import FRAME_LENGTH, HEADER, HEADER_LENGTH, fixed, variable
from netlab.check.judged import Judged, fail, timeout
from netlab.check.waiting import ANSWER, START
from netlab.wire.text import REPLY_PREFIX

ALL = "client-udp client-tcp client-v2 client-v3"
STREAMS = "client-tcp client-v2 client-v3"
FRAMES = "client-v2 client-v3"

BEYOND_ASCII = "grüße, 終わり"
"""10 characters, 18 bytes: it fits the field of a frame of fixed size."""

LATE = 1.0
"""Seconds after which an echo is late: longer than any server needs, shorter than any client's patience."""

ODD_ORDER, ODD_VERSION = 4242, 77
"""Numbers that no right echo has, and that can be found again in what a program prints."""

GROWTH = 20 << 20
"""Bytes that a client may grow by for a header that promises 4 GiB."""

HUGE = 0xFFFFFFFF


def loose(summary: str, expected: str = "") -> Judged:
    """It is not as it should be, but few would mind."""
    return Judged(Verdict.LOOSE, summary, expected)


def forged(client: Client, text: str, order: int | None = None, version: int = 1) -> bytes:
    """An answer to the latest line with another text, order or version. order: None for the right one."""
    if client.variant in ("udp", "tcp"):
        return (REPLY_PREFIX if client.variant == "tcp" else b"") + text.encode()
    order = client.orders()[-1] if order is None else order
    if client.variant == "v2":
        return fixed(order, text, version=version)
    return variable(client.layout, order, text, version=version)


# What is sent.


@case(ALL, "message/1", CORE, "U1 T1 F1 V1", "A line is sent as one message, with the bytes of the format.")
def a_line(client: Client) -> None:
    client.type("hello")
    client.hear()
    client.expect_no_more()


@case(STREAMS, "message/2", CORE, "T1 F1 V1 O2", "Several lines go over one connection.")
def several_lines(client: Client) -> None:
    client.evidence.facts[Fact.RECONNECTS] = False
    client.say("first", "second", "the third")
    client.expect_no_more()


@case("client-udp", "message/2", CORE, "U1", "Each line is a datagram of its own.")
def several_datagrams(client: Client) -> None:
    client.say("first", "second", "the third")
    client.expect_no_more()


@case(ALL, "message/3", CORE, "U1 T1 F1 V1", "A text of one character is a message like any other.")
def one_character(client: Client) -> None:
    client.say("x")


@case(FRAMES, "order/1", CORE, "O1 O2", "Orders count the messages of a connection, from 1.")
def orders(client: Client) -> None:
    client.say("first", "second", "the third")
    if client.orders() != [1, 2, 3]:
        came = ", ".join(f"{each:,}" for each in client.orders())
        raise fail(f"the orders are {came}", "1, 2, 3")


@case(ALL, "text/1", CORE, "U1 T1 F2 F3 V1 V3", "Text beyond ASCII is sent in UTF-8.")
def beyond_ascii(client: Client) -> None:
    client.say("grüße, auch an Ärzte", BEYOND_ASCII)


@case(ALL, "text/2", CORE, "U1 T1 F2 V1", "Blanks belong to the text, at its ends, too.")
def blanks(client: Client) -> None:
    client.say("  two and three   ")


@case("client-v2", "text/3", CORE, "F2", "A text that fills its field, 20 bytes, needs no padding.")
def full(client: Client) -> None:
    client.say("exactly twenty bytes")


@case("client-v2", "size/1", CORE, "F2 F3", "A longer text is cut at byte 20; size says how long it was.")
def cut(client: Client) -> None:
    client.say("a text of more than twenty bytes")


@case("client-v2", "size/2", CORE, "F2 F3", "Size counts characters, the field bytes: also where it is cut.")
def cut_beyond_ascii(client: Client) -> None:
    client.say("äöüÄÖÜßäöüÄÖÜß")


@case("client-v2", "text/4", ROBUST, "F2 F4", "A text may have to be cut inside a character.")
def cut_character(client: Client) -> None:
    for text in ("x" * 19 + "終わり", "x" * 18 + "🙂", "x" * 19 + "ü"):
        client.say(text)
        if client.echo:
            client.shows(text.rstrip("終わり🙂ü"))


@case("client-udp client-tcp client-v3", "size/1", ROBUST, "U2 T1 V1", "A long line is sent whole.")
def long_line(client: Client) -> None:
    text = "a long line " * (100 if client.variant == "udp" else 400) + "to its end"
    client.say(text)
    if client.echo:
        client.shows(text)


@case(ALL, "empty/1", ROBUST, "U1 T6 F5 V3", "An empty line is a message, or over TCP as text is left out.")
def empty_line(client: Client) -> None:
    client.say("before")
    client.type("")
    before = len(client.exchange.received)
    if client.variant == "tcp":
        client.rest()
    elif _sends_it(client, before):
        client.hear()
        if client.echo:
            client.reply(client.answer())
    else:
        client.lines.pop()
    client.rest()
    if not client.running:
        raise loose("it ends at an empty line", "an empty line is a message like any other")
    client.say("after")
    if "" not in client.lines:
        raise loose("an empty line is not sent", "an empty message")


def _sends_it(client: Client, before: int) -> bool:
    """Does an empty message come?"""
    if client.variant == "udp":
        return len(client.mailbox.take(before + 1)) > before
    whole = len(client.exchange.stream)
    return len(client.connection.take(lambda got: len(got) > whole)) > whole


# How the answers are taken.


@case(ALL, "echo/1", CORE, "E1 E2", "The echo is taken, and its text printed.", echoed=True)
def an_echo(client: Client) -> None:
    client.say("hello, echo")
    client.shows("hello, echo")


@case(ALL, "echo/2", CORE, "E1 E2", "The echo of each message is taken, and its text printed.", echoed=True)
def several_echoes(client: Client) -> None:
    for text in ("the first of three", "the second of three", "number three"):
        client.say(text)
        client.shows(text)


@case(ALL, "echo/3", CORE, "E2 P1", "Text beyond ASCII is printed as it was typed.", echoed=True)
def echo_beyond_ascii(client: Client) -> None:
    client.say(BEYOND_ASCII)
    client.shows(BEYOND_ASCII)


@case(FRAMES, "split/1", CORE, "S1", "An echo may come in two segments, header and text.", echoed=True)
def header_apart(client: Client) -> None:
    cut_at(client, "header apart", HEADER_LENGTH)


@case(FRAMES, "split/2", CORE, "S1", "An echo may come in two segments, cut at any place.", echoed=True)
def cut_anywhere(client: Client) -> None:
    length = FRAME_LENGTH if client.variant == "v2" else HEADER_LENGTH + len("cut at 00")
    for at in range(1, length):
        if at != HEADER_LENGTH:
            cut_at(client, f"cut at {at:02}", at)


@case(FRAMES, "split/3", CORE, "S1", "An echo may come byte by byte.", echoed=True)
def byte_by_byte(client: Client) -> None:
    client.type("byte by byte")
    client.hear()
    client.reply(*[bytes((byte,)) for byte in client.answer()])
    client.shows("byte by byte")


def cut_at(client: Client, text: str, at: int) -> None:
    """A line whose echo comes in two segments."""
    client.type(text)
    client.hear()
    answer = client.answer()
    client.reply(answer[:at], answer[at:])
    client.shows(text)


@case(STREAMS, "split/4", ROBUST, "S1 T5", "An echo may be cut in two inside of a character.", echoed=True)
def split_character(client: Client) -> None:
    for text in ("grüße", "a 終 b"):
        client.type(text)
        client.hear()
        answer = client.answer()
        at = next(at for at, byte in enumerate(answer) if byte & 0xC0 == 0x80)
        client.reply(answer[:at], answer[at:])
        client.shows(text)


@case("client-tcp", "split/1", ROBUST, "S1 T4", "An answer may come in two segments, cut anywhere.")
def text_cut(client: Client) -> None:
    for parts in (("", "prefix apart"), ("a left half,", " a right half")):
        client.type("".join(parts))
        client.hear()
        first = REPLY_PREFIX + parts[0].encode()
        client.reply(first, parts[1].encode())
        client.shows("".join(parts), *filter(None, parts))
    client.type("in the prefix")
    client.hear()
    client.reply(b"ECH", b"O: in the prefix")
    client.shows("in the prefix")


@case("client-tcp", "split/2", ROBUST, "T4", "An answer may come in two pieces, each with its own `ECHO: `.")
def two_prefixes(client: Client) -> None:
    client.type("a left half, a right half")
    client.hear()
    client.reply(REPLY_PREFIX + b"a left half,", REPLY_PREFIX + b" a right half")
    client.shows("a left half, a right half", "a left half,", " a right half")


@case("client-tcp", "split/3", ROBUST, "S1 T4", "An answer may come byte by byte.")
def text_byte_by_byte(client: Client) -> None:
    client.type("byte by byte")
    client.hear()
    client.reply(*[bytes((byte,)) for byte in client.answer()])
    client.shows("byte by byte")


@case(
    FRAMES,
    "join/1",
    ROBUST,
    "S1",
    "Who sends two messages before an echo has come takes both echoes from one segment.",
    echoed=True,
)
def two_in_one(client: Client) -> None:
    client.type("one of two")
    client.hear()
    client.type("two of two")
    one = len(client.exchange.stream)
    if len(client.connection.take(lambda got: len(got) > one)) == one:
        client.reply(client.answer(0))  # it waits for each echo
        client.hear()
        client.reply(client.answer(1))
        client.shows("two of two")
        return
    client.hear()
    client.reply(client.answer(0) + client.answer(1))
    client.shows("one of two")
    client.shows("two of two")


@case(ALL, "late/1", ROBUST, "E5", "An echo that takes a second is an echo.", echoed=True)
def late(client: Client) -> None:
    client.type("patience")
    client.hear()
    client.rest()
    time.sleep(LATE)
    client.reply(client.answer())
    client.shows("patience")


def notices(client: Client, forge: Callable[[], bytes], trace: str, what: str) -> None:
    """A wrong echo: it is said, or seen in what is printed. trace: what is only in the wrong one."""
    client.say("the right one")
    client.rest()
    right = client.shape()
    client.type("the wrong one")
    client.hear()
    client.reply(forge())
    client.rest()
    noticed = client.complains() or trace in client.shown or client.shape() != right
    status = client.ends()
    if not noticed and not (status and not client.stumbles()):
        raise loose(f"{what} is taken for the echo, without a word", "it is said that the echo is wrong")


@case(ALL, "wrong/1", ROBUST, "E2", "An echo with another text is not taken for the right one.", echoed=True)
def wrong_text(client: Client) -> None:
    notices(client, lambda: forged(client, "THE OTHER ONE"), "THE OTHER ONE", "another text")


@case(
    FRAMES, "wrong/2", ROBUST, "E1", "An echo with another order is not taken for the right one.", echoed=True
)
def wrong_order(client: Client) -> None:
    notices(
        client,
        lambda: forged(client, "the wrong one", ODD_ORDER),
        str(ODD_ORDER),
        "the echo of another order",
    )


@case(FRAMES, "wrong/3", ROBUST, "R2", "A frame of another version is not taken for an echo.", echoed=True)
def wrong_version(client: Client) -> None:
    notices(
        client,
        lambda: forged(client, "the wrong one", version=ODD_VERSION),
        str(ODD_VERSION),
        "a frame of another version",
    )


@case(ALL, "double/1", ROBUST, "E1 E5", "An echo that comes twice does no harm.", echoed=True)
def doubled(client: Client) -> None:
    client.type("said once")
    client.hear()
    if client.variant == "udp":
        client.reply(client.answer(), client.answer())
    else:
        client.reply(client.answer() * 2)
    client.rest()
    if not client.complains():
        client.shows("said once")
        client.learn()
        client.type("said after that")
        try:
            client.hear()
        except Judged:
            client.rest()
            if client.running or not (client.complains() or client.tells()):
                raise
            return  # it has ended because of it, in the midst of its frame
        client.reply(client.answer())
        client.rest()
    noticed = client.complains() or client.tells() or "said after that" in client.shown
    client.ends()
    if not noticed:
        raise loose("the second echo is taken for that of the next message", "it is said, or left out")


@case(ALL, "bytes/1", ROBUST, "P1 E2", "An echo that is no UTF-8 ends no client.", echoed=True)
def no_text(client: Client) -> None:
    client.type("caf\N{LATIN SMALL LETTER E WITH ACUTE}")
    client.hear()
    answer = client.answer()
    client.reply(answer.replace("é".encode(), b"\xe9\xff"))
    client.rest()
    client.ends()


@case("client-v3", "limit/1", ROBUST, "V4", "A size of 4 GiB is not believed.", echoed=True)
def huge(client: Client) -> None:
    client.type("hello")
    client.hear()
    client.rest()
    before = client.memory()
    numbers = (client.orders()[-1], HUGE) if client.layout == "guide" else (HUGE, client.orders()[-1])
    client.reply(HEADER.pack(1, *numbers) + b"hello")
    client.rest()
    after = client.memory()
    if before is not None and after is not None and after > before + GROWTH:
        grown = (after - before) / (1 << 20)
        raise fail(f"it has taken {grown:,.0f} MiB for what a header promised", "no memory for bytes to come")
    client.connection.finish()
    client.ends()


# How it ends.


@case(ALL, "end/1", CORE, "C2", "It ends, and its connection with it, when there is nothing more to read.")
def its_input_ends(client: Client) -> None:
    client.say("the last word")
    if client.echo:
        client.rest()
    client.ends()
    if client.stumbles():
        raise loose("it ends by an EOFError", "it ends when the input ends: except EOFError")


def survives(client: Client) -> None:
    """After the connection is lost: it ends, and says something."""
    client.rest()
    client.ends()
    if not client.complains() and not client.tells():
        raise loose("it ends without a word, as if all was well", "one line that says so, and a status not 0")


@case(
    STREAMS,
    "lost/1",
    ROBUST,
    "C4 E3",
    "When the server closes instead of an answer, it says so and ends.",
    echoed=True,
)
def closed(client: Client) -> None:
    client.type("nobody answers")
    client.hear()
    client.learn()
    client.connection.finish()
    client.close_down()
    survives(client)


@case(STREAMS, "lost/2", ROBUST, "C6 E3", "When the connection is reset, it says so and ends.", echoed=True)
def is_reset(client: Client) -> None:
    client.type("nobody answers")
    client.hear()
    client.learn()
    client.connection.reset()
    client.close_down()
    survives(client)


@case(STREAMS, "lost/3", ROBUST, "C6", "When the connection is gone before a line is typed, it says so.")
def gone_before(client: Client) -> None:
    client.say("all is well")
    client.learn()
    client.exchange.lost_after = len(client.lines)
    client.connection.reset()
    client.close_down()
    client.type("this is lost", "and this")
    survives(client)


@case("client-udp", "lost/1", ROBUST, "U5 E5", "A lost echo is not waited for, for ever.", echoed=True)
def lost_echo(client: Client) -> None:
    client.type("lost")
    client.hear()
    client.rest()
    client.type("after the lost one")
    client.evidence.facts[Fact.HANGS] = False
    over = client.patience.over(2 * START)
    while client.running and len(client.mailbox.take(2, ANSWER / 10)) < 2:
        if over():
            client.evidence.facts[Fact.HANGS] = True
            raise timeout(
                f"no second datagram came within {2 * START * client.patience.factor:g} s of a lost echo",
                "it gives the echo up after a while, and goes on or ends",
            )


@case("client-udp", "stranger/1", ROBUST, "E4", "A datagram from somebody else is no echo.", echoed=True)
def stranger(client: Client) -> None:
    client.type("who is there?")
    client.hear()
    client.evidence.facts[Fact.STRANGERS] = False
    client.rest()
    client.stranger(b"it is me, somebody else")
    client.rest()
    client.reply(client.answer())
    try:
        client.shows("who is there?")
    except Judged as judged:
        client.evidence.facts[Fact.STRANGERS] = True
        client.evidence.exchanges.clear()  # the fact says all
        client.evidence.texts.clear()
        raise fail("a datagram from another port was taken for the echo", judged.expected) from None


@case(ALL, "nobody/1", ROBUST, "E3", "Where nobody listens, it says so in a line, and ends.")
def nobody(client: Client) -> None:
    client.refuse()
    client.type("is anybody there?")
    try:
        status = client.ends()
    except Judged:
        if client.variant == "udp":
            client.evidence.facts[Fact.HANGS] = True
        raise
    if client.variant == "udp" and not client.echo:
        return  # nobody says so to who only sends
    if client.silent:
        raise loose("it says nothing where nobody listens", "one line that says so")
    if not status:
        raise loose("its exit status is 0 where nobody listens", "a status that says that it failed")
