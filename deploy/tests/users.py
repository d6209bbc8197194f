"""People who use the system as its clients do: through HTTP, cookies carried by hand.

(`http.cookiejar` keeps a Secure cookie but does not send it to http://localhost, and it
would hide which request set or cleared what.)
"""

import secrets
from http.cookies import SimpleCookie
from typing import Any

import jwt
import requests

from deploy.tests.stack import System

TIMEOUT = 25  # seconds; the gateway gives up on a service after 15
PASSWORD = "correct horse battery staple"


class Person:
    """Somebody with an account, on one device."""

    def __init__(self, system: System, name: str | None = None) -> None:
        self.system = system
        self.name = name or f"p{secrets.token_hex(6)}"
        self.email = f"{self.name}@example.org"
        self.password = PASSWORD
        self.cookie = ""
        self.access = ""
        self.http: Any = requests  # or a Session, whose connections stay open

    @property
    def sid(self) -> str:
        return str(claims_of(self.access)["sid"])

    def register(self) -> requests.Response:
        body = {"username": self.name, "email": self.email, "password": self.password}
        return self.post("/api/v1/users/", json=body)

    def log_in(self) -> requests.Response:
        body = {"email": self.email, "password": self.password}
        return self.keep(self.post("/api/v1/auth/login", json=body))

    def refresh(self, cookie: str | None = None) -> requests.Response:
        """With the cookie this device has, or another (which it then does not keep)."""
        if cookie is not None:
            return self.with_cookie("/api/v1/auth/refresh", cookie)
        return self.keep(self.with_cookie("/api/v1/auth/refresh", self.cookie))

    def log_out(self, cookie: str | None = None) -> requests.Response:
        return self.with_cookie("/api/v1/auth/logout", cookie or self.cookie)

    def change_password(
        self, new: str, current: str | None = None
    ) -> requests.Response:
        body = {"current_password": current or self.password, "new_password": new}
        return self.call("POST", "/api/v1/users/me/change_password", json=body)

    def sessions(self) -> requests.Response:
        return self.call("GET", "/api/v1/auth/sessions")

    def end_session(self, sid: str) -> requests.Response:
        return self.call("DELETE", f"/api/v1/auth/sessions/{sid}")

    def log_out_all(self, keep_current: bool = False) -> requests.Response:
        """As a browser does: the cookie goes along."""
        return self.call(
            "POST",
            "/api/v1/auth/logout_all",
            json={"keep_current": keep_current},
            headers={"Cookie": f"refresh_token={self.cookie}"},
        )

    def call(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> requests.Response:
        """With the access token."""
        headers = {"Authorization": f"Bearer {self.access}", **(headers or {})}
        url = self.system.gateway_url + path
        return self.request(method, url, headers=headers, **kwargs)

    def me(self, token: str | None = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {token or self.access}"}
        url = f"{self.system.gateway_url}/api/v1/users/me"
        return self.request("GET", url, headers=headers)

    def verify(self, token: str | None = None) -> requests.Response:
        """As another service asks: directly, with an API key."""
        body = {"token": token or self.access}
        return internal(self.system, "POST", "/api/v1/auth/verify_token", json=body)

    def post(self, path: str, **kwargs: Any) -> requests.Response:
        url = self.system.gateway_url + path
        return self.request("POST", url, **kwargs)

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        found: requests.Response = self.http.request(
            method, url, timeout=TIMEOUT, **kwargs
        )
        return found

    def with_cookie(self, path: str, cookie: str) -> requests.Response:
        return self.post(path, headers={"Cookie": f"refresh_token={cookie}"})

    def keep(self, response: requests.Response) -> requests.Response:
        """Remember what a log-in or refresh gave."""
        if response.ok:
            self.access = response.json()["access_token"]
            self.cookie = cookie_of(response) or self.cookie
        return response


def internal(
    system: System,
    method: str,
    path: str,
    headers: dict[str, str] | None = None,
    **kwargs: Any,
) -> requests.Response:
    """Call a service directly; as the service that may, unless `headers` say else."""
    service = path.split("/")[3]
    base = system.auth_url if service == "auth" else system.users_url
    if headers is None:
        headers = {"X-Internal-Api-Key": system.api_key(service)}
    return requests.request(
        method, base + path, headers=headers, timeout=TIMEOUT, **kwargs
    )


def cookie_of(response: requests.Response) -> str | None:
    """The refresh token an answer sets; "" where it clears it, None where neither."""
    cookies = SimpleCookie(response.headers.get("Set-Cookie", ""))
    morsel = cookies.get("refresh_token")
    return None if morsel is None else morsel.value


def claims_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def code_of(response: requests.Response) -> str:
    """The `code` of a problem, which must be one."""
    assert response.headers["Content-Type"] == "application/problem+json", response.text
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["request_id"] == response.headers["X-Request-ID"]
    code: str = problem["code"]
    return code
