"""A user has lost all factors, and an operator asks for their reset."""

import pytest
from django.utils import timezone

from tests.factories import UserFactory
from tests.factors.resets.rows import REASON
from tests.factors.rows import with_factors
from users.factors import resets


@pytest.fixture(autouse=True)
def _delay(settings):
    settings.FACTOR_RESET_DELAY = 24 * 3600


@pytest.fixture
def ada():
    now = timezone.now()
    user = UserFactory(email="ada@example.org", username="ada", email_verified_at=now)
    return with_factors(user)


@pytest.fixture
def asked(ada):
    """Ada, whose factors are to be reset."""
    resets.request(ada, "operator", REASON)
    return ada
