"""Send text messages to a TCP text server and check that each comes back after "ECHO: ".

The stream has no delimiter, so the server may see a long message as several, and answers each
of them: the echo is complete when as many bytes of text came back as were sent.
Exit status: 0 = fine, 1 = an echo is missing or wrong, 3 = could not connect.
"""

import argparse
import socket
import sys
import threading
from collections.abc import Iterator

RECV_SIZE = 4096
PREFIX = b"ECHO: "


class EchoError(Exception):
    """The echo is not what it should be."""


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


def send(conn: socket.socket, data: bytes) -> None:
    """Send all of data; the timeout is for each step, where that of sendall() is for the whole."""
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[conn.send(rest) :]
    except OSError:
        pass  # then the echo stays short, and whoever reads it reports that


def match(sent: bytes, got: int, reply: bytes) -> tuple[int, bytes]:
    """Compare a piece of the reply with sent[got:]; return the new got and what is undecided yet."""
    # The end of the piece may be the beginning of a prefix, or text that only looks like one.
    held = next((n for n in range(len(PREFIX) - 1, 0, -1) if reply.endswith(PREFIX[:n])), 0)
    body, tail = reply[: len(reply) - held], reply[len(reply) - held :]
    for number, text in enumerate(body.split(PREFIX)):
        if number > 0 and sent.startswith(PREFIX, got):
            got += len(PREFIX)  # it is no prefix: the message itself says so
        if not sent.startswith(text, got):
            raise EchoError(f"differs after {got} of {len(sent)} bytes")
        got += len(text)
    if sent[got : got + held + 1] == tail:
        return len(sent), b""
    return got, tail


def read_echo(conn: socket.socket, sent: bytes) -> None:
    """Read until all of sent came back."""
    got = 0
    reply = b""
    started = False
    while got < len(sent):
        data = conn.recv(RECV_SIZE)
        if not data:
            raise EchoError(f"the server closed after {got} of {len(sent)} bytes")
        reply += data
        if not started:
            if not reply.startswith(PREFIX[: len(reply)]):
                raise EchoError(f"does not start with {PREFIX.decode()!r}")
            if len(reply) < len(PREFIX):
                continue
            reply = reply[len(PREFIX) :]
            started = True
        got, reply = match(sent, got, reply)


def talk(conn: socket.socket, given: list[str] | None) -> int:
    """Send every message and return the exit status."""
    for number, text in enumerate(messages(given), start=1):
        # Bytes that were no UTF-8 when they were read go out unchanged.
        data = text.encode(errors="surrogateescape")
        if not data:
            continue  # no bytes, no message: a stream cannot carry it
        # A server that echoes a long message while it comes in stops reading if nobody takes the
        # echo. So read while sending, or both sides wait for each other.
        sender = threading.Thread(target=send, args=(conn, data), daemon=True)
        sender.start()
        try:
            read_echo(conn, data)
        except TimeoutError:
            print(f"Missing echo of message {number}: not complete in time", file=sys.stderr)
            return 1
        except (EchoError, OSError) as error:
            print(f"Wrong echo of message {number}: {error}", file=sys.stderr)
            return 1
        sender.join()
        say(f"Received ECHO: {data.decode(errors='backslashreplace')}")
    return 0


def main() -> int:
    """Read the options, connect and send."""
    parser = argparse.ArgumentParser(description="TCP text client")
    parser.add_argument("--host", default="127.0.0.1", help="server address (default %(default)s)")
    parser.add_argument("--port", type=int, default=5005, help="server port (default %(default)s)")
    parser.add_argument("-m", "--message", action="append", help="repeatable; without it, read stdin")
    parser.add_argument("--timeout", type=float, default=5.0, help="in seconds (default %(default)s)")
    args = parser.parse_args()
    if not args.timeout > 0:
        parser.error("--timeout must be above 0")

    try:
        conn = socket.create_connection((args.host, args.port), timeout=args.timeout)
    except (OSError, OverflowError, UnicodeError) as error:
        print(f"Could not connect to {args.host}:{args.port}: {error}", file=sys.stderr)
        return 3
    with conn:
        host, port = conn.getsockname()[:2]
        say(f"Local address {host}:{port}")
        return talk(conn, args.message)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
