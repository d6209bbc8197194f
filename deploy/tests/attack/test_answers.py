"""What every answer carries, and what none gives away (GW-04, GW-12, LOG-06)."""

import re

import pytest

from deploy.tests.attack.account import LOGIN, ME, SESSIONS, Account
from deploy.tests.attack.target import Target
from deploy.tests.attack.wire import problem_of
from nginx.tests.gateway_rig import Answer

API_CSP = "default-src 'none'; frame-ancestors 'none'"
PAGES = ["/admin/", "/admin/login/", "/api/v1/auth/docs", "/api/v1/users/docs"]
ANSWERS = [
    ("GET", ME), ("GET", SESSIONS), ("POST", LOGIN), ("POST", "/api/v1/auth/refresh"),
    ("POST", "/api/v1/auth/logout"), ("POST", "/api/v1/users/"), ("GET", "/nowhere"),
    ("GET", "/"), ("GET", "/api/v1/auth/health/live"), ("BREW", ME), ("GET", "/%"),
    ("GET", "/api/v1/users/health/ready"), ("GET", "/api/v1/auth/openapi.json"),
    ("GET", "/.well-known/jwks.json"), ("GET", "/static/"), ("GET", "/static/x"),
    ("GET", "/.well-known/oauth-authorization-server"),
    ("PUT", "/api/v1/users/me/change_password"),
    ("GET", "/admin/nowhere/"), *(("GET", path) for path in PAGES),
]  # fmt: skip
# Of servers, frameworks and machines: what a stranger would look up faults by.
LEAKS = re.compile(
    rb"Traceback|File \"/|site-packages|psycopg|django\.|Exception|gunicorn/|nginx/\d"
    rb"|line \d+, in |/home/|/srv/|/app/|postgres|redis://|DEBUG = |<title>\d{3} ",
    re.IGNORECASE,
)
PUBLIC_BODIES = ("/openapi.json", "/docs")  # which describe errors, and name nothing


@pytest.mark.parametrize(("method", "path"), ANSWERS)
def test_an_answer_carries_the_headers_once(
    target: Target, method: str, path: str
) -> None:
    answer = target.ask(method, path)
    page = path.startswith("/admin/") or path in PAGES
    assert answer.one("X-Content-Type-Options") == "nosniff"
    assert answer.one("X-Frame-Options") == "DENY"
    assert answer.one("Cross-Origin-Resource-Policy") == "same-origin"
    assert answer.one("Cache-Control")
    csp = answer.one("Content-Security-Policy")
    assert "frame-ancestors 'none'" in csp
    if not page:
        assert csp == API_CSP
        assert answer.one("Referrer-Policy") == "no-referrer"
    assert bool(answer.all("Strict-Transport-Security")) == target.tls
    names = [name.lower() for name, _ in answer.headers if name != "Set-Cookie"]
    assert len(names) == len(set(names)), names


@pytest.mark.parametrize(("method", "path"), ANSWERS)
def test_an_answer_names_no_software(target: Target, method: str, path: str) -> None:
    answer = target.ask(method, path)
    assert answer.all("Server") in ([], ["nginx"])
    for name in ("X-Powered-By", "Via", "X-AspNet-Version", "X-Runtime", "X-Backend"):
        assert not answer.all(name)
    if not path.endswith(PUBLIC_BODIES):
        assert not LEAKS.search(answer.body), LEAKS.search(answer.body)


BROKEN = [
    b"GARBAGE\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET /api/v1/users/me HTTP/1.0\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: {host}\r\n\r\n",
    b"GET /api/v1/users/me HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n",
    b"POST /api/v1/auth/login HTTP/1.1\r\nHost: {host}\r\nContent-Length: x\r\n\r\n",
    b"GET " + b"/x" * 8_000 + b" HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"HELO evil.example\r\nMAIL FROM:<a@example.org>\r\n\r\n",
    b"GET /api/v1/users/me HTTP/1.1\r\nHost: {host}\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAMAAABkAAQAAP__\r\nConnection: Upgrade, close\r\n\r\n",
    b"GET /api/v1/users/me HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade, close\r\nSec-WebSocket-Key: x\r\n\r\n",
]


@pytest.mark.parametrize("data", BROKEN, ids=lambda data: f"{data[:18]!r}")
def test_whatever_is_said_the_error_is_a_problem(target: Target, data: bytes) -> None:
    """Never HTML, never a stack, never another protocol."""
    received = target.exchange(data.replace(b"{host}", target.netloc.encode()))
    answers = received.answers()
    assert len(answers) <= 1
    for answer in answers:
        assert 400 <= answer.status < 500, received.data
        problem_of(answer)
        check_plain(answer)


def check_plain(answer: Answer) -> None:
    assert b"<" not in answer.body
    assert not LEAKS.search(answer.body)


@pytest.mark.parametrize(
    "text",
    ["<script>alert(1)</script>", "{{7*7}}", "${7*7}", "%{7*7}", "' OR 1=1 --",
     "\u202egnp.exe", "../../etc/passwd", "=cmd|' /C calc'!A0", "\x1b[31m"],
)  # fmt: skip
def test_what_was_sent_is_not_run_and_stays_what_it_is(
    target: Target, somebody: Account, text: str
) -> None:
    """Into a name that is shown, and into what is only refused."""
    answer = target.ask("PATCH", ME, somebody.bearer, value={"first_name": text})
    assert answer.status in (200, 400)
    if answer.status == 200:
        assert answer.json()["first_name"] == text.strip()
    else:
        check_plain(answer)
    value = {"email": text, "password": text}
    refused = target.ask("POST", LOGIN, value=value)
    assert refused.status in (400, 401)
    assert text not in refused.body.decode()


@pytest.mark.parametrize("path", ["/api/v1/auth/logout", "/admin", "/admin/login/"])
def test_nobody_is_sent_elsewhere(target: Target, path: str) -> None:
    for query in (
        "next=//evil.example",
        "next=https://evil.example",
        "url=//evil.example",
    ):
        answer = target.ask("GET", f"{path}?{query}")
        for where in answer.all("Location"):
            assert not where.startswith(("http", "//")), where
