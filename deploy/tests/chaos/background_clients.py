"""Those who look at other people's sessions: a service, a thief, an operator."""

import math
import threading
import time

from deploy.tests.chaos.bounds import Ending
from deploy.tests.chaos.client import Visitor
from deploy.tests.chaos.expected_state import LINGERS, Account, Session
from deploy.tests.chaos.wire import Answer


class Service(Visitor):
    """Shows tokens at both doors, of sessions that live and of some that ended."""

    def live(self, ending: threading.Event, pause: float) -> None:
        while not ending.wait(pause * self.rng.uniform(0.5, 1.5)):
            over = self.rng.random() < 0.6
            session = self.ledger.some_session(self.rng, over=over)
            if session and time.time() < session.expires:
                self.look(session)

    def look(self, session: Session) -> None:
        if self.target.verifies and self.rng.random() < 0.5:
            self.verify(session)
        else:
            self.me(session)


class Thief(Visitor):
    """Tries the cookies of sessions that ended, their holders told so."""

    def live(self, ending: threading.Event, pause: float) -> None:
        while not ending.wait(pause * self.rng.uniform(0.5, 1.5)):
            session = self.ledger.some_session(self.rng, over=True)
            if session and any(each.is_acked for each in session.all_endings()):
                self.refresh(session, session.cookie, "thief")


class Operator(Visitor):
    """Deactivates people, by the command an operator has; later lets them in again."""

    def live(self, ending: threading.Event, pause: float) -> None:
        while not ending.wait(pause):
            with self.ledger.lock:
                known = [each for each in self.ledger.accounts if each.sub]
            if known:
                self.shut_out(self.rng.choice(known), ending, pause)

    def shut_out(self, account: Account, ending: threading.Event, pause: float) -> None:
        """Insists on both: who was shut out is let in again, the run over or not."""
        while not self.close(account) and not ending.wait(1):
            continue
        ending.wait(pause)
        while not self.open(account) and not ending.wait(1):
            continue

    def close(self, account: Account) -> bool:
        done = Ending("deactivate", time.monotonic(), pushed=True)
        with self.ledger.lock:
            account.closing = min(account.closing, done.begun)
            account.endings.append(done)
        acked = self.command("deactivate", account)
        with self.ledger.lock:
            if acked:
                account.closed = done.acked = time.monotonic()
            else:
                done.over = time.monotonic() + LINGERS
        return acked

    def open(self, account: Account) -> bool:
        with self.ledger.lock:
            account.closed = math.inf
        acked = self.command("activate", account)
        if acked:
            with self.ledger.lock:
                account.opened, account.closing = time.monotonic(), math.inf
        return acked

    def command(self, act: str, account: Account) -> bool:
        begun = time.monotonic()
        done = self.target.operator[act](account.email)
        status = 200 if done else 0
        lost = "" if done else "the command failed"
        answer = Answer(act, begun, time.monotonic(), status, lost=lost)
        self.ledger.note(account, "", answer)
        return done
