"""Clients of the stack: each question is checked and written down.

As real clients do, one that gets no answer tries again with the cookie it has, until
there is an answer.
"""

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import requests

from deploy.tests.chaos.checker import Checker
from deploy.tests.chaos.record import Account, Answer, Ending, Session
from deploy.tests.chaos.stack import ChaosStack
from deploy.tests.client import (
    CHANGE_PASSWORD,
    LOGIN,
    LOGOUT,
    LOGOUT_ALL,
    ME,
    REFRESH,
    REGISTER,
    VERIFY,
    ApiClient,
    claims_of,
    cookies_of,
)

PAUSE = 0.7  # seconds from one thing to the next
TABS = 3
PATIENCE = 2.0  # seconds after which a client comes again at the latest
DEVICES = 3
# The cap is 10 sessions a user; logins whose answer was lost count too.
MOST_STRANDED = 5
# How often each is done, out of their sum.
HABITS = {
    "me": 30,
    "verify": 14,
    "renew": 14,
    "tabs": 5,
    "log_in": 9,
    "wrong_password": 1,
    "log_out": 7,
    "log_out_all": 2,
    "change_password": 2,
    "replay": 2,
}


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
        account = about.account if isinstance(about, Session) else about
        sid = about.sid if isinstance(about, Session) else ""
        way = "front" if path.startswith("/") else "auth"
        url = self.stack.gateway_url + path if way == "front" else path
        answer = ask(self.http, kind, method, url, **kwargs)
        self.checker.form(account, sid, answer, way)
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

    def refresh(self, session: Session, cookie: str, kind: str = "refresh") -> Answer:
        """What it gave is not kept here."""
        answer = self.present(session, cookie, kind)
        self.checker.refresh(session, answer, cookie)
        if answer.ok:
            claims = claims_of(answer.body["access_token"])
            self.checker.same(session, answer, sub=claims["sub"], sid=claims["sid"])
        return answer


class SimulatedUser(ChaosClient):
    """A user with an account and a few devices, who does what `HABITS` say. Where a
    lost answer leaves open which password is right, or how many sessions there are,
    the user continues with another account."""

    account: Account

    def live(self, ending: threading.Event) -> None:
        self.account = self.record.new_account()
        with ThreadPoolExecutor(TABS) as self.pool:
            while not ending.wait(PAUSE * self.rng.uniform(0.5, 1.3)):
                self.do_something()

    def do_something(self) -> None:
        """What is overdue first: a refresh or a logout that was not answered."""
        if not self.account.registered:
            self.register()
            return
        now = time.monotonic()
        for session in list(self.account.sessions):
            if session.retry_at <= now:
                self.log_out(session) if session.leaving else self.renew(session)
                return
        usable = [s for s in self.account.sessions if s.retry_at == math.inf]
        habit = self.rng.choices([*HABITS], [*HABITS.values()])[0]
        if habit in ("log_in", "wrong_password"):
            getattr(self, habit)()
        elif usable:
            getattr(self, habit)(self.rng.choice(usable))
        else:
            self.log_in()

    # ---- The account -------------------------------------------------------------

    def register(self) -> None:
        account = self.account
        body = {"username": account.name, "email": account.email}
        body["password"] = account.password
        answer = self.ask("register", "POST", REGISTER, account, json=body)
        # 409: the answer was lost before.
        account.registered = answer.status in (201, 409)

    def leave_account(self) -> None:
        self.drop_all()
        self.account = self.record.new_account()

    def drop_all(self, spared: Session | None = None) -> None:
        for each in list(self.account.sessions):
            if each is not spared:
                self.record.drop(each)

    def log_in(self) -> None:
        account = self.account
        if len(account.sessions) >= DEVICES:
            return
        answer = self.try_password("log in", account.password)
        if answer.ok:
            self.open(answer)
        elif answer.unknown:
            account.stranded += 1
            if account.stranded >= MOST_STRANDED:
                self.leave_account()

    def try_password(self, kind: str, password: str) -> Answer:
        body = {"email": self.account.email, "password": password}
        answer = self.ask(kind, "POST", LOGIN, self.account, json=body)
        self.checker.log_in(self.account, answer, password)
        return answer

    def open(self, answer: Answer) -> None:
        """A session, as its device keeps it."""
        access, account = answer.body["access_token"], self.account
        claims = claims_of(access)
        account.sub = account.sub or claims["sub"]
        times, cookie = (answer.begun, answer.ended), answer.cookie or ""
        session = Session(account, claims["sid"], *times, cookie, access, claims["exp"])
        self.checker.same(session, answer, sub=claims["sub"])
        with self.record.lock:
            account.sessions.append(session)
            account.history.append((session.sid, answer))

    def wrong_password(self) -> None:
        """One that was never right, or one that was right before."""
        wrong = ["not the password at all", *self.account.former]
        self.try_password("wrong password", self.rng.choice(wrong))

    def log_out_all(self, session: Session) -> None:
        headers = {**bearer(session), "Cookie": session.cookie}
        question = ("log out all", "POST", LOGOUT_ALL, session)
        self.end_all(Ending("log out all", 0), question, session, headers, {})

    def change_password(self, session: Session) -> None:
        """All sessions end but this one."""
        account, kind = self.account, "change password"
        old, new = account.password, f"another horse battery {self.rng.random()}"
        body = {"current_password": old, "new_password": new}
        ending = Ending(kind, 0, pushed=True, spared=session.sid)
        question = (kind, "POST", CHANGE_PASSWORD, session)
        if self.end_all(ending, question, session, bearer(session), body):
            account.password = new
            account.former.append(old)

    def end_all(
        self,
        ending: Ending,
        question: tuple[str, str, str, Session],
        session: Session,
        headers: dict[str, str],
        body: dict[str, str],
    ) -> bool:
        """Whether all sessions have ended, but the one that is spared."""
        account = self.account
        self.begin(account.endings, ending)
        answer = self.ask(*question, headers=headers, json=body)
        self.checker.token(session, answer, session.expires)
        self.settle(account.endings, ending, answer, acked=answer.ok)
        if answer.ok:
            account.stranded = 0
            self.drop_all(session if ending.spared else None)
        elif answer.unknown:
            self.leave_account()
        return answer.ok

    # ---- One session -------------------------------------------------------------

    def renew(self, session: Session, tabs: int = 1) -> None:
        """Refresh with the cookie it has, in as many tabs; keep what came back."""
        cookie = session.cookie
        session.presented.setdefault(cookie, time.monotonic())
        kind = "refresh" if tabs == 1 else "tab"
        work = [(self.refresh, session, cookie, kind)] * tabs
        futures = [self.pool.submit(*each) for each in work]
        answers = [future.result() for future in futures]
        good = [answer for answer in answers if answer.ok]
        if good:
            self.keep(session, good)
        elif session in self.account.sessions:
            session.retry_at = time.monotonic() + patience(answers[0])

    def keep(self, session: Session, answers: list[Answer]) -> None:
        cookies = {a.cookie for a in answers if a.cookie}
        if len(cookies) > 1:
            what = f"{len(answers)} tabs were given {len(cookies)} different cookies"
            self.checker.report("tabs diverge", what, session.account, session.sid)
        with self.record.lock:
            session.access = answers[-1].body["access_token"]
            session.expires = claims_of(session.access)["exp"]
            session.retry_at = math.inf
            successor = next(iter(cookies), session.cookie)
            if successor != session.cookie:
                session.spent.append(session.cookie)
                session.cookie = successor

    def tabs(self, session: Session) -> None:
        self.renew(session, TABS)

    def log_out(self, session: Session) -> None:
        session.leaving = True
        ending = self.begin(session.endings, Ending("log out", 0))
        headers = {"Cookie": session.cookie}
        answer = self.ask("log out", "POST", LOGOUT, session, headers=headers)
        self.settle(session.endings, ending, answer, acked=answer.ok)
        if answer.ok:
            self.record.drop(session)
        else:
            session.retry_at = time.monotonic() + patience(answer)

    def replay(self, session: Session) -> None:
        """A thief with a cookie older than any leeway forgives: the session ends."""
        if len(session.spent) < 2:
            return
        ending = self.begin(session.endings, Ending("replay", 0))
        answer = self.present(session, session.spent[-2], "replay")
        self.checker.replay(session, answer)
        acked = answer.code == "refresh_token_reused"
        self.settle(session.endings, ending, answer, acked=acked)
        self.record.drop(session)

    # ---- Endings -----------------------------------------------------------------

    def begin(self, where: list[Ending], ending: Ending) -> Ending:
        """Written down before it is asked for."""
        with self.record.lock:
            ending.begun = time.monotonic()
            where.append(ending)
        return ending

    def settle(
        self, where: list[Ending], ending: Ending, answer: Answer, *, acked: bool
    ) -> None:
        """Whether it has happened, by the answer."""
        with self.record.lock:
            if acked:
                ending.acked = answer.ended
            elif not answer.unknown:
                where.remove(ending)  # refused: nothing was changed


