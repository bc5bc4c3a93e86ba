"""The payload is read by recv(4096) until there is enough: what belongs to the next frame is lost."""

import socket
import struct
import sys
import threading
import time

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 5005
HEADER = struct.Struct("!BLL")
MAX_SIZE = 1024 * 1024
PRINTING = threading.Lock()


def say(line: str) -> None:
    with PRINTING:
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


def serve_client(conn: socket.socket, peer: str) -> None:
    with conn:
        try:
            while True:
                header = recv_exactly(conn, HEADER.size)
                if len(header) < HEADER.size:
                    break
                version, order, size = HEADER.unpack(header)
                if version != 1:
                    say(f"Wrong version {version} from {peer}")
                    break
                if size > MAX_SIZE:
                    say(f"Refused size {size} from {peer}")
                    break
                payload = b""
                while len(payload) < size:
                    piece = conn.recv(4096)
                    if not piece:
                        break
                    payload += piece
                if len(payload) < size:
                    break
                payload = payload[:size]
                text = payload.decode(errors="backslashreplace")
                say(f"Received ver: {version}, order: {order}, size: {size} -> {text}")
                conn.sendall(header + payload)
        except OSError as error:
            say(f"Lost connection from {peer}: {error}")


def main() -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("", PORT))
    server.listen()
    say("Listening on {}:{}".format(*server.getsockname()))
    while True:
        try:
            conn, (host, port) = server.accept()
        except OSError as error:
            say(f"Cannot accept: {error}")
            time.sleep(0.1)
            continue
        say(f"Accepted connection from {host}:{port}")
        threading.Thread(target=serve_client, args=(conn, f"{host}:{port}"), daemon=True).start()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        PRINTING.acquire(timeout=1)
