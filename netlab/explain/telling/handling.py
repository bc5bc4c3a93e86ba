"""Which thread, or which key of a selector, handled which message: from a recording's comments (2.2, 3.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netlab.explain.facts import Capture, Exchange, Message, Packet, Session
from netlab.explain.statements import Statement, statement

ABSENT = (
    "A capture knows nothing of threads and keys: they are inside the server. Start a server of netlab's "
    "with --record FILE.pcapng, and explain that file; or look into any server while it runs, with `netlab "
    "xray`."
)
"""What is said where no comment tells it."""


def tell(capture: Capture, subjects: Sequence[Session | Exchange]) -> Iterator[Statement]:
    """For each message: who handled it; for each client: who served it; for all: whether they share that."""
    for each in subjects:
        yield from _messages(each)
        yield from _served(each)
    yield from _together([each for each in subjects if isinstance(each, Session)])


def is_told(subjects: Sequence[Session | Exchange]) -> bool:
    """Does any comment tell it?"""
    return any(packet.handled for each in subjects for packet in each.packets)


def _messages(conversation: Session | Exchange) -> Iterator[Statement]:
    for message in conversation.messages:
        if message.forth and message.handled is not None:
            thread, key = message.handled
            by = (
                f"Thread {thread}"
                if key is None
                else f"Thread {thread}, woken by the selector's key fd={key},"
            )
            yield statement(
                "handled",
                conversation,
                f"message at {message.number}, {message.start}",
                f"{by} handled the message {_quoted(message)}.",
                [message.number],
            )


def _quoted(message: Message) -> str:
    return message.quoted if message.order is None else f"of order {message.order}, {message.quoted}"


def _served(conversation: Session | Exchange) -> Iterator[Statement]:
    packets, threads, keys = _handlers(conversation)
    if len(threads) != 1:
        return
    thread = threads.pop()
    if keys:
        said = (
            f"The key fd={_listed(keys)} of the selector is this client's; whenever it was ready, the thread "
            f"{thread} read from its socket."
        )
    elif isinstance(conversation, Session) and thread != "MainThread":
        said = f"All of this client was served by the thread {thread}, which was made for it at accept()."
    else:
        said = f"All of this client was served by the thread {thread}."
    yield statement("served-by", conversation, "who serves it", said, packets)


def _handlers(conversation: Session | Exchange) -> tuple[list[Packet], set[str], set[int]]:
    """The packets whose comments tell who handled them, and by which threads and for which keys that was."""
    packets = [each for each in conversation.packets if each.handled]
    handled = [each.handled for each in packets if each.handled]
    keys = {each.key for each in handled if each.key is not None}
    return list(packets), {each.thread for each in handled}, keys


def _listed(keys: set[int]) -> str:
    return " and ".join(map(str, sorted(keys)))


def _together(sessions: Sequence[Session]) -> Iterator[Statement]:
    told = [(each.client, *_handlers(each)) for each in sessions]
    told = [each for each in told if each[1]]
    if len(told) < 2:
        return
    evidence = [packet for _, packets, _, _ in told for packet in packets]
    all_threads = {thread for _, _, threads, _ in told for thread in threads}
    if len(all_threads) == 1:
        yield statement(
            "one-thread",
            None,
            "one thread for all",
            f"One thread, {next(iter(all_threads))}, served "
            f"{'both' if len(told) == 2 else f'all {len(told)}'} clients, one message after the other.",
            evidence,
        )
        if all(keys for _, _, _, keys in told):
            listed = "; ".join(f"{client}: fd={_listed(keys)}" for client, _, _, keys in told)
            yield statement(
                "keys-differ",
                None,
                "a key for each client",
                f"Each client has a key of its own: {listed}.",
                evidence,
            )
    elif sum(len(threads) for _, _, threads, _ in told) == len(all_threads):
        listed = "; ".join(f"{client}: {next(iter(threads))}" for client, _, threads, _ in told)
        yield statement(
            "threads-differ",
            None,
            "a thread for each client",
            f"Each of the {len(told)} clients has a thread of its own: {listed}.",
            evidence,
        )
