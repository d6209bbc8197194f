"""What happens to a mail between its row and the server, with a real one."""

import time
from datetime import timedelta
from email.utils import parsedate_to_datetime

import pytest
from django.db import transaction
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.jobs import Job

from tests.factories import EPOCH, UserFactory
from tests.mail.conftest import state
from users import tasks
from users.accounts.links import find, issue, token_of
from users.accounts.models import Link, Purpose, Registration
from users.mail import delivery, outbox
from users.mail.delivery import Backoff, NotSent, deliver
from users.mail.models import Kind, Mail
from users.models import User


def parts(message):
    """Its text and its HTML."""
    return [message.get_body((kind,)).get_content() for kind in ("plain", "html")]


@pytest.mark.parametrize("tls", ["starttls", "tls", "none"])
def test_a_mail_arrives_over_each_kind_of_tls(use, reset_mail, tls):
    """With a certificate of a private CA, which SSL_CERT_FILE names."""
    server, mail = use(tls), reset_mail()
    deliver(mail.pk)

    [envelope], [message] = server.envelopes(), server.mails()
    assert state(mail) == (True, False, "")
    assert envelope["to"] == ["Bob@Example.org"]
    assert envelope["tls"] == (tls != "none")
    assert envelope["user"] == (None if tls == "none" else "mailer@example.org")
    link = f"https://memo.example/account/reset?token={token_of(mail.link)}"
    assert all(link in part for part in parts(message))
    assert find(token_of(mail.link), Purpose.RESET) == mail.link
    assert message["Subject"] == "Neues Passwort wählen"


def test_the_headers_are_the_same_in_every_attempt(server, reset_mail):
    mail, tables = reset_mail(), []
    for _ in range(2):
        Mail.objects.filter(pk=mail.pk).update(sent_at=None)
        deliver(mail.pk)
    for message in server.mails():
        assert message["Message-ID"] == f"<{mail.message_id}@example.org>"
        assert message["From"] == "Memo <memo@example.org>"
        assert message["Reply-To"] == "help@example.org"
        assert message["Auto-Submitted"] == "auto-generated"
        sent = parsedate_to_datetime(message["Date"])
        assert abs(sent - mail.created_at) < timedelta(seconds=1)
        tables.append((message.items(), parts(message)))
    first, second = tables
    assert first[1] == second[1]
    assert {*first[0]} ^ {*second[0]} == {
        pair for pair in {*first[0], *second[0]} if pair[0] == "Content-Type"
    }  # the boundary


def test_it_is_sent_once(mailoutbox, reset_mail):
    """A job may run twice."""
    mail = reset_mail()
    deliver(mail.pk)
    deliver(mail.pk)
    assert len(mailoutbox) == 1


def test_it_waits_while_mail_is_off(mailoutbox, reset_mail, settings):
    """An operator may have removed MAIL_URL, or only the worker may lack it."""
    mail, settings.MAIL_ENABLED = reset_mail(), False
    with pytest.raises(NotSent):
        deliver(mail.pk)
    assert (state(mail), mailoutbox) == ((False, False, "MailDisabled"), [])

    settings.MAIL_ENABLED = True
    deliver(mail.pk)
    assert (state(mail), len(mailoutbox)) == ((True, False, ""), 1)


def test_a_row_that_is_rolled_back_has_no_job(bob):
    with transaction.atomic():
        outbox.notify(Kind.DEACTIVATED, bob)
        transaction.set_rollback(True)
    assert not Mail.objects.exists()
    assert not ProcrastinateJob.objects.filter(task_name="send_mail").exists()


# Faults


