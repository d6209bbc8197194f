"""Bodies that are not the JSON that is asked for, and too much of everything (INP-01,
-02, -04, -05, GW-06, PWD-01). The whole tables are the services' own suites'."""

import json

import pytest

from deploy.tests import wire
from deploy.tests.attack.target import AttackUser, Target
from deploy.tests.client import CHANGE_PASSWORD, LOGIN, ME, REFRESH, REGISTER, refused
from nginx.tests.malicious_inputs import BODIES

JSON = {"Content-Type": "application/json"}
OPEN = [LOGIN, REGISTER]


@pytest.mark.parametrize("path", [*OPEN, CHANGE_PASSWORD])
@pytest.mark.parametrize("body", BODIES.values(), ids=list(BODIES))
def test_a_bad_body_is_a_400(
    target: Target, mallory: AttackUser, path: str, body: bytes
) -> None:
    response = target.ask("POST", path, {**JSON, **mallory.bearer}, body)
    refused(response, 400, "invalid_json", "validation_error")


@pytest.mark.parametrize("path", [*OPEN, CHANGE_PASSWORD])
@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/xml",
     "multipart/form-data; boundary=x", "application/json; charset=utf-16", "*/*", ""],
)  # fmt: skip
def test_only_json_is_taken(
    target: Target, mallory: AttackUser, path: str, media_type: str
) -> None:
    body = json.dumps({"email": mallory.email, "password": mallory.password}).encode()
    headers = {"Content-Type": media_type, **mallory.bearer}
    response = target.ask("POST", path, headers, body)
    refused(response, 415, "unsupported_media_type")
    assert not response.all("Set-Cookie")
    # Nor is another type given, into which something could be written.
    headers = {"Accept": "text/html", **JSON}
    refused(target.ask("POST", path, headers, body), 406, "not_acceptable")


# ---- Too much ------------------------------------------------------------------------


@pytest.mark.parametrize("length", [5_000, 100_000])
def test_a_long_address_is_refused(target: Target, length: int) -> None:
    """Before a service sees it, whose server would answer in words of its own."""
    for path in (ME, LOGIN, "/admin/"):
        response = target.ask("GET", f"{path}?{'x' * length}")
        refused(response, 414, "uri_too_long")


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


@pytest.mark.parametrize("size", [1, 4096])
def test_a_large_body_in_pieces_is_refused(target: Target, size: int) -> None:
    """Chunked, it has no length to be judged by."""
    chunk = b"%x\r\n%s\r\n" % (size, b" " * size)
    body = chunk * (20_480 // size) + b"0\r\n\r\n"
    headers = {**JSON, "Transfer-Encoding": "chunked"}
    refused(target.ask("POST", LOGIN, headers, body), 413, "payload_too_large")
    # Nothing waits for ten gigabytes that are only announced.
    announced = {**JSON, "Content-Length": str(10 << 30)}
    data = wire.request("POST", LOGIN, target.netloc, announced, b"{}")
    (response,) = target.exchange(data, seconds=1).responses("POST")
    refused(response, 413, "payload_too_large")
