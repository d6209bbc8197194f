"""What waits for an answer in the admin, without a session: a row, and a signed cookie
that refers to it. A copy of the database has no cookie."""

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
# The answer is taken of users alone who may still be here, as they were then.
SAME_USER = Q(
    user__session_epoch=F("session_epoch"),
    user__is_active=True,
    user__is_staff=True,
    user__deleted_at=None,
)


class Use(StrEnum):
    """What the answer is for. A challenge of one is none of another."""

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
    """The same, with an answer counted before it is looked at: of a hundred at once,
    five are."""
    rows = Challenge.objects.filter(LIVE, pk=pk_of(request, use))
    if not rows.update(attempts=F("attempts") + 1):
        return None
    counted = Challenge.objects.select_related("user").filter(SAME_USER)
    return counted.filter(pk=pk_of(request, use)).first()


def consume(challenge: Challenge) -> bool:
    """Use it up: of any number at once, one succeeds."""
    rows = Challenge.objects.filter(pk=challenge.pk, used_at=None)
    return bool(rows.update(used_at=ClockTimestamp()))


def delete_cookie(response: HttpResponseBase) -> None:
    response.delete_cookie(COOKIE, path=settings.SESSION_COOKIE_PATH)


def pk_of(request: HttpRequest, use: Use) -> Any:
    """By the cookie; None where we have not signed it, or for another use."""
    pk = request.get_signed_cookie(COOKIE, default=None, salt=salt_of(use))
    return pk and UUID(pk)


def salt_of(use: Use) -> str:
    return f"{SALT}.{use}"


def sign_anonymous() -> tuple[bytes, str]:
    """A challenge for the passkeys of anybody, and the text that says it is ours. No
    row: every stranger who looks at the login page gets one."""
    challenge = token_bytes(CHALLENGE_BYTES)
    return challenge, signing.dumps(challenge.hex(), salt=ANONYMOUS_SALT)


def read_anonymous(text: str) -> bytes | None:
    """The challenge; None where it is not ours, or older than five minutes."""
    try:
        signed = signing.loads(text, salt=ANONYMOUS_SALT, max_age=LIFETIME)
        return bytes.fromhex(signed)
    except signing.BadSignature:
        return None


def use_anonymous(challenge: bytes, user: Any) -> bool:
    """Use it up: of any number at once, one succeeds, whose row is the first."""
    used = timezone.now()
    times = {"used_at": used, "expires_at": used + LIFETIME}
    purpose, key = Challenge.Purpose.ADMIN_PASSKEY, UUID(bytes=challenge[:16])
    row = {"purpose": purpose, "challenge": challenge, "user": user, **times}
    return Challenge.objects.get_or_create(pk=key, defaults=row)[1]
