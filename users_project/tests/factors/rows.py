"""Rows of factors, for tests that use none."""

from django.utils import timezone

from users.factors.models import Challenge, Factor, FactorReset, RecoveryCode
from users.models import User

NOW = timezone.now()
TOTP = {"type": "totp", "secret": b"s", "last_step": 0}
PASSKEY = {
    **{"type": "passkey", "credential_id": b"i", "public_key": b"k"},
    **{"user_handle": b"h", "sign_count": 0, "transports": [], "backed_up": False},
}


def with_factors(user, name="phone", *, waits=False):
    """The user, with a row in each table; in that of resets where one `waits`."""
    Factor.objects.create(user=user, name=name, confirmed_at=NOW, **TOTP)
    RecoveryCode.objects.create(user=user, digest=b"d")
    times = {"expires_at": NOW, "challenge": b"c"}
    Challenge.objects.create(user=user, purpose="register", **times)
    if waits:
        asked = {"operator": str(user.pk), "reason": name, "due_at": NOW}
        FactorReset.objects.create(user=user, **asked)
    return user


def without_password(user):
    """The user, who has dropped the password and logs in with a passkey."""
    User.objects.filter(pk=user.pk).update(password="!unusable")
    Factor.objects.create(user=user, confirmed_at=NOW, **PASSKEY)
    return user


def tables_of(user):
    """How many rows: factors, recovery codes, challenges, resets."""
    models = (Factor, RecoveryCode, Challenge, FactorReset)
    return [model.objects.filter(user=user).count() for model in models]
