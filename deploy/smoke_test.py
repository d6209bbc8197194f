"""The main job of the product against a running gateway, request by request.

    python -m deploy.smoke_test http://localhost:8080 [--account FILE] [--keys FOLDER]

It prints each request as a call of curl, and its answer. The first unexpected answer
ends it with exit status 1. If the account file exists, it logs in with that account and
registers none: a second run shows that the databases have kept their data. With the
folder of API keys, it tries the gateway's internal routes with valid keys. With the
folder to which a stack of development writes its mails, the user verifies the address
and sets another password by links in mails. `demo` adds a second factor, too.
"""

import argparse
import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from email import message_from_bytes, policy
from email.message import EmailMessage
from http import HTTPStatus
from pathlib import Path
from typing import Any

from deploy.local.external_checks import internal, service_keys
from deploy.local.setup.site import Site

API = "/api/v1"
# Shows the start of a token, which all tokens share, and nothing of other secrets.
SECRET = re.compile(
    r'(eyJ[A-Za-z0-9]{6})[A-Za-z0-9_.-]*|[A-Za-z0-9_-]{43,}|(?<=password": ")[^"]*'
    r'|(?<="secret": ")\w+|(?<=secret=)\w+|(\w{4}-){3}\w{4}(?=")'
)
MAIL_SECONDS = 30
PATIENCE = 30  # seconds that it waits for a rate limit
MAIL_END = b"-" * 79 + b"\n"  # Django may write several mails of one second to a file
PUBLIC = ("/.well-known/jwks.json", f"{API}/users/docs", "/static/admin/css/base.css")
Body = Mapping[str, str] | None


class Client:
    """One device: its access token and its refresh cookie, or the API key of a
    service."""

    def __init__(self, url: str, **headers: str) -> None:
        self.site, self.headers = Site(url), headers

    def __call__(
        self,
        title: str,
        expected: str,
        request: str,
        body: Body = None,
        patience: int = PATIENCE,
    ) -> dict[str, Any]:
        """Send a request. Returns the answer's JSON; its status and code must match."""
        headers, text = dict(self.headers), None
        if body is not None:
            headers["Content-Type"], text = "application/json", json.dumps(body)
        method, path = request.split()
        try:
            reply = self.site.send(method, path, text, **headers)
        except OSError as error:
            raise SystemExit(f"{self.site.url} does not answer: {error}") from error
        words = [f"$ curl -X {method} {self.site.url}{path}"]
        words += [f"-H '{name}: {value}'" for name, value in headers.items()]
        words += [f"-d '{text}'"] if text else []
        cookies = reply.headers.get_all("Set-Cookie", [])
        lines = [f"# {title}", " ".join(words), str(reply.status)]
        lines += [f"Set-Cookie: {cookie}" for cookie in cookies]
        shown = "\n".join([*lines, json.dumps(reply.body, indent=2), ""])
        print(SECRET.sub(lambda match: f"{match[1] or ''}...", shown), flush=True)
        if reply.summary != expected:
            header = reply.headers["Retry-After"] or ""
            wait = int(header) if header.isdecimal() else 0
            limited = reply.status == HTTPStatus.TOO_MANY_REQUESTS
            if limited and 0 < wait <= patience:
                print(f"A limit is reached. Waiting {wait} seconds ...\n", flush=True)
                time.sleep(wait)
                return self(title, expected, request, body, patience=0)
            hint = f"\nTry again in {wait} seconds." if wait else ""
            raise SystemExit(f"Expected {expected}: {request}{hint}")
        if "access_token" in reply.body:
            self.headers["Authorization"] = f"Bearer {reply.body['access_token']}"
            self.headers["Cookie"] = "; ".join(x.partition(";")[0] for x in cookies)
        return reply.body


def run(
    url: str,
    user: Body = None,
    service: Client | None = None,
    mails: Path | None = None,
    factor: bool = False,
) -> Mapping[str, str]:
    """Do the main job with `user`, or with a new one; returns the user. `service` calls
    the Auth Service directly; `mails` is the folder of mails. With `factor` the user
    adds a second factor and logs in with it."""
    client = Client(url)
    user = user or register(client)
    if mails:
        user = {**user, "password": use_links(client, user, mails)}
    login = {name: user[name] for name in ("email", "password")}
    client("Log in", "200", f"POST {API}/auth/login", login)
    me = client("Who am I?", "200", f"GET {API}/users/me")
    if me["username"] != user["username"]:
        raise SystemExit(f"The login returned another user: {me['username']}")
    if factor:
        use_factor(client, login)
    client("Refresh: the cookie is rotated", "200", f"POST {API}/auth/refresh")
    access_token = client.headers["Authorization"].removeprefix("Bearer ")
    verify = f"POST {API}/auth/verify_token", {"token": access_token}
    if service:
        service("Another service asks about the token", "200", *verify)
    client("Log out", "200", f"POST {API}/auth/logout")
    revoked = "401 token_revoked"
    client("Now the access token is refused", revoked, f"GET {API}/users/me")
    if service:
        service("Everywhere", revoked, *verify)
    client("And the refresh cookie", revoked, f"POST {API}/auth/refresh")
    print("Every answer was as expected.")
    return user


