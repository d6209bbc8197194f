"""Routes through Nginx and gunicorn, and what services ask each other. The tables of
what each route answers are the services' own; what the gateway hides is in `attack`."""

import re
import uuid

import pytest

from deploy.tests.client import (
    LOGIN,
    PASSWORD,
    VERIFY,
    ApiClient,
    TestUser,
    claims_of,
    code_of,
    cookie_of,
    internal,
    refused,
)
from deploy.tests.stack import ROOT, SERVICES, System

USER = {
    "id", "username", "email", "first_name", "last_name", "display_name", "avatar_url",
    "is_active", "is_deleted", "deleted_at", "created_at", "updated_at", "roles",
}  # fmt: skip


@pytest.fixture
def gateway(system: System) -> ApiClient:
    return ApiClient(system.gateway_url)


def test_the_main_job(system: System) -> None:
    """Registration, login by either name, refresh, profile, and logout, twice."""
    ada = TestUser(system)
    answer = ada.register()
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/api/v1/users/me"
    assert set(answer.json()) == USER

    login = {"username": ada.name, "password": PASSWORD}
    assert ada.post(LOGIN, json=login).status_code == 200
    answer = ada.log_in()
    assert set(answer.json()) == {"access_token", "token_type", "expires_in"}
    assert answer.headers["Cache-Control"] == "no-store"
    assert cookie_of(answer) not in answer.text

    before, sid = ada.cookie, ada.sid
    assert ada.refresh().status_code == 200
    assert ada.cookie != before
    assert ada.sid == sid
    profile = {"display_name": "Countess \u2665", "first_name": "Ada"}
    changed = ada.call("PATCH", "/api/v1/users/me", json=profile).json()
    assert ada.me().json() == changed
    assert changed.items() >= {"email": ada.email, **profile}.items()

    for _ in range(2):
        answer = ada.log_out()
        assert (answer.status_code, cookie_of(answer)) == (200, "")


@pytest.mark.parametrize("service", SERVICES)
def test_health_schema_and_docs_are_served(service: str, gateway: ApiClient) -> None:
    prefix = f"/api/v1/{service}"
    for state in ("live", "ready"):
        answer = gateway.get(f"{prefix}/health/{state}")
        assert answer.json() == {"status": "ok", "service": service, "degraded": False}
    schema = gateway.get(f"{prefix}/openapi.json").json()
    assert schema["openapi"].startswith("3.")
    docs = gateway.get(f"{prefix}/docs")
    assert docs.headers["Content-Type"].startswith("text/html")
    assert "//cdn" not in docs.text
    assert gateway.get("/static/admin/css/base.css").status_code == 200


@pytest.mark.parametrize(
    "name", ["jwks.json", "oauth-authorization-server"], ids=["keys", "metadata"]
)
def test_what_is_well_known_is_public_and_cacheable(
    name: str, gateway: ApiClient, system: System
) -> None:
    """TOK-17, TOK-25: and the metadata is true."""
    answer = gateway.get(f"/.well-known/{name}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "public, max-age=30"
    found = answer.json()
    if "keys" not in found:
        assert found["issuer"] == system.gateway_url
        for member in ("jwks_uri", "service_documentation"):
            assert gateway.get(found[member]).status_code == 200


@pytest.mark.parametrize(
    "name", ["openid-configuration", "oauth-authorization-server/x", "webfinger"]
)
def test_nothing_else_is_well_known(name: str, gateway: ApiClient) -> None:
    refused(gateway.get(f"/.well-known/{name}"), 404, "not_found")


@pytest.mark.parametrize(
    ("route", "allowed"),
    [
        (LOGIN, "POST"),
        (f"/api/v1/auth/sessions/{uuid.uuid4()}", "DELETE"),
        ("/api/v1/users/me", "GET, HEAD, PATCH"),
        ("/.well-known/jwks.json", "GET, HEAD"),
        ("/api/v1/auth/health/live", "GET, HEAD"),
    ],
)
def test_other_methods_are_refused(
    route: str, allowed: str, user: TestUser, gateway: ApiClient
) -> None:
    methods = set(allowed.split(", "))
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - methods:
        answer = gateway.request(method, route, headers=user.bearer)
        refused(answer, 405, "method_not_allowed")
        assert {name.strip() for name in answer.one("Allow").split(",")} == methods


# ---- Between services ---------------------------------------------------------------


def test_internal_routes_want_a_key(user: TestUser, system: System) -> None:
    user_id = claims_of(user.access)["sub"]
    path = f"/api/v1/users/{user_id}"
    for headers in ({}, {"X-Internal-Api-Key": "x" * 43}, user.bearer):
        for answer in (
            internal(system, "POST", VERIFY, headers, json={"token": user.access}),
            internal(system, "GET", path, headers),
        ):
            refused(answer, 401, "service_auth_failed")
            assert answer.headers["WWW-Authenticate"].startswith("ApiKey")
    verified = user.verify().json()
    assert verified.items() >= {"valid": True, "user_id": user_id}.items()
    known = internal(system, "GET", path).json()
    assert set(known) == USER | {"session_epoch", "kept_sid", "kept_from"}
    unknown = internal(system, "GET", f"/api/v1/users/{uuid.uuid4()}")
    assert code_of(unknown) == "user_not_found"


def test_every_code_of_the_gateway_is_documented() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/errors.md").read_text(), re.M)
    template = (ROOT / "nginx" / "gateway.conf.template").read_text()
    body = re.search(r"map \S+ \$problem_code \{(.*?)\}", template, re.S)
    assert body, "the map of codes has another name"
    codes = set(re.findall(r"\b([a-z]+(?:_[a-z]+)+);", body.group(1)))
    assert len(codes) >= 10
    assert codes <= {*listed}
