"""The client other services use, talking to the real application over HTTP."""

import uuid
from functools import partial

import pytest

from shared.api.exceptions import (
    DependencyUnavailable,
    InvalidCredentials,
    Overloaded,
    RateLimited,
    UserNotFound,
)
from shared.clients import UsersClient
from tests.factories import EPOCH, PASSWORD, WRONG, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

RIGHT = {"email": "ada@example.org", "password": PASSWORD}
GUESS = {"username": "ada", "password": WRONG}


@pytest.fixture
def connect(live_server):
    """Calls return a client with this key."""
    found = []

    def client(key):
        found.append(UsersClient(live_server.url, key))
        return found[-1]

    yield client
    for each in found:
        each.session().close()


@pytest.fixture
def client(connect, settings):
    return connect(dict(settings.INTERNAL_API_KEYS)["auth"])


@pytest.fixture
def user():
    return UserFactory(email=RIGHT["email"], username="ada", roles=["editor"])


def test_verify_returns_a_user_and_passes_refusals_on(client, user, limited):
    verified = client.verify(RIGHT)
    assert (verified["sub"], verified["session_epoch"]) == (str(user.pk), EPOCH)
    limited(LOGIN_LIMIT_NAME="1/hour")
    with pytest.raises(InvalidCredentials):
        client.verify(GUESS)
    with pytest.raises(RateLimited) as refused:
        client.verify(GUESS)
    assert 3590 <= refused.value.wait <= 3600


def test_end_sessions_and_get_return_the_epoch(client, user):
    sid = uuid.uuid4()
    assert [client.end_sessions(user.pk, keep) for keep in (None, sid)] == [
        {"session_epoch": EPOCH + 1, "kept_from": None},
        {"session_epoch": EPOCH + 2, "kept_from": EPOCH + 1},
    ]
    answer = client.get(user.pk)
    assert (answer["id"], answer["roles"]) == (str(user.pk), ["editor"])
    epochs = [answer[name] for name in ("session_epoch", "kept_sid", "kept_from")]
    assert epochs == [EPOCH + 2, str(sid), EPOCH + 1]
    user.deactivate()
    assert client.get(user.pk) is None
    with pytest.raises(UserNotFound):
        client.end_sessions(user.pk)


def test_a_wrong_key_is_our_trouble_and_not_the_users(connect, user):
    client = connect("wrong")
    for call in (partial(client.verify, RIGHT), partial(client.get, user.pk)):
        with pytest.raises(DependencyUnavailable):
            call()


def test_overload_is_passed_on_as_such(client, user, full_pool):
    with pytest.raises(Overloaded):
        client.verify(RIGHT)
    assert client.get(user.pk) is not None
