"""Echo a stream of TCP text to each client, with a thread for each client.

The stream has no delimiter: what one recv() yields is one message. Where the stream is cut into
messages is therefore up to the network, and a long text may come as several of them.
"""

import argparse
import socket
import sys
import threading
import time

RECV_SIZE = 4096
PRINTING = threading.Lock()


def say(line: str) -> None:
    """Print one line at once; a character that stdout cannot write is escaped, never fatal."""
    with PRINTING:  # one line after the other, and each line whole, even at Ctrl-C
        sys.stdout.buffer.write(line.encode(sys.stdout.encoding, "backslashreplace") + b"\n")
        sys.stdout.buffer.flush()


def serve_client(conn: socket.socket, peer: str) -> None:
    """Answer one client until it has sent everything, then close its socket."""
    with conn:
        try:
            while data := conn.recv(RECV_SIZE):
                say(f"Received {data.decode(errors='backslashreplace')}")
                conn.sendall(b"ECHO: " + data)
        except OSError as error:
            say(f"Lost connection from {peer}: {error}")


def serve(server: socket.socket) -> None:
    """Accept clients for ever."""
    # A Ctrl-C that comes just before accept() begins to wait does not end the wait: the timeout does.
    server.settimeout(1)
    while True:
        try:
            conn, (host, port) = server.accept()
        except TimeoutError:
            continue
        except OSError as error:
            say(f"Cannot accept: {error}")
            time.sleep(0.1)  # most likely too many open sockets: let some client leave
            continue
        peer = f"{host}:{port}"
        say(f"Accepted connection from {peer}")
        threading.Thread(target=serve_client, args=(conn, peer), daemon=True).start()


def main() -> int:
    """Read the options, listen and serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="TCP text echo server (threads)")
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
            # Keep the lock: a daemon thread stopped in the middle of a line would abort the exit.
            PRINTING.acquire(timeout=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
