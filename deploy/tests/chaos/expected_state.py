"""What was acknowledged to whom: accounts, their sessions, and what ended them."""

import math
import secrets
import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from deploy.tests.chaos.bounds import Ending
from deploy.tests.chaos.wire import Answer
from deploy.tests.users import PASSWORD

# An attempt nobody answered may be carried out until then: it waits in a socket for as
# long as a fault lasts, and the gateway gives up after 15 s.
LINGERS = 30.0
STORY = 400  # events kept of an account


@dataclass(eq=False)
class Session:
    """A log-in that was acknowledged, as its device knows it."""

    account: "Account"
    sid: str
    begun: float  # the log-in's
    acked: float
    cookie: str
    access: str
    expires: int  # `exp` of the access token
    presented: dict[str, float] = field(default_factory=dict)  # cookie: first sent
    spent: list[str] = field(default_factory=list)  # cookies, the latest last
    endings: list[Ending] = field(default_factory=list)  # its own
    retry_at: float = math.inf  # a refresh or logout that was not answered
    leaving: bool = False  # a logout has been tried

    def all_endings(self) -> Iterator[Ending]:
        """Whatever may have ended it: its own, and the account's."""
        yield from self.endings
        yield from (
            e for e in self.account.endings if self.begun < min(e.acked, e.over)
        )


@dataclass(eq=False)
class Account:
    """Somebody, with what they know."""

    name: str
    passwords: list[str] = field(default_factory=lambda: [PASSWORD])  # any may be right
    former: list[str] = field(default_factory=list)  # surely wrong
    unsettled: float = 0.0  # until when a change of password may still happen
    sub: str = ""
    sessions: list[Session] = field(default_factory=list)  # that the devices still use
    endings: list[Ending] = field(default_factory=list)  # of all sessions
    stranded: int = 0  # sessions whose log-in was not answered
    closing: float = math.inf  # when a deactivation was begun, unless opened since
    closed: float = math.inf  # when it was acknowledged
    opened: float = 0.0  # since when it surely is active
    story: deque[tuple[str, Answer]] = field(
        default_factory=lambda: deque(maxlen=STORY)
    )

    @property
    def email(self) -> str:
        return f"{self.name}@example.org"

    def surely_open(self, answer: Answer) -> bool:
        return self.opened <= answer.begun and answer.ended < self.closing

    def surely_closed(self, answer: Answer) -> bool:
        return self.closed <= answer.begun


class Ledger:
    """Everything of a run, behind one lock."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.accounts: list[Account] = []
        self.over: deque[Session] = deque(maxlen=2000)  # no longer used
        self.answers: Counter[tuple[str, int]] = Counter()
        self.codes: Counter[str] = Counter()  # of 503
        self.in_flight: Counter[str] = Counter()
        self.refreshes_killed: list[int] = []  # in flight when a worker was killed

    def new_account(self) -> Account:
        account = Account(f"c{secrets.token_hex(6)}")
        with self.lock:
            self.accounts.append(account)
        return account

    def note(self, account: Account, sid: str, answer: Answer) -> None:
        """Write an answer down."""
        with self.lock:
            self.answers[answer.kind, answer.status] += 1
            if answer.status == 503:
                self.codes[answer.code] += 1
            account.story.append((sid, answer))

    def drop(self, session: Session) -> None:
        """Its device does not use it any more."""
        with self.lock:
            if session in session.account.sessions:
                session.account.sessions.remove(session)
                self.over.append(session)

    def some_session(self, rng: Random, *, over: bool) -> Session | None:
        with self.lock:
            if over:
                found = list(self.over)[-200:]
            else:
                found = [s for each in self.accounts for s in each.sessions]
        return rng.choice(found) if found else None
