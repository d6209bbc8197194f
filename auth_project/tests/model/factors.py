"""Second factors: logins that wait for one, step-ups, and a policy that changes."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition

from .interleaved import Interleaved
from .machine import OFTEN, WHICH, act, pick, with_devices
from .records import Answer, Pending, Session
from .surroundings import FATES

CODES = st.sampled_from(["right", "right", "wrong"])


def with_pending(function: Any) -> Any:
    return precondition(lambda self: bool(self.model.pending))(function)


class Factors(Interleaved):
    @act(who=WHICH, fate=FATES, keep=st.booleans())
    def add_or_remove_the_factor(self, who: int, fate: str, keep: bool) -> None:
        """From a session, which is kept, or by an operator."""
        account = pick(self.accounts, who)
        account.factor = not account.factor
        devices = [d for d in self.devices if d.session.account is account]
        kept = devices[-1].session if keep and devices else None
        self.raise_epoch(account, fate, kept)

    @act(who=WHICH, rare=OFTEN)
    def change_the_policy(self, who: int, rare: bool) -> None:
        pick(self.accounts, who).required = rare

    @with_pending
    @act(which=WHICH, code=CODES)
    def second_factor(self, which: int, code: str) -> None:
        """Of any login that ever waited, a step-up too."""
        self.finishing(pick(self.model.pending, which), code)

    @act(who=WHICH, wrong=st.integers(0, 5))
    def log_in_with_the_factor(self, who: int, wrong: int) -> None:
        """After so many wrong codes; and once more with the right one."""
        before = len(self.model.pending)
        self.logging_in(pick(self.accounts, who))
        for waiting in self.model.pending[before:]:
            for code in (*["wrong"] * wrong, "right", "right"):
                self.finishing(waiting, code)

    def finishing(self, waiting: Pending, code: str) -> None:
        self.tick()
        answer = self.attempting(waiting, code)
        seen = self.driver.second_factor(waiting.text, code)
        self.compare(answer, seen)
        self.note_device(answer)

    @with_pending
    @act(which=WHICH, between=st.integers(0, 40), other=WHICH)
    def second_factor_that_is_overtaken(
        self, which: int, between: int, other: int
    ) -> None:
        """Something else happens after the User Service has accepted the code."""
        waiting = pick(self.model.pending, which)
        self.tick()
        early = self.model.attempt(waiting)
        who = self.model.ask(waiting.account)
        self.driver.users.meanwhile = self.something(between, other)
        seen = self.driver.second_factor(waiting.text, "right")
        self.driver.quiet()
        self.model.now = self.driver.moment()
        answer = early or self.model.prove(waiting, who, True)
        answer = answer or self.model.settle(waiting, who)
        self.compare(answer, seen)
        self.note_device(answer)

    @with_pending
    @act(which=WHICH)
    def second_factor_without_the_user_service(self, which: int) -> None:
        """It costs a try, and nothing else."""
        waiting = pick(self.model.pending, which)
        self.tick()
        self.driver.users.down = True
        seen = self.driver.second_factor(waiting.text, "right")
        self.driver.quiet()
        unavailable = Answer(503, "dependency_unavailable")
        self.compare(self.model.attempt(waiting) or unavailable, seen)

    @with_devices
    @act(which=WHICH, code=CODES)
    def step_up(self, which: int, code: str) -> None:
        device = pick(self.devices, which)
        s, account = device.session, device.session.account
        self.tick()
        refused = self.model.verify(device.access)
        seen = self.driver.begin_step_up(self.texts[device.access])
        if refused or not account.present or s.over or s.expires <= self.model.now:
            ended = () if refused or account.present else (*self.model.end(s),)
            answer = Answer(401, refused or "token_revoked", audit=ended)
            self.compare(answer, seen)
            return
        self.compare(Answer(200), seen)
        assert seen.body["factors"] == (["totp"] if account.factor else ["password"])
        self.model.begin_step_up(s).text = seen.body["login"]
        self.step_up_with_any_login(which=which, login=0, code=code)

    @with_devices
    @with_pending
    @act(which=WHICH, login=WHICH, code=CODES)
    def step_up_with_any_login(self, which: int, login: int, code: str) -> None:
        device, waiting = pick(self.devices, which), pick(self.model.pending, login)
        self.tick()
        refused = self.model.verify(device.access)
        seen_by = self.texts[device.access]
        if refused:
            answer = Answer(401, refused)
        else:
            answer = self.attempting(waiting, code, device.session)
        self.compare(answer, self.driver.step_up(seen_by, waiting.text, code))
        device.access = answer.access or device.access

    def attempting(
        self, waiting: Pending, code: str, s: Session | None = None
    ) -> Answer:
        who = self.model.ask(waiting.account)
        answer = self.model.attempt(waiting, s)
        answer = answer or self.model.prove(waiting, who, code == "right")
        return answer or self.model.settle(waiting, who)
