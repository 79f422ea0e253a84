"""A way for containers to what listens on this machine's loopback interface only."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer

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
    with _Forwarder((address, 0), _Connection) as server:
        server.to = port
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
            server.hang_up()


class _Forwarder(ThreadingTCPServer):
    to: int
    request_queue_size = 128

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.ending = False
        self._open: set[socket.socket] = set()

    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        """Take a connection, whose thread begins a moment later."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        """Let go of a connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the connections that are open, and with them their threads."""
        self.ending = True
        for connection in list(self._open):
            with suppress(OSError):  # it has ended by itself
                connection.shutdown(socket.SHUT_RDWR)


class _Connection(BaseRequestHandler):
    server: _Forwarder
    request: socket.socket

    def handle(self) -> None:
        """Pass bytes both ways, until both sides have said all."""
        try:
            there = socket.create_connection(("127.0.0.1", self.server.to))
        except OSError:
            return  # nobody listens there any more
        with there:
            back = threading.Thread(target=_pass, args=(there, self.request))
            back.start()
            _pass(self.request, there)
            if self.server.ending:
                with suppress(OSError):
                    there.shutdown(socket.SHUT_RDWR)
            back.join()


def _pass(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):  # the other side is gone
        while chunk := source.recv(_CHUNK):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
