"""When an account is there, by EMAIL_VERIFICATION."""

import pytest
from django.utils import timezone

from tests.accounts.conftest import ADDRESS
from tests.factories import NEW, PASSWORD, UserFactory
from tests.refusals import assert_invalid, assert_refused
from users.accounts import registration
from users.accounts.models import Link, Registration
from users.mail.models import Mail
from users.models import User
from users.openapi import PROFILE

pytestmark = pytest.mark.usefixtures("required")
NAMES = {"username": "ada", "email": ADDRESS}
BOB = {"username": "bob", "email": ADDRESS}


def test_optional_makes_it_at_once_and_mails_a_link(post, mailed, settings):
    settings.EMAIL_VERIFICATION = "optional"
    assert post("", **NAMES, password=PASSWORD).status_code == 201
    assert mailed() == [("verify", ADDRESS)]
    assert not User.objects.get().email_verified


def test_the_mailed_link_makes_the_account_with_the_password_chosen_there(
    post, mailed, token, audits
):
    answer = post("", **NAMES, **PROFILE, password=PASSWORD)
    assert answer.status_code == 202
    assert not User.objects.exists()
    assert mailed() == [("register", ADDRESS)]
    body = {"token": token("register"), "password": NEW}
    assert post("/verify_email", **body).status_code == 204
    user = User.objects.get()
    assert (user.email, user.username) == (ADDRESS, "ada")
    assert {name: getattr(user, name) for name in PROFILE} == PROFILE
    assert (user.check_password(NEW), user.check_password(PASSWORD)) == (
        True,
        False,
    )
    assert user.email_verified_at <= timezone.now()
    events = ["registration_requested", "user_created", "email_verified"]
    assert [event for (event,) in audits("event")] == events
    assert_refused(post("/verify_email", **body), 400, "link_invalid")
    # It goes with the account, also after another change of address (PRIV-02).
    assert Mail.objects.get(kind="register").user == user


def test_a_registration_keeps_no_password(post):
    post("", **NAMES, password=PASSWORD)
    [row] = Registration.objects.values()
    assert PASSWORD not in map(str, row.values())
    assert not [name for name in row if "password" in name]


@pytest.mark.parametrize("body", [{}, {"password": PASSWORD}])
def test_a_password_is_checked_if_it_is_sent(post, body):
    assert post("", **NAMES, **body).status_code == 202
    refused = post("", **NAMES, password="password1")
    assert_invalid(refused, "password", "password_too_common")


def test_who_has_an_account_gets_a_mail_that_says_so(post, ada, mailed):
    assert post("", **BOB).status_code == 202
    assert mailed() == [("already_registered", ADDRESS)]
    ada.deactivate()
    mailed()
    assert post("", **BOB).status_code == 202
    assert mailed() == []
    assert not Registration.objects.exists()


def test_a_taken_username_is_said_and_mails_nothing(post, ada, mailed):
    body = {"email": "eve@example.org", "username": "ADA"}
    assert_refused(post("", **body), 409, "username_taken")
    assert mailed() == []
    assert not Registration.objects.exists()


def test_without_a_password_or_with_a_weak_one_the_link_stays_good(post, token):
    post("", **NAMES)
    link = {"token": token("register")}
    assert_invalid(post("/verify_email", **link), "password", "required")
    weak = post("/verify_email", **link, password="ada@example.org")
    assert_invalid(weak, "password", "password_too_similar")
    bad = post("/verify_email", **link, password=NEW, username="admin")
    assert_invalid(bad, "username", "reserved")
    assert post("/verify_email", **link, password=NEW).status_code == 204


def test_a_username_that_was_taken_meanwhile_is_chosen_anew(post, token):
    post("", **NAMES)
    body = {"token": token("register"), "password": NEW}
    UserFactory(username="Ada")
    assert_refused(post("/verify_email", **body), 409, "username_taken")
    assert post("/verify_email", **body, username="ada2").status_code == 204
    assert User.objects.get(email=ADDRESS).username == "ada2"


def test_a_link_can_be_mailed_again(post, mailed, token):
    post("", **NAMES)
    assert mailed() == [("register", ADDRESS)]
    assert post("/verify_email/resend", email=ADDRESS.upper()).status_code == 202
    assert mailed() == [("register", ADDRESS)]
    body = {"token": token("register"), "password": NEW}
    assert post("/verify_email", **body).status_code == 204


def test_a_job_that_runs_twice_mails_once(post, mailed):
    post("", **NAMES)
    mailed()
    registration.handle(Registration.objects.get().pk)
    assert mailed() == []
    assert Link.objects.count() == 1


@pytest.mark.parametrize("mode", ["optional", "required"])
@pytest.mark.parametrize(("header", "named"), [("de", {}), ("en", {"locale": "de"})])
def test_the_language_is_the_clients_unless_it_is_named(
    api_client, token, settings, mode, header, named
):
    settings.EMAIL_VERIFICATION = mode
    body = {**NAMES, "password": PASSWORD, **named}
    api_client.post("/api/v1/users", body, headers={"Accept-Language": header})
    if mode == "required":
        link = {"token": token("register"), "password": PASSWORD}
        api_client.post("/api/v1/users/verify_email", link)
    assert User.objects.get().locale == "de"
