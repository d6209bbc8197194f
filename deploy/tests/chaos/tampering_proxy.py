"""A gateway that lies: it passes everything on, and changes some of the answers.

What the checker of the chaos runs is tried with: each lie is a fault it has to find.
"""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length")


@dataclass
class Reply:
    """What the gateway said to a question, and what will be said."""

    path: str
    token: str  # the Authorization header
    status: int
    headers: list[tuple[str, str]]
    body: bytes


Lie = Callable[[Reply], None]


@contextmanager
def lying(url: str, lie: Lie) -> Iterator[str]:
    """The address of a gateway before the one at `url`."""
    parts = urlsplit(url)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            upstream = http.client.HTTPConnection(parts.hostname or "", parts.port)
            try:
                upstream.request(self.command, self.path, body, dict(self.headers))
                found = upstream.getresponse()
                content = found.read()
            except (OSError, http.client.HTTPException):
                self.close_connection = True  # as the gateway did
                return
            finally:
                upstream.close()
            kept = [
                (k, v) for k, v in found.getheaders() if k.lower() not in HOP_BY_HOP
            ]
            token = self.headers.get("Authorization", "")
            reply = Reply(self.path, token, found.status, kept, content)
            lie(reply)
            self.send(reply)

        do_GET = do_POST = answer

        def send(self, reply: Reply) -> None:
            self.send_response_only(reply.status)
            for name, value in reply.headers:
                self.send_header(name, value)
            if reply.status != 204:
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Remembers:
    """Answers a token that was good once as it was answered then."""

    good: dict[str, Reply] = field(default_factory=dict)

    def __call__(self, reply: Reply) -> None:
        if not reply.path.endswith("/users/me"):
            return
        if reply.status == 200:
            self.good[reply.token] = reply
        elif reply.status == 401 and (old := self.good.get(reply.token)):
            reply.status, reply.headers, reply.body = 200, old.headers, old.body


def bare(reply: Reply) -> None:
    """503 as a gateway says it that is not configured for it."""
    if reply.status == 503:
        reply.status, reply.body = 502, b"<html>Bad Gateway</html>"
        reply.headers = [("Content-Type", "text/html")]


def clearing(reply: Reply) -> None:
    """503, and the client is logged out."""
    if reply.status == 503:
        reply.headers.append(("Set-Cookie", "refresh_token=; Max-Age=0; Path=/"))
