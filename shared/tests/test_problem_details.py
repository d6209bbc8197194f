"""Errors: what leaves the service is a problem of ours, whoever made it (RFC 9457)."""

import json

import pytest
from rest_framework import exceptions as drf
from rest_framework.exceptions import APIException
from rest_framework.test import APIClient

from shared.api import exceptions, problem_details
from shared.api.exceptions import CODES
from shared.tests.bodies import MALFORMED, NO_OBJECTS, TYPES
from shared.tests.conftest import assert_problem

NOTES = "/api/v1/test/notes"


@pytest.fixture
def quiet_client():
    """A client that shows a 500 as the answer it becomes."""
    return APIClient(raise_request_exception=False)


def all_subclasses(kind):
    for each in kind.__subclasses__():
        yield each
        yield from all_subclasses(each)


OURS = [e for e in all_subclasses(APIException) if e.__module__.startswith("shared.")]


def test_the_codes_are_a_closed_list():
    """Every class of ours says one of them, or is an abstract one without a code."""
    codes = {each.default_code for each in OURS} - {APIException.default_code}

    assert len(OURS) > 12
    assert codes <= set(CODES)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(drf.ParseError(), id="parse"),
        pytest.param(drf.ValidationError("x"), id="validation"),
        pytest.param(drf.NotFound(), id="not-found"),
        pytest.param(drf.MethodNotAllowed("PUT"), id="method"),
        pytest.param(drf.NotAcceptable(), id="accept"),
        pytest.param(drf.UnsupportedMediaType("x"), id="type"),
        pytest.param(drf.Throttled(3), id="throttled"),
        pytest.param(drf.NotAuthenticated(), id="not-authenticated"),
        pytest.param(drf.PermissionDenied(), id="permission"),
        pytest.param(drf.APIException(), id="base"),
        *(pytest.param(each(), id=each.__name__) for each in OURS),
    ],
)
def test_every_error_has_a_code_of_the_list(error):
    response = problem_details.exception_handler(error, {})

    assert response.data["code"] in CODES
    assert response.data["status"] == response.status_code
    assert response.content_type == "application/problem+json"


def test_a_wait_becomes_retry_after():
    response = problem_details.exception_handler(drf.Throttled(wait=3), {})

    assert (response.status_code, response["Retry-After"]) == (429, "3")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v1/test/nothing", 404, "not_found"),
        ("/nothing", 404, "not_found"),
        ("/api/v1/test/notes/abc", 404, "not_found"),
        ("/api/v1/test/me", 401, "token_missing"),
        ("/api/v1/test/away", 503, "dependency_unavailable"),
        ("/plain/away", 503, "dependency_unavailable"),
        ("/api/v1/test/broken", 500, "internal_error"),
        ("/plain/broken", 500, "internal_error"),
    ],
)
def test_an_error_is_a_problem_wherever_it_arose(quiet_client, path, status, code):
    answer = quiet_client.get(path)

    assert_problem(answer, status, code)
    assert b"canary" not in answer.content
    assert b"Traceback" not in answer.content


def test_a_bad_host_is_a_problem(api_client):
    answer = api_client.get("/api/v1/test/me", headers={"Host": "evil.example"})

    assert_problem(answer, 400, "bad_request")


@pytest.mark.parametrize("host", ["", "a_b", "x" * 300, "testserver:99999x", "[::1"])
def test_a_host_that_is_none_is_a_problem(api_client, host):
    answer = api_client.get("/api/v1/test/me", headers={"Host": host})

    assert_problem(answer, 400, "bad_request")


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "options"])
def test_a_method_the_resource_has_not_is_405_with_allow(api_client, method):
    answer = getattr(api_client, method)(NOTES)

    assert_problem(answer, 405, "method_not_allowed")
    assert answer["Allow"] == "POST"


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/*", "x"])
def test_whoever_takes_no_json_is_told_in_json(api_client, accept):
    answer = api_client.post(NOTES, {"text": "a"}, "json", headers={"Accept": accept})

    assert_problem(answer, 406, "not_acceptable")


@pytest.mark.parametrize("accept", ["*/*", "application/*", "text/html, */*;q=0.1"])
def test_whoever_takes_anything_gets_json(api_client, accept):
    answer = api_client.post(NOTES, {"text": "a"}, "json", headers={"Accept": accept})

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"


# --- Bodies -------------------------------------------------------------------------


@pytest.mark.parametrize("body", MALFORMED)
def test_a_malformed_body_is_400(api_client, body):
    answer = api_client.post(NOTES, body, content_type="application/json")

    assert_problem(answer, 400, "invalid_json")


@pytest.mark.parametrize("body", NO_OBJECTS)
def test_a_body_of_another_shape_is_400(api_client, body):
    answer = api_client.post(NOTES, body, content_type="application/json")

    assert_problem(answer, 400, "validation_error")


