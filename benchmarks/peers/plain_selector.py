"""Echo with plain sockets and one thread with a selector: tests/plain/server_tcpsel.py without its
printing, and the same for frames.
"""

from __future__ import annotations

import argparse
import selectors
import socket

from benchmarks.peers.frames import ECHO, Violation, say_where

RECV_SIZE = 65_536
MAX_OUTGOING = 64 * 1024


class Client:
    """One connected client and what it is still owed."""

    def __init__(self, conn: socket.socket) -> None:
        self.conn = conn
        self.rest = b""
        self.outgoing = bytearray()
        self.finished = False  # nothing more is read from it
        self.events = selectors.EVENT_READ

    def wanted_events(self) -> int:
        """Say which events to wait for; 0 means that this client is served to the end."""
        events = selectors.EVENT_WRITE if self.outgoing else 0
        if not self.finished and len(self.outgoing) <= MAX_OUTGOING:
            events |= selectors.EVENT_READ
        return events


def accept(selector: selectors.BaseSelector, server: socket.socket) -> None:
    """Take one new client."""
    try:
        conn, _ = server.accept()
    except BlockingIOError:
        return
    conn.setblocking(False)
    client = Client(conn)
    selector.register(conn, client.events, client)


def serve_client(selector: selectors.BaseSelector, client: Client, ready: int, format: str) -> None:
    """Do what one client is ready for; close it when it is lost or served to the end."""
    try:
        if ready & selectors.EVENT_READ:
            if data := client.conn.recv(RECV_SIZE):
                client.rest = ECHO[format](client.rest + data, client.outgoing.extend)
            else:
                client.finished = True
    except BlockingIOError:
        pass
    except Violation:
        client.finished = True
    except OSError:
        client.finished = True
        client.outgoing.clear()
    try:
        if client.outgoing:
            sent = client.conn.send(client.outgoing)
            del client.outgoing[:sent]
    except BlockingIOError:
        pass
    except OSError:
        client.finished = True
        client.outgoing.clear()

    events = client.wanted_events()
    if not events:
        selector.unregister(client.conn)
        client.conn.close()
    elif events != client.events:
        client.events = events
        selector.modify(client.conn, events, client)


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("format", choices=list(ECHO))
    format = parser.parse_args().format
    with (
        socket.create_server(("127.0.0.1", 0), backlog=1024) as server,
        selectors.DefaultSelector() as selector,
    ):
        server.setblocking(False)
        selector.register(server, selectors.EVENT_READ)
        say_where(server.getsockname()[1])
        while True:
            for key, ready in selector.select():
                if key.fileobj is server:
                    accept(selector, server)
                else:
                    serve_client(selector, key.data, ready, format)


if __name__ == "__main__":
    main()
