from uuid import uuid4

import pytest

from shared.tests.authenticator import Authenticator
from tests.factories import UserFactory
from users.factors import recovery_codes, registration

ORIGIN = "https://memo.example"


@pytest.fixture(autouse=True)
def _site(factor_site):
    """All tests here need it."""


@pytest.fixture
def me(ada, bearer):
    """Calls return Ada's client, in a session with these claims."""
    sid = str(uuid4())
    return lambda **claims: bearer(sub=str(ada.pk), **{"sid": sid, **claims})


@pytest.fixture
def authenticator():
    """A security key, whose counter counts."""
    return Authenticator(ORIGIN, "memo.example", count=1)


@pytest.fixture
def passkey(ada, authenticator):
    """The passkey of Ada's that is in this authenticator."""
    return registered(ada, authenticator)


def registered(user, authenticator):
    """The passkey. What the authenticator signs next has a higher count."""
    answer = authenticator.create(registration.options(user))
    factor = registration.register(user, answer, "key")
    factor.save()
    authenticator.count += authenticator.count > 0  # those at 0 do not count
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
