"""Somebody who asks: each question is checked and written down."""

from collections.abc import Mapping
from random import Random
from typing import Any

import jwt

from deploy.tests.chaos.checker import Checker
from deploy.tests.chaos.expected_state import Account, Ledger, Session
from deploy.tests.chaos.target import Target
from deploy.tests.chaos.wire import Answer, ask, connections


class Visitor:
    """One thread's connections, and its way of asking."""

    def __init__(
        self, target: Target, ledger: Ledger, checker: Checker, rng: Random
    ) -> None:
        self.target = target
        self.ledger = ledger
        self.checker = checker
        self.rng = rng
        self.http = connections()

    def post(
        self, kind: str, path: str, account: Account, sid: str = "", **kwargs: Any
    ) -> Answer:
        return self.ask(kind, "POST", path, account, sid, **kwargs)

    def ask(
        self,
        kind: str,
        method: str,
        path: str,
        account: Account,
        sid: str = "",
        **kwargs: Any,
    ) -> Answer:
        """Through the gateway."""
        answer = ask(self.http, kind, method, self.target.url + path, **kwargs)
        self.checker.form(account, sid, answer, "front")
        return answer

    def me(self, session: Session) -> Answer:
        token, expires = session.access, session.expires
        answer = self.ask(
            "me",
            "GET",
            "/api/v1/users/me",
            session.account,
            session.sid,
            headers=bearer(token),
        )
        self.checker.token(session, answer, expires)
        if answer.ok:
            self.belongs(session, answer, str(answer.body["id"]))
        return answer

    def verify(self, session: Session) -> Answer:
        """As another service asks: directly, with its API key."""
        token, expires = session.access, session.expires
        answer = ask(
            self.http,
            "verify",
            "POST",
            f"{self.target.auth_url}/api/v1/auth/verify_token",
            json={"token": token},
            headers={"X-Internal-Api-Key": self.target.service_key()},
        )
        self.checker.form(session.account, session.sid, answer, "auth")
        self.checker.token(session, answer, expires)
        if answer.ok:
            self.belongs(session, answer, str(answer.body["user_id"]))
        return answer

    def present(self, session: Session, cookie: str, kind: str) -> Answer:
        """A cookie of this session, for a refresh."""
        with self.ledger.lock:
            self.ledger.in_flight["refresh"] += 1
        try:
            answer = self.post(
                kind,
                "/api/v1/auth/refresh",
                session.account,
                session.sid,
                headers={"Cookie": cookie},
            )
        finally:
            with self.ledger.lock:
                self.ledger.in_flight["refresh"] -= 1
        return answer

    def refresh(self, session: Session, cookie: str, kind: str = "refresh") -> Answer:
        """What it gave is not kept here."""
        answer = self.present(session, cookie, kind)
        self.checker.refresh(session, answer, cookie)
        if answer.ok:
            claims = claims_of(answer.body["access_token"])
            self.belongs(session, answer, claims["sub"])
            self.checker.same_session(session, answer, claims["sid"])
        return answer

    def belongs(self, session: Session, answer: Answer, sub: str) -> None:
        self.checker.same_person(session.account, session.sid, answer, sub)


def bearer(token: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token}"}


def claims_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})
