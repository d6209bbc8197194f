"""Errors: every one is a problem of ours, wherever it arose (RFC 9457)."""

import json

import psycopg
import pytest
from rest_framework import exceptions as drf
from rest_framework.exceptions import APIException
from rest_framework.test import APIClient

from shared.api import exceptions, problem_details
from shared.api.exceptions import CODES
from shared.tests.bodies import MALFORMED, NO_OBJECTS, TYPES
from shared.tests.conftest import assert_problem

PROBLEM = "application/problem+json"
NOTES = "/api/v1/test/notes"
CREDENTIALS = "/api/v1/test/credentials"


@pytest.fixture
def post(api_client):
    """The answer to a body: bytes are sent as they are, all else as JSON."""

    def send(body, path=NOTES, content_type="application/json", **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        return api_client.generic("POST", path, body, content_type, headers=headers)

    return send


CLASSES = [each for each in vars(exceptions).values() if isinstance(each, type)]
OURS = [e for e in CLASSES if issubclass(e, APIException) and e is not APIException]
THEIRS = [
    *(drf.ParseError(), drf.ValidationError("x"), drf.NotFound(), drf.NotAcceptable()),
    *(drf.MethodNotAllowed("PUT"), drf.UnsupportedMediaType("x"), drf.Throttled(3)),
    *(drf.NotAuthenticated(), drf.PermissionDenied(), drf.APIException()),
    drf.AuthenticationFailed(),  # of an authenticator that is not ours
]


@pytest.mark.parametrize(
    "error", [*THEIRS, *(each() for each in OURS)], ids=lambda e: type(e).__name__
)
def test_every_error_has_a_code_of_the_list(error):
    """And 401, 429 and 503 of ours their headers."""
    response = problem_details.exception_handler(error, {})

    assert response.data["code"] in CODES
    assert response.data["status"] == response.status_code
    assert response.content_type == "application/problem+json"
    if isinstance(error, (*OURS, drf.Throttled)):
        needed = {401: {"WWW-Authenticate"}, 429: {"Retry-After"}, 503: {"Retry-After"}}
        expected = needed.get(response.status_code, set())
        assert exceptions.error_headers(error).keys() == expected
        assert response.get("Retry-After") == (
            str(error.wait) if "Retry-After" in expected else None
        )


@pytest.mark.parametrize("prefix", ["/api/v1/test/", "/plain/"])
@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("nothing", 404, "not_found"),
        ("unavailable", 503, "dependency_unavailable"),
        ("broken", 500, "internal_error"),
    ],
)
def test_an_error_is_a_problem_wherever_it_arose(prefix, path, status, code):
    answer = APIClient(raise_request_exception=False).get(prefix + path)

    assert_problem(answer, status, code)
    assert answer.json()["detail"] == CODES[code]


@pytest.mark.parametrize(
    ("cause", "meaning"),
    [
        (psycopg.OperationalError(), exceptions.DependencyUnavailable),
        (psycopg.IntegrityError(), type(None)),
    ],
)
def test_a_library_may_wrap_what_the_database_raises(cause, meaning):
    error = RuntimeError()
    error.__cause__ = cause
    assert type(problem_details.translate(error)) is meaning


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "options"])
def test_a_method_the_resource_has_not_is_405_with_allow(api_client, method):
    answer = getattr(api_client, method)(NOTES)

    assert_problem(answer, 405, "method_not_allowed")
    assert answer["Allow"] == "POST"


@pytest.mark.parametrize(
    ("accept", "fits"),
    [
        *((no, False) for no in ("text/html", "application/xml", "image/*", "x")),
        *((yes, True) for yes in ("*/*", "application/*", "text/html, */*;q=0.1")),
        *((yes, True) for yes in (PROBLEM, f"text/html, {PROBLEM.title()} ;q=0.1")),
    ],
)
def test_a_client_that_takes_no_json_is_refused_in_json(post, accept, fits):
    answer = post({"text": "a"}, Accept=accept)
    if fits:
        assert answer["Content-Type"] == "application/json"
    else:
        assert_problem(answer, 406, "not_acceptable")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        *(pytest.param(*p.values, "invalid_json", id=p.id) for p in MALFORMED),
        *(pytest.param(*p.values, "validation_error", id=p.id) for p in NO_OBJECTS),
    ],
)
def test_a_malformed_body_is_400(post, body, code):
    assert_problem(post(body), 400, code)