@pytest.mark.parametrize(
    ("fault", "error", "taken"),
    [
        ("rcpt-451", "SMTPRecipientsRefused", 0),
        ("data-451", "SMTPDataError", 0),
        ("mail-550", "SMTPSenderRefused", 0),
        ("stall", "SMTPServerDisconnected", 0),
        ("data-cut", "SMTPServerDisconnected", 0),
        ("data-stall", "SMTPServerDisconnected", 0),
        ("answer-cut", "SMTPServerDisconnected", 1),
        ("answer-stall", "SMTPServerDisconnected", 1),
    ],
)
def test_a_fault_that_may_pass_is_tried_again(server, reset_mail, fault, error, taken):
    """Where the answer is lost there are two mails, with one Message-ID and link."""
    mail = reset_mail()
    server.fault(fault)
    with pytest.raises(NotSent):
        deliver(mail.pk)
    assert server.reached() == {fault}
    assert state(mail) == (False, False, error)

    server.fault("")
    deliver(mail.pk)
    assert state(mail) == (True, False, "")
    messages = server.mails()
    assert len(messages) == 1 + taken
    assert len({(each["Message-ID"], *parts(each)) for each in messages}) == 1


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"EMAIL_PORT": 1}, "ConnectionRefusedError"),
        ({"EMAIL_HOST": "127.0.0.1"}, "SSLCertVerificationError"),  # another name
        ({"EMAIL_HOST_PASSWORD": "wrong"}, "SMTPAuthenticationError"),
        ({"EMAIL_BACKEND": "tests.mail.test_delivery.Broken"}, "KeyError"),
        ({}, "SSLCertVerificationError"),  # without the private CA
    ],
)
def test_a_server_that_is_set_wrongly_loses_nothing(
    server, settings, reset_mail, monkeypatch, change, error
):
    mail = reset_mail()
    for name, value in change.items():
        setattr(settings, name, value)
    if not change:
        monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(NotSent):
        deliver(mail.pk)
    assert state(mail) == (False, False, error)
    assert not server.mails()


class Broken:
    """A backend with a fault of its own."""

    def __init__(self, *args, **kwargs):
        raise KeyError


@pytest.mark.parametrize(
    ("fault", "error"),
    [("rcpt-550", "SMTPRecipientsRefused"), ("data-554", "SMTPDataError")],
)
def test_a_refused_recipient_is_final(server, reset_mail, audits, fault, error):
    mail = reset_mail()
    server.fault(fault)
    deliver(mail.pk)
    assert state(mail) == (False, True, error)
    ids = ("mail_failed", str(mail.user_id), "reset", error)
    assert audits("event", "user_id", "kind", "error") == [ids]
    server.fault("")
    deliver(mail.pk)
    assert not server.mails()


def attempt(attempts, exception):
    job = Job(
        id=1, task_name="send_mail", attempts=attempts, task_kwargs={},
        queue="default", lock=None, queueing_lock=None, priority=0, scheduled_at=None,
    )  # fmt: skip
    decision = Backoff().get_retry_decision(exception=exception, job=job)
    return (decision.retry_at - timezone.now()).total_seconds()


def test_the_waits_grow_and_end_with_the_link():
    later = timezone.now() + timedelta(hours=9)
    waits = [round(attempt(number, NotSent(later))) for number in range(7)]
    assert waits == [10, 60, 300, 900, 3600, 3600, 3600]
    soon = timezone.now() + timedelta(minutes=2)
    assert [round(attempt(number, NotSent(soon))) for number in (1, 5)] == [60, 120]
    assert round(attempt(0, KeyError())) == 10  # a fault of ours is tried again, too


def test_a_fault_schedules_the_job_again(server, reset_mail, run_jobs):
    mail = reset_mail()
    server.fault("rcpt-451")
    run_jobs()
    job = ProcrastinateJob.objects.get(task_name="send_mail")
    assert (job.status, job.attempts, job.priority) == ("todo", 1, tasks.MAILS)
    wait = (job.scheduled_at - timezone.now()).total_seconds()
    assert 5 < wait <= 10
    assert not state(mail)[1]


# What is not sent any more


def test_a_mail_without_a_link_waits_for_a_day(server, bob, audits):
    mail = outbox.queue(Kind.DEACTIVATED, bob.email, locale="en", user=bob)
    server.fault("stall")
    with pytest.raises(NotSent) as caught:
        deliver(mail.pk)
    assert caught.value.until == mail.created_at + timedelta(days=1)
    Mail.objects.update(created_at=timezone.now() - timedelta(days=1))
    server.fault("")
    deliver(mail.pk)
    assert state(mail) == (False, True, "Expired")
    assert audits("event", "error") == [("mail_failed", "Expired")]
    assert not server.mails()


