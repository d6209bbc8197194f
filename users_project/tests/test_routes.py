"""Every route: its callers, its methods, and what it says of a user who is absent."""

import uuid

import pytest

from tests.factories import PASSWORD, UserFactory
from tests.refusals import assert_refused
from users.models import User

pytestmark = pytest.mark.django_db

NEW = "a newer horse battery"
# Method, path after /api/v1/users, a good body.
OWN = {
    "me": ("get", "/me", {}),
    "profile": ("patch", "/me", {"first_name": "Ada"}),
    "password": (
        "post",
        "/me/change_password",
        {"current_password": PASSWORD, "new_password": NEW},
    ),
}
INTERNAL = {
    "verify": ("post", "/verify", {"email": "ada@example.org", "password": PASSWORD}),
    "user": ("get", "/{id}", {}),
    "end sessions": ("post", "/{id}/end_sessions", {}),
}
METHODS = {
    "": {"post"},
    "/me": {"get", "patch"},
    "/me/change_password": {"post"},
    "/verify": {"post"},
    "/{id}": {"get"},
    "/{id}/end_sessions": {"post"},
}

own = pytest.mark.parametrize("route", OWN.values(), ids=OWN)
internal = pytest.mark.parametrize("route", INTERNAL.values(), ids=INTERNAL)


def call(client, method, path, body=None):
    url = "/api/v1/users" + path.format(id=ADA_ID)
    return getattr(client, method)(url, body)


ADA_ID = uuid.UUID(int=7, version=4)


@pytest.fixture
def ada():
    return UserFactory(id=ADA_ID, email="ada@example.org")


@pytest.fixture
def unchanged(ada):
    """Whether the row is as it was."""
    rows = User.objects.filter(pk=ada.pk).values()
    before = rows.get()
    return lambda: rows.get() == before


@own
@pytest.mark.parametrize("caller", ["no user", "a service"])
def test_a_users_route_needs_a_token(
    api_client, service_client, unchanged, caller, route
):
    client = api_client if caller == "no user" else service_client("auth")
    answer = call(client, *route)
    assert_refused(answer, 401, "token_missing")
    assert "error" not in answer["WWW-Authenticate"]
    assert unchanged()


@own
@pytest.mark.parametrize("act", ["deactivate", "soft_delete", None])
def test_a_user_who_is_gone_has_no_session(bearer, ada, act, route):
    client = bearer(sub=str(ada.pk if act else uuid.uuid4()))
    if act:
        getattr(ada, act)()
    before = User.objects.values().get()
    answer = call(client, *route)
    assert_refused(answer, 401, "token_revoked")
    assert 'error="invalid_token"' in answer["WWW-Authenticate"]
    assert User.objects.values().get() == before


@internal
@pytest.mark.parametrize("caller", ["none", "wrong key", "own token", "other token"])
def test_an_internal_route_needs_a_key(api_client, bearer, unchanged, caller, route):
    """S2S-03: a token shows no user, not even one's own."""
    client = {
        "own token": lambda: bearer(sub=str(ADA_ID)),
        "other token": lambda: bearer(),
    }.get(caller, lambda: api_client)()
    if caller == "wrong key":
        client.credentials(HTTP_X_INTERNAL_API_KEY="wrong")
    assert_refused(call(client, *route), 401, "service_auth_failed")
    assert unchanged()


@internal
def test_the_auth_service_alone_verifies_and_ends(service_client, unchanged, route):
    answer = call(service_client("billing"), *route)
    if route[1] == "/{id}":
        assert answer.status_code == 200
    else:
        assert_refused(answer, 403, "forbidden")
    assert unchanged()


@pytest.mark.parametrize(("path", "methods"), METHODS.items())
def test_other_methods_are_refused(bearer, service_client, ada, path, methods):
    key = service_client("auth")._credentials
    client = bearer(sub=str(ada.pk))
    client.credentials(**key)
    client.defaults |= service_client("auth").defaults
    for method in {"get", "post", "put", "patch", "delete"} - methods:
        answer = call(client, method, path)
        assert_refused(answer, 405, "method_not_allowed")
        assert {word.lower() for word in answer["Allow"].split(", ")} >= methods


@internal
@pytest.mark.parametrize("act", ["deactivate", "soft_delete", None])
def test_an_absent_user_looks_unknown(service_client, ada, act, route):
    if act:
        getattr(ada, act)()
    else:
        ada.delete()
    before = list(User.objects.values())
    answer = call(service_client("auth"), *route)
    code = "invalid_credentials" if route[1] == "/verify" else "user_not_found"
    assert_refused(answer, 401 if route[1] == "/verify" else 404, code)
    assert list(User.objects.values()) == before
