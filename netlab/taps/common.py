"""The options that the commands share, and what they mean; a command's module says which it has."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.python import usage

import twisted
from netlab import PORT, __version__
from netlab.events import address_text
from netlab.protocols.session import Limits
from netlab.wire.text import PRINT_LIMIT

_LIMITS = Limits()


def port_number(value: Any) -> int:
    """A port that can be listened on; 0 lets the system choose."""
    number = whole_number(value)
    if number > 65_535:
        raise ValueError("a port is a number from 0 to 65535")
    return number


def whole_number(value: Any) -> int:
    """A whole number, 0 or more."""
    try:
        number = int(value)
    except ValueError:
        raise ValueError("a whole number is wanted") from None
    if number < 0:
        raise ValueError("it must not be negative")
    return number


def seconds(value: Any) -> float:
    """A time in seconds, 0 or more."""
    try:
        number = float(value)
    except ValueError:
        raise ValueError("a number of seconds is wanted, such as 30 or 0.5") from None
    if not 0 <= number < math.inf:
        raise ValueError("it must be 0 or more, and finite")
    return number


def ip_address(value: Any) -> str:
    """An IP address of an interface."""
    if not (isIPAddress(value) or isIPv6Address(value)):
        raise ValueError("an IP address is wanted: 127.0.0.1, or 0.0.0.0 for all of IPv4, :: for all of IPv6")
    return str(value)


def one_of(*words: str) -> Callable[[Any], str]:
    """One of a few words."""

    def check(value: Any) -> str:
        if value not in words:
            raise ValueError(f"it is one of {', '.join(words)}")
        return str(value)

    return check


def size_in_bytes(value: Any) -> int:
    """A size that a 32-bit field can announce."""
    number = whole_number(value)
    if number > 0xFFFFFFFF:
        raise ValueError("the size field of a frame goes to 4294967295")
    return number


class CommonOptions(usage.Options):
    """What every command has. Mistakes are told in one line, with exit status 1."""

    command: ClassVar[str]
    checks: ClassVar[dict[str, Callable[[Any], Any]]] = {
        "port": port_number,
        "interface": ip_address,
        "stats": seconds,
        "print-limit": whole_number,
    }
    optParameters: ClassVar[list[Any]] = [
        ["port", "p", PORT, "The port to listen on; 0 lets the system choose one, and the log says which."],
        [
            "interface",
            "i",
            "0.0.0.0",
            "The address to listen on: 0.0.0.0 for all of IPv4, :: for all of IPv6.",
        ],
        [
            "stats",
            None,
            0,
            "Log the counts every so many seconds: clients, messages, bytes, violations; 0 never.",
        ],
        [
            "print-limit",
            None,
            PRINT_LIMIT,
            "Bytes that are printed of one message; how many more it has is said. 0 for all.",
        ],
        [
            "record",
            None,
            None,
            "Write what the server sees to this pcapng file, as rebuilt packets with comments; - for a pipe.",
        ],
    ]
    optFlags: ClassVar[list[Any]] = [
        ["quiet", "q", "Print no messages: only connections, violations and counts."],
        [
            "trace",
            None,
            "Draw what each recv() returned: its bytes, where messages begin and end, the fields.",
        ],
    ]

    _reactor: Sequence[str] = ()  # which one it has installed, in words

    def parseOptions(self, options: Any = None) -> None:
        """Parse the command line.

        As a twistd command a mistake ends in SystemExit with one line, not in twistd's whole help.
        """
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            if self.parent is None:
                raise
            raise SystemExit(f"{self.command}: {error} (all options: twistd {self.command} --help)") from None

    def parseArgs(self, *args: str) -> None:
        if args:
            raise usage.UsageError(f"unexpected argument {args[0]!r}: every setting is an option")

    def postOptions(self) -> None:
        for kind in reversed(type(self).__mro__):
            for name, check in vars(kind).get("checks", {}).items():
                try:
                    self[name] = check(self[name])
                except ValueError as error:
                    raise usage.UsageError(f"--{name} {self[name]}: {error}") from None
        # As a command, where no reactor was named: then none is there yet. Else --reactor said which.
        if self.parent is not None and "twisted.internet.reactor" not in sys.modules:
            self.install_reactor()

    def install_reactor(self) -> None:
        """Nobody has said on which reactor to run: on our own, the fast one, where the system has what it
        needs.
        """
        try:
            from netlab.reactors.corked import install
        except ImportError:  # no epoll: not Linux
            return
        install()
        self._reactor = ["reactor corked"]

    def opt_version(self) -> None:
        """Display the versions of netlab and Twisted and exit."""
        print(f"netlab {__version__}, Twisted {twisted.__version__}")  # noqa: T201
        raise SystemExit(0)

    def getSynopsis(self) -> str:
        return f"Usage: twistd -n {self.command} [options]"

    @property
    def console(self) -> Any:
        """The stream that the log goes to; None where that is a file."""
        parent = self.parent if self.parent is not None else {"nodaemon": True}
        if "logFile" in parent:  # twist's
            return parent["logFile"]
        is_file = parent.get("logfile") not in (None, "-")
        return None if is_file or not (parent.get("nodaemon") or sys.platform == "win32") else sys.stdout

    @console.setter
    def console(self, stream: Any) -> None:
        """Have the log go to this stream instead: both runners begin it after makeService()."""
        assert self.parent is not None
        if "logFile" in self.parent:
            self.parent["logFile"] = stream
        else:
            sys.stdout = stream

    @property
    def encoding(self) -> str:
        """What the log is written in: the console's encoding, UTF-8 in a file."""
        return "utf-8" if self.console is None else getattr(self.console, "encoding", None) or "utf-8"

    @property
    def where(self) -> str:
        """The address and port to listen on."""
        return address_text(self["interface"], self["port"])

    def about(self) -> list[str]:
        """What this server is set to, in phrases: for its first log line."""
        return [*self._reactor]


