"""Permissions by role: which users they let in, and the status of the others."""

import pytest
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory

from shared.api.views import JSONView
from shared.auth.authentication import APIKeyAuthentication, JWTAuthentication
from shared.auth.permissions import HasAPIKey, has_any_role

ANY = has_any_role("editor", "admin")
BOTH = has_any_role("editor") & has_any_role("admin")


def answer(permission, authenticator=JWTAuthentication, **headers):
    """Status and code of a view with this permission."""

    class RoleView(JSONView):
        permission_classes = (permission,)
        authentication_classes = (authenticator,)

        def get(self, request):
            return Response({"code": "welcome"})

    response = RoleView.as_view()(APIRequestFactory(headers=headers).get("/"))
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
