"""Echo with an asyncio.Protocol and one transport.write() a frame; with --uvloop on uvloop's event loop."""

from __future__ import annotations

import argparse
import asyncio
from typing import cast

from benchmarks.peers.frames import ECHO, FORMATS, Violation, say_where


class Server(asyncio.Protocol):
    """A connection. It stops reading while its client does not take what it is owed."""

    transport: asyncio.Transport

    def __init__(self, format: str) -> None:
        self.echo = ECHO[format]
        self.rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self.rest = self.echo(self.rest + data, self.transport.write)
        except Violation:
            self.transport.close()

    def pause_writing(self) -> None:
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()


class Datagrams(asyncio.DatagramProtocol):
    """The port of datagrams."""

    transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(data, addr)


async def serve(format: str) -> None:
    """Listen, and serve for ever."""
    loop = asyncio.get_running_loop()
    if format == "udp":
        transport, _ = await loop.create_datagram_endpoint(Datagrams, ("127.0.0.1", 0))
        say_where(transport.get_extra_info("sockname")[1])
        await loop.create_future()
    server = await loop.create_server(lambda: Server(format), "127.0.0.1", 0)
    say_where(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("format", choices=FORMATS)
    parser.add_argument("--uvloop", action="store_true", help="on uvloop's event loop")
    arguments = parser.parse_args()
    if arguments.uvloop:
        import uvloop

        uvloop.install()
    asyncio.run(serve(arguments.format))


if __name__ == "__main__":
    main()
