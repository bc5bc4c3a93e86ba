"""Print every UDP datagram received as one text message, and send it back if asked to.

One datagram is one message of UTF-8 text; an empty datagram is an empty message.
"""

import argparse
import socket
import sys

MAX_DATAGRAM = 65535  # recvfrom() throws away what does not fit, so leave room for the largest one


def say(line: str) -> None:
    """Print one line at once; a character that stdout cannot write is escaped, never fatal."""
    sys.stdout.buffer.write(line.encode(sys.stdout.encoding, "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()


def serve(server: socket.socket, echo: bool) -> None:
    """Receive datagrams for ever."""
    while True:
        try:
            data, (host, port) = server.recvfrom(MAX_DATAGRAM)
        except ConnectionResetError:
            continue  # some systems report here that an earlier echo found nobody listening
        say(f"Message from {host}:{port} -> {data.decode(errors='backslashreplace')}")
        if echo:
            try:
                server.sendto(data, (host, port))
            except OSError as error:
                say(f"Cannot answer {host}:{port}: {error}")


def main() -> int:
    """Read the options, bind the socket and serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="UDP text server")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=5005, help="0 = any free port (default %(default)s)")
    parser.add_argument("--echo", action="store_true", help="send every datagram back to its sender")
    args = parser.parse_args()

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        try:
            server.bind((args.host, args.port))
        except (OSError, OverflowError, UnicodeError) as error:
            print(f"Cannot listen on {args.host}:{args.port}: {error}", file=sys.stderr)
            return 1
        host, port = server.getsockname()
        try:
            say(f"Listening on {host}:{port}")
            serve(server, args.echo)
        except KeyboardInterrupt:
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
