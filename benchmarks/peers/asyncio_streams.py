"""Echo with asyncio's streams: readexactly(), write() and drain() for each frame."""

from __future__ import annotations

import argparse
import asyncio
from asyncio import IncompleteReadError, StreamReader, StreamWriter
from contextlib import suppress

from benchmarks.peers.frames import FIXED, HEADER, MAX_SIZE, PREFIX, VERSION, say_where


async def echo_text(reader: StreamReader, writer: StreamWriter) -> None:
    """Answer what each read yields."""
    while data := await reader.read(65_536):
        writer.write(PREFIX + data)
        await writer.drain()


async def echo_fixed(reader: StreamReader, writer: StreamWriter) -> None:
    """Answer frames of 29 bytes."""
    while (first := await reader.readexactly(1))[0] == VERSION:
        writer.write(first + await reader.readexactly(FIXED.size - 1))
        await writer.drain()


async def echo_variable(reader: StreamReader, writer: StreamWriter) -> None:
    """Answer frames of a header and as many bytes as it says."""
    while True:
        header = await reader.readexactly(HEADER.size)
        version, _order, size = HEADER.unpack(header)
        if version != VERSION or size > MAX_SIZE:
            return
        writer.write(header + await reader.readexactly(size))
        await writer.drain()


ECHO = {"text": echo_text, "tcpv2": echo_fixed, "tcpv3": echo_variable}


async def serve(format: str) -> None:
    """Listen, and serve for ever."""

    async def client(reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(IncompleteReadError, ConnectionError):
            await ECHO[format](reader, writer)
        writer.close()

    server = await asyncio.start_server(client, "127.0.0.1", 0)
    say_where(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("format", choices=list(ECHO))
    asyncio.run(serve(parser.parse_args().format))


if __name__ == "__main__":
    main()
