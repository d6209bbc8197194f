"""The client other services use, talking to the real application over HTTP."""

import uuid

import pytest

from shared.api.exceptions import (
    DependencyUnavailable,
    InvalidCredentials,
    Overloaded,
    RateLimited,
    UserNotFound,
)
from shared.auth import device_cookie
from shared.clients import UsersClient
from tests.factories import EPOCH, PASSWORD, WRONG, UserFactory
from users import hashing_pool

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client(live_server, settings):
    users = UsersClient(live_server.url, dict(settings.INTERNAL_API_KEYS)["auth"])
    yield users
    users.session().close()


@pytest.fixture
def ada():
    return UserFactory(email="Ada@example.org", username="Ada", roles=["editor"])


def test_verify_returns_what_a_login_needs(client, ada):
    for login in ({"email": "ada@example.org"}, {"username": "ada"}):
        user = client.verify({**login, "password": PASSWORD})
        assert device_cookie.find(user.pop("device"), ada)
        assert user == {
            "sub": str(ada.pk),
            "email": "Ada@example.org",
            "username": "Ada",
            "roles": ["editor"],
            "session_epoch": EPOCH,
        }


def test_verify_passes_refusals_on(client, ada, limited):
    limited(LOGIN_LIMIT_NAME="1/hour")
    credentials = {"email": "ada@example.org", "password": WRONG}
    with pytest.raises(InvalidCredentials):
        client.verify(credentials)
    with pytest.raises(RateLimited) as refused:
        client.verify(credentials)
    assert 3590 <= refused.value.wait <= 3600


def test_end_sessions_and_get_return_the_epoch(client, ada):
    sid = uuid.uuid4()
    assert [client.end_sessions(ada.pk, keep) for keep in (None, sid)] == [
        {"session_epoch": EPOCH + 1, "kept_from": None},
        {"session_epoch": EPOCH + 2, "kept_from": EPOCH + 1},
    ]
    user = client.get(ada.pk)
    assert (user["id"], user["roles"]) == (str(ada.pk), ["editor"])
    epochs = [user[name] for name in ("session_epoch", "kept_sid", "kept_from")]
    assert epochs == [EPOCH + 2, str(sid), EPOCH + 1]
    ada.deactivate()
    assert client.get(ada.pk) is None
    with pytest.raises(UserNotFound):
        client.end_sessions(ada.pk)


def test_a_wrong_key_is_our_trouble_and_not_the_users(live_server, ada):
    client = UsersClient(live_server.url, "wrong")
    with pytest.raises(DependencyUnavailable):
        client.verify({"email": ada.email, "password": PASSWORD})
    with pytest.raises(DependencyUnavailable):
        client.get(ada.pk)
    client.session().close()


def test_overload_is_passed_on_as_such(client, ada):
    while hashing_pool.pool().slots.acquire(blocking=False):
        pass
    with pytest.raises(Overloaded):
        client.verify({"email": ada.email, "password": PASSWORD})
    assert client.get(ada.pk) is not None
