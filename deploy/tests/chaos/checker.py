"""What must hold of every answer, and what did not, with the events of its session.

How long a revoked token may still be accepted because of a fault (docs/revocation.md):

    refresh, login     at once, always: PostgreSQL decides, and every refresh asks the
                       User Service
    access token       at once, where nothing had a fault
                       one sweep after what the revocation has to be written through
                       (Redis, auth, its database, the ways between) is healthy again,
                       on any host
                       10 s after Redis has forgotten everything while a question was
                       under way that had read "not revoked"
                       310 s, its own lifetime, where the User Service's push to auth
                       was lost
                       never longer than 310 s: until then auth may be unable to write a
                       Redis that others can read

A way that comes back later opens nothing again: what was written to Redis stays, unless
Redis forgets it.
"""

import threading
import time

from deploy.tests.chaos.record import Account, Answer, Ending, Record, Session

RECOVERY = 10.0  # seconds
CUT_SHORT = "ChunkedEncodingError"  # of `requests`: less came than was announced
REUSED = "refresh_token_reused"
UNAVAILABLE = ("dependency_unavailable", "upstream_unavailable", "overloaded")
LEEWAY = 10  # REFRESH_REUSE_LEEWAY, seconds
# Kept short of it: the answer's end stands for the question's arrival.
SAFE_LEEWAY = LEEWAY - 1.5
EXPIRY_MARGIN = 20.0  # seconds before `exp` in which no access token is judged
LIFETIME = 310.0  # ACCESS_TOKEN_LIFETIME and JWT_LEEWAY
SWEEP = 2.0
BUSY = 3.0  # the test machine's: a sweep's turn comes late, an answer is under way
FLUSH = 10.0
IN_FLIGHT = 15.0  # seconds after which the gateway gives a question up
PUSH_PAUSE = 5.0 + BUSY  # the push is not tried that long after three have failed
WRITTEN_THROUGH = ("redis", "auth>redis", "auth", "auth-db", "auth>auth-db")
PUSHED_THROUGH = ("users", "users>auth", "auth", "auth-db", "auth>auth-db")


