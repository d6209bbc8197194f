"""What operators do to many users: few statements and calls for any number of them.
What does not fit into the time of a request is done by the worker."""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any
from uuid import UUID

from django.db import OperationalError
from procrastinate.contrib.django import app
from procrastinate.exceptions import ConnectorException
from procrastinate.types import JSONDict

from shared.structured_logging import audit
from users import revocation
from users.bulk_changes import CHANGES, Change, change_chunk
from users.models import User

MOST = 100_000  # users at once
CHUNK = 5000  # users of one transaction, of one push and of one job: a second or less
# Seconds after which no chunk begins, and no push: they take less than one, and the
# gateway waits for 15.
PATIENCE, PUSH_PATIENCE = 12.0, 12.5
FIRST = 1  # such a job comes before the mails that others have caused


class Outcome:
    """How many users were changed; how many the worker changes; how many neither, for
    the database; whether the Auth Service received that sessions ended."""

    done = following = unfinished = 0
    is_pushed = True


def run(change: Change, ids: Sequence[UUID], editor: Any) -> Outcome:
    """Do it to those of these users to whom it can be done, in chunks that are done as
    a whole; those for which there is no time are left to the worker. Raises
    OperationalError if that is none.

    While PostgreSQL changes a chunk, a thread reports the one before.
    """
    outcome, began = Outcome(), time.monotonic()
    outcome.unfinished = len(ids)
    reports: list[Future[None]] = []
    with ThreadPoolExecutor(1) as reporter:
        for start in range(0, len(ids), CHUNK):
            chunk = ids[start : start + CHUNK]
            try:
                if start and time.monotonic() > began + PATIENCE:
                    outcome.following = defer(change, ids[start:], editor)
                    outcome.unfinished -= outcome.following
                    break
                epochs = change_chunk(change, chunk, editor)
            except (OperationalError, ConnectorException):
                if not outcome.done:
                    raise
                break
            outcome.done += len(epochs)
            outcome.unfinished -= len(chunk)
            job = partial(report, change, epochs, editor, outcome, began)
            reports.append(reporter.submit(copy_context().run, job))  # the request's id
    for each in reports:
        each.result()  # a fault of the thread is one of ours
    audit_all(change, outcome, editor.pk)
    return outcome


def defer(change: Change, ids: Sequence[UUID], editor: User) -> int:
    """Have the worker do it to these; how many."""
    texts: list[Any] = [*map(str, ids)]
    what: JSONDict = {"change": change.name, "editor_id": str(editor.pk)}
    jobs: list[JSONDict] = [
        {**what, "user_ids": texts[start : start + CHUNK]}
        for start in range(0, len(texts), CHUNK)
    ]
    app.configure_task("change_users", priority=FIRST).batch_defer(*jobs)
    return len(texts)


def follow(name: str, ids: Sequence[UUID], editor_id: UUID) -> None:
    """The worker's part; nothing, if the operator may not do it any more. May run
    twice: what was done is not done again, but sessions end once more."""
    [change] = [each for each in CHANGES if each.name == name]
    editors = User.objects.present().filter(is_staff=True)
    editor = editors.filter(pk=editor_id).first()
    if editor is not None and editor.has_perm(change.permission):
        run(change, ids, editor)
        return
    outcome = Outcome()
    outcome.unfinished = len(ids)
    audit_all(change, outcome, editor_id)


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


def audit_each(change: Change, epochs: dict[UUID, int], editor: User) -> None:
    """An event for each user."""
    by, name = str(editor.pk), f"user_{change.name}"
    for user_id, epoch in epochs.items():
        ended = {"epoch": epoch, "reason": change.reason} if change.reason else {}
        audit(name, user_id=str(user_id), by=by, **ended)


def audit_all(change: Change, outcome: Outcome, editor_id: UUID) -> None:
    """One event for all."""
    audit(
        "users_changed",
        action=change.name,
        users=outcome.done,
        following=outcome.following,
        unfinished=outcome.unfinished,
        pushed=outcome.is_pushed,
        by=str(editor_id),
    )
