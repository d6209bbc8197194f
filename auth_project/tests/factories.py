"""Sessions as the database may hold them."""

import uuid
from datetime import timedelta

import factory
from django.utils import timezone

from tokens.models import PendingLogin, Session


def ago(**period: float) -> factory.LazyFunction:
    """A time in the past; in the future with negative periods."""
    return factory.LazyFunction(lambda: timezone.now() - timedelta(**period))


class SessionFactory(factory.django.DjangoModelFactory[Session]):
    """A session that was opened a minute ago and never refreshed."""

    class Meta:
        model = Session

    class Params:
        # Refreshed so many seconds ago; `previous_jti` is the token of the login.
        rotated = factory.Trait(
            rotated_at=ago(seconds=2), previous_jti=factory.LazyFunction(uuid.uuid4)
        )
        revoked = factory.Trait(revoked_at=ago(seconds=5), revoked_reason="logout")
        expired = factory.Trait(expires_at=ago(seconds=1))

    user_id = factory.LazyFunction(uuid.uuid4)
    user_epoch = 0
    jti = factory.LazyFunction(uuid.uuid4)
    created_at = ago(minutes=1)
    last_used_at = factory.SelfAttribute("created_at")
    expires_at = ago(days=-30)
    absolute_expires_at = factory.SelfAttribute("expires_at")
    user_agent = "factory"
    ip = "192.0.2.1"


class PendingLoginFactory(factory.django.DjangoModelFactory[PendingLogin]):
    """A login that began a minute ago and waits for its second factor."""

    class Meta:
        model = PendingLogin

    digest = factory.LazyFunction(lambda: uuid.uuid4().bytes)
    purpose = PendingLogin.Purpose.SECOND_FACTOR
    user_id = factory.LazyFunction(uuid.uuid4)
    challenge = b"a challenge"
    created_at = ago(minutes=1)
    expires_at = ago(minutes=-4)
