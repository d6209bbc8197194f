"""`demo`: the main job of the product, request by request, against the gateway."""

import contextlib
import http.client
import json
import re
import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from . import addresses, bringup, configure, secretfiles
from .files import read_text
from .layout import Layout
from .problems import Problem
from .services import discover

SHOWN = 12
SECRET = re.compile(r"eyJ[A-Za-z0-9_.-]{8,}|[A-Za-z0-9_-]{43,}")
BASE = "/api/v1"


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


def run(layout: Layout) -> None:
    """Raises a Problem at the first answer that is not the expected one."""
    if not bringup.is_running(layout):
        raise Problem("The stack is not running.", hint=f"{layout.command} up")
    gateway = Walk(configure.public_url(layout))
    token, cookie = _come_in(gateway)
    asks = "Another service asks the Auth Service itself, with an API key"
    _verify(layout, asks, token, expect=200)
    cookie, token = _refresh(gateway, cookie)
    gateway.step(
        "Log out",
        "POST",
        f"{BASE}/auth/logout",
        expect=200,
        headers={"Cookie": cookie},
    )
    refused = "From now on every token of the session is refused"
    _verify(layout, refused, token, expect=401, code="token_revoked")
    _is_refused(gateway, token, cookie)
    print("memo: everything answered as it should")


def _come_in(gateway: Walk) -> tuple[str, str]:
    """Register, log in, look; returns the access token and the refresh cookie."""
    name = f"demo-{secrets.token_hex(4)}"
    password = secrets.token_urlsafe(12)
    person = {"username": name, "email": f"{name}@example.com", "password": password}
    gateway.step("Register", "POST", f"{BASE}/users/", expect=201, body=person)
    login = {"email": person["email"], "password": password}
    path = f"{BASE}/auth/login"
    answer = gateway.step("Log in", "POST", path, expect=200, body=login)
    token = answer.body["access_token"]
    headers = _bearer(token)
    gateway.step("Who am I?", "GET", f"{BASE}/users/me", expect=200, headers=headers)
    return token, answer.cookie()


def _refresh(gateway: Walk, cookie: str) -> tuple[str, str]:
    """Returns the cookie to use from now on, and the new access token."""
    answer = gateway.step(
        "Refresh: the cookie is rotated",
        "POST",
        f"{BASE}/auth/refresh",
        expect=200,
        headers={"Cookie": cookie},
    )
    return answer.cookie() or cookie, answer.body["access_token"]


def _verify(
    layout: Layout, title: str, token: str, *, expect: int, code: str = ""
) -> None:
    """Verification is internal: the gateway hides it, so this goes to the service
    itself, as the User Service does."""
    auth, caller = (
        next(found for found in discover(layout.root) if found.name == name)
        for name in ("auth", "users")
    )
    key = layout.secrets / secretfiles.key_name(caller.name, auth.name)
    port = addresses.written_port(layout, auth)
    Walk(f"http://{addresses.LOOPBACK}:{port}").step(
        title,
        "POST",
        f"{BASE}/auth/verify_token",
        expect=expect,
        code=code,
        body={"token": token},
        headers={"X-Internal-Api-Key": read_text(key).strip()},
    )


def _is_refused(gateway: Walk, token: str, cookie: str) -> None:
    gateway.step(
        "The access token, too",
        "GET",
        f"{BASE}/users/me",
        expect=401,
        code="token_revoked",
        headers=_bearer(token),
    )
    gateway.step(
        "And the refresh cookie",
        "POST",
        f"{BASE}/auth/refresh",
        expect=401,
        code="token_revoked",
        headers={"Cookie": cookie},
    )


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


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
    words += [f"-H '{name}: {_shortened(text)}'" for name, text in headers.items()]
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


def _shortened(text: str) -> str:
    """Tokens and keys by their beginnings: output lands in tickets and chats."""
    return SECRET.sub(lambda match: f"{match[0][:SHOWN]}...", text)
