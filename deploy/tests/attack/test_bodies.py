"""Bodies that are not the JSON that is asked for, and too much of everything (INP-01,
-02, -04, -05, GW-06, PWD-01). The whole tables are the services' own suites'."""

import json
from typing import Any

import pytest

from deploy.tests import wire
from deploy.tests.attack.target import AttackUser, Target
from deploy.tests.client import (
    CHANGE_PASSWORD,
    LOGIN,
    LOGOUT_ALL,
    ME,
    REFRESH,
    REGISTER,
    problem_of,
    refused,
)
from nginx.tests.malicious_inputs import BODIES

JSON = {"Content-Type": "application/json"}
CHUNKED = {**JSON, "Transfer-Encoding": "chunked"}
OPEN = [LOGIN, REGISTER]
ROUTE = pytest.mark.parametrize("path", [*OPEN, CHANGE_PASSWORD])


@ROUTE
@pytest.mark.parametrize("body", BODIES.values(), ids=list(BODIES))
def test_a_bad_body_is_a_400(
    target: Target, mallory: AttackUser, path: str, body: bytes
) -> None:
    response = target.ask("POST", path, {**JSON, **mallory.bearer}, body)
    refused(response, 400, "invalid_json", "validation_error")
    assert b"Traceback" not in response.content


@pytest.mark.parametrize("password", [12345678, True, None, ["x"], {"$ne": ""}])
def test_a_password_is_a_string_or_nothing(
    target: Target, mallory: AttackUser, password: object
) -> None:
    """INP-05, PWD-02."""
    body = {"email": mallory.email, "password": password}
    refused(target.ask("POST", LOGIN, json_body=body), 400, "validation_error")
    response = AttackUser(target).register(password=password)
    refused(response, 400, "validation_error")


@pytest.mark.parametrize(
    "spell", [" {}", "{} ", "\t{}", "{}\n", "{}\u00a0", "\ufeff{}"], ids=ascii
)
def test_a_password_is_used_exactly_as_sent(
    target: Target, user: AttackUser, spell: str
) -> None:
    """PWD-02: another one is wrong, however alike."""
    body = {"email": user.email, "password": spell.format(user.password)}
    refused(target.ask("POST", LOGIN, json_body=body), 401, "invalid_credentials")


@pytest.mark.parametrize("path", [*OPEN, CHANGE_PASSWORD, LOGOUT_ALL])
@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/xml",
     "multipart/form-data; boundary=x", "application/json; charset=utf-16",
     "application/json; charset=bz2_codec", "application/jsonp", "*/*", ""],
)  # fmt: skip
def test_only_json_is_taken(
    target: Target, mallory: AttackUser, path: str, media_type: str
) -> None:
    body = json.dumps({"email": mallory.email, "password": mallory.password}).encode()
    headers = {"Content-Type": media_type, **mallory.bearer}
    response = target.ask("POST", path, headers, body)
    refused(response, 415, "unsupported_media_type")
    assert not response.all("Set-Cookie")


@pytest.mark.parametrize("path", [*OPEN, REFRESH, ME])
@pytest.mark.parametrize("accept", ["text/html", "image/png;q=1, text/*"])
def test_only_json_is_given(
    target: Target, mallory: AttackUser, path: str, accept: str
) -> None:
    """So there is no page of ours into which something could be written."""
    method = "GET" if path == ME else "POST"
    response = target.ask(method, path, {"Accept": accept, **mallory.bearer})
    refused(response, 406, "not_acceptable")


def test_no_query_changes_what_is_given(target: Target, mallory: AttackUser) -> None:
    for query in ("format=api", "format=html", "callback=x"):
        response = target.ask("GET", f"{ME}?{query}", mallory.bearer)
        assert response.status_code == 200
        assert response.one("Content-Type") == "application/json"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "identity"])
def test_a_compressed_body_is_not_unpacked(target: Target, coding: str) -> None:
    bomb = b"\x1f\x8b\x08" + b"\x00" * 2_000
    response = target.ask("POST", LOGIN, {**JSON, "Content-Encoding": coding}, bomb)
    refused(response, 400, "invalid_json")


# ---- Too much ------------------------------------------------------------------------


