"""How messages are encoded, how they fell into segments, and how they are decoded again (1.2, 4.2, 5.2)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from netlab.explain.facts import Capture, Exchange, Message, Session, counted
from netlab.explain.statements import Statement, statement
from netlab.wire import fields, fixed, strangers, variable
from netlab.wire.text import complete_length, decode
from netlab.wire.variable import HEADER_LENGTH, Layout

MOST_LISTED = 12
"""Frames of one segment that are named one by one."""


def tell(capture: Capture, subjects: Sequence[Session | Exchange]) -> Iterator[Statement]:
    """For each message: its bytes under the names of its fields, and what is to be seen in them; for a
    segment with several frames, and a frame in several segments: that it is so.
    """
    for each in subjects:
        # What came back as it was sent has been told of already, on its way forth.
        told = {id(echo) for sent in each.messages for echo in sent.echoes if echo.data == sent.data}
        new = [message for message in each.messages if id(message) not in told]
        if isinstance(each, Exchange):
            yield from (_datagram(each, message) for message in new)
        elif each.variant == "tcp":
            yield from (_text(each, message) for message in new if not message.prefixed)
        elif each.ours:
            yield from _layout(each)
            for message in new:
                yield from _frame(each, message)
            yield from _segments(each)


def _datagram(exchange: Exchange, message: Message) -> Statement:
    count, characters = len(message.data), len(decode(message.data))
    differ = "" if count == characters else f", {counted(characters, 'character')} in UTF-8"
    return statement(
        "datagram",
        exchange,
        f"datagram {message.number}",
        f"The {exchange.side(message.forth)}'s datagram is one message, {message.named}: "
        f"{counted(count, 'byte')}{differ}; with the header its length is {count + 8:,}.",
        [message.number],
        fields.table(fields.text(message.data)),
    )


def _text(session: Session, message: Message) -> Statement:
    who, count = session.side(message.forth), len(message.data)
    return statement(
        "text",
        session,
        f"{who}'s text at {message.start}",
        f"The {who}'s text {message.named} has {counted(len(decode(message.data)), 'character')} and "
        f"{counted(count, 'byte')}. In the stream nothing marks its end.",
        session.copies(message.packets),
        fields.table(fields.text(message.data)),
    )


def _layout(session: Session) -> Iterator[Statement]:
    """Which layout it is; told by the first frame whose two numbers differ (V6)."""
    decisive = next((each for each in session.messages if each.order != each.size), None)
    if session.layout and decisive is not None:
        yield statement(
            "layout",
            session,
            f"{session.side(decisive.forth)}'s frame at {decisive.start}",
            f"The header's fields are {Layout(session.layout).fields} (netlab calls this layout "
            f"`{session.layout}`): order {decisive.order}, size {decisive.size}. Read the other way round, "
            f"the order would be {decisive.size}, and the text {counted(decisive.order or 0, 'byte')} long.",
            session.copies(decisive.packets),
        )


def _frame(session: Session, message: Message) -> Iterator[Statement]:
    about = f"{session.side(message.forth)}'s frame at {message.start}"
    carriers = session.copies(message.packets)
    end = message.start + len(message.data)
    unit = "characters" if message.variant == "v2" else "bytes"
    yield statement(
        "frame",
        session,
        about,
        f"The {session.side(message.forth)}'s frame of order {message.order}, size {message.size} ({unit}), "
        f"{message.quoted}: bytes {message.start:,} to {end - 1:,} of its stream.",
        carriers,
        fields.table(_fields(message), message.cuts),
    )
    if message.variant == "v2" and strangers.is_little_endian(message.data):
        return  # what its numbers say is not what was meant: that is told as trouble
    if message.start == 0 and message.forth:
        number = message.data[1:5]
        yield statement(
            "byte-order",
            session,
            about,
            "The most significant byte comes first (network byte order, big-endian): the first number's "
            f"bytes, {number.hex(' ')}, are {int.from_bytes(number, 'big')}; the other way round they would "
            f"be {int.from_bytes(number, 'little')}.",
            carriers,
        )
    if message.variant == "v2":
        yield from _text_field(session, message, about)
    else:
        yield statement(
            "size-tells",
            session,
            about,
            f"Size {message.size} tells where this frame ends: {HEADER_LENGTH} bytes of header and "
            f"{message.size} of text are {end - message.start}, so byte {end:,} begins the next frame.",
            carriers,
        )


def _fields(message: Message) -> list[fields.Field]:
    if message.variant == "v2" and len(message.data) == message.length:
        return fields.fixed(fixed.Frame(*fixed.LAYOUT.unpack(message.data)))
    if message.variant == "v3" and len(message.data) == message.length:
        layout = Layout.SCRIPTS if message.layout == "scripts" else Layout.GUIDE
        return fields.variable(variable.format(layout, message.size or 0).decode(message.data), layout)
    return [("bytes", message.data)]  # a part of it is not in the capture


def _text_field(session: Session, message: Message, about: str) -> Iterator[Statement]:
    size, carriers = message.size or 0, session.copies(message.packets)
    field = message.data[HEADER_LENGTH:]
    if message.has("text-cut"):
        yield statement(
            "cut",
            session,
            about,
            f"The text was cut: {size} characters were typed (size), and the field's {fixed.TEXT_LENGTH} "
            f"bytes had room for {len(decode(field[: complete_length(field)]))} of them: {message.quoted}.",
            carriers,
        )
    padding = len(field) - len(field.rstrip(fixed.PADDING))
    if size < fixed.TEXT_LENGTH and padding:
        yield statement(
            "padded",
            session,
            about,
            f"The text was padded: {counted(padding, 'byte')} 2d (`-`) {'fills' if padding == 1 else 'fill'} "
            f"the field up to {fixed.TEXT_LENGTH}; size {size} says how many characters are the text.",
            carriers,
        )


def _segments(session: Session) -> Iterator[Statement]:
    """Frames in several segments, and several frames in one."""
    inside: defaultdict[int, list[Message]] = defaultdict(list)
    for message in session.messages:
        for number in message.packets:
            inside[number].append(message)
        if len(message.packets) > 1:
            yield _split(session, message)
    for number, messages in sorted(inside.items()):
        if len(messages) > 1:
            yield _joined(session, number, messages)


def _split(session: Session, message: Message) -> Statement:
    bounds = [0, *message.cuts, len(message.data)]
    lengths = " + ".join(str(after - before) for before, after in pairwise(bounds))
    return statement(
        "split",
        session,
        f"{session.side(message.forth)}'s frame at {message.start}",
        f"The frame of order {message.order} came in {len(message.packets)} segments ({lengths} bytes; the "
        "bar in its bytes is where one ended): one recv() may return a part of it, and the receiver must "
        "read on.",
        session.copies(message.packets),
    )


def _joined(session: Session, number: int, messages: Sequence[Message]) -> Statement:
    orders = ", ".join(str(each.order) for each in messages[:MOST_LISTED])
    more = f" and {len(messages) - MOST_LISTED:,} more" if len(messages) > MOST_LISTED else ""
    parts = " or parts of them" if any(len(each.packets) > 1 for each in messages) else ""
    return statement(
        "joined",
        session,
        f"{session.side(messages[0].forth)}'s segment at {messages[0].start}, {messages[-1].start}",
        f"One segment of the {session.side(messages[0].forth)}'s carries {len(messages)} frames{parts}, of "
        f"order {orders}{more}: one recv() may return them all, and the receiver must cut them apart.",
        session.copies([number]),
    )
