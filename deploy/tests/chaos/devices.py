"""What the devices of a person do with their sessions.

As real clients: who gets no answer tries again with the cookie they have, until told.
"""

import math
import time
from concurrent.futures import ThreadPoolExecutor

from deploy.tests.chaos.bounds import Ending
from deploy.tests.chaos.checker import SAFE_LEEWAY
from deploy.tests.chaos.client import Visitor, claims_of
from deploy.tests.chaos.expected_state import LINGERS, Account, Session
from deploy.tests.chaos.wire import Answer

TABS = 3
PATIENCE = 2.0  # seconds; whoever is told to come again does so after at most that


class Devices(Visitor):
    """Acts on one session of an account."""

    account: Account
    pool: ThreadPoolExecutor  # tabs that ask at once

    def renew(self, session: Session, cookies: int = 1) -> list[Answer]:
        """Refresh with the cookie it has, in as many tabs; keep what came back."""
        cookie = session.cookie
        session.presented.setdefault(cookie, time.monotonic())
        ask = self.refresh
        if cookies == 1:
            answers = [ask(session, cookie)]
        else:
            kinds = ["tab"] * cookies
            futures = [self.pool.submit(ask, session, cookie, k) for k in kinds]
            answers = [future.result() for future in futures]
        good = [answer for answer in answers if answer.ok]
        if good:
            self.keep(session, good)
        elif session in self.account.sessions:
            session.retry_at = time.monotonic() + patience(answers[0])
        return answers

    def keep(self, session: Session, answers: list[Answer]) -> None:
        cookies = {a.cookie for a in answers if a.cookie}
        if len(cookies) > 1:
            what = f"{len(answers)} tabs were given {len(cookies)} different cookies"
            self.checker.report("tabs diverge", what, session.account, session.sid)
        with self.ledger.lock:
            session.access = answers[-1].body["access_token"]
            session.expires = claims_of(session.access)["exp"]
            session.retry_at = math.inf
            successor = next(iter(cookies), session.cookie)
            if successor != session.cookie:
                session.spent.append(session.cookie)
                session.cookie = successor

    def tabs(self, session: Session) -> None:
        self.renew(session, TABS)

    def old_tab(self, session: Session) -> None:
        """One that still has the predecessor, soon enough: it gets the successor."""
        if not session.spent:
            return
        cookie = session.spent[-1]
        first = session.presented[cookie]
        if time.monotonic() - first > SAFE_LEEWAY - 2:
            return
        answer = self.refresh(session, cookie, "old tab")
        if answer.ok and answer.cookie not in (None, session.cookie):
            what = "an old tab was given neither nothing nor the successor"
            self.checker.report("tabs diverge", what, session.account, session.sid)

    def log_out(self, session: Session) -> None:
        session.leaving = True
        ending = self.begin(session.endings, "log out")
        answer = self.post(
            "log out",
            "/api/v1/auth/logout",
            session.account,
            session.sid,
            headers={"Cookie": session.cookie},
        )
        self.settle(session.endings, ending, answer)
        if answer.ok:
            self.ledger.drop(session)
        else:
            session.retry_at = time.monotonic() + patience(answer)

    def replay(self, session: Session) -> None:
        """A thief with a cookie older than any leeway forgives: the session ends."""
        if len(session.spent) < 2:
            return
        ending = self.begin(session.endings, "replay")
        answer = self.present(session, session.spent[-2], "replay")
        self.checker.replay(session, answer)
        self.settle(
            session.endings, ending, answer, acked=answer.code == "refresh_token_reused"
        )
        self.ledger.drop(session)

    def begin(self, where: list[Ending], kind: str, *, pushed: bool = False) -> Ending:
        """Written down before it is asked for."""
        ending = Ending(kind, time.monotonic(), pushed=pushed)
        with self.ledger.lock:
            where.append(ending)
        return ending

    def settle(
        self,
        where: list[Ending],
        ending: Ending,
        answer: Answer,
        acked: bool | None = None,
    ) -> None:
        """What the answer says about whether it has happened."""
        with self.ledger.lock:
            if answer.ok if acked is None else acked:
                ending.acked = answer.ended
            elif answer.unknown:
                ending.over = answer.ended + LINGERS
            else:
                where.remove(ending)  # refused: nothing was changed


def patience(answer: Answer) -> float:
    """Seconds until the client tries again, as it was told."""
    told = answer.headers.get("retry-after", "1")
    return min(float(told), PATIENCE) if told.isdecimal() else 1.0
