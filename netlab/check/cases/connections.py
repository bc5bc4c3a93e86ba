"""What is asked of every TCP server: clients at once, endings, resets, floods (docs/protocol.md, C)."""

from __future__ import annotations

import contextlib
import socket
from functools import lru_cache

from netlab.check import kernel
from netlab.check.cases import CORE, ROBUST, case
from netlab.check.connection import Connection
from netlab.check.evidence import Fact
from netlab.check.findings import Closing, Verdict
from netlab.check.formats import FRAME_LENGTH, fixed, variable
from netlab.check.judged import Judged, fail, timeout, unseen
from netlab.check.programs import Limits, NotListening
from netlab.check.server import Message, Server
from netlab.check.waiting import CLOSE
from netlab.wire.text import REPLY_PREFIX

TCP = "tcp v2 v3"

FLOOD = 8_000_000
"""Bytes that are sent to who answers them: more than the buffers of both ends hold (Linux: 4 MiB)."""

FLOOD_V2 = 5_000_000
"""The same, of frames of 29 bytes: each of them is a line that is printed."""

FEWER = 290_000
"""The same, where twenty clients send frames of 29 bytes, or where all of it is to be printed."""

BEGINNING = 2_000
"""Bytes that came back rightly, where the rest was lost on the way."""

PAUSE = 2.0
"""Seconds in which a client says nothing: what a person needs to type a word."""

FEW = 64
"""Descriptors of a server that is to run out of them."""

NEARLY = 4
"""Descriptors that it may have left then, for what it opens and closes again."""


def say(server: Server, client: Connection, *messages: Message) -> None:
    """Send these messages, and see that they were taken."""
    client.send(*[message.data for message in messages])
    server.hear(client, *messages)


@case(
    TCP, "clients/1", CORE, "C9", "A second client is served while the first is connected and says nothing."
)
def second_client(server: Server) -> None:
    first, second = server.connect(), server.connect()
    message = server.message("the second client")
    second.send(message.data)
    server.evidence.facts[Fact.WAITS] = False
    try:
        server.hear(second, message)
    except Judged as judged:
        if judged.verdict is not Verdict.TIMEOUT:
            raise
        first.part()
        with contextlib.suppress(Judged):
            server.hear(second, message)
            server.evidence.facts[Fact.WAITS] = True
            raise timeout(
                "the second client was served only when the first had gone", judged.expected
            ) from None
        raise


@case(TCP, "clients/2", CORE, "C1 C9", "Ten clients talk at a time, and each gets what it is owed.")
def ten_clients(server: Server) -> None:
    clients = server.connect_many(10)
    said: list[list[Message]] = [[] for _ in clients]
    for order in (1, 2, 3):
        for number, client in enumerate(clients):
            said[number].append(server.message(f"{order} of client {number}", order))
            client.send(said[number][-1].data)
        server.hear_each(clients, said)


@case(TCP, "pause/1", CORE, "C5", "A client may take its time: after a pause of two seconds it is served.")
def takes_its_time(server: Server) -> None:
    client = server.connect()
    first, second = server.message("before the pause"), server.message("behind it", 2)
    client.send(first.data)
    server.hear(client, first)
    client.settle()
    closed_before = client.ended
    client.take(lambda _: False, PAUSE)
    if client.ended or closed_before:
        server.evidence.facts[Fact.IMPATIENT] = not closed_before
    client.send(second.data)
    server.hear(client, first, second)


@case(TCP, "clients/3", CORE, "C6", "When a client has left, the next one is served.")
def one_after_another(server: Server) -> None:
    for number in (1, 2, 3):
        client = server.connect()
        say(server, client, server.message(f"client {number}"))
        client.leave()


@case(TCP, "close/1", CORE, "C2", "When the client has closed its side, the server closes the connection.")
def closes(server: Server) -> None:
    client = server.connect()
    say(server, client, server.message("goodbye"))
    client.finish()
    if client.expect_end() is Closing.RESET:
        raise Judged(Verdict.LOOSE, "the server reset the connection instead of closing it", "a FIN")


@case(TCP, "close/2", ROBUST, "C6", "A client that leaves is nothing to complain of.", started=True)
def quietly(server: Server) -> None:
    client = server.connect()
    say(server, client, server.message("goodbye"))
    client.finish()
    client.expect_end()
    server.rested()
    if errors := server.errors():
        raise fail(f"a client that left was reported as {errors[-1]}", "no exception")


@case(TCP, "close/3", ROBUST, "C6", "Who connects and leaves without a word disturbs nobody.")
def without_a_word(server: Server) -> None:
    for _ in range(20):
        client = server.connect()
        client.finish()
    server.serves("after clients without a word")


@case(TCP, "reset/1", ROBUST, "C6", "A client that resets its connection disturbs nobody.")
def reset(server: Server) -> None:
    client = server.connect()
    say(server, client, server.message("about to be gone"))
    client.reset()
    server.serves("after a reset")
    server.serves("after a reset")


@case(TCP, "reset/2", ROBUST, "C6", "A client that resets with answers still unread disturbs nobody.")
def reset_unread(server: Server) -> None:
    for _ in range(20):
        client = server.connect()
        client.send(server.message("not waiting for an answer").data)
        client.reset()
    server.serves("after clients that did not wait")


