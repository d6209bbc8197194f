"""Every route of the API through Nginx and gunicorn: the good, the bad, the hidden."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
import requests

from deploy.tests.stack import System
from deploy.tests.users import PASSWORD, Person, claims_of, code_of, cookie_of, internal
from nginx.tests.malicious_inputs import BODIES

USER = {
    "id", "username", "email", "first_name", "last_name", "display_name", "avatar_url",
    "is_active", "is_deleted", "deleted_at", "created_at", "updated_at", "roles",
}  # fmt: skip


def call(system: System, method: str, path: str, **kwargs: Any) -> requests.Response:
    return requests.request(
        method, system.gateway_url + path, timeout=25, allow_redirects=False, **kwargs
    )


# ---- The good ---------------------------------------------------------------------


def test_registration_answers_with_the_user(system: System) -> None:
    ada = Person(system)
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
    assert ada.post("/api/v1/auth/login", json=body).status_code == 200


def test_me_is_the_caller(person: Person) -> None:
    answer = person.me()
    assert answer.status_code == 200
    assert answer.json()["email"] == person.email
    assert set(answer.json()) == USER


def test_refresh_gives_a_new_access_token_and_rotates_the_cookie(
    person: Person,
) -> None:
    before = person.access, person.cookie
    answer = person.refresh()
    assert answer.status_code == 200
    assert person.access != before[0]
    assert person.cookie != before[1]
    assert claims_of(person.access)["sid"] == claims_of(before[0])["sid"]
    assert person.me().ok


def test_verify_token_tells_another_service_who_it_is(person: Person) -> None:
    answer = person.verify().json()
    assert set(answer) == {
        "valid", "user_id", "email", "username", "roles", "sid", "exp",
    }  # fmt: skip
    assert answer["valid"] is True
    assert answer["email"] == person.email
    assert answer["sid"] == person.sid


def test_log_out_clears_the_cookie_and_can_be_repeated(person: Person) -> None:
    for _ in range(2):
        answer = person.log_out()
        assert answer.status_code == 200
        assert cookie_of(answer) == ""
    assert call(person.system, "POST", "/api/v1/auth/logout").status_code == 200


def test_a_trailing_slash_is_not_minded(person: Person, system: System) -> None:
    body = {"email": person.email, "password": PASSWORD}
    assert call(system, "POST", "/api/v1/auth/login/", json=body).status_code == 200
    twin = Person(system)
    fields = {"username": twin.name, "email": twin.email, "password": PASSWORD}
    assert call(system, "POST", "/api/v1/users", json=fields).status_code == 201


@pytest.mark.parametrize("service", ["auth", "users"])
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


def test_the_key_set_is_public_and_cacheable(person: Person, system: System) -> None:
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
        assert requests.get(metadata[name], timeout=25).status_code == 200
    assert not [name for name in metadata if name.endswith("_endpoint")]


@pytest.mark.parametrize(
    "name", ["openid-configuration", "oauth-authorization-server/x", "webfinger"]
)
def test_nothing_else_is_well_known(name: str, system: System) -> None:
    assert code_of(call(system, "GET", f"/.well-known/{name}")) == "not_found"


def test_introspection_tells_another_service_who_it_is(
    person: Person, system: System
) -> None:
    """With the key in our header; test_foreign_clients has the standard's way."""
    for token, active in ((person.access, True), (person.cookie, False)):
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


# ---- The hidden -------------------------------------------------------------------

NOBODY = uuid.uuid4()


@pytest.mark.parametrize(
    ("service", "method", "path"),
    [
        ("auth", "POST", "/api/v1/auth/verify_token"),
        ("auth", "POST", "/api/v1/auth/introspect"),
        ("auth", "POST", "/api/v1/auth/sessions/revoke"),
        ("auth", "GET", f"/api/v1/auth/users/{NOBODY}/sessions"),
        ("auth", "POST", f"/api/v1/auth/users/{NOBODY}/sessions/{NOBODY}/revoke"),
        ("users", "POST", "/api/v1/users/verify"),
        ("users", "GET", f"/api/v1/users/{NOBODY}"),
        ("users", "POST", f"/api/v1/users/{NOBODY}/end_sessions"),
    ],
)
def test_internal_routes_do_not_exist_outside(
    service: str, method: str, path: str, system: System
) -> None:
    key = {"X-Internal-Api-Key": system.api_key(service)}
    unknown = call(system, method, "/api/v1/no/such/route", headers=key)
    for variant in (path, path + "/", path.replace("/v1/", "//v1/")):
        answer = call(system, method, variant, headers=key, json={})
        assert answer.status_code == 404
        assert code_of(answer) == "not_found"
        assert without_id(answer) == without_id(unknown)


def without_id(answer: requests.Response) -> dict[str, Any]:
    return {k: v for k, v in answer.json().items() if k != "request_id"}


def test_internal_routes_want_a_key_and_the_right_caller(
    person: Person, system: System
) -> None:
    body = {"token": person.access}
    path = "/api/v1/auth/verify_token"
    for headers in ({}, {"X-Internal-Api-Key": "x" * 43}, bearer(person)):
        answer = internal(system, "POST", path, headers, json=body)
        assert answer.status_code == 401
        assert code_of(answer) == "service_auth_failed"
        assert answer.headers["WWW-Authenticate"].startswith("ApiKey")


def test_a_user_is_told_to_services_alone(person: Person, system: System) -> None:
    user_id = person.me().json()["id"]
    path = f"/api/v1/users/{user_id}"
    answer = internal(system, "GET", path)
    assert set(answer.json()) == USER | {"session_epoch", "kept_sid", "kept_from"}
    as_person = internal(system, "GET", path, bearer(person))
    assert code_of(as_person) == "service_auth_failed"
    nobody = internal(system, "GET", f"/api/v1/users/{uuid.uuid4()}")
    assert code_of(nobody) == "user_not_found"


