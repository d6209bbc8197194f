"""How many mails an address gets in a day."""

from datetime import timedelta

from django.utils import timezone

from tests.mail.conftest import state
from users.accounts.models import Link
from users.mail import outbox
from users.mail.delivery import deliver
from users.mail.models import NOTICES, Kind, Mail


def test_an_address_gets_ten_mails_a_day_and_ten_notices(mailoutbox, bob, audits):
    """In whatever case it is written. What failed does not count."""

    def queue(kind, address):
        mail = outbox.queue(kind, address, locale="en", user=bob)
        deliver(mail.pk)
        return state(mail)

    address = ("bob@example.org", "BOB@example.org")
    for kind in (Kind.ALREADY_REGISTERED, Kind.DEACTIVATED):
        states = [queue(kind, address[number % 2]) for number in range(12)]
        assert states == [(True, False, "")] * 10 + [(False, True, "TooManyMails")] * 2
    assert len(mailoutbox) == 20
    # A thief who has used them up cannot hold back the link that undoes a change.
    for kind in (Kind.EMAIL_CHANGED, Kind.DELETION):
        assert queue(kind, address[0]) == (True, False, "")
    errors = audits("event", "kind", "error")
    assert errors == [
        ("mail_failed", kind, "TooManyMails")
        for kind in ("already_registered", "deactivated")
        for _ in range(2)
    ]
    assert queue(Kind.ALREADY_REGISTERED, "carol@example.org")[0]
    Mail.objects.update(created_at=timezone.now() - timedelta(days=1))
    assert queue(Kind.ALREADY_REGISTERED, "bob@example.org")[0]


def test_ten_resets_that_a_stranger_asks_for_do_not_keep_the_next_link_away(
    mailoutbox, reset_mail
):
    """Each lives for half an hour; the limit is of a day."""
    mails = [reset_mail() for _ in range(11)]
    for mail in mails:
        deliver(mail.pk)
    assert [state(mail)[0] for mail in mails] == [True] * 10 + [False]
    assert len(mailoutbox) == 10
    Link.objects.update(expires_at=timezone.now())
    later = reset_mail()
    deliver(later.pk)
    assert state(later) == (True, False, "")


def test_of_each_kind_it_is_decided_whether_it_is_a_notice():
    """Those that strangers may ask for share a limit that the notices do not."""
    assert set(Kind) - NOTICES == {
        Kind.REGISTER,
        Kind.ALREADY_REGISTERED,
        Kind.VERIFY,
        Kind.RESET,
        Kind.CHANGE_EMAIL,
        Kind.ENROL,
    }
