"""Sensitive pages of the admin ask again who is there."""

from unittest.mock import Mock
from uuid import uuid4

import pytest
from django.test import Client

from shared.clients import AuthClient
from tests.admin_pages import (
    LIST,
    OWN_PASSWORD,
    OWN_PASSWORD_PAGE,
    browser_of,
    change_url,
    fields,
    new_password,
    password_url,
    url,
)
from tests.factories import NEW, PASSWORD, WRONG, UserFactory
from tests.factors.admin_login import CONFIRM, grow_old, scripts_inline, signed
from tests.factors.totp_factors import add_totp, code
from users.admin.versions import version_of
from users.factors import recovery_codes
from users.factors.models import FactorReset
from users.models import Event, Role, User


@pytest.fixture
def ada():
    return UserFactory(
        email="ada@example.org",
        username="ada",
        is_staff=True,
        is_superuser=True,
        password_epoch=1,
    )


@pytest.fixture
def old(ada):
    """Ada's browser. Her last answer was a quarter of an hour ago."""
    client = browser_of(ada)
    grow_old(client)
    return client


@pytest.fixture
def bob():
    return UserFactory(email="bob@example.org", username="bob")


SENSITIVE = {
    "rights": lambda bob, role: (change_url(bob), fields(bob, is_staff="on")),
    "e-mail": lambda bob, role: (change_url(bob), fields(bob, email="e@example.org")),
    "password": lambda bob, role: (password_url(bob), new_password(bob)),
    "sessions": lambda bob, role: (LIST, ticked(bob, "end_sessions", "confirmed")),
    "deactivate": lambda bob, role: (LIST, ticked(bob, "deactivate", "confirmed")),
    "new role": lambda bob, role: (url("users_role_add"), {"name": "boss"}),
    "role": lambda bob, role: (url("users_role_change", role.pk), {"name": "boss"}),
    "delete": lambda bob, role: (url("users_role_delete", role.pk), {"post": "yes"}),
    "delete roles": lambda bob, role: (
        url("users_role_changelist"),
        ticked(role, "delete_selected", "post"),
    ),
    "reset": lambda bob, role: (
        url("users_user_factors", bob.pk),
        {"reason": "They asked in person."},
    ),
}


def test_a_copy_of_the_cookie_does_not_confirm_with_the_owner(old, bob):
    """ASVS 7.2.4."""
    copy = Client(headers={"cookie": old.cookies.output(header="", sep=";")})
    assert copy.get(LIST).status_code == 200
    assert old.post(CONFIRM, {"password": PASSWORD}).status_code == 302
    assert old.get(change_url(bob)).status_code == 200
    assert copy.get(change_url(bob)).url.startswith("/admin/login/")


def ticked(row, action, confirmed):
    return {"action": action, "_selected_action": [str(row.pk)], confirmed: "yes"}


def stored():
    """All that these pages change."""
    rows = (User, Role, FactorReset)
    return [list(model.objects.order_by("pk").values()) for model in rows]


@pytest.mark.parametrize("what", SENSITIVE)
def test_a_sensitive_page_asks_again_and_nothing_is_lost_or_done(old, bob, what):
    """By GET the operator is back on the page afterwards."""
    role = Role.objects.create(name="editor")
    add_totp(bob)
    page, body = SENSITIVE[what](bob, role)
    body |= {"version": version_of(role)} if what == "role" else {}
    before = stored()
    asked = old.post(page, body)
    assert asked["Location"].startswith(CONFIRM)
    assert stored() == before
    if page != LIST and what != "delete roles":  # whose own page is harmless
        assert old.get(page)["Location"].startswith(CONFIRM)
    shown = old.get(asked["Location"])
    assert not scripts_inline(shown)
    back = {"password": PASSWORD, "next": shown.context["next"]}
    assert old.post(CONFIRM, back)["Location"] == page
    assert old.get(page).status_code == 200
    old.post(page, body)
    assert stored() != before


def test_a_button_of_a_users_page_leads_back_to_that_page(old, bob):
    body = ticked(bob, "end_sessions", "confirmed") | {"of_page": "1"}
    asked = old.get(old.post(LIST, body)["Location"])
    assert asked.context["next"] == change_url(bob)


