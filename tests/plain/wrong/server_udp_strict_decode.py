"""The text is decoded unprotected: one datagram that is no UTF-8 ends the server."""

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
    while True:
        try:
            data, (host, port) = server.recvfrom(65535)
            text = data.decode()
            say(f"Message from {host}:{port} -> {text}")
            server.sendto(data, (host, port))
        except OSError as error:
            say(f"Cannot receive or answer: {error}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit()
