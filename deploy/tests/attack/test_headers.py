"""Hosts, methods, and headers by which a client would speak for the gateway (GW-01,
GW-02, GW-15, BF-03, LOG-05, S2S-10)."""

import re

import pytest

from deploy.tests.attack.target import AttackUser, Target
from deploy.tests.client import (
    LOGIN,
    LOGOUT,
    ME,
    REFRESH,
    REGISTER,
    SESSIONS,
    problem_of,
    refused,
)
from nginx.tests.malicious_inputs import FORGED

LIVE = "/api/v1/auth/health/live"
SPELLINGS = {
    "hyphens": str,
    "underscores": lambda name: name.replace("-", "_"),
    "lower case": str.lower,
    "mixed": lambda name: name.replace("-", "_", 1),
}
SPELL = pytest.mark.parametrize("spell", SPELLINGS.values(), ids=list(SPELLINGS))

# ---- Hosts ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["evil.example", "{host}.evil.example", "auth:8001", "169.254.169.254",
     "users_service", "evil.example:{port}", "*", "{host}_x"],
)  # fmt: skip
def test_another_host_is_misdirected(target: Target, host: str) -> None:
    """GW-01: no link, no cache and no cookie is ever made for another name."""
    name = host.format(host=target.host, port=target.port)
    for path in (LIVE, "/admin/", "/nowhere"):
        response = target.ask("GET", path, {"Host": name})
        refused(response, 421, "misdirected_request")


@pytest.mark.parametrize(
    "host",
    ["a b", "evil.example@{host}", "{host}/x", "{host}#x", "{host}, evil.example",
     "{host}\\evil.example", "<script>", "{host}:x", "", "[::1", "{host}:80:80",
     "{host}%00", "{host}\x00", "\xe9"],
)  # fmt: skip
def test_a_host_that_is_none_is_refused(target: Target, host: str) -> None:
    """Whatever of it two programs could read differently."""
    response = target.ask("GET", LIVE, {"Host": host.format(host=target.host)})
    assert response.status_code in (400, 421), response.text
    problem_of(response)


def test_another_port_is_the_same_host(target: Target) -> None:
    """As behind a proxy; no address is made of it that leads anywhere."""
    other = {"Host": f"{target.host}:1"}
    assert target.ask("GET", "/admin", other).one("Location") == "/admin/"
    metadata = "/.well-known/oauth-authorization-server"
    plain = target.ask("GET", metadata).json()
    assert target.ask("GET", metadata, other).json() == plain


def test_two_hosts_are_one_too_many(target: Target) -> None:
    for second in ("evil.example", target.netloc):
        pairs = [("Host", target.netloc), ("Host", second)]
        refused(target.ask("GET", LIVE, pairs), 400, "bad_request")


# ---- Methods -------------------------------------------------------------------------


@pytest.mark.parametrize("path", [ME, LOGIN, "/", "/admin/", "/nowhere"])
@pytest.mark.parametrize("method", ["TRACE", "DEBUG", "PROPFIND", "BREW", "get"])
def test_an_unknown_method_reaches_nothing(
    target: Target, path: str, method: str
) -> None:
    canary = {"X-Canary": "c0ffee", "Cookie": "c0ffee=1"}
    response = target.ask(method, path, canary)
    assert response.status_code in (400, 404, 405), response.text
    problem_of(response)
    assert b"c0ffee" not in response.content, "TRACE shows a script what it may not see"
    if response.status_code == 405:
        assert "TRACE" not in response.one("Allow")


