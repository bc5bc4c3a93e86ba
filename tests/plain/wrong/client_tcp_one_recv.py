"""One recv() is taken for the whole echo: the rest is printed as the next message's."""

import socket
import sys

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 5005


def say(line: str) -> None:
    sys.stdout.buffer.write(line.encode(sys.stdout.encoding, "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()


def talk(conn: socket.socket) -> int:
    for raw in sys.stdin.buffer:
        data = raw.removesuffix(b"\n").removesuffix(b"\r")
        if not data:
            continue
        conn.sendall(data)
        reply = conn.recv(1024)
        if not reply:
            raise ConnectionError("the server closed it")
        say(f"Received {reply.decode(errors='backslashreplace')}")
    return 0


def main() -> int:
    try:
        with socket.create_connection(("127.0.0.1", PORT), timeout=5) as conn:
            return talk(conn)
    except OSError as error:
        print(f"Lost connection: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
