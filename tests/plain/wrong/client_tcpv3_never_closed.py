"""At the end of its input it waits for its receiver, which waits for the server: nobody closes."""

import os
import queue
import socket
import struct
import sys
import threading

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


def receive(conn: socket.socket, sent: "queue.SimpleQueue[bytes]") -> None:
    try:
        while header := recv_exactly(conn, HEADER.size):
            frame = sent.get_nowait()
            reply = header + recv_exactly(conn, len(frame) - HEADER.size)
            if reply != frame:
                break
            version, order, size = HEADER.unpack_from(reply)
            text = reply[HEADER.size :].decode(errors="backslashreplace")
            say(f"Received ver: {version}, order: {order}, size: {size} -> {text}")
    except (OSError, queue.Empty):
        pass
    print("Wrong echo, or lost connection", file=sys.stderr, flush=True)
    os._exit(1)


def talk(conn: socket.socket) -> int:
    sent: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    receiver = threading.Thread(target=receive, args=(conn, sent))
    receiver.start()
    for order, raw in enumerate(sys.stdin.buffer, 1):
        text = raw.decode(errors="surrogateescape").removesuffix("\n").removesuffix("\r")
        data = text.encode(errors="surrogateescape")
        frame = HEADER.pack(1, order, len(data)) + data
        sent.put(frame)
        conn.sendall(frame)
    receiver.join()
    return 0


def main() -> int:
    try:
        with socket.create_connection(("127.0.0.1", PORT)) as conn:
            return talk(conn)
    except OSError as error:
        print(f"Lost connection: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
