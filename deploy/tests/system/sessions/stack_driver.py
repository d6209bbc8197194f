"""Drives the whole running system for the model of its sessions: users through the
gateway, services by their API key, an operator in the admin, faults by hand.
"""

import time
from typing import Any

from hypothesis import assume

from auth_project.tests.model.records import SECOND, Account, Seen
from deploy.tests.admin_site import Operator
from deploy.tests.client import (
    CHANGE_PASSWORD,
    LOGIN,
    LOGOUT,
    LOGOUT_ALL,
    ME,
    REFRESH,
    REGISTER,
    SESSIONS,
    VERIFY,
    ApiClient,
    Response,
    cookie_of,
    internal,
)
from deploy.tests.factors import SECOND_FACTOR, STEP_UP
from deploy.tests.stack import System


class StackDriver:
    tolerance = 5  # seconds between the model's times and those in tokens

    def __init__(self, system: System, operator: Operator) -> None:
        self.system = system
        self.operator = operator
        self.http = ApiClient(system.gateway_url, keep_alive=True)
        self.sent = 0
        self.asked: dict[str, Any] = {}  # by the text of a login: what it waits for
        self.edge = 0.0  # when the leeway of the session that is refreshed ends

    def now(self) -> int:
        self.sent = int(time.time() * SECOND)
        return self.sent

    def moment(self) -> int:
        """When the last request was sent."""
        return self.sent

    # ---- A user's acts ---------------------------------------------------------

    def register(self, account: Account) -> None:
        names = {"username": account.name, "email": account.email}
        answer = self.call(REGISTER, json={**names, "password": account.password})
        assert answer.status == 201, answer
        account.id = answer.body["id"]

    def log_in(self, credentials: dict[str, str], *cookies: str) -> Seen:
        return self.note(self.call(LOGIN, "", *cookies, json=credentials))

    def second_factor(self, login: str, proof: dict[str, Any]) -> Seen:
        return self.call(SECOND_FACTOR, json={"login": login, **proof})

    def begin_step_up(self, access: str) -> Seen:
        return self.note(self.call(f"{STEP_UP}/options", access))

    def step_up(self, access: str, login: str, proof: dict[str, Any]) -> Seen:
        return self.call(STEP_UP, access, json={"login": login, **proof})

    def note(self, answer: Seen) -> Seen:
        if "login" in answer.body:
            self.asked[answer.body["login"]] = answer.body
        return answer

    def refresh(self, *cookies: str) -> Seen:
        """Not known on which side of the leeway's end it was: left out."""
        answer = self.call(REFRESH, "", *cookies)
        assume(not self.sent / SECOND < self.edge < time.time())
        return answer

    def log_out(self, *cookies: str) -> Seen:
        return self.call(LOGOUT, "", *cookies)

    def log_out_all(self, access: str, keep: bool, cookie: str) -> Seen:
        return self.call(LOGOUT_ALL, access, cookie, json={"keep_current": keep})

    def end_session(self, access: str, sid: str) -> Seen:
        return self.call(f"{SESSIONS}/{sid}", access, method="DELETE")

    def sessions(self, access: str) -> Seen:
        return self.call(SESSIONS, access, method="GET")

    def me(self, access: str) -> Seen:
        return self.call(ME, access, method="GET")

    def change_password(self, access: str, current: str, new: str) -> Seen:
        body = {"current_password": current, "new_password": new}
        return self.call(CHANGE_PASSWORD, access, json=body)

    def call(
        self,
        path: str,
        access: str = "",
        *cookies: str,
        method: str = "POST",
        **body: Any,
    ) -> Seen:
        headers = {"Authorization": f"Bearer {access}"} if access else {}
        if cookies:
            text = "; ".join(f"refresh_token={each}" for each in cookies)
            headers["Cookie"] = text.encode()  # type: ignore[assignment]
        return seen(self.http.request(method, path, headers=headers, **body))

    # ---- Services, and Redis -----------------------------------------------------

    def verify(self, access: str) -> Seen:
        return seen(internal(self.system, "POST", VERIFY, json={"token": access}))

    def lose_all(self) -> None:
        self.system.redis().flushall()

    def lose(self, sid: str) -> None:
        self.system.redis().delete(f"session:{sid}")

    def restore_active(self, sid: str, seconds: int) -> None:
        self.system.redis().set(f"session:{sid}", "active", ex=seconds)


def seen(response: Response) -> Seen:
    body = response.json() if response.content else None
    fields = response.headers.get("Set-Cookie", "").split("; ")
    ages = [int(field[8:]) for field in fields if field.startswith("Max-Age=")]
    return Seen(
        status=response.status_code,
        code=body.get("code") if isinstance(body, dict) else None,
        body=body,
        cookie=cookie_of(response),
        max_age=ages[0] if ages else None,
    )
