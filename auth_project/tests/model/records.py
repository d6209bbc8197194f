"""What the model speaks of: accounts, sessions, tokens, answers.

Times are microseconds since the epoch, and whole seconds in tokens (RFC 7519). Tokens
have no text here: a refresh token is its session and the number of the rotation that
made it, which stands for `jti`.
"""

from dataclasses import dataclass
from typing import Any

SECOND = 1_000_000
DAY = 24 * 3600 * SECOND
CLEARED = ""  # what becomes of the cookie: deleted; None: it stays as it was

# What auth can do with Redis: all; read and delete; read; nothing.
WELL, FULL, READ_ONLY, DOWN = "well", "full", "read-only", "down"


@dataclass(frozen=True)
class Terms:
    """Settings of the system under test."""

    access: int = 300 * SECOND
    refresh: int = 30 * DAY
    absolute: int = 30 * DAY
    reuse_leeway: int = 10 * SECOND
    clock_leeway: int = 10 * SECOND
    cap: int = 10

    @property
    def grace(self) -> int:
        """How long an access token of now can be used at most."""
        return self.access + self.clock_leeway

    @property
    def window(self) -> int:
        """For how long Redis knows of a revocation, and the sweep looks after it."""
        return self.grace + 60 * SECOND


@dataclass(eq=False)
class Account:
    """What the User Service knows of a user."""

    id: str
    name: str
    password: str
    roles: tuple[str, ...] = ()
    epoch: int = 0
    raised: int = 0  # when the epoch was raised last
    kept: "Session | None" = None  # it continues below the epoch,
    kept_from: int = 0  # if its own is at least this
    active: bool = True
    deleted: bool = False
    factor: bool = False  # there is a second factor,
    required: bool = False  # or there has to be one

    @property
    def email(self) -> str:
        return f"{self.name}@example.org"

    @property
    def present(self) -> bool:
        return self.active and not self.deleted

    def raise_epoch(self, now: int, keep: "Session | None" = None) -> None:
        if keep is not self.kept:
            self.kept_from = self.epoch
        self.epoch, self.raised, self.kept = self.epoch + 1, now, keep


@dataclass(frozen=True)
class Identity:
    """An answer of the User Service, true when it was asked; None: there is no user."""

    account: Account | None
    epoch: int
    roles: tuple[str, ...]
    asked_at: int
    kept: "Session | None" = None
    kept_from: int = 0
    factor: bool = False
    required: bool = False


@dataclass(eq=False)
class Pending:
    """A login, or a step-up of `session`, that waits for its last factor."""

    account: Account
    epoch: int
    expires: int
    session: "Session | None" = None
    enrol: bool = False
    tries: int = 0
    settled: bool = False
    text: str = ""  # chosen by auth


@dataclass(eq=False)
class Session:
    """A row."""

    account: Account
    epoch: int
    created: int
    used: int
    expires: int
    absolute: int
    generation: int = 0
    rotated: int | None = None
    revoked: int | None = None
    purged: bool = False
    sid: str = ""  # chosen by auth: known from its answer on
    amr: str = "pwd"
    stepped_up: int | None = None

    @property
    def acr(self) -> str:
        return "aal2" if "mfa" in self.amr else "aal1"

    @property
    def over(self) -> bool:
        return self.purged or self.revoked is not None


@dataclass(frozen=True)
class Refresh:
    session: Session
    generation: int
    iat: int
    exp: int


@dataclass(frozen=True)
class Access:
    session: Session
    roles: tuple[str, ...]
    iat: int
    exp: int


@dataclass(frozen=True)
class Answer:
    """Status, code, what becomes of the cookie, the access token, what is audited."""

    status: int
    code: str | None = None
    cookie: Refresh | str | None = None
    access: Access | None = None
    audit: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """What a driver saw of an answer. `cookie` is the refresh token that was set, ""
    where it was cleared, None where it was left; `audit` None where it is not read."""

    status: int
    code: str | None
    body: Any
    cookie: str | None = None
    max_age: int | None = None
    audit: tuple[str, ...] | None = None


def is_below(s: Session, user: Account | Identity) -> bool:
    """Whether a session is of an older epoch, and not the one to keep."""
    kept = s is user.kept and s.epoch >= user.kept_from
    return s.epoch < user.epoch and not kept


def refused(code: str, *audit: str) -> Answer:
    """To a refresh: for good, so the cookie goes. That of a session which was ended
    stays: the browser may have a newer one."""
    cookie = None if code == "token_revoked" else CLEARED
    return Answer(401, code, cookie, audit=audit)
