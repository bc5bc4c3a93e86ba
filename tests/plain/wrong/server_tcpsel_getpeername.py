"""A lost client is asked for its address, outside the try: one reset ends the server."""

import selectors
import socket
import sys
import time

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 5005
MAX_OUTGOING = 64 * 1024


def say(line: str) -> None:
    sys.stdout.buffer.write(line.encode(sys.stdout.encoding, "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()


class Client:
    def __init__(self, conn: socket.socket) -> None:
        self.conn = conn
        self.outgoing = bytearray()
        self.finished = False

    def wanted_events(self) -> int:
        events = selectors.EVENT_WRITE if self.outgoing else 0
        if not self.finished and len(self.outgoing) <= MAX_OUTGOING:
            events |= selectors.EVENT_READ
        return events


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
    selector.register(conn, selectors.EVENT_READ, Client(conn))


def serve_client(selector: selectors.BaseSelector, client: Client, ready: int) -> None:
    try:
        if ready & selectors.EVENT_READ:
            data = client.conn.recv(4096)
            if data:
                say(f"Received {data.decode(errors='backslashreplace')}")
                client.outgoing += b"ECHO: " + data
            else:
                client.finished = True
        if client.outgoing:
            sent = client.conn.send(client.outgoing)
            del client.outgoing[:sent]
    except BlockingIOError:
        pass
    except OSError as error:
        say(f"Lost connection from {client.conn.getpeername()}: {error}")
        client.finished = True
        client.outgoing.clear()
    if events := client.wanted_events():
        selector.modify(client.conn, events, client)
    else:
        selector.unregister(client.conn)
        client.conn.close()


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
        for key, ready in selector.select():
            if key.data is None:
                accept(selector, server)
            else:
                serve_client(selector, key.data, ready)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit()
