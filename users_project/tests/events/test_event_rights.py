"""Events stay: what the application role may, how long they are kept, and how fast
they are found among many."""

import uuid
from unittest.mock import Mock

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction

from shared.db.rights import (
    MOST,
    erase_events,
    functions,
    limit_rights,
    purge_events,
)
from shared.events.pages import EventPage
from shared.tests.query_plans import reading
from users import tasks
from users.events.history import events_of
from users.models import Event, EventPersonal

TABLES = ["users_event", "users_eventpersonal"]
PRIVILEGES = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER"]
EVENTS = """
WITH event AS (
    INSERT INTO users_event (at, event, user_id, actor, request_id, outcome, data)
    SELECT now() - number * %s * interval '1 day', 'user_updated', %s,
        'user', 'request', 'success', '{}'
    FROM generate_series(1, %s) AS number
    RETURNING id, at
)
INSERT INTO users_eventpersonal SELECT id, at, '192.0.2.0/24', 'Firefox' FROM event
"""


def fill(count, user_id=None, days=0.0):
    """As many events of a user, one every so many days."""
    with connection.cursor() as cursor:
        cursor.execute(EVENTS, [days, user_id or uuid.uuid4(), count])
        cursor.execute("ANALYZE users_event, users_eventpersonal")


def rights(table):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT privilege FROM unnest(%s::text[]) AS privilege"
            " WHERE has_table_privilege('users_app', %s, privilege)",
            [PRIVILEGES, table],
        )
        return [row[0] for row in cursor.fetchall()]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("grantee", ["users_app", "PUBLIC"])
def test_migrate_takes_every_right_to_change_events(table, grantee):
    """Which a restored dump brings back, by the default privileges."""
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT ALL ON {table} TO {grantee}")
    assert rights(table) == PRIVILEGES
    limit_rights(apps.get_app_config("users"), "default")
    assert rights(table) == ["SELECT", "INSERT"]


def test_old_events_go_and_what_is_personal_in_them_earlier():
    fill(MOST + 800, days=0.1)  # for 580 days
    tasks.purge_events(0)
    assert Event.objects.count() == 3999
    assert EventPersonal.objects.count() == 899
    assert purge_events() == 0


@pytest.mark.parametrize("kept", ["'89 days', '90 days'", "'400 days', '1 hour'"])
def test_younger_ones_cannot_be_deleted(kept):
    """By the functions as they are now, whatever made those that the database has."""
    with connection.cursor() as cursor:
        for operation in functions("users_event"):
            cursor.execute(operation.sql)
    fill(3, days=30)
    with (
        pytest.raises(DatabaseError, match="90 days"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"SELECT purge_events({kept}, 100)")
    assert EventPersonal.objects.count() == 3


def test_what_is_personal_in_the_events_of_one_user_is_erased():
    """In those about others, too, to whom the user did something as an operator,
    however many. The events stay."""
    ada, bob, eve = (uuid.uuid4() for _ in range(3))
    fill(3, eve)
    fill(MOST, bob)
    fill(2, ada)
    others, own = Event.objects.filter(user_id=bob), Event.objects.exclude(user_id=eve)
    own.update(actor=f"operator:{ada}")
    others.filter(pk=others.first().pk).update(actor=f"operator:{eve}")
    assert erase_events(ada) == MOST - 1 + 2
    left = EventPersonal.objects.values_list("event__actor", flat=True)
    assert sorted(left) == [f"operator:{eve}", "user", "user", "user"]
    assert Event.objects.count() == MOST + 5


def test_an_erasure_reads_no_whole_table():
    """EXPLAIN does not look into functions."""
    scanned = (
        "SELECT sum(seq_scan) FROM pg_stat_xact_user_tables WHERE relname = ANY (%s)"
    )
    for _ in range(3):
        fill(5000, days=0.01)
    with connection.cursor() as cursor:
        cursor.execute(scanned, [TABLES])
        before = cursor.fetchone()
        erase_events(uuid.uuid4())
        cursor.execute(scanned, [TABLES])
        assert cursor.fetchone() == before


def test_the_functions_know_their_tables_by_themselves():
    """Whatever the caller puts in front of them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT proname, prosecdef, proconfig FROM pg_proc"
            " WHERE proname IN ('purge_events', 'erase_events')"
        )
        found = cursor.fetchall()
    path = ["search_path=pg_catalog, public, pg_temp"]
    assert sorted(found) == [
        ("erase_events", True, path),
        ("purge_events", True, path),
    ]


def test_a_page_reads_no_more_among_many(admin, monkeypatch):
    """A user's events, and the superusers' page of all, which counts to a limit."""
    user_id = uuid.uuid4()
    without = Mock(**{"events.return_value": EventPage([])})
    monkeypatch.setattr("users.events.history.auth_client", lambda: without)
    monkeypatch.setattr("users.admin.events.MOST", 500)
    for _ in range(3):
        fill(2000, days=0.01)
    fill(300, user_id, days=0.01)
    with reading() as read:
        assert len(events_of(user_id).events) == 50
    assert not read.whole_tables
    assert read.rows < 400
    for query in ({}, {"event": "user_updated"}):
        with reading() as read:
            page = admin.get("/admin/users/event/", query)
        assert page.status_code == 200
        assert read.rows < 1000
