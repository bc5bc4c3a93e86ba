"""One recv() is taken for one frame: a split frame, or two in one segment, raise struct.error."""

import codecs
import socket
import struct
import sys
import threading
import time

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 5005
FRAME = struct.Struct("!BLL20s")
PRINTING = threading.Lock()


def say(line: str) -> None:
    with PRINTING:
        sys.stdout.buffer.write(line.encode(sys.stdout.encoding, "backslashreplace") + b"\n")
        sys.stdout.buffer.flush()


def serve_client(conn: socket.socket, peer: str) -> None:
    with conn:
        try:
            while True:
                frame = conn.recv(1024)
                if not frame:
                    break
                version, order, size, field = FRAME.unpack(frame)
                if version != 1:
                    say(f"Wrong version {version} from {peer}")
                    break
                text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(field)[:size]
                say(f"Received ver: {version}, order: {order}, size: {size} -> {text}")
                conn.sendall(frame)
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
