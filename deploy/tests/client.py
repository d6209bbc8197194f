"""The one HTTP client of the suites, and users of the system.

Cookies are carried by hand: `http.cookiejar` keeps a Secure cookie but does not send it
to http://localhost, and it would hide which request sets or clears what. Where single
bytes matter, see `wire`.
"""

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.cookiejar import DefaultCookiePolicy
from http.cookies import SimpleCookie
from typing import Any, TypeVar

import jwt
import requests
import urllib3
from requests.structures import CaseInsensitiveDict

from deploy.tests import mailed_links
from deploy.tests.stack import System, wait_until
from deploy.tests.worker_queue import Queue

TIMEOUT = 25  # seconds; the gateway gives up on a service after 15
PASSWORD = "correct horse battery staple"
PROBLEM = "application/problem+json"
REGISTER, LOGIN = "/api/v1/users/", "/api/v1/auth/login"
REFRESH, LOGOUT = "/api/v1/auth/refresh", "/api/v1/auth/logout"
LOGOUT_ALL = "/api/v1/auth/logout_all"
ME, SESSIONS = "/api/v1/users/me", "/api/v1/auth/sessions"
CHANGE_PASSWORD, EXPORT = f"{ME}/change_password", f"{ME}/export"
RESTORE = "/api/v1/users/restore"
VERIFY = "/api/v1/auth/verify_token"

Answer = TypeVar("Answer")


class Response(requests.Response):
    """A response whose headers can be asked for one by one."""

    @classmethod
    def of(
        cls, status: int, headers: Iterable[tuple[str, str]], body: bytes
    ) -> "Response":
        """From what came over the wire."""
        found = cls()
        found.status_code, found._content = status, body
        found.raw = urllib3.HTTPResponse(headers=urllib3.HTTPHeaderDict(headers))
        found.headers = CaseInsensitiveDict(found.raw.headers)
        return found

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Every header; one that is repeated as often as it came."""
        return list(self.raw.headers.items())

    def all(self, name: str) -> list[str]:
        return self.raw.headers.getlist(name)

    def one(self, name: str) -> str:
        """The value of a header that came exactly once."""
        values = self.all(name)
        assert len(values) == 1, f"{name}: {values}"
        return values[0]


class ApiClient(requests.Session):
    """Sends requests to one address. A connection is kept open where that is asked."""

    def __init__(self, base: str = "", *, keep_alive: bool = False) -> None:
        super().__init__()
        self.base = base
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        if not keep_alive:
            self.headers["Connection"] = "close"

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> Response:
        url = self.base + url if url.startswith("/") else url
        kwargs = {"timeout": TIMEOUT, "allow_redirects": False, **kwargs}
        found = super().request(method, url, *args, **kwargs)
        found.__class__ = Response
        return found  # type: ignore[return-value]


class TestUser:
    """A user with an account, on one device."""

    __test__ = False

    def __init__(self, system: System, name: str | None = None) -> None:
        self.system = system
        self.name = name or f"p{secrets.token_hex(6)}"
        self.email = f"{self.name}@example.org"
        self.password = PASSWORD
        self.cookie_name, self.cookie = "refresh_token", ""
        self.access = ""
        self.http: Any = ApiClient()

    @property
    def sid(self) -> str:
        return str(claims_of(self.access)["sid"])

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"}

    def cookie_header(self, value: str | None = None) -> dict[str, str]:
        value = self.cookie if value is None else value
        return {"Cookie": f"{self.cookie_name}={value}"}

    def on_another_device(self) -> "TestUser":
        """The same user, logged in there."""
        device = TestUser(self.system, self.name)
        device.password = self.password
        assert device.log_in().ok
        return device

    # ---- Acts --------------------------------------------------------------------

    def register(self, **more: Any) -> Response:
        body = {"username": self.name, "email": self.email, "password": self.password}
        return self.post(REGISTER, json={**body, **more})

    def log_in(self, **more: Any) -> Response:
        body = {"email": self.email, "password": self.password}
        return self.keep(self.post(LOGIN, json=body, **more))

    def refresh(self, cookie: str | None = None) -> Response:
        """With the cookie of this device, or with another, which it does not keep."""
        response = self.post(REFRESH, self.cookie_header(cookie))
        return self.keep(response) if cookie is None else response

    def log_out(self) -> Response:
        return self.post(LOGOUT, self.cookie_header())

    def change_password(self, new: str, current: str | None = None) -> Response:
        body = {"current_password": current or self.password, "new_password": new}
        return self.call("POST", CHANGE_PASSWORD, json=body)

    def delete(self) -> Response:
        """The account."""
        return self.call("DELETE", ME, json={"current_password": self.password})

    def restore(self) -> Response:
        """The account, by the link in the mail."""
        token = mailed_links.token_of(self.system, self.email, "restore")
        return self.post(RESTORE, json={"token": token})

    def be_erased(self) -> str:
        """The fourteen days of the deleted account are over; its id."""
        due = "UPDATE users_user SET delete_after = now()"
        due += " WHERE email_canonical = %s RETURNING id"
        ((identifier,),) = self.system.query("users", due, self.email)
        queue = Queue(self.system)
        queue.wait(queue.defer("erase_users"))
        rows = "SELECT FROM tokens_session WHERE user_id = %s"
        ask = self.system.query
        wait_until(lambda: not ask("auth", rows, identifier), 10, "erasure in auth")
        return str(identifier)

    def export(self) -> Response:
        return self.call("GET", EXPORT)

    def sessions(self) -> Response:
        return self.call("GET", SESSIONS)

    def end_session(self, sid: str) -> Response:
        return self.call("DELETE", f"{SESSIONS}/{sid}")

    def log_out_all(self, keep_current: bool = False) -> Response:
        """As a browser does: with the cookie."""
        body, headers = {"keep_current": keep_current}, self.cookie_header()
        return self.call("POST", LOGOUT_ALL, json=body, headers=headers)

    def me(self, token: str | None = None) -> Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.call("GET", ME, headers=headers)

    def verify(self, token: str | None = None) -> Response:
        """As another service asks: directly, with an API key."""
        return internal(
            self.system, "POST", VERIFY, json={"token": token or self.access}
        )

    # ---- Requests ----------------------------------------------------------------

    def call(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> Response:
        """With the access token."""
        return self.send(method, path, {**self.bearer, **(headers or {})}, **kwargs)

    def post(
        self, path: str, headers: dict[str, str] | None = None, **kwargs: Any
    ) -> Response:
        return self.send("POST", path, headers or {}, **kwargs)

    def send(
        self, method: str, path: str, headers: dict[str, str], **kwargs: Any
    ) -> Response:
        """Through the gateway."""
        url = self.system.gateway_url + path
        return self.http.request(method, url, headers=headers, **kwargs)

    def keep(self, response: Response) -> Response:
        """Remember what a login or a refresh gave."""
        if response.ok:
            self.access = response.json()["access_token"]
            for name, value in cookies_of(response).items():
                self.cookie_name, self.cookie = name, value
        return response


def whole_job(user: TestUser) -> bool:
    """Whether the main job works: register, log in, me, verify, refresh, log out."""
    steps = (user.register, user.log_in, user.me, user.verify)
    return all(step().ok for step in (*steps, user.refresh, user.log_out))


def at_once(calls: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """Make the calls in as many threads, started together."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def is_revoked(user: TestUser) -> bool:
    """Whether the access token is refused: by the User Service, which asks Redis first,
    and by the Auth Service, by itself and when other services ask."""
    responses = (user.me(), user.sessions(), user.verify())
    assert {r.status_code for r in responses} <= {200, 401}, [r.text for r in responses]
    return all(not r.ok and code_of(r) == "token_revoked" for r in responses)


