"""Rows of factors, for tests that use none."""

from django.utils import timezone

from users.factors.models import Challenge, Factor, FactorReset, RecoveryCode

NOW = timezone.now()
TOTP = {"type": "totp", "secret": b"s", "last_step": 0}


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


def tables_of(user):
    """How many rows: factors, recovery codes, challenges, resets."""
    models = (Factor, RecoveryCode, Challenge, FactorReset)
    return [model.objects.filter(user=user).count() for model in models]
