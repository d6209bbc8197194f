"""What every machine remembers, and how it compares an answer with the model's."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import jwt
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from .records import SECOND, Access, Account, Answer, Refresh, Seen, Session
from .reference import Reference

COUNTS: dict[str, int] = {}  # of every rule, how often it was executed
WHICH = st.integers(0, 40)  # one of what there is, by its number
OFTEN = st.sampled_from([False, False, True])


def act(**strategies: Any) -> Callable[[Callable[..., None]], Any]:
    """A rule whose executions are counted; not those within another."""

    def decorate(function: Callable[..., None]) -> Any:
        COUNTS[function.__name__] = 0

        @wraps(function)
        def counted(self: Any, **drawn: Any) -> None:
            COUNTS[function.__name__] += not self.acting
            outermost, self.acting = not self.acting, True
            function(self, **drawn)
            self.acting = not outermost

        return rule(**strategies)(counted)

    return decorate


def with_devices(function: Any) -> Any:
    return precondition(lambda self: bool(self.devices))(function)


def pick(things: list[Any], number: int) -> Any:
    """The newest first: they are the more interesting."""
    return things[-1 - number % len(things)]


@dataclass(eq=False)
class Device:
    """What a browser holds."""

    session: Session
    refresh: Refresh
    access: Access


class Machine(RuleBasedStateMachine):
    """Subclasses give `driver` and `model`, and acts that only their driver can do."""

    driver: Any
    model: Reference

    def __init__(self) -> None:
        super().__init__()
        self.acting = False
        self.accounts: list[Account] = []
        self.devices: list[Device] = []
        # All that was ever issued, with its text.
        self.cookies: dict[tuple[Session, int], str] = {}
        self.refreshes: list[Refresh] = []
        self.accesses: list[Access] = []
        self.texts: dict[Access, str] = {}
        self.ids: set[str] = set()  # every `jti`

    def tick(self) -> None:
        self.model.now = self.driver.now()

    def text_of(self, token: Refresh) -> str:
        return self.cookies[token.session, token.generation]

    # ---- What was answered -------------------------------------------------------

    def compare(self, expected: Answer, seen: Seen) -> None:
        """The model's answer with the system's. New tokens are looked at and kept."""
        assert (seen.status, seen.code) == (expected.status, expected.code)
        if seen.audit is not None:
            assert seen.audit == expected.audit
        if isinstance(expected.cookie, Refresh):
            assert seen.cookie
            self.compare_cookie(expected.cookie, seen)
        else:
            assert seen.cookie == expected.cookie
        if expected.access:
            self.compare_access(expected.access, seen)

    def compare_access(self, token: Access, seen: Seen) -> None:
        text = seen.body["access_token"]
        claims, account = unverified(text), token.session.account
        token.session.sid = token.session.sid or claims["sid"]
        self.note_new(claims["jti"])
        given = [claims[name] for name in ("sub", "sid", "email", "username", "roles")]
        user = [account.id, token.session.sid, account.email, account.name]
        assert given == [*user, list(token.roles)]
        self.compare_level(token.session, claims)
        self.compare_times(token, claims)
        self.compare_left(token, seen.body["expires_in"])
        self.accesses.append(token)
        self.texts[token] = text

    def compare_level(self, s: Session, claims: dict[str, Any]) -> None:
        assert (claims["acr"], claims["amr"]) == (s.acr, s.amr.split())
        moment = (s.stepped_up or s.created) // SECOND
        assert abs(claims["auth_time"] - moment) <= self.driver.tolerance

    def compare_cookie(self, token: Refresh, seen: Seen) -> None:
        """The very text that was given for this rotation before, if one was."""
        assert seen.cookie
        s = token.session
        known = self.cookies.setdefault((s, token.generation), seen.cookie)
        assert seen.cookie == known
        claims = unverified(known)
        s.sid = s.sid or claims["sid"]
        assert (claims["sub"], claims["sid"]) == (s.account.id, s.sid)
        self.compare_times(token, claims)
        self.compare_left(token, seen.max_age)
        if token not in self.refreshes:
            self.refreshes.append(token)
            self.note_new(claims["jti"])

    def compare_times(self, token: Access | Refresh, claims: dict[str, Any]) -> None:
        for name in ("iat", "exp"):
            off = abs(claims[name] - getattr(token, name))
            assert off <= self.driver.tolerance, (name, off)

    def compare_left(self, token: Access | Refresh, seconds: int | None) -> None:
        assert seconds is not None
        left = max((token.exp * SECOND - self.model.now) // SECOND, 0)
        assert abs(seconds - left) <= self.driver.tolerance

    def note_new(self, jti: str) -> None:
        assert jti not in self.ids
        self.ids.add(jti)


def unverified(text: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(text, options={"verify_signature": False})
    return claims
