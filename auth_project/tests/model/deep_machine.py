"""What only the driver in this process can do: clock steps, faults of Redis and of the
User Service, pushes that are lost or late, acts that come between question and answer.
"""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import precondition

from .in_process import InProcess
from .machine import OFTEN, WHICH, SessionMachine, act, pick, with_devices
from .records import (
    AWAY,
    DAY,
    FULL,
    READ_ONLY,
    SECOND,
    WELL,
    Access,
    Account,
    Answer,
    Refresh,
    Session,
    Terms,
)
from .reference import ENDED, Reference

TERMS = Terms(refresh=7 * DAY, cap=3)
UNAVAILABLE = Answer(503, "dependency_unavailable")
SECONDS = [0.2, 1, 5, 9, 10, 11, 30, 60, 299, 300, 311, 371]
DAYS = [1, 6, 7, 8, 23, 29, 30, 31]
FATES = st.sampled_from(["delivered", "lost", "late"])
STALE = 20 * SECOND  # Redis's clock goes on by itself: so exact is it at least


def when_redis_is(*kinds: str) -> Any:
    return precondition(lambda self: self.model.redis in kinds)


class DeepMachine(SessionMachine):
    driver: InProcess

    def __init__(self, driver: InProcess) -> None:
        super().__init__()
        self.driver = driver
        self.accounts = [new_account(number) for number in range(2)]
        driver.begin(self.accounts)
        self.model = Reference(TERMS, driver.moment())
        self.late: list[tuple[Account, int, Session | None]] = []
        self.raised: dict[Account, int] = {}  # when an epoch was raised last
        self.unswept = False  # Redis may say what is not so

    @precondition(lambda self: len(self.accounts) < 4)
    @act()
    def register(self) -> None:
        self.accounts.append(new_account(len(self.accounts)))

    # ---- Time --------------------------------------------------------------------

    @act(seconds=st.sampled_from(SECONDS))
    def wait(self, seconds: float) -> None:
        self.step(int(seconds * SECOND))

    @act(days=st.sampled_from(DAYS))
    def wait_for_days(self, days: int) -> None:
        self.step(days * DAY)

    @with_devices
    @act(which=WHICH, edge=st.integers(0, 7), off=st.integers(-1, 1))
    def wait_until_something_is_over(self, which: int, edge: int, off: int) -> None:
        """The next act is at that very microsecond, or one before or after it."""
        device, terms = pick(self.devices, which), self.model.terms
        s = device.session
        edges = [
            (s.rotated or s.created) + terms.reuse_leeway,
            device.access.exp * SECOND + terms.clock_leeway,
            device.refresh.exp * SECOND + terms.clock_leeway,
            s.expires,
            s.absolute,
            s.absolute // SECOND * SECOND,
            s.expires + DAY,
            (s.revoked or s.used) + terms.grace + 60 * SECOND,
        ]
        self.step(max(edges[edge] + off - 1000 - self.model.now, 0))

    def step(self, microseconds: int) -> None:
        until = self.model.now + microseconds
        # Where it matters whether Redis still knows, its last moment is left out.
        doubtful = [
            ends
            for s, (active, ends) in self.model.keys.items()
            if active and (s.over or self.model.redis != WELL)
        ]
        for ends in sorted(doubtful):
            if until < ends <= until + STALE:
                until = ends + 1
        self.driver.step(until - self.model.now)
        self.model.now = until

    # ---- The User Service: away, slow, or overtaken --------------------------------

    @act(who=WHICH)
    def log_in_while_users_are_away(self, who: int) -> None:
        account = pick(self.accounts, who)
        self.tick()
        self.driver.users.down = True
        body = {"username": account.name, "password": account.password}
        seen = self.driver.log_in(body)
        self.driver.quiet()
        self.compare(UNAVAILABLE, seen)

    @with_devices
    @act(which=WHICH)
    def refresh_while_users_are_away(self, which: int) -> None:
        token = pick(self.refreshes, which)
        self.tick()
        self.driver.users.down = True
        seen = self.driver.refresh(self.text_of(token))
        self.driver.quiet()
        self.compare(self.model.before_asking(token) or UNAVAILABLE, seen)

    @with_devices
    @act(which=WHICH)
    def log_out_everywhere_while_users_are_away(self, which: int) -> None:
        device = pick(self.devices, which)
        self.tick()
        self.driver.users.down = True
        text, cookie = self.texts[device.access], self.text_of(device.refresh)
        seen = self.driver.log_out_all(text, False, cookie)
        self.driver.quiet()
        code = self.model.verify(device.access)
        self.compare(Answer(401, code) if code else UNAVAILABLE, seen)

    @with_devices
    @act(which=WHICH, back=st.integers(0, 2), takes=st.integers(1, 12))
    def refresh_while_users_are_slow(self, which: int, back: int, takes: int) -> None:
        s = pick(self.devices, which).session
        older = [t for t in self.refreshes if t.session is s]
        self.driver.users.takes = takes * SECOND
        self.refreshing(older[max(s.generation - back, 0)])
        self.driver.quiet()

    @with_devices
    @act(which=WHICH, seconds=st.sampled_from([0, 5, 9, 11]), back=st.integers(0, 2))
    def refresh_wait_and_refresh(self, which: int, seconds: int, back: int) -> None:
        """A tab or a retry that comes so late, with the token it has."""
        device = pick(self.devices, which)
        self.keep(device, self.refreshing(device.refresh))
        self.step(seconds * SECOND)
        self.refresh_with_an_ancestor(which=which, back=back)

    @with_devices
    @act(which=WHICH, between=st.integers(0, 40), other=WHICH)
    def refresh_and_be_overtaken(self, which: int, between: int, other: int) -> None:
        """Something else happens wholly between question and answer."""
        device = pick(self.devices, which)
        token = device.refresh
        self.driver.users.meanwhile = self.something(between, other)
        answer = self.refreshing(token)
        self.driver.quiet()
        self.keep(device, answer)

    @act(who=WHICH, between=st.integers(0, 40), other=WHICH)
    def log_in_and_be_overtaken(self, who: int, between: int, other: int) -> None:
        account = pick(self.accounts, who)
        self.driver.users.meanwhile = self.something(between, other)
        self.logging_in(account, account.password)
        self.driver.quiet()

    def something(self, which: int, n: int) -> Callable[[], None]:
        if not self.devices:
            return lambda: self.change_password(who=n, fate="delivered", keep=n)
        acts: list[Callable[[], None]] = [
            lambda: self.refresh(which=n, lost=False),
            lambda: self.log_out(which=n, old=False),
            lambda: self.change_password(who=n, fate="delivered", keep=n),
            lambda: self.log_out_everywhere(which=n, keep=True),
            lambda: self.deactivate(who=n, fate="late"),
            lambda: self.end_a_session(which=n, other=n),
            lambda: self.refresh_with_an_ancestor(which=n, back=1),
            lambda: self.flush(),
            lambda: self.verify(which=n),
            lambda: self.log_in(who=n, by_email=False),
        ]
        return pick(acts, which)  # type: ignore[no-any-return]

    # ---- What an operator or a person changes there --------------------------------

    @act(who=WHICH, fate=FATES, keep=st.integers(-20, 20))
    def change_password(self, who: int, fate: str, keep: int) -> None:
        account = pick(self.accounts, who)
        account.password = f"password {uuid4()}"
        devices = [d for d in self.devices if d.session.account is account]
        kept = pick(devices, keep).session if devices and keep >= 0 else None
        self.raise_epoch(account, fate, kept)

    @act(who=WHICH, fate=FATES)
    def end_sessions(self, who: int, fate: str) -> None:
        self.raise_epoch(pick(self.accounts, who), fate)

    @act(who=WHICH, fate=FATES)
    def deactivate(self, who: int, fate: str) -> None:
        account = pick(self.accounts, who)
        if account.active:
            account.active = False
            self.raise_epoch(account, fate)

    @act(who=WHICH, fate=FATES)
    def delete(self, who: int, fate: str) -> None:
        account = pick(self.accounts, who)
        if not account.deleted:
            account.deleted = True
            self.raise_epoch(account, fate)

    @act()
    def activate_and_restore(self) -> None:
        for account in self.accounts:
            account.active, account.deleted = True, False

    @act(who=WHICH, roles=st.sampled_from([(), ("editor",), ("editor", "auditor")]))
    def change_roles(self, who: int, roles: tuple[str, ...]) -> None:
        pick(self.accounts, who).roles = roles

    def raise_epoch(
        self, account: Account, fate: str, keep: Session | None = None
    ) -> None:
        account.epoch += 1
        self.raised[account] = self.model.now
        if fate == "delivered":
            self.push(account, account.epoch, keep)
        elif fate == "late":
            self.late.append((account, account.epoch, keep))

    @precondition(lambda self: bool(self.late))
    @act(which=WHICH)
    def deliver_a_late_push(self, which: int) -> None:
        """In any order, and again."""
        self.push(*pick(self.late, which))

    def push(self, account: Account, epoch: int, keep: Session | None) -> None:
        self.tick()
        seen = self.driver.push(account, epoch, keep.sid if keep else None)
        self.compare(Answer(200, audit=(ENDED,)), seen)
        assert seen.body == {"revoked": self.model.end_below(account, epoch, keep)}

    # ---- Operators -----------------------------------------------------------------

    @with_devices
    @act(which=WHICH, who=WHICH)
    def operator_ends_a_session(self, which: int, who: int) -> None:
        """Of somebody; whether it is theirs or not."""
        s, account = pick(self.devices, which).session, pick(self.accounts, who)
        self.tick()
        seen = self.driver.operator_ends(account, s.sid)
        audit = self.model.end(s) if s in self.model.live(account) else []
        self.compare(Answer(200, audit=(*audit,)), seen)
        assert seen.body == {"revoked": len(audit)}

    @with_devices
    @act(which=WHICH)
    def operator_ends_a_session_by_command(self, which: int) -> None:
        s = pick(self.devices, which).session
        self.tick()
        seen = self.driver.operator_command("revokesession", s.sid)
        if s in self.model.live():
            self.compare(Answer(200, audit=(*self.model.end(s),)), seen)
        else:
            self.compare(Answer(404), seen)

    @act(who=WHICH)
    def operator_ends_all_of_somebody(self, who: int) -> None:
        self.ending_all(pick(self.accounts, who))

    @act(sure=OFTEN)
    def operator_ends_all_of_everybody(self, sure: bool) -> None:
        self.ending_all(None if sure else self.accounts[0])

    def ending_all(self, account: Account | None) -> None:
        self.tick()
        words = [account.id] if account else ["--all", "--noinput"]
        seen = self.driver.operator_command("revokesessions", *words)
        self.model.end(*self.model.live(account))
        self.compare(Answer(200, audit=(ENDED,)), seen)

    @act()
    def purge(self) -> None:
        self.tick()
        self.driver.purge()
        self.model.purge()

    # ---- Redis ---------------------------------------------------------------------

    @act()
    def flush(self) -> None:
        self.driver.lose_all()
        self.model.keys.clear()

    @with_devices
    @act(which=WHICH)
    def lose_a_key(self, which: int) -> None:
        s = pick(self.devices, which).session
        self.driver.lose(s.sid)
        self.model.keys.pop(s, None)

    @with_devices
    @when_redis_is(WELL)
    @act(which=WHICH)
    def fail_over_to_a_redis_that_is_behind(self, which: int) -> None:
        s = pick(self.devices, which).session
        self.driver.restore_active(s.sid, self.model.terms.grace // SECOND)
        self.model.keys[s] = True, self.model.now + self.model.terms.grace
        self.unswept = True

    @when_redis_is(WELL)
    @act(kind=st.sampled_from([FULL, READ_ONLY, AWAY]))
    def redis_gets_into_trouble(self, kind: str) -> None:
        self.driver.redis_trouble(kind)
        self.model.redis = kind
        self.unswept = True

    @when_redis_is(FULL, READ_ONLY, AWAY)
    @act(swept=st.booleans())
    def redis_recovers(self, swept: bool) -> None:
        self.driver.redis_trouble(WELL)
        self.model.redis = WELL
        if swept:
            self.sweep()

    @act()
    def sweep(self) -> None:
        self.tick()
        self.driver.sweep()
        self.model.sweep()
        self.unswept = self.unswept and self.model.redis != WELL

    # ---- Beyond what the API shows -------------------------------------------------

    @precondition(lambda self: len(self.devices) > 1)
    @act(which=WHICH, other=WHICH)
    def refresh_with_a_jti_of_another_session(self, which: int, other: int) -> None:
        token, foreign = pick(self.refreshes, which), pick(self.refreshes, other)
        if token.session is foreign.session:
            return
        mixed = Refresh(token.session, -99, token.iat, token.exp)
        text = self.driver.mixed(self.text_of(token), self.text_of(foreign))
        self.cookies[mixed.session, mixed.generation] = text
        self.refreshing(mixed)

    @act()
    def compare_the_table(self) -> None:
        rows = self.driver.rows()
        assert rows.keys() == {s.sid for s in self.model.sessions if not s.purged}
        for s in self.model.sessions:
            if not s.purged:
                self.compare_row(s, rows[s.sid])

    def compare_row(self, s: Session, row: Any) -> None:
        there = [row.rotated_at, row.last_used_at, row.expires_at, row.revoked_at]
        times = [None if each is None else micros(each) for each in there]
        assert times == [s.rotated, s.used, s.expires, s.revoked]
        assert row.user_epoch == s.epoch

    @act()
    def compare_redis(self) -> None:
        """All sessions whose key does not expire just now."""
        for s in self.model.sessions:
            says, until = self.model.known(s), self.model.keys.get(s, (False, 0))[1]
            left = until - self.model.now
            if 0 < left < STALE:
                continue
            there = self.driver.says(s.sid)
            assert (there and there[0]) == says
            if there:
                assert abs(there[1] - left // SECOND) <= STALE // SECOND

    def check_bounds(self, token: Access) -> None:
        """The promises: what Redis does not know costs a sweep, or the life of a token
        where auth cannot write; a push that is lost costs the life of a token."""
        s, now, terms = token.session, self.model.now, self.model.terms
        if s.over:
            assert self.unswept
            assert now <= (s.revoked or 0) + terms.grace
        if s.epoch < s.account.epoch:
            assert now <= self.raised[s.account] + terms.grace

    def teardown(self) -> None:
        self.driver.quiet()


def new_account(number: int) -> Account:
    return Account(str(uuid4()), f"person{number}", f"password {number}", ("editor",))


def micros(moment: Any) -> int:
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * SECOND + int(moment.microsecond)
