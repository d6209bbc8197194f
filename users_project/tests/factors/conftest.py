import pytest

from shared.testing.authenticator import Authenticator
from tests.factories import UserFactory
from users.factors import registration

ORIGIN = "https://memo.example"


@pytest.fixture(autouse=True)
def _site(settings):
    settings.WEBAUTHN_RP_ID = "memo.example"
    settings.WEBAUTHN_ORIGINS = [ORIGIN]


@pytest.fixture
def authenticator():
    """A security key, whose counter counts."""
    return Authenticator(ORIGIN, "memo.example", count=1)


@pytest.fixture
def passkey(ada, authenticator):
    """The passkey of Ada's that is in this authenticator."""
    return registered(ada, authenticator)


def registered(user, authenticator):
    answer = authenticator.create(registration.options(user))
    factor = registration.register(user, answer, "key")
    factor.save()
    return factor


@pytest.fixture
def other():
    """Another user with a passkey, and its authenticator."""
    user, theirs = UserFactory(), Authenticator(ORIGIN, "memo.example", count=1)
    registered(user, theirs)
    return user, theirs
