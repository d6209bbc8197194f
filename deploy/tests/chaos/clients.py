"""Clients of the stack: each question is checked and written down.

As real clients do, one that gets no answer tries again with the cookie it has, until
there is an answer.
"""

import math
import threading
import time
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import requests

from deploy.tests.chaos.checker import REUSED, Checker
from deploy.tests.chaos.record import Account, Answer, Ending, Session
from deploy.tests.chaos.stack import ChaosStack
from deploy.tests.client import (
    CHANGE_PASSWORD,
    LOGIN,
    LOGOUT,
    ME,
    REFRESH,
    REGISTER,
    VERIFY,
    ApiClient,
    at_once,
    claims_of,
    cookies_of,
)

PAUSE = 0.7  # seconds from one thing to the next
TABS = (1, 1, 1, 3)  # that refresh at the same time
DEVICES = 3
# How often each is done with a session, out of their sum.
HABITS = {"renew": 19, "log_out": 7, "change_password": 3, "replay": 4}
LOGINS, WRONG_PASSWORDS = 0.2, 0.02  # the shares of these


class ChaosClient:
    """One thread's connections, and its way of asking."""

    def __init__(self, stack: ChaosStack, checker: Checker, rng: Random) -> None:
        self.stack, self.checker, self.rng = stack, checker, rng
        self.record = checker.record
        self.http = ApiClient(keep_alive=True)

    def ask(
        self, kind: str, method: str, path: str, about: Account | Session, **kwargs: Any
    ) -> Answer:
        """Through the gateway, or directly where `path` is a whole URL."""
        way = "front" if path.startswith("/") else "auth"
        url = self.stack.gateway_url + path if way == "front" else path
        answer = ask(self.http, kind, method, url, **kwargs)
        self.checker.form(about, answer, way)
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
        answer = self.ask("verify", "POST", url, session, json=body, headers=key)
        self.checker.token(session, answer, expires)
        if answer.ok:
            self.checker.same(session, answer, sub=answer.body["user_id"])
        return answer

    def present(self, session: Session, cookie: str, kind: str) -> Answer:
        """A cookie of this session, for a refresh."""
        return self.ask(kind, "POST", REFRESH, session, headers={"Cookie": cookie})

    def refresh(self, session: Session, kind: str = "refresh") -> Answer:
        """What it gave is not kept here."""
        answer = self.present(session, session.cookie, kind)
        self.checker.refresh(session, answer)
        if answer.ok:
            claims = claims_of(answer.body["access_token"])
            self.checker.same(session, answer, sub=claims["sub"], sid=claims["sid"])
        return answer

    def renew(self, session: Session) -> list[Answer]:
        """Refresh with the cookie it has, in a few tabs; keep what came back."""
        session.presented = min(session.presented, time.monotonic())
        answers = at_once([partial(self.refresh, session)] * self.rng.choice(TABS))
        good = [answer for answer in answers if answer.ok]
        session.pending = not good
        cookies = {answer.cookie for answer in good if answer.cookie}
        if len(cookies) > 1:
            what = f"tabs were given {len(cookies)} different cookies"
            self.checker.report("tabs diverge", what, session)
        with self.record.lock:
            for answer in good:
                session.access = answer.body["access_token"]
                session.expires = claims_of(session.access)["exp"]
            if cookies - {session.cookie}:
                session.spent.append(session.cookie)
                session.cookie, session.presented = cookies.pop(), math.inf
        return answers


