"""The acts of people, drawn by hypothesis, done in the system and in the model; every
answer is compared. What is here holds for any driver.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import jwt
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)

from .records import CLEARED, SECOND, Access, Account, Answer, Refresh, Session
from .reference import Reference
from .seen import Seen

COUNTS: dict[str, int] = {}  # of every rule, how often it was executed
WHICH = st.integers(0, 40)  # one of what there is, by its number
OFTEN = st.sampled_from([False, False, True])
GARBAGE = ["x", "a.b.c", "..", "é", "eyJhbGciOiJub25lIn0.e30."]


def act(**strategies: Any) -> Callable[[Callable[..., None]], Any]:
    """A rule whose executions are counted."""

    def decorate(function: Callable[..., None]) -> Any:
        COUNTS[function.__name__] = 0

        @wraps(function)
        def counted(self: Any, **drawn: Any) -> None:
            COUNTS[function.__name__] += 1
            function(self, **drawn)

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


class SessionMachine(RuleBasedStateMachine):
    """Subclasses give `driver` and `model`, and acts that only their driver can do."""

    driver: Any
    model: Reference

    def __init__(self) -> None:
        super().__init__()
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

    @initialize()
    def begin(self) -> None:
        """Most acts need somebody who is logged in."""
        for account in (*self.accounts, self.accounts[0]):
            self.logging_in(account, account.password)

    # ---- Log-in ------------------------------------------------------------------

    @act(who=WHICH, by_email=st.booleans())
    def log_in(self, who: int, by_email: bool) -> None:
        account = pick(self.accounts, who)
        self.logging_in(account, account.password, by_email)

    @act(who=WHICH, by_email=st.booleans())
    def log_in_with_a_wrong_password(self, who: int, by_email: bool) -> None:
        account = pick(self.accounts, who)
        self.logging_in(account, f"not {account.password}", by_email)

    @act()
    def log_in_as_nobody(self) -> None:
        self.logging_in(Account("", "nobody", "a password of nobody"), "a password")

    def logging_in(
        self, account: Account, password: str, by_email: bool = False
    ) -> None:
        self.tick()
        named = {"email": account.email} if by_email else {"username": account.name}
        right = account.id and account.password == password
        who = self.model.ask(account if right else None)
        seen = self.driver.log_in({**named, "password": password})
        self.model.now = self.driver.moment()
        answer = self.model.log_in(who)
        self.compare(answer, seen)
        if isinstance(answer.cookie, Refresh) and answer.access:
            s = answer.access.session
            self.devices.append(Device(s, answer.cookie, answer.access))

    # ---- Refresh -----------------------------------------------------------------

    @with_devices
    @act(which=WHICH, lost=OFTEN)
    def refresh(self, which: int, lost: bool) -> None:
        """`lost`: the answer does not arrive, so the device tries again some time."""
        device = pick(self.devices, which)
        answer = self.refreshing(device.refresh)
        if not lost:
            self.keep(device, answer)

    @with_devices
    @act(which=WHICH)
    def refresh_twice(self, which: int) -> None:
        device = pick(self.devices, which)
        token = device.refresh
        for _ in range(2):
            self.keep(device, self.refreshing(token))

    @with_devices
    @act(which=WHICH)
    def refresh_with_any_token(self, which: int) -> None:
        self.refreshing(pick(self.refreshes, which))

    @with_devices
    @act(which=WHICH, back=st.integers(1, 3))
    def refresh_with_an_ancestor(self, which: int, back: int) -> None:
        """1: the direct predecessor, if there has been a rotation; 0: the current."""
        s = pick(self.devices, which).session
        older = [t for t in self.refreshes if t.session is s]
        self.refreshing(older[max(s.generation - back, 0)])

    @act(text=st.sampled_from(GARBAGE))
    def refresh_with_garbage(self, text: str) -> None:
        self.tick()
        self.compare(Answer(401, "token_invalid", CLEARED), self.driver.refresh(text))

    @act()
    def refresh_without_a_cookie(self) -> None:
        self.tick()
        self.compare(Answer(401, "token_missing"), self.driver.refresh())

    @with_devices
    @act(which=WHICH)
    def refresh_with_an_access_token(self, which: int) -> None:
        self.tick()
        text = self.texts[pick(self.accesses, which)]
        self.compare(Answer(401, "token_invalid", CLEARED), self.driver.refresh(text))

    @with_devices
    @act(which=WHICH, logout=st.booleans())
    def send_the_cookie_twice(self, which: int, logout: bool) -> None:
        self.tick()
        text = self.text_of(pick(self.refreshes, which))
        send = self.driver.log_out if logout else self.driver.refresh
        self.compare(Answer(401, "token_invalid", CLEARED), send(text, text))

    def refreshing(self, token: Refresh) -> Answer:
        self.tick()
        answer = self.model.before_asking(token)
        who = self.model.ask(token.session.account)
        seen = self.driver.refresh(self.text_of(token))
        self.model.now = self.driver.moment()
        answer = answer or self.model.refresh(token, who)
        self.compare(answer, seen)
        return answer

    def keep(self, device: Device, answer: Answer) -> None:
        if isinstance(answer.cookie, Refresh):
            device.refresh = answer.cookie
        device.access = answer.access or device.access

    def text_of(self, token: Refresh) -> str:
        return self.cookies[token.session, token.generation]

    # ---- Ends --------------------------------------------------------------------

    @with_devices
    @act(which=WHICH, old=st.booleans())
    def log_out(self, which: int, old: bool) -> None:
        """By the token of a device, or by any there ever was, expired ones too."""
        token = (
            pick(self.refreshes, which) if old else pick(self.devices, which).refresh
        )
        self.tick()
        seen = self.driver.log_out(self.text_of(token))
        audit = (*self.model.end(token.session), "session_logout")
        self.compare(Answer(200, cookie=CLEARED, audit=audit), seen)

    @act(text=st.sampled_from(["", *GARBAGE]))
    def log_out_with_garbage(self, text: str) -> None:
        self.tick()
        seen = self.driver.log_out(*[text] if text else [])
        self.compare(Answer(200, cookie=CLEARED), seen)

    @with_devices
    @act(which=WHICH, keep=st.booleans())
    def log_out_everywhere(self, which: int, keep: bool) -> None:
        device = pick(self.devices, which)
        self.tick()
        s, account = device.session, device.session.account
        code = self.model.verify(device.access)
        if code is None and account.present:
            account.epoch += 1
        cookie = self.text_of(device.refresh)
        seen = self.driver.log_out_all(self.texts[device.access], keep, cookie)
        if code:
            self.compare(Answer(401, code), seen)
        elif not account.present:
            self.compare(
                Answer(401, "token_revoked", audit=(*self.model.end(s),)), seen
            )
        else:
            ended = self.model.end_below(account, account.epoch, s if keep else None)
            audit = ("authn_token_revoked", "session_logout_all")
            self.compare(
                Answer(200, None, None if keep else CLEARED, None, audit), seen
            )
            assert seen.body == {"revoked": ended}

    @with_devices
    @act(which=WHICH, other=WHICH)
    def end_a_session(self, which: int, other: int) -> None:
        """One's own, or that of another device of anybody."""
        token, target = self.devices_access(which), pick(self.devices, other).session
        self.tick()
        code = self.model.verify(token)
        seen = self.driver.end_session(self.texts[token], target.sid)
        if code:
            self.compare(Answer(401, code), seen)
        elif target in self.model.live(token.session.account):
            self.compare(Answer(204, audit=(*self.model.end(target),)), seen)
        else:
            self.compare(Answer(404, "not_found"), seen)

    @with_devices
    @act(which=WHICH)
    def end_an_unknown_session(self, which: int) -> None:
        token = self.devices_access(which)
        self.tick()
        code = self.model.verify(token)
        unknown = "00000000-0000-4000-8000-000000000000"
        seen = self.driver.end_session(self.texts[token], unknown)
        self.compare(Answer(401, code) if code else Answer(404, "not_found"), seen)

    def devices_access(self, which: int) -> Access:
        access: Access = pick(self.devices, which).access
        return access

    # ---- Questions ---------------------------------------------------------------

    @with_devices
    @act(which=WHICH)
    def list_sessions(self, which: int) -> None:
        token = self.devices_access(which)
        self.tick()
        code = self.model.verify(token)
        seen = self.driver.sessions(self.texts[token])
        self.compare(Answer(401, code) if code else Answer(200), seen)
        if not code:
            live = self.model.live(token.session.account)
            listed = [(each["id"], each["current"]) for each in seen.body]
            assert listed == [(s.sid, s is token.session) for s in live]

    @with_devices
    @act(which=WHICH)
    def verify(self, which: int) -> None:
        self.verifying(pick(self.accesses, which))

    @with_devices
    @act(which=WHICH)
    def me(self, which: int) -> None:
        self.asking_elsewhere(pick(self.accesses, which))

    @with_devices
    @act()
    def ask_about_every_token(self) -> None:
        for token in self.accesses:
            self.verifying(token)
            self.asking_elsewhere(token)

    @with_devices
    @act(which=WHICH)
    def introspect(self, which: int) -> None:
        token = pick(self.accesses, which)
        self.tick()
        code = self.model.verify(token)
        seen = self.driver.introspect(self.texts[token])
        assert seen.status == 200
        if code:
            assert seen.body == {"active": False}
        else:
            claims = self.claims(token)
            told = {k: v for k, v in claims.items() if k != "token_type"}
            assert seen.body == {"active": True, "token_type": "Bearer", **told}

    def check_bounds(self, token: Access) -> None:
        """What the model accepts too must be within the bounds that are promised."""

    def verifying(self, token: Access) -> None:
        self.tick()
        code = self.model.verify(token)
        seen = self.driver.verify(self.texts[token])
        self.compare(Answer(401, code) if code else Answer(200), seen)
        if not code:
            self.check_bounds(token)
            c = self.claims(token)
            told = {k: c[k] for k in ("email", "username", "roles", "sid", "exp")}
            assert seen.body == {"valid": True, "user_id": c["sub"], **told}

    def asking_elsewhere(self, token: Access) -> None:
        self.tick()
        code = self.model.verify(token, elsewhere=True)
        seen = self.driver.me(self.texts[token])
        self.compare(Answer(401, code) if code else Answer(200), seen)
        if not code:
            self.check_bounds(token)
            account = token.session.account
            assert (seen.body["id"], seen.body["username"]) == (
                account.id,
                account.name,
            )

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
        told = [claims[name] for name in ("sub", "sid", "email", "username", "roles")]
        person = [account.id, token.session.sid, account.email, account.name]
        assert told == [*person, list(token.roles)]
        self.compare_times(token, claims)
        self.compare_left(token, seen.body["expires_in"])
        self.accesses.append(token)
        self.texts[token] = text

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

    def claims(self, token: Access) -> dict[str, Any]:
        return unverified(self.texts[token])


def unverified(text: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(text, options={"verify_signature": False})
    return claims
