"""Second factors of a user of the system: an app, a passkey and recovery codes."""

import copy
import time
from functools import partial
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from pyotp import TOTP

from deploy.tests.client import (
    ME,
    ApiClient,
    Response,
    TestUser,
    claims_of,
    refused,
)
from deploy.tests.waiting import wait_until
from deploy.tests.worker_queue import Queue
from shared.tests.authenticator import Authenticator

AUTH = "/api/v1/auth"
SECOND_FACTOR, STEP_UP = f"{AUTH}/login/second_factor", f"{AUTH}/step_up"
PASSKEY_LOGIN, ENROL = f"{AUTH}/login/passkey", f"{AUTH}/login/enrol"
FACTORS, CODES = f"{ME}/factors", f"{ME}/recovery_codes"
WAITS = "SELECT 1 FROM users_factor_reset WHERE user_id = %s"
# The mail about it was sent: before, a reset that is due is cancelled.
ANNOUNCED = """
SELECT 1 FROM users_mail JOIN users_factor_reset USING (user_id)
WHERE user_id = %s AND kind = 'factors_reset_requested'
AND sent_at >= users_factor_reset.created_at
"""
# Asked for, and mailed, two days ago.
DUE = """
WITH reset AS (
    UPDATE users_factor_reset
    SET created_at = created_at - interval '2 days', due_at = now()
    WHERE user_id = %s RETURNING user_id
)
UPDATE users_mail SET sent_at = sent_at - interval '2 days'
FROM reset WHERE users_mail.user_id = reset.user_id
"""
# By a role: with the setting SECOND_FACTOR the services would have to start again.
REQUIRED = """
WITH role AS (
    INSERT INTO auth_group (name) VALUES ('must-have-a-factor')
    ON CONFLICT (name) DO UPDATE SET name = EXCLUDED.name RETURNING id
)
INSERT INTO users_user_groups (user_id, group_id)
SELECT users_user.id, role.id FROM users_user, role WHERE username = %s
"""
UNUSED = "UPDATE users_factor SET last_step = 0 WHERE secret IS NOT NULL"


def reset_factors(system: Any, account: str) -> bool:
    """The day after an operator has asked for a reset is over; whether one had."""
    if is_waiting := bool(system.query("users", WAITS, account)):
        sent = partial(system.query, "users", ANNOUNCED, account)
        wait_until(sent, 10, "the mail about a reset")
        system.query("users", DUE, account)
    queue = Queue(system)
    queue.wait(queue.defer("reset_factors"))
    return is_waiting


