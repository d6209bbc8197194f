"""Which request reaches which service, and that nothing else reaches any."""

import pytest

from deploy.tests.client import same_but_for_the_id
from nginx.tests.malicious_inputs import ANY_ID, INTERNAL, MALICIOUS_PATHS
from nginx.tests.problem_assertions import check_problem

AUTH, USERS = "/api/v1/auth", "/api/v1/users"
PUBLIC = [
    *(("POST", f"{AUTH}/{x}") for x in ("login", "refresh", "logout", "logout_all")),
    ("GET", f"{AUTH}/sessions"),
    ("DELETE", f"{AUTH}/sessions/{ANY_ID}"),
    ("POST", USERS),
    ("GET", f"{USERS}/me"),
    ("PATCH", f"{USERS}/me"),
    ("POST", f"{USERS}/me/change_password"),
    *(
        ("GET", f"{base}/{page}")
        for base in (AUTH, USERS)
        for page in ("docs", "openapi.json", "health/live", "health/ready")
    ),
]
LINE = b"%b %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture
def reached(gateway):
    """How many requests the services have got since the test began."""
    before = gateway.auth.requests + gateway.users.requests
    return lambda: gateway.auth.requests + gateway.users.requests - before


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(("method", "path"), PUBLIC)
def test_a_public_route_reaches_its_service_with_and_without_a_slash(
    gateway, method, path, slash
):
    answer = gateway.ask(method, f"{path}{slash}?next=%2F..%2Fx")
    assert answer.status_code == 200
    assert answer.json()["service"] == path.split("/")[3]
    assert answer.json()["path"] == f"{path}{slash}?next=%2F..%2Fx"


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/.well-known/jwks.json", "auth"),
        ("/.well-known/oauth-authorization-server", "auth"),
        ("/admin/login/?next=/admin/", "users"),
        (f"/admin/users/user/{ANY_ID}/change/", "users"),
    ],
)
def test_other_routes_reach_one_service(gateway, path, service):
    answer = gateway.get(path).json()
    assert (answer["service"], answer["path"]) == (service, path)
    without_slash = gateway.get("/admin")
    assert without_slash.status_code == 308
    assert without_slash.one("Location") == "/admin/"


@pytest.mark.parametrize("path", INTERNAL)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_an_internal_route_is_no_different_from_an_unknown_one(
    gateway, reached, method, path
):
    key = {"X-Internal-Api-Key": "k" * 43, "Authorization": "Bearer x"}
    internal, unknown = gateway.ask(method, path, key), gateway.get("/nowhere")
    assert (internal.status_code, reached()) == (404, 0)
    assert same_but_for_the_id(internal, unknown)


@pytest.mark.parametrize("path", MALICIOUS_PATHS)
def test_a_path_trick_reaches_no_service(gateway, reached, path):
    received = gateway.raw(LINE % (b"GET", path.encode()))
    assert received.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 400 "))
    assert b"application/problem+json" in received
    assert reached() == 0


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET http://localhost/api/v1/auth/login",
        b"GET http://auth:8001/api/v1/auth/login",
        b"GET http://localhost/api/v1/auth/verify_token",
        b"GET localhost:443",
        b"GET *",
        b"CONNECT localhost:80",
        b"CONNECT /api/v1/users/me",
    ],
)
def test_only_the_origin_form_of_a_target_is_taken(gateway, reached, request_line):
    """So the gateway is no forward proxy. Versions of Nginx differ in the status."""
    received = gateway.raw(LINE % (*request_line.split(),))
    assert received.split(b" ")[1] in {b"400", b"404", b"405", b"421"}
    assert b"application/problem+json" in received
    assert reached() == 0


@pytest.mark.parametrize(
    "host", ["evil.example", "auth:8001", "localhost.evil", "10.0.0.1"]
)
def test_an_unknown_host_is_misdirected(gateway, host):
    answer = gateway.get("/api/v1/auth/health/live", Host=host)
    check_problem(answer, 421, "misdirected_request")
    for known in ("localhost:9", "127.0.0.1", "[::1]:80"):
        answer = gateway.get("/api/v1/auth/health/live", Host=known)
        assert dict(answer.json()["headers"])["Host"] == known


def test_the_admin_can_be_limited_to_networks(start):
    gateway = start({"GATEWAY_ADMIN_NETWORKS": "10.0.0.0/8"})
    for path in ("/admin/", "/admin/login/"):
        check_problem(gateway.get(path), 404, "not_found")
    assert gateway.users.requests == 0
