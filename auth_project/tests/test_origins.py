"""Other sites' pages: what a browser sends for them is refused (COOK-05), and what it
may read of an answer is what the list of origins says (COOK-06)."""

import json

import pytest
from django.conf import settings
from rest_framework.test import APIClient

from tests.conftest import log_in, outcome, post, refresh_token, state_in_redis

pytestmark = pytest.mark.django_db

APP = "https://app.example.org"
ACTS = ["login", "refresh", "logout"]
FACTORS = ["login/second_factor", "login/enrol", "login/passkey"]
FACTORS += ["login/passkey/options"]

SITE = "Sec-Fetch-Site"

# What a browser says of a request: our own page's, and others'.
WELCOME = {
    "no-browser": {},
    "fetch-metadata": {SITE: "same-origin"},
    "origin": {"Origin": "http://testserver"},
    "public-origin": {"Origin": "https://memo.example.org"},
    "listed": {SITE: "same-site", "Origin": APP},
    "listed-in-an-old-browser": {"Origin": APP},
}
REFUSED = {
    "cross-site": {SITE: "cross-site"},
    "sibling-without-origin": {SITE: "same-site"},
    "sibling": {SITE: "same-site", "Origin": "https://blog.example.org"},
    "listed-but-far": {SITE: "cross-site", "Origin": APP},
    "typed": {SITE: "none"},
    "null": {"Origin": "null"},
    "other-origin": {"Origin": "https://evil.example"},
    "sent-twice": {"Origin": f"{APP},https://evil.example"},
    "contradiction": {SITE: "same-origin", "Origin": "https://evil.example"},
}


@pytest.fixture(autouse=True)
def _origins(settings):
    assert settings.CORS_ALLOWED_ORIGINS == []
    settings.CORS_ALLOWED_ORIGINS = [APP]
    cors = "corsheaders.middleware.CorsMiddleware"
    settings.MIDDLEWARE = [cors, *settings.MIDDLEWARE]
    settings.JWT_ISSUER = "https://memo.example.org"


def ask(act, session, headers):
    if act == "login":
        return log_in(**headers)
    return post(act, refresh_token(session), **headers)


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("headers", WELCOME.values(), ids=WELCOME)
def test_our_own_pages_and_other_clients_are_answered(session, act, headers):
    """A page of a listed origin may read the answer."""
    answer = ask(act, session, headers)

    assert answer.status_code == 200
    allowed = answer.get("Access-Control-Allow-Origin")
    assert allowed == (APP if headers.get("Origin") == APP else None)
    assert answer.get("Access-Control-Allow-Credentials") == (allowed and "true")
    assert "origin" in answer["Vary"].lower()


@pytest.mark.parametrize("act", [*ACTS, *FACTORS])
def test_a_request_that_can_change_nothing_is_no_event(audited, act):
    """The gateway counts none, so a stranger could fill the audit log with them."""
    answer = APIClient().get(f"/api/v1/auth/{act}", headers=REFUSED["cross-site"])
    assert answer.status_code == 405
    assert not audited()


@pytest.mark.parametrize("act", [*ACTS, *FACTORS])
@pytest.mark.parametrize("headers", REFUSED.values(), ids=REFUSED)
def test_other_sites_pages_are_refused_and_change_nothing(
    session, users, audited, act, headers
):
    answer = ask(act, session, headers)

    assert outcome(answer) == (403, "cross_site_request")
    assert not answer.cookies, "the cookie is the user's, and stays"
    assert users.calls == 0, "no password was tried"
    before = session.jti
    session.refresh_from_db()
    assert (session.jti, session.revoked_at) == (before, None)
    assert state_in_redis(session) is None
    [event] = audited()
    assert event.event == "malicious_csrf"
    assert event.route == f"api/v1/auth/{act}"
    assert event.fetch_site == headers.get(SITE, "")
    assert "evil" not in json.dumps(vars(event), default=str)


def test_a_preflight_gets_what_the_gateway_answers_while_we_are_down():
    path, asks = "/api/v1/auth/login", {"Access-Control-Request-Method": "POST"}
    answer = APIClient().options(path, headers={"Origin": APP, **asks})
    files = settings.BASE_DIR.parent / "nginx"
    conf = (files / "gateway.conf.template").read_text()
    conf += (files / "includes" / "problem.conf").read_text()

    for name in ("Expose-Headers", "Allow-Headers", "Allow-Methods"):
        assert f'"{answer[f"Access-Control-{name}"]}"' in conf


@pytest.mark.parametrize(
    "origin",
    [
        *("null", "https://evil.example", "http://app.example.org"),
        *(f"{APP}.evil.example", f"{APP}:8443"),
    ],
)
def test_the_list_is_exact(origin):
    answer = APIClient().get("/api/v1/auth/health/live", headers={"Origin": origin})

    assert "Access-Control-Allow-Origin" not in answer
