"""Send text messages as fixed 29-byte frames (TCP version 2) and check their echoes if asked to.

A frame is version (1 byte, always 1), order (4), size (4) and 20 bytes of UTF-8 text padded with
"-", in network byte order. Size counts the characters typed, before cutting and padding.
Exit status: 0 = fine, 1 = an echo is missing or wrong, or the connection broke, 3 = could not connect.
"""

import argparse
import codecs
import socket
import struct
import sys
import time
from collections.abc import Iterator

FRAME = struct.Struct("!BLL20s")
TEXT_SIZE = 20
VERSION = 1


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


def recv_exactly(conn: socket.socket, count: int) -> bytes:
    """Read count bytes; fewer (maybe none) only if the stream ended before."""
    data = bytearray()
    while len(data) < count and (piece := conn.recv(count - len(data))):
        data += piece
    return bytes(data)


def pack(order: int, text: str) -> bytes:
    """Build the frame of one message."""
    # Bytes that were no UTF-8 when they were read go out unchanged.
    data = text.encode(errors="surrogateescape")[:TEXT_SIZE].ljust(TEXT_SIZE, b"-")
    return FRAME.pack(VERSION, order, len(text), data)


def show(frame: bytes) -> str:
    """Describe a frame, without its padding."""
    version, order, size, padded = FRAME.unpack(frame)
    # An incremental decoder keeps back, and so drops, a last character that the cut left incomplete.
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(padded)
    return f"Received ver: {version}, order: {order}, size: {size} -> {text[:size]}"


def finish(conn: socket.socket, timeout: float) -> int:
    """Say that nothing more is coming, wait for the server to close; count the bytes it still sent."""
    conn.shutdown(socket.SHUT_WR)
    surplus = 0
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        conn.settimeout(left)
        try:
            data = conn.recv(4096)
        except TimeoutError:
            break
        if not data:
            return surplus
        surplus += len(data)
    print(f"The server did not close within {timeout:g} s", file=sys.stderr)
    return surplus


def talk(conn: socket.socket, given: list[str] | None, echo: bool, timeout: float) -> int:
    """Send every message and return the exit status."""
    order = 1
    for text in messages(given):
        frame = pack(order, text)
        conn.sendall(frame)
        if echo:
            reply = recv_exactly(conn, FRAME.size)
            if reply != frame:
                kind = "Wrong" if len(reply) == FRAME.size else "Missing"
                print(f"{kind} echo of order {order}: sent {frame!r}, got {reply!r}", file=sys.stderr)
                return 1
            say(show(reply))
        order = (order + 1) % 2**32
    surplus = finish(conn, timeout)
    if echo and surplus:
        print(f"Wrong echo: {surplus} bytes more than were sent", file=sys.stderr)
        return 1
    return 0


def main() -> int:
    """Read the options, connect and send."""
    parser = argparse.ArgumentParser(description="TCP client, version 2: fixed frames")
    parser.add_argument("--host", default="127.0.0.1", help="server address (default %(default)s)")
    parser.add_argument("--port", type=int, default=5005, help="server port (default %(default)s)")
    parser.add_argument("-m", "--message", action="append", help="repeatable; without it, read stdin")
    parser.add_argument("--timeout", type=float, default=5.0, help="in seconds (default %(default)s)")
    parser.add_argument("--echo", action="store_true", help="expect each frame back, and compare it")
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
        try:
            return talk(conn, args.message, args.echo, args.timeout)
        except TimeoutError:
            print("Timed out: no complete echo, or the server takes no more data", file=sys.stderr)
        except OSError as error:
            print(f"Lost connection: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
