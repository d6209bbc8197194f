"""One question and what came back: an answer, or none."""

import time
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from http.cookies import SimpleCookie
from typing import Any

import requests

from deploy.tests.users import TIMEOUT

NONE = 0  # the status where no answer came
COOKIES = ("refresh_token", "__Secure-refresh_token")  # over http, over https


@dataclass(frozen=True, eq=False)
class Answer:
    """What came back. Status 0, with the reason in `lost`, where nothing did."""

    kind: str
    begun: float
    ended: float
    status: int
    body: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)  # names in lower case
    cookie: str | None = None  # name=refresh token; "" where it is cleared
    lost: str = ""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def unknown(self) -> bool:
        """Whether it may or may not have been carried out."""
        return self.status == NONE or self.status >= 500

    @property
    def code(self) -> str:
        return str(self.body.get("code", ""))

    def __str__(self) -> str:
        what = self.lost or self.code
        cookie = {None: "", "": " (clears the cookie)"}.get(self.cookie, " (cookie)")
        took = 1000 * (self.ended - self.begun)
        return f"{self.kind:<16} {self.status:>3} {took:6.0f} ms  {what}{cookie}"


def connections() -> requests.Session:
    """Connections that stay open; cookies are carried by hand."""
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def ask(
    http: requests.Session, kind: str, method: str, url: str, **kwargs: Any
) -> Answer:
    """Ask once. Nothing is tried again here: that is the asker's to decide."""
    begun = time.monotonic()
    try:
        response = http.request(
            method, url, timeout=TIMEOUT, allow_redirects=False, **kwargs
        )
    except requests.RequestException as exc:
        return Answer(kind, begun, time.monotonic(), NONE, lost=type(exc).__name__)
    headers = {name.lower(): text for name, text in response.headers.items()}
    return Answer(
        kind,
        begun,
        time.monotonic(),
        response.status_code,
        body_of(response),
        headers,
        cookie_of(response),
    )


def body_of(response: requests.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def cookie_of(response: requests.Response) -> str | None:
    """The refresh cookie an answer sets, as it is sent back."""
    found = SimpleCookie(response.headers.get("Set-Cookie", ""))
    for name in COOKIES:
        if name in found:
            value = found[name].value
            return f"{name}={value}" if value else ""
    return None
