"""Permissions by role: who is let in, who is refused, and with which status."""

import pytest
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory

from shared.api.views import JSONView
from shared.auth.authentication import APIKeyAuthentication, JWTAuthentication
from shared.auth.permissions import HasAPIKey, has_all_roles, has_any_role


def answer(permission, **headers):
    """Status and code of a view that lets in whom `permission` lets in."""

    class RoleView(JSONView):
        permission_classes = (permission,)
        authentication_classes = (JWTAuthentication,)
        if "X-Internal-Api-Key" in headers:
            authentication_classes = (APIKeyAuthentication,)

        def get(self, request):
            return Response({"code": "welcome"})

    request = APIRequestFactory(headers=headers).get("/")
    response = RoleView.as_view()(request)
    return response.status_code, response.data["code"]


@pytest.fixture
def status(make_token):
    """The answer's status for a person with these roles."""

    def ask(permission, *roles, **claims):
        claims.setdefault("roles", list(roles))
        token = make_token(**claims)
        return answer(permission, Authorization=f"Bearer {token}")[0]

    return ask


def test_any_of_the_roles_is_enough(status):
    permission = has_any_role("editor", "admin")

    assert status(permission, "editor") == 200
    assert status(permission, "reader", "admin") == 200
    assert status(permission, "reader") == 403
    assert status(permission, "Editor", "editors", "edit") == 403


def test_all_of_the_roles_are_needed(status):
    permission = has_all_roles("editor", "admin")

    assert status(permission, "reader", "admin", "editor") == 200
    assert status(permission, "editor") == 403
    assert status(permission, "admin", "admin") == 403


@pytest.mark.parametrize("make", [has_any_role, has_all_roles])
def test_who_has_no_roles_is_refused(make, status):
    assert status(make("editor")) == 403
    assert status(make("editor"), roles=None) == 403


@pytest.mark.parametrize("make", [has_any_role, has_all_roles])
def test_a_service_has_no_roles(make, settings):
    key = {"X-Internal-Api-Key": dict(settings.INTERNAL_API_KEYS)["auth"]}

    assert answer(make("auth", "editor"), **key) == (403, "forbidden")
    assert answer(make("auth") | HasAPIKey, **key) == (200, "welcome")


@pytest.mark.parametrize("make", [has_any_role, has_all_roles])
def test_nobody_is_asked_who_they_are(make):
    """401 with a challenge, and not the 403 of somebody who is known."""
    assert answer(make("editor")) == (401, "token_missing")


def test_they_compose(status):
    both = has_any_role("editor") & has_any_role("admin")
    either = has_any_role("editor") | has_all_roles("a", "b")

    assert status(both, "editor", "admin") == 200
    assert status(both, "editor") == 403
    assert status(either, "a", "b") == 200
    assert status(either, "a") == 403


def test_their_names_say_what_they_ask_for():
    assert has_any_role("editor", "admin").__name__ == "HasAnyRole(editor, admin)"
    assert has_all_roles("editor").__name__ == "HasAllRoles(editor)"


@pytest.mark.parametrize("make", [has_any_role, has_all_roles])
def test_no_role_at_all_is_a_mistake(make):
    with pytest.raises(ValueError, match="needs a role"):
        make()