@pytest.mark.parametrize("content_type", TYPES)
def test_a_body_of_another_type_is_415(post, content_type):
    answer = post({"text": "a"}, content_type=content_type)

    assert_problem(answer, 415, "unsupported_media_type")
    assert answer["Accept"] == "application/json"
    assert answer.json()["detail"] == "Send application/json, in UTF-8."


@pytest.mark.parametrize("end", ["", "; charset=utf-8", ';charset="UTF8"'])
def test_json_may_be_named_in_these_ways(post, end):
    body = '{"text": "é 😀 \\ud83d\\ude00 \\\\ud800"}'.encode()
    for content_type in ("application/json", "APPLICATION/JSON"):
        answer = post(body, content_type=content_type + end)
        assert answer.json() == {"text": "é 😀 😀 \\ud800"}


@pytest.mark.parametrize("extra", [0, 1, 10_000])
def test_a_body_over_the_limit_is_413(post, settings, extra):
    answer = post(b'{"text": "a"}'.ljust(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + extra))

    if extra:
        assert_problem(answer, 413, "payload_too_large")
    else:
        assert answer.json() == {"text": "a"}


@pytest.mark.parametrize(
    ("error", "members"),
    [
        (exceptions.SecondFactorRequired(login="x", factors=["totp"]), ...),
        (exceptions.SecondFactorInvalid(4), {"tries_left": 4}),
        (exceptions.SecondFactorInvalid(), {}),
    ],
)
def test_an_error_may_have_members_of_its_own(error, members):
    """RFC 9457 section 3.2. They take the place of none of the standard's."""
    members = {"login": "x", "factors": ["totp"]} if members is ... else members
    found = problem_details.problem_of(error)
    standard = problem_details.problem(401, error.default_code)
    assert found == standard | members
    assert not standard.keys() & members.keys()


def test_errors_name_their_fields(post):
    answer = post({"text": 5, "tags": ["a", ["b"]]})

    assert_problem(answer, 400, "validation_error")
    wrong = {"message": "Not a valid string.", "code": "invalid"}
    assert answer.json()["errors"] == {"text": [wrong], "tags.1": [wrong]}
    assert list(post([]).json()["errors"]) == ["non_field_errors"]


@pytest.mark.parametrize(
    ("detail", "fields"),
    [
        ("x", ["non_field_errors"]),
        (["x", "y"], ["non_field_errors"]),
        ({"text": "x", "message": "y"}, ["text", "message"]),
        ({"": ["x"], "a": {"b": "x", "c": ["y"]}}, ["", "a.b", "a.c"]),
        # Of a serializer with `many=True`, and of one that another has as a field.
        ([{}, {"text": ["x"]}], ["1.text"]),
        (
            {"notes": [{"text": ["x"]}, {}, {"text": ["y"]}]},
            ["notes.0.text", "notes.2.text"],
        ),
    ],
)
def test_a_view_may_raise_errors_in_every_form_that_drf_takes(detail, fields):
    """A service of your own: for each field a list, as docs/errors.md says."""
    errors = problem_details.problem_of(drf.ValidationError(detail))["errors"]

    assert list(errors) == fields
    for each in errors.values():
        assert each
        assert all(error.keys() == {"message", "code"} for error in each)


def test_a_string_is_kept_as_it_was_sent(post):
    assert post({"text": "  a  "}).json() == {"text": "  a  "}


CANARY = "canary"
NO_STRINGS = [5, 5.5, True, None, [CANARY], {CANARY: 1}]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, {"password"}),
        ({"password": CANARY}, {"email"}),
        ({"email": "a"}, {"password"}),
        *(({"email": e, "password": "x"}, {"email"}) for e in ("", "a" * 255, "a\0")),
        ({"username": "a" * 51, "password": "x"}, {"username"}),
        *(
            ({"email": "a", "password": password}, {"password"})
            for password in (*NO_STRINGS, CANARY * 30, f"{CANARY}\0")
        ),
    ],
    ids=repr,
)
def test_credentials_are_checked_for_their_shape(post, fields, wrong):
    """INP-05: nothing is made into a string, 123456 is not the password "123456".
    INP-07: no error echoes a password."""
    answer = post(fields, CREDENTIALS)

    assert_problem(answer, 400, "validation_error")
    assert set(answer.json()["errors"]) == wrong
    assert CANARY.encode() not in answer.content
