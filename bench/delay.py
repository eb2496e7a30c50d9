#!/usr/bin/env python3
"""A TCP proxy that makes a server seem far away.

usage: delay.py LISTEN SERVER MILLISECONDS   (both ADDRESS:PORT)

Every byte that the server sends arrives so many milliseconds later, and what a client sends first on a connection as
well, for the handshake. What is underway is bounded, so that a slow reader slows the server down.
"""
import asyncio
import contextlib
import sys

PIECE_BYTES = 256 * 1024
UNDERWAY_BYTES_MAX = 32 * 1024 * 1024


async def forward(reader, writer):
    while piece := await reader.read(PIECE_BYTES):
        writer.write(piece)
        await writer.drain()


async def forward_later(reader, writer, seconds):
    """Reads ahead while earlier pieces wait for their time."""
    loop, waiting = asyncio.get_running_loop(), asyncio.Queue(UNDERWAY_BYTES_MAX // PIECE_BYTES)

    async def send():
        while (item := await waiting.get()) is not None:
            due, piece = item
            if (left := due - loop.time()) > 0:
                await asyncio.sleep(left)
            writer.write(piece)
            await writer.drain()

    sender = asyncio.create_task(send())
    try:
        while piece := await reader.read(PIECE_BYTES):
            await waiting.put((loop.time() + seconds, piece))
        await waiting.put(None)
        await sender
    finally:
        sender.cancel()


async def serve(reader, writer, backend, seconds):
    await asyncio.sleep(seconds)
    with contextlib.suppress(OSError):
        back_reader, back_writer = await asyncio.open_connection(*backend, limit=PIECE_BYTES)
        ways = [asyncio.create_task(forward(reader, back_writer)), asyncio.create_task(forward_later(back_reader, writer, seconds))]
        # Whichever side ends first ends the connection: HTTP has no use for half of one.
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await way
        back_writer.close()
    writer.close()


async def main():
    listen, backend = (word.rsplit(":", 1) for word in sys.argv[1:3])
    seconds = float(sys.argv[3]) / 1000
    backend = backend[0], int(backend[1])
    server = await asyncio.start_server(lambda r, w: serve(r, w, backend, seconds), listen[0], int(listen[1]), limit=PIECE_BYTES)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
