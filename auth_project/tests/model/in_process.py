"""Drives the Auth Service in this process: its views by HTTP, real PostgreSQL, real
Redis, a clock that stands still. The User Service is the model's own accounts.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
import requests
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.test import APIClient, APIRequestFactory

from shared.api.exceptions import (
    DependencyUnavailable,
    InvalidCredentials,
    SecondFactorInvalid,
    TokenInvalid,
    UserNotFound,
)
from shared.auth import session_state
from shared.auth.authentication import JWTAuthentication
from shared.clients import AuthClient, auth_client
from shared.structured_logging import audit_logger
from tokens.models import PendingLogin, Session, UserEpoch

from .clock import Clock, names_for
from .records import WELL, Account, Seen
from .redis_control import RedisControl


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

    def factors(self, user_id: UUID) -> dict[str, Any]:
        user = self.get(user_id)
        if user is None:
            raise UserNotFound
        return {**user["factors"], "has_password": True}

    def verify_factor(self, user_id: UUID, proof: dict[str, Any]) -> dict[str, Any]:
        """The model has said whether the code is right."""
        user = self.get(user_id)
        if user is None or user["session_epoch"] != proof["epoch"]:
            raise TokenInvalid
        if proof["totp"] != "right":
            raise SecondFactorInvalid
        return {"sub": str(user_id), **user, "amr": ["otp"]}

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
        "email_verified": False,
        "roles": list(account.roles),
        "session_epoch": account.epoch,
        "kept_sid": account.kept and account.kept.sid,
        "kept_from": account.kept_from if account.kept else None,
        "factors": {
            "methods": ["totp"] if account.factor else [],
            "passkeys": [],
            "required": account.required,
            "trusted": False,
        },
        "second_factor_required": account.required,
        "device": "",
    }


class InProcess(RedisControl):
    """`installed` for the time of a test; `begin` for every run of the machine."""

    tolerance = 0  # seconds between the model's times and those in tokens

    def __init__(self) -> None:
        super().__init__()
        self.client = APIClient()
        self.events: list[str] = []  # audit events since the last answer
        self.clock = Clock()
        self.users = Users(self.step)
        self.before_marking: Callable[[], None] | None = None

    @contextmanager
    def installed(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        self.clock.install(monkeypatch)
        for module in ("services", "logins", "step_up"):
            monkeypatch.setattr(f"tokens.{module}.users_client", lambda: self.users)
        monkeypatch.setattr(session_state, "connection", lambda: self.asking)
        monkeypatch.setattr(AuthClient, "exchange", self.call)
        monkeypatch.setattr(
            session_state, "mark_active", self.interleaved(session_state.mark_active)
        )
        # With the connection its clock would go. In production it is the pool's.
        monkeypatch.setattr(connection, "close", lambda: None)
        # It leaves questions out for some seconds, and that is of no interest here.
        monkeypatch.setattr(session_state.breaker, "threshold", 10**9)
        for name in ("memo.access", "memo.dependency", "django.request"):
            monkeypatch.setattr(logging.getLogger(name), "disabled", True)
        monkeypatch.setattr(audit_logger, "filters", [self.note])
        try:
            yield
            assert not names_for(time), "the clock was not frozen everywhere"
        finally:
            self.clock.remove()
            self.close()

    def note(self, record: Any) -> bool:
        """An audit event; it is not logged."""
        self.events.append(record.event)
        return False

    def begin(self, accounts: list[Account]) -> None:
        Session.objects.all().delete()
        PendingLogin.objects.all().delete()
        UserEpoch.objects.all().delete()
        self.redis_trouble(WELL)
        self.lose_all()
        self.users.accounts = accounts
        self.events.clear()
        self.quiet()

    def quiet(self) -> None:
        """The User Service is well again."""
        self.users.down, self.users.takes, self.users.meanwhile = False, 0, None
        self.before_marking = None

    def interleaved(self, mark_active: Callable[..., None]) -> Callable[..., None]:
        """It, and what is to happen before it, once."""

        def mark(*args: Any) -> None:
            happens, self.before_marking = self.before_marking, None
            if happens:
                audited, self.events[:] = self.events[:], []
                happens()
                self.events[:] = audited
            mark_active(*args)

        return mark

    # ---- Time --------------------------------------------------------------------

    def now(self) -> int:
        """A little later than before, so that no two acts are at the same time."""
        self.clock.step(1000)
        return self.clock.now

    def moment(self) -> int:
        return self.clock.now

    def step(self, microseconds: int) -> None:
        self.clock.step(microseconds)
        self.age(microseconds)

    # ---- Requests ----------------------------------------------------------------

    def post(
        self, path: str, body: Any = None, cookies: tuple[str, ...] = (), **more: str
    ) -> Seen:
        if cookies:
            more["Cookie"] = "; ".join(f"refresh_token={each}" for each in cookies)
        return self.send("post", path, body, **more)

    def ask(self, path: str, body: Any) -> Seen:
        """As the User Service."""
        key = dict(settings.INTERNAL_API_KEYS)["users"]
        return self.send("post", path, body, **{"X-Internal-Api-Key": key})

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Seen:
        self.client.cookies.clear()
        call = getattr(self.client, method)
        response = call(f"/api/v1/auth/{path}", body, headers=headers)
        body = response.json() if response.content else None
        morsel = response.cookies.get("refresh_token")
        return Seen(
            status=response.status_code,
            code=body.get("code") if isinstance(body, dict) else None,
            body=body,
            cookie=None if morsel is None else morsel.value,
            max_age=None if morsel is None else int(morsel["max-age"]),
            audit=self.taken(),
        )

    def taken(self) -> tuple[str, ...]:
        events = tuple(self.events)
        self.events.clear()
        return events

    # ---- A user's acts -----------------------------------------------------------

    def log_in(self, credentials: dict[str, str], *cookies: str) -> Seen:
        return self.post("login", credentials, cookies)

    def second_factor(self, login: str, code: str) -> Seen:
        return self.post("login/second_factor", {"login": login, "totp": code})

    def begin_step_up(self, access: str) -> Seen:
        return self.post("step_up/options", Authorization=bearer(access))

    def step_up(self, access: str, login: str, code: str) -> Seen:
        body = {"login": login, "totp": code}
        return self.post("step_up", body, Authorization=bearer(access))

    def refresh(self, *cookies: str) -> Seen:
        return self.post("refresh", cookies=cookies)

    def log_out(self, *cookies: str) -> Seen:
        return self.post("logout", cookies=cookies)

    def log_out_all(self, access: str, keep: bool, cookie: str) -> Seen:
        body = {"keep_current": keep}
        return self.post("logout_all", body, (cookie,), Authorization=bearer(access))

    def end_session(self, access: str, sid: str) -> Seen:
        return self.send("delete", f"sessions/{sid}", Authorization=bearer(access))

    def sessions(self, access: str) -> Seen:
        return self.send("get", "sessions", Authorization=bearer(access))

    # ---- What services ask -------------------------------------------------------

    def verify(self, access: str) -> Seen:
        return self.ask("verify_token", {"token": access})

    def me(self, access: str) -> Seen:
        """Any service on `shared`: it reads Redis by its own connection, else asks."""
        factory = APIRequestFactory(headers={"Authorization": bearer(access)})
        request = Request(factory.get("/"))
        self.asking = self.admin
        try:
            user, _ = JWTAuthentication().authenticate(request)
        except APIException as exc:
            return Seen(exc.status_code, str(exc.get_codes()), None)
        finally:
            self.asking = self.own
        return Seen(200, None, {"id": str(user.id), "username": user.username})

    def call(
        self, method: str, path: str, member: str, body: Any, *expected: Any
    ) -> Any:
        """In place of HTTP: that service asks this one."""
        self.asking = self.own
        seen = self.verify(body["token"])
        if seen.status == 200:
            return seen.body
        answer = requests.Response()
        answer.status_code = seen.status
        raise auth_client().refusal(path, answer, seen.body, expected)

    def push(
        self, account: Account, epoch: int, keep: str | None, keep_from: int
    ) -> Seen:
        body = {"user_ids": [account.id], "epoch": epoch, "reason": "pushed"}
        if keep:
            body |= {"keep_sid": keep, "keep_from": keep_from}
        return self.ask("sessions/revoke", body)

    # ---- Operators ---------------------------------------------------------------

    def operator_ends(self, account: Account, sid: str) -> Seen:
        return self.ask(f"users/{account.id}/sessions/{sid}/revoke", {})

    def operator_command(self, *words: str) -> Seen:
        """A command of manage.py."""
        self.events.clear()
        call_command(*words, stdout=StringIO())
        return Seen(200, None, None, audit=self.taken())


def bearer(access: str) -> str:
    return f"Bearer {access}"
