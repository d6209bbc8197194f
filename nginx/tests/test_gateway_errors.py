"""Every error Nginx makes is one application/problem+json (RFC 9457)."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nginx.tests.gateway_stack import Gateway, running_gateway
from nginx.tests.malicious_inputs import FRAMINGS
from nginx.tests.problem_assertions import check_problem, parse
from nginx.tests.stub_service import StubHandler

HOST = b"Host: localhost\r\n"
HEAD = HOST + b"Connection: close\r\n"
LOGIN = b"POST /api/v1/auth/login HTTP/1.1\r\n" + HEAD
GET = b"GET / HTTP/1.1\r\n"
TLS_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"
LONGER_THAN_GUNICORN_TAKES = b"/api/v1/users/me?" + b"x" * 4070
CHUNKED = (b"1000\r\n" + b"x" * 4096 + b"\r\n") * 5 + b"0\r\n\r\n"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("errors")) as running:
        yield running


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"GARBAGE\r\n\r\n", 400, "bad_request"),
        (TLS_HELLO, 400, "bad_request"),
        (GET + b"\r\n", 400, "bad_request"),
        (GET + b"Host: a b\r\n\r\n", 400, "bad_request"),
        (GET + HOST + HOST + b"\r\n", 400, "bad_request"),
        (b"GET / HTTP/3.0\r\n" + HEAD + b"\r\n", 400, "bad_request"),
        (b"TRACE / HTTP/1.1\r\n" + HEAD + b"\r\n", 405, "method_not_allowed"),
        (b"BREW /api/v1/users/me HTTP/1.1\r\n" + HEAD + b"\r\n", 405,
         "method_not_allowed"),
        (b"GET " + LONGER_THAN_GUNICORN_TAKES + b" HTTP/1.1\r\n" + HEAD + b"\r\n", 414,
         "uri_too_long"),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n", 414,
         "uri_too_long"),
        (GET + HEAD + b"X: " + b"x" * 9000 + b"\r\n\r\n", 431, "headers_too_large"),
        (GET + HEAD + (b"X: " + b"x" * 4000 + b"\r\n") * 9 + HEAD, 431,
         "headers_too_large"),
        (LOGIN + b"Content-Length: 16385\r\n\r\n" + b"x" * 16385, 413,
         "payload_too_large"),
        (LOGIN + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED, 413,
         "payload_too_large"),
    ],
    ids=["no request line", "TLS to plain HTTP", "no host", "bad host", "two hosts",
         "version", "trace", "unknown method", "longer than gunicorn takes",
         "longer than a buffer", "one long header", "many headers", "body",
         "chunked body"],
)  # fmt: skip
def test_an_error_of_nginx_is_a_problem(
    gateway: Gateway, data: bytes, status: int, code: str
) -> None:
    check_problem(parse(gateway.raw(data)), status, code)


@pytest.mark.parametrize("data", FRAMINGS.values(), ids=list(FRAMINGS))
def test_a_request_with_two_readings_is_refused_and_the_connection_closed(
    gateway: Gateway, data: bytes
) -> None:
    """What two programs could read differently never gets to the second."""
    before = gateway.users.requests
    smuggled = b"GET /api/v1/users/me HTTP/1.1\r\n" + HOST + b"\r\n"
    request = b"POST /api/v1/auth/login HTTP/1.1\r\n" + HOST + data
    answer = parse(gateway.raw(request + smuggled))
    check_problem(answer, 400, "bad_request")
    assert answer.one("Connection") == "close"
    assert gateway.users.requests == before


def test_a_chunked_body_arrives_with_a_length(gateway: Gateway) -> None:
    """Services never see a transfer coding, so they cannot read one differently."""
    body = b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    received = gateway.raw(LOGIN + body)
    assert b'["Content-Length", "2"]' in received
    assert b"Transfer-Encoding" not in received.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    ("name", "path", "size", "other"),
    [
        ("auth", "/api/v1/auth/login", 2, "/api/v1/users/me"),
        # Its problem takes a body that only the admin may have.
        ("users", "/admin/", 100_000, "/api/v1/auth/sessions"),
    ],
)
def test_a_service_that_is_down_is_unavailable(
    tmp_path: Path, name: str, path: str, size: int, other: str
) -> None:
    with running_gateway(tmp_path) as gateway:
        service = getattr(gateway, name)
        service.shutdown()
        service.server_close()
        answer = gateway.request("POST", path, body=b"x" * size)
        check_problem(answer, 503, "upstream_unavailable")
        assert gateway.get(other).status_code == 200


def hang_up(handler: StubHandler) -> None:
    handler.close_connection = True


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "answer", [hang_up, lambda _: time.sleep(2)], ids=["breaks off", "too slow"]
)
def test_a_request_that_was_not_answered_is_never_repeated(
    tmp_path: Path, method: str, answer: Callable[[StubHandler], None]
) -> None:
    """Or the service would see a refresh token used twice (GW-07)."""
    edit = {"proxy_read_timeout 15s": "proxy_read_timeout 1s"}
    # By default Nginx repeats on a new connection what broke a kept one; each worker
    # keeps its own.
    edit["processes auto"] = "processes 1"
    with running_gateway(tmp_path, edit=edit) as gateway:
        gateway.request(method, "/api/v1/auth/refresh")
        gateway.auth.answer = answer
        response = gateway.request(method, "/api/v1/auth/refresh")
        check_problem(response, 503, "upstream_unavailable")
        assert gateway.auth.requests == 2


def test_a_client_that_stops_in_its_body_is_dropped(tmp_path: Path) -> None:
    """Until then it does not hold a thread of the service."""
    edit = {"client_body_timeout 10s": "client_body_timeout 1s"}
    with running_gateway(tmp_path, edit=edit) as gateway:
        assert gateway.raw(LOGIN + b"Content-Length: 5\r\n\r\n{") == b""
        assert gateway.auth.requests == 0
