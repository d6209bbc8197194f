"""The login to the admin: no session before the last factor."""

import re
import time
from functools import partial

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from shared.auth import device_cookie
from shared.tests.authenticator import Authenticator
from tests.factories import UserFactory
from tests.factors.admin_login import (
    LOGIN,
    PASSKEY,
    SECOND,
    SESSION,
    is_in,
    password_step,
    scripts_inline,
    signed,
)
from tests.factors.conftest import ORIGIN, registered
from tests.factors.totp_factors import add_totp, code
from tests.guesses import admin_log_in
from users.factors import recovery_codes
from users.factors.models import Challenge
from users.models import Event, Mail, User


@pytest.fixture
def synchronised(ada):
    """A passkey of Ada's that does not count."""
    authenticator = Authenticator(ORIGIN, "memo.example", count=0)
    registered(ada, authenticator)
    return authenticator


@pytest.fixture
def waiting(client, ada):
    """Ada has a factor, and her browser has sent the password."""
    add_totp(ada)
    password_step(client, ada)
    return client


def test_only_a_login_moves_the_end_of_a_session(client, ada):
    """ASVS 7.3.2. Django's history saves a message, on a GET."""
    password_step(client, ada)
    expires = Session.objects.get().expire_date
    client.get("/admin/users/user/x/history/")
    assert Session.objects.get().expire_date == expires


def what_a_login_leaves(user):
    """Events, the last login, and mails of a new device."""
    user.refresh_from_db()
    events = Event.objects.filter(event="authn_login_success", user_id=user.pk)
    return events.count(), user.last_login, Mail.objects.count()


@pytest.mark.parametrize("next_page", ["/admin/users/user/", "//evil.example/"])
def test_the_password_leads_to_the_second_page_and_leaves_nothing(
    client, ada, next_page
):
    add_totp(ada)
    User.objects.update(created_at="2026-01-01T00Z", last_login="2026-01-01T00Z")
    before = what_a_login_leaves(ada)
    answer = password_step(client, ada, next_page)
    assert answer["Location"].startswith(SECOND)
    assert set(client.cookies) == {"memo_admin_challenge"}
    assert what_a_login_leaves(ada) == before
    assert not is_in(client)
    page = client.get(answer["Location"])
    assert SESSION not in client.cookies
    assert not scripts_inline(page)
    answer = client.post(SECOND, {"code": code(), "next": page.context["next"]})
    target = next_page if "evil" not in next_page else "/admin/"
    assert (answer.status_code, answer["Location"]) == (302, target)
    count, last_login, mails = what_a_login_leaves(ada)
    assert (count, mails) == (1, 1)
    assert last_login > before[1]
    assert device_cookie.find(client.cookies[device_cookie.name()].value, ada)
    assert not client.cookies["memo_admin_challenge"].value
    assert is_in(client)


def test_a_user_without_a_factor_logs_in_as_before(client, ada):
    User.objects.update(created_at="2026-01-01T00Z", last_login="2026-01-01T00Z")
    assert password_step(client, ada)["Location"] == "/admin/"
    assert is_in(client)
    assert not Challenge.objects.exists()
    events, _, mails = what_a_login_leaves(ada)
    assert (events, mails) == (1, 1)


def test_a_passkey_is_a_second_step(client, ada, passkey, authenticator):
    page = client.get(password_step(client, ada)["Location"])
    assert client.post(SECOND, signed(authenticator, page)).status_code == 302
    assert is_in(client)
    assert client.session["amr"] == ["pwd", "hwk", "user", "mfa"]


def test_a_passkey_logs_in_alone(client, ada, passkey, authenticator):
    page = client.get(f"{LOGIN}?next=/admin/users/user/")
    assert not scripts_inline(page)
    assert not Challenge.objects.exclude(purpose="register").exists()
    body = signed(authenticator, page)
    assert client.post(PASSKEY, body)["Location"] == "/admin/users/user/"
    assert is_in(client)
    assert what_a_login_leaves(ada)[0] == 1


@pytest.mark.parametrize("why", ["used", "no staff", "forged", "missing", "old", "off"])
def test_a_passkey_is_refused(client, ada, synchronised, settings, monkeypatch, why):
    body = signed(synchronised, client.get(LOGIN))
    if why == "used":  # its counter stays at 0
        assert Client().post(PASSKEY, body).status_code == 302
    if why == "no staff":
        User.objects.update(is_staff=False)
    if why == "forged":
        body["challenge"] = f"x{body['challenge']}"
    if why == "missing":
        del body["challenge"]
    if why == "old":
        later = time.time() + 301
        monkeypatch.setattr("django.core.signing.time.time", lambda: later)
    if why == "off":
        settings.ADMIN_SECOND_FACTOR = "off"
    said = client.post(PASSKEY, body).content.decode()
    assert "not known or may not log in here, or the page was too old" in said
    assert SESSION not in client.cookies


@pytest.mark.parametrize("is_staff", [True, False])
def test_a_refused_passkey_is_an_event_of_its_user(client, ada, synchronised, is_staff):
    body = signed(synchronised, client.get(LOGIN))
    if is_staff:
        body["challenge"] = client.get(LOGIN).context["challenge"]  # not what it signed
    User.objects.update(is_staff=is_staff)
    client.post(PASSKEY, body)
    [event] = Event.objects.filter(event="authn_login_fail")
    assert (event.user_id, event.data) == (ada.pk, {"site": "admin"})


def test_of_twenty_uses_of_one_passkey_one_opens_a_session(
    transactional_db, ada, synchronised, at_once
):
    body = signed(synchronised, Client().get(LOGIN))
    tabs = [Client() for _ in range(20)]
    answers = at_once(*(partial(tab.post, PASSKEY, body) for tab in tabs))
    assert [each.status_code for each in answers].count(302) == 1
    assert sum(map(is_in, tabs)) == 1


