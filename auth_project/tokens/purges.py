"""Rows that are no longer needed: the sweep deletes them in batches, hourly."""

from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from tokens.models import RETENTION, Login, Session

BATCH = 1000  # rows per transaction, so that no lock is held for long
PURGE_LOCK = 0x6D656D70  # of this database's advisory locks


def purge_batch() -> int:
    """Delete the sessions that expired first, more than a day ago; how many. None while
    another worker does so."""
    return purge(Session.objects.purgeable())


def purge_logins() -> int:
    """The same of pending logins."""
    return purge(Login.objects.purgeable(RETENTION))


def purge(expired: QuerySet[Any]) -> int:
    """Delete a batch of rows, the oldest first."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [PURGE_LOCK])
        if not cursor.fetchone()[0]:
            return 0
        locked = expired.order_by("expires_at").select_for_update(skip_locked=True)
        # Read first: as a subquery PostgreSQL may evaluate it more than once, and
        # find other rows each time.
        ids = list(locked.values_list("id", flat=True)[:BATCH])
        return expired.model._default_manager.filter(id__in=ids).delete()[0]
