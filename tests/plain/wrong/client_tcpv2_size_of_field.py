"""The size is taken of the padded text: it is always 20."""

import codecs
import socket
import struct
import sys

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 5005
FRAME = struct.Struct("!BLL20s")


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
        data = text.encode(errors="surrogateescape")[:20].ljust(20, b"-")
        frame = FRAME.pack(1, order, len(data), data)
        conn.sendall(frame)
        reply = recv_exactly(conn, FRAME.size)
        if reply != frame:
            print(f"Wrong or missing echo of order {order}", file=sys.stderr)
            return 1
        version, order, size, field = FRAME.unpack(reply)
        text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(field)[:size]
        say(f"Received ver: {version}, order: {order}, size: {size} -> {text}")
        order = (order + 1) % 2**32
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
