"""What reaches a service of a client's headers, and what an answer carries."""

import re
from collections import Counter

import pytest
from django.utils.http import MAX_URL_REDIRECT_LENGTH

from nginx.tests.gateway_stack import ROOT
from nginx.tests.malicious_inputs import FORGED
from nginx.tests.problem_assertions import check_problem
from shared.auth.access_tokens import MAX_LENGTH

PROXY = (ROOT / "nginx" / "includes" / "proxy.conf").read_text()
# What a client may send, Host apart: Nginx itself looks at that.
PASSED_ON = [
    *("Authorization", "Cookie"),
    *re.findall(r"^proxy_set_header (?!Host )(\S+) \$http_\w+;$", PROXY, re.MULTILINE),
]
API_CSP = "default-src 'none'; frame-ancestors 'none'"
PAGE_CSP = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
)
ACCOUNT_CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
API, PAGE = (API_CSP, "no-referrer"), (PAGE_CSP, "same-origin")
ACCOUNT = (ACCOUNT_CSP, "same-origin")
WITH_SCRIPTS = ACCOUNT_CSP.replace("'none';", "'none'; script-src 'self';", 1)
PASSKEYS = (WITH_SCRIPTS, "same-origin")


def seen(answer):
    """The headers the stub got; a repeated one fails."""
    headers = [(name.lower(), value) for name, value in answer.json()["headers"]]
    assert len(headers) == len(dict(headers))
    return dict(headers)


# ---- To a service --------------------------------------------------------------------


@pytest.mark.parametrize("name", PASSED_ON)
def test_a_control_character_is_refused_here(gateway, name):
    """gunicorn would refuse it, too, but with a page of HTML."""
    before = gateway.users.requests
    for octet in (b"\x01", b"\x0b", b"\x1f", b"\x7f"):
        odd = name.encode() + b": a" + octet + b"b\r\n"
        request = b"GET /api/v1/users/me HTTP/1.1\r\nHost: localhost\r\n" + odd
        answer = gateway.response(request + b"Connection: close\r\n\r\n")
        check_problem(answer, 400, "bad_request")
    assert gateway.users.requests == before
    answer = gateway.get("/api/v1/users/me", **{name.replace("-", "_"): "a\tb \xe9"})
    assert answer.status_code == 200


def test_the_longest_token_that_is_issued_passes(gateway):
    """Longer ones are refused here, and by every service."""
    longest = f"Bearer {'x' * MAX_LENGTH}"
    got = seen(gateway.get("/api/v1/users/me", Authorization=longest))
    assert got["authorization"] == longest


@pytest.mark.parametrize(
    "path", ["/api/v1/users/me", "/admin/", "/api/v1/auth/refresh"]
)
@pytest.mark.parametrize("spell", [str, str.lower, lambda name: name.replace("-", "_")])
def test_no_forged_header_reaches_a_service(gateway, path, spell):
    forged = {spell(name): "forged" for name in FORGED}
    got = seen(gateway.ask("GET", path, forged))
    assert "forged" not in " ".join(got.values())


def test_the_gateway_stamps_what_it_knows(gateway):
    answer = gateway.get("/api/v1/users/me", X_Request_ID="a" * 32)
    got = seen(answer)
    assert got["host"] == f"127.0.0.1:{gateway.port}"
    assert got["x-forwarded-for"] == got["x-real-ip"] == "127.0.0.1"
    assert got["x-forwarded-proto"] == "http"
    assert re.fullmatch("[0-9a-f]{32}", got["x-request-id"])
    assert got["x-request-id"] == answer.one("X-Request-ID")
    assert got["x-request-id"] != "a" * 32


