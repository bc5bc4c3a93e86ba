"""Every echo goes to the client that came first."""

import socket
import sys

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 5005


def say(line: str) -> None:
    sys.stdout.buffer.write(line.encode(sys.stdout.encoding, "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("", PORT))
    say("Listening on {}:{}".format(*server.getsockname()))
    first = None
    while True:
        try:
            data, (host, port) = server.recvfrom(65535)
            first = first or (host, port)
            say(f"Message from {host}:{port} -> {data.decode(errors='backslashreplace')}")
            server.sendto(data, first)
        except OSError as error:
            say(f"Cannot receive or answer: {error}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit()
