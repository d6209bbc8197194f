"""What operators do about mailboxes: mail a link, mark as verified."""

import re

import pytest
from django.contrib.admin.models import LogEntry

from tests.accounts.conftest import ADDRESS
from tests.admin_pages import act, change_url, url
from tests.factories import EPOCH, NEW, UserFactory
from users.models import User

KINDS = re.compile(r'name="kind" value="(\w+)"')


def mail_url(user):
    return url("users_user_mail", user.pk)


@pytest.mark.parametrize(
    ("state", "kinds"),
    [
        ({}, ["reset", "resend"]),
        ({"email_verified_at": "2026-01-31T12:00:00Z"}, ["reset"]),
        ({"is_active": False}, []),
        ({"deleted_at": "2026-01-31T12:00:00Z"}, []),
    ],
    ids=["unverified", "verified", "inactive", "deleted"],
)
def test_the_page_has_the_buttons_that_make_sense(
    admin, mailed, settings, state, kinds
):
    user = UserFactory(email=ADDRESS, **state)
    assert KINDS.findall(admin.get(change_url(user)).content.decode()) == kinds
    for kind in {"reset", "resend", "register", ""} - {*kinds}:
        assert admin.post(mail_url(user), {"kind": kind}).status_code == 400
    assert admin.get(mail_url(user)).status_code == 405
    assert mailed() == []
    settings.MAIL_ENABLED = False
    assert KINDS.findall(admin.get(change_url(user)).content.decode()) == []


def test_a_reset_mail_goes_also_to_a_user_without_a_password(
    admin, root, ada, mailed, token, post, audits
):
    User.objects.filter(pk=ada.pk).update(password="!unusable")
    answer = admin.post(mail_url(ada), {"kind": "reset"}, follow=True)
    assert f"A mail with a link goes to {ADDRESS}." in answer.content.decode()
    assert mailed() == [("reset", ADDRESS)]
    [event] = [each for each in audits() if each.event == "user_mail_link"]
    assert (event.user_id, event.by, event.kind) == (str(ada.pk), str(root.pk), "reset")
    assert LogEntry.objects.get().get_change_message() == "Mailed a link: reset."
    body = {"token": token("reset"), "new_password": NEW}
    assert post("/password_reset/confirm", **body).status_code == 204


def test_a_link_to_verify_is_mailed_again(admin, ada, mailed):
    admin.post(mail_url(ada), {"kind": "resend"})
    assert mailed() == [("verify", ADDRESS)]


def test_not_every_user_may_have_mails_sent(clerk, root, mailed):
    assert KINDS.findall(clerk.get(change_url(root)).content.decode()) == []
    assert clerk.post(mail_url(root), {"kind": "reset"}).status_code == 403
    assert mailed() == []


def test_an_operator_may_vouch_for_addresses(admin, ada, audits, pushes):
    other = UserFactory(email_verified_at="2026-01-31T12:00:00Z")
    said = act(admin, "mark_verified", ada, other)
    assert said[0] == "1 user marked as verified."
    user = User.objects.get(pk=ada.pk)
    assert user.email_verified
    assert (user.session_epoch, pushes) == (EPOCH, [])
    assert "user_mark_verified" in [each.event for each in audits()]
