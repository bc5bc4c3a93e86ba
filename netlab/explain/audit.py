"""Does a capture hold what an exercise asks for? What is missing, and how to get it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from netlab.explain.facts import Capture, Exchange, Message, Packet, Segment, Session
from netlab.explain.statements import EXERCISES
from netlab.wire.variable import HEADER_LENGTH

CLIENTS = {"udp": "udp", "tcp": "tcp", "v2": "tcpv2", "v3": "tcpv3"}
"""Each variant's word in `netlab client`."""

ECHOING = ("4.3", "5.3")
"""The exercises in which the server sends the frames back."""

SERVED = ("2.2", "3.2")
"""The exercises that ask who serves the clients."""

NAMED = 12
"""Sessions without a requirement that are named; the others are counted, so that the advice fits a screen."""


class Checked(NamedTuple):
    """One thing that an exercise asks for."""

    requirement: str
    met: bool
    needed: bool
    """Does the exercise need it? Otherwise it is only worth having."""
    packets: tuple[int, ...]
    """What shows it, or what is incomplete."""
    advice: str
    """How to get it; empty where it is met."""


def audit(capture: Capture, exercise: str) -> list[Checked]:
    """What an exercise of EXERCISES asks of a capture, in the order in which it is looked for."""
    return list(_Audit(capture, exercise).checked())


def command(exercise: str) -> str:
    """What captures all that an exercise needs, while its server runs: two clients at the same time."""
    client = f"netlab client {CLIENTS[EXERCISES[exercise]]}{' --echo' if exercise in ECHOING else ''}"
    first, second = f"{client} -m one -m two --interval 1", f"{client} -m three -m four --interval 1"
    return f"netlab capture -w lab.pcapng -- sh -c '{first} & {second}; wait'"


def guessed(capture: Capture) -> str | None:
    """The exercise that a capture seems to be made for; None where nothing of the laboratory is in it."""
    if not capture.variants:
        return None
    variant = capture.variants[0]
    spoken = [each for each in capture.conversations if each.variant == variant]
    if variant in ("v2", "v3"):
        echoed = any(message.echoes for each in spoken for message in each.messages)
        return {"v2": ("4.2", "4.3"), "v3": ("5.2", "5.3")}[variant][echoed]
    keys = any(packet.handled and packet.handled.key for each in spoken for packet in each.packets)
    return "1.2" if variant == "udp" else "3.2" if keys else "2.2"


