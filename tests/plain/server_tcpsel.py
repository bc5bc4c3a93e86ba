"""Echo a stream of TCP text to each client, all clients in one thread by means of selectors.

The stream has no delimiter: what one recv() yields is one message. No socket ever blocks: what a
client is owed and cannot take yet waits in a buffer of its own until the client is writable.
"""

import argparse
import selectors
import socket
import sys
import time

RECV_SIZE = 4096
MAX_OUTGOING = 64 * 1024


class Client:
    """One connected client and what it is still owed."""

    def __init__(self, conn: socket.socket, peer: str) -> None:
        self.conn = conn
        self.peer = peer
        self.outgoing = bytearray()
        self.finished = False  # it has sent everything, but may still be reading

    def wanted_events(self) -> int:
        """Say which events to wait for; 0 means that this client is served to the end."""
        events = selectors.EVENT_WRITE if self.outgoing else 0
        # A client that sends but does not read must not fill the memory: let TCP slow it down.
        if not self.finished and len(self.outgoing) <= MAX_OUTGOING:
            events |= selectors.EVENT_READ
        return events


def say(line: str) -> None:
    """Print one line at once; a character that stdout cannot write is escaped, never fatal."""
    sys.stdout.buffer.write(line.encode(sys.stdout.encoding, "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()


def accept(selector: selectors.BaseSelector, server: socket.socket) -> None:
    """Take one new client."""
    try:
        conn, (host, port) = server.accept()
    except BlockingIOError:
        return  # it was gone before we came to it
    except OSError as error:
        say(f"Cannot accept: {error}")
        time.sleep(0.1)  # most likely too many open sockets: do not spin until some client leaves
        return
    conn.setblocking(False)
    client = Client(conn, f"{host}:{port}")
    say(f"Accepted connection from {client.peer}")
    selector.register(conn, client.wanted_events(), client)


def serve_client(selector: selectors.BaseSelector, client: Client, ready: int) -> None:
    """Do what one client is ready for; close it when it is lost or served to the end."""
    try:
        if ready & selectors.EVENT_READ:
            if data := client.conn.recv(RECV_SIZE):
                say(f"Received {data.decode(errors='backslashreplace')}")
                client.outgoing += b"ECHO: " + data
            else:
                client.finished = True
        if client.outgoing:
            sent = client.conn.send(client.outgoing)
            del client.outgoing[:sent]
    except BlockingIOError:
        pass  # nothing is lost: the rest stays in the buffer
    except OSError as error:
        say(f"Lost connection from {client.peer}: {error}")
        client.finished = True
        client.outgoing.clear()

    if events := client.wanted_events():
        selector.modify(client.conn, events, client)
    else:
        selector.unregister(client.conn)
        client.conn.close()


def serve(server: socket.socket) -> None:
    """Wait for events on all sockets for ever."""
    server.setblocking(False)
    with selectors.DefaultSelector() as selector:
        selector.register(server, selectors.EVENT_READ)
        while True:
            for key, ready in selector.select():
                if key.fileobj is server:
                    accept(selector, server)
                else:
                    serve_client(selector, key.data, ready)


def main() -> int:
    """Read the options, listen and serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="TCP text echo server (selectors)")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=5005, help="0 = any free port (default %(default)s)")
    args = parser.parse_args()

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        # Connections of an earlier run that are still in TIME_WAIT must not keep the port busy.
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((args.host, args.port))
            server.listen()
        except (OSError, OverflowError, UnicodeError) as error:
            print(f"Cannot listen on {args.host}:{args.port}: {error}", file=sys.stderr)
            return 1
        host, port = server.getsockname()
        try:
            say(f"Listening on {host}:{port}")
            serve(server)
        except KeyboardInterrupt:
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
