"""Ports for servers that begin to listen a while after they were told theirs."""

import socket
from contextlib import ExitStack, suppress
from random import SystemRandom

_PORTS = range(20_000, 32_000)  # no system gives them to connections, which could be sooner


def free_port(count: int = 1) -> int:
    """Find a port that nobody has, the first of so many that follow each other."""
    while True:
        first = SystemRandom().choice(_PORTS)
        with suppress(OSError), ExitStack() as taken:
            for port in range(first, first + count):
                taken.enter_context(socket.create_server(("127.0.0.1", port)))
            return first
