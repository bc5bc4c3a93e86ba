"""Where the source ports come from: who chose each, how long it lasts, and what differs (1.2, 2.2)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from netlab.explain.facts import Capture, Exchange, Packet, Session
from netlab.explain.statements import Statement, statement

LINUX = range(32_768, 61_000)
"""What Linux gives out by itself: its default of net.ipv4.ip_local_port_range."""

DYNAMIC = range(49_152, 65_536)
"""What IANA has set aside for that (RFC 6335), and Windows and macOS give out."""

SYSTEMS = (("Linux", LINUX), ("Windows and macOS", DYNAMIC))
"""Whose kernels choose from which ports."""

LISTED = 12
"""Ports that are named one by one: a class has more."""

PRIVILEGED = range(1_024)
"""For these a program needs a right."""


def tell(capture: Capture, subjects: Sequence[Session | Exchange]) -> Iterator[Statement]:
    """For each client: its port, and of UDP that it stays; for two sockets of one machine: that they have
    different ones.
    """
    for each in subjects:
        sent = _showing(each)
        if sent:
            when = "in connect()" if isinstance(each, Session) else "when the socket was first used"
            yield statement(
                "source-port",
                each,
                "source port",
                f"The client has port {each.client.port}, and calls the server's port {each.server.port}. "
                f"{chosen(each.client.port, when)}",
                sent,
            )
        if isinstance(each, Exchange) and len(sent) > 1:
            yield statement(
                "port-stays",
                each,
                "the port stays",
                f"{'Both' if len(sent) == 2 else f'All {len(sent)}'} datagrams of this client come from port "
                f"{each.client.port}, over {_duration(sent)}: the socket keeps its port as long as it is "
                "open.",
                sent,
            )
    yield from _differences(subjects)


def chosen(port: int, when: str) -> str:
    """Who chose a port, as far as its number tells. when: in which call a kernel chooses one."""
    if port in PRIVILEGED:
        return "No kernel gives out a port below 1024 by itself: the program asked for it, with bind()."
    systems = ", ".join(name for name, range in SYSTEMS if port in range)
    if not systems:
        return (
            "No Linux, Windows or macOS gives out such a port by default: the program asked for it (bind())."
        )
    return (
        f"Port {port} lies in the range of {systems}: the kernel gives it out, {when}, where the program "
        "does not ask for a certain one (no packet shows whether it did)."
    )


def _showing(conversation: Session | Exchange) -> Sequence[Packet]:
    """What shows a client's port: the SYN; or, since no datagram is the first, all that the client sends."""
    if isinstance(conversation, Session):
        return conversation.syns
    return [each for each in conversation.datagrams if conversation.from_client(each)]


def _duration(packets: Sequence[Packet]) -> str:
    seconds = packets[-1].at - packets[0].at
    return f"{seconds:.1f} s" if seconds >= 0.1 else f"{seconds * 1000:.1f} ms"


def _differences(subjects: Sequence[Session | Exchange]) -> Iterator[Statement]:
    """One machine's sockets, of one transport: each has a port of its own."""
    alike: defaultdict[tuple[type, str], list[Session | Exchange]] = defaultdict(list)
    for each in subjects:
        if _showing(each):
            alike[type(each), each.client.ip].append(each)
    for (kind, ip), several in alike.items():
        ports = list(dict.fromkeys(each.client.port for each in several))
        if len(ports) > 1:
            transport = "TCP" if kind is Session else "UDP"
            yield statement(
                "ports-differ",
                None,
                f"{transport} on {ip}",
                f"{len(ports)} sockets on {ip} have {len(ports)} ports: {', '.join(map(str, ports[:LISTED]))}"
                f"{_more(len(ports))}. By them the server tells its clients apart. (Whether two sockets are "
                "two clients or two runs of one, no packet shows: each run has a socket of its own.)",
                [packet for each in several for packet in _showing(each)],
            )


def _more(count: int) -> str:
    return f" and {count - LISTED:,} more" if count > LISTED else ""
