"""Changes that operators make to many users, in few statements and calls. The worker
makes those to more than one chunk of users."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from procrastinate.contrib.django import app

from shared.structured_logging import audit
from users import revocation
from users.bulk_changes import CHANGES, Change, change_chunk
from users.models import User

MOST = 100_000  # users at once
# Users in one transaction, one push and one job. They take seconds of the 15 that the
# gateway waits.
CHUNK = 5000
FIRST = 1  # the priority of these jobs: mails come after them


class Outcome(NamedTuple):
    """How many users were changed, how many are left to the worker, and whether the
    Auth Service has received that sessions ended."""

    done: int = 0
    following: int = 0
    is_pushed: bool = True


def run(change: Change, ids: Sequence[UUID], editor: Any) -> Outcome:
    """Make the change to all of these users to whom it applies. Leave more than one
    chunk to the worker."""
    if len(ids) > CHUNK:
        defer(change, ids, editor)
        outcome = Outcome(following=len(ids))
    else:
        epochs = change_chunk(change, ids, editor)
        outcome = report(change, epochs, editor)
    audit_all(change, outcome, editor.pk)
    return outcome


@transaction.atomic
def defer(change: Change, ids: Sequence[UUID], editor: User) -> None:
    """Queue the change to these users for the worker, in one transaction."""
    task = app.configure_task("change_users", priority=FIRST)
    for start in range(0, len(ids), CHUNK):
        user_ids: Any = [*map(str, ids[start : start + CHUNK])]
        task.defer(change=change.name, editor_id=str(editor.pk), user_ids=user_ids)


def follow(name: str, ids: Sequence[UUID], editor_id: UUID) -> None:
    """The worker's part. Changes nothing if the operator has lost the permission. If it
    runs twice, changes are not made again, but sessions end once more."""
    [change] = [each for each in CHANGES if each.name == name]
    editors = User.objects.present().filter(is_staff=True)
    editor = editors.filter(pk=editor_id).first()
    if editor is not None and editor.has_perm(change.permission):
        run(change, ids, editor)
    else:
        audit_all(change, Outcome(), editor_id, refused=len(ids))


def report(change: Change, epochs: dict[UUID, int], editor: User) -> Outcome:
    """To be called after the commit: push, then log an event for each user."""
    is_pushed = not change.reason or revocation.push_many(epochs, change.reason)
    by, name = str(editor.pk), f"user_{change.name}"
    for user_id, epoch in epochs.items():
        ended = {"epoch": epoch, "reason": change.reason} if change.reason else {}
        audit(name, user_id=str(user_id), by=by, **ended)
    return Outcome(done=len(epochs), is_pushed=is_pushed)


def audit_all(
    change: Change, outcome: Outcome, editor_id: UUID, *, refused: int = 0
) -> None:
    """Log one event for all users together."""
    audit(
        "users_changed",
        action=change.name,
        users=outcome.done,
        following=outcome.following,
        refused=refused,
        pushed=outcome.is_pushed,
        by=str(editor_id),
    )
