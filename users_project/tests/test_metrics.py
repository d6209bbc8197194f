"""What the User Service counts, and what it looks up once a minute."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from psycopg import sql

from shared.api.exceptions import Overloaded
from shared.metrics import REGISTRY
from tests.factories import PASSWORD, UserFactory
from users import metrics
from users.mail import outbox
from users.mail.models import Kind, Mail
from users.passwords.hashing_pool import PasswordHashingPool


def value(name, **labels):
    return REGISTRY.get_sample_value(f"memo_{name}", labels)


def test_a_hash_and_one_that_is_refused_are_counted():
    hashed = value("password_hash_seconds_count")
    refused = value("password_hash_refused_total")
    pool = PasswordHashingPool(1)
    pool.run(int)
    pool.slots.acquire()
    with pytest.raises(Overloaded):
        pool.run(int)
    assert value("password_hash_seconds_count") == hashed + 1
    assert value("password_hash_refused_total") == refused + 1


@pytest.mark.parametrize(
    ("password", "outcome"), [(PASSWORD, "success"), ("wrong wrong", "invalid")]
)
def test_a_login_to_the_admin_is_counted_by_its_outcome(client, password, outcome):
    user = UserFactory(is_staff=True)
    before = value("logins_total", method="admin", outcome=outcome)
    client.post("/admin/login/", {"username": user.email, "password": password})
    assert value("logins_total", method="admin", outcome=outcome) == before + 1


def test_what_waits_is_looked_up_by_one_statement(django_assert_num_queries):
    with django_assert_num_queries(1):
        metrics.look()
    assert value("jobs_waiting", queue="default") == 0
    assert value("mail_oldest_unsent_seconds") == 0
    mail = outbox.queue(Kind.RESET, "ada@example.org", locale="en")
    an_hour_ago = timezone.now() - timedelta(hours=1)
    Mail.objects.filter(pk=mail.pk).update(created_at=an_hour_ago)
    metrics.look()
    assert value("jobs_waiting", queue="default") == 1
    assert 3600 <= value("mail_oldest_unsent_seconds") < 3660
    Mail.objects.filter(pk=mail.pk).update(sent_at=timezone.now())
    metrics.look()
    assert value("mail_oldest_unsent_seconds") == 0


@pytest.mark.parametrize(
    ("note", "age"),
    [(None, float("inf")), ("something else", float("inf")), ("memo backup {}", 3600)],
)
def test_the_age_of_a_backup_is_what_the_comment_of_the_database_says(note, age):
    text = note and note.format((timezone.now() - timedelta(hours=1)).isoformat())
    comment = sql.SQL("COMMENT ON DATABASE {} IS {}").format(
        sql.Identifier(connection.settings_dict["NAME"]), sql.Literal(text)
    )
    with connection.cursor() as cursor:
        cursor.execute(comment)
    metrics.look()
    assert value("backup_age_seconds") == pytest.approx(age, abs=60)
