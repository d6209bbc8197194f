"""The main job of the product against a running gateway, request by request.

    python -m deploy.smoke_test http://localhost:8080 [--account FILE] \\
        [--auth-url http://127.0.0.1:8001 --api-key-file FILE] [--keys FOLDER]

Prints each request as a call of curl, and its answer. The first answer that is not the
expected one ends it with exit status 1. An account file that is there is logged in
with, not registered: so a second run shows that the databases have kept their data.
"""

import argparse
import contextlib
import http.client
import json
import re
import secrets
import ssl
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

API = "/api/v1"
KEY_HEADER = "X-Internal-Api-Key"
# A token begins as every other does; of a key, nothing is shown.
SECRET = re.compile(r"(eyJ[A-Za-z0-9]{6})[A-Za-z0-9_.-]*|[A-Za-z0-9_-]{43,}")
# Their callers are services. From outside they do not exist, even with a valid key.
INTERNAL = (
    ("POST", f"{API}/auth/verify_token", "users_auth"),
    ("POST", f"{API}/auth/sessions/revoke", "users_auth"),
    ("POST", f"{API}/users/verify", "auth_users"),
    ("GET", f"{API}/users/{{id}}", "auth_users"),
)

PUBLIC = ("/.well-known/jwks.json", f"{API}/users/docs", "/static/admin/css/base.css")


class Client:
    """One device: its access token and its cookies."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.headers: dict[str, str] = {}

    def __call__(
        self,
        title: str,
        expected: int,
        method: str,
        path: str,
        body: Mapping[str, str] | None = None,
        code: str | None = None,
        **headers: str,
    ) -> dict[str, Any]:
        """The JSON of the answer, which has to have the expected status and code."""
        sent = {**self.headers, **{k.replace("_", "-"): v for k, v in headers.items()}}
        if body is not None:
            sent["Content-Type"] = "application/json"
        _show_request(title, method, self.url + path, sent, body)
        status, cookies, content = self._send(method, path, sent, body)
        print(f"{status} {http.client.responses.get(status, '')}")
        try:
            answer = json.loads(content)
        except ValueError:
            answer = {}
        for cookie in cookies:
            print(f"Set-Cookie: {_hidden(cookie)}")
        print(_hidden(json.dumps(answer, indent=2)) + "\n", flush=True)
        if status != expected or (code and answer.get("code") != code):
            wanted, found = f"{expected} {code or ''}", f"{status} {answer.get('code')}"
            raise SystemExit(f"Expected {wanted}, got {found}: {method} {path}")
        if cookies and status == 200 and "access_token" in answer:
            self.headers["Cookie"] = "; ".join(x.partition(";")[0] for x in cookies)
        return answer if isinstance(answer, dict) else {}

    def _send(
        self, method: str, path: str, headers: dict[str, str], body: object
    ) -> tuple[int, list[str], bytes]:
        parts = urlsplit(self.url)
        connection = (
            http.client.HTTPSConnection(
                parts.netloc, timeout=20, context=ssl.create_default_context()
            )
            if parts.scheme == "https"
            else http.client.HTTPConnection(parts.netloc, timeout=20)
        )
        text = None if body is None else json.dumps(body)
        with contextlib.closing(connection):
            try:
                connection.request(method, path, text, headers)
                response = connection.getresponse()
                cookies = response.headers.get_all("Set-Cookie") or []
                return response.status, cookies, response.read()
            except (OSError, http.client.HTTPException) as exc:
                raise SystemExit(f"{self.url} does not answer: {exc}") from exc


def run(
    url: str,
    auth_url: str = "",
    api_key: str = "",
    keys: Path | None = None,
    user: Mapping[str, str] | None = None,
) -> Mapping[str, str]:
    """Register a new user, or take one that is there already; returns that. SystemExit
    at the first answer that is not the expected one."""
    client = Client(url)
    if user is None:
        user = new_user()
        client("Register", 201, "POST", f"{API}/users/", user)
    login = {name: user[name] for name in ("email", "password")}
    _login(client("Log in", 200, "POST", f"{API}/auth/login", login), client)
    me = client("Who am I?", 200, "GET", f"{API}/users/me")
    if me["username"] != user["username"]:
        raise SystemExit(f"Another user was logged in: {me['username']}")
    title = "Refresh: the cookie is rotated"
    _login(client(title, 200, "POST", f"{API}/auth/refresh"), client)
    verify = (
        f"{API}/auth/verify_token",
        {"token": client.headers["Authorization"][7:]},
    )
    inside = Client(auth_url)
    if auth_url:
        title = "Another service asks the Auth Service itself, with an API key"
        inside(title, 200, "POST", *verify, X_Internal_Api_Key=api_key)
    for method, path, name in INTERNAL if keys else ():
        key = (keys / f"{name}_service_api_key").read_text().strip() if keys else ""
        path = path.format(id=me["id"])
        title = "The gateway hides internal routes"
        client(title, 404, method, path, {}, X_Internal_Api_Key=key)
    for path in PUBLIC if keys else ():
        client("What everybody may read", 200, "GET", path)
    client("Log out", 200, "POST", f"{API}/auth/logout")
    revoked = "token_revoked"
    title = "From now on the access token is refused"
    client(title, 401, "GET", f"{API}/users/me", code=revoked)
    if auth_url:
        inside(
            "Everywhere", 401, "POST", *verify, code=revoked, X_Internal_Api_Key=api_key
        )
    client("And the refresh cookie", 401, "POST", f"{API}/auth/refresh", code=revoked)
    print("Everything answered as it should.")
    return user


def new_user() -> dict[str, str]:
    """A name, an address and a password that are not in use."""
    name = f"demo-{secrets.token_hex(4)}"
    email = f"{name}@example.com"
    return {"username": name, "email": email, "password": secrets.token_urlsafe(12)}


def main(words: Sequence[str]) -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser("python -m deploy.smoke_test")
    parser.add_argument("url")
    parser.add_argument("--account", type=Path)
    parser.add_argument("--auth-url", default="")
    parser.add_argument("--api-key-file", type=Path)
    parser.add_argument("--keys", type=Path, help="folder of API keys")
    options = parser.parse_args(words)
    key = options.api_key_file.read_text().strip() if options.api_key_file else ""
    user = None
    if options.account and options.account.exists():
        user = json.loads(options.account.read_text())
    user = run(options.url, options.auth_url, key, options.keys, user)
    if options.account:
        options.account.write_text(json.dumps(user), encoding="utf-8")


def _login(answer: Mapping[str, Any], client: Client) -> None:
    client.headers["Authorization"] = f"Bearer {answer['access_token']}"


def _show_request(
    title: str,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: Mapping[str, str] | None,
) -> None:
    words = [f"# {title}\n$ curl -X {method} {url}"]
    words += [f"-H '{name}: {_hidden(text)}'" for name, text in headers.items()]
    if body is not None:
        shown = {**body, "password": "..."} if "password" in body else body
        words.append(f"-d '{_hidden(json.dumps(shown))}'")
    print(" ".join(words))


def _hidden(text: str) -> str:
    return SECRET.sub(lambda match: f"{match[1] or ''}...", text)


if __name__ == "__main__":
    main(sys.argv[1:])
