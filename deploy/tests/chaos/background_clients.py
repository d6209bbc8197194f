"""Clients that look at the sessions of others: a service, a thief, an operator; and an
auditor, after the last fault."""

import math
import threading
import time
from collections.abc import Callable

from deploy.tests.chaos.checker import RECOVERY
from deploy.tests.chaos.client import ChaosClient
from deploy.tests.chaos.expected_state import LINGERS, Account, Answer, Session
from deploy.tests.chaos.timeline import Ending
from deploy.tests.client import claims_of


class Service(ChaosClient):
    """Shows tokens at both doors, of sessions that live and of some that ended."""

    def live(self, ending: threading.Event, pause: float) -> None:
        while not ending.wait(pause * self.rng.uniform(0.5, 1.5)):
            over = self.rng.random() < 0.6
            session = self.expected.some_session(self.rng, over=over)
            if session and time.time() < session.expires:
                self.look(session)

    def look(self, session: Session) -> None:
        if self.target.verifies and self.rng.random() < 0.5:
            self.verify(session)
        else:
            self.me(session)


class Thief(ChaosClient):
    """Tries the cookies of sessions whose end was acknowledged."""

    def live(self, ending: threading.Event, pause: float) -> None:
        while not ending.wait(pause * self.rng.uniform(0.5, 1.5)):
            session = self.expected.some_session(self.rng, over=True)
            if session and any(each.is_acked for each in session.all_endings()):
                self.refresh(session, session.cookie, "thief")


class Operator(ChaosClient):
    """Deactivates users, by the command an operator has; later lets them in again."""

    def live(self, ending: threading.Event, pause: float) -> None:
        while not ending.wait(pause):
            with self.expected.lock:
                known = [each for each in self.expected.accounts if each.sub]
            if known:
                self.shut_out(self.rng.choice(known), ending, pause)

    def shut_out(self, account: Account, ending: threading.Event, pause: float) -> None:
        """Insists on both, whether the run is over or not."""
        while not self.close(account) and not ending.wait(1):
            continue
        ending.wait(pause)
        while not self.open(account) and not ending.wait(1):
            continue

    def close(self, account: Account) -> bool:
        done = Ending("deactivate", time.monotonic(), pushed=True)
        with self.expected.lock:
            account.closing = min(account.closing, done.begun)
            account.endings.append(done)
        acked = self.command("deactivate", account)
        with self.expected.lock:
            if acked:
                account.closed = done.acked = time.monotonic()
            else:
                done.over = time.monotonic() + LINGERS
        return acked

    def open(self, account: Account) -> bool:
        with self.expected.lock:
            account.closed = math.inf
        acked = self.command("activate", account)
        if acked:
            with self.expected.lock:
                account.opened, account.closing = time.monotonic(), math.inf
        return acked

    def command(self, act: str, account: Account) -> bool:
        begun = time.monotonic()
        done = self.target.operator[act](account.email)
        status = 200 if done else 0
        lost = "" if done else "the command failed"
        answer = Answer(act, begun, time.monotonic(), status, lost=lost)
        self.expected.note(account, "", answer)
        return done


class Auditor(ChaosClient):
    """What was acknowledged still works, what ended is still refused."""

    def look_at_all(self) -> tuple[int, int]:
        """How many sessions that live, and how many that ended."""
        with self.expected.lock:
            living = [s for each in self.expected.accounts for s in each.sessions]
            over = list(self.expected.over)
        for session in living:
            self.use(session)
        for session in over:
            if time.time() < session.expires:
                self.show(session)
        return len(living), len(over)

    def use(self, session: Session) -> None:
        """The checker says whether it may be refused."""
        session.presented.setdefault(session.cookie, time.monotonic())
        answer = self.insist(session, lambda: self.refresh(session, session.cookie))
        if answer.ok:
            session.access = answer.body["access_token"]
            session.expires = claims_of(session.access)["exp"]
            self.show(session)

    def show(self, session: Session) -> None:
        self.insist(session, lambda: self.me(session))
        if self.target.verifies:
            self.insist(session, lambda: self.verify(session))

    def insist(self, session: Session, ask: Callable[[], Answer]) -> Answer:
        """Until it is answered; that is to be soon."""
        begun = time.monotonic()
        while (answer := ask()).unknown or answer.status == 429:
            if time.monotonic() - begun > RECOVERY:
                what = f"{answer} after {RECOVERY} s without a fault"
                self.checker.report("not well", what, session.account, session.sid)
                break
            time.sleep(0.3)
        return answer
