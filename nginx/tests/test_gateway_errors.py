"""Every error Nginx makes is one application/problem+json (RFC 9457)."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nginx.tests.gateway_stack import Gateway, running_gateway
from nginx.tests.problem_assertions import check_problem, parse
from nginx.tests.stub_service import StubHandler

HEAD = b"Host: localhost\r\nConnection: close\r\n"
LOGIN = b"POST /api/v1/auth/login HTTP/1.1\r\n" + HEAD


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("errors")) as running:
        yield running


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        pytest.param(b"GARBAGE\r\n\r\n", 400, "bad_request", id="no request line"),
        pytest.param(
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "bad_request",
            id="tls to plain http",
        ),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", 400, "bad_request", id="no host"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "bad_request", id="bad host"
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
            400, "bad_request", id="two hosts",
        ),
        pytest.param(
            b"GET / HTTP/3.0\r\n" + HEAD + b"\r\n", 400, "bad_request", id="version"
        ),
        pytest.param(
            b"TRACE / HTTP/1.1\r\n" + HEAD + b"\r\n", 405, "method_not_allowed",
            id="trace",
        ),
        pytest.param(
            b"BREW /api/v1/users/me HTTP/1.1\r\n" + HEAD + b"\r\n", 405,
            "method_not_allowed", id="unknown method",
        ),
        pytest.param(
            b"GET /api/v1/users/me?" + b"x" * 4070 + b" HTTP/1.1\r\n" + HEAD + b"\r\n",
            414, "uri_too_long", id="longer than gunicorn takes",
        ),
        pytest.param(
            b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n", 414,
            "uri_too_long", id="longer than a buffer",
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\n" + HEAD + b"X: " + b"x" * 9000 + b"\r\n\r\n", 431,
            "headers_too_large", id="one long header",
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\n" + HEAD + (b"X: " + b"x" * 4000 + b"\r\n") * 9 + HEAD,
            431, "headers_too_large", id="many headers",
        ),
        pytest.param(
            LOGIN + b"Content-Length: 16385\r\n\r\n" + b"x" * 16385, 413,
            "payload_too_large", id="body",
        ),
        pytest.param(
            LOGIN + b"Transfer-Encoding: chunked\r\n\r\n"
            + (b"1000\r\n" + b"x" * 4096 + b"\r\n") * 5 + b"0\r\n\r\n",
            413, "payload_too_large", id="chunked body",
        ),
    ],
)  # fmt: skip
def test_an_error_of_nginx_is_a_problem(
    gateway: Gateway, data: bytes, status: int, code: str
) -> None:
    check_problem(parse(gateway.raw(data)), status, code)


def test_a_service_that_is_down_is_unavailable(tmp_path: Path) -> None:
    with running_gateway(tmp_path) as gateway:
        gateway.auth.shutdown()
        gateway.auth.server_close()
        answer = gateway.request("POST", "/api/v1/auth/login", body=b"{}")
        check_problem(answer, 503, "upstream_unavailable")
        assert gateway.get("/api/v1/users/me").status_code == 200


def test_the_problem_itself_takes_a_body_that_only_the_admin_may_have(
    tmp_path: Path,
) -> None:
    with running_gateway(tmp_path) as gateway:
        gateway.users.shutdown()
        gateway.users.server_close()
        answer = gateway.request("POST", "/admin/", body=b"x" * 100_000)
        check_problem(answer, 503, "upstream_unavailable")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_that_broke_off_is_never_repeated(
    tmp_path: Path, method: str
) -> None:
    """Or the service would see a refresh token used twice (GW-07)."""

    def hang_up(handler: StubHandler) -> None:
        handler.close_connection = True

    # By default Nginx repeats on a new connection what broke a kept one; each worker
    # keeps its own.
    with running_gateway(tmp_path, edit={"processes auto": "processes 1"}) as gateway:
        gateway.request(method, "/api/v1/auth/refresh")
        gateway.auth.answer = hang_up
        answer = gateway.request(method, "/api/v1/auth/refresh")
        check_problem(answer, 503, "upstream_unavailable")
        assert gateway.auth.requests == 2


def test_a_service_that_is_too_slow_is_unavailable(tmp_path: Path) -> None:
    edit = {"proxy_read_timeout 15s": "proxy_read_timeout 1s"}
    with running_gateway(tmp_path, edit=edit) as gateway:
        gateway.users.answer = lambda _: time.sleep(2)
        answer = gateway.get("/api/v1/users/me")
        check_problem(answer, 503, "upstream_unavailable")
        assert gateway.users.requests == 1


def test_a_client_that_stops_in_its_body_is_dropped(tmp_path: Path) -> None:
    edit = {"client_body_timeout 10s": "client_body_timeout 1s"}
    with running_gateway(tmp_path, edit=edit) as gateway:
        assert gateway.raw(LOGIN + b"Content-Length: 5\r\n\r\n{") == b""
        assert gateway.auth.requests == 0
