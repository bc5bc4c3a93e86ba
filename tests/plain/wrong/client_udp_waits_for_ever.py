"""The socket has no timeout: an echo that was lost is waited for, for ever."""

import socket
import sys

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 5005


def say(line: str) -> None:
    sys.stdout.buffer.write(line.encode(sys.stdout.encoding, "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()


def talk(client: socket.socket) -> int:
    for raw in sys.stdin.buffer:
        data = raw.removesuffix(b"\n").removesuffix(b"\r")
        client.send(data)
        reply = client.recv(65535)
        if reply != data:
            print("Wrong echo: it differs from what was sent", file=sys.stderr)
            return 1
        say(f"Received {reply.decode(errors='backslashreplace')}")
    return 0


def main() -> int:
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", PORT))
            return talk(client)
    except OSError as error:
        print(f"No echo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
