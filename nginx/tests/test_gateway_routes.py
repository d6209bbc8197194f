"""Which request reaches which service, and that nothing else reaches any."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.tests.client import same_but_for_the_id
from nginx.tests.gateway_stack import Gateway, running_gateway
from nginx.tests.malicious_inputs import INTERNAL, TRICKS
from nginx.tests.problem_assertions import check_problem

PUBLIC = [
    ("POST", "/api/v1/auth/login", "auth"),
    ("POST", "/api/v1/auth/refresh", "auth"),
    ("POST", "/api/v1/auth/logout", "auth"),
    ("POST", "/api/v1/auth/logout_all", "auth"),
    ("GET", "/api/v1/auth/sessions", "auth"),
    ("DELETE", "/api/v1/auth/sessions/2f1c3b0e-6d52-4b5e-9d7a-0a4d3a1b2c3d", "auth"),
    ("GET", "/api/v1/auth/docs", "auth"),
    ("GET", "/api/v1/auth/openapi.json", "auth"),
    ("GET", "/api/v1/auth/health/live", "auth"),
    ("GET", "/api/v1/auth/health/ready", "auth"),
    ("POST", "/api/v1/users", "users"),
    ("GET", "/api/v1/users/me", "users"),
    ("PATCH", "/api/v1/users/me", "users"),
    ("POST", "/api/v1/users/me/change_password", "users"),
    ("GET", "/api/v1/users/docs", "users"),
    ("GET", "/api/v1/users/openapi.json", "users"),
    ("GET", "/api/v1/users/health/live", "users"),
    ("GET", "/api/v1/users/health/ready", "users"),
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("routes")) as running:
        yield running


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(("method", "path", "service"), PUBLIC)
def test_a_public_route_reaches_its_service_with_and_without_a_slash(
    gateway: Gateway, method: str, path: str, service: str, slash: str
) -> None:
    answer = gateway.request(method, f"{path}{slash}?next=%2F..%2Fx")
    assert answer.status_code == 200
    assert answer.json()["service"] == service
    assert answer.json()["path"] == f"{path}{slash}?next=%2F..%2Fx"


@pytest.mark.parametrize("name", ["jwks.json", "oauth-authorization-server"])
def test_what_is_well_known_comes_from_auth(gateway: Gateway, name: str) -> None:
    assert gateway.get(f"/.well-known/{name}").json()["service"] == "auth"


def test_the_admin_comes_from_users(gateway: Gateway) -> None:
    path = "/admin/users/user/2f1c3b0e-6d52-4b5e-9d7a-0a4d3a1b2c3d/change/"
    assert gateway.get("/admin/login/?next=/admin/").json()["service"] == "users"
    assert gateway.get(path).json()["path"] == path


def test_admin_without_its_slash_is_redirected(gateway: Gateway) -> None:
    answer = gateway.get("/admin")
    assert (answer.status_code, answer.one("Location")) == (308, "/admin/")


@pytest.mark.parametrize("path", INTERNAL)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_an_internal_route_is_no_different_from_an_unknown_one(
    gateway: Gateway, method: str, path: str
) -> None:
    key = {"X-Internal-Api-Key": "k" * 43, "Authorization": "Bearer x"}
    before = gateway.auth.requests + gateway.users.requests
    internal, unknown = gateway.request(method, path, key), gateway.get("/nowhere")
    assert gateway.auth.requests + gateway.users.requests == before
    assert internal.status_code == 404
    assert same_but_for_the_id(internal, unknown)


@pytest.mark.parametrize("path", TRICKS)
def test_a_path_trick_reaches_no_service(gateway: Gateway, path: str) -> None:
    before = gateway.auth.requests + gateway.users.requests
    target = path.encode()
    received = gateway.raw(
        b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert received.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 400 "))
    assert b"application/problem+json" in received
    assert gateway.auth.requests + gateway.users.requests == before


@pytest.mark.parametrize(
    "target",
    [
        b"http://localhost/api/v1/auth/login",
        b"http://auth:8001/api/v1/auth/login",
        b"http://localhost/api/v1/auth/verify_token",
        b"localhost:443",
        b"*",
    ],
)
def test_only_the_origin_form_of_a_target_is_taken(
    gateway: Gateway, target: bytes
) -> None:
    before = gateway.auth.requests
    received = gateway.raw(
        b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert received.split(b" ")[1] in {b"400", b"404", b"421"}
    assert gateway.auth.requests == before


@pytest.mark.parametrize("target", [b"localhost:80", b"/api/v1/users/me"])
def test_the_gateway_is_no_forward_proxy(gateway: Gateway, target: bytes) -> None:
    """Which of the two statuses it is depends on the version of Nginx."""
    received = gateway.raw(
        b"CONNECT " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    assert received.split(b" ")[1] in {b"400", b"405"}
    assert b"application/problem+json" in received


@pytest.mark.parametrize(
    "host", ["evil.example", "auth:8001", "localhost.evil", "10.0.0.1"]
)
def test_an_unknown_host_is_misdirected(gateway: Gateway, host: str) -> None:
    answer = gateway.get("/api/v1/auth/health/live", Host=host)
    check_problem(answer, 421, "misdirected_request")


@pytest.mark.parametrize("host", ["localhost", "localhost:9", "127.0.0.1", "[::1]:80"])
def test_a_known_host_is_served_on_any_port(gateway: Gateway, host: str) -> None:
    answer = gateway.get("/api/v1/auth/health/live", Host=host)
    assert dict(answer.json()["headers"])["Host"] == host


def test_the_admin_can_be_limited_to_networks(tmp_path: Path) -> None:
    with running_gateway(tmp_path, {"GATEWAY_ADMIN_NETWORKS": "10.0.0.0/8"}) as gateway:
        for path in ("/admin/", "/admin/login/"):
            answer = gateway.get(path)
            check_problem(answer, 404, "not_found")
        assert gateway.users.requests == 0