def test_what_a_client_may_say_arrives(gateway):
    sent = {
        "Accept": "application/json", "Accept-Language": "de",
        "Access-Control-Request-Headers": "authorization",
        "Access-Control-Request-Method": "POST", "Content-Type": "application/json",
        "If-None-Match": '"x"', "Origin": "https://app.example.com",
        "Referer": "https://app.example.com/", "Sec-Fetch-Site": "same-site",
        "Sec-Fetch-Mode": "cors", "If-Modified-Since": "Mon, 23 Nov 2026 00:00:00 GMT",
        "User-Agent": "suite", "X-CSRFToken": "t",
    }  # fmt: skip
    got = seen(gateway.ask("POST", "/api/v1/auth/login", sent, b"{}"))
    for name, value in sent.items():
        assert got[name.lower()] == value
    assert got["content-length"] == "2"
    # Two cookies of one name: the service refuses them (COOK-08); none is chosen here.
    received = gateway.raw(
        b"POST /api/v1/auth/refresh HTTP/1.1\r\nHost: localhost\r\nCookie: t=1\r\n"
        b"Cookie: t=2\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    assert b'["Cookie", "t=1; t=2"]' in received


def test_only_a_trusted_proxy_may_name_the_client_and_its_scheme(gateway, start):
    def got(gateway, clients, scheme="https"):
        sent = {"X-Forwarded-For": clients, "X-Forwarded-Proto": scheme}
        answer = gateway.ask("GET", "/api/v1/users/me", sent)
        names = ("x-forwarded-for", "x-real-ip", "x-forwarded-proto")
        found = tuple(seen(answer)[name] for name in names)
        return *found, answer.all("Strict-Transport-Security")

    address, hsts = "203.0.113.7", ["max-age=31536000; includeSubDomains"]
    two = f"8.8.8.8, {address}"
    assert got(gateway, two) == ("127.0.0.1", "127.0.0.1", "http", [])
    behind = start({"GATEWAY_TRUSTED_PROXIES": "127.0.0.0/8"})
    assert got(behind, two) == (address, address, "https", hsts)
    assert got(behind, f"{address}, 127.0.0.9") == (address, address, "https", hsts)
    assert got(behind, address, "gopher") == (address, address, "http", [])


# ---- To a client ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/auth/login", API),
        ("/api/v1/users/me", API),
        ("/.well-known/jwks.json", API),
        ("/nowhere", API),
        ("/", ACCOUNT),
        ("/account/reset", ACCOUNT),
        ("/account/factors/keep", ACCOUNT),
        ("/account/factors/enrol", PASSKEYS),
        ("/account/verify", PASSKEYS),
        ("/account/nowhere", ACCOUNT),
        ("/admin", PAGE),
        ("/admin/", PAGE),
        ("/api/v1/auth/docs", PAGE),
        ("/api/v1/users/docs/", PAGE),
    ],
)
def test_security_headers_come_once_and_by_route(gateway, path, expected):
    csp, referrer = expected
    stamped = {
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": referrer,
        "Cache-Control": "no-store",
        "Server": "nginx",
    }
    others = ("Content-Security-Policy", "Strict-Transport-Security", "X-Request-ID")
    headers = dict.fromkeys((*stamped, *others, "X-Powered-By"), "of the service")
    del headers["Cache-Control"], headers["Server"]
    gateway.auth.answer = gateway.users.answer = lambda stub: stub.reply(200, headers)
    answer = gateway.get(path)
    assert "of the service" not in dict(answer.pairs).values()
    assert {name: answer.one(name) for name in stamped} == stamped
    assert answer.one("Content-Security-Policy").startswith(csp)
    assert "frame-ancestors 'none'" in answer.one("Content-Security-Policy")
    assert re.fullmatch("[0-9a-f]{32}", answer.one("X-Request-ID"))
    assert not answer.all("Strict-Transport-Security")
    assert set(Counter(name.lower() for name, _ in answer.pairs).values()) == {1}


@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500, 503])
def test_an_answer_of_a_service_passes_untouched(gateway, status):
    """And makes the gateway fetch nothing else."""
    headers = {
        "Content-Type": "application/problem+json",
        "Cache-Control": "public, max-age=300",
        "WWW-Authenticate": 'Bearer realm="api"', "Retry-After": "17",
        "Allow": "POST, OPTIONS", "Location": "http://users/api/v1/users/me",
        "Vary": "Origin" * 500, "Access-Control-Allow-Origin": "https://app.example",
        "Set-Cookie": "refresh_token=" + "x" * 4000 + "; Path=/api/v1/auth; HttpOnly",
    }  # fmt: skip
    body = b'{"code": "of the service"}'
    sent = {**headers, "X-Accel-Redirect": "/admin/"}
    gateway.auth.answer = lambda handler: handler.reply(status, sent, body)
    before = gateway.users.requests
    answer = gateway.ask("POST", "/api/v1/auth/refresh")
    assert (answer.status_code, answer.content) == (status, body)
    for name, value in headers.items():
        assert answer.one(name) == value
    assert gateway.users.requests == before


def test_the_longest_redirect_of_a_service_passes(gateway):
    """The admin's to its login names the page to return to, and so a client's query."""
    target = "x" * MAX_URL_REDIRECT_LENGTH
    gateway.users.answer = lambda handler: handler.reply(302, {"Location": target})
    answer = gateway.get("/admin/")
    assert (answer.status_code, answer.one("Location")) == (302, target)
