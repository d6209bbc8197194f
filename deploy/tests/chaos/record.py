"""What happened in a run: what was acknowledged to which client, and which part of the
system had a fault. All times are monotonic."""

import math
import secrets
import threading
from collections import Counter, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from deploy.tests.client import PASSWORD

SERVICES = ("auth", "users")
# `auth>redis` is the way from auth to Redis, `front` that of clients to the gateway.
WAYS = {
    "auth": ("auth>redis", "auth>auth-db", "auth>users"),
    "users": ("users>redis", "users>users-db", "users>auth"),
}
PROCESSES = ("redis", "auth-db", "users-db", "auth", "users", "gateway")


@dataclass(frozen=True, eq=False)
class Answer:
    """What came back. Status 0, with the reason in `lost`, where nothing did."""

    kind: str
    begun: float
    ended: float
    status: int = 0
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
        return self.status == 0 or self.status >= 500

    @property
    def code(self) -> str:
        return str(self.body.get("code", ""))

    def __str__(self) -> str:
        times = f"{self.begun:.3f} to {self.ended:.3f}"
        return f"{times}  {self.kind:<16} {self.status:>3}  {self.lost or self.code}"


@dataclass(eq=False)
class Trouble:
    """A fault, from its beginning until all is well again."""

    name: str
    parts: frozenset[str]
    begun: float
    flushes: bool = False  # Redis has forgotten everything
    back: float = math.inf  # the parts are healthy
    elsewhere: bool = False  # another host has the services and all that they need

    def __str__(self) -> str:
        return f"{self.begun:.3f} to {self.back:.3f}  -------- {self.name}"


@dataclass(eq=False)
class Ending:
    """Something that ends sessions. One that was not acknowledged may have happened."""

    kind: str
    begun: float = 0.0
    acked: float = math.inf
    pushed: bool = False  # done in the User Service, which tells auth
    spared: str = ""  # the session that continues

    @property
    def is_acked(self) -> bool:
        return self.acked < math.inf


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
    presented: float = math.inf  # when this cookie was first sent
    spent: list[str] = field(default_factory=list)  # cookies, the latest last
    endings: list[Ending] = field(default_factory=list)  # its own
    pending: bool = False  # a refresh or logout was not answered
    leaving: bool = False  # a logout has been tried

    def all_endings(self) -> Iterator[Ending]:
        """Everything that may have ended it: its own, and the account's."""
        yield from self.endings
        yield from (each for each in self.account.endings if self.begun < each.acked)


@dataclass(eq=False)
class Account:
    """An account, and what its user knows of it."""

    name: str = field(default_factory=lambda: f"c{secrets.token_hex(6)}")
    password: str = PASSWORD
    former: list[str] = field(default_factory=list)  # passwords
    registered: bool = False
    sub: str = ""
    sessions: list[Session] = field(default_factory=list)  # that the devices still use
    endings: list[Ending] = field(default_factory=list)  # of all sessions
    history: list[tuple[str, Answer]] = field(default_factory=list)
    sid = ""

    @property
    def account(self) -> "Account":
        return self

    @property
    def email(self) -> str:
        return f"{self.name}@example.org"


class Record:
    """Of a run, behind one lock."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.over: deque[Session] = deque(maxlen=2000)  # no longer used
        self.living: list[Session] = []
        self.answers: Counter[tuple[str, int]] = Counter()
        self.troubles: list[Trouble] = []

    def note(self, about: Account | Session, answer: Answer) -> None:
        with self.lock:
            self.answers[answer.kind, answer.status] += 1
            about.account.history.append((about.sid, answer))

    def open(self, session: Session) -> None:
        with self.lock:
            session.account.sessions.append(session)
            self.living.append(session)

    def drop(self, *sessions: Session) -> None:
        """Their devices do not use them any more."""
        with self.lock:
            for session in sessions:
                if session in self.living:
                    self.living.remove(session)
                    session.account.sessions.remove(session)
                    self.over.append(session)

    def some_session(self, rng: Random, *, over: bool) -> Session | None:
        with self.lock:
            found = [*self.over][-200:] if over else self.living
            return rng.choice(found) if found else None

    def touching(
        self, parts: Collection[str], since: float, until: float
    ) -> list[Trouble]:
        """What was in force at these parts between two times, in order."""
        with self.lock:
            return [
                each
                for each in self.troubles
                if each.parts.intersection(parts)
                and each.begun <= until
                and each.back >= since
            ]
