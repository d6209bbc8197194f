"""HTTP/1.1 as an attacker writes it: any bytes go out, every answer is read back."""

import http.client
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nginx.tests.gateway_rig import Answer

Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Received:
    """What came back over one connection, and whether the other side ended it."""

    data: bytes
    closed: bool

    def answers(self, method: str = "GET") -> list[Answer]:
        """All of them, in order. Raises http.client.HTTPException for what is none."""
        stream = Kept(self.data)
        found = []
        while stream.tell() < len(self.data):
            response = http.client.HTTPResponse(Wire(stream), method=method)  # type: ignore[arg-type]
            response.begin()
            body = response.read()
            found.append(Answer(response.status, response.getheaders(), body))
        return found


class Kept(io.BytesIO):
    """HTTPResponse closes what it reads from; a second answer may follow."""

    def close(self) -> None:
        pass


class Wire:
    """As much of a socket as HTTPResponse asks for."""

    def __init__(self, stream: io.BytesIO) -> None:
        self.stream = stream

    def makefile(self, *_: Any) -> io.BytesIO:
        return self.stream


def request(
    method: str, path: str, host: str, headers: Headers, body: bytes = b""
) -> bytes:
    """A request that is well-formed as long as its parts are."""
    names = {name.lower() for name, _ in headers}
    lines = [f"{method} {path} HTTP/1.1"]
    lines += [] if "host" in names else [f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if (body or method not in ("GET", "HEAD")) and not names & FRAMING:
        lines.append(f"Content-Length: {len(body)}")
    lines += ["Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


FRAMING = {"content-length", "transfer-encoding"}


def problem_of(answer: Answer) -> dict[str, Any]:
    """The problem (RFC 9457) of an answer, which must be one."""
    assert answer.one("Content-Type") == "application/problem+json", answer
    problem: dict[str, Any] = json.loads(answer.body)
    assert problem["status"] == answer.status
    assert problem["request_id"] == answer.one("X-Request-ID")
    return problem


def refused(answer: Answer, status: int, *codes: str) -> None:
    """The attack was answered as it should be: this status, one of these codes."""
    assert answer.status == status, (answer.status, answer.body[:500])
    code = problem_of(answer)["code"]
    assert code in codes, (code, answer.body[:500])