class SimulatedUser(ChaosClient):
    """A user with an account and a few devices, who does what `HABITS` say. Where a
    lost answer leaves open which password is right, or how many sessions there are,
    the user continues with another account."""

    def live(self, ending: threading.Event) -> None:
        self.account = Account()
        while not ending.wait(PAUSE * self.rng.uniform(0.5, 1.3)):
            self.do_something()

    def do_something(self) -> None:
        """What was not answered comes first."""
        sessions = list(self.account.sessions)
        pending = [session for session in sessions if session.pending]
        if not self.account.registered:
            self.register()
        elif pending:
            self.log_out(pending[0]) if pending[0].leaving else self.renew(pending[0])
        elif self.rng.random() < WRONG_PASSWORDS:
            self.wrong_password()
        elif not sessions or self.rng.random() < LOGINS:
            self.log_in()
        else:
            [habit] = self.rng.choices([*HABITS], [*HABITS.values()])
            getattr(self, habit)(self.rng.choice(sessions))

    # ---- The account -------------------------------------------------------------

    def register(self) -> None:
        account = self.account
        body = {"username": account.name, "email": account.email}
        body["password"] = account.password
        answer = self.ask("register", "POST", REGISTER, account, json=body)
        # 409: the answer was lost before.
        account.registered = answer.status in (201, 409)

    def leave_account(self) -> None:
        self.record.drop(*self.account.sessions)
        self.account = Account()

    def log_in(self) -> None:
        """On a new device, and keep the session there."""
        account = self.account
        if len(account.sessions) >= DEVICES:
            return
        answer = self.try_password("log in", account.password)
        if answer.ok:
            access, cookie = answer.body["access_token"], answer.cookie or ""
            claims, times = claims_of(access), (answer.begun, answer.ended)
            account.sub = account.sub or claims["sub"]
            sid, expires = claims["sid"], claims["exp"]
            session = Session(account, sid, *times, cookie, access, expires)
            self.checker.same(session, answer, sub=claims["sub"])
            self.record.open(session)
        elif answer.unknown:
            self.leave_account()

    def try_password(self, kind: str, password: str) -> Answer:
        body = {"email": self.account.email, "password": password}
        answer = self.ask(kind, "POST", LOGIN, self.account, json=body)
        self.checker.log_in(self.account, answer, password)
        return answer

    def wrong_password(self) -> None:
        """One that was never right, or one that was right before."""
        wrong = ["not the password at all", *self.account.former]
        self.try_password("wrong password", self.rng.choice(wrong))

    def change_password(self, session: Session) -> None:
        """All sessions end but this one."""
        account, new = self.account, f"another horse battery {self.rng.random()}"
        body = {"current_password": account.password, "new_password": new}
        question = partial(self.ask, "change password", "POST", CHANGE_PASSWORD)
        ending = Ending("change password", pushed=True, spared=session.sid)
        asked = partial(question, session, headers=bearer(session), json=body)
        answer = self.end(account.endings, ending, asked)
        if answer.ok:
            account.former.append(account.password)
            account.password = new
            self.record.drop(*(each for each in account.sessions if each != session))
        elif answer.unknown:
            self.leave_account()

    # ---- One session -------------------------------------------------------------

    def log_out(self, session: Session) -> None:
        session.leaving = True
        headers = {"Cookie": session.cookie}
        asked = partial(self.ask, "log out", "POST", LOGOUT, session, headers=headers)
        session.pending = not self.end(session.endings, Ending("log out"), asked).ok
        if not session.pending:
            self.record.drop(session)

    def replay(self, session: Session) -> None:
        """A thief with a cookie older than any leeway forgives: the session ends."""
        if len(session.spent) < 2:
            return
        asked = partial(self.present, session, session.spent[-2], "replay")
        answer = self.end(session.endings, Ending("replay"), asked)
        self.checker.replay(session, answer)
        self.record.drop(session)

    def end(
        self, where: list[Ending], ending: Ending, asked: Callable[[], Answer]
    ) -> Answer:
        """Written down before it is asked for; and whether it has happened."""
        with self.record.lock:
            ending.begun = time.monotonic()
            where.append(ending)
        answer = asked()
        with self.record.lock:
            if answer.ok or answer.code == REUSED:
                ending.acked = answer.ended
            elif not answer.unknown:
                where.remove(ending)  # refused: nothing was changed
        return answer


class Service(ChaosClient):
    """Shows tokens to both services, of sessions that live and of some that ended. Of
    those it tries the cookies too, as a thief does."""

    def live(self, ending: threading.Event) -> None:
        while not ending.wait(self.rng.uniform(0.1, 0.3)):
            over = self.rng.random() < 0.4
            session = self.record.some_session(self.rng, over=over)
            if session is None:
                continue
            if over and self.rng.random() < 0.3:
                acked = [each for each in session.all_endings() if each.is_acked]
                if any(each.spared != session.sid for each in acked):
                    self.refresh(session, "thief")
            elif time.time() < session.expires:
                self.rng.choice([self.me, self.verify])(session)


class Auditor(ChaosClient):
    """What was acknowledged still works, what ended is still refused."""

    def look_at_all(self) -> tuple[int, int]:
        """How many sessions that live, and how many that ended."""
        living, over = list(self.record.living), list(self.record.over)
        for session in living:
            self.insist(session, *self.renew(session))
        for session in [*living, *over]:
            if time.time() < session.expires:
                self.insist(session, self.me(session), self.verify(session))
        return len(living), len(over)

    def insist(self, session: Session, *answers: Answer) -> None:
        """The checker decides whether it may be refused, but there is an answer."""
        for answer in answers:
            if answer.unknown or answer.status == 429:
                what = f"{answer}, and all faults are over"
                self.checker.report("not well", what, session)


def bearer(session: Session) -> dict[str, str]:
    return {"Authorization": f"Bearer {session.access}"}


def ask(http: ApiClient, kind: str, method: str, url: str, **kwargs: Any) -> Answer:
    """Ask once. Nothing is tried again here: that is for the client to decide."""
    begun = time.monotonic()
    try:
        response = http.request(method, url, **kwargs)
        is_json = "json" in response.headers.get("Content-Type", "")
        body = response.json() if response.content and is_json else {}
    except requests.RequestException as exc:
        return Answer(kind, begun, time.monotonic(), lost=type(exc).__name__)
    cookies = [n + "=" + v if v else "" for n, v in cookies_of(response).items()]
    headers = {name.lower(): text for name, text in response.headers.items()}
    status, cookie = response.status_code, next(iter(cookies), None)
    return Answer(kind, begun, time.monotonic(), status, body, headers, cookie)
