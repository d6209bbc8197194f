"""Permissions by role: which users they let in, and the status of the others."""

import time

import pytest
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory

from shared.api.views import JSONView
from shared.auth.authentication import APIKeyAuthentication, JWTAuthentication
from shared.auth.permissions import HasAPIKey, HasRecentLogin, has_any_role

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


def test_a_service_has_no_roles_and_without_a_token_it_is_401(settings):
    key = {"X-Internal-Api-Key": dict(settings.INTERNAL_API_KEYS)["auth"]}
    either = has_any_role("auth") | HasAPIKey

    assert answer(has_any_role("auth"), APIKeyAuthentication, **key)[0] == 403
    assert answer(either, APIKeyAuthentication, **key) == (200, "welcome")
    assert answer(ANY) == (401, "token_missing")


@pytest.mark.parametrize("age", [0, 290, 310, None])
def test_a_login_may_have_to_be_recent(make_token, age):
    """PRIV-04: five minutes, as RFC 9470 tells the client. A token of an earlier
    version does not say when the login was."""
    login = None if age is None else int(time.time()) - age
    token = make_token(auth_time=login)
    response = response_of(HasRecentLogin, Authorization=f"Bearer {token}")
    if age in (0, 290):
        assert response.data["code"] == "welcome"
    else:
        assert response.status_code == 401
        assert response.data["code"] == "insufficient_user_authentication"
        challenge = 'error="insufficient_user_authentication", max_age="300"'
        assert response["WWW-Authenticate"] == f'Bearer realm="api", {challenge}'


def test_no_user_has_no_recent_login(settings):
    key = {"X-Internal-Api-Key": dict(settings.INTERNAL_API_KEYS)["auth"]}
    assert answer(HasRecentLogin, APIKeyAuthentication, **key)[0] == 403
    assert answer(HasRecentLogin) == (401, "token_missing")
