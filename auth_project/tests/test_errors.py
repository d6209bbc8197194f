"""Every route: what is malformed is a problem with a code of the list, never a 500."""

import pytest
from django.urls import get_resolver
from rest_framework.test import APIClient

from shared.api.exceptions import CODES
from shared.tests.bodies import MALFORMED, NO_OBJECTS, TYPES
from tests.conftest import PASSWORD, signed_in

pytestmark = pytest.mark.django_db

MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}
PREFIX = "/api/v1/auth/"
WITH_BODY = ["login", "verify_token", "sessions/revoke"]
WITH_TOKEN = ["logout_all", "sessions", "sessions/<uuid:session_id>"]
WITH_COOKIE = ["refresh", "logout"]
READ = ["health/live", "health/ready", "docs", "openapi.json"]
FORM = "introspect"  # of a form instead of JSON: see test_introspection
OPERATORS = [  # nothing but ids: see test_internal
    "users/<uuid:user_id>/sessions",
    "users/<uuid:user_id>/sessions/<uuid:session_id>/revoke",
]
PUBLIC = ["/.well-known/jwks.json", "/.well-known/oauth-authorization-server"]


def test_every_route_is_one_of_these():
    """A new one must be put under test here."""
    routes = {"/" + str(each.pattern) for each in get_resolver().url_patterns}

    known = {PREFIX + name for name in WITH_BODY + WITH_TOKEN + WITH_COOKIE + READ}
    known |= {PREFIX + name for name in [FORM, *OPERATORS]}
    assert routes == known | set(PUBLIC)


@pytest.fixture
def send(users, session, settings):
    """A request with everything that gets it past the door."""
    key = dict(settings.INTERNAL_API_KEYS)["users"]
    client = signed_in(session, users, **{"X-Internal-Api-Key": key})

    def send(method, path, body=b"", content_type="application/json", **headers):
        path = path if path.startswith("/") else PREFIX + path
        return client.generic(method, path, body, content_type, headers=headers)

    return send


def assert_problem(answer, status=None):
    assert answer.status_code < 500, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert set(problem) - {"errors"} == MEMBERS
    assert problem["status"] == answer.status_code
    assert problem["code"] in CODES
    assert problem["request_id"] == answer["X-Request-ID"]
    assert ("WWW-Authenticate" in answer) == (answer.status_code == 401)
    if status is not None:
        assert answer.status_code == status, answer.content


@pytest.mark.parametrize("route", WITH_BODY)
@pytest.mark.parametrize("body", [*MALFORMED, *NO_OBJECTS])
def test_a_body_that_is_not_what_it_should_be_is_400(send, route, body):
    """INP-01, INP-04."""
    assert_problem(send("POST", route, body), 400)


@pytest.mark.parametrize("body", MALFORMED)
def test_a_body_that_may_be_left_out_must_not_be_malformed(send, body):
    assert_problem(send("POST", "logout_all", body), 400)


@pytest.mark.parametrize("route", [*WITH_BODY, "logout_all"])
@pytest.mark.parametrize("content_type", TYPES)
def test_a_body_of_another_type_is_415(send, route, content_type):
    """INP-02."""
    assert_problem(send("POST", route, b'{"a": 1}', content_type), 415)


@pytest.mark.parametrize("route", [*WITH_BODY, "logout_all"])
def test_a_body_over_the_limit_is_413(send, route, settings):
    body = b" " * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)

    assert_problem(send("POST", route, body), 413)


@pytest.mark.parametrize("route", WITH_COOKIE)
@pytest.mark.parametrize("body", [*MALFORMED, *NO_OBJECTS])
def test_a_route_that_takes_no_body_does_not_mind_one(send, route, body):
    answer = send("POST", route, body)

    assert answer.status_code == {"refresh": 401, "logout": 200}[route]


@pytest.mark.parametrize("path", [*WITH_BODY, *WITH_COOKIE, *READ[:2], *PUBLIC])
@pytest.mark.parametrize("accept", ["text/html", "application/xml", "x"])
def test_whoever_takes_no_json_gets_406(send, path, accept):
    method = "POST" if path in WITH_BODY + WITH_COOKIE else "GET"

    assert_problem(send(method, path, b"{}", Accept=accept), 406)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "XYZ"])
@pytest.mark.parametrize("route", [*WITH_BODY, *WITH_COOKIE, "logout_all"])
def test_a_route_that_changes_something_takes_post_alone(send, route, method):
    answer = send(method, route)

    assert_problem(answer, 405)
    assert answer.json()["code"] == "method_not_allowed"
    assert answer["Allow"] == "POST"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", [*READ[:2], *PUBLIC])
def test_a_route_that_is_read_takes_get_alone(send, path, method):
    answer = send(method, path, b"{}")

    assert_problem(answer, 405)
    assert answer["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", [*WITH_BODY, *WITH_COOKIE, *READ, *PUBLIC])
def test_a_bad_host_is_400_everywhere(send, path):
    for host in ("evil.example", "a_b", ""):
        assert_problem(send("GET", path, Host=host), 400)


@pytest.mark.parametrize("path", ["", "nothing", "login/x", "sessions/x", "users/me"])
def test_anything_else_is_404(send, path):
    answer = send("GET", path)

    assert_problem(answer, 404)
    assert "/api/" not in answer.content.decode()  # what was asked is not repeated


@pytest.mark.parametrize("route", [*WITH_COOKIE, *WITH_BODY])
def test_a_trailing_slash_is_accepted(send, route):
    with_slash, without = send("POST", route + "/", b"{}"), send("POST", route, b"{}")

    assert with_slash.status_code == without.status_code != 404


@pytest.mark.parametrize("path", [*READ, *PUBLIC])
def test_anyone_may_read(path, trusted_kid):
    path = path if path.startswith("/") else PREFIX + path

    answer = APIClient().get(path)

    assert answer.status_code == 200


COOKIES = [
    pytest.param("refresh_token", id="name-alone"),
    pytest.param("refresh_token=", id="empty"),
    pytest.param("refresh_token=\x00", id="nul"),
    pytest.param("refresh_token=" + "x" * 8000, id="8kB"),
    pytest.param("refresh_token=" + "." * 2, id="dots"),
    pytest.param('refresh_token="a.b.c"', id="quoted"),
    pytest.param("refresh_token=é.é.é", id="not-ascii"),
    pytest.param(";;;=;=;", id="separators"),
    pytest.param("refresh_token=eyJ9.eyJ9.eyJ9", id="no-json"),
    pytest.param("a=1; " * 500, id="many"),
]


@pytest.mark.parametrize("cookie", COOKIES)
def test_no_cookie_breaks_anything(send, cookie):
    refresh = send("POST", "refresh", Cookie=cookie)
    assert_problem(refresh, 401)

    assert send("POST", "logout", Cookie=cookie).status_code == 200


def test_a_bug_is_a_problem_that_tells_nothing(send, users, monkeypatch):
    """LOG-06."""

    def broken(credentials):
        raise RuntimeError("canary")

    monkeypatch.setattr(users, "verify", broken)
    body = b'{"username": "ada", "password": "%s"}' % PASSWORD.encode()

    answer = send("POST", "login", body)

    assert answer.status_code == 500
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "internal_error"
    assert b"canary" not in answer.content
