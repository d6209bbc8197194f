"""What happens around the Auth Service: in the User Service, whose pushes may be lost
or late; to Redis; by operators; and time that passes, up to the very edges.
"""

from typing import Any
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import precondition

from tokens.revocation import republish_revocations

from .machine import WHICH, act, pick, with_devices
from .records import (
    DAY,
    DOWN,
    FULL,
    READ_ONLY,
    SECOND,
    WELL,
    Account,
    Answer,
    Session,
)
from .redis_forgets import RedisForgets
from .reference import ENDED

FATES = st.sampled_from(["delivered", "lost", "late"])
TROUBLES = st.sampled_from([FULL, READ_ONLY, DOWN])
SECONDS = [0.2, 1, 5, 9, 10, 11, 30, 60, 299, 300, 311, 371]
TIMES = [int(each * SECOND) for each in SECONDS]
TIMES += [days * DAY for days in (1, 3, 6, 7, 8, 10, 12)]
STALE = 20 * SECOND  # Redis has a clock of its own: it is exact to this at least


def when_redis_is(*kinds: str) -> Any:
    return precondition(lambda self: self.model.redis in kinds)


class Surroundings(RedisForgets):
    def __init__(self) -> None:
        super().__init__()
        self.late: list[tuple[Account, int, Session | None, int]] = []
        self.unswept = False  # Redis may say what is not so

    # ---- The User Service --------------------------------------------------------

    @act(who=WHICH, fate=FATES, keep=st.integers(-20, 20))
    def change_password(self, who: int, fate: str, keep: int) -> None:
        account = pick(self.accounts, who)
        account.password = f"password {uuid4()}"
        devices = [d for d in self.devices if d.session.account is account]
        kept = pick(devices, keep).session if devices and keep >= 0 else None
        self.raise_epoch(account, fate, kept)

    @act(who=WHICH, fate=FATES, by=st.sampled_from(["", "active", "deleted"]))
    def end_sessions(self, who: int, fate: str, by: str) -> None:
        """By themselves, by a deactivation or by a deletion, which happen once."""
        account = pick(self.accounts, who)
        if by == "active" and account.active:
            account.active = False
        elif by == "deleted" and not account.deleted:
            account.deleted = True
        elif by:
            return
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
        account.raise_epoch(self.model.now, keep)
        push = account, account.epoch, keep, account.kept_from
        if fate == "delivered":
            self.push(*push)
        elif fate == "late":
            self.late.append(push)

    @precondition(lambda self: bool(self.late))
    @act(which=WHICH)
    def deliver_a_late_push(self, which: int) -> None:
        """In any order, and again."""
        self.push(*pick(self.late, which))

    def push(
        self, account: Account, epoch: int, keep: Session | None, keep_from: int
    ) -> None:
        self.tick()
        seen = self.driver.push(account, epoch, keep.sid if keep else None, keep_from)
        self.compare(Answer(200, audit=(ENDED,)), seen)
        ended = self.model.end_below(account, epoch, keep, keep_from)
        assert seen.body == {"revoked": ended}

    # ---- Redis -------------------------------------------------------------------

    @with_devices
    @when_redis_is(WELL)
    @act(which=WHICH)
    def fail_over_to_a_redis_that_is_behind(self, which: int) -> None:
        self.fall_behind(pick(self.devices, which).session)
        self.unswept = True

    @when_redis_is(WELL)
    @act(kind=TROUBLES)
    def redis_gets_into_trouble(self, kind: str) -> None:
        self.driver.redis_trouble(kind)
        self.model.redis = kind
        self.unswept = True

    @with_devices
    @when_redis_is(WELL)
    @act(which=WHICH, kind=TROUBLES, swept=st.booleans())
    def log_out_while_redis_is_in_trouble(
        self, which: int, kind: str, swept: bool
    ) -> None:
        """Its tokens are asked about during the trouble, and after it."""
        s = pick(self.devices, which).session
        tokens = [token for token in self.accesses if token.session is s]
        self.redis_gets_into_trouble(kind=kind)
        self.log_out(which=which, old=False)
        for after in (lambda: None, lambda: self.redis_recovers(swept=swept)):
            after()
            for token in tokens:
                self.verifying(token)
                self.asking_elsewhere(token)

    @when_redis_is(FULL, READ_ONLY, DOWN)
    @act(swept=st.booleans())
    def redis_recovers(self, swept: bool) -> None:
        self.driver.redis_trouble(WELL)
        self.model.redis = WELL
        if swept:
            self.sweep()

    @act()
    def sweep(self) -> None:
        self.tick()
        republish_revocations()
        self.model.sweep()
        self.unswept = self.unswept and self.model.redis != WELL

    # ---- Operators ---------------------------------------------------------------

    @with_devices
    @act(which=WHICH, who=WHICH)
    def operator_ends_a_session(self, which: int, who: int) -> None:
        """Of any user; whether it is theirs or not."""
        s, account = pick(self.devices, which).session, pick(self.accounts, who)
        self.tick()
        seen = self.driver.operator_ends(account, s.sid)
        audit = self.model.end(s) if s in self.model.live(account) else []
        self.compare(Answer(200, audit=(*audit,)), seen)
        assert seen.body == {"revoked": len(audit)}

    @act(who=WHICH, of_all=st.sampled_from([False, False, False, True]))
    def operator_ends_all(self, who: int, of_all: bool) -> None:
        account = None if of_all else pick(self.accounts, who)
        self.tick()
        words = [account.id] if account else ["--all", "--noinput"]
        seen = self.driver.operator_command("revokesessions", *words)
        self.model.end(*self.model.live(account))
        self.compare(Answer(200, audit=(ENDED,)), seen)

    @act()
    def purge(self) -> None:
        self.tick()
        self.driver.operator_command("flushexpiredsessions")
        self.model.purge()

    # ---- Time --------------------------------------------------------------------

    @act(microseconds=st.sampled_from(TIMES))
    def wait(self, microseconds: int) -> None:
        self.step(microseconds)

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
            (s.revoked or s.used) + terms.window,
        ]
        self.step(max(edges[edge] + off - 1000 - self.model.now, 0))

    def tick(self) -> None:
        """The moment in which Redis forgets a revocation is not known exactly. What
        ends about now is forgotten: a refresh would ask the User Service or not, and a
        sweep would announce it again or not."""
        super().tick()
        for s, (active, ends) in [*self.model.keys.items()]:
            if not active and abs(ends - self.model.now) < STALE:
                self.driver.lose(s.sid)
                self.model.keys.pop(s)

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
