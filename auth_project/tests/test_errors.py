"""Every route: what is malformed is a problem with a code of the list, never a 500."""

import pytest
from django.urls import get_resolver
from rest_framework.test import APIClient

from shared.api.exceptions import CODES
from shared.tests.bodies import MALFORMED, NO_OBJECTS, TYPES
from tests.conftest import CREDENTIALS, signed_in

pytestmark = pytest.mark.django_db

MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}
PREFIX = "/api/v1/auth/"
WITH_BODY = ["login", "verify_token", "sessions/revoke"]
WITH_BODY += ["login/second_factor", "login/enrol", "login/passkey", "step_up"]
WITH_COOKIE = ["refresh", "logout"]
CHANGING = [*WITH_BODY, *WITH_COOKIE, "logout_all"]
HEALTH = ["health/live", "health/ready"]
PUBLIC = ["/.well-known/jwks.json", "/.well-known/oauth-authorization-server"]
READ = [*HEALTH, *PUBLIC]
DOCS = ["docs", "openapi.json"]
# In test_erasure, _introspection, _passkeys, _schema, _sessions and _step_up.
ELSEWHERE = [
    "internal/openapi.json",
    *("metrics", "step_up/options", "login/passkey/options"),
    *("introspect", "sessions", "sessions/<id:session_id>"),
    "users/<uuid:user_id>/events",
    "users/<uuid:user_id>/sessions",
    "users/<uuid:user_id>/sessions/<uuid:session_id>/revoke",
    *("users/<uuid:user_id>/stored_sessions", "users/<uuid:user_id>/erase"),
]


def url(path):
    return path if path.startswith("/") else PREFIX + path


def test_every_route_is_one_of_these():
    """A new one must be put under test here."""
    routes = {"/" + str(each.pattern) for each in get_resolver().url_patterns}

    assert routes == {url(path) for path in [*CHANGING, *READ, *DOCS, *ELSEWHERE]}


@pytest.fixture
def send(users, session, settings):
    """A request with everything that gets it past the door."""
    key = dict(settings.INTERNAL_API_KEYS)["users"]
    client = signed_in(session, users, **{"X-Internal-Api-Key": key})

    def send(method, path, body=b"", content_type="application/json", **headers):
        return client.generic(method, url(path), body, content_type, headers=headers)

    return send


def assert_problem(answer, status):
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert set(problem) - {"errors"} == MEMBERS
    assert problem["status"] == answer.status_code
    assert problem["code"] in CODES
    assert problem["request_id"] == answer["X-Request-ID"]
    assert ("WWW-Authenticate" in answer) == (answer.status_code == 401)


@pytest.mark.parametrize("path", CHANGING)
def test_a_bad_body_is_a_problem_where_one_is_read(send, settings, path):
    """INP-01, INP-02, INP-04. One that may be left out must not be malformed."""
    bodies = MALFORMED if path == "logout_all" else [*MALFORMED, *NO_OBJECTS]
    for (body,) in (each.values for each in bodies):
        answer = send("POST", path, body)
        if path == "logout":
            assert answer.status_code == 200
        else:
            assert_problem(answer, 401 if path == "refresh" else 400)
    if path not in WITH_COOKIE:
        for (content_type,) in (each.values for each in TYPES):
            assert_problem(send("POST", path, b'{"a": 1}', content_type), 415)
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        too_long = b" " * (4 * limit + 1)  # a push of many users may be that long
        assert_problem(send("POST", path, too_long), 413)


@pytest.mark.parametrize("path", [*WITH_BODY, *WITH_COOKIE, *READ])
def test_a_client_that_takes_no_json_gets_406(send, path):
    method = "GET" if path in READ else "POST"
    for accept in ("text/html", "application/xml", "x"):
        assert_problem(send(method, path, b"{}", Accept=accept), 406)


def test_errors_of_the_docs_page_are_problems_too(send):
    assert_problem(send("GET", "docs", Accept="application/json"), 406)
    assert_problem(send("POST", "docs"), 405)


@pytest.mark.parametrize("path", [*WITH_BODY, *WITH_COOKIE, *READ, *DOCS])
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


@pytest.mark.parametrize(
    "cookie",
    [
        *("refresh_token", "refresh_token=", "refresh_token=\x00", ";;;=;=;"),
        *("refresh_token=..", 'refresh_token="a.b.c"', "refresh_token=é.é.é"),
        *("refresh_token=eyJ9.eyJ9.eyJ9", "refresh_token=" + "x" * 8000, "a=1; " * 500),
    ],
    ids=lambda cookie: ascii(cookie)[:32],
)
def test_no_cookie_breaks_anything(send, cookie):
    assert_problem(send("POST", "refresh", Cookie=cookie), 401)

    assert send("POST", "logout", Cookie=cookie).status_code == 200


def test_a_bug_is_a_problem_that_says_nothing(users, monkeypatch):
    """LOG-06."""

    def broken(credentials):
        raise RuntimeError("canary")

    monkeypatch.setattr(users, "verify", broken)
    client = APIClient(raise_request_exception=False)

    answer = client.post(url("login"), CREDENTIALS)

    assert_problem(answer, 500)
    assert answer.json()["code"] == "internal_error"
    assert b"canary" not in answer.content
