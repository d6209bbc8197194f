"""A user with an account and a few devices, who does one thing after the other.

As real clients do, one that gets no answer tries again with the cookie it has, until
there is an answer.
"""

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from deploy.tests.chaos.client import ChaosClient, bearer
from deploy.tests.chaos.expected_state import LINGERS, Account, Answer, Session
from deploy.tests.chaos.timeline import Ending
from deploy.tests.client import (
    CHANGE_PASSWORD,
    LOGIN,
    LOGOUT,
    LOGOUT_ALL,
    REGISTER,
    claims_of,
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


class SimulatedUser(ChaosClient):
    """Does what `HABITS` say, what is overdue first. What a lost answer leaves unknown
    of the account is left open."""

    account: Account

    def live(self, ending: threading.Event) -> None:
        """Register, then do something again and again until the end."""
        self.account = self.expected.new_account()
        with ThreadPoolExecutor(TABS) as self.pool:
            while not self.register() and not ending.wait(PAUSE):
                continue
            while not ending.wait(PAUSE * self.rng.uniform(0.5, 1.3)):
                self.do_something()

    def do_something(self) -> None:
        """What is overdue first: a refresh or a logout that was not answered."""
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

    def register(self) -> bool:
        account = self.account
        body = {"username": account.name, "email": account.email}
        body["password"] = account.passwords[0]
        answer = self.ask("register", "POST", REGISTER, account, json=body)
        if answer.status == 201:
            account.sub = str(answer.body["id"])
        return answer.status in (201, 409)  # whose answer was lost before

    def log_in(self) -> None:
        account = self.account
        if len(account.sessions) >= DEVICES:
            return
        if account.stranded >= MOST_STRANDED and account.sessions:
            self.log_out_all(account.sessions[0])
            return
        password = self.rng.choice(account.passwords)
        answer = self.try_password("log in", password)
        if answer.ok:
            self.open(answer, password)
        elif answer.unknown:
            account.stranded += 1
        elif answer.status == 401 and self.is_settled(answer):
            others = [each for each in account.passwords if each != password]
            account.passwords = others or [password]

    def is_settled(self, answer: Answer) -> bool:
        """Whether it shows which password is right."""
        return answer.begun > self.account.unsettled

    def try_password(self, kind: str, password: str) -> Answer:
        body = {"email": self.account.email, "password": password}
        answer = self.ask(kind, "POST", LOGIN, self.account, json=body)
        self.checker.log_in(self.account, answer, password)
        return answer

    def open(self, answer: Answer, password: str) -> None:
        """A session, as its device keeps it. The password has proved right."""
        access, account = answer.body["access_token"], self.account
        claims = claims_of(access)
        account.sub = account.sub or claims["sub"]
        times, cookie = (answer.begun, answer.ended), answer.cookie or ""
        session = Session(account, claims["sid"], *times, cookie, access, claims["exp"])
        self.checker.same(session, answer, sub=claims["sub"])
        with self.expected.lock:
            if self.is_settled(answer):
                account.passwords = [password]
            account.sessions.append(session)
            account.history.append((session.sid, answer))

    def wrong_password(self) -> None:
        """One that was never right, or one that was right before."""
        wrong = ["not the password at all", *self.account.former]
        self.try_password("wrong password", self.rng.choice(wrong))

    def log_out_all(self, session: Session) -> None:
        account = self.account
        ending = self.begin(account.endings, "log out all")
        headers = {**bearer(session), "Cookie": session.cookie}
        question = ("log out all", "POST", LOGOUT_ALL, session)
        answer = self.ask(*question, headers=headers, json={})
        self.checker.token(session, answer, session.expires)
        self.settle(account.endings, ending, answer, acked=answer.ok)
        if answer.ok:
            account.stranded = 0
            for each in list(account.sessions):
                self.expected.drop(each)

    def change_password(self, session: Session) -> None:
        """All sessions end but this one."""
        account, kind = self.account, "change password"
        if len(account.passwords) > 1:
            return
        [old], new = account.passwords, f"another horse battery {self.rng.random()}"
        ending = self.begin(account.endings, kind, pushed=True)
        ending.spared = session.sid
        account.passwords = [old, new]  # until one is known to be right
        body = {"current_password": old, "new_password": new}
        question = (kind, "POST", CHANGE_PASSWORD, session)
        answer = self.ask(*question, headers=bearer(session), json=body)
        self.checker.token(session, answer, session.expires)
        self.settle(account.endings, ending, answer, acked=answer.ok)
        account.unsettled = ending.over if answer.unknown else 0.0
        if answer.ok:
            account.passwords = [new]
            account.former.append(old)
            for each in list(account.sessions):
                if each is not session:
                    self.expected.drop(each)
        elif not answer.unknown:
            account.passwords = [old]

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
        with self.expected.lock:
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
        ending = self.begin(session.endings, "log out")
        headers = {"Cookie": session.cookie}
        answer = self.ask("log out", "POST", LOGOUT, session, headers=headers)
        self.settle(session.endings, ending, answer, acked=answer.ok)
        if answer.ok:
            self.expected.drop(session)
        else:
            session.retry_at = time.monotonic() + patience(answer)

    def replay(self, session: Session) -> None:
        """A thief with a cookie older than any leeway forgives: the session ends."""
        if len(session.spent) < 2:
            return
        ending = self.begin(session.endings, "replay")
        answer = self.present(session, session.spent[-2], "replay")
        self.checker.replay(session, answer)
        acked = answer.code == "refresh_token_reused"
        self.settle(session.endings, ending, answer, acked=acked)
        self.expected.drop(session)

    # ---- Endings -----------------------------------------------------------------

    def begin(self, where: list[Ending], kind: str, *, pushed: bool = False) -> Ending:
        """Written down before it is asked for."""
        ending = Ending(kind, time.monotonic(), pushed=pushed)
        with self.expected.lock:
            where.append(ending)
        return ending

    def settle(
        self, where: list[Ending], ending: Ending, answer: Answer, *, acked: bool
    ) -> None:
        """Whether it has happened, by the answer."""
        with self.expected.lock:
            if acked:
                ending.acked = answer.ended
            elif answer.unknown:
                ending.over = answer.ended + LINGERS
            else:
                where.remove(ending)  # refused: nothing was changed


def patience(answer: Answer) -> float:
    """Seconds until the client tries again, by the answer."""
    seconds = answer.headers.get("retry-after", "1")
    return min(float(seconds), PATIENCE) if seconds.isdecimal() else 1.0
