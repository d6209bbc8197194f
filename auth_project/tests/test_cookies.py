"""The refresh cookie: its attributes, to the letter, set and cleared."""

import pytest

from shared.auth import device_cookie
from tests.conftest import PASSWORD, log_out, outcome, post, refresh, refresh_token
from tokens.models import Session

pytestmark = pytest.mark.django_db

ATTRIBUTES = {"path": "/api/v1/auth", "httponly": True, "samesite": "Strict"}


def attributes(response, name="refresh_token"):
    """All that is set of a cookie's attributes, but for times."""
    morsel = response.cookies[name]
    varying = ("expires", "max-age")
    return {k: v for k, v in morsel.items() if v not in ("", None) and k not in varying}


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("act", ["login", "refresh"])
def test_the_cookie_is_set_with_exactly_these_attributes(
    session, api_client, settings, secure, act
):
    """COOK-01, COOK-02: no Domain; the prefix comes with Secure."""
    settings.COOKIE_SECURE = secure
    name = "__Secure-refresh_token" if secure else "refresh_token"
    if act == "login":
        body = {"username": "ada", "password": PASSWORD}
        answer = api_client.post("/api/v1/auth/login", body, "json")
    else:
        answer = post("refresh", Cookie=f"{name}={refresh_token(session)}")

    assert answer.status_code == 200, answer.content
    device = {device_cookie.name()} if act == "login" else set()
    assert set(answer.cookies) - device == {name}
    wanted = ATTRIBUTES | ({"secure": True} if secure else {})
    assert attributes(answer, name) == wanted
    month = 30 * 24 * 3600
    assert month - 5 <= answer.cookies[name]["max-age"] <= month
    assert len(answer.cookies[name].OutputString()) < 4096


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("act", ["refresh", "logout"])
def test_the_cookie_is_cleared_with_the_attributes_it_was_set_with(
    settings, secure, act
):
    """COOK-03: else a browser would keep it."""
    settings.COOKIE_SECURE = secure
    name = "__Secure-refresh_token" if secure else "refresh_token"

    answer = post(act, Cookie=f"{name}=garbage")

    morsel = answer.cookies[name]
    assert (morsel.value, morsel["max-age"]) == ("", 0)
    wanted = ATTRIBUTES | ({"secure": True} if secure else {})
    assert attributes(answer, name) == wanted


def test_over_https_a_cookie_without_the_prefix_is_not_looked_at(session, settings):
    settings.COOKIE_SECURE = True

    answer = post("refresh", Cookie=f"refresh_token={refresh_token(session)}")

    assert outcome(answer) == (401, "token_missing")


@pytest.mark.parametrize("act", [refresh, log_out])
def test_a_cookie_that_was_sent_twice_is_refused(session, act):
    """COOK-08: a sibling domain may have planted either."""
    token = refresh_token(session)

    answer = act(None, Cookie=f"refresh_token={token}; refresh_token={token}")

    assert outcome(answer) == (401, "token_invalid")
    assert Session.objects.get().jti == session.jti
    assert Session.objects.get().revoked_at is None


def test_other_cookies_are_no_matter(session):
    token = refresh_token(session)
    others = f"a=1; xrefresh_token=x; refresh_token={token};; refresh_tokenx=y; lone"

    assert refresh(None, Cookie=others).status_code == 200


def test_no_refresh_token_is_ever_in_a_body(session):
    """TOK-19."""
    answer = refresh(refresh_token(session))

    assert answer.cookies["refresh_token"].value not in answer.content.decode()


def test_an_empty_cookie_is_none(users):
    assert outcome(refresh("")) == (401, "token_missing")
    assert log_out("").status_code == 200
