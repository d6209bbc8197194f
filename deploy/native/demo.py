"""`demo`: the main job of the product, request by request, against the gateway."""

import secrets

from . import addresses, configure, running, secretfiles
from .files import read_text
from .layout import Layout
from .problems import Problem
from .services import discover
from .walk import Walk

BASE = "/api/v1"


def run(layout: Layout) -> None:
    """Raises a Problem at the first answer that is not the expected one."""
    if not running.is_running(layout):
        raise Problem("The stack is not running.", hint=f"{layout.command} up")
    gateway = Walk(configure.public_url(layout))
    token, cookie = _come_in(gateway)
    asks = "Another service asks the Auth Service itself, with an API key"
    _verify(layout, asks, token, expect=200)
    cookie, token = _refresh(gateway, cookie)
    gateway.step(
        "Log out",
        "POST",
        f"{BASE}/auth/logout",
        expect=200,
        headers={"Cookie": cookie},
    )
    refused = "From now on every token of the session is refused"
    _verify(layout, refused, token, expect=401, code="token_revoked")
    _is_refused(gateway, token, cookie)
    print("memo: everything answered as it should")


def _come_in(gateway: Walk) -> tuple[str, str]:
    """Register, log in, look; returns the access token and the refresh cookie."""
    name = f"demo-{secrets.token_hex(4)}"
    password = secrets.token_urlsafe(12)
    person = {"username": name, "email": f"{name}@example.com", "password": password}
    gateway.step("Register", "POST", f"{BASE}/users/", expect=201, body=person)
    login = {"email": person["email"], "password": password}
    path = f"{BASE}/auth/login"
    answer = gateway.step("Log in", "POST", path, expect=200, body=login)
    token = answer.body["access_token"]
    headers = _bearer(token)
    gateway.step("Who am I?", "GET", f"{BASE}/users/me", expect=200, headers=headers)
    return token, answer.cookie()


def _refresh(gateway: Walk, cookie: str) -> tuple[str, str]:
    """Returns the cookie to use from now on, and the new access token."""
    answer = gateway.step(
        "Refresh: the cookie is rotated",
        "POST",
        f"{BASE}/auth/refresh",
        expect=200,
        headers={"Cookie": cookie},
    )
    return answer.cookie() or cookie, answer.body["access_token"]


def _verify(
    layout: Layout, title: str, token: str, *, expect: int, code: str = ""
) -> None:
    """Verification is internal: the gateway hides it, so this goes to the service
    itself, as the User Service does."""
    auth, caller = (
        next(found for found in discover(layout.root) if found.name == name)
        for name in ("auth", "users")
    )
    key = layout.secrets / secretfiles.key_name(caller.name, auth.name)
    port = addresses.written_port(layout, auth)
    Walk(f"http://{addresses.LOOPBACK}:{port}").step(
        title,
        "POST",
        f"{BASE}/auth/verify_token",
        expect=expect,
        code=code,
        body={"token": token},
        headers={"X-Internal-Api-Key": read_text(key).strip()},
    )


def _is_refused(gateway: Walk, token: str, cookie: str) -> None:
    gateway.step(
        "The access token, too",
        "GET",
        f"{BASE}/users/me",
        expect=401,
        code="token_revoked",
        headers=_bearer(token),
    )
    gateway.step(
        "And the refresh cookie",
        "POST",
        f"{BASE}/auth/refresh",
        expect=401,
        code="token_revoked",
        headers={"Cookie": cookie},
    )


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
