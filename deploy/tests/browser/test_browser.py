"""The rules of the cookie, kept by a real browser (COOK-01 to -08, ASVS 3.3 and 3.5).

Chromium holds the cookies of a user who is logged in, and opens pages: of the gateway
itself, of the front end that is listed, of a sibling that is not, and of elsewhere.
"""

import json
from typing import Any

import pytest

from deploy.tests.browser.browser import Page
from deploy.tests.client import TestUser
from deploy.tests.tls_stack import APP, DOMAIN, ELSEWHERE, SIBLING

COOKIE = "__Secure-refresh_token"
AUTH = "/api/v1/auth"
DOCS = f"{AUTH}/docs"  # a page of the gateway, below the path of the cookie
ACTS = pytest.mark.parametrize("act", ["login", "refresh", "logout"])


@pytest.fixture
def page(browser, secure):
    """A page of the gateway itself."""
    return browser.open(secure.origin + DOCS)


@pytest.fixture(scope="module")
def ada(system):
    ada = TestUser(system)
    assert ada.register().status_code == 201
    return ada


def log_in(page: Page, ada: TestUser, origin: str = "") -> dict[str, Any]:
    return page.fetch(
        f"{origin}{AUTH}/login",
        method="POST",
        headers={"Content-Type": "application/json"},
        body=json.dumps({"email": ada.email, "password": ada.password}),
    )


def refresh(page: Page, origin: str = "") -> int:
    return page.fetch(f"{origin}{AUTH}/refresh", method="POST")["status"]


# ---- The cookie ----------------------------------------------------------------------


def test_the_browser_keeps_the_cookie_for_one_path_and_tells_no_script(
    browser, page, ada
):
    """HttpOnly, Secure, SameSite=Strict, one path, one host, the prefix (COOK-01)."""
    assert log_in(page, ada)["status"] == 200
    cookie = browser.cookies()[COOKIE]
    expected = {"httpOnly": True, "secure": True, "sameSite": "Strict", "path": AUTH}
    # No Domain: this host's alone.
    expected |= {"domain": f"auth.{DOMAIN}", "session": False}
    assert {name: cookie[name] for name in expected} == expected
    assert page.run("document.cookie") == ""
    page.fetch("/api/v1/users/me")
    sent = page.sent("/api/v1/users/me")
    assert (COOKIE in sent["cookies"], "NotOnPath" in sent["blocked"]) == (False, True)
    assert refresh(page) == 200
    assert COOKIE in page.sent(f"{AUTH}/refresh")["cookies"]


def test_logging_out_clears_the_cookie_for_real(browser, page, ada):
    """COOK-03: with other attributes the browser would keep it."""
    log_in(page, ada)
    assert page.fetch(f"{AUTH}/logout", method="POST")["status"] == 200
    assert COOKIE not in browser.cookies()
    assert refresh(page) == 401


def test_a_sibling_that_adds_a_cookie_logs_no_user_in_as_another(
    browser, page, ada, secure, register
):
    """COOK-08: the browser sends both, in whichever order, and the service does not
    take the one for the other."""
    log_in(page, ada)
    mallory = register()
    mallory.log_in()
    sibling = browser.open(secure.page(SIBLING))
    attributes = f"Secure; Domain={DOMAIN}; Path={AUTH}/refresh"
    tossed = json.dumps(f"{COOKIE}={mallory.cookie}; {attributes}")
    sibling.run(f"document.cookie = {tossed}")
    for _ in range(2):  # the first one must not leave the sibling's alone
        answer = page.fetch(f"{AUTH}/refresh", method="POST")
        assert COOKIE in page.sent(f"{AUTH}/refresh")["cookies"]
        assert answer["status"] == 401, answer
        assert json.loads(answer["text"])["code"] == "token_invalid"


# ---- Pages of others -----------------------------------------------------------------


@ACTS
@pytest.mark.parametrize("host", [ELSEWHERE, SIBLING])
def test_a_page_of_another_site_can_do_nothing(browser, page, ada, secure, act, host):
    """As a script, which a preflight or CORS stops; and as a form could, which is sent,
    and refused. From a sibling SameSite lets the cookie through, and the service
    refuses it."""
    log_in(page, ada)
    before = browser.cookies()[COOKIE]["value"]
    evil = browser.open(secure.page(host))
    url = f"{secure.origin}{AUTH}/{act}"
    if act == "login":
        assert log_in(evil, ada, secure.origin)["type"] == "blocked"
    elif host == ELSEWHERE:
        assert evil.fetch(url, method="POST")["type"] == "blocked"
    evil.fetch(url, method="POST", mode="no-cors", body="{}")
    sent = evil.sent(f"{AUTH}/{act}")
    assert sent["status"] == 403
    assert (COOKIE in sent["cookies"]) == (host == SIBLING)
    # Newer browsers give more reasons than this one.
    blocked = any("SameSiteStrict" in reason for reason in sent["blocked"])
    assert blocked == (host == ELSEWHERE), sent
    assert browser.cookies()[COOKIE]["value"] == before
    assert refresh(page) == 200


def test_the_front_end_that_is_listed_can_do_all(browser, ada, secure):
    """CORS with credentials, for one exact origin (COOK-06)."""
    app = browser.open(secure.page(APP))
    answer = log_in(app, ada, secure.origin)
    assert answer["status"] == 200, answer
    assert json.loads(answer["text"])["token_type"] == "bearer"
    assert refresh(app, secure.origin) == 200
    bearer = f"Bearer {json.loads(answer['text'])['access_token']}"
    me = app.fetch(
        f"{secure.origin}/api/v1/users/me", headers={"Authorization": bearer}
    )
    assert json.loads(me["text"])["email"] == ada.email
    out = app.fetch(f"{secure.origin}{AUTH}/logout", method="POST")
    assert out["status"] == 200
    assert COOKIE not in browser.cookies()
