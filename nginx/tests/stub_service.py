"""A service in a thread: it answers what it got, or what a test tells it."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Stub(ThreadingHTTPServer):
    """Answers what it got, or `always` the same, or whatever `answer` writes; keeps the
    requests it `received`."""

    daemon_threads = True

    def __init__(self, name: str = "", port: int = 0, host: str = "127.0.0.1") -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), StubHandler)
        self.name = name
        self.answer: Callable[[StubHandler], object] = StubHandler.usual
        self.same: tuple[int, dict[str, str], bytes] | None = None
        self.received: list[dict[str, Any]] = []
        self.connections = 0
        self.sockets: list[socket.socket] = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def requests(self) -> int:
        return len(self.received)

    def always(self, status: int, body: Any, **headers: str) -> None:
        """The usual answer from now on: a body of bytes as it is, all else as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        self.same = status, {"Content-Type": "application/json"} | named, content

    def use_tls(self, certificate: Path, key: Path) -> None:
        """From the next connection on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )

    def stop(self) -> None:
        """As the end of a process does, it ends kept connections too."""
        self.shutdown()
        self.server_close()
        for each in self.sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def __exit__(self, *args: object) -> None:
        self.stop()

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

    def receive(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.received.append(
            {
                "method": self.command,
                "path": self.path,
                "headers": dict(self.headers),
                "body": self.body,
                "client": self.client_address,
            }
        )
        self.server.answer(self)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = receive

    def usual(self) -> None:
        seen = {
            "service": self.server.name,
            "method": self.command,
            "path": self.path,
            "headers": self.headers.items(),
            "length": len(self.body),
        }
        json_type = {"Content-Type": "application/json"}
        self.reply(*(self.server.same or (200, json_type, json.dumps(seen).encode())))

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


def send_slowly(handler: StubHandler, begin: bytes = b"", pause: float = 0.05) -> None:
    """As an answer: one of which each byte comes in time, and the whole never."""
    handler.close_connection = True
    with suppress(OSError):
        handler.wfile.write(begin)
        for _ in range(100):
            handler.wfile.write(b" ")
            time.sleep(pause)
