"""Clients that look at the sessions of others: a service; and an auditor, after the
last fault."""

import threading
import time

from deploy.tests.chaos.client import ChaosClient
from deploy.tests.chaos.expected_state import Answer, Session
from deploy.tests.client import claims_of


class Service(ChaosClient):
    """Shows tokens to both services, of sessions that live and of some that ended. Of
    those it tries the cookies too, as a thief does."""

    def live(self, ending: threading.Event) -> None:
        while not ending.wait(self.rng.uniform(0.1, 0.3)):
            over = self.rng.random() < 0.6
            session = self.expected.some_session(self.rng, over=over)
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
        living, over = self.expected.living(), list(self.expected.over)
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
