"""A client of the deployment: each question is checked and written down."""

from random import Random
from typing import Any

from deploy.tests.chaos.checker import Checker
from deploy.tests.chaos.expected_state import (
    Account,
    Answer,
    ExpectedState,
    Session,
    ask,
)
from deploy.tests.chaos.target import Target
from deploy.tests.client import ME, REFRESH, VERIFY, ApiClient, claims_of


class ChaosClient:
    """One thread's connections, and its way of asking."""

    def __init__(
        self, target: Target, expected: ExpectedState, checker: Checker, rng: Random
    ) -> None:
        self.target, self.expected = target, expected
        self.checker, self.rng = checker, rng
        self.http = ApiClient(keep_alive=True)

    def ask(
        self, kind: str, method: str, path: str, about: Account | Session, **kwargs: Any
    ) -> Answer:
        """Through the gateway."""
        account = about.account if isinstance(about, Session) else about
        sid = about.sid if isinstance(about, Session) else ""
        answer = ask(self.http, kind, method, self.target.url + path, **kwargs)
        self.checker.form(account, sid, answer, "front")
        return answer

    def me(self, session: Session) -> Answer:
        expires = session.expires
        answer = self.ask("me", "GET", ME, session, headers=bearer(session))
        self.checker.token(session, answer, expires)
        if answer.ok:
            self.checker.same_user(session, answer, str(answer.body["id"]))
        return answer

    def verify(self, session: Session) -> Answer:
        """As another service asks: directly, with its API key."""
        token, expires = session.access, session.expires
        key = {"X-Internal-Api-Key": self.target.service_key()}
        url = self.target.auth_url + VERIFY
        answer = ask(
            self.http, "verify", "POST", url, json={"token": token}, headers=key
        )
        self.checker.form(session.account, session.sid, answer, "auth")
        self.checker.token(session, answer, expires)
        if answer.ok:
            self.checker.same_user(session, answer, str(answer.body["user_id"]))
        return answer

    def present(self, session: Session, cookie: str, kind: str) -> Answer:
        """A cookie of this session, for a refresh."""
        with self.expected.lock:
            self.expected.in_flight["refresh"] += 1
        try:
            return self.ask(kind, "POST", REFRESH, session, headers={"Cookie": cookie})
        finally:
            with self.expected.lock:
                self.expected.in_flight["refresh"] -= 1

    def refresh(self, session: Session, cookie: str, kind: str = "refresh") -> Answer:
        """What it gave is not kept here."""
        answer = self.present(session, cookie, kind)
        self.checker.refresh(session, answer, cookie)
        if answer.ok:
            claims = claims_of(answer.body["access_token"])
            self.checker.same_user(session, answer, claims["sub"])
            self.checker.same_session(session, answer, claims["sid"])
        return answer


def bearer(session: Session) -> dict[str, str]:
    return {"Authorization": f"Bearer {session.access}"}
