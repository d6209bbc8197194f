"""What operators do to many users: few statements and calls for any number of them.
What is more than one chunk is done by the worker."""

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
# Users of one transaction, of one push and of one job: seconds, of the 15 for which the
# gateway waits.
CHUNK = 5000
FIRST = 1  # such a job comes before the mails that others have caused


class Outcome(NamedTuple):
    """How many users were changed; how many the worker changes; whether the Auth
    Service received that sessions ended."""

    done: int = 0
    following: int = 0
    is_pushed: bool = True


def run(change: Change, ids: Sequence[UUID], editor: Any) -> Outcome:
    """Do it to those of these users to whom it can be done; more than one chunk of them
    are left to the worker."""
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
    """Have the worker do it to these: all of them, or none."""
    task = app.configure_task("change_users", priority=FIRST)
    for start in range(0, len(ids), CHUNK):
        user_ids: Any = [*map(str, ids[start : start + CHUNK])]
        task.defer(change=change.name, editor_id=str(editor.pk), user_ids=user_ids)


def follow(name: str, ids: Sequence[UUID], editor_id: UUID) -> None:
    """The worker's part; nothing, if the operator may not do it any more. May run
    twice: what was done is not done again, but sessions end once more."""
    [change] = [each for each in CHANGES if each.name == name]
    editors = User.objects.present().filter(is_staff=True)
    editor = editors.filter(pk=editor_id).first()
    if editor is not None and editor.has_perm(change.permission):
        run(change, ids, editor)
    else:
        audit_all(change, Outcome(), editor_id, refused=len(ids))


def report(change: Change, epochs: dict[UUID, int], editor: User) -> Outcome:
    """After the commit: push, then an event for each user."""
    is_pushed = not change.reason or revocation.push_many(epochs, change.reason)
    by, name = str(editor.pk), f"user_{change.name}"
    for user_id, epoch in epochs.items():
        ended = {"epoch": epoch, "reason": change.reason} if change.reason else {}
        audit(name, user_id=str(user_id), by=by, **ended)
    return Outcome(done=len(epochs), is_pushed=is_pushed)


def audit_all(
    change: Change, outcome: Outcome, editor_id: UUID, *, refused: int = 0
) -> None:
    """One event for all."""
    audit(
        "users_changed",
        action=change.name,
        users=outcome.done,
        following=outcome.following,
        refused=refused,
        pushed=outcome.is_pushed,
        by=str(editor_id),
    )
