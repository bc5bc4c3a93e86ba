"""What came back: each message with its echo, and the time between (1.2, 2.2, 4.3, 5.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netlab.explain.facts import Capture, Exchange, Message, Session
from netlab.explain.statements import Statement, statement


def tell(capture: Capture, subjects: Sequence[Session | Exchange]) -> Iterator[Statement]:
    """For each message that got an answer: which, and whether it is what was sent."""
    times = {packet.number: packet.at for each in subjects for packet in each.packets}
    for each in subjects:
        for message in each.messages:
            if message.echoes:
                yield _echo(each, message, times)


def _echo(conversation: Session | Exchange, message: Message, times: dict[int, float]) -> Statement:
    first, last = message.echoes[0], message.echoes[-1]
    milliseconds = 1000 * (times[last.number] - times[message.number])
    packets = {number for each in (message, *message.echoes) for number in each.packets}
    return statement(
        "echo",
        conversation,
        f"message at {message.number}, {message.start}",
        f"{_named(message)} came back in packet {first.number}, {milliseconds:.2f} ms later: "
        f"{_compared(message, first)}.",
        conversation.copies(packets),
    )


def _named(message: Message) -> str:
    return f"The frame of {message.named}" if message.order is not None else f"The message {message.named}"


def _compared(message: Message, echo: Message) -> str:
    if echo.prefixed:
        pieces = len(message.echoes)
        return "with `ECHO: ` in front" + (
            f", in {pieces} pieces: the server's recv() returned it in so many" if pieces > 1 else ""
        )
    if message.data == echo.data:
        return f"the same {len(message.data):,} bytes" if message.data else "as empty as it was sent"
    at = next(
        (at for at, (sent, came) in enumerate(zip(message.data, echo.data, strict=False)) if sent != came),
        min(len(message.data), len(echo.data)),
    )
    return f"but not the same bytes; they differ at byte {at}"
