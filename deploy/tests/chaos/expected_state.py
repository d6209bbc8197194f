"""What was acknowledged to which client: accounts, sessions, what ended them."""

import math
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import requests

from deploy.tests.chaos.timeline import Ending
from deploy.tests.client import PASSWORD, ApiClient, cookies_of

NONE = 0  # the status where no answer came


@dataclass(frozen=True, eq=False)
class Answer:
    """What came back. Status 0, with the reason in `lost`, where nothing did."""

    kind: str
    begun: float
    ended: float
    status: int
    body: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)  # names in lower case
    cookie: str | None = None  # name=refresh token; "" where it is cleared
    lost: str = ""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def unknown(self) -> bool:
        """Whether it is not known if it was carried out."""
        return self.status == NONE or self.status >= 500

    @property
    def code(self) -> str:
        return str(self.body.get("code", ""))

    def __str__(self) -> str:
        what = self.lost or self.code
        cookie = {None: "", "": " (clears the cookie)"}.get(self.cookie, " (cookie)")
        took = 1000 * (self.ended - self.begun)
        return f"{self.kind:<16} {self.status:>3} {took:6.0f} ms  {what}{cookie}"


def ask(http: ApiClient, kind: str, method: str, url: str, **kwargs: Any) -> Answer:
    """Ask once. Nothing is tried again here: that is for the client to decide."""
    begun = time.monotonic()
    try:
        response = http.request(method, url, **kwargs)
    except requests.RequestException as exc:
        return Answer(kind, begun, time.monotonic(), NONE, lost=type(exc).__name__)
    cookies = [n + "=" + v if v else "" for n, v in cookies_of(response).items()]
    cookie = next(iter(cookies), None)
    headers = {name.lower(): text for name, text in response.headers.items()}
    status, ended = response.status_code, time.monotonic()
    return Answer(kind, begun, ended, status, body_of(response), headers, cookie)


def body_of(response: requests.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


# Seconds in which an attempt that was not answered may still be carried out: it waits
# in a socket for as long as a fault lasts, and the gateway gives up after 15 s.
LINGERS = 30.0
STORY = 400  # events kept of an account


@dataclass(eq=False)
class Session:
    """A login that was acknowledged, as its device knows it."""

    account: "Account"
    sid: str
    begun: float  # the login's
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
    """An account, and what its user knows of it."""

    name: str
    passwords: list[str] = field(default_factory=lambda: [PASSWORD])  # any may be right
    former: list[str] = field(default_factory=list)  # surely wrong
    unsettled: float = 0.0  # until when a change of password may still happen
    sub: str = ""
    sessions: list[Session] = field(default_factory=list)  # that the devices still use
    endings: list[Ending] = field(default_factory=list)  # of all sessions
    stranded: int = 0  # sessions whose login was not answered
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


class ExpectedState:
    """What was acknowledged in a run, behind one lock."""

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
