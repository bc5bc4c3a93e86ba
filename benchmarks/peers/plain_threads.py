"""Echo with plain sockets and a thread for each client: tests/plain/server_tcp*.py without printing."""

from __future__ import annotations

import argparse
import socket
import threading
from contextlib import suppress

from benchmarks.peers.frames import FIXED, FORMATS, HEADER, MAX_DATAGRAM, MAX_SIZE, PREFIX, VERSION, say_where

RECV_SIZE = 4096  # as there


def recv_exactly(conn: socket.socket, count: int) -> bytes:
    """Read count bytes; fewer (maybe none) only if the stream ended before."""
    data = bytearray()
    while len(data) < count and (piece := conn.recv(count - len(data))):
        data += piece
    return bytes(data)


def echo_text(conn: socket.socket) -> None:
    """Answer what each read yields."""
    while data := conn.recv(RECV_SIZE):
        conn.sendall(PREFIX + data)


def echo_fixed(conn: socket.socket) -> None:
    """Answer frames of 29 bytes."""
    while len(frame := recv_exactly(conn, FIXED.size)) == FIXED.size:
        version, _order, _size, _text = FIXED.unpack(frame)
        if version != VERSION:
            return
        conn.sendall(frame)


def echo_variable(conn: socket.socket) -> None:
    """Answer frames of a header and as many bytes as it says."""
    while len(header := recv_exactly(conn, HEADER.size)) == HEADER.size:
        version, _order, size = HEADER.unpack(header)
        if version != VERSION or size > MAX_SIZE:
            return
        payload = recv_exactly(conn, size)
        if len(payload) < size:
            return
        conn.sendall(header + payload)


ECHO = {"text": echo_text, "tcpv2": echo_fixed, "tcpv3": echo_variable}


def serve_client(conn: socket.socket, format: str) -> None:
    """Answer one client, then close its socket."""
    with conn, suppress(OSError):
        ECHO[format](conn)


def serve_datagrams() -> None:
    """Answer datagrams for ever."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        say_where(server.getsockname()[1])
        while True:
            data, peer = server.recvfrom(MAX_DATAGRAM)
            server.sendto(data, peer)


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("format", choices=FORMATS)
    format = parser.parse_args().format
    if format == "udp":
        serve_datagrams()
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as server:
        say_where(server.getsockname()[1])
        while True:
            conn, _ = server.accept()
            threading.Thread(target=serve_client, args=(conn, format), daemon=True).start()


if __name__ == "__main__":
    main()
