"""Send text messages to a UDP server, one datagram each, and check their echoes if asked to.

Exit status: 0 = fine, 1 = an echo is missing or wrong (or a message could not be sent), 3 = no
such server address.
"""

import argparse
import socket
import sys
from collections.abc import Iterator

MAX_DATAGRAM = 65535


def say(line: str) -> None:
    """Print one line at once; a character that stdout cannot write is escaped, never fatal."""
    sys.stdout.buffer.write(line.encode(sys.stdout.encoding, "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()


def messages(given: list[str] | None) -> Iterator[str]:
    """Yield the messages of the command line or, without any, the lines of stdin."""
    if given is not None:
        yield from given
    elif sys.stdin.isatty():
        while True:
            try:
                line = input("Message to send? ")
            except EOFError:
                return
            yield line
    else:
        for raw in sys.stdin.buffer:
            yield raw.decode(errors="surrogateescape").removesuffix("\n").removesuffix("\r")


def talk(client: socket.socket, given: list[str] | None, echo: bool) -> int:
    """Send every message and return the exit status."""
    for number, text in enumerate(messages(given), start=1):
        # Bytes that were no UTF-8 when they were read go out unchanged.
        data = text.encode(errors="surrogateescape")
        try:
            client.send(data)
            reply = client.recv(MAX_DATAGRAM) if echo else data
        except TimeoutError:
            print(f"Missing echo of message {number}: no answer in time", file=sys.stderr)
            return 1
        except OSError as error:
            print(f"Message {number} failed: {error}", file=sys.stderr)
            return 1
        if reply != data:
            print(
                f"Wrong echo of message {number}: {len(reply)} bytes differ from what was sent",
                file=sys.stderr,
            )
            return 1
        if echo:
            say(f"Echo ok: {reply.decode(errors='backslashreplace')}")
    return 0


def main() -> int:
    """Read the options, prepare the socket and send."""
    parser = argparse.ArgumentParser(description="UDP text client")
    parser.add_argument("--host", default="127.0.0.1", help="server address (default %(default)s)")
    parser.add_argument("--port", type=int, default=5005, help="server port (default %(default)s)")
    parser.add_argument("-m", "--message", action="append", help="repeatable; without it, read stdin")
    parser.add_argument("--timeout", type=float, default=5.0, help="in seconds (default %(default)s)")
    parser.add_argument("--echo", action="store_true", help="expect each message back, and compare it")
    args = parser.parse_args()
    if not args.timeout > 0:
        parser.error("--timeout must be above 0")

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        try:
            client.settimeout(args.timeout)
            # No packet is sent by this: it fixes the peer, so that nobody else's datagram is taken
            # for an echo, and an error such as "port unreachable" is reported to us.
            client.connect((args.host, args.port))
        except (OSError, OverflowError, UnicodeError) as error:
            print(f"Could not connect to {args.host}:{args.port}: {error}", file=sys.stderr)
            return 3
        host, port = client.getsockname()
        say(f"Local address {host}:{port}")
        return talk(client, args.message, args.echo)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
