"""The device cookie (OWASP, Slow Down Online Guessing Attacks with Device Cookies).

It says which accounts have logged in from this browser. Only the User Service can sign
and verify it. The Auth Service passes its text between that service and the browser.
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
    """A login of the account `user_id`, with the password of `password_epoch`, in this
    browser. `id` is random; rate limits count by it. Until `trusted_until` no second
    factor is asked for, while the user's session epoch is still `trust_epoch`."""

    user_id: str
    password_epoch: int
    id: str
    trusted_until: int = 0
    trust_epoch: int = 0


def devices(text: str) -> list[Device]:
    """The devices in the cookie's text, the last login first. Empty if the text does
    not have our signature, or was signed more than a year ago."""
    try:
        entries = signing.loads(text, salt=SALT, max_age=LIFETIME)
    except signing.BadSignature:
        return []
    return [Device(*entry) for entry in entries]


def find(text: str, user: Any) -> Device | None:
    """This user's device, or None, also if the password has changed since."""
    account = (str(user.pk), user.password_epoch)
    return next((each for each in devices(text) if each[:2] == account), None)


def is_trusted(text: str, user: Any) -> bool:
    """Whether the user chose to trust this device at a login with a second factor.
    Ending all sessions withdraws the trust."""
    device = find(text, user)
    return (
        device is not None
        and device.trusted_until > time.time()
        and device.trust_epoch == user.session_epoch
    )


def renew(text: str, user: Any, *, trust: bool = False) -> str:
    """The text after a login: this user first. A known device keeps its id."""
    new = Device(str(user.pk), user.password_epoch, secrets.token_urlsafe(12))
    device = find(text, user) or new
    if trust:
        until = int(time.time()) + TRUST
        device = device._replace(trusted_until=until, trust_epoch=user.session_epoch)
    others = [each for each in devices(text) if each.user_id != device.user_id]
    return signing.dumps([device, *others][:MOST_ACCOUNTS], salt=SALT)


def name() -> str:
    """The cookie's name. Browsers refuse `__Secure-` over plain http."""
    return "__Secure-device" if settings.COOKIE_SECURE else "device"


def read(request: HttpRequest) -> str:
    """The text that the browser sent. Empty if it was sent twice or is malformed, as no
    cookie may make a login fail."""
    pairs = request.META.get("HTTP_COOKIE", "").split(";")
    # No other space: a browser takes "\xa0a" for another name than "a".
    split = [pair.strip(" \t").partition("=") for pair in pairs]
    values = [value for key, _, value in split if key == name()]
    return values[0] if len(values) == 1 and TEXT.fullmatch(values[0]) else ""


def write(response: HttpResponseBase, text: str) -> None:
    """Set the cookie for a year and all paths: the API, the admin and the account pages
    check the same passwords. The gateway passes it on to these only."""
    response.set_cookie(
        name(),
        text,
        max_age=LIFETIME,
        path="/",
        secure=settings.COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )
