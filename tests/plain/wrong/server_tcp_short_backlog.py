"""Only one connection may wait to be accepted: when many come at once, most are dropped."""

import socket
import sys
import threading
import time

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 5005
PRINTING = threading.Lock()


def say(line: str) -> None:
    with PRINTING:
        sys.stdout.buffer.write(line.encode(sys.stdout.encoding, "backslashreplace") + b"\n")
        sys.stdout.buffer.flush()


def serve_client(conn: socket.socket, peer: str) -> None:
    with conn:
        try:
            while True:
                data = conn.recv(4096)
                if not data:
                    break
                say(f"Received {data.decode(errors='backslashreplace')}")
                conn.sendall(b"ECHO: " + data)
        except OSError as error:
            say(f"Lost connection from {peer}: {error}")


def main() -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("", PORT))
    server.listen(1)
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
