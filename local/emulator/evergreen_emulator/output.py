"""What a runtime prints, kept within bounds."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

KEEP = 512 * 1024
"""Bytes kept of an invocation's beginning, and as many of its end."""

_PIPE = 1 << 20
"""More than a pipe holds, so that one read takes all there is."""


class Output:
    """The pipe of a runtime's stdout and stderr.

    A pipe rather than a file, so that a function that prints without end is slowed down instead of
    filling the disk.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._data = bytearray()
        self._dropped = 0

    @contextmanager
    def writer(self) -> Iterator[int]:
        """The writing end, once, for a process to inherit."""
        try:
            yield self._writer
        finally:
            os.close(self._writer)

    def fileno(self) -> int:
        """What to wait on for more to collect."""
        return self._reader

    def collect(self) -> bool:
        """Take what has been printed by now; False once nobody is left who could print."""
        try:
            data = os.read(self._reader, _PIPE)
        except BlockingIOError:
            return True
        self._data += data
        if len(self._data) > 4 * KEEP:
            self._cut()
        return bool(data)

    def take(self) -> str:
        """What was printed since the last call: all of it, or its beginning and its end."""
        self.collect()
        if len(self._data) > 2 * KEEP:
            self._cut()
        if self._dropped:
            self._data[KEEP:KEEP] = b"\n[%d bytes of output dropped]\n" % self._dropped
        text = self._data.decode(errors="replace")
        self._data.clear()
        self._dropped = 0
        return text

    def close(self) -> None:
        """Close the reading end."""
        os.close(self._reader)

    def _cut(self) -> None:
        self._dropped += len(self._data) - 2 * KEEP
        del self._data[KEEP:-KEEP]
