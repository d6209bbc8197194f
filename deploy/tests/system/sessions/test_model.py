"""The whole running system against the model of its sessions (docs/testing.md).

What the machine in the Auth Service's suite takes for granted of the User Service, the
gateway and the sweep is real here. What happens at the same time is in test_races.py.
"""

import os
import secrets
import time

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, run_state_machine_as_test

from auth_project.tests.model.machine import COUNTS, WHICH, act, pick, with_devices
from auth_project.tests.model.records import (
    SECOND,
    Account,
    Answer,
    Refresh,
    Session,
    Terms,
)
from auth_project.tests.model.reference import Reference
from deploy.tests.system.sessions.factor_machine import FactorMachine
from deploy.tests.system.sessions.stack_driver import StackDriver

STEPS = 25
SEED = int(os.environ.get("MODEL_SEED", "5"))
# Each takes as long as a user waits for it.
RULES = int(os.environ.get("MODEL_RULES", "5000")) // 100
LEEWAY = 3  # seconds; see settings/auth.env
EDGE = 1  # second before the leeway's end in which nothing is asked
SWEEP = 2.5  # seconds until every worker has corrected Redis

patient = precondition(lambda self: self.patience > 0)


class StackMachine(FactorMachine):
    driver: StackDriver

    def __init__(self, driver: StackDriver) -> None:
        super().__init__()
        self.driver = driver
        self.patience = 2  # times that it waits for something
        self.answered: dict[Session, float] = {}  # the last refresh of each
        terms = Terms(reuse_leeway=LEEWAY * SECOND)
        self.model = Reference(terms, driver.now())
        for _ in range(2):
            self.register()

    @precondition(lambda self: len(self.accounts) < 3)
    @act()
    def register(self) -> None:
        # No reserved name and no password like the name, whatever is drawn.
        name, password = f"mm{secrets.token_hex(6)}", f"password {secrets.token_hex(8)}"
        account = Account("", name, password)
        self.driver.register(account)
        self.accounts.append(account)

    # ---- Time --------------------------------------------------------------------

    def refreshing(self, token: Refresh) -> Answer:
        self.keep_clear(token.session)
        answer = super().refreshing(token)
        self.answered[token.session] = time.time()
        return answer

    def keep_clear(self, s: Session) -> None:
        """Of the moment in which the leeway ends, which is not known exactly."""
        self.driver.edge = (s.rotated or 0) / SECOND + LEEWAY
        surely = self.answered.get(s, 0.0) + LEEWAY
        if self.driver.edge - EDGE < time.time() < surely:
            time.sleep(surely - time.time())

    @patient
    @with_devices
    @act(which=WHICH, back=st.integers(0, 1))
    def refresh_after_the_leeway(self, which: int, back: int) -> None:
        self.patience -= 1
        time.sleep(LEEWAY + EDGE)
        self.refresh_with_an_ancestor(which=which, back=back)

    # ---- The User Service --------------------------------------------------------

    @with_devices
    @act(which=WHICH)
    def change_password(self, which: int) -> None:
        device = pick(self.devices, which)
        account, new = device.session.account, f"password {secrets.token_hex(8)}"
        self.tick()
        code, text = self.refusal(device), self.texts[device.access]
        seen = self.driver.change_password(text, account.password, new)
        self.compare(Answer(401, code) if code else Answer(204), seen)
        if code is None:
            account.password = new
            self.raise_epoch(account, device.session)

    @act(who=WHICH, what=st.sampled_from(["deactivate", "soft_delete", "end_sessions"]))
    def operator_ends_all_of_a_user(self, who: int, what: str) -> None:
        account = pick(self.accounts, who)
        if what == "end_sessions" or account.present:
            self.tick()
            self.driver.operator.act(what, account.id)
            account.active = account.active and what != "deactivate"
            account.deleted = account.deleted or what == "soft_delete"
            self.raise_epoch(account)

    def raise_epoch(self, account: Account, keep: Session | None = None) -> None:
        account.raise_epoch(self.model.now, keep)
        self.model.end_below(account, account.epoch, keep, account.kept_from)

    @act()
    def activate_and_restore(self) -> None:
        for account in self.accounts:
            if not account.active:
                self.driver.operator.act("activate", account.id)
            if account.deleted:
                self.driver.operator.act("restore", account.id)
            account.active, account.deleted = True, False

    # ---- Redis -------------------------------------------------------------------

    @patient
    @with_devices
    @act(which=WHICH)
    def fail_over_to_a_redis_that_is_behind(self, which: int) -> None:
        """The sweep of every worker corrects it."""
        self.patience -= 1
        s = pick(self.devices, which).session
        self.fall_behind(s)
        time.sleep(SWEEP)
        self.tick()
        self.model.sweep()
        for token in [t for t in self.accesses if t.session is s][-2:]:
            self.verifying(token)
            self.asking_elsewhere(token)


def test_the_whole_system_does_what_the_model_says(system, operator):
    driver = StackDriver(system, operator)

    @seed(SEED)
    class Machine(StackMachine):
        def __init__(self) -> None:
            super().__init__(driver)

    options = settings(
        max_examples=max(RULES // STEPS * 5 // 4, 4),
        stateful_step_count=STEPS,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        deadline=None,
        database=None,
    )
    COUNTS.update(dict.fromkeys(COUNTS, 0))
    run_state_machine_as_test(Machine, settings=options)

    executed = sum(COUNTS.values())
    print(f"seed {SEED}: {executed} rules executed, no difference")
    for name, count in sorted(COUNTS.items()):
        print(f"  {count:>7}  {name}")
    assert executed >= RULES
