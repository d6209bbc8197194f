"""Codes by time (RFC 6238): SHA-1, six digits, thirty seconds, as in all apps."""

import re
import time
from secrets import compare_digest
from uuid import UUID

import segno
from django.conf import settings
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe
from pyotp import TOTP

from users.factors import secrets
from users.factors.models import Factor, Type

PERIOD = 30  # seconds
# Steps before and after: clocks differ, and typing takes time (RFC 6238, section 5.2).
WINDOW = (0, -1, 1)
CODE = re.compile(r"[0-9]{6}")


def uri(secret: str, account: str) -> str:
    """The URI that an app reads from a QR code."""
    issuer = settings.WEBAUTHN_RP_ID
    return TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)


def qr_code(uri: str) -> SafeString:
    """The QR code as inline SVG, which needs no script, style or other file."""
    image = segno.make_qr(uri, error="m").svg_inline(scale=5, light="#fff")
    return mark_safe(image)  # noqa: S308 (of shapes alone)


def use(user_id: UUID, code: str) -> bool:
    """Whether this is an unused code of the user's confirmed TOTP. It and all earlier
    ones are used up then: of any number of calls at once, one succeeds."""
    factor = find(user_id)
    return factor is not None and spend(factor, code)


def is_used(user_id: UUID, code: str) -> bool:
    """Whether this is the last code that `use` accepted, and still within WINDOW."""
    factor = find(user_id)
    if factor is None or not factor.last_step:
        return False
    return factor.last_step == step_of(secrets.decrypt(factor), code)


def find(user_id: UUID) -> Factor | None:
    return Factor.objects.filter(
        user=user_id, type=Type.TOTP, confirmed_at__isnull=False
    ).first()


def spend(factor: Factor, code: str) -> bool:
    """Like `use`, for this factor."""
    step = step_of(secrets.decrypt(factor), code)
    unused = Factor.objects.filter(pk=factor.pk, last_step__lt=step)
    now = timezone.now()
    return bool(step and unused.update(last_step=step, last_used_at=now))


def step_of(secret: str, code: str) -> int:
    """The time step of this code if it is within WINDOW of now, else 0."""
    code = code.replace(" ", "")
    if not CODE.fullmatch(code):
        return 0
    now = int(time.time()) // PERIOD
    right = [
        now + offset
        for offset in WINDOW
        if compare_digest(TOTP(secret).generate_otp(now + offset), code)
    ]
    return max(right, default=0)
