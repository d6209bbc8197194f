"""After the last fault: every session is looked at once more, with all well again."""

import time
from collections.abc import Callable

from deploy.tests.chaos.client import Visitor, claims_of
from deploy.tests.chaos.expected_state import Session
from deploy.tests.chaos.forms import RECOVERY
from deploy.tests.chaos.wire import Answer


class Auditor(Visitor):
    """What was acknowledged still works, what ended is still refused."""

    def look_at_all(self) -> tuple[int, int]:
        """How many sessions that live, and how many that ended."""
        with self.ledger.lock:
            living = [s for each in self.ledger.accounts for s in each.sessions]
            over = list(self.ledger.over)
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