@case(
    TCP, "reset/3", ROBUST, "C6", "Fifty connections that are reset as soon as they are there disturb nobody."
)
def reset_at_once(server: Server) -> None:
    for client in server.connect_many(50):
        client.reset()
    server.serves("after fifty resets")


@case(TCP, "silent/1", ROBUST, "C9", "Two hundred clients that say nothing keep nobody from being served.")
def silent(server: Server) -> None:
    server.connect_many(200)
    server.serves("beside two hundred silent clients")


@case(TCP, "burst/1", ROBUST, "C9", "Two hundred clients that connect at once are all served.")
def burst(server: Server) -> None:
    clients = server.connect_at_once(200)
    if len(clients) < 200:
        server.evidence.facts[Fact.FULL] = True
        raise timeout(f"{200 - len(clients)} of 200 connections were not made in time", "all of them")
    message = server.message("one of two hundred")
    for client in clients:
        client.exchange.known = False
        client.send(message.data)
    for client in clients if server.echo else ():
        try:
            server.hear(client, message)
        except Judged:
            server.evidence.facts[Fact.FULL] = server.program is not None and client.waits_outside()
            raise
    server.serves("after two hundred others")


def flood(server: Server) -> bytes:
    """As many bytes of right messages."""
    return _flood(server.variant, server.layout)


@lru_cache(maxsize=1)
def _flood(variant: str, layout: str) -> bytes:
    if variant == "tcp":
        return b"many bytes of text, " * (FLOOD // 20)
    if variant == "v2":
        return b"".join(fixed(order, "many frames") for order in range(1, FLOOD_V2 // FRAME_LENGTH))
    return b"".join(variable(layout, order, "many frames " * 80) for order in range(1, FLOOD // 969))


@case(TCP, "late/1", ROBUST, "C3", "A client that reads late loses not a byte.", echoed=True)
def late_reader(server: Server) -> None:
    client = server.connect(narrow=True)
    data = flood(server)
    server.evidence.facts[Fact.LOSES] = False
    taken = client.pour(data, reading=False)
    client.wait_until_stuck()
    client.pour(data[taken:])
    got = client.take_bytes(len(data))
    while server.variant == "tcp" and len(text := got.replace(REPLY_PREFIX, b"")) < len(data):
        before, got = got, client.take_bytes(len(got) + 1)
        if got == before:
            break
    back = text if server.variant == "tcp" else got
    if back != data:
        what = f"of {len(data):,} bytes {len(back):,} came back to a client that read late"
        if client.out_of_time:
            raise timeout(f"{what}, and the rest not in time", "all of them")  # slow, but nothing is lost
        server.evidence.facts[Fact.LOSES] = not client.ended and back.startswith(data[:BEGINNING])
        raise fail(what, "all of them")


@case(TCP, "never/1", ROBUST, "C3", "A client that never reads keeps nobody from being served.", echoed=True)
def never_reads(server: Server) -> None:
    client = server.connect(narrow=True)
    client.pour(flood(server), reading=False)
    client.wait_until_stuck()
    server.serves("beside a client that does not read")


@case(
    TCP, "never/2", ROBUST, "C3", "Twenty clients that never read keep nobody from being served.", echoed=True
)
def twenty_never_read(server: Server) -> None:
    data = flood(server)
    if server.variant == "v2":
        data = data[:FEWER]
    for client in server.connect_many(20, narrow=True):
        client.pour(data, reading=False)
    server.serves("beside twenty clients that do not read")


@case(TCP, "urgent/1", ROBUST, "C1", "Urgent data is a byte that few expect: it disturbs nobody.")
def urgent(server: Server) -> None:
    client = server.connect()
    client.exchange.known = False
    with contextlib.suppress(OSError):
        client.socket.send(b"!", socket.MSG_OOB)
    server.serves("after urgent data")


@case(
    TCP,
    "descriptors/1",
    ROBUST,
    "C8",
    "When descriptors run out, it survives, and serves again when some are free.",
    started=True,
)
def descriptors(server: Server) -> None:
    server.launch_again(Limits(descriptors=FEW))
    if server.program is None or not server.program.limits_apply:
        raise unseen("this system has no limit of descriptors")
    server.evidence.facts[Fact.EXHAUSTED] = False
    clients = server.connect_at_once(FEW + 20)
    if clients:
        clients[0].settle()
    used = kernel.descriptors(server.program.pids)
    if used is not None and used < FEW - NEARLY and server.program.alive:
        raise unseen(f"it did not run out of descriptors: it has used {used} of {FEW}")
    for client in clients:
        client.reset()
    over, before = server.patience.over(CLOSE), len(server.evidence.exchanges)
    while True:
        server.rested()  # until it has closed those that left, whoever comes finds it as full as before
        try:
            return server.serves("when the clients that took all descriptors had left")
        except Judged:
            gone = not server.program.alive
            if gone or over():
                server.evidence.facts[Fact.EXHAUSTED] = gone
                raise
            del server.evidence.exchanges[before:]


@case(
    TCP,
    "restart/1",
    ROBUST,
    "C7",
    "It can be started again at once, with connections of its last life around.",
    started=True,
)
def restart(server: Server) -> None:
    client = server.connect()
    say(server, client, server.message("before the restart"))
    server.evidence.facts[Fact.STUCK] = False
    try:
        server.launch_again()
    except NotListening as error:
        server.evidence.facts[Fact.STUCK] = True
        raise fail(str(error), "it listens again: SO_REUSEADDR") from None
    server.serves("after a restart")