def test_a_raised_epoch_ends_older_sessions_but_the_one_to_keep(
    person: Person, system: System
) -> None:
    other = Person(system, person.name)
    other.log_in()
    body = {
        "user_id": claims_of(person.access)["sub"],
        "epoch": 1,
        "keep_sid": person.sid,
        "keep_from": 0,
        "reason": "password_change",
    }
    answer = internal(system, "POST", "/api/v1/auth/sessions/revoke", json=body)
    assert answer.json() == {"revoked": 1}
    assert code_of(other.me()) == "token_revoked"
    assert person.me().ok


def bearer(person: Person) -> dict[str, str]:
    return {"Authorization": f"Bearer {person.access}"}


# ---- The bad ----------------------------------------------------------------------

JSON_ROUTES = ["/api/v1/auth/login", "/api/v1/users/"]


@pytest.mark.parametrize("route", JSON_ROUTES)
@pytest.mark.parametrize("body", BODIES.values(), ids=list(BODIES))
def test_a_bad_body_is_a_400_that_says_why(
    route: str, body: bytes, system: System
) -> None:
    json_type = {"Content-Type": "application/json"}
    answer = call(system, "POST", route, data=body, headers=json_type)
    assert answer.status_code == 400, answer.text
    assert code_of(answer) in ("invalid_json", "validation_error")


@pytest.mark.parametrize("route", JSON_ROUTES)
@pytest.mark.parametrize(
    ("media_type", "status"),
    [
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("text/plain", 415),
        ("application/json; charset=utf-16", 415),
        ("application/json; charset=bz2_codec", 415),
    ],
)
def test_only_json_is_taken(
    route: str, media_type: str, status: int, system: System
) -> None:
    headers = {"Content-Type": media_type}
    answer = call(system, "POST", route, data=b"a=b", headers=headers)
    assert answer.status_code == status
    assert code_of(answer) == "unsupported_media_type"


@pytest.mark.parametrize("route", [*JSON_ROUTES, "/api/v1/auth/refresh"])
def test_only_json_is_given(route: str, system: System) -> None:
    answer = call(system, "POST", route, headers={"Accept": "text/html"})
    assert code_of(answer) == "not_acceptable"


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
    route: str, allowed: str, person: Person, system: System
) -> None:
    methods = set(allowed.split(", "))
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - methods:
        answer = call(system, method, route, headers=bearer(person))
        assert answer.status_code == 405, (method, answer.text)
        assert code_of(answer) == "method_not_allowed"
        allow = {name.strip() for name in answer.headers["Allow"].split(",")}
        assert allow == methods


def test_a_large_body_is_refused(system: System) -> None:
    answer = call(system, "POST", "/api/v1/auth/login", data=b"x" * 3_000_000)
    assert code_of(answer) == "payload_too_large"


def test_wrong_and_unknown_look_alike(person: Person, system: System) -> None:
    answers = [
        person.post("/api/v1/auth/login", json={"email": login, "password": "no good"})
        for login in (person.email, "nobody@example.org")
    ]
    assert {a.status_code for a in answers} == {401}
    assert {code_of(a) for a in answers} == {"invalid_credentials"}
    assert without_id(answers[0]) == without_id(answers[1])
    assert all(a.headers["WWW-Authenticate"] == 'Bearer realm="api"' for a in answers)


def test_a_taken_name_is_a_409(person: Person, system: System) -> None:
    assert code_of(person.register()) == "account_exists"
    shout = {
        "username": person.name.upper(),
        "email": f"x{person.email}",
        "password": PASSWORD,
    }
    assert code_of(person.post("/api/v1/users/", json=shout)) == "account_exists"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "token_missing"),
        ("Bearer", "token_missing"),
        ("Basic YTpi", "token_missing"),
        ("Bearer x", "token_invalid"),
        ("Bearer a.b.c", "token_invalid"),
        ("Bearer a b", "token_invalid"),
    ],
)
def test_me_without_a_good_token(header: str, code: str, system: System) -> None:
    headers = {"Authorization": header}
    answer = call(system, "GET", "/api/v1/users/me", headers=headers)
    assert answer.status_code == 401
    assert code_of(answer) == code
    challenge = answer.headers["WWW-Authenticate"]
    assert ("invalid_token" in challenge) == (code == "token_invalid")


def test_one_kind_of_token_is_not_another(person: Person) -> None:
    assert code_of(person.me(person.cookie)) == "token_invalid"
    assert code_of(person.verify(person.cookie)) == "token_invalid"
    assert code_of(person.refresh(person.access)) == "token_invalid"


@pytest.mark.parametrize(
    "credential",
    [
        pytest.param(lambda p: bearer(p), id="a bearer header"),
        pytest.param(lambda p: {}, id="nothing"),
    ],
)
def test_the_refresh_cookie_alone_refreshes(
    credential: Callable[[Person], dict[str, str]], person: Person
) -> None:
    answer = person.post("/api/v1/auth/refresh", headers=credential(person))
    assert code_of(answer) == "token_missing"
    assert cookie_of(answer) is None


def test_the_cookie_sent_twice_is_refused(person: Person) -> None:
    twice = f"refresh_token={person.cookie}; refresh_token=other"
    answer = person.post("/api/v1/auth/refresh", headers={"Cookie": twice})
    assert code_of(answer) == "token_invalid"


def test_the_cookie_opens_no_api_route(person: Person, system: System) -> None:
    cookie = {"Cookie": f"refresh_token={person.cookie}"}
    answer = call(system, "GET", "/api/v1/users/me", headers=cookie)
    assert code_of(answer) == "token_missing"
