"""Permissions by role: which users they let in, and the status of the others."""

import pytest
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory

from shared.api.views import JSONView
from shared.auth.authentication import APIKeyAuthentication, JWTAuthentication
from shared.auth.permissions import HasAPIKey, has_all_roles, has_any_role

ANY = has_any_role("editor", "admin")
ALL = has_all_roles("editor", "admin")
BOTH = has_any_role("editor") & has_any_role("admin")
EITHER = has_any_role("editor") | has_all_roles("a", "b")


def answer(permission, *authenticators, **headers):
    """Status and code of a view with this permission."""

    class RoleView(JSONView):
        permission_classes = (permission,)
        authentication_classes = authenticators or (JWTAuthentication,)

        def get(self, request):
            return Response({"code": "welcome"})

    response = RoleView.as_view()(APIRequestFactory(headers=headers).get("/"))
    return response.status_code, response.data["code"]


@pytest.mark.parametrize(
    ("permission", "enough", "short"),
    [
        (ANY, [["editor"], ["reader", "admin"]], ["reader"]),
        (ANY, [], ["Editor", "editors", "edit"]),
        (ALL, [["reader", "admin", "editor"]], ["editor"]),
        (ALL, [], ["admin", "admin"]),
        (BOTH, [["editor", "admin"]], ["editor"]),
        (EITHER, [["a", "b"], ["editor"]], ["a"]),
    ],
)
def test_a_user_needs_the_roles(make_token, permission, enough, short):
    for roles in (*enough, short, [], None):
        token = make_token(roles=roles)
        code = "welcome" if roles in enough else "forbidden"
        assert answer(permission, Authorization=f"Bearer {token}")[1] == code


@pytest.mark.parametrize("make", [has_any_role, has_all_roles])
def test_a_service_has_no_roles_and_without_a_token_it_is_401(make, settings):
    key = {"X-Internal-Api-Key": dict(settings.INTERNAL_API_KEYS)["auth"]}
    by_key = APIKeyAuthentication

    assert answer(make("auth", "editor"), by_key, **key) == (403, "forbidden")
    assert answer(make("auth") | HasAPIKey, by_key, **key) == (200, "welcome")
    assert answer(make("editor")) == (401, "token_missing")


def test_their_names_say_what_they_ask_for():
    assert ANY.__name__ == "HasAnyRole(editor, admin)"
    assert has_all_roles("editor").__name__ == "HasAllRoles(editor)"
    for make in (has_any_role, has_all_roles):
        with pytest.raises(ValueError, match="needs a role"):
            make()
