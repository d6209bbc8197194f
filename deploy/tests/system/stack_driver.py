"""Drives the whole running system for the model of its sessions: users through the
gateway, services by their API key, an operator in the admin, faults by hand.
"""

import time
from typing import Any

from hypothesis import assume

from auth_project.tests.model.records import SECOND, Account
from auth_project.tests.model.seen import Seen
from deploy.tests.admin_site import Operator
from deploy.tests.client import ApiClient, Response, cookie_of, internal
from deploy.tests.stack import System


class StackDriver:
    tolerance = 5  # seconds between the model's times and those in tokens

    def __init__(self, system: System, operator: Operator) -> None:
        self.system = system
        self.operator = operator
        self.http = ApiClient(system.gateway_url, keep_alive=True)
        self.sent = 0
        self.edge = 0.0  # when the leeway of the session that is refreshed ends

    # ---- Time --------------------------------------------------------------------

    def now(self) -> int:
        self.sent = int(time.time() * SECOND)
        return self.sent

    def moment(self) -> int:
        """When the last request was sent."""
        return self.sent

    # ---- A user's acts ---------------------------------------------------------

    def register(self, account: Account) -> None:
        body = {
            "username": account.name,
            "email": account.email,
            "password": account.password,
        }
        answer = self.call("POST", "/api/v1/users/", json=body)
        assert answer.status == 201, answer
        account.id = answer.body["id"]

    def log_in(self, credentials: dict[str, str], *cookies: str) -> Seen:
        return self.with_cookies("/api/v1/auth/login", *cookies, json=credentials)

    def refresh(self, *cookies: str) -> Seen:
        """Not known on which side of the leeway's end it was: left out."""
        answer = self.with_cookies("/api/v1/auth/refresh", *cookies)
        assume(not self.sent / SECOND < self.edge < time.time())
        return answer

    def log_out(self, *cookies: str) -> Seen:
        return self.with_cookies("/api/v1/auth/logout", *cookies)

    def log_out_all(self, access: str, keep: bool, cookie: str) -> Seen:
        return self.call(
            "POST",
            "/api/v1/auth/logout_all",
            json={"keep_current": keep},
            headers={**bearer(access), "Cookie": f"refresh_token={cookie}"},
        )

    def end_session(self, access: str, sid: str) -> Seen:
        path = f"/api/v1/auth/sessions/{sid}"
        return self.call("DELETE", path, headers=bearer(access))

    def sessions(self, access: str) -> Seen:
        return self.call("GET", "/api/v1/auth/sessions", headers=bearer(access))

    def me(self, access: str) -> Seen:
        return self.call("GET", "/api/v1/users/me", headers=bearer(access))

    def change_password(self, access: str, current: str, new: str) -> Seen:
        body = {"current_password": current, "new_password": new}
        path = "/api/v1/users/me/change_password"
        return self.call("POST", path, json=body, headers=bearer(access))

    # ---- Services and operators --------------------------------------------------

    def verify(self, access: str) -> Seen:
        body = {"token": access}
        path = "/api/v1/auth/verify_token"
        return seen(internal(self.system, "POST", path, json=body))

    def introspect(self, access: str) -> Seen:
        path = "/api/v1/auth/introspect"
        return seen(internal(self.system, "POST", path, data={"token": access}))

    def operator_does(self, what: str, account: Account) -> None:
        self.operator.act(what, account.id)

    # ---- Redis -------------------------------------------------------------------

    def lose_all(self) -> None:
        self.system.redis().flushall()

    def lose(self, sid: str) -> None:
        self.system.redis().delete(f"session:{sid}")

    def restore_active(self, sid: str, seconds: int) -> None:
        self.system.redis().set(f"session:{sid}", "active", ex=seconds)

    # ---- HTTP --------------------------------------------------------------------

    def with_cookies(self, path: str, *cookies: str, **kwargs: Any) -> Seen:
        pairs = "; ".join(f"refresh_token={each}" for each in cookies)
        headers = {"Cookie": pairs.encode()} if cookies else {}
        return self.call("POST", path, headers=headers, **kwargs)

    def call(self, method: str, path: str, **kwargs: Any) -> Seen:
        return seen(self.http.request(method, path, **kwargs))


def seen(response: Response) -> Seen:
    body = response.json() if response.content else None
    age = max_age(response)
    return Seen(
        status=response.status_code,
        code=body.get("code") if isinstance(body, dict) else None,
        body=body,
        cookie=cookie_of(response),
        max_age=age,
    )


def max_age(response: Response) -> int | None:
    fields = response.headers.get("Set-Cookie", "").split("; ")
    ages = [field[8:] for field in fields if field.startswith("Max-Age=")]
    return int(ages[0]) if ages else None


def bearer(access: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {access}"}
