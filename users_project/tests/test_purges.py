"""What is over is deleted, and nothing else."""

from datetime import timedelta
from functools import partial

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone

from shared.tests.query_plans import reading
from tests.factories import UserFactory
from tests.factors.rows import TOTP, with_factors
from users import purges, tasks
from users.accounts.models import AddressRequest, EmailChange, Link, Registration
from users.factors.models import Challenge, Factor, RecoveryCode
from users.mail.models import Mail

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
TIMES = dict.fromkeys(("created_at", "expires_at"), timezone.now())

request = partial(AddressRequest.objects.create, kind="reset", address="a@b.org")
registration = partial(Registration.objects.create, email="a@b.org", username="ada")
mail = partial(Mail.objects.create, kind="reset", address="a@b.org")
link = partial(Link.objects.create, purpose="reset", **TIMES)


def of_user(model, **fields):
    return lambda: model.objects.create(user=UserFactory(), **fields)


def session():
    key = str(Session.objects.count())
    return Session.objects.create(session_key=key, expire_date=timezone.now())


def aged(row, column, age):
    """The row, with this time so long ago."""
    times = {column: timezone.now() - age}
    type(row)._base_manager.filter(pk=row.pk).update(**times)
    return row


# How a row is made, and when its time in this column is over.
OVER = {
    "admin session": (session, "expire_date", timedelta()),
    "request": (request, "created_at", 50 * MINUTE),
    "change of address": (of_user(EmailChange, **TIMES), "expires_at", DAY),
    "link": (of_user(Link, purpose="reset", **TIMES), "expires_at", DAY),
    "challenge": (of_user(Challenge, challenge=b"c", **TIMES), "expires_at", DAY),
    "factor never confirmed": (of_user(Factor, **TOTP), "created_at", DAY),
    "used recovery code": (of_user(RecoveryCode, digest=b"d"), "used_at", DAY),
    "registration": (registration, "created_at", DAY),
    "sent mail": (mail, "sent_at", 30 * DAY),
    "lost mail": (mail, "failed_at", 30 * DAY),
}


@pytest.mark.parametrize("name", OVER)
def test_rows_are_deleted_when_they_are_over_and_no_sooner(name):
    make, column, age = OVER[name]
    kept = aged(make(), column, age - MINUTE)
    aged(make(), column, age + MINUTE)
    tasks.purge(timestamp=0)
    assert [*type(kept)._base_manager.all()] == [kept]


def test_a_mail_outlives_its_link_and_its_registration():
    asked = aged(registration(), "created_at", 3 * DAY)
    dead = aged(link(registration=asked), "expires_at", 2 * DAY)
    sent = aged(mail(link=dead, registration=asked), "sent_at", 2 * DAY)
    purges.purge()
    sent.refresh_from_db()
    assert (sent.link, sent.registration) == (None, None)
    assert not Registration.objects.exists()


def test_what_still_waits_keeps_what_it_is_about():
    """A mail that waits keeps its link; a live link, its registration."""
    dead = aged(link(user=UserFactory()), "expires_at", 2 * DAY)
    waits = aged(mail(link=dead), "created_at", 90 * DAY)
    asked = aged(registration(), "created_at", 3 * DAY)
    again = aged(link(registration=asked), "expires_at", -MINUTE)
    purges.purge()
    assert {*Link.objects.all()} == {dead, again}
    assert [*Mail.objects.all()] == [waits]
    assert [*Registration.objects.all()] == [asked]


def test_a_registration_is_kept_for_two_days_at_most():
    """PRIV-02. Its second link may have been mailed in the last minute of the first."""
    asked = aged(registration(), "created_at", 2 * DAY)
    aged(link(registration=asked), "expires_at", DAY)
    aged(link(registration=asked), "expires_at", MINUTE)
    purges.purge()
    assert not Registration.objects.exists()


def test_factors_and_codes_that_can_be_used_stay(ada):
    with_factors(ada, "mine")
    aged(ada.factors.get(), "created_at", 90 * DAY)
    purges.purge()
    assert (ada.factors.count(), ada.recovery_codes.count()) == (1, 1)


def test_it_searches_no_table_that_grows_with_users():
    """Changes of address are those of two days. PostgreSQL would search tables as small
    as these from end to end."""
    with connection.cursor() as cursor, reading() as read:
        cursor.execute("SET LOCAL enable_seqscan = off")
        purges.purge()
    assert read.whole_tables == ["users_emailchange"]


def test_a_change_that_is_asked_for_meanwhile_stays():
    """Its key is the user."""
    change = aged(of_user(EmailChange, **TIMES)(), "expires_at", 2 * DAY)

    def ask_before_it_is_deleted(execute, sql, *rest):
        if sql.startswith("DELETE"):
            aged(change, "expires_at", -DAY)
        return execute(sql, *rest)

    with connection.execute_wrapper(ask_before_it_is_deleted):
        purges.purge()
    assert EmailChange.objects.get() == change


def test_it_works_in_batches(monkeypatch, django_assert_num_queries):
    for _ in range(5):
        aged(request(), "created_at", 2 * 60 * MINUTE)
    monkeypatch.setattr(purges, "BATCH", 2)
    # Three times: read and delete. The last time: nothing is left.
    with django_assert_num_queries(7):
        assert purges.delete_in_batches(AddressRequest.objects.all()) == 5
