"""What is told of a capture: a statement, the packets that show it, and the question that it answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from netlab.explain.facts import Exchange, Packet, Session

EXERCISES = {
    "1.2": "udp",
    "2.2": "tcp",
    "3.2": "tcp",
    "4.2": "v2",
    "4.3": "v2",
    "5.2": "v3",
    "5.3": "v3",
}
"""The guide's exercises that are answered from a capture, and the variant that each is about."""


ALL = "all"
"""Where a statement stands that is about several conversations."""


@dataclass(frozen=True)
class Statement:
    """A sentence that is true of a capture, and the packets that show it: without them it is not said."""

    kind: str
    """A word of KINDS."""
    where: str
    """Which conversation it is about, as the reader sees it: `session 1`, `client 10.0.0.1:50001`; ALL, where
    it is about several.
    """
    about: str
    """What in it: together with `kind` and `where` it is this statement's, and no other's."""
    text: str
    packets: tuple[int, ...]
    """Their numbers, ascending."""
    lines: tuple[str, ...] = ()
    """Lines whose columns stand below each other: bytes under the names of their fields."""


def statement(
    kind: str,
    conversation: Session | Exchange | None,
    about: object,
    text: str,
    packets: Iterable[Packet | int],
    lines: Iterable[str] = (),
) -> Statement:
    """A statement about a conversation, or with None about several, and its evidence."""
    where = ALL if conversation is None else conversation.name
    numbers = {each if isinstance(each, int) else each.number for each in packets}
    return Statement(kind, where, str(about), text, tuple(sorted(numbers)), tuple(lines))


@dataclass(frozen=True)
class Question:
    """What the guide asks, and the kinds of statement that answer it."""

    word: str
    title: str
    exercises: tuple[str, ...]
    kinds: tuple[str, ...]
    background: str
    """What is so in general, whatever the capture holds: told once, where there is a statement."""
    variants: Mapping[str, str] = field(default_factory=dict)
    """What besides is so of single variants, where they are spoken."""

    def told(self, spoken: Iterable[str]) -> list[str]:
        """The background of a capture in which these variants are spoken, in paragraphs."""
        besides = [self.variants[each] for each in spoken if each in self.variants]
        return list(dict.fromkeys(filter(None, [self.background, *besides])))


TROUBLE = "trouble"
"""The word of the question that is always asked."""

