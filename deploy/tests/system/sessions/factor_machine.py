"""Acts with second factors, for the model of the whole system: real apps, passkeys and
recovery codes, added and removed by their users.
"""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition

from auth_project.tests.model.machine import (
    WHICH,
    Device,
    act,
    pick,
    unverified,
    with_devices,
)
from auth_project.tests.model.records import Account, Answer, Pending, Session
from auth_project.tests.model.redis_forgets import RedisForgets
from deploy.tests.factors import FactorUser
from deploy.tests.system.sessions.stack_driver import StackDriver, seen

METHODS = {
    "totp": ("otp",),
    "recovery_code": ("otp",),
    "passkey": ("hwk", "user"),
    "password": (),
}
KINDS = st.sampled_from(["totp", "recovery_code", "passkey"])
ADDED = st.sampled_from(["totp", "passkey"])
RIGHT = st.sampled_from([True, True, True, False])


def with_pending(function: Any) -> Any:
    return precondition(lambda self: bool(self.model.pending))(function)


class FactorMachine(RedisForgets):
    driver: StackDriver

    def __init__(self) -> None:
        super().__init__()
        self.owners: dict[Account, FactorUser] = {}

    def owner(self, account: Account) -> FactorUser:
        """Who has the factors of this account."""
        user = FactorUser(self.driver.system, account.name)
        return self.owners.setdefault(account, user)

    def raise_epoch(self, account: Account, keep: Session | None = None) -> None:
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        """One of the two accounts has an app."""
        super().begin()
        self.add_a_factor(which=0, kind="totp")

    # ---- Factors -----------------------------------------------------------------

    @with_devices
    @act(which=WHICH, kind=ADDED)
    def add_a_factor(self, which: int, kind: str) -> None:
        """The first one ends all other sessions of the user."""
        device = pick(self.devices, which)
        account, user = device.session.account, self.owner(device.session.account)
        if kind in user.ids:
            return
        self.tick()
        code, user.access = self.refusal(device), self.texts[device.access]
        answer = seen(user.add_totp() if kind == "totp" else user.add_passkey())
        status = 200 if kind == "totp" else 201
        self.compare(Answer(401, code) if code else Answer(status), answer)
        if not code and not account.factor:
            account.factor = True
            self.raise_epoch(account, device.session)

    @with_devices
    @act(which=WHICH, kind=ADDED)
    def remove_a_factor(self, which: int, kind: str) -> None:
        device = pick(self.devices, which)
        account, user = device.session.account, self.owner(device.session.account)
        if kind not in user.ids:
            return
        self.tick()
        code, user.access = self.refusal(device), self.texts[device.access]
        answer = seen(user.remove(kind))
        self.compare(Answer(401, code) if code else Answer(204), answer)
        if not code:
            del user.ids[kind]
            account.factor = bool(user.ids)
            user.codes = user.codes if user.ids else []
            self.raise_epoch(account, device.session)

    @with_devices
    @act(which=WHICH)
    def replace_recovery_codes(self, which: int) -> None:
        device = pick(self.devices, which)
        account, user = device.session.account, self.owner(device.session.account)
        if account.factor:
            self.tick()
            code, user.access = self.refusal(device), self.texts[device.access]
            answer = seen(user.new_codes())
            self.compare(Answer(401, code) if code else Answer(200), answer)

    def refusal(self, device: Device) -> str | None:
        """The code with which a change of factors, or of the password, is refused to
        this device."""
        code = self.model.verify(device.access, elsewhere=True)
        level = unverified(self.texts[device.access])["acr"]
        if not code and device.session.account.factor and level == "aal1":
            return "insufficient_user_authentication"
        return code

    # ---- The second step of a login ----------------------------------------------

    @act(who=WHICH, kind=KINDS, wrong=st.integers(0, 5))
    def log_in_with_a_factor(self, who: int, kind: str, wrong: int) -> None:
        """After so many wrong ones; and once more."""
        before = len(self.model.pending)
        self.logging_in(pick(self.accounts, who))
        for waiting in self.model.pending[before:]:
            for right in (*[False] * wrong, True, True):
                self.finishing(waiting, kind, right)

    @with_pending
    @act(which=WHICH, kind=KINDS, right=RIGHT)
    def finish_a_login(self, which: int, kind: str, right: bool) -> None:
        """Any that ever waited, a step-up too."""
        self.finishing(pick(self.model.pending, which), kind, right)

    def finishing(self, waiting: Pending, kind: str, right: bool) -> None:
        right, proof = self.proof(waiting, kind, right)
        self.tick()
        answer, who = self.model.attempt(waiting), self.model.ask(waiting.account)
        answer = answer or self.model.prove(waiting, who, right)
        found = self.driver.second_factor(waiting.text, proof)
        if not answer:
            self.used(waiting, kind)
            answer = self.model.settle(waiting, who, METHODS[kind])
        self.compare(answer, found)
        self.note_device(answer)

    def proof(
        self, waiting: Pending, kind: str, right: bool
    ) -> tuple[bool, dict[str, Any]]:
        """A factor of the account, if it has this one and a right one is wanted."""
        user, asked = self.owner(waiting.account), self.driver.asked[waiting.text]
        user.password = waiting.account.password
        has = {"recovery_code": bool(user.codes), "password": not user.ids}
        if right and (kind in user.ids or has.get(kind)) and kind in asked["factors"]:
            return True, user.proof(kind, asked)
        if kind == "passkey" and "passkey" in user.ids and "passkey" in asked:
            elsewhere = {"origin": "http://localhost.example"}
            return False, {kind: user.passkey.get(asked[kind], **elsewhere)}
        return False, {"password" if kind == "password" else "totp": "000000"}

    def used(self, waiting: Pending, kind: str) -> None:
        """A recovery code is no more; one that was not looked at still is."""
        if kind == "recovery_code":
            self.owner(waiting.account).codes.pop()  # the one that `proof` gives

    # ---- Step-up -----------------------------------------------------------------

    @with_devices
    @act(which=WHICH, kind=KINDS, right=RIGHT)
    def step_up(self, which: int, kind: str, right: bool) -> None:
        """Users without a factor do it with the password."""
        device = pick(self.devices, which)
        self.tick()
        code = self.model.verify(device.access)
        found = self.driver.begin_step_up(self.texts[device.access])
        self.compare(Answer(401, code) if code else Answer(200), found)
        if code:
            return
        waiting = self.model.begin_step_up(device.session)
        waiting.text = found.body["login"]
        kind = kind if waiting.account.factor else "password"
        for _ in range(2):
            self.stepping_up(device, waiting, kind, right)

    def stepping_up(
        self, device: Device, waiting: Pending, kind: str, right: bool
    ) -> None:
        right, proof = self.proof(waiting, kind, right)
        self.tick()
        code, who = self.model.verify(device.access), self.model.ask(waiting.account)
        answer = Answer(401, code) if code else None
        answer = answer or self.model.attempt(waiting, device.session)
        answer = answer or self.model.prove(waiting, who, right)
        if answer and kind == "password" and answer.code == "second_factor_invalid":
            answer = Answer(401, "invalid_credentials")
        text = self.texts[device.access]
        found = self.driver.step_up(text, waiting.text, proof)
        if not answer:
            self.used(waiting, kind)
            answer = self.model.settle(waiting, who, METHODS[kind])
        self.compare(answer, found)
        device.access = answer.access or device.access
