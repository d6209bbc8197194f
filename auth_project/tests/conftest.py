"""The User Service's double, and sessions to begin with."""

import uuid
from typing import Any

import pytest

from shared.clients import UsersClient
from shared.exceptions import DependencyUnavailable, InvalidCredentials

PASSWORD = "correct horse battery staple"


class FakeUsers:
    """Stands in for the User Service, one user known to it."""

    def __init__(self) -> None:
        self.user: dict[str, Any] = {
            "id": str(uuid.uuid4()),
            "email": "ada@example.org",
            "username": "ada",
            "roles": ["editor"],
            "session_epoch": 0,
        }
        self.gone = False
        self.down = False
        self.calls = 0

    def verify(self, credentials: dict[str, str]) -> dict[str, Any]:
        self.answer()
        known = {self.user["email"], self.user["username"]}
        login = credentials.get("email", credentials.get("username"))
        if login not in known or credentials["password"] != PASSWORD or self.gone:
            raise InvalidCredentials
        return {"sub": self.user["id"], **self.user}

    def get(self, user_id: uuid.UUID) -> dict[str, Any] | None:
        self.answer()
        return None if self.gone or str(user_id) != self.user["id"] else self.user

    def answer(self) -> None:
        self.calls += 1
        if self.down:
            raise DependencyUnavailable


@pytest.fixture
def users(monkeypatch: pytest.MonkeyPatch) -> FakeUsers:
    """The User Service as auth sees it."""
    fake = FakeUsers()
    assert set(dir(UsersClient)) >= {"verify", "get"}
    monkeypatch.setattr("tokens.services.users_client", lambda: fake)
    return fake
