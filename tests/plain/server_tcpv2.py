"""Print the fixed 29-byte frames of TCP version 2, and send them back if asked to.

A frame is version (1 byte, always 1), order (4), size (4) and 20 bytes of UTF-8 text padded with
"-", in network byte order. Size counts the characters typed, before cutting and padding.
"""

import argparse
import codecs
import socket
import struct
import sys
import threading
import time

FRAME = struct.Struct("!BLL20s")
VERSION = 1
PRINTING = threading.Lock()


def say(line: str) -> None:
    """Print one line at once; a character that stdout cannot write is escaped, never fatal."""
    with PRINTING:  # one line after the other, and each line whole, even at Ctrl-C
        sys.stdout.buffer.write(line.encode(sys.stdout.encoding, "backslashreplace") + b"\n")
        sys.stdout.buffer.flush()


def recv_exactly(conn: socket.socket, count: int) -> bytes:
    """Read count bytes; fewer (maybe none) only if the stream ended before."""
    data = bytearray()
    while len(data) < count and (piece := conn.recv(count - len(data))):
        data += piece
    return bytes(data)


def show(version: int, order: int, size: int, padded: bytes) -> str:
    """Describe a frame, without its padding."""
    # An incremental decoder keeps back, and so drops, a last character that the cut left incomplete.
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(padded)
    return f"Received ver: {version}, order: {order}, size: {size} -> {text[:size]}"


def serve_client(conn: socket.socket, peer: str, echo: bool) -> None:
    """Read the frames of one client up to the end of its stream, then close its socket."""
    with conn:
        try:
            while frame := recv_exactly(conn, FRAME.size):
                if len(frame) < FRAME.size:
                    say("truncated")
                    return
                version, order, size, padded = FRAME.unpack(frame)
                if version != VERSION:
                    say(f"Wrong version {version} from {peer}")
                    return
                say(show(version, order, size, padded))
                if echo:
                    conn.sendall(frame)
        except OSError as error:
            say(f"Lost connection from {peer}: {error}")


def serve(server: socket.socket, echo: bool) -> None:
    """Accept clients for ever."""
    # A Ctrl-C that comes just before accept() begins to wait does not end the wait: the timeout does.
    server.settimeout(1)
    while True:
        try:
            conn, (host, port) = server.accept()
        except TimeoutError:
            continue
        except OSError as error:
            say(f"Cannot accept: {error}")
            time.sleep(0.1)  # most likely too many open sockets: let some client leave
            continue
        peer = f"{host}:{port}"
        say(f"Accepted connection from {peer}")
        threading.Thread(target=serve_client, args=(conn, peer, echo), daemon=True).start()


def main() -> int:
    """Read the options, listen and serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="TCP server, version 2: fixed frames")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=5005, help="0 = any free port (default %(default)s)")
    parser.add_argument("--echo", action="store_true", help="send every frame back")
    args = parser.parse_args()

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        # Connections of an earlier run that are still in TIME_WAIT must not keep the port busy.
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((args.host, args.port))
            server.listen()
        except (OSError, OverflowError, UnicodeError) as error:
            print(f"Cannot listen on {args.host}:{args.port}: {error}", file=sys.stderr)
            return 1
        host, port = server.getsockname()
        try:
            say(f"Listening on {host}:{port}")
            serve(server, args.echo)
        except KeyboardInterrupt:
            # Keep the lock: a daemon thread stopped in the middle of a line would abort the exit.
            PRINTING.acquire(timeout=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
