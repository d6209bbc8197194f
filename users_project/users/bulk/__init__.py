"""Operators' changes to many users, with few statements and calls for any number. The
worker makes changes of more than one chunk."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from procrastinate.contrib.django import app

from shared.structured_logging import audit
from users import revocation
from users.bulk.changes import CHANGES, Change, change_chunk
from users.models import User

MOST = 100_000  # users at once
# Users of one transaction, one push and one job. They take seconds; the gateway waits
# for 15.
CHUNK = 5000
FIRST = 1  # the priority of such a job, above that of mails


class Outcome(NamedTuple):
    """How many users were changed, how many the worker will change, and whether the
    Auth Service received that sessions ended."""

    done: int = 0
    following: int = 0
    is_pushed: bool = True


def run(change: Change, ids: Sequence[UUID], editor: Any) -> Outcome:
    """Make the change to those of these users to whom it applies. Leave more than one
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
    """Leave the change to the worker, for all of these users or for none."""
    task = app.configure_task("change_users", priority=FIRST)
    for start in range(0, len(ids), CHUNK):
        user_ids: Any = [*map(str, ids[start : start + CHUNK])]
        task.defer(change=change.name, editor_id=str(editor.pk), user_ids=user_ids)


def follow(name: str, ids: Sequence[UUID], editor_id: UUID) -> None:
    """The worker's part. Changes nothing if the operator has lost the permission. May
    run twice: then `end_sessions` has an effect again, and so has another change on
    users for whom it was undone meanwhile."""
    [change] = [each for each in CHANGES if each.name == name]
    push_again(change, ids)
    if editor := User.objects.operator(editor_id, change.permission):
        run(change, ids, editor)
    else:
        audit_all(change, Outcome(), editor_id, refused=len(ids))


def push_again(change: Change, ids: Sequence[UUID]) -> None:
    """Push for those of these users who are changed already: a worker that died after
    the commit has not. (`end_sessions` changes all of them again.)"""
    if change.reason and change.changes:
        users = User.objects.filter(~change.changes, pk__in=ids)
        epochs = dict(users.values_list("pk", "session_epoch"))
        revocation.push_many(epochs, change.reason)


def report(change: Change, epochs: dict[UUID, int], editor: User) -> Outcome:
    """After the commit: push the ended sessions, then log a line for each user."""
    is_pushed = not change.reason or revocation.push_many(epochs, change.reason)
    by, name = str(editor.pk), f"user_{change.name}"
    for user_id, epoch in epochs.items():
        ended = {"epoch": epoch, "reason": change.reason} if change.reason else {}
        audit(name, user_id=str(user_id), by=by, **ended)
    return Outcome(done=len(epochs), is_pushed=is_pushed)


def audit_all(
    change: Change, outcome: Outcome, editor_id: UUID, *, refused: int = 0
) -> None:
    """Log one line for all users."""
    audit(
        "users_changed",
        action=change.name,
        users=outcome.done,
        following=outcome.following,
        refused=refused,
        pushed=outcome.is_pushed,
        by=str(editor_id),
    )
