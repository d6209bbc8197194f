"""A service behind the gateway that answers what it got, or what a test tells it."""

import json
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Stub(ThreadingHTTPServer):
    """A service that answers what it got, or whatever `answer` writes."""

    daemon_threads = True

    def __init__(self, name: str, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), StubHandler)
        self.name = name
        self.answer: Callable[[StubHandler], None] | None = None
        self.requests = 0
        self.connections = 0
        self.sockets: list[socket.socket] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def stop(self) -> None:
        """As the end of a process does, it ends kept connections too."""
        self.shutdown()
        self.server_close()
        for each in self.sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are part of the tests."""


class StubHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer takes 40 ms on a kept connection
    server: Stub

    def setup(self) -> None:
        self.server.connections += 1
        self.server.sockets.append(self.request)
        super().setup()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def echo(self) -> None:
        self.server.requests += 1
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        if self.server.answer:
            self.server.answer(self)
            return
        seen = {
            "service": self.server.name,
            "method": self.command,
            "path": self.path,
            "headers": self.headers.items(),
            "length": length,
        }
        self.reply(200, {"Content-Type": "application/json"}, json.dumps(seen).encode())

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = echo

    def reply(self, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def hang_up(handler: StubHandler) -> None:
    """As an answer: none, and the end of the connection."""
    handler.close_connection = True
