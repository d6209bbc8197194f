"""What is over is deleted, and nothing else."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from tests.factories import UserFactory
from tests.factors.rows import with_factors
from users import purges, tasks
from users.accounts.models import (
    AddressRequest,
    EmailChange,
    Link,
    Purpose,
    Registration,
)
from users.factors.models import Challenge, Factor, RecoveryCode
from users.mail.models import Kind, Mail

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def aged(row, **ages):
    """The row, with these times so long ago."""
    times = {name: timezone.now() - age for name, age in ages.items()}
    type(row)._base_manager.filter(pk=row.pk).update(**times)
    return row


def link(age, **owner):
    now = timezone.now()
    owner = owner or {"user": UserFactory()}
    expires_at = now - age
    return Link.objects.create(
        purpose=Purpose.RESET, created_at=now, expires_at=expires_at, **owner
    )


def mail(link=None, **ages):
    row = Mail.objects.create(kind=Kind.RESET, address="a@b.org", link=link)
    return aged(row, **ages)


def registration(age):
    row = Registration.objects.create(email="a@b.org", username="ada")
    return aged(row, created_at=age)


def change(age):
    now = timezone.now()
    times = {"created_at": now, "expires_at": now - age}
    return EmailChange.objects.create(user=UserFactory(), **times)


def request(age):
    row = AddressRequest.objects.create(kind="reset", address="a@b.org")
    return aged(row, created_at=age)


def challenge(age):
    times = {"challenge": b"c", "expires_at": timezone.now() - age}
    return Challenge.objects.create(user=UserFactory(), **times)


def pending_factor(age):
    secret = {"type": "totp", "secret": b"s", "last_step": 0}
    row = Factor.objects.create(user=UserFactory(), **secret)
    return aged(row, created_at=age)


def used_code(age):
    row = RecoveryCode.objects.create(user=UserFactory(), digest=b"d")
    return aged(row, used_at=age)


def session(age):
    expire_date = timezone.now() - age
    return Session.objects.create(session_key=str(age), expire_date=expire_date)


MAKERS = {
    "admin session": (session, -MINUTE, MINUTE),
    "request": (request, 45 * MINUTE, 51 * MINUTE),
    "change of address": (change, DAY - MINUTE, DAY + MINUTE),
    "link": (link, DAY - MINUTE, DAY + MINUTE),
    "challenge": (challenge, DAY - MINUTE, DAY + MINUTE),
    "factor never confirmed": (pending_factor, DAY - MINUTE, DAY + MINUTE),
    "used recovery code": (used_code, DAY - MINUTE, DAY + MINUTE),
    "registration": (registration, DAY - MINUTE, DAY + MINUTE),
    "sent mail": (lambda age: mail(sent_at=age), 30 * DAY - MINUTE, 30 * DAY + MINUTE),
    "lost mail": (lambda age: mail(failed_at=age), 29 * DAY, 30 * DAY + MINUTE),
}


@pytest.mark.parametrize("name", MAKERS)
def test_rows_are_deleted_when_they_are_over_and_no_sooner(name):
    make, young, old = MAKERS[name]
    kept, _ = make(young), make(old)
    tasks.purge(timestamp=0)
    assert [*type(kept)._base_manager.all()] == [kept]


def test_a_mail_outlives_its_link_and_its_registration():
    asked = registration(3 * DAY)
    sent = mail(link(2 * DAY, registration=asked), sent_at=2 * DAY)
    Mail.objects.update(registration=asked)
    purges.purge()
    sent.refresh_from_db()
    assert (sent.link, sent.registration) == (None, None)
    assert not Registration.objects.exists()


def test_what_still_waits_keeps_what_it_is_about():
    """A mail that waits keeps its link; a live link, its registration."""
    waits = mail(link(2 * DAY), created_at=90 * DAY)
    asked = registration(3 * DAY)
    again = link(-MINUTE, registration=asked)
    purges.purge()
    assert {*Link.objects.all()} == {waits.link, again}
    assert [*Mail.objects.all()] == [waits]
    assert [*Registration.objects.all()] == [asked]


def test_factors_and_codes_that_can_be_used_stay(ada):
    with_factors(ada, "mine")
    aged(ada.factors.get(), created_at=90 * DAY)
    purges.purge()
    assert (ada.factors.count(), ada.recovery_codes.count()) == (1, 1)


def test_it_works_in_batches(monkeypatch, django_assert_num_queries):
    for _ in range(5):
        request(2 * 60 * MINUTE)
    monkeypatch.setattr(purges, "BATCH", 2)
    # Three times: read and delete. The last time: nothing is left.
    with django_assert_num_queries(7):
        assert purges.delete_in_batches(AddressRequest.objects.all()) == 5
