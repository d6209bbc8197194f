"""The device cookie: what it says, and who may say it."""

import time
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.core import signing
from django.http import HttpResponse
from django.test import RequestFactory

from shared.auth import device_cookie
from shared.auth.device_cookie import devices, find, is_trusted, renew


def user(epoch=0, pk=None, session_epoch=0):
    return SimpleNamespace(
        pk=pk or uuid4(), password_epoch=epoch, session_epoch=session_epoch
    )


ADA, EVE = user(7), user()


@pytest.mark.parametrize("other", [EVE, user(6, ADA.pk), user(8, ADA.pk)])
def test_another_account_or_password_has_no_device_here(other):
    assert find(renew("", ADA), other) is None


def test_the_id_stays_while_the_password_does():
    first = renew("", ADA)
    assert len(find(first, ADA).id) >= 16
    assert find(renew(first, ADA), ADA) == find(first, ADA) != find(renew("", ADA), ADA)
    [changed] = devices(renew(first, user(8, ADA.pk)))
    assert changed.password_epoch == 8
    assert changed.id != find(first, ADA).id


def test_a_browser_has_the_last_five_accounts():
    users, text = [user() for _ in range(7)], ""
    for each in [*users, users[3]]:
        text = renew(text, each, trust=True)
    known = [device.user_id for device in devices(text)]
    assert known == [str(users[n].pk) for n in (3, 6, 5, 4, 2)]
    assert device_cookie.TEXT.fullmatch(text)  # it passes through `read`


def test_what_we_have_not_signed_says_nothing():
    text = renew("", ADA)
    others = text.split(":", 1)[0] + ":" + renew("", EVE).split(":", 1)[1]
    last = "A" if text[-1] != "A" else "B"
    for forged in ("", "garbage", text[:-1] + last, "A" + text, others):
        assert devices(forged) == []


def test_it_ends_after_a_year_and_with_the_key(monkeypatch, settings):
    text, now = renew("", ADA), time.time()
    with monkeypatch.context() as patch:
        for days, found in ((366, False), (364, True)):
            patch.setattr(time, "time", lambda days=days: now + days * 86400)
            assert bool(find(text, ADA)) is found
    settings.SECRET_KEY = "another" * 10
    assert devices(text) == []


def test_trust_lasts_thirty_days_and_no_longer_than_the_sessions(monkeypatch):
    text, now = renew(renew("", EVE), ADA, trust=True), time.time()
    assert is_trusted(renew(text, ADA), ADA)  # a login keeps it, and makes it no longer
    for other in (EVE, user(8, ADA.pk), user(7, ADA.pk, session_epoch=1)):
        assert not is_trusted(renew(text, other), other)
    for days, trusted in ((29, True), (31, False)):
        monkeypatch.setattr(time, "time", lambda days=days: now + days * 86400)
        assert is_trusted(text, ADA) is trusted
    assert not is_trusted("garbage", ADA)


def test_a_cookie_from_before_there_was_trust_is_a_device():
    text = signing.dumps([[str(ADA.pk), 7, "id"]], salt=device_cookie.SALT)
    assert find(text, ADA)
    assert not is_trusted(text, ADA)


@pytest.mark.parametrize(
    ("secure", "name"), [(True, "__Secure-device"), (False, "device")]
)
def test_the_cookie_has_exactly_these_attributes(settings, secure, name):
    settings.COOKIE_SECURE = secure
    response = HttpResponse()
    device_cookie.write(response, "a:b:c")
    cookie = response.cookies[name]
    expected = {"path": "/", "max-age": 365 * 86400, "httponly": True}
    expected |= {"samesite": "Strict", "expires": cookie["expires"]}
    expected |= {"secure": True} if secure else {}
    assert cookie.value == "a:b:c"
    assert {key: value for key, value in cookie.items() if value} == expected


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("", ""),
        ("refresh_token=x; device=a:b:c", "a:b:c"),
        ("device=a; device=b", ""),
        ("device=\x00", ""),
        ("device=" + "a" * 2000, ""),
        ("mydevice=a", ""),
        ("\xa0device=a", ""),
        ("device=a:b:c; \x85device=x", "a:b:c"),
    ],
)
def test_a_bad_cookie_is_none(settings, header, text):
    """COOK-08: and fails no login."""
    settings.COOKIE_SECURE = False
    request = RequestFactory().get("/", headers={"Cookie": header})
    assert device_cookie.read(request) == text