CHANGES = {
    "used": lambda link: Link.objects.update(used_at=timezone.now()),
    "five wrong passwords": lambda link: Link.objects.update(attempts=5),
    "expired": lambda link: Link.objects.update(expires_at=timezone.now()),
    "another epoch": lambda link: User.objects.raise_epoch(link.user_id),
    "deactivated": lambda link: User.objects.update(is_active=False),
    "deleted": lambda link: User.objects.update(deleted_at=timezone.now()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_dead_link_is_not_sent(mailoutbox, reset_mail, change):
    mail = reset_mail()
    CHANGES[change](mail.link)
    deliver(mail.pk)
    error = "Expired" if change == "expired" else "LinkInvalid"
    assert state(mail) == (False, True, error)
    assert not mailoutbox


def test_a_mail_that_is_gone_with_its_user_is_no_fault(mailoutbox, reset_mail):
    mail = reset_mail()
    User.objects.all().delete()
    deliver(mail.pk)
    assert not mailoutbox


GONE = {"is_active": False, "deleted_at": "now"}


@pytest.mark.parametrize(
    ("purpose", "kind", "user", "epoch", "is_sent"),
    [
        (Purpose.UNDO_EMAIL, Kind.EMAIL_CHANGED, {}, EPOCH + 1, True),
        (Purpose.UNDO_EMAIL, Kind.EMAIL_CHANGED, {"is_active": False}, EPOCH, True),
        (Purpose.RESTORE, Kind.DELETION, {"deleted_at": "now"}, EPOCH, True),
        (Purpose.RESTORE, Kind.DELETION, {"deleted_at": "now"}, EPOCH + 1, False),
        (Purpose.RESTORE, Kind.DELETION, {}, EPOCH, False),
        (Purpose.KEEP_FACTORS, Kind.FACTORS_RESET_REQUESTED, GONE, EPOCH + 1, True),
    ],
)
def test_links_that_outlive_a_change_or_a_deletion(
    mailoutbox, reset_mail, bob, purpose, kind, user, epoch, is_sent
):
    """Who took the account changes the password next; a deleted one can be restored, an
    inactive one activated."""
    mail = reset_mail(bob, purpose, kind)
    values = {name: timezone.now() if v == "now" else v for name, v in user.items()}
    User.objects.filter(pk=bob.pk).update(session_epoch=epoch, **values)
    deliver(mail.pk)
    assert state(mail)[0] == is_sent
    assert len(mailoutbox) == is_sent


def test_a_registration_has_no_epoch(mailoutbox):
    address = "eve@example.org"
    registration = Registration.objects.create(
        email=address, username="zebedee", locale="en"
    )
    link = issue(Purpose.REGISTER, address=address, registration=registration)
    mail = outbox.queue(
        Kind.REGISTER, address, locale="en", registration=registration, link=link
    )
    deliver(mail.pk)
    [message] = mailoutbox
    assert message.subject == "Finish your registration"
    assert f"/account/verify?token={token_of(link)}" in message.body
    assert "zebedee" not in message.message().as_string()


def test_a_server_that_checks_a_mail_gets_it_once(server, reset_mail, monkeypatch):
    """It takes longer than the connection may take to open."""
    monkeypatch.setattr(delivery, "ANSWER_TIMEOUT", 30)
    mail = reset_mail()
    server.fault("answer-late")
    deliver(mail.pk)
    assert server.reached() == {"answer-late"}
    assert state(mail) == (True, False, "")
    assert len(server.mails()) == 1


def test_a_connection_that_does_not_close_sends_nothing_twice(
    server, reset_mail, monkeypatch
):
    """And keeps a thread for no longer than one that does not open."""
    monkeypatch.setattr(delivery, "ANSWER_TIMEOUT", 30)
    mail, started = reset_mail(), time.monotonic()
    server.fault("quit-stall")
    deliver(mail.pk)
    assert time.monotonic() - started < 10
    assert server.reached() == {"quit-stall"}
    assert state(mail) == (True, False, "")


def test_many_users_get_a_mail_each(mailoutbox, run_jobs):
    """Mails to others do not count."""
    users = [UserFactory(locale="de") for _ in range(11)]
    outbox.notify_all(Kind.DEACTIVATED, [user.pk for user in users])
    run_jobs()
    assert {mail.to[0] for mail in mailoutbox} == {user.email for user in users}
    assert len(mailoutbox) == 11
    assert Mail.objects.filter(address_canonical=users[0].email_canonical).exists()


def test_no_user_is_no_mail():
    outbox.notify_all(Kind.DEACTIVATED, [])
    assert not ProcrastinateJob.objects.exists()
