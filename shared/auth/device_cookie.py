"""The device cookie (OWASP, Slow Down Online Guessing Attacks with Device Cookies).

It says which accounts have logged in from this browser. The User Service signs it and
alone can read it; the Auth Service carries its text between them and the browser.
"""

import re
import secrets
import time
from typing import Any, NamedTuple

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponseBase

SALT = "shared.auth.device_cookie"
LIFETIME = 365 * 24 * 3600  # seconds
TRUST = 30 * 24 * 3600  # seconds
MOST_ACCOUNTS = 5
TEXT = re.compile(r"[A-Za-z0-9_:=-]{1,1024}")


class Device(NamedTuple):
    """That the account `user_id`, with the password of `password_epoch`, has logged in
    here. `id` is random, and what this device is counted by. Until `trusted_until` it
    is not asked for a second factor, unless sessions have ended since `trust_epoch`."""

    user_id: str
    password_epoch: int
    id: str
    trusted_until: int = 0
    trust_epoch: int = 0


def devices(text: str) -> list[Device]:
    """What the text says, the last login first; nothing where we have not signed it, or
    more than a year ago."""
    try:
        entries = signing.loads(text, salt=SALT, max_age=LIFETIME)
    except signing.BadSignature:
        return []
    return [Device(*entry) for entry in entries]


def find(text: str, user: Any) -> Device | None:
    """The device of this user, if the password is still the one of then."""
    account = (str(user.pk), user.password_epoch)
    return next((each for each in devices(text) if each[:2] == account), None)


def is_trusted(text: str, user: Any) -> bool:
    """Whether the user has said here, at a login with a second factor, that it is not
    to be asked for again. Ending all sessions withdraws it."""
    device = find(text, user)
    return (
        device is not None
        and device.trusted_until > time.time()
        and device.trust_epoch == user.session_epoch
    )


def renew(text: str, user: Any, *, trust: bool = False) -> str:
    """The text after a login: this user first, with the device's id if it had one."""
    new = Device(str(user.pk), user.password_epoch, secrets.token_urlsafe(12))
    device = find(text, user) or new
    if trust:
        until = int(time.time()) + TRUST
        device = device._replace(trusted_until=until, trust_epoch=user.session_epoch)
    others = [each for each in devices(text) if each.user_id != device.user_id]
    return signing.dumps([device, *others][:MOST_ACCOUNTS], salt=SALT)


def name() -> str:
    """Its name: browsers refuse `__Secure-` over plain http."""
    return "__Secure-device" if settings.COOKIE_SECURE else "device"


def read(request: HttpRequest) -> str:
    """The text that the browser sent; empty if it is doubled or malformed, since no
    cookie makes a login fail."""
    pairs = request.META.get("HTTP_COOKIE", "").split(";")
    values = [v for n, _, v in (p.strip().partition("=") for p in pairs) if n == name()]
    return values[0] if len(values) == 1 and TEXT.fullmatch(values[0]) else ""


def write(response: HttpResponseBase, text: str) -> None:
    """Set the cookie, for a year from now: the API, the admin and the account pages
    check the same passwords. The gateway passes it on to these alone."""
    response.set_cookie(
        name(),
        text,
        max_age=LIFETIME,
        path="/",
        secure=settings.COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )
