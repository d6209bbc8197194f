"""What every response carries, and what none reveals (GW-04, GW-12, LOG-06)."""

import re

import pytest

from deploy.tests.client import (
    LOGIN,
    LOGOUT,
    ME,
    REFRESH,
    REGISTER,
    SESSIONS,
    problem_of,
)

ACCOUNT_CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
# The script of passkeys.
VERIFY = "/account/verify?token=x"
VERIFY_CSP = ACCOUNT_CSP.replace("style-src", "script-src 'self'; style-src")
ACCOUNT = ["/", "/account/reset/request", VERIFY, "/account/nowhere"]
API_CSP = "default-src 'none'; frame-ancestors 'none'"
PAGES = ["/admin/", "/admin/login/", "/api/v1/auth/docs", "/api/v1/users/docs"]
ANSWERS = [
    ("GET", ME), ("GET", SESSIONS), ("POST", LOGIN), ("POST", REFRESH),
    ("POST", LOGOUT), ("POST", REGISTER), ("GET", "/nowhere"),
    ("GET", "/api/v1/auth/health/live"), ("BREW", ME), ("GET", "/%"),
    ("GET", "/api/v1/auth/openapi.json"), ("GET", "/.well-known/jwks.json"),
    ("GET", "/static/x"), ("PUT", "/api/v1/users/me/change_password"),
    ("GET", "/admin/nowhere/"), *(("GET", path) for path in [*PAGES, *ACCOUNT]),
]  # fmt: skip
# Of servers, frameworks and machines: by these a stranger would look up faults.
LEAKS = re.compile(
    rb"Traceback|File \"/|site-packages|psycopg|django\.|Exception|gunicorn/|nginx/\d"
    rb"|line \d+, in |/home/|/srv/|/app/|postgres|redis://|DEBUG = |<title>\d{3} ",
    re.IGNORECASE,
)
PUBLIC_BODIES = ("/openapi.json", "/docs")  # which describe errors, and name nothing
CLOSE = b"Host: {host}\r\nConnection: close\r\n"
BROKEN = {
    "garbage": b"GARBAGE\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "octets": b"GET /\xff\xfe HTTP/1.1\r\n" + CLOSE + b"\r\n",
    "query": b"GET /api/v1/users/me?q=\xc3\xa9 HTTP/1.1\r\n" + CLOSE + b"\r\n",
    "long": b"GET " + b"/x" * 8_000 + b" HTTP/1.1\r\n" + CLOSE + b"\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "websocket": b"GET /api/v1/users/me HTTP/1.1\r\nHost: {host}\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade, close\r\nSec-WebSocket-Key: x\r\n\r\n",
}


@pytest.mark.parametrize(("method", "path"), ANSWERS)
def test_an_answer_carries_the_headers_once_and_names_no_software(target, method, path):
    response = target.ask(method, path)
    assert response.one("X-Content-Type-Options") == "nosniff"
    assert response.one("X-Frame-Options") == "DENY"
    assert response.one("Cross-Origin-Resource-Policy") == "same-origin"
    assert response.one("Cache-Control")
    csp = response.one("Content-Security-Policy")
    assert "frame-ancestors 'none'" in csp
    if path in ACCOUNT:
        assert csp == (VERIFY_CSP if path == VERIFY else ACCOUNT_CSP)
        assert response.one("Referrer-Policy") == "same-origin"
        assert response.one("Cache-Control") == "no-store"
    elif not (path.startswith("/admin/") or path in PAGES):
        assert csp == API_CSP
        assert response.one("Referrer-Policy") == "no-referrer"
    assert bool(response.all("Strict-Transport-Security")) == target.tls
    names = [name.lower() for name, _ in response.pairs if name != "Set-Cookie"]
    assert len(names) == len(set(names)), names
    assert response.all("Server") in ([], ["nginx"])
    assert not {"x-powered-by", "via", "x-runtime", "x-backend"} & set(names)
    if not path.endswith(PUBLIC_BODIES):
        assert not LEAKS.search(response.content), LEAKS.search(response.content)


@pytest.mark.parametrize("data", BROKEN.values(), ids=list(BROKEN))
def test_whatever_is_said_the_error_is_a_problem(target, data):
    """Never HTML, never a stack, never another protocol."""
    received = target.exchange(data.replace(b"{host}", target.netloc.encode()))
    responses = received.responses()
    assert len(responses) <= 1
    for response in responses:
        assert 400 <= response.status_code < 500, received.data
        problem_of(response)
        assert b"<" not in response.content
        assert not LEAKS.search(response.content)
