"""Bodies that are not the JSON that is asked for (INP-01, -02, -04, -05)."""

import json

import pytest

from deploy.tests.attack.account import LOGIN, ME, REFRESH, REGISTER, Account
from deploy.tests.attack.target import Target
from deploy.tests.attack.wire import refused
from nginx.tests.malicious_inputs import BODIES

CHANGE_PASSWORD, LOGOUT_ALL = f"{ME}/change_password", "/api/v1/auth/logout_all"
JSON = {"Content-Type": "application/json"}
OPEN = [LOGIN, REGISTER]
ROUTE = pytest.mark.parametrize("path", [*OPEN, CHANGE_PASSWORD])


@ROUTE
@pytest.mark.parametrize("body", BODIES.values(), ids=list(BODIES))
def test_a_bad_body_is_a_400(
    target: Target, mallory: Account, path: str, body: bytes
) -> None:
    answer = target.ask("POST", path, {**JSON, **mallory.bearer}, body)
    refused(answer, 400, "invalid_json", "validation_error")
    assert b"Traceback" not in answer.body


@ROUTE
@pytest.mark.parametrize(
    "body",
    [
        b'{"email": "a@example.org", "email": "b@example.org", "password": "x"}',
        b'{"password": "x", "\\u0070assword": "y"}',
        b'{"username": "a", "password": "x", "x": {"y": 1, "y": 2}}',
    ],
    ids=["plain", "escaped", "nested"],
)
def test_twin_keys_are_refused(
    target: Target, mallory: Account, path: str, body: bytes
) -> None:
    """INP-04: a filter may read the one, the service the other."""
    answer = target.ask("POST", path, {**JSON, **mallory.bearer}, body)
    refused(answer, 400, "invalid_json")


@pytest.mark.parametrize(
    "password", [12345678, 1234567.8, True, None, ["x"], {"$ne": ""}, {"": ""}]
)
def test_a_password_is_a_string_or_nothing(
    target: Target, mallory: Account, password: object
) -> None:
    """INP-05, PWD-02."""
    value = {"email": mallory.email, "password": password}
    refused(target.ask("POST", LOGIN, value=value), 400, "validation_error")
    answer = Account(target).register(password=password)
    refused(answer, 400, "validation_error")


@pytest.mark.parametrize(
    "spell",
    [" {}", "{} ", "\t{}", "{}\n", "{}\u00a0", "\ufeff{}"],
    ids=["space before", "after", "tab", "line", "wide space", "mark"],
)
def test_a_password_is_used_exactly_as_sent(
    target: Target, somebody: Account, spell: str
) -> None:
    """PWD-02: another one is wrong, however alike."""
    value = {"email": somebody.email, "password": spell.format(somebody.password)}
    refused(target.ask("POST", LOGIN, value=value), 401, "invalid_credentials")


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain", "text/json", "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x", "application/xml", "application/yaml",
        "application/json; charset=utf-16", "application/json; charset=utf-7",
        "application/json; charset=bz2_codec", "application/json; charset=rot13",
        "application/json;charset=zlib", "application/merge-patch+json",
        "application/x-python-pickle", "application/jsonp", "json", "*/*", "/", "",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", [*OPEN, CHANGE_PASSWORD, LOGOUT_ALL])
def test_only_json_is_taken(
    target: Target, mallory: Account, path: str, media_type: str
) -> None:
    body = json.dumps({"email": mallory.email, "password": mallory.password}).encode()
    headers = {"Content-Type": media_type, **mallory.bearer}
    answer = target.ask("POST", path, headers, body)
    refused(answer, 415, "unsupported_media_type")
    assert not answer.all("Set-Cookie")


@pytest.mark.parametrize("path", [*OPEN, REFRESH, ME])
@pytest.mark.parametrize(
    "accept", ["text/html", "application/xml", "text/*", "image/png;q=1, text/html"]
)
def test_only_json_is_given(
    target: Target, mallory: Account, path: str, accept: str
) -> None:
    """So there is no page of ours into which something could be written."""
    method = "GET" if path == ME else "POST"
    answer = target.ask(method, path, {"Accept": accept, **mallory.bearer})
    refused(answer, 406, "not_acceptable")


@pytest.mark.parametrize(
    "query", ["format=api", "format=html", "callback=x", "format=x"]
)
def test_no_query_changes_what_is_given(
    target: Target, mallory: Account, query: str
) -> None:
    answer = target.ask("GET", f"{ME}?{query}", mallory.bearer)
    assert (answer.status, answer.one("Content-Type")) == (200, "application/json")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "x-gzip", "identity"])
def test_a_compressed_body_is_not_unpacked(target: Target, coding: str) -> None:
    bomb = b"\x1f\x8b\x08" + b"\x00" * 2_000
    answer = target.ask("POST", LOGIN, {**JSON, "Content-Encoding": coding}, bomb)
    refused(answer, 400, "invalid_json")
