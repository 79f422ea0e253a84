"""A way for containers to what listens on this machine's loopback interface only."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_CHUNK = 65_536


@contextmanager
def forward(address: str, port: int) -> Iterator[int]:
    """Pass connections to an address of this machine on to the loopback interface's port.

    Args:
        address: where to listen: the bridge of Docker's that containers are on.
        port: what listens on 127.0.0.1.

    Yields:
        The port at the address, which was free.

    """
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(
        asyncio.start_server(lambda reader, writer: _serve(reader, writer, port), address, 0)
    )
    thread = threading.Thread(target=loop.run_forever, name="forward", daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_close(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    try:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:  # LocalStack has ended: so does the connection
        writer.close()
        return
    try:
        await asyncio.gather(_pass(reader, there_writer), _pass(there_reader, writer))
    finally:
        for end in (writer, there_writer):
            end.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()


async def _close(server: asyncio.Server) -> None:
    server.close()
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