def register(client: Client) -> Mapping[str, str]:
    """Register a user with a random name, address and password."""
    name = f"demo-{secrets.token_hex(4)}"
    user = {"username": name, "email": f"{name}@example.com"}
    user["password"] = secrets.token_urlsafe(12)
    client("Register", "201", f"POST {API}/users/", user)
    return user


def use_links(client: Client, user: Mapping[str, str], mails: Path) -> str:
    """Verify the address, then set another password, which is returned."""
    address, password = {"email": user["email"]}, secrets.token_urlsafe(12)
    ask = "Ask for a mail that verifies the address"
    client(ask, "202", f"POST {API}/users/verify_email/resend", address)
    body = {"token": mailed_token(mails, user["email"], "verify")}
    body["password"] = user["password"]
    client("Use its link", "204", f"POST {API}/users/verify_email", body)
    ask = "Ask for a mail that sets another password"
    client(ask, "202", f"POST {API}/users/password_reset", address)
    body = {"token": mailed_token(mails, user["email"], "reset")}
    body["new_password"] = password
    client("Use its link", "204", f"POST {API}/users/password_reset/confirm", body)
    old = {"email": user["email"], "password": user["password"]}
    refused = "401 invalid_credentials"
    client("The old password is refused", refused, f"POST {API}/auth/login", old)
    return password


def use_factor(client: Client, login: Mapping[str, str]) -> None:
    """Add a TOTP, and log in with its next code."""
    from pyotp import TOTP  # here: try.sh runs this file without pyotp

    factors, now = f"{API}/users/me/factors", int(time.time())
    added = client("Add a second factor", "201", f"POST {factors}/totp", {})
    totp, confirm = TOTP(added["secret"]), f"POST {factors}/{added['id']}/confirm"
    client("Confirm it with a code", "200", confirm, {"code": totp.at(now)})
    refused = "401 second_factor_required"
    waiting = client("The password alone", refused, f"POST {API}/auth/login", login)
    proof = {"login": waiting["login"], "totp": totp.at(now + totp.interval)}
    second = f"POST {API}/auth/login/second_factor"
    client("The next code of the app", "200", second, proof)


def mails_in(folder: Path) -> Iterator[EmailMessage]:
    """All mails that development has written to the files of a folder."""
    for file in sorted(folder.glob("*.log")):
        for text in file.read_bytes().split(MAIL_END)[:-1]:
            yield message_from_bytes(text, policy=policy.default)


def mailed_token(folder: Path, address: str, page: str) -> str:
    """Wait for a mail to this address, print it, return the token of its link."""
    link = re.compile(rf"/account/{page}\?token=(\S+)")
    for _ in range(MAIL_SECONDS * 5):
        for mail in mails_in(folder):
            body: Any = mail.get_body(("plain",))
            text = body.get_content()
            if mail["To"] == address and (found := link.search(text)):
                shown = f"# A mail comes\nSubject: {mail['Subject']}\n\n{text}"
                print(SECRET.sub("...", shown), flush=True)
                return found[1]
        time.sleep(0.2)
    raise SystemExit(f"No mail arrived in {folder}.")


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser("python -m deploy.smoke_test")
    parser.add_argument("url")
    parser.add_argument("--account", type=Path)
    parser.add_argument("--keys", type=Path, help="folder of API keys")
    options, user = parser.parse_args(), None
    if options.account and options.account.exists():
        user = json.loads(options.account.read_text())
    user = run(options.url, user)
    if options.account:
        options.account.write_text(json.dumps(user), encoding="utf-8")
    for path in PUBLIC if options.keys else ():
        Client(options.url)("What every client may read", "200", f"GET {path}")
    if options.keys:
        site = Site(options.url, keys=service_keys(options.keys))
        if opened := internal(site):
            raise SystemExit(f"The gateway passes internal routes: {opened}")


if __name__ == "__main__":
    main()