class Checker:
    """Receives every answer, in the thread that got it."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.violations: dict[str, str] = {}  # the first of each kind, with its events
        self.lock = threading.Lock()

    def report(self, kind: str, what: str, about: Account | Session) -> None:
        """With the answers of its session and of its account, and all troubles."""
        with self.lock, self.record.lock:
            answers = [a for sid, a in about.account.history if sid in ("", about.sid)]
            events = sorted(map(str, [*answers, *self.record.troubles]))
            text = "\n  ".join([f"session {about.sid or 'none'}", *events])
            self.violations.setdefault(kind, f"VIOLATION {kind}: {what}\n  {text}")

    def form(self, about: Account | Session, answer: Answer, way: str) -> None:
        """No 5xx but the documented 503; no answer missing without a reason; a cookie
        is never cleared where the client is to try again."""
        self.record.note(about, answer)
        if answer.status == 0 and not self.may_be_lost(answer, way):
            self.report("no answer", f"{answer}", about)
        elif answer.status >= 500 and not is_documented(answer):
            what = f"{answer} {answer.headers} {answer.body}"
            self.report("undocumented error", what, about)
        elif answer.status in (429, 503) and answer.cookie == "":
            self.report("cookie cleared", f"{answer}", about)

    def may_be_lost(self, answer: Answer, way: str) -> bool:
        """A connection may break where its way, or what answers, has a fault.

        Through the gateway a service is seen by an answer that ends in its middle: it
        was killed between the headers and the body, and 200 had been sent.
        """
        parts = {way, "gateway"} if way == "front" else {way}
        parts |= {"auth", "users"} if answer.lost == CUT_SHORT else set()
        since = answer.begun - RECOVERY
        return bool(self.record.touching(parts, since, answer.ended))

    def token(self, session: Session, answer: Answer, expires: int) -> None:
        """An access token was shown to one of the services."""
        if answer.ok:
            self.accepted(session, answer, "access")
        elif answer.status == 401 and time.time() < expires - EXPIRY_MARGIN:
            self.refused(session, answer)

    def refresh(self, session: Session, answer: Answer) -> None:
        """A refresh with the cookie that the session has.

        It may have been superseded longer ago than the leeway, by an earlier question
        whose answer was lost: then its second use is a reuse.
        """
        is_late = answer.ended - session.presented > SAFE_LEEWAY
        if answer.ok:
            self.accepted(session, answer, "refresh")
        elif answer.status == 401 and is_late and answer.code == REUSED:
            self.found_over(session, answer, "retried too late")
        elif answer.status == 401:
            self.refused(session, answer)

    def replay(self, session: Session, answer: Answer) -> None:
        """A cookie older than the direct predecessor never gets anything."""
        if answer.ok:
            what = "a cookie two generations old was taken"
            self.report("reuse accepted", what, session)

    def accepted(self, session: Session, answer: Answer, kind: str) -> None:
        """It must not be, after the bound of any ending that was acknowledged."""
        now = time.monotonic()
        for ending in session.all_endings():
            sure = ending.is_acked and session.acked <= ending.begun
            if not sure or ending.spared == session.sid:
                continue
            over = answer.begun - refused_from(ending, kind, self.record, now)
            if over > 0:
                what = f"{answer}: {over:.3f} s too late after `{ending.kind}`"
                self.report("revoked token accepted", what, session)

    def refused(self, session: Session, answer: Answer) -> None:
        """It must not be, unless something may have ended the session."""
        if not any(self.may_explain(e, session, answer) for e in session.all_endings()):
            what = f"{answer}, and nothing ended the session"
            self.report("session lost", what, session)
        self.found_over(session, answer, "found over")

    def may_explain(self, ending: Ending, session: Session, answer: Answer) -> bool:
        if ending.begun > answer.ended:
            return False
        if ending.spared != session.sid:
            return True
        return not ending.is_acked or push_may_be_lost(ending, self.record)

    def found_over(self, session: Session, answer: Answer, why: str) -> None:
        """A session that was refused once must stay refused."""
        with self.record.lock:
            if not any(ending.is_acked for ending in session.endings):
                ending = Ending(why, answer.begun, acked=answer.ended)
                session.endings.append(ending)
            self.record.drop(session)

    def same(self, session: Session, answer: Answer, **found: str) -> None:
        """No client ever gets what belongs to another user or session."""
        own = {"sub": session.account.sub, "sid": session.sid}
        if any(own[name] != value for name, value in found.items()):
            what = f"{answer}, of {own}, was answered for {found}"
            self.report("another user's", what, session)

    def log_in(self, account: Account, answer: Answer, password: str) -> None:
        """Only with the right password, and then always."""
        if answer.ok and password != account.password:
            self.report("wrong password", f"{answer}", account)
        if answer.status == 401 and account.password == password:
            self.report("login refused", f"{answer}", account)


def is_documented(answer: Answer) -> bool:
    """503 as docs/errors.md has it."""
    retry = answer.headers.get("retry-after", "")
    return (
        answer.status == 503
        and answer.headers.get("content-type") == "application/problem+json"
        and answer.code in UNAVAILABLE
        and retry.isdecimal()
        and int(retry) >= 1
    )


def refused_from(ending: Ending, kind: str, record: Record, now: float) -> float:
    """The time from which no question that is asked may be answered with yes."""
    if kind == "refresh":
        return ending.acked
    latest = ending.acked + LIFETIME
    if ending.pushed and push_may_be_lost(ending, record):
        return latest
    until = ending.acked
    for trouble in record.touching(WRITTEN_THROUGH, ending.begun - FLUSH, now):
        reach = until + IN_FLIGHT if trouble.flushes else until
        if trouble.begun <= reach:
            healed = FLUSH if trouble.flushes else SWEEP + BUSY
            back = ending.acked if trouble.elsewhere else trouble.back
            until = max(until, back + healed)
    return min(until, latest)


def push_may_be_lost(ending: Ending, record: Record) -> bool:
    """Whether auth may not know of it, nor of the session that was to be spared."""
    since = ending.begun - PUSH_PAUSE
    return bool(record.touching(PUSHED_THROUGH, since, ending.acked))
