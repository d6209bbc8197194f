"""Every route of the API through Nginx and gunicorn, and what services ask each other.
What the gateway refuses and hides is in `attack`."""

import uuid
from typing import Any

import pytest

from deploy.tests.client import (
    LOGIN,
    PASSWORD,
    VERIFY,
    ApiClient,
    Response,
    TestUser,
    claims_of,
    code_of,
    cookie_of,
    internal,
)
from deploy.tests.stack import SERVICES, System

USER = {
    "id", "username", "email", "first_name", "last_name", "display_name", "avatar_url",
    "is_active", "is_deleted", "deleted_at", "created_at", "updated_at", "roles",
}  # fmt: skip


def call(system: System, method: str, path: str, **kwargs: Any) -> Response:
    return ApiClient(system.gateway_url).request(method, path, **kwargs)


# ---- For clients --------------------------------------------------------------------


def test_registration_answers_with_the_user(system: System) -> None:
    ada = TestUser(system)
    answer = ada.register()
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/api/v1/users/me"
    assert set(answer.json()) == USER
    assert ada.password not in answer.text


def test_log_in_gives_an_access_token_and_the_cookie(register: Any) -> None:
    ada = register()
    answer = ada.log_in()
    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "token_type", "expires_in"}
    assert answer.json()["token_type"] == "bearer"
    assert 0 < answer.json()["expires_in"] <= 300
    assert answer.headers["Cache-Control"] == "no-store"
    attributes = {
        a.strip().split("=")[0] for a in answer.headers["Set-Cookie"].split(";")
    }
    assert {"HttpOnly", "Path", "SameSite", "Max-Age"} <= attributes
    assert "Domain" not in attributes
    assert cookie_of(answer) not in answer.text


def test_log_in_by_username(register: Any, system: System) -> None:
    ada = register()
    body = {"username": ada.name, "password": PASSWORD}
    assert ada.post(LOGIN, json=body).status_code == 200


def test_me_is_the_caller(user: TestUser) -> None:
    answer = user.me()
    assert answer.status_code == 200
    assert answer.json()["email"] == user.email
    assert set(answer.json()) == USER


def test_refresh_gives_a_new_access_token_and_rotates_the_cookie(
    user: TestUser,
) -> None:
    before = user.access, user.cookie
    answer = user.refresh()
    assert answer.status_code == 200
    assert user.access != before[0]
    assert user.cookie != before[1]
    assert claims_of(user.access)["sid"] == claims_of(before[0])["sid"]
    assert user.me().ok


def test_verify_token_tells_another_service_who_it_is(user: TestUser) -> None:
    answer = user.verify().json()
    assert set(answer) == {
        "valid", "user_id", "email", "username", "roles", "sid", "exp",
    }  # fmt: skip
    assert answer["valid"] is True
    assert answer["email"] == user.email
    assert answer["sid"] == user.sid


def test_log_out_clears_the_cookie_and_can_be_repeated(user: TestUser) -> None:
    for _ in range(2):
        answer = user.log_out()
        assert answer.status_code == 200
        assert cookie_of(answer) == ""
    assert call(user.system, "POST", "/api/v1/auth/logout").status_code == 200


def test_a_trailing_slash_is_not_minded(user: TestUser, system: System) -> None:
    body = {"email": user.email, "password": PASSWORD}
    assert call(system, "POST", "/api/v1/auth/login/", json=body).status_code == 200
    twin = TestUser(system)
    fields = {"username": twin.name, "email": twin.email, "password": PASSWORD}
    assert call(system, "POST", "/api/v1/users", json=fields).status_code == 201


@pytest.mark.parametrize("service", SERVICES)
def test_health_schema_and_docs_are_served(service: str, system: System) -> None:
    prefix = f"/api/v1/{service}"
    for state in ("live", "ready"):
        answer = call(system, "GET", f"{prefix}/health/{state}")
        assert answer.json() == {"status": "ok", "service": service, "degraded": False}
    schema = call(system, "GET", f"{prefix}/openapi.json").json()
    assert schema["openapi"].startswith("3.")
    docs = call(system, "GET", f"{prefix}/docs")
    assert docs.status_code == 200
    assert docs.headers["Content-Type"].startswith("text/html")
    assert "//cdn" not in docs.text


def test_the_key_set_is_public_and_cacheable(user: TestUser, system: System) -> None:
    answer = call(system, "GET", "/.well-known/jwks.json")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "public, max-age=30"
    members = {"kty", "n", "e", "use", "alg", "kid"}
    assert all(set(key) == members for key in answer.json()["keys"])


