"""The deployment under attack, and the accounts that the attacks register for
themselves."""

import secrets
import time
from collections.abc import Iterable
from typing import Any

import pytest

from deploy.tests.client import Response, TestUser
from deploy.tests.wire import WireClient

PATIENCE = 600.0  # seconds that a whole run may spend on waiting out rate limits
BY_MAIL = "{} registers users by mail: attack a copy with EMAIL_VERIFICATION=optional"
FRESH = 120  # seconds; an access token lasts 300 by default


class Target(WireClient):
    """A deployment, known by its URL; and keys of services, should one have leaked."""

    def __init__(self, url: str, keys: Iterable[str] = (), ca: str = "") -> None:
        super().__init__(url, ca)
        self.keys = list(keys)
        self.patience = PATIENCE

    def ask(self, *args: Any, **kwargs: Any) -> Response:
        """A request that is refused by a rate limit is sent again in time."""
        while (response := super().ask(*args, **kwargs)).status_code == 429:
            self.wait(float(response.one("Retry-After")))
        return response

    def wait(self, seconds: float) -> None:
        """For a rate limit, which is no hole. Skips where that would take too long."""
        if seconds > self.patience:
            pytest.skip(f"NOT ANSWERED: RATE LIMITED for {seconds:.0f} s and more")
        self.patience -= seconds
        time.sleep(seconds)


class AttackUser(TestUser):
    """A user of the deployment, on one device, whose requests go over the wire."""

    def __init__(self, target: Target) -> None:
        self.token, self.since = "", 0.0
        super().__init__(None, f"attack-{secrets.token_hex(8)}")  # type: ignore[arg-type]
        self.target = target
        self.password = f"Attack-{secrets.token_urlsafe(18)}"

    @property
    def access(self) -> str:  # type: ignore[override]
        """An access token that does not expire soon."""
        if self.token and time.monotonic() - self.since > FRESH:
            self.log_in()
        return self.token

    @access.setter
    def access(self, token: str) -> None:
        self.token, self.since = token, time.monotonic()

    def log_in(self, **more: Any) -> Response:
        response = super().log_in(**more)
        assert response.ok, response.text
        return response

    def send(
        self, method: str, path: str, headers: dict[str, str], **kwargs: Any
    ) -> Response:
        body, source = kwargs.get("json"), kwargs.get("source", "")
        return self.target.ask(method, path, headers, json_body=body, source=source)

    def listed(self) -> list[dict[str, Any]]:
        """The sessions of the account."""
        response = self.sessions()
        assert response.ok, response.text
        return response.json()

    def current_session(self) -> str:
        (current,) = (each["id"] for each in self.listed() if each["current"])
        return str(current)

    def profile(self) -> dict[str, Any]:
        """The account as it is now."""
        response = self.me()
        assert response.ok, response.text
        return response.json()


def new_user(target: Target) -> AttackUser:
    """A user who is logged in."""
    user = AttackUser(target)
    response = user.register()
    if response.status_code == 202:
        pytest.exit(BY_MAIL.format(target.origin), returncode=2)
    assert response.status_code == 201, response.text
    user.log_in()
    return user