class _Audit:
    def __init__(self, capture: Capture, exercise: str) -> None:
        self._capture = capture
        self._exercise = exercise
        self._variant = EXERCISES[exercise]
        self._spoken: list[Session | Exchange] = [
            each for each in capture.conversations if each.variant == self._variant
        ]
        self._echo = " --echo" if exercise in ECHOING else ""

    def checked(self) -> Iterator[Checked]:
        yield self._messages()
        if not self._spoken:
            return
        yield self._clients()
        if self._variant == "udp":
            yield self._several_datagrams()
        else:
            yield from self._sessions([each for each in self._spoken if isinstance(each, Session)])
        if self._exercise in (*ECHOING, *SERVED):
            yield self._echoes()
        yield self._whole()
        yield from self._worth_having()

    def _messages(self) -> Checked:
        names = {
            "udp": "datagrams",
            "tcp": "texts over TCP",
            "v2": "frames of 29 bytes",
            "v3": "frames of v3",
        }
        packets = [number for each in self._spoken for message in each.messages for number in message.packets]
        others = " and ".join(self._capture.variants)
        found = f"It holds {others} instead." if others else "It holds no message of the laboratory."
        return _checked(
            f"messages of this exercise: {names[self._variant]}",
            bool(packets),
            packets,
            f"{found} Capture while this exercise's server and clients run.",
        )

    def _clients(self) -> Checked:
        clients = {each.client: each.packets[0] for each in self._spoken if each.messages}
        count = len(clients)
        return _checked(
            "two clients at least",
            count > 1,
            clients.values(),
            f"There is {'one' if count == 1 else 'none'}. Run two at the same time.",
        )

    def _several_datagrams(self) -> Checked:
        sent = [[each for each in one.packets if one.from_client(each)] for one in self._spoken]
        most = max(sent, key=len)
        return _checked(
            "a client that sends more than one datagram, so that its port can be seen to stay",
            len(most) > 1,
            most,
            "Send several messages with one client.",
        )

    def _sessions(self, sessions: Sequence[Session]) -> Iterator[Checked]:
        at_once = [
            pair for pair in pairwise(sessions) if pair[1].packets[0].number < pair[0].packets[-1].number
        ]
        if self._exercise in SERVED:
            yield _checked(
                "two clients at the same time",
                bool(at_once),
                [each.packets[0] for pair in at_once[:1] for each in pair],
                "The second began after the first was done. Let them overlap: --interval 1 makes one wait."
                if len(sessions) > 1
                else "There is one.",
            )
        yield self._of_each(
            sessions,
            "the handshake of each session",
            lambda session: len(_handshake(session)) == 3 and not self._capture.recorded,
            _handshake,
            "A recording (--record) has none, since no program sees it: capture instead"
            if self._capture.recorded
            else "Begin to capture before the client connects; `netlab capture` waits until it really runs",
        )
        if self._exercise in (*ECHOING, *SERVED):
            yield self._of_each(
                sessions,
                "data in both directions in each session",
                lambda session: all(session.carrying(forth) for forth in (True, False)),
                lambda session: [packet for forth in (True, False) for packet in session.carrying(forth)[:1]],
                f"Let the server answer{' (--echo)' if self._echo else ''}, and capture both directions (the "
                "interface of the loopback has both)",
            )
        yield self._of_each(
            sessions,
            "the end of each session: a FIN of both sides, or a reset",
            _has_ended,
            _ends,
            "Capture until both programs have closed their sockets: `netlab capture -- COMMAND` does",
        )

    def _of_each(
        self,
        sessions: Sequence[Session],
        requirement: str,
        holds: Callable[[Session], bool],
        shows: Callable[[Session], Sequence[Packet]],
        advice: str,
    ) -> Checked:
        lacking = [each for each in sessions if not holds(each)]
        names = ", ".join(each.name for each in lacking[:NAMED])
        more = f" and {len(lacking) - NAMED:,} more" if len(lacking) > NAMED else ""
        shown = lacking or sessions
        return _checked(
            requirement,
            not lacking,
            [packet for each in shown for packet in (shows(each) or each.packets[:1])],
            f"Not in {names}{more}. {advice}.",
        )

    def _echoes(self) -> Checked:
        sent = [message for each in self._spoken for message in each.messages if message.forth]
        lacking = [message for message in sent if not message.echoes]
        wrong = [message for message in sent if message.echoes and not _is_exact(message)]
        bad = lacking + wrong
        said = f"{len(lacking)} of {len(sent)} got none" if lacking else f"{len(wrong)} came back changed"
        return _checked(
            "an answer to each message" if self._variant == "tcp" else "an echo of each frame, byte for byte",
            bool(sent) and not bad,
            [
                number
                for message in bad or sent
                for each in (message, *message.echoes)
                for number in each.packets
            ],
            f"{said}. Start the server{' with --echo' if self._echo else ''}, and see what `netlab check` "
            "says of it.",
        )

    def _whole(self) -> Checked:
        gaps = [
            segment
            for each in self._spoken
            if isinstance(each, Session)
            for segment in each.segments
            if segment.analysis & {"lost_segment", "ack_lost_segment"}
        ]
        cut = [packet for each in self._spoken for packet in each.packets if packet.cut]
        ends = "The file ends inside a packet. " if self._capture.cut_short else ""
        return _checked(
            "a whole capture: nothing missed, nothing cut",
            not gaps and not cut and not self._capture.cut_short,
            [*gaps, *cut],
            f"{ends}Capture each packet whole (no snap length), and let the capture end by itself.",
        )

    def _worth_having(self) -> Iterator[Checked]:
        messages = [message for each in self._spoken for message in each.messages if message.forth]
        client = CLIENTS[self._variant]
        if self._exercise in SERVED:
            handled = [packet for each in self._spoken for packet in each.packets if packet.handled]
            server = "netlab-tcpsel" if self._exercise == "3.2" else "netlab-tcp"
            yield _checked(
                "who handled each message (a thread, a key): only a recording knows",
                bool(handled),
                handled,
                f"twistd -n {server} --record server.pcapng, and explain that file, too",
                needed=False,
            )
        if self._variant == "v2":
            cut = [message for message in messages if message.has("text-cut")]
            yield _checked(
                "a text longer than its field of 20 bytes, which is cut",
                bool(cut),
                [message.number for message in cut],
                f'netlab client {client} -m "a text that is longer than twenty bytes"',
                needed=False,
            )
        if self._variant == "v3":
            sizes = {message.size: message.number for message in messages}
            yield _checked(
                "texts of different sizes",
                len(sizes) > 1,
                sizes.values(),
                f'netlab client {client} -m short -m "and a longer one"',
                needed=False,
            )
        if self._variant != "udp":
            header = 0 if self._variant == "tcp" else HEADER_LENGTH
            accents = [message for message in messages if not message.data[header:].isascii()]
            yield _checked(
                "a text with a character of several bytes",
                bool(accents),
                [message.number for message in accents],
                f'netlab client {client} -m "grüße"',
                needed=False,
            )


def _is_exact(message: Message) -> bool:
    """Whether an answered message came back as a server should send it."""
    return message.echoes[0].prefixed or message.echoes[0].data == message.data


def _handshake(session: Session) -> list[Segment]:
    return [each for each in (session.syn, session.syn_ack, session.third) if each is not None]


def _ends(session: Session) -> list[Segment]:
    """Its FINs and resets."""
    return [each for each in session.segments if each.flags & {"FIN", "RST"} and not each.again]


def _has_ended(session: Session) -> bool:
    ends = _ends(session)
    return any("RST" in each.flags for each in ends) or len({each.source for each in ends}) == 2


def _checked(
    requirement: str, met: bool, packets: Iterable[Packet | int], advice: str, *, needed: bool = True
) -> Checked:
    numbers = {each if isinstance(each, int) else each.number for each in packets}
    return Checked(requirement, met, needed, tuple(sorted(numbers)), "" if met else advice)
