"""What is changed in the User Service, and what becomes of its pushes."""

from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import precondition

from .machine import WHICH, act, pick
from .records import Account, Answer, Session
from .reference import ENDED
from .session_machine import SessionMachine

FATES = st.sampled_from(["delivered", "lost", "late"])


class Changes(SessionMachine):
    def __init__(self) -> None:
        super().__init__()
        self.late: list[tuple[Account, int, Session | None, int]] = []

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
