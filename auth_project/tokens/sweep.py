"""The sweep: a thread in every worker that compares Redis with recent revocations, and
every hour deletes old rows."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TypeVar

from django.db import connection, transaction
from django.db.models.functions import Now

from shared.db import rights
from shared.structured_logging import dependency_logger
from tokens.models import PendingLogin, Session
from tokens.revocation import republish_revocations

INTERVAL = 2.0  # seconds; the bound for a revocation that Redis missed
PURGE_INTERVAL = 3600.0
# A row is kept this long after it expired, so that "no row" can mean "revoked".
RETENTION = timedelta(days=1)
BATCH = 1000  # rows per transaction, so that no lock is held for long
PURGE_LOCK = 0x6D656D70  # an advisory lock of this database

T = TypeVar("T")


def start_sweep() -> threading.Thread:
    """Start the sweep as a daemon thread, so that it does not keep a worker alive."""
    thread = threading.Thread(target=sweep_forever, name="sweep", daemon=True)
    thread.start()
    return thread


def sweep_forever(stop: threading.Event | None = None) -> None:
    """Sweep until `stop` is set: every INTERVAL, but at most a third of the time."""
    stop, took, next_purge = stop or threading.Event(), 0.0, 0.0
    while not stop.wait(max(INTERVAL, 2 * took)):
        began = time.monotonic()
        sweep_once()
        if began >= next_purge and not purge_once():
            next_purge = began + PURGE_INTERVAL
        took = time.monotonic() - began


def sweep_once() -> None:
    """Repeat the revocations that Redis has lost."""
    survive(republish_revocations, {"event": "sweep"})


def purge_once() -> bool:
    """Delete only one batch each of sessions, pending logins and events, so that no
    sweep is late. Returns whether there may be more."""
    extra = {"event": "purge"}
    sessions = survive(partial(purge_batch, Session), extra)
    logins = survive(partial(purge_batch, PendingLogin), extra)
    events = survive(rights.purge_batch, extra)
    return BATCH in (sessions, logins) or events == rights.MOST


def purge_batch(model: type[Session] | type[PendingLogin]) -> int:
    """Delete a batch of the rows that expired more than a day ago, the oldest first.
    Returns how many: 0 while another worker does so."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [PURGE_LOCK])
        if not cursor.fetchone()[0]:
            return 0
        expired = model.objects.filter(expires_at__lt=Now() - RETENTION)
        locked = expired.order_by("expires_at").select_for_update(skip_locked=True)
        # Read first: as a subquery PostgreSQL may evaluate it more than once, and
        # find other rows each time.
        ids = list(locked.values_list("id", flat=True)[:BATCH])
        return model.objects.filter(id__in=ids).delete()[0]


def survive(act: Callable[[], T], extra: dict[str, str]) -> T | None:
    """Call `act`. Log its exceptions, so that the next round comes in any case."""
    try:
        return act()
    except Exception as exc:  # noqa: BLE001 - a sweep that died would heal nothing
        text = f"{extra['event']} failed: {type(exc).__name__}"
        dependency_logger.warning("%s", text, extra=extra)
        return None
    finally:
        connection.close()  # back to the pool until the next round
