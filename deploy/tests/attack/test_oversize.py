"""Everything, but too much of it (GW-06, INP-01, PWD-01)."""

import json
import secrets
from typing import Any

import pytest

from deploy.tests.attack import wire
from deploy.tests.attack.account import LOGIN, ME, REGISTER, Account
from deploy.tests.attack.target import Target
from deploy.tests.attack.wire import refused

JSON = {"Content-Type": "application/json"}


LENGTHS = pytest.mark.parametrize("length", [5_000, 20_000, 100_000])


@LENGTHS
@pytest.mark.parametrize("path", [ME, LOGIN, "/admin/", "/.well-known/jwks.json"])
def test_a_long_query_is_refused(target: Target, path: str, length: int) -> None:
    """Before a service sees it, which would answer with words of its server's."""
    refused(target.ask("GET", f"{path}?{'x' * length}"), 414, "uri_too_long")


@LENGTHS
@pytest.mark.parametrize("path", [ME, LOGIN, "/static", "/nowhere", ""])
def test_a_long_path_is_none_of_ours(target: Target, path: str, length: int) -> None:
    answer = target.ask("GET", f"{path}/{'x' * length}")
    assert answer.status in (404, 414), answer.body
    wire.problem_of(answer)


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


@pytest.mark.parametrize("path", [LOGIN, REGISTER, ME, "/api/v1/auth/refresh"])
@pytest.mark.parametrize("size", [16_385, 100_000, 3_000_000])
def test_a_large_body_is_refused(target: Target, path: str, size: int) -> None:
    refused(target.ask("POST", path, JSON, b" " * size), 413, "payload_too_large")


def test_a_body_that_is_only_announced_is_refused(target: Target) -> None:
    """By its Content-Length: nobody waits for ten gigabytes."""
    announced = [*JSON.items(), ("Content-Length", str(10 << 30))]
    data = wire.request("POST", LOGIN, target.netloc, announced, b"{}")
    (answer,) = target.exchange(data, seconds=1).answers("POST")
    refused(answer, 413, "payload_too_large")


@pytest.mark.parametrize("size", [1, 16, 4096])
def test_a_large_body_in_pieces_is_refused(target: Target, size: int) -> None:
    """Chunked, it has no length to be judged by."""
    chunk = b"%x\r\n%s\r\n" % (size, b" " * size)
    body = chunk * (20_480 // size) + b"0\r\n\r\n"
    chunked = {**JSON, "Transfer-Encoding": "chunked"}
    refused(target.ask("POST", LOGIN, chunked, body), 413, "payload_too_large")


def test_a_small_body_in_many_small_pieces_is_read(target: Target) -> None:
    body = b"1;x=y\r\n{\r\n" + b"1\r\n \r\n" * 500 + b"1\r\n}\r\n0\r\n\r\n"
    chunked = {**JSON, "Transfer-Encoding": "chunked"}
    refused(target.ask("POST", LOGIN, chunked, body), 400, "validation_error")


TOO_MUCH: dict[str, dict[str, Any]] = {
    "a password of 129": {"password": "x" * 129},
    "a password of 10,000": {"password": "x" * 10_000},
    "a password of 5,000 wide": {"password": "\N{PILE OF POO}" * 1_000},
    "a username of 51": {"username": "x" * 51},
    "a username of 8,000": {"username": "x" * 8_000},
    "an e-mail of 255": {"email": "x" * 243 + "@example.org"},
    "a local part of 65": {"email": "x" * 65 + "@example.org"},
    "a first name of 151": {"first_name": "x" * 151},
    "an address of 501": {"avatar_url": "https://example.org/" + "x" * 481},
}


@pytest.mark.parametrize("much", TOO_MUCH.values(), ids=list(TOO_MUCH))
def test_a_long_field_is_refused_by_name(target: Target, much: dict[str, Any]) -> None:
    account = Account(target)
    answer = account.register(**much)
    refused(answer, 400, "validation_error")
    assert set(answer.json()["errors"]) >= set(much)
    text = next(iter(much.values()))
    assert text[:40] not in answer.body.decode(), "what was sent does not come back"


def test_a_long_login_costs_no_hash_and_gives_nothing_away(target: Target) -> None:
    for login in ("x" * 255, "x" * 9_000):
        value = {"email": f"{login}@example.org", "password": "x" * 12}
        refused(target.ask("POST", LOGIN, value=value), 400, "validation_error")
    value = {"email": f"{secrets.token_hex(8)}@example.org", "password": "x" * 200}
    refused(target.ask("POST", LOGIN, value=value), 400, "validation_error")


BIG_NUMBERS = [b"9" * 4_000, b"1e999", b"-1e999", b"1E400", b"0." + b"1" * 9_000]


@pytest.mark.parametrize("number", BIG_NUMBERS, ids=lambda n: f"{n[:6]!r}")
def test_a_big_number_is_no_value(
    target: Target, mallory: Account, number: bytes
) -> None:
    for body in (b'{"email": %s, "password": "x"}', b'{"x": %s, "first_name": 1}'):
        data = body.replace(b"%s", number)
        answer = target.ask("POST", LOGIN, JSON, data)
        refused(answer, 400, "validation_error", "invalid_json")
        answer = target.ask("PATCH", ME, {**JSON, **mallory.bearer}, data)
        assert answer.status in (200, 400), answer.body


@pytest.mark.parametrize("depth", [100, 900, 2_000, 3_500])
def test_deep_nesting_is_no_500(target: Target, mallory: Account, depth: int) -> None:
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        body = (opening * depth + "1" + closing * depth)[:16_000].encode()
        headers = {**JSON, **mallory.bearer}
        answers = [
            target.ask("PATCH", ME, headers, body),
            target.ask("POST", LOGIN, JSON, body),
        ]
        wrapped = json.dumps({"first_name": "A"})[:-1] + ', "x": '
        deep = wrapped.encode() + body + b"}"
        answers.append(target.ask("PATCH", ME, headers, deep[:16_000]))
        assert all(a.status in (200, 400) for a in answers), [a.body for a in answers]