def test_the_metadata_is_public_cacheable_and_true(system: System) -> None:
    """TOK-25."""
    answer = call(system, "GET", "/.well-known/oauth-authorization-server")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "public, max-age=30"
    metadata = answer.json()
    assert metadata["issuer"] == system.gateway_url
    assert metadata["grant_types_supported"] == []
    for name in ("jwks_uri", "service_documentation"):
        assert ApiClient().get(metadata[name]).status_code == 200
    assert not [name for name in metadata if name.endswith("_endpoint")]


@pytest.mark.parametrize(
    "name", ["openid-configuration", "oauth-authorization-server/x", "webfinger"]
)
def test_nothing_else_is_well_known(name: str, system: System) -> None:
    assert code_of(call(system, "GET", f"/.well-known/{name}")) == "not_found"


def test_introspection_tells_another_service_who_it_is(
    user: TestUser, system: System
) -> None:
    """With the key in our header; test_foreign_clients has the standard's way."""
    for token, active in ((user.access, True), (user.cookie, False)):
        answer = internal(
            system, "POST", "/api/v1/auth/introspect", data={"token": token}
        )
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.json()["active"] is active
        assert ("sub" in answer.json()) is active


def test_the_admin_asks_for_a_log_in(system: System) -> None:
    assert call(system, "GET", "/admin").headers["Location"].endswith("/admin/")
    assert call(system, "GET", "/admin/").status_code == 302
    page = call(system, "GET", "/admin/login/")
    assert page.status_code == 200
    assert "Path=/admin/" in page.headers["Set-Cookie"]
    assert "HttpOnly" in page.headers["Set-Cookie"]
    assert call(system, "GET", "/static/admin/css/base.css").status_code == 200


# ---- Between services ---------------------------------------------------------------


def test_internal_routes_want_a_key_and_the_right_caller(
    user: TestUser, system: System
) -> None:
    body = {"token": user.access}
    for headers in ({}, {"X-Internal-Api-Key": "x" * 43}, user.bearer):
        answer = internal(system, "POST", VERIFY, headers, json=body)
        assert answer.status_code == 401
        assert code_of(answer) == "service_auth_failed"
        assert answer.headers["WWW-Authenticate"].startswith("ApiKey")


def test_a_user_is_told_to_services_alone(user: TestUser, system: System) -> None:
    user_id = user.me().json()["id"]
    path = f"/api/v1/users/{user_id}"
    answer = internal(system, "GET", path)
    assert set(answer.json()) == USER | {"session_epoch", "kept_sid", "kept_from"}
    as_person = internal(system, "GET", path, user.bearer)
    assert code_of(as_person) == "service_auth_failed"
    unknown = internal(system, "GET", f"/api/v1/users/{uuid.uuid4()}")
    assert code_of(unknown) == "user_not_found"


def test_a_raised_epoch_ends_older_sessions_but_the_one_to_keep(
    user: TestUser, system: System
) -> None:
    other = TestUser(system, user.name)
    other.log_in()
    body = {
        "user_id": claims_of(user.access)["sub"],
        "epoch": 1,
        "keep_sid": user.sid,
        "keep_from": 0,
        "reason": "password_change",
    }
    answer = internal(system, "POST", "/api/v1/auth/sessions/revoke", json=body)
    assert answer.json() == {"revoked": 1}
    assert code_of(other.me()) == "token_revoked"
    assert user.me().ok


# ---- Methods ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("route", "allowed"),
    [
        ("/api/v1/auth/login", "POST"),
        ("/api/v1/auth/refresh", "POST"),
        ("/api/v1/auth/logout", "POST"),
        ("/api/v1/auth/logout_all", "POST"),
        ("/api/v1/auth/sessions", "GET, HEAD"),
        (f"/api/v1/auth/sessions/{uuid.uuid4()}", "DELETE"),
        ("/api/v1/users/", "POST"),
        ("/api/v1/users/me", "GET, HEAD, PATCH"),
        ("/api/v1/users/me/change_password", "POST"),
        ("/.well-known/jwks.json", "GET, HEAD"),
        ("/.well-known/oauth-authorization-server", "GET, HEAD"),
        ("/api/v1/auth/health/live", "GET, HEAD"),
    ],
)
def test_other_methods_are_refused(
    route: str, allowed: str, user: TestUser, system: System
) -> None:
    methods = set(allowed.split(", "))
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - methods:
        answer = call(system, method, route, headers=user.bearer)
        assert answer.status_code == 405, (method, answer.text)
        assert code_of(answer) == "method_not_allowed"
        allow = {name.strip() for name in answer.headers["Allow"].split(",")}
        assert allow == methods
