"""What operators do to many users: few statements and calls for any number of them."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import OperationalError, connection, transaction
from django.db.models import Q

from shared.events import origin, recording
from shared.structured_logging import audit
from users import revocation
from users.accounts import deletion
from users.accounts.links import ClockTimestamp
from users.accounts.models import LIFETIMES, Purpose
from users.events.log import TABLE
from users.mail.models import Kind
from users.mail.outbox import notify_all
from users.models import User
from users.statements import END_ALL, ENDED

MOST = 100_000  # users at once
CHUNK = 5000  # users of one transaction, and of one push: a second or less
# Seconds after which no chunk begins, and no push: they take less than one, and the
# gateway waits for 15.
PATIENCE, PUSH_PATIENCE = 12.0, 12.5

DAYS = LIFETIMES[Purpose.RESTORE].days
ERASED_FROM = f"clock_timestamp() + interval '{DAYS} days'"

# The columns are those of a `Change`. The history is Django's, a line for each user; so
# are the events.
CHANGE_ALL = """
WITH changed AS (
    UPDATE users_user SET {columns}, updated_at = clock_timestamp()
    WHERE id = ANY(%(ids)s)
    RETURNING id, email, session_epoch
), history AS (
    INSERT INTO {log} (
        action_time, user_id, content_type_id,
        object_id, object_repr, action_flag, change_message
    )
    SELECT clock_timestamp(), %(by)s, %(type)s,
        id::text, left(email, 200), %(flag)s, %(message)s
    FROM changed
), {events}
SELECT id, session_epoch FROM changed
"""
EVENT = """
        SELECT %(event)s::text, id, NULL::uuid, 'success', {data} FROM changed"""


class Change(NamedTuple):
    """What is done, by the name of the method of `User` that does it to one; to which
    users: the others are so already; why their sessions end, if they do; and what is
    mailed to them."""

    name: str
    done: str
    changes: Q
    columns: str
    reason: str = ""
    notice: Kind | None = None


CHANGES = (
    Change(
        "deactivate",
        "deactivated",
        Q(is_active=True),
        f"is_active = false, {END_ALL}",
        "user_deactivated",
        Kind.DEACTIVATED,
    ),
    Change("activate", "activated", Q(is_active=False), "is_active = true"),
    Change(
        "soft_delete",
        "deleted",
        Q(deleted_at=None),
        f"deleted_at = clock_timestamp(), delete_after = {ERASED_FROM}, {END_ALL}",
        "user_deleted",
    ),
    Change(
        "restore",
        "restored",
        Q(delete_after__gt=ClockTimestamp()),
        "deleted_at = NULL, delete_after = NULL",
        notice=Kind.RESTORED,
    ),
    Change("end_sessions", "logged out everywhere", Q(), END_ALL, "ended_by_operator"),
    Change(
        "mark_verified",
        "marked as verified",
        Q(email_verified_at=None),
        "email_verified_at = clock_timestamp()",
    ),
)


class Outcome:
    """How many users were changed; how many not for want of time or of the database;
    whether the Auth Service received that sessions ended."""

    done = unfinished = 0
    is_pushed = True


def modifiable(editor: Any, users: Any) -> Any:
    """Those of these users whom this one may change here: not oneself, which locks out;
    nor a user with more rights."""
    return users.modifiable_by(editor).exclude(pk=editor.pk)


def run(change: Change, ids: Sequence[UUID], editor: Any) -> Outcome:
    """Do it to those of these users to whom it can be done, in chunks that are done as
    a whole. Raises OperationalError if that is none.

    While PostgreSQL changes a chunk, a thread reports the one before.
    """
    outcome, began = Outcome(), time.monotonic()
    outcome.unfinished = len(ids)
    reports: list[Future[None]] = []
    with ThreadPoolExecutor(1) as reporter:
        for start in range(0, len(ids), CHUNK):
            chunk = ids[start : start + CHUNK]
            try:
                epochs = change_chunk(change, chunk, editor)
            except OperationalError:
                if not outcome.done:
                    raise
                break
            outcome.done += len(epochs)
            outcome.unfinished -= len(chunk)
            job = partial(report, change, epochs, editor, outcome, began)
            reports.append(reporter.submit(copy_context().run, job))  # the request's id
            if time.monotonic() > began + PATIENCE:
                break
    for each in reports:
        each.result()  # a fault of the thread is one of ours
    counts = {"users": outcome.done, "unfinished": outcome.unfinished}
    who = {"by": str(editor.pk), "pushed": outcome.is_pushed}
    audit("users_changed", action=change.name, **counts, **who)
    return outcome


def report(
    change: Change,
    epochs: dict[UUID, int],
    editor: User,
    outcome: Outcome,
    began: float,
) -> None:
    """After the commit: push, then an event for each user. The first push that fails is
    the last."""
    if change.reason and outcome.is_pushed:
        outcome.is_pushed = (
            time.monotonic() < began + PUSH_PATIENCE
            and revocation.push_many(epochs, change.reason)
        )
    audit_each(change, epochs, editor)


def change_chunk(
    change: Change, chunk: Sequence[UUID], editor: User
) -> dict[UUID, int]:
    """The users that were changed, with their epochs. Whether one may be is asked again
    when their row is locked: a page may be old."""
    users = modifiable(editor, User.objects.filter(change.changes, pk__in=chunk))
    locked = users.select_for_update(of=("self",)).order_by("pk")
    log, columns = LogEntry._meta.db_table, change.columns
    parameters: dict[str, Any] = {
        **origin(),
        "event": f"user_{change.name}",
        "reason": change.reason,
        "by": editor.pk,
        "type": ContentType.objects.get_for_model(User).pk,
        "flag": CHANGE,
        "message": f"{change.done.capitalize()}.",
    }
    with transaction.atomic(), connection.cursor() as cursor:
        ids = list(locked.values_list("pk", flat=True))
        data = ENDED if change.reason else "'{}'::jsonb"
        events = recording(TABLE, EVENT.format(data=data))
        statement = CHANGE_ALL.format(columns=columns, log=log, events=events)
        cursor.execute(statement, {**parameters, "ids": ids})
        epochs = dict(cursor.fetchall())
        if change.notice:
            notify_all(change.notice, epochs)
        if change.name == "restore":
            deletion.void_links(epochs)
    return epochs


def audit_each(change: Change, epochs: dict[UUID, int], editor: User) -> None:
    """An event for each user."""
    by, name = str(editor.pk), f"user_{change.name}"
    for user_id, epoch in epochs.items():
        ended = {"epoch": epoch, "reason": change.reason} if change.reason else {}
        audit(name, user_id=str(user_id), by=by, **ended)
