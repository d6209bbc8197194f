"""Headers by which a client would speak for the gateway (GW-02, BF-03, LOG-05)."""

import re

import pytest

from deploy.tests.attack.account import ME, SESSIONS, Account
from deploy.tests.attack.target import Target
from deploy.tests.attack.wire import problem_of
from nginx.tests.malicious_inputs import FORGED

SPELLINGS = {
    "hyphens": str,
    "underscores": lambda name: name.replace("-", "_"),
    "lower case": str.lower,
    "mixed": lambda name: name.replace("-", "_", 1),
}
SPELL = pytest.mark.parametrize("spell", SPELLINGS.values(), ids=list(SPELLINGS))


@SPELL
def test_the_request_id_is_the_gateways(target: Target, spell: type[str]) -> None:
    offered = "a" * 32
    answer = target.ask("GET", ME, {spell("X-Request-ID"): offered})
    given = answer.one("X-Request-ID")
    assert re.fullmatch("[0-9a-f]{32}", given)
    assert given != offered
    assert problem_of(answer)["request_id"] == given


@SPELL
def test_a_session_is_listed_with_the_true_address(
    target: Target, somebody: Account, spell: type[str]
) -> None:
    names = (
        "X-Forwarded-For",
        "X-Real-IP",
        "Forwarded",
        "True-Client-IP",
        "X-Client-IP",
    )
    forged = {spell(name): "203.0.113.7" for name in names}
    forged[spell("Forwarded")] = "for=203.0.113.7"
    somebody.log_in(source="127.0.0.9" if target.is_local else "", **forged)
    (here,) = (each for each in somebody.sessions() if each["current"])
    assert not here["ip"].startswith("203.0.113.")


@SPELL
def test_the_scheme_is_the_true_one(
    target: Target, somebody: Account, spell: type[str]
) -> None:
    """HSTS and the cookie follow it; a service that believed another would set both."""
    other = "http" if target.tls else "https"
    names = ("X-Forwarded-Proto", "X-Forwarded-Ssl", "X-Scheme", "Front-End-Https")
    forged = {spell(name): other for name in names}
    answer = target.ask("GET", ME, forged)
    assert bool(answer.all("Strict-Transport-Security")) == target.tls
    origin = {"Origin": f"{other}://{target.netloc}", **forged}
    answer = target.ask("POST", "/api/v1/auth/refresh", origin)
    assert answer.status == 403, "a page of the other scheme is another site's"


@SPELL
def test_all_of_them_at_once_change_no_answer(
    target: Target, mallory: Account, spell: type[str]
) -> None:
    forged = {spell(name): "/api/v1/auth/verify_token" for name in FORGED}
    plain = target.ask("GET", ME, mallory.bearer)
    asked = target.ask("GET", ME, {**forged, **mallory.bearer})
    assert (asked.status, asked.body) == (plain.status, plain.body) == (200, plain.body)
    assert asked.one("Content-Type") == "application/json"


@SPELL
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Original-URL", "/api/v1/auth/verify_token"),
        ("X-Rewrite-URL", "/api/v1/users/verify"),
        ("X-Forwarded-Prefix", "/evil"),
        ("Script-Name", "/api/v1/auth"),
        ("Path-Info", "/api/v1/auth/verify_token"),
        ("X-Accel-Redirect", "/.problem"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Host", "evil.example"),
        ("Base-Url", "https://evil.example"),
        ("Connection", "close, Authorization, X-Request-ID"),
    ],
)
def test_no_header_leads_elsewhere(
    target: Target, mallory: Account, spell: type[str], name: str, value: str
) -> None:
    answer = target.ask("GET", SESSIONS, {spell(name): value, **mallory.bearer})
    assert answer.status == 200
    assert b"evil" not in answer.body
    where = target.ask("GET", "/admin", {spell(name): value})
    assert where.one("Location") == "/admin/"