class FactorUser(TestUser):
    """A user with factors, in one browser."""

    def __init__(self, system: Any, name: str | None = None) -> None:
        super().__init__(system, name)
        self.device = ""  # the cookie of that name
        self.app: TOTP
        self.codes: list[str] = []  # recovery codes that are not used
        self.passkey: Authenticator
        self.ids: dict[str, str] = {}  # of the factors, by type

    def elsewhere(self) -> "FactorUser":
        """The same user in a browser that has nothing of theirs."""
        other = copy.copy(self)
        other.cookie = other.access = other.device = ""
        other.http = ApiClient()
        return other

    def must_have_a_factor(self) -> None:
        """From now on."""
        self.system.query("users", REQUIRED, self.name, role="owner")

    # ---- Factors -----------------------------------------------------------------

    def add_totp(self, bearer: str = "") -> Response:
        """An app; with the access token, or another."""
        headers = {"Authorization": f"Bearer {bearer or self.access}"}
        answer = self.post(f"{FACTORS}/totp", headers, json={"name": "phone"})
        if answer.status_code != 201:
            return answer
        self.app = TOTP(answer.json()["secret"])
        self.ids["totp"] = factor = answer.json()["id"]
        path, code = f"{FACTORS}/{factor}/confirm", {"code": self.app.now()}
        return self.note_codes(self.post(path, headers, json=code))

    def add_passkey(self) -> Response:
        """In a new authenticator."""
        options = self.call("POST", f"{FACTORS}/passkeys/options")
        if not options.ok:
            return options
        url = self.system.gateway_url
        self.passkey = Authenticator(url, str(urlsplit(url).hostname))
        body = {"credential": self.passkey.create(options.json()["passkey"])}
        body |= {"name": "laptop"}
        answer = self.call("POST", f"{FACTORS}/passkeys", json=body)
        if answer.ok:
            self.ids["passkey"] = answer.json()["id"]
        return self.note_codes(answer)

    def new_codes(self) -> Response:
        return self.note_codes(self.call("POST", CODES))

    def note_codes(self, answer: Response) -> Response:
        """Recovery codes come with the first factor, and when they are asked for."""
        if answer.ok:
            self.codes = answer.json().get("recovery_codes") or self.codes
        return answer

    def remove(self, kind: str) -> Response:
        return self.call("DELETE", f"{FACTORS}/{self.ids[kind]}")

    def drop_password(self) -> Response:
        return self.call("DELETE", f"{ME}/password")

    def factors(self) -> Any:
        return self.call("GET", FACTORS).json()

    def be_reset(self) -> bool:
        """The day after an operator has asked for it is over; whether one had."""
        return reset_factors(self.system, claims_of(self.access)["sub"])

    # ---- Logins and step-ups -----------------------------------------------------

    def unused_code(self) -> str:
        """The code of now, as if none had been used within the last minute."""
        self.system.query("users", UNUSED + " AND id = %s", self.ids["totp"])
        return self.app.at(int(time.time()))

    def proof(self, kind: str, invitation: dict[str, Any]) -> dict[str, Any]:
        """What a body has of one factor."""
        if kind == "totp":
            return {kind: self.unused_code()}
        if kind == "recovery_code":
            return {kind: self.codes[-1]}
        if kind == "passkey":
            return {kind: self.passkey.get(invitation[kind])}
        return {kind: self.password}

    def first_step(self) -> dict[str, Any]:
        """What a login with the right password says about the second step."""
        answer = self.log_in()
        refused(answer, 401, "second_factor_required")
        invitation: dict[str, Any] = answer.json()
        return invitation

    def second_step(self, invitation: dict[str, Any], **proof: Any) -> Response:
        body = {"login": invitation["login"], **proof}
        answer = self.keep(self.post(SECOND_FACTOR, json=body))
        self.forget_used(answer, proof)
        return answer

    def log_in_with(self, kind: str, **more: Any) -> Response:
        """A factor as well as the password."""
        invitation = self.first_step()
        return self.second_step(invitation, **self.proof(kind, invitation), **more)

    def signed_login(self) -> dict[str, Any]:
        """The body of a login with the passkey and no password."""
        options = self.post(f"{PASSKEY_LOGIN}/options").json()
        credential = self.passkey.get(options["passkey"])
        return {"login": options["login"], "credential": credential}

    def step_up(self, kind: str) -> Response:
        options = self.call("POST", f"{STEP_UP}/options")
        if not options.ok:
            return options
        invitation = options.json()
        body = {"login": invitation["login"], **self.proof(kind, invitation)}
        answer = self.keep(self.call("POST", STEP_UP, json=body))
        self.forget_used(answer, body)
        return answer

    def forget_used(self, answer: Response, proof: dict[str, Any]) -> None:
        """Of a recovery code that was accepted."""
        if answer.ok and proof.get("recovery_code") in self.codes:
            self.codes.remove(proof["recovery_code"])

    # ---- Cookies -----------------------------------------------------------------

    def send(
        self, method: str, path: str, headers: dict[str, str], **kwargs: Any
    ) -> Response:
        """With the cookie of the device."""
        if self.device:
            cookies = [headers.get("Cookie", ""), f"device={self.device}"]
            headers = {**headers, "Cookie": "; ".join(filter(None, cookies))}
        return super().send(method, path, headers, **kwargs)

    def keep(self, response: Response) -> Response:
        for line in response.all("Set-Cookie"):
            if "device" in (cookie := SimpleCookie(line)):
                self.device = cookie["device"].value
        return super().keep(response)


def enrolled(user: FactorUser) -> FactorUser:
    """The user, with an app, recovery codes and a passkey, and a session of aal2."""
    assert user.register().status_code == 201
    assert user.log_in().ok
    answer = user.add_totp()
    assert answer.ok, answer.text
    assert user.step_up("totp").ok
    answer = user.add_passkey()
    assert answer.status_code == 201, answer.text
    return user
