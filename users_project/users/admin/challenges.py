"""The admin's challenges for a second factor, without a session: a row, and a signed
cookie that refers to it. A copy of the database does not contain the cookie."""

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
# Accept an answer only if the user may still use the admin and has the same epoch.
SAME_USER = Q(
    user__session_epoch=F("session_epoch"),
    user__is_active=True,
    user__is_staff=True,
    user__deleted_at=None,
)


class Use(StrEnum):
    """The purpose of a challenge. A challenge is not valid for the other purpose."""

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
    """Set the cookie that refers to this challenge, for this use only."""
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
    """As `find`, but count an attempt before the answer is checked: of a hundred
    answers at once, five are checked."""
    rows = Challenge.objects.filter(LIVE, pk=pk_of(request, use))
    if not rows.update(attempts=F("attempts") + 1):
        return None
    counted = Challenge.objects.select_related("user").filter(SAME_USER)
    return counted.filter(pk=pk_of(request, use)).first()


def consume(challenge: Challenge) -> bool:
    """Use up the challenge. Of any number of calls at once, one returns True."""
    rows = Challenge.objects.filter(pk=challenge.pk, used_at=None)
    return bool(rows.update(used_at=ClockTimestamp()))


def delete_cookie(response: HttpResponseBase) -> None:
    response.delete_cookie(COOKIE, path=settings.SESSION_COOKIE_PATH)


def pk_of(request: HttpRequest, use: Use) -> Any:
    """The challenge's id in the cookie. None if it is not signed for this use."""
    pk = request.get_signed_cookie(COOKIE, default=None, salt=salt_of(use))
    return pk and UUID(pk)


def salt_of(use: Use) -> str:
    return f"{SALT}.{use}"


def sign_anonymous() -> tuple[bytes, str]:
    """A challenge for the passkeys of any user, and its signed text. It has no row,
    since every client of the login page gets one."""
    challenge = token_bytes(CHALLENGE_BYTES)
    return challenge, signing.dumps(challenge.hex(), salt=ANONYMOUS_SALT)


def read_anonymous(text: str) -> bytes | None:
    """The challenge of a text that we signed within five minutes, or None."""
    try:
        signed = signing.loads(text, salt=ANONYMOUS_SALT, max_age=LIFETIME)
        return bytes.fromhex(signed)
    except signing.BadSignature:
        return None


def use_anonymous(challenge: bytes, user: Any) -> bool:
    """Use up the challenge by adding its row. Of calls at once, one returns True."""
    used = timezone.now()
    times = {"used_at": used, "expires_at": used + LIFETIME}
    purpose, key = Challenge.Purpose.ADMIN_PASSKEY, UUID(bytes=challenge[:16])
    row = {"purpose": purpose, "challenge": challenge, "user": user, **times}
    return Challenge.objects.get_or_create(pk=key, defaults=row)[1]
