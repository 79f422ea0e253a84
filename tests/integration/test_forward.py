"""The way from Docker's bridge to the loopback interface; 127.0.0.2 stands for the bridge."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from local.containers.forward import forward

BRIDGE = "127.0.0.2"


class Upper(socketserver.StreamRequestHandler):
    """Answers with what it was sent, in capitals, once all of it is there."""

    def handle(self) -> None:
        self.wfile.write(self.rfile.read().upper())


@pytest.fixture
def upper() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Upper) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def receive(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def test_all_that_is_sent_arrives_and_the_answer_comes_back(upper: int) -> None:
    sent = b"customers " * 300_000
    with forward(BRIDGE, upper) as port, socket.create_connection((BRIDGE, port)) as connection:
        sender = threading.Thread(
            target=lambda: (connection.sendall(sent), connection.shutdown(socket.SHUT_WR))
        )
        sender.start()
        assert receive(connection) == sent.upper()
        sender.join()


def test_where_nothing_listens_the_connection_ends(upper: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = free.getsockname()[1]
    with forward(BRIDGE, nobody) as port, socket.create_connection((BRIDGE, port)) as connection:
        assert receive(connection) == b""


def test_with_its_block_open_connections_end_and_the_port_is_free(upper: int) -> None:
    with forward(BRIDGE, upper) as port:
        connection = socket.create_connection((BRIDGE, port))
        connection.sendall(b"half a request")
    with connection, suppress(ConnectionResetError):
        assert receive(connection) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((BRIDGE, port))
