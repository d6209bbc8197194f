"""The User Service of the driver in this process: the model's own accounts."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from shared.api.exceptions import (
    DependencyUnavailable,
    InvalidCredentials,
    UserNotFound,
)

from .records import Account


class Users:
    """The User Service. It may be down for the next question, slow to answer it, or
    answer it and then see other things happen before its answer arrives."""

    def __init__(self, step: Callable[[int], None]) -> None:
        self.step = step  # lets time pass
        self.accounts: list[Account] = []
        self.down = False
        self.takes = 0
        self.meanwhile: Callable[[], None] | None = None

    def verify(self, credentials: dict[str, str]) -> dict[str, Any]:
        name, password = credentials.get("username"), credentials["password"]
        for account in self.accounts:
            named = account.name == name or account.email == credentials.get("email")
            if named and account.present and account.password == password:
                return self.answer({"sub": account.id, **described(account)})
        self.answer({})
        raise InvalidCredentials

    def get(self, user_id: UUID) -> dict[str, Any] | None:
        found = [a for a in self.accounts if a.id == str(user_id) and a.present]
        return self.answer(described(found[0]) if found else {}) or None

    def end_sessions(
        self, user_id: UUID, keep_sid: UUID | None = None
    ) -> dict[str, Any]:
        """The model has raised the epoch already."""
        user = self.get(user_id)
        if user is None:
            raise UserNotFound
        assert user["kept_sid"] == (keep_sid and str(keep_sid))
        return {name: user[name] for name in ("session_epoch", "kept_from")}

    def answer(self, answer: dict[str, Any]) -> dict[str, Any]:
        if self.down:
            raise DependencyUnavailable
        if self.takes:
            self.step(self.takes)
        happens, self.meanwhile = self.meanwhile, None
        if happens:
            happens()
            self.step(1000)  # what is decided now is not at the same time
        return answer


def described(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "email": account.email,
        "username": account.name,
        "roles": list(account.roles),
        "session_epoch": account.epoch,
        "kept_sid": account.kept and account.kept.sid,
        "kept_from": account.kept_from if account.kept else None,
    }
