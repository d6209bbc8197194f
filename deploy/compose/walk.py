"""The main job of the product through a running gateway: part of try.sh.

    python3 deploy/compose/walk.py http://localhost:8080 person.json .secrets

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
# Routes whose callers are services, and who has a key for them: from outside they do
# not exist, even with that key.
INTERNAL = (
    ("POST", f"{API}/auth/verify_token", "users_auth_service_api_key"),
    ("POST", f"{API}/auth/sessions/revoke", "users_auth_service_api_key"),
    ("POST", f"{API}/users/verify", "auth_users_service_api_key"),
    ("GET", f"{API}/users/{{sub}}", "auth_users_service_api_key"),
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
        content = json.dumps(body) if body is not None else None
        connection = http.client.HTTPConnection(self.address.netloc, timeout=20)
        try:
            connection.request(method, path, content, headers)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as exc:
            sys.exit(f"{method} {path}: {exc!r}")
        if response.status != expected:
            sys.exit(f"{method} {path}: {response.status}, not {expected}: {text!r}")
        if cookie := response.headers.get("Set-Cookie"):
            self.cookie = cookie.partition(";")[0]
        return json.loads(text) if text.startswith(b"{") else {}


def walk(client: Client, person: dict[str, str], keys: Path, *, is_new: bool) -> None:
    if is_new:
        client(201, "POST", f"{API}/users/", person)
    login = {name: person[name] for name in ("email", "password")}
    client.token = client(200, "POST", f"{API}/auth/login", login)["access_token"]
    me = client(200, "GET", f"{API}/users/me")
    if me["username"] != person["username"]:
        sys.exit(f"somebody else: {me}")
    client.token = client(200, "POST", f"{API}/auth/refresh")["access_token"]
    client(200, "GET", f"{API}/users/me")
    for method, path, key in INTERNAL:
        path = path.format(sub=me["id"])
        client(404, method, path, {}, (keys / key).read_text().strip())
    client(200, "POST", f"{API}/auth/logout")
    client(401, "GET", f"{API}/users/me")
    client(200, "GET", "/.well-known/jwks.json")
    client(200, "GET", f"{API}/users/docs")
    client(200, "GET", "/static/admin/css/base.css")


def main() -> None:
    url, file, keys = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    is_new = not file.exists()
    if is_new:
        name = f"try-{secrets.token_hex(4)}"
        person = {"username": name, "email": f"{name}@example.com"}
        person["password"] = secrets.token_urlsafe(12)
        file.write_text(json.dumps(person), encoding="utf-8")
    person = json.loads(file.read_text(encoding="utf-8"))
    walk(Client(url), person, keys, is_new=is_new)


if __name__ == "__main__":
    main()