class Service(ChaosClient):
    """Shows tokens to both services, of sessions that live and of some that ended. Of
    those it tries the cookies too, as a thief does."""

    def live(self, ending: threading.Event) -> None:
        while not ending.wait(self.rng.uniform(0.1, 0.3)):
            over = self.rng.random() < 0.6
            session = self.record.some_session(self.rng, over=over)
            if session is None:
                continue
            if over and self.rng.random() < 0.3:
                if any(each.is_acked for each in session.all_endings()):
                    self.refresh(session, session.cookie, "thief")
            elif time.time() < session.expires:
                self.rng.choice([self.me, self.verify])(session)


class Auditor(ChaosClient):
    """What was acknowledged still works, what ended is still refused."""

    def look_at_all(self) -> tuple[int, int]:
        """How many sessions that live, and how many that ended."""
        living, over = self.record.living(), list(self.record.over)
        for session in living:
            session.presented.setdefault(session.cookie, time.monotonic())
            answer = self.refresh(session, session.cookie)
            self.insist(session, answer)
            if answer.ok:
                session.access = answer.body["access_token"]
                session.expires = claims_of(session.access)["exp"]
        for session in [*living, *over]:
            if time.time() < session.expires:
                self.insist(session, self.me(session))
                self.insist(session, self.verify(session))
        return len(living), len(over)

    def insist(self, session: Session, answer: Answer) -> None:
        """The checker decides whether it may be refused, but there is an answer."""
        if answer.unknown or answer.status == 429:
            what = f"{answer}, and all faults are over"
            self.checker.report("not well", what, session.account, session.sid)


def bearer(session: Session) -> dict[str, str]:
    return {"Authorization": f"Bearer {session.access}"}


def patience(answer: Answer) -> float:
    """Seconds until the client tries again, by the answer."""
    seconds = answer.headers.get("retry-after", "1")
    return min(float(seconds), PATIENCE) if seconds.isdecimal() else 1.0


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
