"""What must hold of every answer."""

import time

from deploy.tests.chaos.bounds import Ending, push_may_be_lost, refused_from
from deploy.tests.chaos.expected_state import Account, Session
from deploy.tests.chaos.forms import RECOVERY, FormChecker
from deploy.tests.chaos.timeline import Trouble
from deploy.tests.chaos.violations import Violation
from deploy.tests.chaos.wire import Answer

LEEWAY = 10.0  # REFRESH_REUSE_LEEWAY
# Kept short of it: the answer's end stands for the question's arrival.
SAFE_LEEWAY = LEEWAY - 1.5
EXPIRY_MARGIN = 20.0  # seconds before `exp` in which no access token is judged


class Checker(FormChecker):
    """Asked about every answer, in the thread that got it."""

    late_retries = 0

    # ---- Sessions --------------------------------------------------------------

    def token(self, session: Session, answer: Answer, expires: int) -> None:
        """An access token was shown at one of the doors."""
        if answer.ok:
            self.accepted(session, answer, "access")
        elif answer.status == 401 and time.time() < expires - EXPIRY_MARGIN:
            self.refused(session, answer)

    def refresh(self, session: Session, answer: Answer, cookie: str) -> None:
        """A refresh with one of the cookies of a session."""
        if answer.ok:
            self.accepted(session, answer, "refresh")
        elif answer.status == 401 and self.is_late(session, answer, cookie):
            self.late_retries += 1
            self.found_over(session, answer, "retried too late")
        elif answer.status == 401:
            self.refused(session, answer)

    def replay(self, session: Session, answer: Answer) -> None:
        """A cookie older than the direct predecessor never gets anything."""
        if answer.ok:
            what = "a cookie two generations old was taken"
            self.report("reuse accepted", what, session.account, session.sid)

    def is_late(self, session: Session, answer: Answer, cookie: str) -> bool:
        """Whether the cookie may have been superseded longer ago than the leeway, by
        an earlier question whose answer got lost: then its second use is a reuse."""
        first = session.presented.get(cookie, answer.begun)
        return (
            answer.code == "refresh_token_reused" and answer.ended - first > SAFE_LEEWAY
        )

    def accepted(self, session: Session, answer: Answer, door: str) -> None:
        """It must not be, after the bound of any ending that was acknowledged."""
        now = time.monotonic()
        for ending in session.all_endings():
            sure = ending.is_acked and session.acked <= ending.begun
            if not sure or ending.spared == session.sid:
                continue
            over = answer.begun - refused_from(ending, door, self.timeline, now)
            if over > 0:
                since = answer.begun - ending.acked
                what = (
                    f"{answer.kind} took a token {since:.3f} s after `{ending.kind}`"
                    f" was acknowledged, {over:.3f} s beyond the bound"
                )
                self.report(
                    "revoked token accepted", what, session.account, session.sid
                )

    def refused(self, session: Session, answer: Answer) -> None:
        """It must not be, unless something may have ended the session."""
        if not any(self.may_explain(e, session, answer) for e in session.all_endings()):
            what = f"{answer.kind}: 401 {answer.code}, and nobody ended the session"
            self.report("session lost", what, session.account, session.sid)
        self.found_over(session, answer, "found over")

    def may_explain(self, ending: Ending, session: Session, answer: Answer) -> bool:
        if ending.begun > answer.ended:
            return False
        if ending.spared != session.sid:
            return True
        return not ending.is_acked or push_may_be_lost(ending, self.timeline)

    def found_over(self, session: Session, answer: Answer, why: str) -> None:
        """Whoever was told that it is over must go on being told so."""
        with self.ledger.lock:
            if not any(ending.is_acked for ending in session.endings):
                ending = Ending(why, answer.begun, acked=answer.ended)
                session.endings.append(ending)
            self.ledger.drop(session)

    def same_person(self, account: Account, sid: str, answer: Answer, who: str) -> None:
        """Nobody ever gets what is somebody else's."""
        if who != account.sub:
            what = f"{answer.kind} of {account.sub} was answered for {who}"
            self.report("somebody else's", what, account, sid)

    def same_session(self, session: Session, answer: Answer, sid: str) -> None:
        if sid != session.sid:
            what = f"{answer.kind} of session {session.sid} gave one of {sid}"
            self.report("somebody else's", what, session.account, session.sid)

    # ---- Accounts ----------------------------------------------------------------

    def log_in(self, account: Account, answer: Answer, password: str) -> None:
        """Only with the right password, and only who is active; but those always."""
        may = password in account.passwords
        if answer.ok and not may:
            self.report("wrong password", f"{answer}", account)
        if answer.ok and account.surely_closed(answer):
            self.report("inactive user", f"{answer}", account)
        right = account.passwords == [password] and account.surely_open(answer)
        if answer.status == 401 and right:
            self.report("log-in refused", f"{answer.kind}: {answer.body}", account)

    # ---- Faults ------------------------------------------------------------------

    def recovered(self, trouble: Trouble) -> None:
        if trouble.recovery > RECOVERY:
            what = (
                f"{trouble.name}: {trouble.recovery:.1f} s until the whole job worked"
            )
            with self.lock:
                self.violations.append(Violation("slow recovery", what, ""))