@pytest.mark.parametrize("length", [5_000, 100_000])
@pytest.mark.parametrize("path", [ME, LOGIN, "/admin/", "/nowhere", ""])
def test_a_long_address_is_refused(target: Target, path: str, length: int) -> None:
    """Before a service sees it, whose server would answer in words of its own."""
    if path in (ME, LOGIN, "/admin/"):
        query = target.ask("GET", f"{path}?{'x' * length}")
        refused(query, 414, "uri_too_long")
    response = target.ask("GET", f"{path}/{'x' * length}")
    assert response.status_code in (404, 414), response.text
    problem_of(response)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([("X", "x" * 9_000)], id="one long"),
        pytest.param([("X" * 9_000, "x")], id="one long name"),
        pytest.param([(f"X-{n}", "x" * 900) for n in range(60)], id="many"),
        pytest.param([(f"X-{n}", "") for n in range(20_000)], id="20,000 empty"),
        pytest.param([("Authorization", "Bearer " + "x" * 40_000)], id="token"),
    ],
)
def test_large_headers_are_refused(
    target: Target, headers: list[tuple[str, str]]
) -> None:
    refused(target.ask("GET", ME, headers), 431, "headers_too_large")


@pytest.mark.parametrize("path", [LOGIN, REGISTER, ME, REFRESH])
@pytest.mark.parametrize("size", [16_385, 3_000_000])
def test_a_large_body_is_refused(target: Target, path: str, size: int) -> None:
    refused(target.ask("POST", path, JSON, b" " * size), 413, "payload_too_large")


def test_a_body_that_is_only_announced_is_refused(target: Target) -> None:
    """By its Content-Length: nothing waits for ten gigabytes."""
    announced = {**JSON, "Content-Length": str(10 << 30)}
    data = wire.request("POST", LOGIN, target.netloc, announced, b"{}")
    (response,) = target.exchange(data, seconds=1).responses("POST")
    refused(response, 413, "payload_too_large")


@pytest.mark.parametrize("size", [1, 4096])
def test_a_large_body_in_pieces_is_refused(target: Target, size: int) -> None:
    """Chunked, it has no length to be judged by."""
    chunk = b"%x\r\n%s\r\n" % (size, b" " * size)
    body = chunk * (20_480 // size) + b"0\r\n\r\n"
    refused(target.ask("POST", LOGIN, CHUNKED, body), 413, "payload_too_large")


def test_a_small_body_in_many_small_pieces_is_read(target: Target) -> None:
    body = b"1;x=y\r\n{\r\n" + b"1\r\n \r\n" * 500 + b"1\r\n}\r\n0\r\n\r\n"
    refused(target.ask("POST", LOGIN, CHUNKED, body), 400, "validation_error")


TOO_MUCH: dict[str, dict[str, Any]] = {
    "a password of 129": {"password": "x" * 129},
    "a password of 5,000 wide": {"password": "\N{PILE OF POO}" * 1_000},
    "a username of 51": {"username": "x" * 51},
    "an e-mail of 255": {"email": "x" * 243 + "@example.org"},
    "a local part of 65": {"email": "x" * 65 + "@example.org"},
    "a first name of 151": {"first_name": "x" * 151},
    "an address of 501": {"avatar_url": "https://example.org/" + "x" * 481},
}


@pytest.mark.parametrize("much", TOO_MUCH.values(), ids=list(TOO_MUCH))
def test_a_long_field_is_refused_by_name(target: Target, much: dict[str, Any]) -> None:
    response = AttackUser(target).register(**much)
    refused(response, 400, "validation_error")
    assert set(response.json()["errors"]) >= set(much)
    text = next(iter(much.values()))
    assert text[:40] not in response.text, "what was sent does not come back"


def test_a_long_login_is_no_login(target: Target) -> None:
    """It costs no hash."""
    for name, password in (("x" * 255, 12), ("x" * 9_000, 12), ("x", 200)):
        body = {"email": f"{name}@example.org", "password": "x" * password}
        refused(target.ask("POST", LOGIN, json_body=body), 400, "validation_error")


@pytest.mark.parametrize("depth", [100, 900, 3_500])
def test_deep_nesting_is_no_500(
    target: Target, mallory: AttackUser, depth: int
) -> None:
    headers = {**JSON, **mallory.bearer}
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        body = (opening * depth + "1" + closing * depth)[:16_000].encode()
        wrapped = (b'{"first_name": "A", "x": ' + body + b"}")[:16_000]
        for method, path, text in (
            ("PATCH", ME, body),
            ("PATCH", ME, wrapped),
            ("POST", LOGIN, body),
        ):
            response = target.ask(method, path, headers, text)
            assert response.status_code in (200, 400), response.text
