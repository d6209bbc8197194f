"""Every error Nginx makes is one application/problem+json (RFC 9457)."""

import pytest

from nginx.tests.malicious_inputs import FRAMINGS
from nginx.tests.problem_assertions import check_page, check_problem

HOST = b"Host: localhost\r\n"
HEAD = HOST + b"Connection: close\r\n"
LOGIN = b"POST /api/v1/auth/login HTTP/1.1\r\n" + HEAD
GET, LINE = b"GET / HTTP/1.1\r\n", b"%b HTTP/1.1\r\n" + HEAD + b"\r\n"
ME = "/api/v1/users/me"
CHUNKED = (b"1000\r\n" + b"x" * 4096 + b"\r\n") * 5 + b"0\r\n\r\n"
CODES = {
    400: "bad_request",
    405: "method_not_allowed",
    413: "payload_too_large",
    414: "uri_too_long",
    431: "headers_too_large",
}
ERRORS = {
    "no request line": (400, b"GARBAGE\r\n\r\n"),
    "TLS to plain HTTP": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    "no host": (400, GET + b"\r\n"),
    "bad host": (400, GET + b"Host: a b\r\n\r\n"),
    "two hosts": (400, GET + HOST + HOST + b"\r\n"),
    "version": (400, b"GET / HTTP/3.0\r\n" + HEAD + b"\r\n"),
    "trace": (405, LINE % b"TRACE /"),
    "unknown method": (405, LINE % b"BREW /api/v1/users/me"),
    "no ASCII": (400, LINE % b"GET /api/v1/users/me?q=\xc3\xa9"),
    "longer than gunicorn takes": (
        414,
        LINE % (b"GET /api/v1/users/me?" + b"x" * 4070),
    ),
    "longer than a buffer": (414, LINE % (b"GET /" + b"x" * 9000)),
    "one long header": (431, GET + HEAD + b"X: " + b"x" * 9000 + b"\r\n\r\n"),
    "many headers": (431, GET + HEAD + (b"X: " + b"x" * 4000 + b"\r\n") * 9 + HEAD),
    "body": (413, LOGIN + b"Content-Length: 16385\r\n\r\n" + b"x" * 16385),
    "chunked body": (413, LOGIN + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_of_nginx_is_a_problem(gateway, name):
    status, data = ERRORS[name]
    check_problem(gateway.response(data, "POST"), status, CODES[status])


@pytest.mark.parametrize("data", FRAMINGS.values(), ids=list(FRAMINGS))
def test_a_request_with_two_readings_is_refused_and_the_connection_closed(
    gateway, data
):
    """What two programs could read differently never gets to the second."""
    before = gateway.users.requests
    smuggled = b"GET /api/v1/users/me HTTP/1.1\r\n" + HOST + b"\r\n"
    request = b"POST /api/v1/auth/login HTTP/1.1\r\n" + HOST + data
    answer = gateway.response(request + smuggled, "POST")
    check_problem(answer, 400, "bad_request")
    assert answer.one("Connection") == "close"
    assert gateway.users.requests == before


def test_a_chunked_body_arrives_with_a_length(gateway):
    """Services never see a transfer coding, so they cannot read one differently."""
    body = b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    received = gateway.raw(LOGIN + body)
    assert b'["Content-Length", "2"]' in received
    assert b"Transfer-Encoding" not in received.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    ("name", "path", "size", "other"),
    [
        ("auth", "/api/v1/auth/login", 2, ME),
        # Its page takes a body that only the admin may have.
        ("users", "/admin/", 50_000, "/api/v1/auth/sessions"),
    ],
)
def test_a_service_that_is_down_is_unavailable(start, name, path, size, other):
    gateway = start()
    getattr(gateway, name).stop()
    answer = gateway.ask("POST", path, body=b"x" * size)
    if path == "/admin/":
        check_page(answer, 503)
    else:
        check_problem(answer, 503, "upstream_unavailable")
    assert gateway.get(other).status_code == 200


def test_an_error_at_the_admin_is_a_page(gateway):
    """For what a browser sends; a malicious one is answered as everywhere."""
    too_large = gateway.ask("POST", "/admin/", body=b"x" * ((1 << 20) + 1))
    check_page(too_large, 413)
    check_page(gateway.get("/admin/x?" + "y" * 4080), 414)
    check_problem(gateway.get("/admin/%41/"), 404, "not_found")
    check_problem(gateway.ask("PURGE", "/admin/"), 405, "method_not_allowed")
    other_host = gateway.get("/admin/", Host="other.example")
    check_problem(other_host, 421, "misdirected_request")


def test_an_error_at_an_account_page_is_a_page_too(start):
    gateway = start()
    too_large = gateway.ask("POST", "/account/reset", body=b"x" * 16385)
    check_page(too_large, 413)
    check_page(gateway.get("/account/sessions"), 404)
    check_page(gateway.get("/account/reset/"), 404)
    check_problem(gateway.get("/account/%72eset"), 404, "not_found")
    check_problem(gateway.ask("PURGE", "/account/reset"), 405, "method_not_allowed")
    gateway.users.stop()
    check_page(gateway.get("/account/reset?token=x"), 503)


def test_a_client_that_stops_in_its_body_is_dropped(start):
    """Until then it does not hold a thread of the service."""
    gateway = start(edit={"client_body_timeout 10s": "client_body_timeout 1s"})
    assert gateway.raw(LOGIN + b"Content-Length: 5\r\n\r\n{") == b""
    assert gateway.auth.requests == 0