class EchoOptions(CommonOptions):
    """For servers that only print unless told otherwise: chapters 1.2, 4.3 and 5.3 of the guide."""

    optFlags: ClassVar[list[Any]] = [["echo", "e", "Send every message back, the identical bytes."]]

    def about(self) -> list[str]:
        return ["echo" if self["echo"] else "no echo", *super().about()]


class TCPOptions(CommonOptions):
    """For TCP servers: where else to listen, and the limits."""

    checks: ClassVar[dict[str, Callable[[Any], Any]]] = {
        "max-clients": whole_number,
        "idle-timeout": seconds,
        "frame-timeout": seconds,
        "stall-timeout": seconds,
        "drain-timeout": seconds,
        "delay": seconds,
    }
    optParameters: ClassVar[list[Any]] = [
        [
            "max-clients",
            None,
            _LIMITS.max_clients,
            "Clients at once; one more is closed at once. 0 for any number.",
        ],
        ["idle-timeout", None, _LIMITS.idle_timeout, "Seconds that a client may be silent; 0 for ever."],
        [
            "frame-timeout",
            None,
            _LIMITS.frame_timeout,
            "Seconds from a frame's first byte to its last; 0 for ever.",
        ],
        [
            "stall-timeout",
            None,
            _LIMITS.stall_timeout,
            "Seconds that a client may leave its answers unread; 0 for ever.",
        ],
        [
            "drain-timeout",
            None,
            _LIMITS.drain_timeout,
            "Seconds that clients get at the stop to take their answers; 0 for ever.",
        ],
        ["delay", None, 0, "Seconds to sleep before each answer, as a slow program would: who else waits?"],
    ]

    def __init__(self) -> None:
        super().__init__()
        self.endpoints: list[str] = []
        self._given: list[str] = []

    def opt_listen(self, endpoint: str) -> None:
        """Listen on this Twisted server endpoint instead of --port, e.g. tcp6:5005, unix:/tmp/lab or
        haproxy:tcp:5005. May be given several times."""
        from twisted.internet.endpoints import serverFromString  # slow to import, and seldom needed

        try:
            serverFromString(None, endpoint)
        except Exception as error:  # each kind of endpoint raises what it likes
            raise usage.UsageError(
                f"--listen {endpoint}: no such endpoint: {error or type(error).__name__}"
            ) from None
        self.endpoints.append(endpoint)

    def opt_port(self, port: str) -> None:
        self["port"] = port
        self._given.append("port")

    def opt_interface(self, interface: str) -> None:
        self["interface"] = interface
        self._given.append("interface")

    def postOptions(self) -> None:
        super().postOptions()
        if self.endpoints and self._given:
            raise usage.UsageError(
                f"--listen and --{self._given[0]}: give one of them, --listen says all of where"
            )

    @property
    def limits(self) -> Limits:
        return Limits(
            self["max-clients"],
            self["idle-timeout"],
            self["frame-timeout"],
            self["stall-timeout"],
            self["drain-timeout"],
        )

    def about(self) -> list[str]:
        deadlines = [
            f"{name} {self[f'{name}-timeout']:g} s"
            for name in ("idle", "frame", "stall", "drain")
            if self[f"{name}-timeout"]
        ]
        return [
            *super().about(),
            *([f"delay {self['delay']:g} s"] if self["delay"] else []),
            f"deadlines: {', '.join(deadlines) or 'none'}",
        ]


class HandlerOptions(TCPOptions):
    """For TCP servers that can run their clients in either way."""

    checks: ClassVar[dict[str, Callable[[Any], Any]]] = {"handler": one_of("threads", "reactor")}
    optParameters: ClassVar[list[Any]] = [
        [
            "handler",
            None,
            "threads",
            "Who runs the clients' messages: threads, one for each client, or reactor, one for all.",
        ],
    ]

    def about(self) -> list[str]:
        handler = {"threads": "a thread for each client", "reactor": "one thread for all clients"}
        return [handler[self["handler"]], *super().about()]
