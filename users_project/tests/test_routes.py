"""Every route: its callers, and what it says of a user who is absent."""

import uuid

import pytest

from tests.factories import NEW, PASSWORD, UserFactory
from tests.refusals import assert_refused
from users.accounts.erasure import anonymise
from users.models import User

ADA_ID = uuid.UUID(int=7, version=4)
CHANGE = {"current_password": PASSWORD, "new_password": NEW}
MOVE = {"new_email": "ada@example.com", "current_password": PASSWORD}
CREDENTIALS = {"email": "ada@example.org", "password": PASSWORD}
# Method, path after /api/v1/users, a good body.
OWN = [
    ("get", "/me", {}),
    ("patch", "/me", {"first_name": "Ada"}),
    ("get", "/me/events", {}),
    ("post", "/me/change_password", CHANGE),
    ("post", "/me/change_email", MOVE),
    ("delete", "/me/change_email", {}),
    ("delete", "/me", {"current_password": PASSWORD}),
    ("get", "/me/export", {}),
    ("get", "/me/factors", {}),
    ("delete", "/me/password", {}),
]
INTERNAL = [
    ("post", "/verify", CREDENTIALS),
    ("post", "/lookup", {"identifier": "ada@example.org"}),
    ("get", "/{id}", {}),
    ("post", "/{id}/end_sessions", {}),
    ("get", "/{id}/factors", {}),
    ("post", "/{id}/factors/verify", {"epoch": 1, "totp": "000000"}),
    ("post", "/{id}/factors/enrol", {"epoch": 1}),
    ("post", "/passkeys/verify", {"challenge": "YWJj", "credential": {}}),
]
OF_ANY_USER = ("/lookup", "/passkeys/verify")
# In the middle of a login: it begins again.
START_OVER = ("/{id}/factors/verify", "/{id}/factors/enrol")
own = pytest.mark.parametrize("route", OWN, ids=lambda route: " ".join(route[:2]))
internal = pytest.mark.parametrize("route", INTERNAL, ids=lambda route: route[1])


def call(client, method, path, body=None):
    url = "/api/v1/users" + path.format(id=ADA_ID)
    return getattr(client, method)(url, body)


@pytest.fixture
def ada():
    return UserFactory(id=ADA_ID, email="ada@example.org")


@pytest.fixture(params=["deactivate", "soft_delete", "erase", "delete"])
def absent(request, ada):
    if request.param == "erase":
        anonymise(ada.pk)
    else:
        getattr(ada, request.param)()


@pytest.fixture
def refused(ada):
    """Calls make a request, which must be refused and leave the row as it was."""
    before = list(User.objects.values())

    def check(client, route, *refusal):
        answer = call(client, *route)
        assert_refused(answer, *refusal)
        assert list(User.objects.values()) == before
        return answer

    return check


@own
@pytest.mark.parametrize("caller", ["no user", "a service"])
def test_a_users_route_needs_a_token(api_client, auth, refused, caller, route):
    client = api_client if caller == "no user" else auth
    answer = refused(client, route, 401, "token_missing")
    assert "error" not in answer["WWW-Authenticate"]


@own
def test_an_absent_user_has_no_session(bearer, absent, refused, route):
    answer = refused(bearer(sub=str(ADA_ID)), route, 401, "token_revoked")
    assert 'error="invalid_token"' in answer["WWW-Authenticate"]


@internal
@pytest.mark.parametrize("caller", ["none", "wrong key", "own token", "other token"])
def test_an_internal_route_needs_a_key(api_client, bearer, refused, caller, route):
    """S2S-03: a token shows no user, not even one's own."""
    client = api_client
    if "token" in caller:
        client = bearer(sub=str(ADA_ID if caller == "own token" else uuid.uuid4()))
    if caller == "wrong key":
        client.credentials(HTTP_X_INTERNAL_API_KEY="wrong")
    refused(client, route, 401, "service_auth_failed")


@internal
def test_the_auth_service_alone_verifies_and_ends(service_client, refused, route):
    if route[1] == "/{id}":
        assert call(service_client("billing"), *route).status_code == 200
    else:
        refused(service_client("billing"), route, 403, "forbidden")


@pytest.mark.parametrize("route", [r for r in INTERNAL if r[1] not in OF_ANY_USER])
def test_an_absent_user_looks_unknown(auth, absent, refused, route):
    refusal = (404, "user_not_found")
    if route[1] == "/verify":
        refusal = (401, "invalid_credentials")
    if route[1] in START_OVER:
        refusal = (401, "token_invalid")
    refused(auth, route, *refusal)


@pytest.mark.parametrize("end", [None, "deactivate", "soft_delete"])
def test_the_commands_of_auth_learn_whom_an_operator_names(auth, end):
    """Absent or not: their sessions may have to end."""
    ada = UserFactory(id=ADA_ID, email="Ada@example.org", username="Ada")
    if end:
        getattr(ada, end)()
    for name in ("ada@EXAMPLE.org", " ADA ", str(ADA_ID), ADA_ID.hex.upper()):
        answer = auth.post("/api/v1/users/lookup", {"identifier": name})
        assert (answer.status_code, answer.json()) == (200, {"ids": [str(ADA_ID)]})
    for name in ("ad", "", "a" * 255, "ada@example.com", str(uuid.uuid4())):
        answer = auth.post("/api/v1/users/lookup", {"identifier": name})
        assert answer.json() == {"ids": []}
    for name in (7, "a\0", None):
        answer = auth.post("/api/v1/users/lookup", {"identifier": name})
        assert_refused(answer, 400, "validation_error")


def test_a_username_that_is_anothers_id_names_both(auth):
    ada, old = UserFactory(id=ADA_ID), UserFactory(username=str(ADA_ID))
    answer = auth.post("/api/v1/users/lookup", {"identifier": str(ADA_ID)})
    assert answer.json() == {"ids": [str(old.pk), str(ada.pk)]}
