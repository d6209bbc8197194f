"""Permissions by role and by level: which users they let in, and the status of the
others."""

import time

import pytest
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory

from shared.api.views import JSONView
from shared.auth.authentication import APIKeyAuthentication, JWTAuthentication
from shared.auth.permissions import (
    HasAPIKey,
    has_acr,
    has_any_role,
    logged_in_within,
    require_authentication,
)

ANY = has_any_role("editor", "admin")
BOTH = has_any_role("editor") & has_any_role("admin")


def response_of(permission, authenticator=JWTAuthentication, **headers):
    """What a view with this permission answers."""

    class RoleView(JSONView):
        permission_classes = (permission,)
        authentication_classes = (authenticator,)

        def get(self, request):
            return Response({"code": "welcome"})

    return RoleView.as_view()(APIRequestFactory(headers=headers).get("/"))


def answer(*args, **headers):
    """Status and code of that."""
    response = response_of(*args, **headers)
    return response.status_code, response.data["code"]


@pytest.mark.parametrize(
    ("permission", "enough", "short"),
    [
        (ANY, ["editor"], ["reader"]),
        (ANY, ["reader", "admin"], ["Editor", "editors", "edit"]),
        (BOTH, ["reader", "admin", "editor"], ["admin", "admin"]),
    ],
)
def test_a_user_needs_the_roles(make_token, permission, enough, short):
    for roles in (enough, short, [], None):
        token = make_token(roles=roles)
        code = "welcome" if roles == enough else "forbidden"
        assert answer(permission, Authorization=f"Bearer {token}")[1] == code


RECENT, LEVEL = logged_in_within(300), has_acr("aal2")


def assert_asks_for(response, wanted):
    """The challenge of RFC 9470 section 3."""
    assert response.status_code == 401
    assert response.data["code"] == "insufficient_user_authentication"
    challenge = f'error="insufficient_user_authentication", {wanted}'
    assert response["WWW-Authenticate"] == f'Bearer realm="api", {challenge}'


@pytest.mark.parametrize("age", [0, 290, 310, None])
def test_a_login_may_have_to_be_recent(make_token, age):
    """PRIV-04: five minutes, as RFC 9470 tells the client. A token of an earlier
    version does not say when the login was."""
    login = None if age is None else int(time.time()) - age
    token = make_token(auth_time=login)
    response = response_of(RECENT, Authorization=f"Bearer {token}")
    if age in (0, 290):
        assert response.data["code"] == "welcome"
    else:
        assert_asks_for(response, 'max_age="300"')


@pytest.mark.parametrize("acr", ["aal1", "aal2", "aal3", "AAL2", "", None])
def test_a_session_may_have_to_be_of_a_level(make_token, acr):
    """LVL-07. A token of an earlier version has the lowest, one of a level that is not
    known has none."""
    token = make_token(acr=acr)
    response = response_of(LEVEL, Authorization=f"Bearer {token}")
    if acr == "aal2":
        assert response.data["code"] == "welcome"
    else:
        assert_asks_for(response, 'acr_values="aal2"')
    low = answer(has_acr("aal1"), Authorization=f"Bearer {token}")[1] == "welcome"
    assert low == (acr in ("aal1", "aal2", None))


def test_both_can_be_asked_for_at_once(make_token):
    class Both(LEVEL):
        def has_permission(self, request, view):
            require_authentication(request.user, acr="aal2", max_age=60)
            return True

    for claims in ({"acr": "aal1"}, {"auth_time": 5}):
        token = make_token(**{"acr": "aal2", **claims})
        response = response_of(Both, Authorization=f"Bearer {token}")
        assert_asks_for(response, 'acr_values="aal2", max_age="60"')


@pytest.mark.parametrize("permission", [has_any_role("auth"), RECENT, LEVEL])
def test_a_service_has_no_roles_and_no_login(settings, permission):
    """And without a token it is 401."""
    key = {"X-Internal-Api-Key": dict(settings.INTERNAL_API_KEYS)["auth"]}
    either = permission | HasAPIKey

    assert answer(permission, APIKeyAuthentication, **key)[0] == 403
    assert answer(either, APIKeyAuthentication, **key) == (200, "welcome")
    assert answer(permission) == (401, "token_missing")
