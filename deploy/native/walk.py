"""Requests shown as calls of curl, and answers that have to be the expected ones."""

import contextlib
import http.client
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from .problems import Problem

SHOWN = 12
# A token's beginning is the same for all of them; a key's would be a part of the key.
JSON_BEGINS = "eyJ"
HIDDEN = "x-internal-api-key"
SECRET = re.compile(r"eyJ[A-Za-z0-9_.-]{8,}|[A-Za-z0-9_-]{43,}")


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: dict[str, Any] = field(default_factory=dict)

    def cookie(self) -> str:
        """The first cookie that is set, as it is to be sent back."""
        for name, value in self.headers:
            if name.lower() == "set-cookie":
                return value.partition(";")[0]
        return ""


class Walk:
    """Sends requests to one address, prints them and the answers, and insists."""

    def __init__(self, url: str) -> None:
        self.url = url

    def step(
        self,
        title: str,
        method: str,
        path: str,
        *,
        expect: int,
        code: str = "",
        body: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        sent = {"Content-Type": "application/json"} if body is not None else {}
        sent.update(headers or {})
        print(f"# {title}\n$ {_as_curl(method, self.url + path, sent, body)}")
        answer = _request(self.url, method, path, sent, body)
        _show(answer)
        found = answer.body.get("code", "")
        if answer.status != expect or (code and found != code):
            wanted = f"{expect} {code}".strip()
            raise Problem(f"Expected {wanted}, got {answer.status} {found}.")
        return answer


def _request(
    url: str,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: Mapping[str, str] | None,
) -> Answer:
    with contextlib.closing(_connection(url)) as connection:
        text = json.dumps(body) if body is not None else None
        try:
            connection.request(method, path, text, dict(headers))
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as exc:
            raise Problem(f"{url} does not answer: {exc}") from exc
    try:
        parsed = json.loads(content or b"{}")
    except ValueError:
        parsed = {}
    return Answer(response.status, response.getheaders(), parsed)


def _connection(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(parts.netloc, timeout=10, context=context)
    return http.client.HTTPConnection(parts.netloc, timeout=10)


def _as_curl(
    method: str, url: str, headers: Mapping[str, str], body: Mapping[str, str] | None
) -> str:
    words = ["curl", "-X", method, url]
    words += [f"-H '{name}: {_header(name, text)}'" for name, text in headers.items()]
    if body is not None:
        shown = {**body, "password": "..."} if "password" in body else dict(body)
        words.append(f"-d '{_shortened(json.dumps(shown))}'")
    return " ".join(words)


def _show(answer: Answer) -> None:
    print(f"{answer.status} {http.client.responses.get(answer.status, '')}")
    for name, text in answer.headers:
        if name.lower() in ("set-cookie", "www-authenticate", "location"):
            print(f"{name}: {_shortened(text)}")
    print(_shortened(json.dumps(answer.body, indent=2)) + "\n")


def _header(name: str, text: str) -> str:
    return "..." if name.lower() == HIDDEN else _shortened(text)


def _shortened(text: str) -> str:
    """Tokens by their beginnings, keys not at all: output lands in tickets."""
    return SECRET.sub(lambda match: _beginning(match[0]), text)


def _beginning(secret: str) -> str:
    return f"{secret[:SHOWN]}..." if secret.startswith(JSON_BEGINS) else "..."
