"""Other sites' pages: what a browser sends for them is refused (COOK-05)."""

import json

import pytest

from tests.conftest import PASSWORD, outcome, post, refresh_token, state_in_redis

pytestmark = pytest.mark.django_db

APP = "https://app.example.org"
CREDENTIALS = {"email": "ada@example.org", "password": PASSWORD}
ACTS = pytest.mark.parametrize("act", ["login", "refresh", "logout"])

# What a browser says of a request: our own page's, and others'.
WELCOME = [
    pytest.param({}, id="no-browser"),
    pytest.param({"Sec-Fetch-Site": "same-origin"}, id="fetch-metadata"),
    pytest.param({"Origin": "http://testserver"}, id="origin"),
    pytest.param({"Origin": "https://memo.example.org"}, id="public-origin"),
    pytest.param(
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver"}, id="both"
    ),
    pytest.param({"Sec-Fetch-Site": "same-site", "Origin": APP}, id="listed"),
    pytest.param({"Origin": APP}, id="listed-in-an-old-browser"),
]
REFUSED = [
    pytest.param({"Sec-Fetch-Site": "cross-site"}, id="cross-site"),
    pytest.param({"Sec-Fetch-Site": "same-site"}, id="sibling-without-origin"),
    pytest.param(
        {"Sec-Fetch-Site": "same-site", "Origin": "https://blog.example.org"},
        id="sibling",
    ),
    pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": APP}, id="listed-but-far"),
    pytest.param({"Sec-Fetch-Site": "none"}, id="typed"),
    pytest.param({"Sec-Fetch-Site": "Same-Origin"}, id="no-word-of-the-standard"),
    pytest.param({"Origin": "null"}, id="null"),
    pytest.param({"Origin": "https://evil.example"}, id="other-origin"),
    pytest.param({"Origin": "https://testserver"}, id="other-scheme"),
    pytest.param({"Origin": "http://testserver:81"}, id="other-port"),
    pytest.param({"Origin": "http://testserver.evil.example"}, id="prefix"),
    pytest.param({"Origin": ""}, id="empty"),
    pytest.param({"Origin": f"{APP},https://evil.example"}, id="sent-twice"),
    pytest.param(
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
        id="contradiction",
    ),
]


@pytest.fixture(autouse=True)
def _origins(settings):
    settings.CORS_ALLOWED_ORIGINS = [APP]
    settings.JWT_ISSUER = "https://memo.example.org"


def ask(act, session, headers):
    body = CREDENTIALS if act == "login" else None
    cookie = None if act == "login" else refresh_token(session)
    return post(act, cookie, body, **headers)


@ACTS
@pytest.mark.parametrize("headers", WELCOME)
def test_our_own_pages_and_other_clients_are_answered(session, act, headers):
    assert ask(act, session, headers).status_code == 200


@ACTS
@pytest.mark.parametrize("headers", REFUSED)
def test_other_sites_pages_are_refused_and_change_nothing(session, users, act, headers):
    answer = ask(act, session, headers)

    assert outcome(answer) == (403, "cross_site_request")
    assert not answer.cookies, "the cookie is the person's, and stays"
    assert users.calls == 0, "no password was tried"
    before = session.jti
    session.refresh_from_db()
    assert (session.jti, session.revoked_at) == (before, None)
    assert state_in_redis(session) is None


def test_the_refusal_is_in_the_audit_log(session, caplog):
    ask("refresh", session, {"Sec-Fetch-Site": "cross-site", "Origin": "https://x.io"})

    (event,) = [r for r in caplog.records if r.name == "memo.audit"]
    assert event.event == "malicious_csrf"
    assert (event.route, event.fetch_site) == ("api/v1/auth/refresh", "cross-site")
    assert "https://x.io" not in json.dumps(vars(event), default=str)


def test_a_default_port_is_no_other_origin(session):
    answer = ask(
        "refresh", session, {"Host": "testserver:80", "Origin": "http://testserver"}
    )
    assert answer.status_code == 200