@pytest.mark.parametrize("content_type", TYPES)
def test_a_body_of_another_type_is_415(api_client, content_type):
    answer = api_client.generic("POST", NOTES, b'{"text": "a"}', content_type)

    assert_problem(answer, 415, "unsupported_media_type")
    assert answer["Accept"] == "application/json"


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "APPLICATION/JSON",
        "application/json; charset=utf-8",
        'application/json; charset="UTF-8"',
        "application/json;charset=utf8",
    ],
)
def test_json_may_be_named_in_these_ways(api_client, content_type):
    body = json.dumps({"text": "é 😀"}, ensure_ascii=False).encode()

    answer = api_client.generic("POST", NOTES, body, content_type)

    assert answer.json() == {"text": "é 😀"}


def test_whole_characters_may_be_escaped(api_client):
    body = b'{"text": "\\ud83d\\ude00 \\\\ud800"}'

    answer = api_client.generic("POST", NOTES, body, "application/json")

    assert answer.json() == {"text": "😀 \\ud800"}


@pytest.mark.parametrize("extra", [1, 10_000])
def test_a_body_over_the_limit_is_413(api_client, settings, extra):
    body = b" " * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + extra)

    answer = api_client.generic("POST", NOTES, body, "application/json")

    assert_problem(answer, 413, "payload_too_large")


def test_a_body_of_the_limit_is_read(api_client, settings):
    body = b'{"text": "a"}'.ljust(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)

    assert api_client.generic("POST", NOTES, body, "application/json").json()


# --- Validation ---------------------------------------------------------------------


def test_errors_name_their_fields(api_client):
    answer = api_client.post(NOTES, {"text": 5, "tags": ["a", ["b"]]}, "json")

    assert_problem(answer, 400, "validation_error")
    errors = answer.json()["errors"]
    assert errors["text"] == [{"message": "Not a valid string.", "code": "invalid"}]
    assert list(errors) == ["text", "tags.1"]
    assert all(
        set(e) == {"message", "code"} for found in errors.values() for e in found
    )


def test_errors_of_no_field_have_a_name_too(api_client):
    answer = api_client.post(NOTES, [], "json")

    assert list(answer.json()["errors"]) == ["non_field_errors"]


@pytest.mark.parametrize("value", [5, 5.5, True, None, ["a"], {"a": 1}], ids=repr)
def test_nothing_is_made_into_a_string(api_client, value):
    """INP-05: 123456 is not the password "123456"."""
    credentials = {"email": "ada@example.org", "password": value}

    answer = api_client.post("/api/v1/test/credentials", credentials, "json")

    assert_problem(answer, 400, "validation_error")
    assert list(answer.json()["errors"]) == ["password"]


def test_a_string_is_kept_as_it_was_sent(api_client):
    assert api_client.post(NOTES, {"text": "  a  "}, "json").json() == {"text": "  a  "}


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        pytest.param({}, {"email", "password"}, id="nothing"),
        pytest.param({"password": "x"}, {"email"}, id="no-name"),
        pytest.param({"email": "a"}, {"password"}, id="no-password"),
        pytest.param({"email": "", "password": "x"}, {"email"}, id="blank"),
        pytest.param({"email": "a" * 255, "password": "x"}, {"email"}, id="long-email"),
        pytest.param(
            {"username": "a" * 51, "password": "x"}, {"username"}, id="long-username"
        ),
        pytest.param(
            {"email": "a", "password": "x" * 129}, {"password"}, id="long-password"
        ),
        pytest.param({"email": "a\0", "password": "x"}, {"email"}, id="nul"),
    ],
)
def test_credentials_are_checked_for_their_shape(api_client, fields, wrong):
    answer = api_client.post("/api/v1/test/credentials", fields, "json")

    assert_problem(answer, 400, "validation_error")
    assert set(answer.json()["errors"]) <= wrong


def test_no_validation_error_echoes_a_password(api_client):
    """INP-07."""
    for password in ("canary" * 30, "canary\0", ["canary"], {"canary": 1}):
        body = {"email": "a", "password": password}
        answer = api_client.post("/api/v1/test/credentials", body, "json")
        assert b"canary" not in answer.content


def test_the_password_is_never_answered(api_client):
    body = {"email": "a", "password": "canary"}

    answer = api_client.post("/api/v1/test/credentials", body, "json")

    assert answer.status_code == 200


def test_every_error_of_ours_names_its_status():
    for each in (exceptions.DependencyUnavailable, exceptions.Overloaded):
        assert exceptions.error_headers(each()) == {"Retry-After": "1"}
    for each in all_subclasses(exceptions.Unauthorized):
        assert list(exceptions.error_headers(each())) == ["WWW-Authenticate"]
