"""The order is counted up twice: it grows by two."""

import socket
import struct
import sys

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 5005
HEADER = struct.Struct("!BLL")


def say(line: str) -> None:
    sys.stdout.buffer.write(line.encode(sys.stdout.encoding, "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()


def recv_exactly(conn: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        piece = conn.recv(min(count - len(data), 65536))
        if not piece:
            break
        data += piece
    return bytes(data)


def talk(conn: socket.socket) -> int:
    order = 1
    for raw in sys.stdin.buffer:
        text = raw.decode(errors="surrogateescape").removesuffix("\n").removesuffix("\r")
        data = text.encode(errors="surrogateescape")
        frame = HEADER.pack(1, order, len(data)) + data
        conn.sendall(frame)
        order += 1
        reply = recv_exactly(conn, len(frame))
        if reply != frame:
            print("Wrong or missing echo", file=sys.stderr)
            return 1
        version, number, size = HEADER.unpack_from(reply)
        text = reply[HEADER.size :].decode(errors="backslashreplace")
        say(f"Received ver: {version}, order: {number}, size: {size} -> {text}")
        order += 1
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