def assert_revoked(user: TestUser, within: float = 1, then_for: float = 0) -> None:
    """Refused after so many seconds at most, and for so many more."""
    wait_until(lambda: is_revoked(user), within, "refusal of the access token")
    until = time.monotonic() + then_for
    while time.monotonic() < until:
        assert is_revoked(user), "a revoked token is accepted again"
        time.sleep(0.25)
    assert code_of(user.refresh()) == "token_revoked"


def assert_valid(user: TestUser) -> None:
    """The session continues: its access token is good, and so is its refresh token."""
    for act in (user.me, user.sessions, user.verify, user.refresh):
        response = act()
        assert response.status_code == 200, response.text


def internal(
    system: System,
    method: str,
    path: str,
    headers: dict[str, str] | None = None,
    **kwargs: Any,
) -> Response:
    """Call a service directly; as the service that may, unless `headers` say else."""
    service = path.split("/")[3]
    base = system.auth_url if service == "auth" else system.users_url
    if headers is None:
        headers = {"X-Internal-Api-Key": system.api_key(service)}
    return ApiClient(base).request(method, path, headers=headers, **kwargs)


# ---- What a response says --------------------------------------------------------


def cookies_of(response: requests.Response) -> dict[str, str]:
    """Name and value of the refresh cookie that is set; the value "" clears it."""
    found = {}
    for line in response.raw.headers.getlist("Set-Cookie"):
        for name, morsel in SimpleCookie(line).items():
            if name.endswith("refresh_token"):
                found[name] = morsel.value
    return found


def cookie_of(response: requests.Response) -> str | None:
    """The refresh token that is set; "" where it is cleared, None where neither."""
    return next(iter(cookies_of(response).values()), None)


def claims_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def problem_of(response: requests.Response) -> dict[str, Any]:
    """The problem (RFC 9457) in a response, which must be one."""
    assert response.headers["Content-Type"] == PROBLEM, response.text
    problem: dict[str, Any] = response.json()
    assert problem["status"] == response.status_code
    assert problem["request_id"] == response.headers["X-Request-ID"]
    return problem


def code_of(response: requests.Response) -> str:
    """The `code` of a problem."""
    return str(problem_of(response)["code"])


def refused(response: requests.Response, status: int, *codes: str) -> None:
    """Fails unless the response is a problem of this status, with one of the codes."""
    assert response.status_code == status, (response.status_code, response.text[:500])
    assert code_of(response) in codes, response.text[:500]


def same_but_for_the_id(*responses: Response) -> bool:
    """Whether the responses are equal byte for byte, headers too, but for the request
    id and the time."""
    seen = []
    for response in responses:
        own = {"date", "x-request-id"}
        headers = [(n, v) for n, v in response.pairs if n.lower() not in own]
        body = response.content.replace(response.one("X-Request-ID").encode(), b"")
        seen.append((response.status_code, headers, body))
    return all(each == seen[0] for each in seen)
