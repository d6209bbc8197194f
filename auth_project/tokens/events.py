"""The events of sessions and keys, in rows: docs/operations/logging.md."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import OperationalError, connection, transaction

from shared.events.models import EventModel, PersonalModel, recording, row
from shared.structured_logging import audit, dependency_logger

# The keys of `data`. Refreshes, and actions that change nothing, write no row.
CATALOGUE: dict[str, tuple[str, ...]] = {
    "authn_login_success": ("acr",),
    "authn_step_up": ("acr",),
    "authn_token_reuse": (),
    "authn_token_revoked": ("reason", "sessions"),
    "key_activated": ("kid", "predecessor"),
    "key_pruned": ("kid",),
    "key_retired": ("kid", "needed_until"),
    "key_revoked": ("kid", "successor"),
    "key_staged": ("kid", "bits"),
    "session_logout": (),
    "session_logout_all": ("keep",),
    "user_erased": ("sessions",),
}
TABLE = "tokens_event"
# One event for each session that has ended, or one for all sessions of each user.
ENDED = """
        SELECT 'authn_token_revoked', user_id, id, 'success',
            jsonb_build_object('reason', revoked_reason)
        FROM changed"""
ENDED_OF_USER = """
        SELECT 'authn_token_revoked', user_id, NULL::uuid, 'success',
            jsonb_build_object('reason', %(reason)s::text, 'sessions', count(*))
        FROM changed
        GROUP BY user_id"""
DEED = """
        SELECT %(event)s::text, %(user_id)s::uuid, NULL::uuid, %(outcome)s::text,
            %(data)s::jsonb"""


class Event(EventModel):
    """What happened to a session, or to a key."""


class EventPersonal(PersonalModel):
    """Where an event came from."""


def write(event: str, *, user_id: UUID | None = None, **fields: Any) -> None:
    """Write the row of an event that no statement in `tokens.statements` writes."""
    statement = f"WITH {recording(TABLE, DEED)} SELECT FROM event"
    columns = row(event, fields, CATALOGUE)
    with connection.cursor() as cursor:
        cursor.execute(statement, {"event": event, "user_id": user_id, **columns})


@contextmanager
def key_event(event: str, **fields: Any) -> Iterator[None]:
    """Write the event for the change of keys in the block: both happen, or neither.

    If no database answers, as on the host of containers, only the log has the event: a
    key that is compromised cannot wait.
    """
    try:
        connection.ensure_connection()
    except OperationalError:
        text = "%s: the event is in the audit log only, in no database"
        dependency_logger.warning(text, event, extra={"event": "dependency"})
        yield
        audit(event, **fields, by="operator")
    else:
        with transaction.atomic():
            write(event, **fields)
            yield
            # Before the commit, which may fail: the keys have changed by now.
            audit(event, **fields, by="operator")
