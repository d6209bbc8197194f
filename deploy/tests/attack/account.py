"""Accounts that the attacks register for themselves, and forget."""

import secrets
import time
from http.cookies import SimpleCookie
from typing import Any

from deploy.tests.attack.target import Target
from nginx.tests.gateway_rig import Answer

REGISTER, LOGIN = "/api/v1/users/", "/api/v1/auth/login"
REFRESH, LOGOUT = "/api/v1/auth/refresh", "/api/v1/auth/logout"
ME, SESSIONS = "/api/v1/users/me", "/api/v1/auth/sessions"
FRESH = 120  # seconds; an access token lasts 300 by default


class Account:
    """Somebody with an account, on one device."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.name = f"attack-{secrets.token_hex(8)}"
        self.email = f"{self.name}@example.org"
        self.password = f"Attack-{secrets.token_urlsafe(18)}"
        self.token = self.cookie_name = self.cookie = ""
        self.since = 0.0

    def register(self, **more: Any) -> Answer:
        fields = {"username": self.name, "email": self.email}
        value = {**fields, "password": self.password, **more}
        return self.target.ask("POST", REGISTER, value=value)

    def log_in(self, source: str = "", **headers: str) -> Answer:
        """A session, which is this device's from now on."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        value = {"email": self.email, "password": self.password}
        answer = self.target.ask("POST", LOGIN, named, value=value, source=source)
        assert answer.status == 200, answer.body
        self.since = time.monotonic()
        return self.keep(answer)

    def keep(self, answer: Answer) -> Answer:
        """Remember what a log-in or refresh gave."""
        self.token = answer.json()["access_token"]
        for name, value in cookies_of(answer).items():
            self.cookie_name, self.cookie = name, value
        return answer

    @property
    def access(self) -> str:
        """An access token that lasts a while yet."""
        if time.monotonic() - self.since > FRESH:
            self.log_in()
        return self.token

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"}

    def cookie_header(self, value: str | None = None) -> dict[str, str]:
        return {"Cookie": f"{self.cookie_name}={value or self.cookie}"}

    def refresh(self, cookie: str | None = None) -> Answer:
        return self.target.ask("POST", REFRESH, self.cookie_header(cookie))

    def me(self) -> dict[str, Any]:
        """The account as it is now."""
        answer = self.target.ask("GET", ME, self.bearer)
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.json()
        return found

    def sessions(self) -> list[dict[str, Any]]:
        answer = self.target.ask("GET", SESSIONS, self.bearer)
        assert answer.status == 200, answer.body
        found: list[dict[str, Any]] = answer.json()
        return found


def cookies_of(answer: Answer) -> dict[str, str]:
    """Name and value of each refresh cookie that an answer sets."""
    found = {}
    for line in answer.all("Set-Cookie"):
        for name, morsel in SimpleCookie(line).items():
            if name.endswith("refresh_token"):
                found[name] = morsel.value
    return found
