"""Which request reaches which service, and that nothing else reaches any."""

import pytest

from deploy.tests.client import same_but_for_the_id
from nginx.tests.malicious_inputs import ANY_ID, INTERNAL, MALICIOUS_PATHS
from nginx.tests.problem_assertions import check_problem

AUTH, USERS = "/api/v1/auth", "/api/v1/users"
# Of a client's credentials, those that a route uses.
NONE, COOKIE, TOKEN = set(), {"cookie"}, {"authorization"}
LINKS = ("verify_email/resend", "password_reset", "password_reset/confirm")
LINKS += ("change_email/undo", "factors_reset/cancel")
SECOND_STEPS = ("second_factor", "passkey", "enrol")
FACTORS = ("factors/totp", f"factors/{ANY_ID}/confirm", "recovery_codes")
FACTORS += ("factors/passkeys", "factors/passkeys/options")
ACCOUNT = ("verify", "reset", "reset/request", "email", "email/undo", "restore", "done")
ACCOUNT += ("factors/enrol", "factors/keep")
PAGES = ("docs", "openapi.json", "health/live", "health/ready")
ROUTES = {
    **{f"POST {AUTH}/{each}": COOKIE for each in ("login", "refresh", "logout")},
    **{f"POST {AUTH}/login/{each}": COOKIE for each in SECOND_STEPS},
    f"POST {AUTH}/login/passkey/options": NONE,
    f"POST {AUTH}/step_up": TOKEN,
    f"POST {AUTH}/step_up/options": TOKEN,
    f"POST {AUTH}/logout_all": COOKIE | TOKEN,
    f"GET {AUTH}/sessions": TOKEN,
    f"DELETE {AUTH}/sessions/{ANY_ID}": TOKEN,
    f"DELETE {AUTH}/sessions/{ANY_ID.upper()}": TOKEN,
    f"POST {USERS}": NONE,
    f"GET {USERS}/me": TOKEN,
    f"PATCH {USERS}/me": TOKEN,
    f"GET {USERS}/me/events": TOKEN,
    f"DELETE {USERS}/me": TOKEN,
    f"GET {USERS}/me/export": TOKEN,
    f"GET {USERS}/me/factors": TOKEN,
    **{f"POST {USERS}/me/{each}": TOKEN for each in FACTORS},
    f"PATCH {USERS}/me/factors/{ANY_ID}": TOKEN,
    f"DELETE {USERS}/me/factors/{ANY_ID}": TOKEN,
    f"DELETE {USERS}/me/factors/{ANY_ID.upper()}": TOKEN,
    f"DELETE {USERS}/me/password": TOKEN,
    f"POST {USERS}/restore": NONE,
    f"POST {USERS}/me/change_password": COOKIE | TOKEN,
    f"POST {USERS}/me/change_email": TOKEN,
    f"DELETE {USERS}/me/change_email": TOKEN,
    f"POST {USERS}/verify_email": COOKIE | TOKEN,
    f"POST {USERS}/change_email/confirm": COOKIE | TOKEN,
    **{f"POST {USERS}/{each}": NONE for each in LINKS},
    **{f"GET {base}/{page}": NONE for base in (AUTH, USERS) for page in PAGES},
    "GET /.well-known/jwks.json": NONE,
    "GET /.well-known/oauth-authorization-server": NONE,
    **{
        f"{method} /account/{page}": NONE if page == "reset/request" else COOKIE
        for method in ("GET", "POST")
        for page in ACCOUNT
    },
    "GET /": NONE,
    "GET /admin/login/": COOKIE,
    f"GET /admin/users/user/{ANY_ID}/change/": COOKIE,
}
LINE = b"%b %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture
def reached(gateway):
    """How many requests the services have got since the test began."""
    before = gateway.auth.requests + gateway.users.requests
    return lambda: gateway.auth.requests + gateway.users.requests - before


@pytest.mark.parametrize("route", ROUTES)
def test_a_public_route_reaches_its_service_with_what_it_uses(gateway, route):
    """With and without a slash. A query is passed on as it is."""
    method, path = route.split()
    credentials = {"Cookie": "refresh_token=x", "Authorization": "Bearer x"}
    service = "auth" if path.startswith((AUTH, "/.well-known/")) else "users"
    for slash in ("", "/") if path.startswith("/api/") else ("",):
        url = f"{path}{slash}?next=%2F..%2Fx"
        got = gateway.ask(method, url, credentials).json()
        assert (got["service"], got["path"]) == (service, url)
        names = {name.lower() for name, _ in got["headers"]}
        assert names & (COOKIE | TOKEN) == ROUTES[route]


def test_the_admin_has_a_slash(gateway):
    answer = gateway.get("/admin")
    assert (answer.status_code, answer.one("Location")) == (308, "/admin/")


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


@pytest.mark.parametrize(
    "host", ["localhost:80@evil.example", "localhost:x", "localhost:80:80"]
)
def test_a_known_host_with_more_than_a_port_is_refused(gateway, reached, host):
    """Django would refuse it, too, with an error in the log for each request."""
    answer = gateway.get("/api/v1/auth/health/live", Host=host)
    check_problem(answer, 400, "bad_request")
    assert reached() == 0


def test_the_admin_can_be_limited_to_networks(start):
    gateway = start({"GATEWAY_ADMIN_NETWORKS": "10.0.0.0/8"})
    for path in ("/admin", "/admin/", "/admin/login/"):
        check_problem(gateway.get(path), 404, "not_found")
    assert gateway.users.requests == 0