def test_wrong_codes_are_counted_by_login_and_by_account(ada, settings, limited):
    """With the password there are five tries, and then five more logins' worth."""
    add_totp(ada)
    client = Client()
    password_step(client, ada)
    for left in (4, 3, 2, 1, 0):
        page = client.post(SECOND, {"code": "000000"})
        assert f"left: {left}." in page.content.decode()
    answer = client.post(SECOND, {"code": code()})
    assert answer.status_code == 401
    assert not is_in(client)
    limited(FACTOR_LIMIT_ACCOUNT="5/15minute")
    statuses = []
    for _ in range(7):
        client = Client()
        password_step(client, ada)
        statuses.append(client.post(SECOND, {"code": "000000"}).status_code)
    assert statuses == [200] * 5 + [429] * 2


CHANGES = {
    "sessions ended": lambda: User.objects.get().end_sessions(),
    "deactivated": lambda: User.objects.get().deactivate(),
    "no staff": lambda: User.objects.update(is_staff=False),
    "time": lambda: Challenge.objects.update(expires_at=timezone.now()),
    "settled": lambda: Challenge.objects.update(used_at=timezone.now()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_meanwhile_starts_the_login_over(waiting, change):
    CHANGES[change]()
    for answer in (waiting.get(SECOND), waiting.post(SECOND, {"code": code()})):
        assert answer.status_code == 401
        assert "Log in again" in answer.content.decode()
    assert SESSION not in waiting.cookies


@pytest.mark.parametrize("what", ["none", "forged", "of another use"])
def test_the_second_page_opens_only_after_the_password(ada, waiting, what):
    browser = Client()
    cookie = waiting.cookies["memo_admin_challenge"].value
    if what == "forged":
        browser.cookies["memo_admin_challenge"] = cookie[:-1] + "xy"
    if what == "of another use":
        waiting.force_login(ada)
        waiting.get("/admin/confirm/")
        stepping = waiting.cookies["memo_admin_challenge"].value
        browser.cookies["memo_admin_challenge"] = stepping
    assert browser.post(SECOND, {"code": code()}).status_code == 401
    assert SESSION not in browser.cookies


@pytest.mark.parametrize("body", [{}, {"credential": "["}, {"credential": "[" * 60000}])
def test_what_is_no_factor_is_said_so(waiting, body):
    answer = waiting.post(SECOND, body)
    assert answer.status_code == 200
    assert 'class="errornote"' in answer.content.decode()


def test_of_twenty_tabs_with_ten_recovery_codes_one_opens_a_session(
    transactional_db, ada, at_once
):
    """Each code is right; the login is one."""
    add_totp(ada)
    codes = recovery_codes.replace(ada.pk)
    browser = Client()
    password_step(browser, ada)
    posts = []
    for each in codes * 2:
        tab = Client()
        tab.cookies = browser.cookies.copy()
        posts.append(partial(tab.post, SECOND, {"code": each}))
    answers = at_once(*posts)
    assert [each.status_code for each in answers].count(302) == 1
    assert Event.objects.filter(event="authn_login_success").count() == 1
    assert recovery_codes.left(ada.pk) >= 5


# Trusted devices, and what is required


@pytest.mark.parametrize("mode", ["optional", "required"])
def test_a_trusted_device_stands_for_the_factor_where_that_is_optional(
    ada, settings, mode
):
    settings.ADMIN_SECOND_FACTOR = mode
    add_totp(ada)
    client = Client()
    password_step(client, ada)
    client.post(SECOND, {"code": code(), "trust_device": "on"})
    again = Client()
    name = device_cookie.name()
    again.cookies[name] = client.cookies[name].value
    answer = password_step(again, ada)
    assert answer["Location"].startswith("/admin/" if mode == "optional" else SECOND)
    assert is_in(again) is (mode == "optional")
    settings.ADMIN_SECOND_FACTOR = "required"
    assert not is_in(again)  # which is no factor any more
    assert is_in(client)


def test_off_asks_for_nothing(client, ada, settings):
    settings.ADMIN_SECOND_FACTOR = "off"
    add_totp(ada)
    assert password_step(client, ada)["Location"] == "/admin/"
    assert is_in(client)
    assert "data-passkey" not in Client().get(LOGIN).content.decode()


@pytest.mark.parametrize("by", ["the admin", "all users", "a role"])
def test_a_session_without_a_factor_ends_where_one_is_required(
    client, ada, settings, by
):
    password_step(client, ada)
    assert is_in(client)
    key = client.session.session_key
    if by == "the admin":
        settings.ADMIN_SECOND_FACTOR = "required"
    if by == "all users":
        settings.SECOND_FACTOR = "required"
    if by == "a role":
        settings.SECOND_FACTOR_ROLES = ["finance"]
        assert is_in(client)
        ada.groups.create(name="finance")
    assert client.get("/admin/users/user/")["Location"].startswith(LOGIN)
    assert not client.session.exists(key)
    settings.ADMIN_SECOND_FACTOR = settings.SECOND_FACTOR = "optional"
    settings.SECOND_FACTOR_ROLES = []
    assert not is_in(client)


def test_wrong_passwords_look_alike_with_and_without_a_factor(ada):
    add_totp(ada)
    other = UserFactory(is_staff=True)
    pages = [admin_log_in(user.email).content.decode() for user in (ada, other)]
    assert "Please enter the correct" in pages[0]
    # What is random is in attributes, and so is what was typed.
    first, second = (re.sub('"[^"]*"', "", page) for page in pages)
    assert first == second
