"""S3 as far as the benchmarks read it: whole objects, on loopback, as fast as can be."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class Objects(ThreadingHTTPServer):
    """Serves what is in `contents`, by path: `/bucket/key`."""

    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Reader)
        self.contents: dict[str, bytes] = {}

    @property
    def address(self) -> str:
        """The value of AWS_ENDPOINT_URL."""
        return f"http://127.0.0.1:{self.server_port}"


class _Reader(BaseHTTPRequestHandler):
    server: Objects
    protocol_version = "HTTP/1.1"  # which keeps connections
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        content = self.server.contents.get(self.path)
        self.send_response(HTTPStatus.OK if content is not None else HTTPStatus.NOT_FOUND)
        self.send_header("ETag", '"0"')
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def objects() -> Iterator[Objects]:
    """Serve objects while the context lasts."""
    with Objects() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
