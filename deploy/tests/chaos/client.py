"""A client of the stack: each question is checked and written down."""

import time
from random import Random
from typing import Any

import requests

from deploy.tests.chaos.checker import Checker
from deploy.tests.chaos.expected_state import Account, Answer, ExpectedState, Session
from deploy.tests.chaos.stack import ChaosStack
from deploy.tests.client import ME, REFRESH, VERIFY, ApiClient, claims_of, cookies_of


class ChaosClient:
    """One thread's connections, and its way of asking."""

    def __init__(
        self,
        stack: ChaosStack,
        url: str,
        expected: ExpectedState,
        checker: Checker,
        rng: Random,
    ) -> None:
        self.stack, self.url = stack, url
        self.expected, self.checker, self.rng = expected, checker, rng
        self.http = ApiClient(keep_alive=True)

    def ask(
        self, kind: str, method: str, path: str, about: Account | Session, **kwargs: Any
    ) -> Answer:
        """Through the gateway."""
        account = about.account if isinstance(about, Session) else about
        sid = about.sid if isinstance(about, Session) else ""
        answer = ask(self.http, kind, method, self.url + path, **kwargs)
        self.checker.form(account, sid, answer, "front")
        return answer

    def me(self, session: Session) -> Answer:
        expires = session.expires
        answer = self.ask("me", "GET", ME, session, headers=bearer(session))
        self.checker.token(session, answer, expires)
        if answer.ok:
            self.checker.same(session, answer, sub=answer.body["id"])
        return answer

    def verify(self, session: Session) -> Answer:
        """As another service asks: directly, with its API key."""
        expires, url = session.expires, self.stack.auth_url + VERIFY
        key = {"X-Internal-Api-Key": self.stack.api_key("auth")}
        body = {"token": session.access}
        answer = ask(self.http, "verify", "POST", url, json=body, headers=key)
        self.checker.form(session.account, session.sid, answer, "auth")
        self.checker.token(session, answer, expires)
        if answer.ok:
            self.checker.same(session, answer, sub=answer.body["user_id"])
        return answer

    def present(self, session: Session, cookie: str, kind: str) -> Answer:
        """A cookie of this session, for a refresh."""
        return self.ask(kind, "POST", REFRESH, session, headers={"Cookie": cookie})

    def refresh(self, session: Session, cookie: str, kind: str = "refresh") -> Answer:
        """What it gave is not kept here."""
        answer = self.present(session, cookie, kind)
        self.checker.refresh(session, answer, cookie)
        if answer.ok:
            claims = claims_of(answer.body["access_token"])
            self.checker.same(session, answer, sub=claims["sub"], sid=claims["sid"])
        return answer


def bearer(session: Session) -> dict[str, str]:
    return {"Authorization": f"Bearer {session.access}"}


def ask(http: ApiClient, kind: str, method: str, url: str, **kwargs: Any) -> Answer:
    """Ask once. Nothing is tried again here: that is for the client to decide."""
    begun = time.monotonic()
    try:
        response = http.request(method, url, **kwargs)
    except requests.RequestException as exc:
        return Answer(kind, begun, time.monotonic(), lost=type(exc).__name__)
    cookies = [n + "=" + v if v else "" for n, v in cookies_of(response).items()]
    cookie = next(iter(cookies), None)
    headers = {name.lower(): text for name, text in response.headers.items()}
    status, ended = response.status_code, time.monotonic()
    return Answer(kind, begun, ended, status, body_of(response), headers, cookie)


def body_of(response: requests.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
