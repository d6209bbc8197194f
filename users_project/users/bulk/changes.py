"""The changes that operators make to many users, and the statement for one chunk."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.db.models import Q

from shared.db.functions import ClockTimestamp
from shared.events.models import origin, recording
from users.accounts import links
from users.accounts.models import LINK_KINDS, Purpose
from users.db.statements import END_ALL, ENDED
from users.events.log import TABLE
from users.mail.models import Kind
from users.mail.outbox import notify_all
from users.models import User

DAYS = LINK_KINDS[Purpose.RESTORE].lifetime.days
DELETE = "users.delete_user"
ERASED_FROM = f"clock_timestamp() + interval '{DAYS} days'"

# Sets the `columns` of a `Change`. Each user gets a line in Django's history, and an
# event. If sessions end, a change of address is forgotten: its link is void.
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
), forgotten AS (
    DELETE FROM users_emailchange
    WHERE %(reason)s <> '' AND user_id IN (SELECT id FROM changed)
), {events}
SELECT id, session_epoch FROM changed
"""
EVENT = """
        SELECT %(event)s::text, id, NULL::uuid, 'success', {data} FROM changed"""


class Change(NamedTuple):
    """A change, whose event is `user_<name>`. `changes` selects the users whom it
    changes: the others are so already. `reason` is why their sessions end, if they do.
    `notice` is mailed to them."""

    name: str
    done: str
    changes: Q
    columns: str
    reason: str = ""
    notice: Kind | None = None
    permission: str = "users.change_user"


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
        permission=DELETE,
    ),
    Change(
        "restore",
        "restored",
        Q(delete_after__gt=ClockTimestamp()),
        "deleted_at = NULL, delete_after = NULL",
        notice=Kind.RESTORED,
        permission=DELETE,
    ),
    Change("end_sessions", "logged out everywhere", Q(), END_ALL, "ended_by_operator"),
    Change(
        "mark_verified",
        "marked as verified",
        Q(email_verified_at=None),
        "email_verified_at = clock_timestamp()",
    ),
)


def modifiable(editor: Any, users: Any) -> Any:
    """The users that the editor may change here. Without the editor, who could lock
    themselves out, and without users who have more rights."""
    return users.modifiable_by(editor).exclude(pk=editor.pk)


def change_chunk(
    change: Change, chunk: Sequence[UUID], editor: User
) -> dict[UUID, int]:
    """Make the change. Return the epochs of the changed users. Check permission and
    state again once the rows are locked, since a page may be old. The locks let others
    refer to a user: each line of the history refers to its operator."""
    users = modifiable(editor, User.objects.filter(change.changes, pk__in=chunk))
    locked = users.select_for_update(of=("self",), no_key=True).order_by("pk")
    log, columns = LogEntry._meta.db_table, change.columns
    parameters: dict[str, Any] = {
        **origin(),
        "actor": f"operator:{editor.pk}",  # also in a job, which has no request
        "event": f"user_{change.name}",
        "reason": change.reason,
        "by": editor.pk,
        "type": ContentType.objects.get_for_model(User).pk,
        "flag": CHANGE,
        "message": f"{change.done.capitalize()}.",
    }
    with transaction.atomic(), connection.cursor() as cursor:
        on_superusers = users.filter(is_superuser=True).exists()
        if on_superusers and editor.pk not in User.objects.lock_superusers():
            return {}
        ids = list(locked.values_list("pk", flat=True))
        data = ENDED if change.reason else "'{}'::jsonb"
        events = recording(TABLE, EVENT.format(data=data))
        statement = CHANGE_ALL.format(columns=columns, log=log, events=events)
        cursor.execute(statement, {**parameters, "ids": ids})
        epochs = dict(cursor.fetchall())
        if change.notice:
            notify_all(change.notice, epochs)
        if change.name == "restore":
            links.void(purpose=Purpose.RESTORE, user__in=list(epochs))
    return epochs
