"""The main job of the product against a running gateway, request by request.

    python -m deploy.smoke_test http://localhost:8080 [--account FILE] [--keys FOLDER]

Prints each request as a call of curl, and its answer. The first answer that is not the
expected one ends it with exit status 1. An account file that is there is logged in
with, not registered: so a second run shows that the databases have kept their data.
With the folder of API keys, it tries the gateway's internal routes with valid keys.
"""

import argparse
import http.client
import json
import re
import secrets
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

API = "/api/v1"
# A token begins as every other does; of a key, nothing is shown.
SECRET = re.compile(r"(eyJ[A-Za-z0-9]{6})[A-Za-z0-9_.-]*|[A-Za-z0-9_-]{43,}")
PASSWORD = re.compile(r'("password": )"[^"]*"')
# Their callers are services. From outside they do not exist, even with a valid key.
INTERNAL = (
    ("POST", f"{API}/auth/verify_token", "users_auth"),
    ("POST", f"{API}/auth/sessions/revoke", "users_auth"),
    ("POST", f"{API}/users/verify", "auth_users"),
    ("GET", f"{API}/users/{{id}}", "auth_users"),
)
PUBLIC = ("/.well-known/jwks.json", f"{API}/users/docs", "/static/admin/css/base.css")
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Client:
    """One device: its access token and its refresh cookie, or the API key of a
    service."""

    def __init__(self, url: str, **headers: str) -> None:
        self.url, self.headers = url, headers

    def __call__(
        self,
        title: str,
        expected: int,
        method: str,
        path: str,
        body: Mapping[str, str] | None = None,
        code: str = "",
        **headers: str,
    ) -> dict[str, Any]:
        """The JSON of the answer, which has to have the expected status and code."""
        headers = {**self.headers, **headers}
        text = None if body is None else json.dumps(body)
        if text:
            headers["Content-Type"] = "application/json"
        words = [f"# {title}\n$ curl -X {method} {self.url}{path}"]
        words += [f"-H '{name}: {value}'" for name, value in headers.items()]
        print(_hidden(" ".join([*words, f"-d '{text}'"] if text else words)))
        content = text.encode() if text else None
        request = urllib.request.Request(  # noqa: S310 (the operator's own URL)
            self.url + path, content, headers, method=method
        )
        status, cookies, answer = self._send(request)
        print(f"{status} {http.client.responses.get(status, '')}")
        for cookie in cookies:
            print(f"Set-Cookie: {_hidden(cookie)}")
        print(_hidden(json.dumps(answer, indent=2)) + "\n", flush=True)
        if status != expected or (code and answer.get("code") != code):
            wanted, found = f"{expected} {code}", f"{status} {answer.get('code')}"
            raise SystemExit(f"Expected {wanted}, got {found}: {method} {path}")
        if "access_token" in answer:
            self.headers["Authorization"] = f"Bearer {answer['access_token']}"
            self.headers["Cookie"] = "; ".join(x.partition(";")[0] for x in cookies)
        return answer

    def _send(
        self, request: urllib.request.Request
    ) -> tuple[int, list[str], dict[str, Any]]:
        try:
            response = OPENER.open(request, timeout=20)
        except HTTPError as error:
            response = error
        except (OSError, http.client.HTTPException) as error:
            raise SystemExit(f"{self.url} does not answer: {error}") from error
        with response:
            cookies = response.headers.get_all("Set-Cookie") or []
            try:
                return response.status, cookies, json.loads(response.read())
            except ValueError:
                return response.status, cookies, {}


def run(
    url: str,
    keys: Path | None = None,
    user: Mapping[str, str] | None = None,
    service: Client | None = None,
) -> Mapping[str, str]:
    """Register a new user, or take one that is there already; returns that. SystemExit
    at the first answer that is not the expected one. `service` calls the Auth Service
    itself."""
    client = Client(url)
    if user is None:
        user = new_user()
        client("Register", 201, "POST", f"{API}/users/", user)
    login = {name: user[name] for name in ("email", "password")}
    client("Log in", 200, "POST", f"{API}/auth/login", login)
    me = client("Who am I?", 200, "GET", f"{API}/users/me")
    if me["username"] != user["username"]:
        raise SystemExit(f"Another user was logged in: {me['username']}")
    client("Refresh: the cookie is rotated", 200, "POST", f"{API}/auth/refresh")
    access_token = client.headers["Authorization"].removeprefix("Bearer ")
    verify = f"{API}/auth/verify_token", {"token": access_token}
    if service:
        service("Another service asks about the token", 200, "POST", *verify)
    for method, path, name in INTERNAL if keys else ():
        key = (keys / f"{name}_service_api_key").read_text().strip() if keys else ""
        hidden, path = {"X-Internal-Api-Key": key}, path.format(id=me["id"])
        client("The gateway hides internal routes", 404, method, path, {}, **hidden)
    for path in PUBLIC if keys else ():
        client("What every client may read", 200, "GET", path)
    client("Log out", 200, "POST", f"{API}/auth/logout")
    revoked = "token_revoked"
    title = "From now on the access token is refused"
    client(title, 401, "GET", f"{API}/users/me", code=revoked)
    if service:
        service("Everywhere", 401, "POST", *verify, code=revoked)
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
    parser.add_argument("--keys", type=Path, help="folder of API keys")
    options = parser.parse_args(words)
    user = None
    if options.account and options.account.exists():
        user = json.loads(options.account.read_text())
    user = run(options.url, options.keys, user)
    if options.account:
        options.account.write_text(json.dumps(user), encoding="utf-8")


def _hidden(text: str) -> str:
    text = SECRET.sub(lambda match: f"{match[1] or ''}...", text)
    return PASSWORD.sub(r'\1"..."', text)


if __name__ == "__main__":
    main(sys.argv[1:])