@pytest.mark.parametrize("where", ["{host}:443", "127.0.0.1:22", ME])
def test_no_client_is_connected_through(target: Target, where: str) -> None:
    text = where.format(host=target.host)
    data = f"CONNECT {text} HTTP/1.1\r\nHost: {target.netloc}\r\n\r\n".encode()
    received = target.exchange(data)
    assert all(r.status_code in (400, 405) for r in received.responses()), received
    assert received.closed


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "_method"])
def test_no_header_makes_another_method(
    target: Target, mallory: AttackUser, name: str
) -> None:
    """A GET stays one, which changes nothing; a POST that is not meant stays a 405."""
    before = {each["id"] for each in mallory.listed()}
    for method in ("DELETE", "PATCH", "TRACE"):
        for spelt in (name, name.replace("-", "_")):
            headers = {spelt: method, **mallory.bearer}
            assert target.ask("GET", ME, headers).status_code == 200
            response = target.ask("POST", ME, headers, json_body={"first_name": "x"})
            refused(response, 405, "method_not_allowed")
            path = f"{SESSIONS}/{mallory.sid}?_method=DELETE"
            refused(target.ask("POST", path, headers), 405, "method_not_allowed")
    assert {each["id"] for each in mallory.listed()} == before
    assert mallory.profile()["first_name"] != "x"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_nothing_is_done_but_by_post(
    target: Target, mallory: AttackUser, method: str
) -> None:
    """An image or a link of another site is a GET."""
    for path in (LOGIN, REFRESH, LOGOUT):
        response = target.ask(method, path, mallory.cookie_header())
        assert response.status_code == 405
        assert "POST" in response.one("Allow")
        assert not response.all("Set-Cookie")
    assert mallory.profile()


def test_options_tells_no_more_than_a_method(
    target: Target, mallory: AttackUser
) -> None:
    """DRF would describe the view's fields."""
    for path in (ME, LOGIN, REGISTER):
        response = target.ask("OPTIONS", path, mallory.bearer)
        refused(response, 405, "method_not_allowed")


# ---- Headers of the gateway ----------------------------------------------------------


@SPELL
def test_the_request_id_is_the_gateways(target: Target, spell: type[str]) -> None:
    offered = "a" * 32
    response = target.ask("GET", ME, {spell("X-Request-ID"): offered})
    given = response.one("X-Request-ID")
    assert re.fullmatch("[0-9a-f]{32}", given)
    assert given != offered
    assert problem_of(response)["request_id"] == given


@SPELL
def test_a_session_is_listed_with_the_true_address(
    target: Target, user: AttackUser, spell: type[str]
) -> None:
    names = ("X-Forwarded-For", "X-Real-IP", "True-Client-IP", "X-Client-IP")
    forged = {spell(name): "203.0.113.7" for name in names}
    forged[spell("Forwarded")] = "for=203.0.113.7"
    user.log_in(headers=forged, source="127.0.0.9" if target.is_local else "")
    (here,) = (each for each in user.listed() if each["current"])
    assert not here["ip"].startswith("203.0.113.")


@SPELL
def test_the_scheme_is_the_true_one(target: Target, spell: type[str]) -> None:
    """HSTS and the cookie follow it; a service that believed another would set both."""
    other = "http" if target.tls else "https"
    names = ("X-Forwarded-Proto", "X-Forwarded-Ssl", "X-Scheme", "Front-End-Https")
    forged = {spell(name): other for name in names}
    response = target.ask("GET", ME, forged)
    assert bool(response.all("Strict-Transport-Security")) == target.tls
    origin = {"Origin": f"{other}://{target.netloc}", **forged}
    # A page of the other scheme is another site's.
    assert target.ask("POST", REFRESH, origin).status_code == 403


@SPELL
def test_all_of_them_at_once_change_no_answer(
    target: Target, mallory: AttackUser, spell: type[str]
) -> None:
    forged = {spell(name): "/api/v1/auth/verify_token" for name in FORGED}
    plain = target.ask("GET", ME, mallory.bearer)
    asked = target.ask("GET", ME, {**forged, **mallory.bearer})
    assert asked.status_code == plain.status_code == 200
    assert asked.content == plain.content
    assert asked.one("Content-Type") == "application/json"


@SPELL
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Original-URL", "/api/v1/auth/verify_token"),
        ("X-Forwarded-Prefix", "/evil"),
        ("Script-Name", "/api/v1/auth"),
        ("Path-Info", "/api/v1/auth/verify_token"),
        ("X-Accel-Redirect", "/.problem"),
        ("X-Forwarded-Host", "evil.example"),
        ("Base-Url", "https://evil.example"),
        ("Connection", "close, Authorization, X-Request-ID"),
    ],
)
def test_no_header_leads_elsewhere(
    target: Target, mallory: AttackUser, spell: type[str], name: str, value: str
) -> None:
    response = target.ask("GET", SESSIONS, {spell(name): value, **mallory.bearer})
    assert response.status_code == 200
    assert b"evil" not in response.content
    where = target.ask("GET", "/admin", {spell(name): value})
    assert where.one("Location") == "/admin/"
