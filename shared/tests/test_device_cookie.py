"""The device cookie: what it says, and who may say it."""

import time
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from shared.auth import device_cookie
from shared.auth.device_cookie import find, renew


def user(user_id: UUID, epoch: int) -> Any:
    return SimpleNamespace(pk=user_id, password_epoch=epoch)


ADA, EVE = user(uuid4(), 7), user(uuid4(), 0)


def test_a_login_makes_the_browser_a_device_of_the_account() -> None:
    text = renew("", ADA)
    device = find(text, ADA)
    assert device is not None
    assert len(device.id) >= 16
    assert find(renew("", ADA), ADA) != device


@pytest.mark.parametrize("other", [EVE, user(ADA.pk, 6), user(ADA.pk, 8)])
def test_another_account_or_password_has_no_device_here(other: Any) -> None:
    assert find(renew("", ADA), other) is None


def test_the_id_stays_while_the_password_does() -> None:
    first = renew("", ADA)
    assert find(renew(first, ADA), ADA) == find(first, ADA)
    changed = renew(first, user(ADA.pk, 8))
    assert [device.password_epoch for device in device_cookie.devices(changed)] == [8]
    assert device_cookie.devices(changed)[0].id != device_cookie.devices(first)[0].id


def test_a_browser_has_the_last_five_accounts() -> None:
    users, text = [user(uuid4(), 0) for _ in range(7)], ""
    for each in users:
        text = renew(text, each)
    text = renew(text, users[3])
    known = [device.user_id for device in device_cookie.devices(text)]
    assert known == [str(users[n].pk) for n in (3, 6, 5, 4, 2)]
    assert device_cookie.TEXT.fullmatch(text)  # it passes through `read`


@pytest.mark.parametrize(
    "tamper",
    [
        lambda text: "",
        lambda text: "garbage",
        lambda text: text[:-1] + ("A" if text[-1] != "A" else "B"),
        lambda text: "A" + text,
        lambda text: text.split(":", 1)[0] + ":" + renew("", EVE).split(":", 1)[1],
    ],
    ids=["empty", "garbage", "signature", "payload", "another's signature"],
)
def test_what_we_have_not_signed_says_nothing(tamper: Any) -> None:
    assert device_cookie.devices(tamper(renew("", ADA))) == []


def test_another_key_signs_none(settings: Any) -> None:
    text = renew("", ADA)
    settings.SECRET_KEY = "another" * 10
    assert find(text, ADA) is None


def test_it_ends_after_a_year(monkeypatch: pytest.MonkeyPatch) -> None:
    text, now = renew("", ADA), time.time()
    monkeypatch.setattr(time, "time", lambda: now + 364 * 86400)
    assert find(text, ADA)
    monkeypatch.setattr(time, "time", lambda: now + 366 * 86400)
    assert find(text, ADA) is None


@pytest.mark.parametrize(
    ("secure", "name"), [(True, "__Secure-device"), (False, "device")]
)
def test_the_cookie_has_exactly_these_attributes(
    settings: Any, secure: bool, name: str
) -> None:
    settings.COOKIE_SECURE = secure
    response = HttpResponse()
    device_cookie.write(response, "a:b:c")
    cookie = response.cookies[name]
    assert cookie.value == "a:b:c"
    assert {key: value for key, value in cookie.items() if value} == {
        "expires": cookie["expires"],
        "path": "/api/v1",
        "max-age": 365 * 86400,
        "httponly": True,
        "samesite": "Strict",
        **({"secure": True} if secure else {}),
    }


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("", ""),
        ("device=a:b:c", "a:b:c"),
        ("refresh_token=x; device=a:b:c", "a:b:c"),
        ("device=a; device=b", ""),
        ("device=\x00", ""),
        ("device=" + "a" * 2000, ""),
        ("mydevice=a", ""),
    ],
)
def test_a_bad_cookie_is_none(settings: Any, header: str, text: str) -> None:
    """COOK-08: and fails no login."""
    settings.COOKIE_SECURE = False
    request = RequestFactory().get("/", headers={"Cookie": header})
    assert device_cookie.read(request) == text
