"""The main job of the product through a running gateway: part of try.sh.

    python3 deploy/compose/walk.py http://localhost:8080 person.json

Registers the person of the file when the file does not exist yet; else only logs in:
so a second walk shows that the databases have kept their data.
"""

import http.client
import json
import secrets
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

API = "/api/v1"
# Routes whose callers are services: from outside they do not exist.
INTERNAL = (
    ("POST", f"{API}/auth/verify_token"),
    ("POST", f"{API}/auth/sessions/revoke"),
    ("POST", f"{API}/users/verify"),
    ("GET", f"{API}/users/00000000-0000-4000-8000-000000000000"),
)


class Client:
    """One device: its access token and its refresh cookie."""

    def __init__(self, url: str) -> None:
        self.address = urlsplit(url)
        self.token = ""
        self.cookie = ""

    def __call__(
        self, expected: int, method: str, path: str, body: object = None, key: str = ""
    ) -> dict[str, Any]:
        """The answer's JSON; another status than expected ends the walk."""
        headers = {"Content-Type": "application/json", "Cookie": self.cookie}
        headers["Authorization"] = f"Bearer {self.token}"
        if key:
            headers["X-Internal-Api-Key"] = key
        connection = http.client.HTTPConnection(self.address.netloc, timeout=20)
        content = json.dumps(body) if body is not None else None
        connection.request(method, path, content, headers)
        response = connection.getresponse()
        text = response.read()
        if response.status != expected:
            sys.exit(f"{method} {path}: {response.status}, not {expected}: {text!r}")
        if cookie := response.headers.get("Set-Cookie"):
            self.cookie = cookie.partition(";")[0]
        return json.loads(text) if text.startswith(b"{") else {}


def walk(client: Client, person: dict[str, str], *, is_new: bool) -> None:
    if is_new:
        client(201, "POST", f"{API}/users/", person)
    login = {name: person[name] for name in ("email", "password")}
    client.token = client(200, "POST", f"{API}/auth/login", login)["access_token"]
    me = client(200, "GET", f"{API}/users/me")
    if me["username"] != person["username"]:
        sys.exit(f"somebody else: {me}")
    client.token = client(200, "POST", f"{API}/auth/refresh")["access_token"]
    client(200, "GET", f"{API}/users/me")
    for method, path in INTERNAL:
        client(404, method, path, {}, key=client.token)
    client(200, "POST", f"{API}/auth/logout")
    client(401, "GET", f"{API}/users/me")
    client(200, "GET", "/.well-known/jwks.json")
    client(200, "GET", f"{API}/users/docs")
    client(200, "GET", "/static/admin/css/base.css")


def main() -> None:
    url, file = sys.argv[1], Path(sys.argv[2])
    is_new = not file.exists()
    if is_new:
        name = f"try-{secrets.token_hex(4)}"
        person = {"username": name, "email": f"{name}@example.com"}
        person["password"] = secrets.token_urlsafe(12)
        file.write_text(json.dumps(person), encoding="utf-8")
    walk(Client(url), json.loads(file.read_text(encoding="utf-8")), is_new=is_new)


if __name__ == "__main__":
    main()
