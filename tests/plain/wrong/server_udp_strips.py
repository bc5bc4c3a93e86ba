"""The text is stripped before it is sent back: blanks at its ends are lost."""

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
            text = data.decode(errors="surrogateescape").strip()
            say(f"Message from {host}:{port} -> {text}")
            server.sendto(text.encode(errors="surrogateescape"), (host, port))
        except OSError as error:
            say(f"Cannot receive or answer: {error}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit()