QUESTIONS = (
    Question(
        "ports",
        "Where do the source ports come from?",
        ("1.2", "2.2"),
        ("source-port", "port-stays", "ports-differ"),
        "The server's port is agreed on, and written into both programs. The client's is not: unless the "
        "program asks for one with bind(), its kernel picks a free one when the socket connects or first "
        "sends. The range for that (the ephemeral ports) is 32768 to 60999 on Linux (see "
        "/proc/sys/net/ipv4/ip_local_port_range), 49152 to 65535 on Windows and macOS. The port belongs to "
        "the socket until that is closed. The next run of a program has a new socket, and so, unless it "
        "asks, a new port: capture two runs, and compare.",
    ),
    Question(
        "begin",
        "How is a session created?",
        ("2.2",),
        ("syn", "syn-ack", "established", "four-tuple", "sessions-differ"),
        "By three packets, before any data: SYN, SYN with ACK, ACK. Each side tells the other the random "
        "number from which it counts its bytes. A SYN counts as one byte, so that it can be acknowledged. "
        "Wireshark shows these numbers counted from 0 (Seq, Ack); the real ones "
        "stand in parentheses, where the capture has them. The kernels do it: connect() returns after the "
        "second packet, accept() can return after the third. A session is named by four numbers (the "
        "four-tuple): both addresses, both ports.",
    ),
    Question(
        "data",
        "How is the data carried, pushed, acknowledged?",
        ("2.2",),
        ("sent", "acknowledged"),
        "Seq is the number of a segment's first byte; byte 0 of the stream is Seq 1, since the SYN was Seq "
        "0. Ack is the number of the byte which its sender waits for: all before it has arrived. Kernels "
        "acknowledge by themselves, whether the program has read the bytes or not: together with data where "
        "there is some to send, otherwise alone, and perhaps some 40 ms later, in the hope of some. They set "
        "PSH where what a send() gave them ends: hand it to the program. It marks no message.",
    ),
    Question(
        "handling",
        "Which thread, or which key of the selector, handled which message?",
        ("2.2", "3.2"),
        ("served-by", "handled", "threads-differ", "one-thread", "keys-differ"),
        "With a thread for each client, the main thread waits in accept(), and each other one in the recv() "
        "of its own client's socket. With a selector, one thread waits in select() for all sockets at once. "
        "Each has a key, which holds its descriptor (fd, the socket's number in the server) and whose it is; "
        "select() returns the keys of those that are ready. The key of the listening socket is one of them: "
        "then accept() makes a client's socket, and that is registered. (No packet on the wire shows this: "
        "it is what the server wrote into its recording.)",
    ),
    Question(
        "encoding",
        "How are the messages encoded, and how are they decoded again?",
        ("1.2", "2.2", "4.2", "5.2"),
        (
            "layout",
            "datagram",
            "text",
            "frame",
            "byte-order",
            "cut",
            "padded",
            "size-tells",
            "joined",
            "split",
        ),
        "Text is UTF-8: a character beyond ASCII takes several bytes. A datagram keeps its bounds. A TCP "
        "stream has none: one recv() may return a part of what was sent, or several messages at once.",
        {
            "udp": "UDP: one datagram is one message; recvfrom() returns it whole, and nothing else. Its "
            "header has 8 bytes: both ports, the length (with the header), a checksum.",
            "tcp": "Text (chapters 2 and 3): nothing shows where a message ends. The programs take what one "
            "recv() returns for one message, and are wrong where the network joins or splits.",
            "v2": "Frames of 29 bytes (chapter 4, `!BLL20s`): version (B, 1 byte), order (L, 4), size (L, "
            "4), text (20s); `!` is network byte order, and no padding. The text is cut or padded with `-` "
            "to 20 bytes; size counts the characters that were typed. The receiver reads 29 bytes, unpacks "
            "them, decodes the field as UTF-8, and takes its first `size` characters.",
            "v3": "Frames of variable size (chapter 5, `!BLL` and the text): version (B, 1 byte), order (L, "
            "4), size (L, 4; some scripts send size before order), then the text; `!` is network byte order, "
            "and no padding. Size counts the bytes of the "
            "text. The receiver reads 9 bytes, unpacks them, reads `size` bytes more, and decodes those as "
            "UTF-8.",
        },
    ),
    Question(
        "echoes",
        "What came back?",
        ("1.2", "2.2", "3.2", "4.3", "5.3"),
        ("echo",),
        "",
        {
            "tcp": "A text server answers `ECHO: ` and the text.",
            "udp": "A server that echoes sends back the very bytes that it got.",
            "v2": "A server that echoes sends back the very bytes that it got.",
            "v3": "A server that echoes sends back the very bytes that it got.",
        },
    ),
    Question(
        "end",
        "How does it end?",
        ("2.2",),
        ("fin", "after-fin"),
        "A FIN closes one direction: no byte will follow, and the peer's recv() returns 0 bytes. It counts "
        "as one byte, and is acknowledged, often by the peer's own FIN: then three packets are enough. When "
        "both sides have sent one, the session is over. Who closed first keeps its port for a minute or so "
        "(TIME_WAIT), in case that a packet is still under way. A reset (RST) ends both directions at once, "
        "and what was under way is lost: what a reset has ended stands under what went wrong.",
    ),
    Question(
        TROUBLE,
        "What went wrong, or is odd?",
        tuple(EXERCISES),
        ("refused", "unanswered", "violation", "little-endian", "reset", "missing-echo", "note", "analysis"),
        "",
    ),
)
"""All questions, in the order in which they are answered."""

KINDS = {kind: question for question in QUESTIONS for kind in question.kinds}
"""Each kind of statement, and the question that it answers."""


def numbers(packets: Iterable[int]) -> str:
    """Packet numbers as people write them: `1-3, 7`."""
    runs: list[list[int]] = []
    for number in sorted(packets):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(
        str(run[0]) if len(run) == 1 else f"{run[0]}{', ' if len(run) == 2 else '-'}{run[-1]}" for run in runs
    )
