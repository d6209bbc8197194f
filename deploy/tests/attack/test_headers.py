"""Hosts, methods, and headers by which a client would speak for the gateway (GW-01,
GW-02, GW-15, BF-03, LOG-05, S2S-10)."""

import re

import pytest

from deploy.tests.client import LOGIN, ME, problem_of, refused

LIVE = "/api/v1/auth/health/live"
SPELLINGS = {
    "hyphens": str,
    "underscores": lambda name: name.replace("-", "_"),
    "mixed": lambda name: name.lower().replace("-", "_", 1),
}
SPELL = pytest.mark.parametrize("spell", SPELLINGS.values(), ids=list(SPELLINGS))

# ---- Hosts ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["evil.example", "{host}.evil.example", "auth:8001", "169.254.169.254", "*"],
)
def test_another_host_is_misdirected(target, host):
    """GW-01: no link, no cache and no cookie is ever made for another name."""
    name = host.format(host=target.host)
    for path in (LIVE, "/admin/", "/nowhere"):
        response = target.ask("GET", path, {"Host": name})
        refused(response, 421, "misdirected_request")


@pytest.mark.parametrize(
    "host",
    ["a b", "evil.example@{host}", "{host}/x", "{host}#x", "{host}, evil.example",
     "{host}\\evil.example", "<script>", "{host}:x", "", "[::1", "{host}:80:80",
     "{host}%00", "{host}\x00", "\xe9"],
)  # fmt: skip
def test_a_host_that_is_none_is_refused(target, host):
    """Every one that two programs could read differently."""
    response = target.ask("GET", LIVE, {"Host": host.format(host=target.host)})
    assert response.status_code in (400, 421), response.text
    problem_of(response)
    twice = [("Host", target.netloc), ("Host", "evil.example")]
    refused(target.ask("GET", LIVE, twice), 400, "bad_request")


# ---- Methods -------------------------------------------------------------------------


@pytest.mark.parametrize("path", [ME, LOGIN, "/", "/admin/"])
@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "get"])
def test_an_unknown_method_reaches_nothing(target, path, method):
    canary = {"X-Canary": "c0ffee", "Cookie": "c0ffee=1"}
    response = target.ask(method, path, canary)
    assert response.status_code in (400, 404, 405), response.text
    problem_of(response)
    assert b"c0ffee" not in response.content, "TRACE shows a script what it may not see"
    if response.status_code == 405:
        assert "TRACE" not in response.one("Allow")


# ---- Media types ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters", ["x*0=a; x*=b", "x*=charset-of-a-client''a", "x*=base64''a"]
)
def test_no_media_type_is_a_fault_of_ours(target, parameters):
    """INP-01: Python's parser of RFC 2231 may raise any error, and keeps each charset.
    It is also asked by each part of a form."""
    for name in ("Accept", "Content-Type"):
        header = {name: f"application/json; {parameters}"}
        for method, path in (("GET", LIVE), ("POST", LOGIN), ("GET", "/admin/login/")):
            response = target.ask(method, path, header)
            assert response.status_code < 500, response.text
    part = f"--b\r\nContent-Disposition: form-data; {parameters}\r\n\r\n\r\n--b--\r\n"
    header = {"Content-Type": "multipart/form-data; boundary=b"}
    header["Cookie"] = f"memo_admin_csrf={'a' * 32}"  # or the form is not read
    for path in ("/admin/login/", "/account/reset/request"):
        response = target.ask("POST", path, header, part.encode())
        assert response.status_code in (400, 403, 404), response.text


# ---- Headers of the gateway ----------------------------------------------------------


@SPELL
def test_the_request_id_is_the_gateways(target, spell):
    response = target.ask("GET", ME, {spell("X-Request-ID"): "a" * 32})
    given = response.one("X-Request-ID")
    assert re.fullmatch("[0-9a-f]{32}", given)
    assert given != "a" * 32
    assert problem_of(response)["request_id"] == given


@SPELL
def test_a_session_is_listed_with_the_true_address(target, user, spell):
    names = ("X-Forwarded-For", "X-Real-IP", "True-Client-IP", "X-Client-IP")
    forged = {spell(name): "203.0.113.7" for name in names}
    forged[spell("Forwarded")] = "for=203.0.113.7"
    user.log_in(headers=forged, source="127.0.0.9" if target.is_local else "")
    (here,) = (each for each in user.listed() if each["current"])
    assert not here["ip"].startswith("203.0.113.")
