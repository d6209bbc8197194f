"""Drives the Auth Service in this process: its views by HTTP, real PostgreSQL, real
Redis, a clock that stands still. The User Service is the model's own accounts.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from redis import Redis
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.test import APIClient, APIRequestFactory

from shared import sessions
from shared.authentication import JWTAuthentication
from shared.clients import AuthClient
from shared.exceptions import DependencyUnavailable, InvalidCredentials, UserNotFound
from shared.log import audit_logger
from tokens.models import Session
from tokens.revocation import announce_recent
from tokens.tokens import SpentRefreshToken

from .clock import Clock, names_for
from .records import AWAY, FULL, READ_ONLY, WELL, Account
from .seen import Seen

USER = "model"
# As the Auth Service has them, but all on `session:*`.
RIGHTS = "reset on >model ~session:* -@all +@read +@write +@connection -@dangerous"
TAKEN = {READ_ONLY: "-set -del -expire", AWAY: "-@all"}


class Users:
    """The User Service. It may be away for the next question, slow to answer it, or
    answer it and then see other things happen before its answer arrives."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
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

    def end_sessions(self, user_id: UUID) -> int:
        """The model has raised the epoch already."""
        user = self.get(user_id)
        if user is None:
            raise UserNotFound
        return int(user["session_epoch"])

    def answer(self, answer: dict[str, Any]) -> dict[str, Any]:
        if self.down:
            raise DependencyUnavailable
        self.clock.step(self.takes)
        happens, self.meanwhile = self.meanwhile, None
        if happens:
            happens()
            self.clock.step(1000)  # what is decided now is not at the same time
        return answer


def described(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "email": account.email,
        "username": account.name,
        "roles": list(account.roles),
        "session_epoch": account.epoch,
    }


