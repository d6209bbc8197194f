"""A server of the standard library: it answers what a test wants, or nothing."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def running(server: Any) -> Iterator[Any]:
    """A server in a thread, for as long as the block."""
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def send_slowly(handler: Any, begin: bytes = b"", pause: float = 0.05) -> None:
    """As `before`: an answer of which each byte comes in time, and the whole never."""
    handler.close_connection = True
    with suppress(OSError):
        handler.wfile.write(begin)
        for _ in range(100):
            handler.wfile.write(b" ")
            time.sleep(pause)


class StubService(ThreadingHTTPServer):
    """Answers with `status`, `body` and `headers`; keeps the requests it got.

    `before` is called first, with the handler: to wait, or to hang up.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), StubHandler)
        self.status = 200
        self.body: bytes = b"{}"
        self.headers = {"Content-Type": "application/json"}
        self.before: Any = None
        self.requests: list[dict[str, Any]] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up is what some tests are about."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, status: int, body: Any, **headers: str) -> None:
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.headers |= {name.replace("_", "-"): v for name, v in headers.items()}


class StubHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StubService

    def do_GET(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = {
            "method": self.command,
            "path": self.path,
            "headers": dict(self.headers),
            "body": sent,
            "client": self.client_address,
        }
        self.server.requests.append(request)
        self.close_connection = False  # only `before` hangs up, whatever was asked for
        if self.server.before is not None:
            self.server.before(self)
        if self.close_connection:
            return
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_POST = do_GET

    def log_message(self, *args: Any) -> None:
        """Not to stderr."""
