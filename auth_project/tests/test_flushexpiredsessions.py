"""flushexpiredsessions: rows go in batches, a day after they expired."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from tests.conftest import outcome, refresh, refresh_token
from tests.factories import SessionFactory
from tokens.models import Session

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def expired(ago, **fields):
    return SessionFactory(expires_at=timezone.now() - ago, **fields)


def flush(capsys, **options):
    call_command("flushexpiredsessions", **options)
    return capsys.readouterr().out


def test_a_row_goes_a_day_after_it_expired(capsys):
    """Not before: until then "no row" could not mean "revoked"."""
    expired(DAY + timedelta(minutes=1))
    kept = [
        SessionFactory(),
        SessionFactory(revoked=True),
        expired(timedelta(0)),
        expired(DAY - timedelta(minutes=1)),
    ]

    assert flush(capsys) == "Deleted 1 expired sessions.\n"
    assert set(Session.objects.all()) == set(kept)


def test_revoked_or_not_makes_no_difference(capsys):
    expired(2 * DAY)
    expired(2 * DAY, revoked=True)

    assert flush(capsys) == "Deleted 2 expired sessions.\n"


def test_rows_go_in_batches(capsys, django_assert_num_queries):
    for _ in range(7):
        expired(2 * DAY)

    # Each of three batches is two statements between SAVEPOINT and RELEASE, which are
    # BEGIN and COMMIT outside of a test; the fourth finds nothing to delete.
    with django_assert_num_queries(3 * 4 + 3):
        assert flush(capsys, batch_size=3) == "Deleted 7 expired sessions.\n"


def test_a_batch_takes_the_oldest_and_no_more_than_its_size():
    from tokens.management.commands.flushexpiredsessions import Command

    rows = [expired(days * DAY) for days in (2, 5, 3, 4)]

    assert Command().delete_batch(2) == 2
    assert set(Session.objects.all()) == {rows[0], rows[2]}


def test_nothing_to_delete_is_no_error(capsys):
    assert flush(capsys) == "Deleted 0 expired sessions.\n"


@pytest.fixture
def another_run(transactional_db):
    """A second connection, in a transaction."""
    other = connection.copy()
    other.set_autocommit(False)
    yield other
    other.rollback()
    other.close()
    connection.close()  # with the limit that the test has set


def test_rows_that_another_run_has_locked_are_left_to_it(another_run, capsys):
    expired(2 * DAY)
    locked = expired(3 * DAY)
    with another_run.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM tokens_session WHERE id = %s FOR UPDATE", [locked.id]
        )

    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '1s'")  # fail instead of waiting for ever

    assert flush(capsys) == "Deleted 1 expired sessions.\n"
    assert list(Session.objects.all()) == [locked]
    another_run.rollback()
    assert flush(capsys) == "Deleted 1 expired sessions.\n"


def test_a_token_whose_row_went_is_refused(make_session, capsys):
    over = make_session(expires_at=timezone.now() - 2 * DAY)

    flush(capsys)

    assert outcome(refresh(refresh_token(over))) == (401, "token_expired")
