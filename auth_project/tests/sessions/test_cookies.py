"""The refresh cookie: its attributes, to the letter, set and cleared."""

import pytest

from shared.auth import device_cookie
from tests.conftest import log_in, log_out, outcome, post, refresh, refresh_token
from tokens.models import Session

pytestmark = pytest.mark.django_db

ATTRIBUTES = {"path": "/api/v1/auth", "httponly": True, "samesite": "Strict"}


@pytest.fixture(params=[False, True], ids=["http", "https"])
def name(request, settings):
    """The cookie's name; the prefix comes with Secure."""
    settings.COOKIE_SECURE = request.param
    return "__Secure-refresh_token" if request.param else "refresh_token"


def has_its_attributes(response, name):
    """Whether the cookie's attributes, but for times, are these and no others."""
    morsel = response.cookies[name]
    varying = ("expires", "max-age")
    found = {k: v for k, v in morsel.items() if v and k not in varying}
    secure = {"secure": True} if name.startswith("__Secure-") else {}
    return found == ATTRIBUTES | secure


@pytest.mark.parametrize("act", ["login", "refresh"])
def test_the_cookie_is_set_with_exactly_these_attributes(session, name, act):
    """COOK-01, COOK-02: no Domain. TOK-19: the token is in no body."""
    cookie = {"Cookie": f"{name}={refresh_token(session)}"}
    answer = log_in() if act == "login" else post("refresh", **cookie)

    assert answer.status_code == 200, answer.content
    device = {device_cookie.name()} if act == "login" else set()
    assert set(answer.cookies) - device == {name}
    assert has_its_attributes(answer, name)
    morsel, month = answer.cookies[name], 30 * 24 * 3600
    assert month - 5 <= morsel["max-age"] <= month
    assert len(morsel.OutputString()) < 4096
    assert morsel.value not in answer.content.decode()


@pytest.mark.parametrize("act", ["refresh", "logout"])
def test_the_cookie_is_cleared_with_the_attributes_it_was_set_with(name, act):
    """COOK-03: else a browser would keep it."""
    answer = post(act, Cookie=f"{name}=garbage")

    morsel = answer.cookies[name]
    assert (morsel.value, morsel["max-age"]) == ("", 0)
    assert has_its_attributes(answer, name)


def test_over_https_a_cookie_without_the_prefix_is_ignored(session, settings):
    settings.COOKIE_SECURE = True

    answer = post("refresh", Cookie=f"refresh_token={refresh_token(session)}")

    assert outcome(answer) == (401, "token_missing")


@pytest.mark.parametrize("space", ["\x85", "\xa0"])
def test_a_name_with_another_space_is_another_cookie(session, name, space):
    """To browsers too, which let a sibling domain set it without the prefix's rules."""
    own = f"{name}={refresh_token(session)}"

    assert outcome(post("refresh", Cookie=space + own)) == (401, "token_missing")
    assert post("refresh", Cookie=f"{own}; {space}{name}=x").status_code == 200


@pytest.mark.parametrize("act", [refresh, log_out])
def test_a_cookie_that_was_sent_twice_is_refused(session, act):
    """COOK-08: a sibling domain may have set either."""
    token = refresh_token(session)

    answer = act(None, Cookie=f"refresh_token={token}; refresh_token={token}")

    assert outcome(answer) == (401, "token_invalid")
    assert not answer.cookies
    assert Session.objects.get().jti == session.jti
    assert Session.objects.get().revoked_at is None
