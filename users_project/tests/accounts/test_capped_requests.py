"""A request for a mail beyond the ten of its address writes nothing."""

import pytest
from django.utils import timezone

from tests.accounts.conftest import ADDRESS, OTHER
from users.accounts.models import EmailChange, Link, Purpose, Registration
from users.events.models import Event
from users.mail.models import Kind, Mail
from users.models import User

pytestmark = pytest.mark.usefixtures("required")


def ten_mails(address):
    """Mails that went to the address today."""
    mail = {"kind": Kind.ALREADY_REGISTERED, "address": address, "locale": "en"}
    for _ in range(10):
        Mail.objects.create(**mail)


def rows():
    return [each.objects.count() for each in (Link, Mail, Event, Registration)]


@pytest.mark.parametrize("path", ["/password_reset", "/verify_email/resend"])
def test_an_eleventh_link_for_a_user_who_has_one_is_not_made(
    ada, post, mailed, audits, path
):
    """Not even while the mail server does not answer. The next one comes once no link
    is good: who asked may have been a stranger."""
    ten_mails(ADDRESS)
    kind = "reset" if "reset" in path else "verify"
    answers = [post(path, email=ADDRESS)]
    assert mailed()[10:] == [(kind, ADDRESS)]
    before = rows()
    answers.append(post(path, email="ADA@example.org"))
    assert mailed() == []
    assert rows() == before
    [line] = [each for each in audits() if each.event == "mail_failed"]
    assert (line.user_id, line.kind, line.error) == (str(ada.pk), kind, "TooManyMails")
    assert {(each.status_code, each.content) for each in answers} == {
        (202, answers[0].content)
    }
    Link.objects.update(attempts=5)
    post(path, email=ADDRESS)
    assert mailed() == [(kind, ADDRESS)]


def test_a_thief_who_logs_out_the_others_stops_no_reset(ada, post, mailed):
    """That voids each link at once."""
    User.objects.update(email_verified_at=timezone.now())
    ten_mails(ADDRESS)
    mailed()
    for _ in range(2):
        post("/password_reset", email=ADDRESS)
        assert mailed() == [("reset", ADDRESS)]
        ada.end_sessions()


@pytest.mark.parametrize("path", ["/password_reset", "/verify_email/resend"])
def test_an_account_with_the_address_of_a_stranger_does_not_fill_that_mailbox(
    ada, post, mailed, path
):
    """MAIL-05. It could log out the others between any two requests."""
    ten_mails(ADDRESS)
    post(path, email=ADDRESS)
    assert len(mailed()) == 11
    ada.end_sessions()
    post(path, email=ADDRESS)
    assert mailed() == []


@pytest.mark.parametrize("address", [ADDRESS, "new@example.org"])
def test_a_registration_that_cannot_be_mailed_is_forgotten(ada, post, mailed, address):
    ten_mails(address)
    before = rows()
    assert post("", email=address, username="bob").status_code == 202
    assert mailed()[10:] == []
    assert rows() == before


def test_a_registration_is_mailed_again_ten_times(post, mailed):
    post("", email=OTHER, username="bob")
    assert mailed() == [("register", OTHER)]
    ten_mails(OTHER)
    before = rows()
    post("/verify_email/resend", email=OTHER)
    assert mailed()[10:] == []
    assert rows() == before


def test_a_change_to_an_address_that_has_had_ten_waits_without_a_link(
    ada, ask_change, mailed
):
    """A user cannot have a stranger's mailbox filled."""
    ten_mails(OTHER)
    assert ask_change().status_code == 202
    assert mailed()[10:] == [("email_change_requested", ADDRESS)]
    assert EmailChange.objects.filter(user=ada).exists()
    assert not Link.objects.filter(purpose=Purpose.CHANGE_EMAIL).exists()
