import pytest

from shared.testing.authenticator import Authenticator
from tests.factories import UserFactory
from users.factors import recovery_codes, registration, secrets

ORIGIN = "https://memo.example"


@pytest.fixture(autouse=True)
def _site(settings, tmp_path):
    settings.FACTOR_KEYS_DIR = tmp_path / "factor_keys"
    secrets.add_key()
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


@pytest.fixture
def prove(auth):
    """The answer to the Auth Service, which has a factor of a user checked."""

    def verify(user, **body):
        body = {"epoch": user.session_epoch, **body}
        return auth.post(f"/api/v1/users/{user.pk}/factors/verify", body)

    return verify


@pytest.fixture
def codes(ada):
    """Ada's recovery codes."""
    return recovery_codes.replace(ada.pk)