def test_the_page_that_ends_one_session_asks_again(old, bob, monkeypatch):
    auth = Mock(spec=AuthClient)
    monkeypatch.setattr("users.admin.user_pages.auth_client", lambda: auth)
    page, body = url("users_user_sessions", bob.pk), {"session": str(uuid4())}
    assert old.post(page, body)["Location"].startswith(CONFIRM)
    assert not auth.revoke_session.called
    old.post(CONFIRM, {"password": PASSWORD})
    assert old.post(page, body)["Location"] == page
    assert auth.revoke_session.called


@pytest.mark.parametrize("page", [LIST, "/admin/", "/admin/users/role/"])
def test_other_pages_do_not_ask(old, page):
    assert old.get(page).status_code == 200


def test_a_session_of_an_older_version_is_asked(ada, bob):
    client = browser_of(ada)
    session = client.session
    del session["authenticated_at"]
    session.save()
    assert client.get(change_url(bob))["Location"].startswith(CONFIRM)


def test_users_with_a_factor_answer_with_it_alone(old, ada, bob):
    add_totp(ada)
    old.get(CONFIRM)
    assert "password" not in old.get(CONFIRM).content.decode()
    assert old.post(CONFIRM, {"password": PASSWORD}).status_code == 200
    assert old.get(change_url(bob)).status_code == 302
    assert old.post(CONFIRM, {"code": code(), "next": LIST})["Location"] == LIST
    assert old.get(change_url(bob)).status_code == 200
    assert Event.objects.filter(event="authn_step_up", user_id=ada.pk).exists()


def test_a_passkey_and_a_recovery_code_answer_too(old, ada, passkey, authenticator):
    [first, *_] = recovery_codes.replace(ada.pk)
    page = old.get(CONFIRM)
    assert old.post(CONFIRM, signed(authenticator, page)).status_code == 302
    old.get(CONFIRM)
    assert old.post(CONFIRM, {"code": first}).status_code == 302


def test_a_wrong_answer_confirms_nothing(old, ada, bob, limited):
    limited(PASSWORD_LIMIT_SESSION="5/15minute")
    answers = [old.post(CONFIRM, {"password": WRONG}).status_code for _ in range(6)]
    assert answers == [200] * 5 + [429]
    assert old.get(change_url(bob)).status_code == 302
    events = Event.objects.filter(event="authn_password_check_fail", user_id=ada.pk)
    assert events.count() == 5


def test_a_stolen_session_leaves_the_owner_tries(old, ada, limited):
    """MFA-04: the page needs no password, so it is counted by session too."""
    limited(PASSWORD_LIMIT_SESSION="2/day", FACTOR_LIMIT_ACCOUNT="4/day")
    add_totp(ada)
    old.get(CONFIRM)
    tried = [old.post(CONFIRM, {"code": "000000"}).status_code for _ in range(4)]
    assert tried == [200, 200, 429, 429]
    own = browser_of(ada)
    own.get(CONFIRM)
    assert own.post(CONFIRM, {"code": "000000"}).status_code == 200
    assert own.post(CONFIRM, {"code": code()}).status_code == 302


def test_the_challenge_of_another_user_confirms_nothing(old, ada, bob):
    """Bob has logged out of this browser, and knows his own factor."""
    User.objects.filter(pk=bob.pk).update(is_staff=True)
    for user in (ada, bob):
        add_totp(user)
    his = browser_of(bob)
    his.get(CONFIRM)
    name = "memo_admin_challenge"
    old.cookies[name] = his.cookies[name].value
    assert old.post(CONFIRM, {"code": code()})["Location"].startswith(CONFIRM)
    assert old.get(change_url(bob)).status_code == 302


def test_the_question_is_for_those_who_are_logged_in(client):
    assert client.get(CONFIRM)["Location"].startswith("/admin/login/")


def test_the_own_password_asks_for_the_current_one_anyway(old):
    assert old.get(OWN_PASSWORD_PAGE).status_code == 200


def test_the_own_password_asks_a_trusted_device_for_the_factor(ada):
    """PWD-08."""
    add_totp(ada)
    trusted = browser_of(ada)
    for answer in (
        trusted.get(OWN_PASSWORD_PAGE),
        trusted.post(OWN_PASSWORD_PAGE, OWN_PASSWORD),
    ):
        assert answer["Location"].startswith(CONFIRM)
    asked = trusted.get(answer["Location"])
    assert asked.context["next"] == OWN_PASSWORD_PAGE
    assert trusted.post(CONFIRM, {"code": code()}).status_code == 302
    trusted.post(OWN_PASSWORD_PAGE, OWN_PASSWORD)
    ada.refresh_from_db()
    assert ada.check_password(NEW)
