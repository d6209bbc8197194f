"""Challenges of the admin that wait for an answer, without a session. Each is a row and
a signed cookie that names it. A copy of the database does not contain the cookie."""

from datetime import timedelta
from enum import StrEnum
from secrets import token_bytes
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.db.models import F, Q
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from shared.db.functions import ClockTimestamp
from users.factors.models import Challenge

COOKIE = "memo_admin_challenge"
SALT = "users.admin.challenges"
ANONYMOUS_SALT = "users.admin.challenges.anonymous"
CHALLENGE_BYTES = 32
LIFETIME = timedelta(minutes=5)
MOST_ATTEMPTS = 5
LIVE = Q(used_at=None, attempts__lt=MOST_ATTEMPTS, expires_at__gt=ClockTimestamp())
# Only staff who are still present, and whose sessions have not ended since, may answer.
SAME_USER = Q(
    user__session_epoch=F("session_epoch"),
    user__is_active=True,
    user__is_staff=True,
    user__deleted_at=None,
)


class Use(StrEnum):
    """The purpose of the answer. A challenge for one is invalid for the other."""

    LOGIN = "login"  # after the password
    STEP_UP = "step_up"  # in a session


def create(user: Any) -> Challenge:
    return Challenge.objects.create(
        purpose=Challenge.Purpose.ADMIN_LOGIN,
        user=user,
        session_epoch=user.session_epoch,
        challenge=token_bytes(CHALLENGE_BYTES),
        expires_at=timezone.now() + LIFETIME,
    )


def set_cookie(response: HttpResponseBase, use: Use, challenge: Challenge) -> None:
    """Have the browser refer to this challenge, for this use."""
    response.set_signed_cookie(
        COOKIE,
        str(challenge.pk),
        salt=salt_of(use),
        max_age=LIFETIME,
        path=settings.SESSION_COOKIE_PATH,
        secure=settings.COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )


def find(request: HttpRequest, use: Use) -> Any:
    """The live challenge that the browser refers to, with its user, or None."""
    rows = Challenge.objects.select_related("user").filter(SAME_USER)
    return rows.filter(LIVE, pk=pk_of(request, use)).first()


def attempt(request: HttpRequest, use: Use) -> Any:
    """Like `find`, and counts an answer before it is checked: of a hundred at once,
    five are checked."""
    rows = Challenge.objects.filter(LIVE, pk=pk_of(request, use))
    if not rows.update(attempts=F("attempts") + 1):
        return None
    counted = Challenge.objects.select_related("user").filter(SAME_USER)
    return counted.filter(pk=pk_of(request, use)).first()


def consume(challenge: Challenge) -> bool:
    """Use it up: of any number of calls at once, one succeeds."""
    rows = Challenge.objects.filter(pk=challenge.pk, used_at=None)
    return bool(rows.update(used_at=ClockTimestamp()))


def delete_cookie(response: HttpResponseBase) -> None:
    response.delete_cookie(COOKIE, path=settings.SESSION_COOKIE_PATH)


def pk_of(request: HttpRequest, use: Use) -> Any:
    """The id in the cookie. None if we have not signed it, or for another use."""
    pk = request.get_signed_cookie(COOKIE, default=None, salt=salt_of(use))
    return pk and UUID(pk)


def salt_of(use: Use) -> str:
    return f"{SALT}.{use}"


def sign_anonymous() -> tuple[bytes, str]:
    """A challenge for passkeys of any user, and a signed text of it. It has no row,
    since every stranger who opens the login page gets one."""
    challenge = token_bytes(CHALLENGE_BYTES)
    return challenge, signing.dumps(challenge.hex(), salt=ANONYMOUS_SALT)


def read_anonymous(text: str) -> bytes | None:
    """The challenge. None if we have not signed it, or more than five minutes ago."""
    try:
        signed = signing.loads(text, salt=ANONYMOUS_SALT, max_age=LIFETIME)
        return bytes.fromhex(signed)
    except signing.BadSignature:
        return None


def use_anonymous(challenge: bytes, user: Any) -> bool:
    """Use it up: of any number of calls at once, the one that adds the row succeeds."""
    used = timezone.now()
    times = {"used_at": used, "expires_at": used + LIFETIME}
    purpose, key = Challenge.Purpose.ADMIN_PASSKEY, UUID(bytes=challenge[:16])
    row = {"purpose": purpose, "challenge": challenge, "user": user, **times}
    return Challenge.objects.get_or_create(pk=key, defaults=row)[1]
