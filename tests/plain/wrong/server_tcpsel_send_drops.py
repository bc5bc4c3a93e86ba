"""What send() returns is ignored: what a slow reader cannot take at once is lost."""

import selectors
import socket
import sys
import time

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 5005


def say(line: str) -> None:
    sys.stdout.buffer.write(line.encode(sys.stdout.encoding, "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()


def accept(selector: selectors.BaseSelector, server: socket.socket) -> None:
    try:
        conn, (host, port) = server.accept()
    except BlockingIOError:
        return
    except OSError as error:
        say(f"Cannot accept: {error}")
        time.sleep(0.1)
        return
    say(f"Accepted connection from {host}:{port}")
    conn.setblocking(False)
    selector.register(conn, selectors.EVENT_READ, conn)


def serve_client(selector: selectors.BaseSelector, conn: socket.socket) -> None:
    try:
        data = conn.recv(4096)
        if data:
            say(f"Received {data.decode(errors='backslashreplace')}")
            conn.send(b"ECHO: " + data)
            return
    except BlockingIOError:
        return
    except OSError as error:
        say(f"Lost connection: {error}")
    selector.unregister(conn)
    conn.close()


def main() -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("", PORT))
    server.listen()
    server.setblocking(False)
    say("Listening on {}:{}".format(*server.getsockname()))
    selector = selectors.DefaultSelector()
    selector.register(server, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.data is None:
                accept(selector, server)
            else:
                serve_client(selector, key.data)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit()