class InProcess:
    """`installed` for the time of a test; `begin` for every run of the machine."""

    tolerance = 0  # seconds between the model's times and those in tokens

    def __init__(self) -> None:
        self.clock = Clock()
        self.users = Users(self.clock)
        self.client = APIClient()
        self.events: list[str] = []
        self.admin = redis_of("admin", admin_password())
        self.own = redis_of(USER, "model")
        self.asking = self.own  # whose connection `shared.sessions` has

    @contextmanager
    def installed(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        self.clock.install(monkeypatch)
        monkeypatch.setattr("tokens.services.users_client", lambda: self.users)
        monkeypatch.setattr(sessions, "connection", lambda: self.asking)
        monkeypatch.setattr("shared.authentication.auth_client", self.auth_client)
        # It leaves questions out for some seconds, and that is of no interest here.
        monkeypatch.setattr(sessions.breaker, "threshold", 10**9)
        for name in ("memo.access", "memo.dependency", "django.request"):
            monkeypatch.setattr(logging.getLogger(name), "disabled", True)
        listener = Listener(self.events)
        audit_logger.addHandler(listener)
        monkeypatch.setattr(audit_logger, "propagate", False)
        try:
            yield
            assert not names_for(time), "the clock was not frozen everywhere"
        finally:
            audit_logger.removeHandler(listener)
            self.redis_trouble(WELL)
            self.lose_all()
            self.admin.acl_deluser(USER)

    def begin(self, accounts: list[Account]) -> None:
        Session.objects.all().delete()
        self.redis_trouble(WELL)
        self.lose_all()
        self.users.accounts = accounts
        self.events.clear()
        self.quiet()

    def quiet(self) -> None:
        """The User Service is well again."""
        self.users.down, self.users.takes, self.users.meanwhile = False, 0, None

    # ---- Time --------------------------------------------------------------------

    def now(self) -> int:
        """A little later than before, so that no two acts are at the same time."""
        self.clock.step(1000)
        return self.clock.now

    def moment(self) -> int:
        return self.clock.now

    def step(self, microseconds: int) -> None:
        """Redis has a clock of its own: what it keeps is made so much older."""
        self.clock.step(microseconds)
        names = list(self.admin.scan_iter("session:*", count=1000))
        with self.admin.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.pttl(name)
            for name, left in zip(names, pipeline.execute(), strict=True):
                pipeline.pexpire(name, left - microseconds // 1000)
            pipeline.execute()

    # ---- A person's acts ---------------------------------------------------------

    def log_in(self, credentials: dict[str, str]) -> Seen:
        return self.post("login", credentials)

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
        return self.post("verify_token", {"token": access}, **self.key())

    def introspect(self, access: str) -> Seen:
        answer = self.client.post(
            "/api/v1/auth/introspect",
            f"token={access}",
            content_type="application/x-www-form-urlencoded",
            headers=self.key(),
        )
        return self.seen(answer)

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

    def auth_client(self) -> AuthClient:
        driver = self

        class Calling(AuthClient):
            def call(
                self, method: str, path: str, member: str, body: Any = None
            ) -> Any:
                driver.asking = driver.own
                seen = driver.verify(body["token"])
                if seen.status == 200:
                    return seen.body
                raise self.refusal(path, seen.status, seen.body)

        return Calling("http://auth", "key")

    def push(self, account: Account, epoch: int, keep: str | None) -> Seen:
        body = {"user_id": account.id, "epoch": epoch, "reason": "pushed"}
        if keep:
            body["keep_sid"] = keep
        return self.post("sessions/revoke", body, **self.key())

    # ---- Operators ---------------------------------------------------------------

    def operator_ends(self, account: Account, sid: str) -> Seen:
        return self.post(f"users/{account.id}/sessions/{sid}/revoke", {}, **self.key())

    def operator_command(self, *words: str) -> Seen:
        """A command of manage.py; 404 where it complains."""
        self.events.clear()
        status = 404
        with suppress(CommandError):
            call_command(*words, stdout=StringIO())
            status = 200
        return Seen(status, None, None, audit=self.taken())

    # ---- Redis -------------------------------------------------------------------

    def lose_all(self) -> None:
        """What a flush does; the stack's other keys stay."""
        names = list(self.admin.scan_iter("session:*", count=1000))
        if names:
            self.admin.delete(*names)

    def lose(self, sid: str) -> None:
        self.admin.delete(sessions.key(sid))

    def restore_active(self, sid: str, seconds: int) -> None:
        """A fail-over to a replica that was behind."""
        self.admin.set(sessions.key(sid), "active", ex=seconds)

    def redis_trouble(self, kind: str) -> None:
        rights = f"{RIGHTS} {TAKEN.get(kind, '')}".split()
        self.admin.execute_command("ACL", "SETUSER", USER, *rights)
        self.admin.config_set("maxmemory", "1" if kind == FULL else "128mb")

    def says(self, sid: str) -> tuple[bool, int] | None:
        """Whether Redis says that it lives, and for how many seconds; None: nothing."""
        name = sessions.key(sid)
        value = self.admin.get(name)
        return None if value is None else (value == b"active", self.admin.ttl(name))

    def sweep(self) -> None:
        announce_recent()

    # ---- The table ---------------------------------------------------------------

    def rows(self) -> dict[str, Session]:
        return {str(row.id): row for row in Session.objects.all()}

    def purge(self) -> None:
        self.operator_command("flushexpiredsessions")

    def mixed(self, cookie: str, other: str) -> str:
        """A token of the first one's session with the `jti` of the second. Nobody but
        us could sign it."""
        token = SpentRefreshToken.parse(cookie)
        token["jti"] = SpentRefreshToken.parse(other)["jti"]
        return str(token)

    # ---- HTTP --------------------------------------------------------------------

    def key(self) -> dict[str, str]:
        return {"X-Internal-Api-Key": dict(settings.INTERNAL_API_KEYS)["users"]}

    def post(
        self, path: str, body: Any = None, cookies: tuple[str, ...] = (), **more: str
    ) -> Seen:
        if cookies:
            more["Cookie"] = "; ".join(f"refresh_token={each}" for each in cookies)
        return self.send("post", path, body, **more)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Seen:
        self.client.cookies.clear()
        call = getattr(self.client, method)
        return self.seen(call(f"/api/v1/auth/{path}", body, headers=headers))

    def seen(self, response: Any) -> Seen:
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
        """Audit events since the last answer."""
        events = tuple(self.events)
        self.events.clear()
        return events


class Listener(logging.Handler):
    def __init__(self, events: list[str]) -> None:
        super().__init__()
        self.events = events

    def emit(self, record: logging.LogRecord) -> None:
        self.events.append(record.event)  # type: ignore[attr-defined]


def bearer(access: str) -> str:
    return f"Bearer {access}"


def admin_password() -> str:
    """Of the Redis that `./manage_all.sh` made: it lies beside auth's own."""
    own = Path(settings.BASE_DIR, os.environ["REDIS_PASSWORD_FILE"])
    return (own.parent / "redis_admin_password").read_text().strip()


def redis_of(user: str, password: str) -> Redis:
    path = sessions.connection().connection_pool.connection_kwargs["path"]
    return Redis(unix_socket_path=path, username=user, password=password)
